//! What Prometheus finds.

use super::stage::{ADMIN, REPOSITORY, Stage};
use hookherd::simulator::RunSpec;
use hookherd::telemetry::metrics::{Kind, METRICS};

fn metrics(stage: &Stage) -> String {
    stage.ask(ADMIN, "GET /metrics", None).text
}

#[test]
fn every_metric_is_there_and_those_without_labels_from_the_start() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let text = metrics(&stage);
    for metric in METRICS
        .iter()
        .filter(|m| m.labels.is_empty() && m.kind != Kind::Histogram)
    {
        let begins = format!("{} ", metric.name);
        assert!(
            text.lines().any(|line| line.starts_with(&begins)),
            "{begins}: {text}"
        );
    }
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    stage.connect(ADMIN, &token, REPOSITORY);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("the end of the incident", || {
        let incidents = stage.list(ADMIN, "incidents");
        incidents.first().is_some_and(|i| i["status"] == "resolved")
    });
    let text = metrics(&stage);
    for metric in METRICS {
        assert!(
            text.contains(&format!("# TYPE {} ", metric.name)),
            "{}: {text}",
            metric.name
        );
    }
    for line in [
        "hookherd_incidents_opened_total 1",
        "hookherd_incidents_resolved_total 1",
        "hookherd_actors 1",
        "hookherd_actor_panics_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(
        !text.contains("octo"),
        "no label names a repository or a user"
    );
}

#[test]
fn metrics_have_an_address_of_their_own_when_one_is_named() {
    let mut stage = Stage::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    stage.set("HOOKHERD__SERVER__METRICS_LISTEN", &address);
    let daemon = stage.start();
    assert_eq!(stage.ask(ADMIN, "GET /metrics", None).status, 404);
    let there = stage.get_elsewhere(&format!("http://{address}/metrics"));
    assert_eq!(there.status, 200);
    assert!(there.text.contains("hookherd_build_info{"), "{there:?}");
    let nothing_else = stage.get_elsewhere(&format!("http://{address}/api/v2/whoami"));
    assert_eq!(nothing_else.status, 404);
    assert!(daemon.terminate().success());
}
