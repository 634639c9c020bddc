//! Many repositories under a quota: the commands wait as they are asked to, and get through.

use super::super::commands::{done, done_with};
use super::super::stage::{ADMIN, Daemon, Stage};

/// More than may be asked for at once, and than a provider's page holds.
const REPOSITORIES: usize = 34;

/// A daemon that takes few requests a minute, and a user of it with repositories.
fn stage() -> (Stage, Daemon) {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__LIMITS__REQUESTS_PER_MINUTE", "30");
    let daemon = stage.start();
    stage.set("HOOKHERD_TOKEN", ADMIN);
    let ann = done(&stage, &["user", "add", "ann"]);
    stage.set("HOOKHERD_TOKEN", &ann);
    let github = stage.simulator.github();
    let token = github.add_user("octo");
    for n in 0..REPOSITORIES {
        github.add_repository(&format!("octo/app-{n:02}"), "octo");
    }
    done_with(&stage, &["credential", "add", "github"], &token);
    (stage, daemon)
}

fn hooks(stage: &Stage) -> usize {
    let github = stage.simulator.github();
    let hooks = |n| github.hooks(&format!("octo/app-{n:02}")).len();
    (0..REPOSITORIES).map(hooks).sum()
}

#[test]
fn many_are_connected_although_the_daemon_asks_to_wait() {
    let (stage, _daemon) = stage();
    let output = stage.run(&["connect", "github", "--all", "--yes"]);
    let told = String::from_utf8(output.stdout).unwrap();
    let beside = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told} {beside}");
    let last = format!("{REPOSITORIES} connected, 0 failed");
    assert_eq!(told.lines().last(), Some(last.as_str()), "{told}");
    let waits = beside.matches("the daemon asks to retry after").count();
    assert!(
        waits > 0 && beside.contains("too_many_requests"),
        "{beside}"
    );
    assert_eq!(hooks(&stage), REPOSITORIES);
    let text = stage.ask(ADMIN, "GET /metrics", None).text;
    let line = "hookherd_limits_reached_total{limit=\"requests_per_minute\"} ";
    let line = text.lines().find_map(|found| found.strip_prefix(line));
    assert!(line.unwrap().parse::<usize>().unwrap() >= waits, "{line:?}");
}

#[test]
fn a_loop_of_single_commands_gets_through_too() {
    let (stage, _daemon) = stage();
    let mut waits = 0;
    for n in 0..REPOSITORIES {
        let name = format!("octo/app-{n:02}");
        let output = stage.run(&["connect", "github", &name]);
        let told = String::from_utf8(output.stdout).unwrap();
        let beside = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told} {beside}");
        assert!(told.contains(&format!("connected {name}")), "{told}");
        waits += beside.matches("(too_many_requests)").count();
    }
    assert_eq!(hooks(&stage), REPOSITORIES);
    assert!(waits > 0, "nothing was tried");
}
