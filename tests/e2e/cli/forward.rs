//! Deliveries that are followed, and sent on to a developer's receiver.

use super::super::commands::done;
use super::super::stage::REPOSITORY;
use super::Connected;
use hmac::{Hmac, KeyInit, Mac};
use hookherd::simulator::RunSpec;
use parking_lot::Mutex;
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const SECRET: &str = "a receiver's secret, long enough";

/// What a receiver was sent: the headers, names in lower case, and the body.
type Received = Vec<(BTreeMap<String, String>, Vec<u8>)>;

/// A receiver of a developer's, which refuses this event.
fn receiver(refuses: &'static str) -> (String, Arc<Mutex<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let received = Arc::<Mutex<Received>>::default();
    let kept = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut headers = BTreeMap::new();
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok() && !line.trim().is_empty() {
                if let Some((name, value)) = line.trim().split_once(": ") {
                    headers.insert(name.to_ascii_lowercase(), value.to_owned());
                }
                line.clear();
            }
            let length: usize = headers["content-length"].parse().unwrap();
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let event = headers.get("x-github-event").cloned().unwrap_or_default();
            kept.lock().push((headers, body));
            let status = if event == refuses { 500 } else { 204 };
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, received)
}

fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    format!(
        "sha256={}",
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    )
}

/// A process that ends with the test, and what it has printed so far.
struct Running(Child, Arc<Mutex<String>>);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let printed = Arc::<Mutex<String>>::default();
        let (out, kept) = (child.stdout.take().unwrap(), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let mut kept = kept.lock();
                kept.push_str(&line);
                kept.push('\n');
            }
        });
        Self(child, printed)
    }

    fn printed(&self) -> String {
        self.1.lock().clone()
    }

    /// Ctrl-C, whether it ends well, and what it has said beside.
    fn interrupt(mut self) -> (bool, String) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let status = self.0.wait().unwrap();
        let mut err = String::new();
        let mut pipe = self.0.stderr.take().unwrap();
        pipe.read_to_string(&mut err).unwrap();
        (status.success(), err)
    }
}

#[test]
fn stored_deliveries_are_sent_on_as_they_came_and_signed_anew() {
    let connected = &Connected::new();
    let stage = &connected.stage;
    connected.push(1);
    stage
        .simulator
        .github()
        .play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let listed = [
        "deliveries",
        "--json",
        "--event",
        "workflow_run",
        "--state",
        "processed",
    ];
    let count = || {
        let found: Value = serde_json::from_str(&done(stage, &listed)).unwrap();
        found["items"].as_array().unwrap().len()
    };
    stage.wait_until("the run", || count() >= 2);
    let (url, received) = receiver("workflow_run");
    let words = ["forward", REPOSITORY, &url, "--no-follow"];
    let output = stage
        .command(&words)
        .env("HOOKHERD_FORWARD_SECRET", SECRET)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let out = String::from_utf8(output.stdout).unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(
        out.contains("push  204 in ") && out.contains("workflow_run  500 in "),
        "{out}"
    );
    assert!(
        err.contains("continue with --after dlv_") && !err.contains(SECRET),
        "{err}"
    );

    let received = received.lock();
    let all: Value = serde_json::from_str(&done(stage, &["deliveries", "--json"])).unwrap();
    let all = all["items"].as_array().unwrap();
    assert!(
        received.len() >= 4 && received.len() <= all.len(),
        "{}",
        received.len()
    );
    for (headers, body) in received.iter() {
        let guid = headers["x-github-delivery"].as_str();
        let stored = all
            .iter()
            .find(|d| d["provider_delivery_id"] == guid)
            .unwrap();
        let digest = format!("blake3:{}", blake3::hash(body).to_hex());
        assert_eq!(stored["body_digest"], digest.as_str(), "byte for byte");
        assert_eq!(headers["x-hub-signature-256"], signature(body));
        assert_eq!(headers["content-type"], "application/json");
    }
}

#[test]
fn a_forward_goes_on_when_the_daemon_comes_back() {
    let connected = Connected::new();
    let (url, received) = receiver("none");
    let words = ["forward", REPOSITORY, &url, "--event", "push"];
    let mut command = connected.stage.command(&words);
    command.env("HOOKHERD_FORWARD_SECRET", SECRET);
    let forward = Running::start(command);
    let follow = connected
        .stage
        .command(&["deliveries", "--follow", "--event", "push", "--json"]);
    let follow = Running::start(follow);
    let stage = &connected.stage;
    let count = || received.lock().len();
    // The streams are not open yet: what came before is not sent.
    let mut number = 0;
    stage.wait_until("the first", || {
        number += 1;
        connected.push(number);
        count() > 0 && follow.printed().contains("\"recorded\"")
    });
    let Connected {
        stage,
        _daemon: daemon,
        repository,
        id,
    } = connected;
    drop(daemon);
    let daemon = stage.start();
    let connected = Connected {
        stage,
        _daemon: daemon,
        repository,
        id,
    };
    let stage = &connected.stage;
    let before = count();
    connected.push(1000);
    stage.wait_until("the one after the restart", || {
        let last = format!("{:040x}", 1000);
        let received = received.lock();
        received
            .iter()
            .any(|(_, body)| String::from_utf8_lossy(body).contains(&last))
    });
    assert!(count() > before);
    let all = follow.printed().lines().count();
    stage.wait_until("what is followed, too", || {
        connected.push(2000 + all);
        follow.printed().lines().count() > all
    });
    let (is_done, err) = forward.interrupt();
    assert!(is_done && err.contains("connecting again"), "{err}");
    assert!(
        err.contains("accepted, 0 not; continue with --after dlv_"),
        "{err}"
    );
    let ids = received.lock();
    let guids: Vec<&String> = ids
        .iter()
        .map(|(headers, _)| &headers["x-github-delivery"])
        .collect();
    let distinct: std::collections::BTreeSet<_> = guids.iter().collect();
    assert_eq!(distinct.len(), guids.len(), "each once");

    let out = follow.printed();
    for line in out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["event"], "push");
    }
    assert!(follow.interrupt().0);
}

#[test]
fn what_cannot_be_forwarded_is_refused_with_the_reason() {
    let connected = &Connected::new();
    let stage = &connected.stage;
    for (words, part) in [
        (["forward", "octo/none", "http://127.0.0.1:1/"], "octo/none"),
        (
            ["forward", REPOSITORY, "ftp://127.0.0.1/"],
            "http:// or https://",
        ),
    ] {
        let output = stage.run(&words);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && err.contains(part), "{err}");
    }
    let words = ["forward", REPOSITORY, "http://127.0.0.1:1/"];
    let short = stage
        .command(&words)
        .env("HOOKHERD_FORWARD_SECRET", "short")
        .output()
        .unwrap();
    assert!(!short.status.success(), "{short:?}");
    // A receiver that is down is reported, and no failure of the command.
    let down = ["forward", REPOSITORY, "http://127.0.0.1:1/", "--no-follow"];
    let output = stage.run(&down);
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && out.contains("failed: "),
        "{output:?}"
    );
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(err.contains("secret of the receiver: "), "{err}");
}
