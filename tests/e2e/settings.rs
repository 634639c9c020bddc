//! Settings as people write them, and what the daemon makes of them.

use super::stage::{ADMIN, REPOSITORY, Stage};
use hookherd::simulator::RunSpec;
use serde_json::json;

/// Refused with status 78 in one line that says all of this.
#[track_caller]
fn assert_told(stage: &Stage, says: &[&str]) {
    let output = stage.run(&["serve"]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    for word in says {
        assert!(line.contains(word), "{word}: {line}");
    }
    assert!(!stage.data_dir().exists(), "nothing was written");
}

#[test]
fn a_base_url_with_a_slash_and_a_line_end_gives_a_clean_hook() {
    let mut stage = Stage::new();
    let base = stage.url("");
    stage.set("WEBHOOK_BASE_URL", &format!(" {base}/\n"));
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let id = stage.connect(ADMIN, &token, REPOSITORY);
    stage.wait_for_status(ADMIN, &id, "active");
    let url = github.hooks(REPOSITORY)[0].url.clone();
    assert!(
        url.starts_with(&format!("{base}/api/v2/webhooks/github/")),
        "{url:?}"
    );
    assert!(!url.contains(char::is_whitespace), "{url:?}");
    assert!(!url["http://".len()..].contains("//"), "{url:?}");
    let shown = stage.connection(ADMIN, &id);
    assert_eq!(shown["webhook_url"], url);
}

#[test]
fn branches_in_one_variable_with_blanks_open_incidents_on_these_branches_only() {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__INCIDENTS__BRANCHES", "main, release/*");
    let github = stage.simulator.github();
    let _daemon = stage.start();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    stage.connect(ADMIN, &token, REPOSITORY);
    for (number, branch) in [(1, "topic"), (2, "main"), (3, "release/1")] {
        let mut run = RunSpec::new(number, "failure");
        run.branch = branch.to_owned();
        github.play_run(REPOSITORY, &run);
    }
    stage.wait_until("all runs", || {
        let runs = stage.list(ADMIN, "workflows/runs");
        runs.iter().filter(|r| r["conclusion"] == "failure").count() == 3
    });
    stage.wait_until("both incidents", || {
        stage.list(ADMIN, "incidents").len() == 2
    });
    let mut branches: Vec<String> = stage
        .list(ADMIN, "incidents")
        .iter()
        .map(|i| i["branch"].as_str().unwrap().to_owned())
        .collect();
    branches.sort();
    assert_eq!(branches, ["main", "release/1"]);
}

#[test]
fn an_empty_client_secret_is_as_good_as_none() {
    let mut stage = Stage::new();
    for name in [
        "GITHUB_OAUTH_CLIENT_SECRET",
        "GITHUB_OAUTH_CLIENT_ID",
        "GITLAB_OAUTH_CLIENT_SECRET_FILE",
        "GITHUB_APP_PRIVATE_KEY",
        "HOOKHERD__SERVER__METRICS_LISTEN",
        "HOOKHERD_CONFIG",
    ] {
        stage.set(name, "");
    }
    assert!(stage.start().terminate().success());
}

#[test]
fn a_token_of_digits_keeps_the_zeros_in_front() {
    let mut stage = Stage::new();
    let token = "000000000000000000000000000000000123";
    stage.unset("HOOKHERD_ADMIN_TOKEN");
    stage.set("HOOKHERD__AUTH__ADMIN_TOKEN", token);
    let _daemon = stage.start();
    assert_eq!(stage.ask(token, "GET /api/v2/whoami", None).status, 200);
    assert_eq!(stage.ask("123", "GET /api/v2/whoami", None).status, 401);
}

#[test]
fn what_is_no_setting_or_no_level_is_told_by_name_and_nothing_is_started() {
    let mut stage = Stage::new();
    for (name, value, says) in [
        (
            "HOOKHERD__SERVER__LISTTEN",
            "x",
            "HOOKHERD__SERVER__LISTEN?",
        ),
        ("HOOKHERD_LOG_LEVEL", "debug", "HOOKHERD__LOG__LEVEL?"),
        ("HOOKHERD__LOG__LEVEL", "verbose", "warn, info, debug"),
        ("HOOKHERD__SERVER__WORKERS", "two", "a whole number"),
        ("HOOKHERD__LIMITS__USERS", "0", "a whole number from 1"),
        ("HOOKHERD__LIMITS__CONNECTIONS", "-1", "whole number"),
        (
            "HOOKHERD__LIMITS__WRITE_DEADLINE",
            "0s",
            "greater than zero",
        ),
        ("HOOKHERD__LIMITS__ANSWER_BYTES", "9PiB", "a size from"),
        (
            "HOOKHERD__LIMITS__CONNECTIONS_PER_ADDRESS",
            "5000",
            "limits.connections, which is 2048",
        ),
        (
            "HOOKHERD__INGRESS__MAX_BYTES_IN_FLIGHT",
            "100MiB",
            "8 times ingress.max_body",
        ),
    ] {
        stage.set(name, value);
        assert_told(&stage, &[name, says]);
        stage.unset(name);
    }
    std::fs::write(stage.path("hookherd.toml"), "[server]\nlissten = \"x\"\n").unwrap();
    stage.set("HOOKHERD_CONFIG", "hookherd.toml\n");
    assert_told(
        &stage,
        &["server.lissten", "in hookherd.toml", "server.listen?"],
    );
    stage.set("HOOKHERD_CONFIG", "nowhere.toml");
    assert_told(&stage, &["cannot read nowhere.toml"]);
    stage.unset("HOOKHERD_CONFIG");
    // It may belong to another process: reported, and started.
    stage.set("HOOKHERD_ADMIN_TOKN", "x");
    assert!(stage.start().terminate().success());
    let log = std::fs::read_to_string(stage.log()).unwrap();
    assert!(log.contains("did you mean HOOKHERD_ADMIN_TOKEN?"), "{log}");
}

#[test]
fn a_daemon_that_nobody_can_use_says_so() {
    let mut stage = Stage::new();
    stage.unset("HOOKHERD_ADMIN_TOKEN");
    assert!(stage.start().terminate().success());
    let log = std::fs::read_to_string(stage.log()).unwrap();
    assert!(!log.contains("actix"), "what is no news is not told: {log}");
    let says = format!("public_url=\"{}\"", stage.url(""));
    assert!(log.contains("version=") && log.contains(&says), "{log}");
    let told = |stage: &Stage| {
        let log = std::fs::read_to_string(stage.log()).unwrap();
        log.matches("no admin token").count()
    };
    assert_eq!(told(&stage), 1);
    stage.set("HOOKHERD_ADMIN_TOKEN", ADMIN);
    assert!(stage.start().terminate().success());
    stage.unset("HOOKHERD_ADMIN_TOKEN");
    // There is an admin by now, whose token was taken out: users may have tokens of their own.
    assert!(stage.start().terminate().success());
    assert_eq!(told(&stage), 1);
}

#[test]
fn a_data_directory_that_cannot_be_used_is_named() {
    let mut stage = Stage::new();
    std::fs::write(stage.path("file"), "").unwrap();
    let place = stage.path("file").join("data");
    let place = place.to_str().unwrap();
    stage.set("HOOKHERD__SERVER__DATA_DIR", place);
    let output = stage.run(&["serve"]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert!(
        line.contains(place) && line.contains("Not a directory"),
        "{line}"
    );
    assert_eq!(output.status.code(), Some(78), "{line}");
}

#[test]
fn variables_for_proxies_count_when_they_were_asked_for_and_never_else() {
    let mut stage = Stage::new();
    let github = stage.simulator.github();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        stage.set(name, "http://127.0.0.1:1");
    }
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let offer = json!({ "provider": "github", "token": token }).to_string();
    let add = |stage: &Stage| {
        let answer = stage.ask(ADMIN, "POST /api/v2/credentials", Some(&offer));
        answer.status
    };
    let daemon = stage.start();
    assert_eq!(add(&stage), 201, "they were not asked for");
    assert!(daemon.terminate().success());

    stage.set("HOOKHERD__NETWORK__PROXY_FROM_ENVIRONMENT", "true");
    let daemon = stage.start();
    assert!(add(&stage) >= 500, "nobody is at the proxy's address");
    assert!(daemon.terminate().success());

    stage.set("NO_PROXY", "example.org, 127.0.0.0/8");
    let _daemon = stage.start();
    assert_eq!(add(&stage), 201, "the provider needs no proxy");
}
