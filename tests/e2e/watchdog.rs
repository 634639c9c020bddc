//! What systemd hears: that we are ready, that we get on, that we stop.

use super::stage::Stage;
use std::os::unix::net::UnixDatagram;
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
