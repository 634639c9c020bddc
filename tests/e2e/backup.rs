//! A backup that is made while deliveries arrive, and what becomes of a daemon that is restored.

use super::commands::{done, json, with_ann};
use super::stage::{ADMIN, REPOSITORY};
use hookherd::simulator::RunSpec;
use reqwest::Method;
use serde_json::Value;

#[test]
fn a_restored_daemon_has_one_hook_and_recovers_what_happened_since_the_backup() {
    let (mut stage, daemon) = with_ann();
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    github.add_repository(REPOSITORY, "octo");
    super::commands::done_with(&stage, &["credential", "add", "github"], &token);
    done(&stage, &["connect", "github", REPOSITORY]);
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let incidents = |stage: &super::stage::Stage| {
        let mut found = json(&done(stage, &["incidents", "--json"]));
        let found = found["items"].take();
        let of = |i: &Value| {
            (
                i["status"].as_str().unwrap().to_owned(),
                i["occurrences"].as_u64(),
            )
        };
        let mut all: Vec<_> = found.as_array().unwrap().iter().map(of).collect();
        all.sort();
        all
    };
    stage.wait_until("the incident", || incidents(&stage).len() == 1);

    // With the daemon running: by the command, and by the API for admins only.
    let exported = stage.run(&["store", "export", "backup"]);
    assert!(exported.status.success(), "{exported:?}");
    let url = stage.url("/api/v2/admin/backup");
    let download = |token: &str| {
        let request = stage.request(Method::GET, &url).bearer_auth(token);
        stage.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.bytes().await.unwrap())
        })
    };
    assert_eq!(download(&stage.variables["HOOKHERD_TOKEN"]).0, 403);
    let (status, bytes) = download(ADMIN);
    assert_eq!(status, 200);
    std::fs::write(stage.path("downloaded"), &bytes).unwrap();
    std::fs::write(stage.path("cut"), &bytes[..bytes.len() - 100]).unwrap();

    // What happens between the backup and the loss of the machine.
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("its end", || incidents(&stage)[0].0 == "resolved");
    github.play_run(REPOSITORY, &RunSpec::new(3, "failure"));
    // It failed soon after the pass.
    let again = [("open".to_owned(), Some(2))];
    stage.wait_until("it is opened again", || incidents(&stage) == again);
    let before = incidents(&stage);
    let hooks = github.hooks(REPOSITORY);
    drop(daemon);

    let import = |file: &str, dir: &str| {
        let dir = stage.path(dir).display().to_string();
        stage.run(&["store", "import", file, "--data-dir", &dir])
    };
    let cut = import("cut", "from-cut");
    assert!(
        !cut.status.success() && !stage.path("from-cut").exists(),
        "{cut:?}"
    );
    for file in ["backup", "downloaded"] {
        let imported = import(file, &format!("from-{file}"));
        assert!(imported.status.success(), "{imported:?}");
    }
    let restored = stage.path("from-backup").display().to_string();
    stage.set("HOOKHERD__SERVER__DATA_DIR", &restored);
    let _daemon = stage.start();
    stage.wait_until("what was missed", || incidents(&stage) == before);
    let found = stage.simulator.github().hooks(REPOSITORY);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, hooks[0].id, "it is the same hook");
}
