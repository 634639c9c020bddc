//! `hookherd token` and `hookherd user` from end to end: who has what, and how it ends.

use super::super::commands::{done, failed, json, with_ann};
use super::super::stage::ADMIN;

#[test]
fn tokens_are_listed_and_revoked_and_users_are_listed_and_removed() {
    let (mut stage, _daemon) = with_ann();
    let words = ["token", "create", "--name", "laptop", "--expires", "30d"];
    let made = json(&done(&stage, &[&words[..], &["--json"]].concat()));
    let second = made["token"].as_str().unwrap().to_owned();
    let list = json(&done(&stage, &["token", "list", "--json"]));
    let tokens = list["items"].as_array().unwrap();
    assert_eq!(tokens.len(), 3, "{list}");
    let laptop = tokens.iter().find(|t| t["name"] == "laptop").unwrap();
    assert!(laptop["expires_at"].is_string(), "{list}");
    assert!(!list.to_string().contains(&second), "a token is shown once");
    let id = laptop["id"].as_str().unwrap().to_owned();
    failed(&stage, &["token", "revoke", "../users"], "no API token");
    failed(&stage, &["user", "list"], "forbidden");
    let third = ["token", "create", "--name", "lab"];
    done(&stage, &third);
    let unclear = stage.run(&["token", "revoke", "la"]);
    let unclear = String::from_utf8_lossy(&unclear.stderr).into_owned();
    assert!(
        unclear.contains("several API tokens") && unclear.contains(&id),
        "{unclear}"
    );
    failed(&stage, &["token", "revoke", ""], "no API token");
    done(&stage, &["token", "revoke", "lab"]);
    done(&stage, &["token", "revoke", "lap"]);

    stage.set("HOOKHERD_TOKEN", &second);
    failed(&stage, &["whoami"], "unauthenticated");

    stage.set("HOOKHERD_TOKEN", ADMIN);
    let users = done(&stage, &["user", "list", "--json"]);
    assert!(users.contains("\"ann\""), "{users}");
    let first = json(&done(
        &stage,
        &["token", "create", "--user", "ann", "--json"],
    ));
    failed(
        &stage,
        &["user", "add", "ann"],
        "A user with this name exists",
    );
    failed(&stage, &["user", "remove", "nobody"], "nobody");
    failed(&stage, &["user", "remove", "admin"], "admin");
    done(&stage, &["user", "remove", "ann"]);
    stage.wait_until("ann to be gone", || {
        !done(&stage, &["user", "list", "--json"]).contains("\"ann\"")
    });
    stage.set("HOOKHERD_TOKEN", first["token"].as_str().unwrap());
    failed(&stage, &["whoami"], "unauthenticated");
}
