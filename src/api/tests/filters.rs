//! Lists that are narrowed down: by what, with cursors, bounded, and never another user's.

use super::connections::got;
use super::stage::{Person, Stage, connect};
use crate::domain::connection::Connection;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome};
use crate::domain::id::{DeliveryId, IncidentId, RunId};
use crate::domain::incident::{IncidentStatus, Subject};
use crate::domain::lifecycle::Desired;
use crate::domain::run::{Conclusion, RunStatus};
use crate::domain::samples;
use crate::domain::time::Timestamp;
use crate::store::{Change, LOOKED_AT_MAX, Read};
use serde_json::Value;

fn connected(stage: &Stage, name: &str) -> Connection {
    connect(&stage.connections, stage.owner.user, name, stage.credential)
}

/// A delivery like the seeded one, as the `n`th.
fn delivery(stage: &Stage, of: &Connection, n: u32, event: &str) -> Delivery {
    Delivery {
        id: DeliveryId::from_u128(u128::MAX / 2 + u128::from(n)),
        connection: of.id,
        owner: of.owner,
        provider_delivery_id: format!("d{n}"),
        event: event.into(),
        body_digest: BodyDigest::Blake3(*blake3::hash(&n.to_le_bytes()).as_bytes()),
        ..got(stage.store.delivery(stage.delivery))
    }
}

fn inserted(delivery: Delivery) -> Change {
    Change::InsertDelivery(Box::new(delivery), samples::payload("{}"))
}

fn ended(delivery: Delivery, outcome: Outcome) -> Delivery {
    let at = Timestamp(1_795_530_891_000);
    Delivery {
        state: DeliveryState::Processed { at, outcome },
        ..delivery
    }
}

