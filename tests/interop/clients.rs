//! Third-party clients against our simulator: they show whether it speaks as the
//! providers do can be shown wrong by them.

use crate::receiver::{Delivery, Receiver};
use crate::tools;
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use hookherd::simulator::{PipelineSpec, RunSpec, Simulator, SimulatorConfig};
use sha2::Sha256;
use std::process::Command;
use std::time::Duration;

const SECRET: &str = "a-secret-of-forty-characters-or-so-xxxxx";
/// What `gitbeaker.mjs` and `python_gitlab.py` give as token.
const TOKEN: &str = "a-token-of-the-client";
const KEY: [u8; 32] = *b"0123456789abcdef0123456789abcdef";
/// Longest time until the last delivery has arrived.
const QUIET_TIME_MAX: Duration = Duration::from_secs(20);

fn simulator() -> Simulator {
    Simulator::start(&SimulatorConfig::default()).expect("loopback has free ports")
}

fn signing_token() -> String {
    format!("whsec_{}", BASE64.encode(&KEY))
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// Lets a client do its work, in a thread of its own because the receiver needs this one.
async fn run(script: &'static str, host: String, token: String, project: &str, receiver: &str) {
    let (project, receiver) = (project.to_owned(), receiver.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        let mut command = tools::client(script);
        command.envs([
            ("HOST", host),
            ("TOKEN", token),
            ("PROJECT", project),
            ("RECEIVER", receiver),
            ("SECRET", SECRET.to_owned()),
            ("SIGNING_TOKEN", signing_token()),
        ]);
        let run = |mut command: Command| command.output().expect("the client starts");
        run(command)
    });
    let output = output.await.expect("the client was waited for");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{script}: {}\n{said}",
        output.status
    );
}

/// With GitHub's clients: what they leave behind receives the events of a run, well signed.
async fn github(script: &'static str) {
    let (simulator, receiver) = (simulator(), Receiver::start());
    let token = simulator.github().add_user("ann");
    for name in ["ann/app", "ann/other"] {
        simulator.github().add_repository(name, "ann");
    }
    run(script, simulator.api_url(), token, "ann/app", &receiver.url).await;
    let hooks = simulator.github().hooks("ann/app");
    assert_eq!(hooks.len(), 1, "one was kept");
    simulator
        .github()
        .play_run("ann/app", &RunSpec::new(1, "failure"));
    let all = quiet(simulator, receiver).await;
    let is_run = |d: &&Delivery| d.headers["x-github-event"] == "workflow_run";
    assert_eq!(all.iter().filter(is_run).count(), 3);
    let is_push = |d: &&Delivery| d.headers["x-github-event"] == "push";
    assert!(all.iter().filter(is_push).count() >= 1, "it was tested");
    for delivery in all {
        let digits = HEXLOWER.encode(&mac(SECRET.as_bytes(), &delivery.body));
        let signature = &delivery.headers["x-hub-signature-256"];
        assert_eq!(signature, &format!("sha256={digits}"));
    }
}

/// Waits until everything has arrived; what came to the hook that was kept.
async fn quiet(simulator: Simulator, receiver: Receiver) -> Vec<Delivery> {
    let waited = tokio::task::spawn_blocking(move || simulator.wait_quiet(QUIET_TIME_MAX));
    assert!(waited.await.expect("nobody panics"), "deliveries are stuck");
    let all = receiver.at("/kept");
    receiver.stop().await;
    all
}

/// With GitLab's clients, likewise.
async fn gitlab(script: &'static str) -> (Simulator, Receiver) {
    let (simulator, receiver) = (simulator(), Receiver::start());
    let token = simulator.gitlab().add_user("ann");
    for path in ["group/sub/app", "ann/other"] {
        simulator.gitlab().add_project(path, "ann");
    }
    run(
        script,
        simulator.web_url(),
        token,
        "group/sub/app",
        &receiver.url,
    )
    .await;
    let hooks = simulator.gitlab().hooks("group/sub/app");
    assert_eq!(hooks.len(), 1, "one was kept");
    let spec = PipelineSpec::new(31, "failed");
    simulator.gitlab().play_pipeline("group/sub/app", &spec);
    (simulator, receiver)
}

#[actix_web::test]
async fn octokit_finds_a_github_in_our_simulator() {
    tools::require();
    github("octokit.mjs").await;
}

#[actix_web::test]
async fn pygithub_finds_a_github_in_our_simulator() {
    tools::require();
    github("pygithub.py").await;
}

#[actix_web::test]
async fn gitbeaker_finds_a_gitlab_in_our_simulator() {
    tools::require();
    let (simulator, receiver) = gitlab("gitbeaker.mjs").await;
    let all = quiet(simulator, receiver).await;
    assert_eq!(all.len(), 3);
    for delivery in all {
        assert_eq!(delivery.headers["x-gitlab-event"], "Pipeline Hook");
        assert_eq!(delivery.headers["x-gitlab-token"], TOKEN);
    }
}

#[actix_web::test]
async fn python_gitlab_finds_a_gitlab_in_our_simulator() {
    tools::require();
    let (simulator, receiver) = gitlab("python_gitlab.py").await;
    let waited = tokio::task::spawn_blocking(move || simulator.wait_quiet(QUIET_TIME_MAX));
    assert!(waited.await.expect("nobody panics"), "deliveries are stuck");
    let all = receiver.at("/0");
    receiver.stop().await;
    let events: Vec<_> = all
        .iter()
        .map(|d| d.headers["x-gitlab-event"].as_str())
        .collect();
    let jobs = events.iter().filter(|event| **event == "Job Hook").count();
    assert_eq!(
        (events[0], jobs),
        ("Push Hook", 2),
        "a test, then two states of a job"
    );
    for delivery in all {
        let headers = &delivery.headers;
        let (id, at) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
        let signed = [format!("{id}.{at}.").as_bytes(), &delivery.body].concat();
        let signature = format!("v1,{}", BASE64.encode(&mac(&KEY, &signed)));
        assert_eq!(headers["webhook-signature"], signature);
    }
}
