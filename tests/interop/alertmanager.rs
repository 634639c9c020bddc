//! Debian's Prometheus Alertmanager as a sink: it says itself which alerts are active.

use crate::daemon::{ADMIN, Stage};
use crate::tools::{Tool, out_dir};
use hookherd::simulator::RunSpec;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const OWNER: &str = "ann";
const REPOSITORY: &str = "ann/app";
/// Behind a path, as it often is.
const PREFIX: &str = "/prom/alerts";
/// What is not sent again would end after a second, if it did not say when it ends.
const CONFIG: &str = "\
global:
  resolve_timeout: 1s
route:
  receiver: none
receivers:
  - name: none
";

/// A running Alertmanager with a directory of its own.
fn start(dir: &Path) -> Tool {
    let config = dir.join("alertmanager.yml");
    std::fs::write(&config, CONFIG).expect("the directory is ours");
    let extracted = out_dir().join("alertmanager/usr");
    let binary = extracted.join("bin/prometheus-alertmanager");
    // Where its templates are: see `setup.sh`.
    let templates = extracted.join("share/prometheus/alertmanager");
    Tool::program(
        "alertmanager",
        &templates,
        binary.to_str().expect("the path is text"),
        &[
            &format!("--config.file={}", config.display()),
            &format!("--storage.path={}", dir.join("alertmanager").display()),
            "--web.listen-address=127.0.0.1:{port}",
            &format!("--web.route-prefix={PREFIX}"),
            // No other instance is looked for.
            "--cluster.listen-address=",
        ],
    )
}

/// The alerts that are active, by Alertmanager's own word.
fn active(stage: &Stage, peer: &Tool) -> Vec<Value> {
    let url = format!("{}{PREFIX}/api/v2/alerts", peer.url());
    let answer = stage.send(stage.request(Method::GET, &url));
    let answer = answer.expect("it answers");
    answer.json.as_array().expect("a list").clone()
}

fn wait_for_one(stage: &Stage, peer: &Tool, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let mut found = Vec::new();
    stage.wait_until(what, || {
        found = active(stage, peer);
        matches!(&found[..], [one] if is_so(one))
    });
    found.remove(0)
}

fn wait_for_none(stage: &Stage, peer: &Tool, what: &str) {
    stage.wait_until(what, || active(stage, peer).is_empty());
}

fn ends_at(alert: &Value) -> OffsetDateTime {
    let text = alert["endsAt"].as_str().expect("it has an end");
    OffsetDateTime::parse(text, &Rfc3339).expect("a time")
}

fn play(stage: &Stage, number: u64, conclusion: &'static str) {
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(number, conclusion));
}

#[test]
fn an_incident_is_an_alert_that_lasts_as_long_as_the_incident_and_the_daemon() {
    let mut stage = Stage::new();
    let peer = start(stage.dir.path());
    let token = stage.simulator.github().add_user(OWNER);
    stage.simulator.github().add_repository(REPOSITORY, OWNER);
    let place = peer.url().trim_start_matches("http://").to_owned();
    stage.set("HOOKHERD__SINKS__ALLOW", &place);
    stage.set("HOOKHERD__SINKS__DELAY", "0s");
    stage.set("HOOKHERD__SINKS__HEARTBEAT", "1s");
    let mut daemon = stage.start();
    stage.add_credential(ADMIN, "github", &token);
    stage.connect(REPOSITORY);
    let url = format!("{}{PREFIX}", peer.url());
    let sink = json!({ "kind": "alertmanager", "name": "prometheus", "url": url });
    stage.call(ADMIN, "POST sinks", &sink);

    play(&stage, 1, "failure");
    let first = wait_for_one(&stage, &peer, "the alert", |_| true);
    let labels = &first["labels"];
    assert_eq!(labels["alertname"], "HookherdCiFailed");
    assert_eq!(labels["repository"], REPOSITORY);
    assert_eq!(labels["severity"], "error");
    assert_eq!(first["status"]["state"], "active");

    // It would have ended twice by now.
    let mut last = first.clone();
    for _ in 0..2 {
        let before = ends_at(&last);
        stage.wait_until("its end to pass", || OffsetDateTime::now_utc() > before);
        last = wait_for_one(&stage, &peer, "a later end", |one| ends_at(one) > before);
        assert_eq!(last["labels"], first["labels"], "it is the same alert");
        assert_eq!(last["startsAt"], first["startsAt"]);
    }

    daemon.0.kill().expect("the child is ours");
    assert_eq!(active(&stage, &peer).len(), 1, "it does not end at once");
    wait_for_none(&stage, &peer, "its end without a daemon");
    drop(daemon);

    // The next daemon knows what is shown there. It ends long after the patience of this test.
    stage.set("HOOKHERD__SINKS__HEARTBEAT", "1m");
    let daemon = stage.start();
    let again = wait_for_one(&stage, &peer, "the alert after a restart", |_| true);
    assert_eq!(again["labels"], first["labels"]);
    play(&stage, 2, "success");
    wait_for_none(&stage, &peer, "its end with the incident");

    // One that lasts a moment only, and one that a user asks for.
    play(&stage, 3, "failure");
    wait_for_one(&stage, &peer, "another alert", |_| true);
    play(&stage, 4, "success");
    wait_for_none(&stage, &peer, "the end of the other");
    let id = stage.list(ADMIN, "sinks")[0]["id"].clone();
    let id = id.as_str().expect("an id");
    let tested = stage.must(&format!("POST sinks/{id}/test"));
    assert_eq!(tested["accepted"], true, "{tested}");
    let sample = wait_for_one(&stage, &peer, "the sample", |_| true);
    assert_eq!(sample["labels"]["repository"], "example/repository");
    stage.end(daemon);
}
