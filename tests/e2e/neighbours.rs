//! What one user does at a provider does not hold up another.

use super::stage::{ADMIN, REPOSITORY, Stage};
use hookherd::simulator::{Fault, Misbehaviour};
use serde_json::json;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const LISTINGS: usize = 40;

/// Ann's listings are never answered, and there are more of them than calls may be under way; Ben
/// connects a repository meanwhile. A call that is never answered takes 15 seconds.
#[test]
fn listings_that_hang_do_not_hold_up_a_neighbours_connect() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let (ann, ben) = (stage.add_user("ann"), stage.add_user("ben"));
    let (of_ann, of_ben) = (github.add_user("ann"), github.add_user("octo"));
    github.add_repository(REPOSITORY, "octo");
    for (user, token) in [(&ann, of_ann), (&ben, of_ben)] {
        stage.add_credential(user, "github", &token);
    }
    stage.simulator.faults().push(Fault {
        operation: "repositories".into(),
        misbehaviour: Misbehaviour::Hang,
        times: 1000,
        after: 0,
    });
    let address = stage.url("").replace("http://", "");
    let asked = format!(
        "GET /api/v2/repositories/github HTTP/1.1\r\nhost: {address}\r\n\
         authorization: Bearer {ann}\r\n\r\n"
    );
    let listings = [(); LISTINGS].map(|()| {
        let mut listing = TcpStream::connect(&address).unwrap();
        listing.write_all(asked.as_bytes()).unwrap();
        listing
    });
    stage.wait_until("listings hang", || {
        stage.simulator.requests("repositories") >= 4
    });
    let begin = Instant::now();
    let wish = json!({ "repository_full_name": REPOSITORY });
    let connection = stage.call(&ben, "POST /api/v2/repositories/connect", &wish);
    stage.wait_for_status(&ben, &connection.field("id"), "active");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop(listings);
}

/// Quiet connections, rounds, and how many times as much the noisy one sends.
const QUIET: usize = 10;
const ROUNDS: usize = 30;
const TIMES: usize = 100;
/// How often it is measured at most.
const ATTEMPTS: usize = 4;
/// Differences below this are those of this machine.
const FLOOR: Duration = Duration::from_millis(40);

/// The time from the arrival of a delivery to the end of its processing that 99 of 100 of the
/// quiet connections' newest pushes do not exceed.
fn lag(stage: &Stage, quiet: &[String]) -> Duration {
    let mut lags = Vec::new();
    for id in quiet {
        let of = format!("deliveries?connection_id={id}&event=push&limit={ROUNDS}");
        let pushes = stage.list(ADMIN, &of);
        assert_eq!(pushes.len(), ROUNDS);
        lags.extend(pushes.iter().map(|push| {
            let at = |field: &str| {
                let text = push[field].as_str().unwrap_or_else(|| panic!("{push}"));
                OffsetDateTime::parse(text, &Rfc3339).unwrap()
            };
            (at("processed_at") - at("received_at")).unsigned_abs()
        }));
    }
    lags.sort_unstable();
    lags[(lags.len() * 99).div_ceil(100) - 1]
}

/// One connection gets a hundred times the deliveries of each of the others: none is refused, and
/// the others' 99th percentile at most doubles.
#[test]
fn a_connection_at_a_hundred_times_the_rate_at_most_doubles_the_others_lag() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let token = github.add_user("octo");
    let names: Vec<String> = (0..=QUIET).map(|n| format!("octo/r{n}")).collect();
    let ids: Vec<String> = names
        .iter()
        .map(|name| {
            github.add_repository(name, "octo");
            stage.connect(ADMIN, &token, name)
        })
        .collect();
    let (noisy, quiet) = (&names[0], &names[1..]);
    let measured = |times: usize| {
        for _ in 0..ROUNDS {
            for (nth, name) in quiet.iter().enumerate() {
                // All the while the noisy one sends, too.
                for _ in 0..times * (nth + 1) / QUIET - times * nth / QUIET {
                    github.push(noisy);
                }
                github.push(name);
            }
            assert!(stage.simulator.wait_quiet(Duration::from_mins(1)));
        }
        stage.wait_until("all is processed", || {
            let waiting = stage.list(ADMIN, "deliveries?state=received&limit=1");
            waiting.is_empty()
        });
        lag(&stage, &ids[1..])
    };
    // What else the machine does may delay them, too, once and again, but not each time.
    let mut seen = Vec::new();
    let is_fair = (0..ATTEMPTS).any(|_| {
        let (alone, beside) = (measured(0), measured(TIMES));
        seen.push((alone, beside));
        beside <= (alone * 2).max(FLOOR)
    });
    assert!(is_fair, "alone, then beside it: {seen:?}");
    let sent = github.deliveries(noisy);
    let refused = sent.iter().filter(|view| view.status != Some(202));
    // A ping is answered otherwise.
    assert!(refused.count() <= 1, "an authentic delivery was refused");
}
