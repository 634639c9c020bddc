//! Failures that are explained: the binary, a provider with jobs and logs, and a sink.

use super::commands::{done, json};
use super::notifications::{Receiver, stage as notifying, wait_for};
use super::scan::Canaries;
use super::stage::{Daemon, REPOSITORY, Stage, files};
use hookherd::domain::repo::ProviderKind;
use hookherd::simulator::{Fault, JobSpec, Misbehaviour, PipelineSpec, RunJobSpec, RunSpec};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PROJECT: &str = "octo/sub/app";
const SECRET: &str = "ghp_cAnArYoFtHeLoG0123456789abcdefgh";

/// A provider, a user with a connection there and a sink, and a daemon.
struct Scene {
    kind: ProviderKind,
    stage: Stage,
    daemon: Option<Daemon>,
    receiver: Receiver,
    ann: String,
    connection: String,
}

/// The log of a job of either provider, with these lines of its own.
fn log(kind: ProviderKind, lines: &str) -> String {
    match kind {
        ProviderKind::Github => format!("{lines}\n##[error]Process completed with exit code 2.\n"),
        ProviderKind::Gitlab => format!(
            "section_start:1700000001:step_script\r\u{1b}[0K{lines}\n\
             section_end:1700000009:step_script\r\u{1b}[0K\u{1b}[31;1mERROR: Job failed\n"
        ),
    }
}

impl Scene {
    fn new(kind: ProviderKind) -> Self {
        Self::with(kind, |_| ())
    }

    fn with(kind: ProviderKind, set: impl FnOnce(&mut Stage)) -> Self {
        let receiver = Receiver::start();
        let mut stage = notifying(&receiver);
        stage.set("HOOKHERD__PROVIDERS__GITHUB__CALL_TIMEOUT", "3s");
        stage.set("HOOKHERD__PROVIDERS__GITLAB__CALL_TIMEOUT", "3s");
        // Each failure is an incident of its own.
        stage.set("HOOKHERD__INCIDENTS__REOPEN_WITHIN", "0s");
        set(&mut stage);
        let daemon = Some(stage.start());
        let (ann, connection) = match kind {
            ProviderKind::Github => stage.ann_connected(),
            ProviderKind::Gitlab => {
                let (ann, gitlab) = (stage.add_user("ann"), stage.simulator.gitlab());
                let token = gitlab.add_user("octo");
                gitlab.add_project(PROJECT, "octo");
                stage.add_credential(&ann, "gitlab", &token);
                let wish = json!({ "provider": "gitlab", "repository_full_name": PROJECT });
                let id = stage
                    .call(&ann, "POST repositories/connect", &wish)
                    .field("id");
                stage.wait_for_status(&ann, &id, "active");
                (ann, id)
            }
        };
        let sink = json!({ "kind": "webhook", "name": "chat", "url": receiver.url() });
        stage.ask_in_secret(&ann, "POST sinks", Some(&sink.to_string()));
        Self {
            kind,
            stage,
            daemon,
            receiver,
            ann,
            connection,
        }
    }

    /// Plays a run or pipeline of `main` whose job `unit` ends so, with this log.
    fn play(&self, number: u64, passes: bool, log: &str) {
        match self.kind {
            ProviderKind::Github => {
                let conclusion = if passes { "success" } else { "failure" };
                let mut run = RunSpec::new(number, conclusion);
                run.jobs = vec![RunJobSpec::new("unit", conclusion).with_log(log)];
                self.stage.simulator.github().play_run(REPOSITORY, &run);
            }
            ProviderKind::Gitlab => {
                let status = if passes { "success" } else { "failed" };
                let mut pipeline = PipelineSpec::new(number, status);
                pipeline.jobs = vec![JobSpec::new("unit", status).with_log(log)];
                let gitlab = self.stage.simulator.gitlab();
                gitlab.play_pipeline(PROJECT, &pipeline);
            }
        }
    }

