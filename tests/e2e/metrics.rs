//! What Prometheus finds.

use super::stage::{ADMIN, REPOSITORY, Stage};
use hookherd::api::ingress::IngressOutcome;
use hookherd::domain::connection::WebhookStatus;
use hookherd::domain::delivery::Outcome;
use hookherd::simulator::RunSpec;
use hookherd::telemetry::metric::{Kind, METRICS};

fn metrics(stage: &Stage) -> String {
    stage.ask(ADMIN, "GET /metrics", None).text
}

#[test]
fn every_metric_is_there_and_those_without_labels_from_the_start() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let _daemon = stage.start();
    assert_alerts_find_their_series(&metrics(&stage));
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

/// Every series that an alert of `docs/metrics.md` may look at, before anything has happened.
fn assert_alerts_find_their_series(text: &str) {
    let mut wanted = Vec::new();
    for provider in ["github", "gitlab"] {
        for outcome in IngressOutcome::ALL.map(IngressOutcome::as_str) {
            wanted.push(format!(
                "hookherd_deliveries_total{{provider=\"{provider}\",outcome=\"{outcome}\"}} 0"
            ));
        }
        for state in ["works", "expired", "rejected"] {
            wanted.push(format!(
                "hookherd_credentials{{provider=\"{provider}\",state=\"{state}\"}} 0"
            ));
        }
        wanted.push(format!(
            "hookherd_last_delivery_timestamp_seconds{{provider=\"{provider}\"}} 0"
        ));
        for end in ["ok", "unauthorized", "rate_limited", "provider_unavailable"] {
            wanted.push(format!(
                "hookherd_provider_calls_total{{provider=\"{provider}\",operation=\"check\",\
                 outcome=\"{end}\"}} 0"
            ));
        }
    }
    for outcome in Outcome::NAMES {
        wanted.push(format!(
            "hookherd_deliveries_processed_total{{outcome=\"{outcome}\"}} 0"
        ));
    }
    for status in WebhookStatus::ALL.map(WebhookStatus::as_str) {
        wanted.push(format!("hookherd_hooks{{status=\"{status}\"}} 0"));
    }
    for severity in ["warning", "error", "critical"] {
        wanted.push(format!(
            "hookherd_incidents_unresolved{{status=\"open\",severity=\"{severity}\",\
             source=\"webhook\"}} 0"
        ));
    }
    for line in wanted {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let free = text
        .lines()
        .find_map(|line| line.strip_prefix("hookherd_data_dir_free_bytes "));
    assert!(free.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
    let quotas = text
        .lines()
        .filter(|line| line.starts_with("hookherd_provider_quota_remaining{"));
    assert_eq!(quotas.filter(|line| line.ends_with("} inf")).count(), 2);
}

#[test]
fn what_is_in_the_store_is_counted_and_what_a_disconnect_ends_too() {
    let stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    let id = stage.connect(&ann, &token, REPOSITORY);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    stage.wait_until("the incident", || !stage.list(&ann, "incidents").is_empty());
    let has = |line: &str| metrics(&stage).lines().any(|found| found == line);
    let open = "hookherd_incidents_unresolved{status=\"open\",severity=\"error\",\
                source=\"webhook\"}";
    for line in [
        &format!("{open} 1"),
        "hookherd_hooks{status=\"active\"} 1",
        "hookherd_credentials{provider=\"github\",state=\"works\"} 1",
        "hookherd_hook_deletions_pending 0",
        "hookherd_oldest_unprocessed_delivery_seconds 0",
    ] {
        stage.wait_until(line, || has(line));
    }
    let text = metrics(&stage);
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse::<f64>().unwrap()
    };
    let last = value("hookherd_last_delivery_timestamp_seconds{provider=\"github\"}");
    assert!((value("hookherd_counted_timestamp_seconds") - last).abs() < 60.0);
    let host = stage.simulator.address();
    let quota = format!("hookherd_provider_quota_remaining{{provider=\"github\",host=\"{host}\"}}");
    assert!(value(&quota).is_finite(), "{text}");
    // The provider cannot be asked: the hook's deletion waits, and the incident is resolved.
    github.revoke_token(&token);
    let gone = format!("DELETE /api/v2/repositories/connections/{id}");
    assert_eq!(stage.ask(&ann, &gone, None).status, 200);
    assert!(has("hookherd_incidents_opened_total 1") || has("hookherd_incidents_opened_total 2"));
    stage.wait_until("the end of it", || {
        !has("hookherd_incidents_resolved_total 0")
    });
    for line in [&format!("{open} 0"), "hookherd_hook_deletions_pending 1"] {
        stage.wait_until(line, || has(line));
    }
    assert!(daemon.terminate().success());
}

#[test]
fn metrics_on_the_public_address_ask_for_a_token_unless_they_are_public() {
    let mut stage = Stage::new();
    let url = stage.url("/metrics");
    let daemon = stage.start();
    let ann = stage.add_user("ann");
    let nobody = stage.get_elsewhere(&url);
    assert_eq!(nobody.status, 401, "{nobody:?}");
    assert!(!nobody.text.contains("hookherd_build_info"));
    assert_eq!(stage.ask("hhk_wrong", "GET /metrics", None).status, 401);
    assert_eq!(stage.ask(&ann, "GET /metrics", None).status, 200);
    assert!(daemon.terminate().success());
    stage.set("HOOKHERD__SERVER__METRICS_PUBLIC", "true");
    let daemon = stage.start();
    assert_eq!(stage.get_elsewhere(&url).status, 200);
    assert!(daemon.terminate().success());
}
