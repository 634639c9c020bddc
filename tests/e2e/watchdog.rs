//! What systemd hears: that we are ready, that we get on, that we stop; and that we end when
//! nothing is heard any more.

use super::stage::Stage;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

#[test]
fn systemd_is_told_that_we_are_ready_and_then_again_and_again_that_we_get_on() {
    let mut stage = Stage::new();
    let path = stage.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).expect("systemd hears something");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    stage.set("NOTIFY_SOCKET", path.to_str().unwrap());
    stage.set("WATCHDOG_USEC", "300000");
    let daemon = stage.start();
    assert!(heard().contains("READY=1"));
    for _ in 0..5 {
        assert_eq!(heard().trim(), "WATCHDOG=1");
    }
    assert!(daemon.terminate().success());
    let stopping = std::iter::repeat_with(heard).find(|word| word.contains("STOPPING=1"));
    assert!(stopping.is_some());
}

#[test]
fn without_a_watchdog_nothing_is_fed() {
    let mut stage = Stage::new();
    let path = stage.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    stage.set("NOTIFY_SOCKET", path.to_str().unwrap());
    assert!(stage.start().terminate().success());
    socket.set_nonblocking(true).unwrap();
    let mut all = Vec::new();
    let mut bytes = [0; 512];
    while let Ok(length) = socket.recv(&mut bytes) {
        all.push(String::from_utf8_lossy(&bytes[..length]).trim().to_owned());
    }
    assert_eq!(all, ["READY=1", "STOPPING=1"]);
}

/// Few open files, and many threads of the server, of which each needs some.
#[test]
fn a_daemon_whose_server_cannot_be_started_ends_and_is_never_ready() {
    let mut stage = Stage::new();
    let path = stage.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    stage.set("NOTIFY_SOCKET", path.to_str().unwrap());
    stage.set("HOOKHERD__SERVER__WORKERS", "64");
    let serve = stage.command(&["serve"]);
    let variables = serve.get_envs();
    let output = Command::new("/bin/sh")
        .args(["-c", "ulimit -n 100; exec timeout 60 \"$0\" serve"])
        .arg(serve.get_program())
        .env_clear()
        .envs(variables.filter_map(|(name, value)| Some((name, value?))))
        .current_dir(serve.get_current_dir().unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap();
    assert!(
        last.starts_with("hookherd: cannot listen on 127.0.0.1:"),
        "{said}"
    );
    let mut bytes = [0; 512];
    assert!(
        socket.recv(&mut bytes).is_err(),
        "nobody is told that we are ready"
    );
}