/// Every item of a list over all its pages, by one of its fields; and how many pages there were.
#[track_caller]
fn all(who: &Person, list: &str, field: &str) -> (Vec<String>, usize) {
    let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = who.show(format!("{list}{cursor}"));
        pages += 1;
        let items = [&page["items"], &page["connections"]];
        let items = items.into_iter().find_map(Value::as_array).unwrap();
        seen.extend(items.iter().map(|i| i[field].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else {
            return (seen, pages);
        };
        cursor = format!("&cursor={next}");
    }
}

#[track_caller]
fn names(who: &Person, query: &str) -> Vec<String> {
    let list = format!("repositories/connections?{query}");
    all(who, &list, "repository_full_name").0
}

#[test]
fn connections_are_found_by_name_owner_host_provider_and_status() {
    let stage = Stage::new();
    for name in ["acme/api", "Acme/Web", "other/api"] {
        connected(&stage, name);
    }
    let mut paused = connected(&stage, "acme/old");
    paused.lifecycle.desired = Desired::Paused;
    stage.commit(vec![Change::PutConnection(Box::new(paused))]);
    let mut removed = connected(&stage, "acme/gone");
    removed.lifecycle.desired = Desired::Removed { delete_hook: true };
    stage.commit(vec![Change::PutConnection(Box::new(removed))]);
    let found = |query: &str| names(&stage.owner, query);
    assert_eq!(found("repository=ACME/api"), ["acme/api"]);
    assert_eq!(found("repository=acme/web"), ["Acme/Web"]);
    assert_eq!(found("repository=acme/gone"), [""; 0]);
    let of_acme = ["acme/old", "Acme/Web", "acme/api"];
    assert_eq!(found("repository=acme/*"), of_acme);
    assert_eq!(found("owner=ACME"), of_acme);
    assert_eq!(found("owner=ACME&limit=1"), of_acme);
    assert_eq!(found("repository=*/api"), ["other/api", "acme/api"]);
    assert_eq!(found("repository=*/api&limit=1"), ["other/api", "acme/api"]);
    assert_eq!(found("status=inactive"), ["acme/old"]);
    assert_eq!(found("status=inactive&owner=other"), [""; 0]);
    assert_eq!(found("provider=github&host=github.com").len(), 5);
    assert_eq!(found("provider=gitlab"), [""; 0]);
    assert_eq!(found("host=git.example.org"), [""; 0]);
    assert_eq!(names(&stage.foreign, "repository=acme/api"), [""; 0]);
    assert_eq!(names(&stage.admin, "repository=acme/*"), [""; 0]);
}

#[test]
fn deliveries_are_found_by_repository_event_outcome_and_state() {
    let stage = Stage::new();
    let (api, web) = (connected(&stage, "acme/api"), connected(&stage, "acme/web"));
    let dead = Outcome::DeadLetter {
        reason: "no".into(),
    };
    let changes = [
        delivery(&stage, &api, 1, "push"),
        ended(delivery(&stage, &api, 2, "status"), Outcome::Recorded),
        ended(delivery(&stage, &web, 3, "push"), dead),
        delivery(&stage, &web, 4, "status"),
    ];
    stage.commit(changes.into_iter().map(inserted).collect());
    let found = |query: &str| {
        let list = format!("deliveries?{query}");
        all(&stage.owner, &list, "provider_delivery_id").0
    };
    assert_eq!(found("limit=2"), ["d4", "d3", "d2", "d1", "seeded"]);
    assert_eq!(found("repository=Acme/API&limit=1"), ["d2", "d1"]);
    assert_eq!(found("repository=acme/*"), ["d4", "d3", "d2", "d1"]);
    assert_eq!(found(&format!("connection_id={}", web.id)), ["d4", "d3"]);
    let both = format!("connection_id={}&repository=acme/api", web.id);
    assert_eq!(found(&both), [""; 0]);
    assert_eq!(found("event=status&limit=1"), ["d4", "d2"]);
    assert_eq!(found("event=push&repository=acme/web"), ["d3"]);
    assert_eq!(found("outcome=dead_letter"), ["d3"]);
    assert_eq!(found("outcome=recorded&event=push"), [""; 0]);
    assert_eq!(found("state=received&limit=1"), ["d4", "d1", "seeded"]);
    assert_eq!(found("state=processed"), ["d3", "d2"]);
    assert_eq!(found("state=received&outcome=recorded"), [""; 0]);
    assert_eq!(found("provider=github").len(), 5);
    assert_eq!(found("provider=gitlab"), [""; 0]);
    assert_eq!(found("source=webhook&limit=3").len(), 5);
    assert_eq!(found("source=reconcile"), [""; 0]);
    assert_eq!(found("provider_delivery_id=d3"), ["d3"]);
    assert_eq!(found("provider_delivery_id=d3&event=status"), [""; 0]);
    assert_eq!(found("action=completed"), [""; 0]);
    assert_eq!(found("until=1970-01-01T00:00:00Z"), [""; 0]);
    assert_eq!(found("since=1970-01-01T00:00:00%2B00:00").len(), 5);
    let list = "deliveries?repository=acme/api";
    let (names, _) = all(&stage.owner, list, "repository_full_name");
    assert_eq!(names, ["acme/api", "acme/api"]);
    let (none, _) = all(&stage.foreign, list, "id");
    assert_eq!(none, [""; 0]);
}

#[test]
fn a_rare_one_among_many_is_found_by_pages_that_each_look_at_no_more_than_they_may() {
    let stage = Stage::new();
    let api = connected(&stage, "acme/api");
    let many = u32::try_from(LOOKED_AT_MAX).unwrap() * 5 / 2;
    let name = |n| if n == 7 { "release" } else { "push" };
    let changes = (1..=many).map(|n| inserted(delivery(&stage, &api, n, name(n))));
    stage.commit(changes.collect());
    for list in [
        "deliveries?event=release",
        "deliveries?event=release&repository=acme/api",
    ] {
        let (found, pages) = all(&stage.owner, list, "provider_delivery_id");
        assert_eq!((found, pages), (vec!["d7".to_owned()], 3), "{list}");
    }
}

#[test]
fn runs_and_incidents_are_found_by_what_they_are_about() {
    let stage = Stage::new();
    let api = connected(&stage, "acme/api");
    let mut run = got(stage.store.run(stage.run));
    run.id = RunId::from_u128(u128::MAX / 2);
    run.connection = api.id;
    run.provider_run_id = 9002;
    run.facts.branch = Some("release/1".into());
    run.status = RunStatus::Completed(Conclusion::Success);
    let mut incident = got(stage.store.incident(stage.incident));
    incident.id = IncidentId::from_u128(u128::MAX / 2);
    incident.subject = Subject::Connection(api.id);
    incident.status = IncidentStatus::Resolved;
    let mut credentials = incident.clone();
    credentials.id = IncidentId::from_u128(u128::MAX / 2 + 1);
    credentials.subject = Subject::Credential(stage.credential);
    credentials.status = IncidentStatus::Acknowledged;
    stage.commit(vec![
        Change::PutRun(Box::new(run.clone())),
        Change::PutIncident(Box::new(incident.clone())),
        Change::PutIncident(Box::new(credentials.clone())),
    ]);
    let found = |list: &str| all(&stage.owner, list, "id").0;
    let (old, new) = (stage.run.to_string(), run.id.to_string());
    let (old, new) = (old.as_str(), new.as_str());
    assert_eq!(found("workflows/runs?limit=1"), [new, old]);
    for query in [
        "repository=acme/api",
        "branch=release/*",
        "conclusion=success",
        "repository=acme/*&status=completed",
    ] {
        assert_eq!(found(&format!("workflows/runs?{query}")), [new], "{query}");
    }
    assert_eq!(found("workflows/runs?branch=main&provider=github"), [old]);
    assert_eq!(found("workflows/runs?status=queued"), [""; 0]);
    let (first, second) = (stage.incident.to_string(), incident.id.to_string());
    let third = credentials.id.to_string();
    let (first, second, third) = (first.as_str(), second.as_str(), third.as_str());
    assert_eq!(found("incidents?status=open"), [first]);
    assert_eq!(found("incidents?status=acknowledged"), [third]);
    assert_eq!(found("incidents?repository=acme/api"), [second]);
    assert_eq!(found("incidents?repository=*/*"), [second, first]);
    assert_eq!(
        found("incidents?provider=github&limit=1"),
        [third, second, first]
    );
    assert_eq!(found("incidents?provider=gitlab"), [""; 0]);
}

#[test]
fn a_value_that_nothing_can_have_is_refused_with_those_that_there_are() {
    let stage = Stage::new();
    for row in [
        "repositories/connections?status=broken -> pending, active, degraded, failed",
        "repositories/connections?status= -> pending, active",
        "repositories/connections?provider=gitea -> github, gitlab",
        "repositories/connections?repository=app -> owner/name",
        "repositories/connections?repository= -> owner/name",
        "repositories/connections?repository=a/[ -> owner/name",
        "repositories/connections?host=a/b -> host name",
        "repositories/connections?owner=a%20b -> organisation",
        "repositories/connections?webhook_status=active -> webhook_status",
        "deliveries?outcome=done -> dead_letter",
        "deliveries?state=new -> received, processed",
        "deliveries?event= -> name of an event",
        "deliveries?provider=GitHub -> github, gitlab",
        "deliveries?source=poll -> webhook, reconcile",
        "deliveries?since=yesterday -> 2026-11-24T14:34:56Z",
        "deliveries?until=2026-11-24 -> 2026-11-24T14:34:56Z",
        "deliveries?action= -> name of an action",
        "deliveries?provider_delivery_id=a%20b -> id of a delivery",
        "workflows/runs?conclusion=bad -> timed_out",
        "workflows/runs?status=done -> queued, in_progress, completed",
        "workflows/runs?branch= -> pattern",
        "incidents?status=closed -> open, acknowledged, resolved",
        "incidents?repository=x -> owner/name",
    ] {
        let (path, part) = row.split_once(" -> ").unwrap();
        let reply = stage.owner.get(path);
        reply.is(400, "bad_query");
        let detail = reply.text("detail");
        assert!(detail.contains(part), "{path}: {detail}");
    }
}