    /// The operation of the simulator that gives logs.
    const fn log_operation(&self) -> &'static str {
        match self.kind {
            ProviderKind::Github => "job_log",
            ProviderKind::Gitlab => "gitlab.job_trace",
        }
    }

    fn logs(&self, misbehaviour: Misbehaviour, times: u32) {
        self.stage.simulator.faults().push(Fault {
            operation: self.log_operation().to_owned(),
            misbehaviour,
            times,
            after: 0,
        });
    }

    /// The newest incident, whole.
    fn incident(&self) -> Value {
        let newest = self.stage.list(&self.ann, "incidents").into_iter().next();
        let id = newest.map_or_else(String::new, |it| it["id"].as_str().unwrap().to_owned());
        let line = format!("GET incidents/{id}");
        self.stage.call(&self.ann, &line, &Value::Null).json
    }

    /// Waits until there are so many incidents and the newest is explained, and returns that.
    fn explained(&self, count: usize) -> Value {
        self.stage.wait_until("an explanation", || {
            let all = self.stage.list(&self.ann, "incidents");
            all.len() == count && self.incident()["explanation"]["state"] == "explained"
        });
        self.incident()
    }
}

/// Each of these stories with either provider.
macro_rules! both {
    ($($story:ident)*) => {
        mod github {
            $(#[test]
            fn $story() {
                super::$story(super::ProviderKind::Github);
            })*
        }
        mod gitlab {
            $(#[test]
            fn $story() {
                super::$story(super::ProviderKind::Gitlab);
            })*
        }
    };
}

both! {
    a_failure_is_explained_and_a_secret_in_its_log_is_nowhere
    a_log_of_50_megabytes_costs_no_memory
    a_provider_that_hangs_delays_no_notification
    a_daemon_that_was_killed_continues_to_explain
    logs_that_are_gone_or_refused_are_no_error
}

fn a_failure_is_explained_and_a_secret_in_its_log_is_nowhere(kind: ProviderKind) {
    let scene = Scene::new(kind);
    scene.play(1, true, "");
    let lines = format!("$ deploy --token {SECRET}\nexport DEPLOY_TOKEN={SECRET}\nit failed");
    scene.play(3, false, &log(kind, &lines));
    let incident = scene.explained(1);
    let explanation = &incident["explanation"];
    let job = &explanation["failed_jobs"][0];
    let (steps, last) = match kind {
        ProviderKind::Github => (
            json!(["Test"]),
            "Error: Process completed with exit code 2.",
        ),
        ProviderKind::Gitlab => (json!([]), "ERROR: Job failed"),
    };
    assert_eq!((&job["name"], &job["steps"]), (&json!("unit"), &steps));
    assert_eq!(
        job["log"],
        format!("$ deploy --token ***\nexport DEPLOY_TOKEN=***\nit failed\n{last}\n")
    );
    assert_eq!(explanation["commits"].as_array().map(Vec::len), Some(2));
    assert_eq!(explanation["suspects"][0]["commits"], 2);
    assert_eq!(explanation["commit"]["sha"], incident["commit_sha"]);
    if kind == ProviderKind::Github {
        assert_eq!(explanation["commit"]["author_id"], "4001");
        let page = explanation["commit"]["url"].as_str().unwrap();
        let host = scene.stage.simulator.api_url();
        assert!(page.starts_with(&host), "{page}");
    }
    // A message that is sent later names the step and the authors, and no part of the log.
    scene.play(4, true, "");
    let came = wait_for(&scene.stage, &scene.receiver, 2);
    let told = &came.last().unwrap().json()["data"]["explanation"];
    assert_eq!(told["failed_jobs"][0]["steps"], steps);
    assert_eq!(told["commits_since"], 2);
    assert!(!told.to_string().contains("it failed"), "{told}");
    // The command line shows it, line by line.
    let mut stage = scene.stage;
    stage.set("HOOKHERD_TOKEN", &scene.ann);
    let id = incident["id"].as_str().unwrap();
    let shown = done(&stage, &["incidents", "show", id]);
    assert!(shown.contains("\n    | it failed\n"), "{shown}");
    let shown = json(&done(&stage, &["incidents", "show", id, "--json"]));
    assert_eq!(
        shown["explanation"]["failed_jobs"],
        explanation["failed_jobs"]
    );
    let metrics = stage.ask(&scene.ann, "GET /metrics", None).text;
    let counted = "hookherd_explanations_total{outcome=\"explained\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    // The secret is nowhere: in no answer, message, log or file.
    assert!(scene.daemon.unwrap().terminate().success());
    let mut canaries = Canaries::default();
    canaries.add("the secret of the log", SECRET);
    for (asked, answer) in stage.heard() {
        let found = canaries.found_in(answer.text.as_bytes());
        assert!(found.is_empty(), "{asked}: {answer:?}");
    }
    for message in came {
        assert!(
            canaries
                .found_in(message.json().to_string().as_bytes())
                .is_empty()
        );
    }
    for (path, bytes) in files(stage.dir.path()) {
        assert!(canaries.found_in(&bytes).is_empty(), "{}", path.display());
    }
}

