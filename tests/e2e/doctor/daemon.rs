//! What a running daemon is asked: credentials, connections, hooks to move, hooks to delete.

use super::Report;
use crate::cli::fake;
use crate::commands::{done, done_with, json};
use crate::stage::{ADMIN, Daemon, REPOSITORY, Stage};
use hookherd::simulator::{Fault, Misbehaviour};
use serde_json::json as value;

/// A daemon, and the admin's token in the environment.
fn running() -> (Stage, Daemon) {
    let mut stage = Stage::new();
    let daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    (stage, daemon)
}

/// Connects a repository of `octo`'s, whatever becomes of its webhook.
fn connect(stage: &Stage, repository: &str) -> String {
    let connected = stage.run(&["--json", "connect", "github", repository]);
    let text = String::from_utf8(connected.stdout).unwrap();
    json(&text)["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_running_daemon_is_examined_and_a_users_machine_has_nothing_but_a_token() {
    let (mut stage, daemon) = running();
    let host = stage.simulator.address().to_string();
    Report::of(&stage)
        .has("credentials", "warning", "hookherd credential add")
        .has("public address", "warning", "only from this machine")
        .has("store", "ok", "in use by a daemon")
        .has("connections", "ok", "0 healthy")
        .has("pending deletions", "ok", "");
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let id = stage.connect(ADMIN, &token, REPOSITORY);
    stage.wait_for_status(ADMIN, &id, "active");
    let report = Report::of(&stage);
    report
        .has("daemon", "ok", "signed in as admin")
        .has(
            &format!("credential of octo at {host} (github)"),
            "ok",
            "scopes repo",
        )
        .has(
            &format!("daemon and github at {host}"),
            "ok",
            "reachable from the daemon",
        )
        .has("connections", "ok", "1 healthy")
        .is_silent_on("API token")
        .is_silent_on("public address of webhooks");
    assert_eq!(report.failed(), [""; 0]);

    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    Report::of(&stage).is_silent_on("master key");
    stage.set("HOOKHERD_TOKEN", "hhk_wrong");
    Report::of(&stage).has("daemon", "FAILED", "");
    drop(daemon);
    stage.set("HOOKHERD_TOKEN", ADMIN);
    Report::of(&stage).has("daemon", "FAILED", "");
}

#[test]
fn a_token_that_ends_soon_is_told() {
    let (mut stage, _daemon) = running();
    for (expires, verdict, part) in [
        (None, "ok", "it does not expire"),
        (Some("365d"), "ok", "it expires on"),
        (Some("3d"), "warning", "hookherd token create"),
    ] {
        stage.set("HOOKHERD_TOKEN", ADMIN);
        let mut words = vec!["token", "create"];
        words.extend(
            expires
                .into_iter()
                .flat_map(|expires| ["--expires", expires]),
        );
        let token = done(&stage, &words);
        stage.set("HOOKHERD_TOKEN", &token);
        Report::of(&stage).has("API token", verdict, part);
    }
}

#[test]
fn credentials_are_judged_by_their_providers_scopes_and_by_what_became_of_them() {
    let (stage, _daemon) = running();
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let host = stage.simulator.address().to_string();
    let at = |login: &str, provider: &str| format!("credential of {login} at {host} ({provider})");
    let add = |provider: &str, token: &str| {
        done_with(&stage, &["credential", "add", provider], token);
    };
    for login in ["half", "none", "public", "octo"] {
        github.add_user(login);
    }
    add("github", &github.add_token("half", &["write:repo_hook"]));
    add("github", &github.add_token("none", &["user"]));
    add("github", &github.add_token("public", &["public_repo"]));
    let good = github.add_token("octo", &["admin:repo_hook"]);
    add("github", &good);
    gitlab.add_user("reader");
    gitlab.add_user("ann");
    add("gitlab", &gitlab.add_token("reader", &["read_api"]));
    let api = gitlab.add_token("ann", &["api"]);
    add("gitlab", &api);
    let report = Report::of(&stage);
    report
        .has(&at("half", "github"), "FAILED", "but not deleting them")
        .has(
            &at("none", "github"),
            "FAILED",
            "the scope admin:repo_hook, and has user",
        )
        .has(
            &at("public", "github"),
            "warning",
            "public repositories only",
        )
        .has(
            &at("octo", "github"),
            "ok",
            "works; scopes admin:repo_hook; its expiry is unknown",
        )
        .has(
            &at("reader", "gitlab"),
            "FAILED",
            "the scope api, and has read_api",
        )
        .has(&at("ann", "gitlab"), "ok", "works; scopes api")
        .has(&format!("daemon and gitlab at {host}"), "ok", "");
}

#[test]
fn a_dead_credential_is_worse_alone_than_beside_one_that_works() {
    let (stage, _daemon) = running();
    let (github, gitlab) = (stage.simulator.github(), stage.simulator.gitlab());
    let host = stage.simulator.address().to_string();
    let at = |login: &str, provider: &str| format!("credential of {login} at {host} ({provider})");
    let add = |provider: &str, token: &str| {
        done_with(&stage, &["credential", "add", provider], token);
    };
    add("github", &github.add_user("other"));
    let good = github.add_user("octo");
    add("github", &good);
    add("gitlab", &gitlab.add_user("reader"));
    let api = gitlab.add_user("ann");
    add("gitlab", &api);
    github.revoke_token(&good);
    gitlab.revoke_token(&api);
    for (provider, login, token) in [("github", "octo", &good), ("gitlab", "ann", &api)] {
        let line = "POST /api/v2/repositories/connect";
        let ids = stage.list(ADMIN, "credentials");
        let id = ids.iter().find(|c| c["account"]["login"] == login).unwrap()["id"].clone();
        let wish = value!({
            "provider": provider, "repository_full_name": "octo/app", "credential_id": id,
        });
        let answer = stage.ask(ADMIN, line, Some(&wish.to_string()));
        assert_ne!(answer.status, 201, "{token}: {answer:?}");
    }
    Report::of(&stage)
        .has(
            &at("octo", "github"),
            "warning",
            "another of your credentials works there",
        )
        .has(
            &at("ann", "gitlab"),
            "warning",
            "it no longer works (refused)",
        );
    for one in stage.list(ADMIN, "credentials") {
        if one["account"]["login"] != "ann" {
            let id = one["id"].as_str().unwrap();
            done(&stage, &["credential", "remove", id]);
        }
    }
    Report::of(&stage)
        .has(
            &at("ann", "gitlab"),
            "FAILED",
            "sign in again or add a new token",
        )
        .has(&format!("daemon and gitlab at {host}"), "FAILED", "");
}

/// A sign-in that ends after so many days, as the API shows it.
fn ending(login: &str, days: i32, is_renewed: bool) -> serde_json::Value {
    let at = time::OffsetDateTime::now_utc() + time::Duration::days(1) * days;
    let at = at.format(&time::format_description::well_known::Rfc3339);
    value!({
        "id": "crd_1", "provider": "gitlab", "host": "gitlab.com", "kind": "oauth",
        "account": { "id": "1", "login": login }, "scopes": ["api"], "rejected_because": null,
        "expires_at": at.unwrap(), "is_renewed": is_renewed,
    })
}

/// A connection that does not work, as the API shows it.
fn failing(number: usize) -> serde_json::Value {
    value!({
        "repository_full_name": format!("octo/r{number}"), "host": "github.com",
        "webhook_status": "failed", "last_error": null, "health": {},
    })
}

/// What no simulated provider does: sign-ins that end and are not renewed, and a daemon that fails
/// half-way.
#[test]
fn an_end_that_comes_and_lists_that_cannot_be_read_are_told() {
    let mut stage = Stage::new();
    let all = [
        ending("past", -1, false),
        ending("soon", 3, false),
        ending("far", 99, false),
    ];
    let all = [&all[..], &[ending("renewed", 0, true)]].concat();
    let ok = |body: serde_json::Value| fake::json(200, "", &body);
    let none = || ok(value!({ "items": [], "connections": [], "next_cursor": null }));
    let failed = || {
        let problem = value!({ "code": "internal", "title": "t", "detail": "d", "status": 500 });
        fake::json(500, "", &problem)
    };
    let many: Vec<_> = (0..25).map(failing).collect();
    let (url, _asked) = fake::server(vec![
        ok(value!({ "name": "ann" })),
        none(),
        ok(value!({ "items": all, "next_cursor": null })),
        none(),
        ok(value!({
            "connections_by_status": { "failed": 25 },
            "connections_total": 25, "webhooks_to_move": 0,
        })),
        ok(value!({ "connections": many, "next_cursor": null })),
        failed(),
    ]);
    stage.unset("OAUTH_TOKEN_ENCRYPTION_KEY");
    stage.set("HOOKHERD_URL", &url);
    stage.set("HOOKHERD_TOKEN", "hhk_of-ann");
    let what = |login: &str| format!("credential of {login} at gitlab.com (gitlab)");
    Report::of(&stage)
        .has(&what("past"), "FAILED", "it expired on")
        .has(&what("soon"), "warning", "is not refreshed: sign in again")
        .has(&what("far"), "ok", "it expires on")
        .has(&what("renewed"), "ok", "refreshed automatically")
        .has("connections", "FAILED", "25 of 25 do not work")
        .has("connection octo/r19 at github.com", "FAILED", "retrying")
        .has(
            "more connections",
            "FAILED",
            "5 more: see `hookherd connections",
        )
        .is_silent_on("connection octo/r20 at github.com")
        .has("pending deletions", "FAILED", "");
    let (url, _asked) = fake::server(vec![ok(value!({ "name": "ann" })), failed()]);
    stage.set("HOOKHERD_URL", &url);
    Report::of(&stage)
        .has("API token", "FAILED", "")
        .has("credentials", "FAILED", "")
        .has("connections", "FAILED", "")
        .has("pending deletions", "FAILED", "");
}

#[test]
fn connections_that_do_not_work_fail_and_those_that_limp_are_warnings() {
    let (stage, _daemon) = running();
    let github = stage.simulator.github();
    let host = stage.simulator.address().to_string();
    let token = github.add_user("octo");
    github.add_user("boss");
    done_with(&stage, &["credential", "add", "github"], &token);
    for name in ["octo/good", "octo/paused", "octo/limps", "octo/locked"] {
        github.add_repository(name, "octo");
    }
    github.set_admin("octo", "octo/locked", false);
    connect(&stage, "octo/good");
    let paused = connect(&stage, "octo/paused");
    let limps = connect(&stage, "octo/limps");
    let locked = connect(&stage, "octo/locked");
    stage.wait_for_status(ADMIN, &locked, "failed");
    done(&stage, &["pause", &paused]);
    github.set_admin("octo", "octo/limps", false);
    stage.run(&["check", "octo/limps"]);
    stage.wait_for_status(ADMIN, &limps, "degraded");
    let row = |name: &str| format!("connection {name} at {host}");
    Report::of(&stage)
        .has(
            "connections",
            "FAILED",
            "1 of 4 do not work, 1 more need attention (1 paused)",
        )
        .has(&row("octo/locked"), "FAILED", "admin:repo_hook")
        .has(&row("octo/limps"), "warning", "degraded: ")
        .is_silent_on(&row("octo/good"))
        .is_silent_on(&row("octo/paused"));

    // Nothing is left that works.
    github.revoke_token(&token);
    stage.run(&["check", "octo/good"]);
    let credential = format!("credential of octo at {host} (github)");
    stage.wait_until("the suspension", || {
        done(&stage, &["connections", "--status", "suspended"]).contains("octo/good")
    });
    Report::of(&stage)
        .has(
            &row("octo/good"),
            "FAILED",
            "suspended: needs you to resume it",
        )
        .has(&credential, "FAILED", "(refused)")
        .has(&format!("daemon and github at {host}"), "FAILED", "");
}

#[test]
fn hooks_that_are_to_be_moved_are_counted_until_none_is_left() {
    let (mut stage, daemon) = running();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let id = stage.connect(ADMIN, &token, REPOSITORY);
    stage.wait_for_status(ADMIN, &id, "active");
    let gauge = |stage: &Stage| {
        let text = stage.ask(ADMIN, "GET /metrics", None).text;
        let line = text
            .lines()
            .find(|line| line.starts_with("hookherd_hooks_to_move "));
        line.unwrap().to_owned()
    };
    assert_eq!(gauge(&stage), "hookherd_hooks_to_move 0");
    assert!(daemon.terminate().success());
    stage.simulator.faults().push(Fault {
        operation: "update_hook".into(),
        misbehaviour: Misbehaviour::FailBefore(503),
        times: u32::MAX,
        after: 0,
    });
    let moved = stage.url("").replace("127.0.0.1", "localhost");
    stage.set("WEBHOOK_BASE_URL", &moved);
    let _daemon = stage.start();
    stage.wait_until("the count of hooks to move", || {
        gauge(&stage) == "hookherd_hooks_to_move 1"
    });
    // The gauge counts each hook as it is found; a user's number is known when all were looked at.
    stage.wait_until("the user's number of hooks to move", || {
        stage.ask(ADMIN, "GET /api/v2/stats", None).json["webhooks_to_move"] == 1
    });
    let what = "public address of webhooks";
    Report::of(&stage).has(
        what,
        "warning",
        "1 of 1 webhooks still deliver to a former address",
    );
    stage.simulator.faults().clear();
    stage.wait_until("the move", || {
        github.hooks(REPOSITORY)[0].url.starts_with(&moved)
    });
    stage.wait_until("nothing to move", || {
        gauge(&stage) == "hookherd_hooks_to_move 0"
    });
    Report::of(&stage).is_silent_on(what);
}

#[test]
fn a_deletion_that_goes_on_is_told_until_the_provider_has_confirmed_it() {
    let (stage, _daemon) = running();
    let github = stage.simulator.github();
    let host = stage.simulator.address().to_string();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    let id = stage.connect(ADMIN, &token, REPOSITORY);
    stage.wait_for_status(ADMIN, &id, "active");
    stage.simulator.faults().outage(true);
    let gone = json(&done(&stage, &["--json", "disconnect", REPOSITORY]));
    assert_eq!(gone["webhook_outcome"], "pending");
    stage.wait_until("a failed deletion", || {
        let list = done(&stage, &["--json", "connections", "--deleting"]);
        json(&list)["connections"][0]["last_error"].is_object()
    });
    assert!(done(&stage, &["connections", "--deleting"]).contains(REPOSITORY));
    Report::of(&stage)
        .has("connections", "ok", "0 healthy")
        .has(
            "pending deletions",
            "warning",
            "1 webhooks of disconnected repositories",
        )
        .has(
            &format!("deletion for {REPOSITORY} at {host}"),
            "warning",
            "retrying: ",
        );
    stage.simulator.faults().outage(false);
    stage.wait_until("the deletion", || github.hooks(REPOSITORY).is_empty());
    stage.wait_until("nothing left to delete", || {
        let list = json(&done(&stage, &["--json", "connections", "--deleting"]));
        list["connections"].as_array().unwrap().is_empty()
    });
    Report::of(&stage).has("pending deletions", "ok", "no webhooks left");
}
