//! Hookherd's own trouble, as its users see it: incidents that reach the sinks that work.

use super::commands::{done, done_with};
use super::notifications::{Receiver, add, stage, wait_for};
use super::stage::{REPOSITORY, Stage};
use hookherd::simulator::RunSpec;
use serde_json::{Value, json};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);

/// The incidents of a user about one kind of trouble.
fn about(stage: &Stage, user: &str, kind: &str) -> Vec<Value> {
    let mut all = stage.list(user, "incidents");
    all.retain(|it| it["failure_type"] == kind);
    all
}

/// The types of the messages about one kind of trouble, in order.
fn heard(receiver: &Receiver, kind: &str) -> Vec<Value> {
    let all = receiver.came().into_iter().map(|it| it.json());
    let about = all.filter(|it| it["data"]["incident"]["failure_type"] == kind);
    about.map(|it| it["type"].clone()).collect()
}

#[test]
fn the_other_sinks_of_an_owner_are_notified_of_one_that_is_gone_until_it_is_removed() {
    let (works, breaks) = (Receiver::start(), Receiver::start());
    let mut stage = stage(&works);
    let allowed = format!("{},{}", works.address, breaks.address);
    stage.set("HOOKHERD__SINKS__ALLOW", &allowed);
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    add(&stage, &ann, &works).field("id");
    let body = json!({ "kind": "webhook", "name": "pager", "url": breaks.url() }).to_string();
    let gone = stage.ask_in_secret(&ann, "POST /api/v2/sinks", Some(&body));
    let gone = gone.field("id");
    breaks.answers(&["410 Gone\r\n"]);
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    stage.wait_until("the other sink to be notified", || {
        heard(&works, "sink_disabled") == ["incident.opened"]
    });
    let incident = &about(&stage, &ann, "sink_disabled")[0];
    assert_eq!(
        (&incident["sink_id"], &incident["status"]),
        (&json!(gone), &json!("open"))
    );
    stage.set("HOOKHERD_TOKEN", &ann);
    let told = done(
        &stage,
        &["incidents", "show", incident["id"].as_str().unwrap()],
    );
    assert!(told.contains("pager"), "{told}");
    done(&stage, &["sinks", "remove", "pager"]);
    stage.wait_until("its end to be sent", || {
        heard(&works, "sink_disabled") == ["incident.opened", "incident.resolved"]
    });
    assert_eq!(heard(&breaks, "sink_disabled"), [""; 0]);
}

#[test]
fn the_owner_of_a_token_is_notified_days_before_it_expires_until_there_is_another() {
    let receiver = Receiver::start();
    let mut stage = stage(&receiver);
    let daemon = stage.start();
    let ann = stage.add_user("ann");
    stage.set("HOOKHERD_TOKEN", &ann);
    add(&stage, &ann, &receiver).field("id");
    let gitlab = stage.simulator.gitlab();
    let token = gitlab.add_user("ann");
    gitlab.expire_token(&token, 4 * DAY);
    done_with(&stage, &["credential", "add", "gitlab"], &token);
    // Tokens are looked at after a start, and every minute.
    drop(daemon);
    let daemon = stage.start();
    wait_for(&stage, &receiver, 1);
    assert_eq!(heard(&receiver, "credential_expiring"), ["incident.opened"]);
    let lasting = gitlab.add_token("ann", &["api"]);
    gitlab.expire_token(&lasting, 300 * DAY);
    done_with(&stage, &["credential", "add", "gitlab"], &lasting);
    drop(daemon);
    let _daemon = stage.start();
    wait_for(&stage, &receiver, 2);
    let all = ["incident.opened", "incident.resolved"];
    assert_eq!(heard(&receiver, "credential_expiring"), all);
    let incidents = about(&stage, &ann, "credential_expiring");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["resolution"], "recovered");
}
