//! Who asks for too much is told so, and when to come again.

use super::wire::{Reply, send};
use super::world::{Person, World, settings};
use crate::api::{Quotas, Settings};

fn with(quotas: Quotas) -> World {
    World::with(Settings {
        quotas,
        ..settings()
    })
}

fn is_told_to_wait(reply: &Reply, most: u64) {
    reply.is(429, "too_many_requests");
    let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=most).contains(&wait), "{wait}");
}

fn whoami(world: &World, person: &Person) -> Reply {
    world.call(Some(person), "GET /api/v2/whoami", None)
}

#[test]
fn requests_in_a_minute_are_counted_by_user() {
    let world = with(Quotas {
        requests_per_minute: 5,
        ..Quotas::default()
    });
    let refused = (0..9)
        .map(|_| whoami(&world, &world.owner))
        .find(|r| r.status == 429);
    is_told_to_wait(&refused.expect("nine are too many"), 61);
    assert_eq!(whoami(&world, &world.foreign).status, 200);
    for _ in 0..5 {
        whoami(&world, &world.admin);
    }
    is_told_to_wait(&whoami(&world, &world.admin), 61);
}

#[test]
fn wrong_tokens_are_counted_by_address_and_right_ones_always_work() {
    let world = with(Quotas {
        wrong_tokens_per_minute: 3,
        ..Quotas::default()
    });
    let guess = |from: &str| {
        let headers = [
            ("Authorization", "Bearer hhk_wrong"),
            ("X-Forwarded-For", from),
        ];
        send(world.at, "GET /api/v2/whoami", &headers, None)
    };
    for _ in 0..3 {
        guess("192.0.2.1").is(401, "unauthenticated");
    }
    is_told_to_wait(&guess("192.0.2.1"), 61);
    guess("192.0.2.2").is(401, "unauthenticated");
    assert_eq!(whoami(&world, &world.owner).status, 200);
    let bearer = format!("Bearer {}", world.owner.token.expose());
    let headers = [
        ("Authorization", bearer.as_str()),
        ("X-Forwarded-For", "192.0.2.1"),
    ];
    assert_eq!(
        send(world.at, "GET /api/v2/whoami", &headers, None).status,
        200
    );
}

#[test]
fn tokens_are_not_made_without_end() {
    let world = with(Quotas {
        tokens_per_hour: 4,
        ..Quotas::default()
    });
    let make = || world.call(Some(&world.owner), "POST /api/v2/tokens", Some("{}"));
    for _ in 0..4 {
        assert_eq!(make().status, 201);
    }
    is_told_to_wait(&make(), 3601);
}

#[test]
fn a_user_has_so_many_connections_and_credentials() {
    let world = with(Quotas {
        repositories: 1,
        credentials: 1,
        ..Quotas::default()
    });
    let body = r#"{"repository_full_name":"octo/more"}"#;
    let line = "POST /api/v2/repositories/connect";
    let refused = world.call(Some(&world.owner), line, Some(body));
    refused.is(429, "quota_reached");
    assert_eq!(refused.header("retry-after"), None);
    let body = r#"{"provider":"github","token":"ghp_x"}"#;
    let refused = world.call(Some(&world.owner), "POST /api/v2/credentials", Some(body));
    refused.is(429, "quota_reached");
}
