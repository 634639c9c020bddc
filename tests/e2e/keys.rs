//! Master keys: a rotation from one to the next, with everything sealed again on the way.

use super::stage::{REPOSITORY, Stage, master_key};
use serde_json::json;

#[test]
fn after_a_rotation_the_old_key_is_needed_no_more() {
    let mut stage = Stage::new();
    let github = stage.simulator.github();
    let daemon = stage.start();
    let (ann, token) = stage.ann_and_octo();
    let connection = stage.connect(&ann, &token, REPOSITORY);
    stage.wait_for_status(&ann, &connection, "active");
    let old = github.hooks(REPOSITORY).remove(0);
    let (url, old_secret) = (old.url, old.secret.expect("ours always have one"));
    let line = format!("POST /api/v2/repositories/connections/{connection}/rotate-secret");
    stage.call(&ann, &line, &serde_json::Value::Null);
    stage.wait_until("another secret", || {
        github.hooks(REPOSITORY)[0].secret.as_ref() != Some(&old_secret)
    });
    stage.wait_for_status(&ann, &connection, "active");
    assert!(daemon.terminate().success());

    let both = format!("{},{}", master_key(2), master_key(1));
    stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &both);
    let daemon = stage.start();
    stage.wait_for_status(&ann, &connection, "active");
    // The connection's actor seals its secret again before it does anything else.
    let last_check = || stage.connection(&ann, &connection)["health"]["last_check_at"].clone();
    let before = last_check();
    let line = format!("POST /api/v2/repositories/connections/{connection}/check");
    stage.call(&ann, &line, &serde_json::Value::Null);
    stage.wait_until("a check", || last_check() != before);
    assert!(daemon.terminate().success());

    stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(2));
    let _daemon = stage.start();
    // The credential opens: the provider is asked with it.
    let line = format!("PATCH /api/v2/repositories/connections/{connection}");
    stage.call(
        &ann,
        &line,
        &json!({ "webhook_events": ["push", "issues"] }),
    );
    stage.wait_until("the hook to be written", || {
        github.hooks(REPOSITORY)[0].events == ["issues", "push"]
    });
    // The hook's secret opens: deliveries are verified with it.
    github.push(REPOSITORY);
    stage.wait_until("the delivery", || {
        let all = github.deliveries(REPOSITORY);
        let push = all.iter().rfind(|it| it.event == "push");
        push.is_some_and(|it| matches!(it.status, Some(200 | 202)))
    });
    // So does the one before its rotation, which is accepted for a while.
    let late = stage.deliver(&url, &old_secret, "signed-before-the-rotation", &[]);
    assert_eq!(late.status, 202, "{late:?}");
}
