//! What one user does at a provider does not hold up another.

use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::{Fault, Misbehaviour};
use serde_json::json;
use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

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
