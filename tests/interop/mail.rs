//! Mail to a real mail server, aiosmtpd: what arrives, and what a server never gets.

use crate::daemon::{ADMIN, Daemon, Stage};
use crate::tools;
use hookherd::simulator::RunSpec;
use mail_parser::MessageParser;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

const PASSWORD: &str = "canary-of-the-mailbox";
const REPOSITORY: &str = "ann/app";

/// A running mail server.
struct Mailbox {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // It ends with its input, which is closed by this.
        let _ = self.child.wait();
    }
}

fn certificate(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    folder.join(name)
}

impl Mailbox {
    /// `name` is that of a certificate and its key.
    fn start(stage: &Stage, mode: &str, name: &str) -> Self {
        tools::require();
        let port = tools::free_port();
        let log = tools::out_dir().join(format!("mailbox-{mode}-{name}-{port}.log"));
        let output = File::create(&log).expect("target is writable");
        let errors = output.try_clone().expect("the handle can be copied");
        let child = tools::client("mailbox.py")
            .arg(port.to_string())
            .arg(mode)
            .arg(certificate(&format!("{name}.pem")))
            .arg(certificate(&format!("{name}.key")))
            .env("PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .expect("python3 is installed");
        let mailbox = Self { child, port, log };
        stage.wait_until("the mail server", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        mailbox
    }

    /// What happened there, oldest first.
    fn events(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).expect("it was made at the start");
        let lines = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|event: &Value| event["event"] == name)
            .collect()
    }

    fn mails(&self) -> Vec<String> {
        let mails = self.events("mail").into_iter();
        mails
            .map(|event| event["mail"].as_str().expect("a text").to_owned())
            .collect()
    }
}

/// A daemon that may call mail servers on these ports, and trusts the authority of the tests.
fn stage(ports: &[u16]) -> Stage {
    let mut stage = Stage::new();
    let at = |port: &u16| format!("127.0.0.1:{port}, [::1]:{port}");
    let allow: Vec<String> = ports.iter().map(at).collect();
    stage.set("HOOKHERD__SINKS__ALLOW", &allow.join(", "));
    stage.set("HOOKHERD__SINKS__DELAY", "0s");
    let authority = certificate("ca.pem");
    stage.set(
        "HOOKHERD__SINKS__CA_FILE",
        authority.to_str().expect("the path is text"),
    );
    stage
}

fn start(stage: &Stage) -> Daemon {
    stage.start_with(&["setpriv", "--pdeathsig", "KILL", "--"], &[])
}

/// Adds a sink: its id.
fn add(stage: &Stage, scheme: &str, port: u16, to: &str) -> String {
    let url = format!("{scheme}://ci%40example.org@localhost:{port}?to={to}");
    let sink = json!({ "kind": "email", "name": to, "url": url, "secret": PASSWORD });
    let added = stage.call(ADMIN, "POST sinks", &sink).json;
    assert_eq!(added["host"], format!("localhost:{port}"));
    assert!(!added.to_string().contains("canary"), "{added}");
    added["id"].as_str().expect("an id").to_owned()
}

fn test(stage: &Stage, sink: &str) -> Value {
    stage
        .call(ADMIN, &format!("POST sinks/{sink}/test"), &Value::Null)
        .json
}