/// The most memory that the process ever had, in KiB.
fn peak_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB"));
    number.unwrap().trim().parse().unwrap()
}

fn a_log_of_50_megabytes_costs_no_memory(kind: ProviderKind) {
    let scene = Scene::with(kind, |stage| {
        // The simulator shares this machine.
        stage.set("HOOKHERD__PROVIDERS__GITHUB__CALL_TIMEOUT", "20s");
        stage.set("HOOKHERD__PROVIDERS__GITLAB__CALL_TIMEOUT", "20s");
    });
    scene.play(1, false, &log(kind, "a short one"));
    scene.explained(1);
    scene.play(2, true, "");
    let before = peak_kib(scene.daemon.as_ref().unwrap());
    let line = format!("{}\n", "x".repeat(1023));
    let long = line.repeat(50 * 1024) + "the last line";
    scene.play(3, false, &log(kind, &long));
    let incident = scene.explained(2);
    let job = &incident["explanation"]["failed_jobs"][0];
    let text = job["log"].as_str().unwrap_or_else(|| panic!("{job}"));
    assert!(
        text.contains("the last line\n") && text.len() <= 6 * 1024,
        "{text}"
    );
    assert_eq!(job["log_is_cut"], true);
    let grown = peak_kib(scene.daemon.as_ref().unwrap()) - before;
    // Of which most is for finding secrets in the end of it, however long it is.
    assert!(grown < 20 * 1024, "{grown} KiB");
}

fn a_provider_that_hangs_delays_no_notification(kind: ProviderKind) {
    let scene = Scene::new(kind);
    scene.logs(Misbehaviour::Hang, 9);
    let begun = Instant::now();
    scene.play(3, false, &log(kind, "it failed"));
    let came = wait_for(&scene.stage, &scene.receiver, 1);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(came[0].json()["type"], "incident.opened");
    assert_eq!(scene.incident()["explanation"]["state"], "pending");
}

fn a_daemon_that_was_killed_continues_to_explain(kind: ProviderKind) {
    let mut scene = Scene::new(kind);
    scene.logs(Misbehaviour::Hang, 9);
    scene.play(3, false, &log(kind, "it failed"));
    let operation = scene.log_operation();
    scene.stage.wait_until("the log to be asked for", || {
        scene.stage.simulator.requests(operation) > 0
    });
    drop(scene.daemon.take());
    scene.stage.simulator.faults().clear();
    scene.daemon = Some(scene.stage.start());
    let incident = scene.explained(1);
    let log = &incident["explanation"]["failed_jobs"][0]["log"];
    assert!(
        log.as_str().unwrap().starts_with("it failed\n"),
        "{incident}"
    );
    // Disconnecting takes it away, and leaves the incident.
    let line = format!("DELETE repositories/connections/{}", scene.connection);
    scene.stage.call(&scene.ann, &line, &Value::Null);
    scene.stage.wait_until("the explanation to be gone", || {
        scene.incident()["explanation"].is_null()
    });
    assert_eq!(scene.incident()["status"], "resolved");
}

fn logs_that_are_gone_or_refused_are_no_error(kind: ProviderKind) {
    let scene = Scene::new(kind);
    for (count, status, reason) in [(1, 403, "refused"), (2, 410, "gone")] {
        let number = 2 * count as u64 + 1;
        scene.logs(Misbehaviour::FailBefore(status), 1);
        scene.play(number, false, &log(kind, "it failed"));
        let incident = scene.explained(count);
        let job = &incident["explanation"]["failed_jobs"][0];
        assert_eq!(
            (&job["log"], &job["log_missing"]),
            (&Value::Null, &json!(reason))
        );
        assert_eq!(incident["explanation"]["error"], Value::Null);
        scene.play(number + 1, true, "");
        scene
            .stage
            .wait_until("its end", || scene.incident()["status"] == "resolved");
    }
    let status = scene.stage.connection(&scene.ann, &scene.connection);
    assert_eq!(status["webhook_status"], "active", "{status}");
}
