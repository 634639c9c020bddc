//! A committer or a router that hangs in the kernel: systemd's watchdog hears nothing from then on.

use super::daemon::{REPOSITORY, Stage};
use super::traced::{kill_traced, strace_is_missing};
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

/// The time after which systemd would give up; the daemon says a word three times in it.
const PATIENCE_US: &str = "600000";
/// Several of them.
const SILENCE: Duration = Duration::from_secs(3);
/// How long a delivery may take to be answered.
const QUIET: Duration = Duration::from_secs(20);

#[test]
fn a_committer_that_hangs_stops_the_word_to_the_watchdog() {
    if strace_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let stage = Stage::new();
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    let watchdog = format!("WATCHDOG_USEC={PATIENCE_US}");
    // A minute is longer than this test; the first fdatasyncs are those of the start and the hook.
    let stall = "inject=fdatasync:delay_enter=60000000:when=40+";
    let arguments = [
        "env",
        &notify,
        &watchdog,
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=fdatasync",
        "-e",
        stall,
        "-o",
    ];
    let arguments: Vec<&str> = arguments.into_iter().chain(log.to_str()).collect();
    let daemon = stage.start_with(&arguments, &[]);
    let heard = |within: Duration| {
        socket.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 512];
        match socket.recv(&mut bytes) {
            Ok(length) => Some(String::from_utf8_lossy(&bytes[..length]).trim().to_owned()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(heard(SILENCE).as_deref(), Some("READY=1"));
    for _ in 0..3 {
        assert_eq!(heard(SILENCE).as_deref(), Some("WATCHDOG=1"));
    }
    stage.connect();
    // Work that has to become durable, until one sync does not come back.
    let mut pushes = 0;
    while heard(SILENCE).is_some() {
        assert!(pushes < 500, "it never hangs");
        pushes += 1;
        stage.simulator.github().push(REPOSITORY);
    }
    assert!(pushes > 0, "it lived when its hook was there");
    assert_eq!(heard(SILENCE), None, "it hangs, and says nothing");
    kill_traced(daemon.pid());
}

/// The thread that the router and the watchdog live on goes to sleep in the kernel, and nothing
/// else does: deliveries are still taken and made durable, and the watchdog hears nothing.
#[test]
fn a_router_that_hangs_stops_the_word_to_the_watchdog() {
    if strace_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let stage = Stage::new();
    let notify = format!("NOTIFY_SOCKET={}", path.display());
    let watchdog = format!("WATCHDOG_USEC={PATIENCE_US}");
    let daemon = stage.start_with(&["env", &notify, &watchdog], &[]);
    let heard = |within: Duration| {
        socket.set_read_timeout(Some(within)).unwrap();
        socket.recv(&mut [0; 512]).is_ok()
    };
    stage.connect();
    assert!(heard(SILENCE) && heard(SILENCE));
    let thread = daemon.pid().to_string();
    let stall = "inject=epoll_wait,epoll_pwait,epoll_pwait2:delay_enter=60000000";
    // Of this thread alone: without `-f` the others are left alone.
    let strace = ["-qq", "-o", "/dev/null", "-e", stall, "-p", &thread];
    let mut strace = Command::new("strace").args(strace).spawn().unwrap();
    stage.wait_until("silence", || !heard(SILENCE));
    let before = stage.acknowledged().len();
    stage.simulator.github().push(REPOSITORY);
    assert!(stage.simulator.wait_quiet(QUIET));
    assert_eq!(stage.acknowledged().len(), before + 1, "others work");
    assert!(!heard(SILENCE), "it hangs, and says nothing");
    strace.kill().unwrap();
    strace.wait().unwrap();
}