#[test]
fn the_mail_of_a_failing_run_and_of_its_end_arrive_in_one_thread_over_starttls() {
    let first = Stage::new();
    let mailbox = Mailbox::start(&first, "starttls", "server");
    drop(first);
    let stage = stage(&[mailbox.port]);
    let daemon = start(&stage);
    let github = stage.simulator.github();
    let token = github.add_user("ann");
    github.add_repository(REPOSITORY, "ann");
    stage.add_credential(ADMIN, "github", &token);
    stage.connect(REPOSITORY);
    add(
        &stage,
        "smtp",
        mailbox.port,
        "ann@example.org,nobody@example.org,bob@example.org",
    );
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    stage.wait_until("the mail", || mailbox.mails().len() == 1);
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    stage.wait_until("the end", || mailbox.mails().len() == 2);
    let mails = mailbox.mails();
    let mails: Vec<_> = mails
        .iter()
        .map(|mail| MessageParser::default().parse(mail).unwrap())
        .collect();
    let [opened, resolved] = &mails[..] else {
        panic!("{mails:?}");
    };
    let id = opened.message_id().unwrap();
    assert_eq!(resolved.in_reply_to().as_text(), Some(id));
    assert_eq!(resolved.references().as_text(), Some(id));
    assert_ne!(resolved.message_id(), Some(id));
    let subject = opened.subject().unwrap();
    assert!(subject.starts_with("[ann/app] "), "{subject}");
    assert_eq!(resolved.subject(), Some(&*format!("Re: {subject}")));
    assert!(opened.body_text(0).unwrap().starts_with("Opened: "));
    assert!(resolved.body_text(0).unwrap().starts_with("Resolved: "));
    for event in mailbox.events("mail") {
        assert_eq!(event["sender"], "ci@example.org");
        // One who is refused keeps no other from it.
        let expected = json!(["ann@example.org", "bob@example.org"]);
        assert_eq!(event["recipients"], expected);
    }
    assert!(
        mailbox
            .events("login")
            .iter()
            .all(|login| login["right"] == true)
    );
    stage.end(daemon);
}

#[test]
fn a_mail_arrives_with_tls_from_the_first_byte_and_a_wrong_password_is_said() {
    let first = Stage::new();
    let mailbox = Mailbox::start(&first, "tls", "server");
    drop(first);
    let stage = stage(&[mailbox.port]);
    let daemon = start(&stage);
    let sink = add(&stage, "smtps", mailbox.port, "ann@example.org");
    let tested = test(&stage, &sink);
    assert_eq!(tested["accepted"], true, "{tested}");
    assert_eq!(mailbox.mails().len(), 1);
    let port = mailbox.port;
    let url = format!("smtps://ci%40example.org@localhost:{port}?to=ann@example.org");
    let other = json!({ "url": url, "secret": "canary-of-another" });
    stage.call(ADMIN, &format!("PATCH sinks/{sink}"), &other);
    let tested = test(&stage, &sink);
    assert_eq!(tested["accepted"], false);
    let why = tested["error"].as_str().unwrap();
    assert!(
        why.starts_with("It answered 535") && !why.contains("canary"),
        "{why}"
    );
    assert_eq!(mailbox.mails().len(), 1);
    stage.end(daemon);
}

#[test]
fn a_server_without_tls_or_with_a_wrong_certificate_gets_neither_password_nor_text() {
    let first = Stage::new();
    let plain = Mailbox::start(&first, "plain", "server");
    let expired = Mailbox::start(&first, "starttls", "expired");
    let expired_at_once = Mailbox::start(&first, "tls", "expired");
    drop(first);
    let stage = stage(&[plain.port, expired.port, expired_at_once.port]);
    let daemon = start(&stage);
    for (mailbox, scheme, words) in [
        (&plain, "smtp", "does not offer STARTTLS. Nothing was sent."),
        (&plain, "smtps", "the server does not speak TLS"),
        (&expired, "smtp", "certificate"),
        (&expired_at_once, "smtps", "certificate"),
    ] {
        let sink = add(
            &stage,
            scheme,
            mailbox.port,
            &format!("{scheme}@example.org"),
        );
        let tested = test(&stage, &sink);
        assert_eq!(tested["accepted"], false, "{tested}");
        let why = tested["error"].as_str().unwrap();
        assert!(why.contains(words), "{why}");
        assert!(mailbox.events("login").is_empty() && mailbox.mails().is_empty());
        let shown = stage
            .call(ADMIN, &format!("GET sinks/{sink}"), &Value::Null)
            .json;
        assert_eq!(shown["state"], "enabled");
    }
    assert_eq!(
        plain.events("hello").len(),
        1,
        "it was asked what it offers"
    );
    stage.end(daemon);
}
