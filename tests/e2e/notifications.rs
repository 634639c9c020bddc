//! Incidents that reach a sink: the binary, a failing run, and a receiver that verifies.

use super::cli::fake;
use super::commands::{done, done_with};
use super::stage::{Answer, REPOSITORY, Stage};
use hookherd::simulator::RunSpec;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A message as it came.
#[derive(Clone, Debug)]
pub(super) struct Message {
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    pub(super) at: Instant,
}

impl Message {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    /// Verifies it as a receiver does: with the library of Standard Webhooks.
    fn is_signed_with(&self, secret: &str) -> bool {
        let mut headers = reqwest::header::HeaderMap::new();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            headers.insert(name, self.headers[name].parse().unwrap());
        }
        let webhook = standardwebhooks::Webhook::new(secret).unwrap();
        webhook.verify(&self.body, &headers).is_ok()
    }
}

/// A receiver: its address, what came, and what it answers next. Later it answers 204.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    came: Arc<Mutex<Vec<Message>>>,
    answers: Arc<Mutex<VecDeque<&'static str>>>,
}

fn read(stream: &TcpStream) -> std::io::Result<Message> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut headers, mut line) = (BTreeMap::new(), String::new());
    while reader.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if let Some((name, value)) = line.trim().split_once(": ") {
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        line.clear();
    }
    let length: usize = headers["content-length"].parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let at = Instant::now();
    Ok(Message { headers, body, at })
}

impl Receiver {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            came: Arc::default(),
            answers: Arc::default(),
        };
        let (came, answers) = (Arc::clone(&receiver.came), Arc::clone(&receiver.answers));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Ok(message) = read(&stream) else {
                    continue;
                };
                came.lock().push(message);
                let answer = answers.lock().pop_front().unwrap_or("204 No Content\r\n");
                let rest = "content-length: 0\r\nconnection: close\r\n\r\n";
                drop(stream.write_all(format!("HTTP/1.1 {answer}{rest}").as_bytes()));
            }
        });
        receiver
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/services/canary-of-the-path", self.address)
    }

    pub(super) fn came(&self) -> Vec<Message> {
        self.came.lock().clone()
    }

    pub(super) fn answers(&self, next: &[&'static str]) {
        self.answers.lock().extend(next);
    }
}

/// A stage that may call the receiver, and notifies without a delay.
pub(super) fn stage(receiver: &Receiver) -> Stage {
    let mut stage = Stage::new();
    stage.set("HOOKHERD__SINKS__ALLOW", &receiver.address.to_string());
    stage.set("HOOKHERD__SINKS__DELAY", "0s");
    stage
}

/// Adds a sink; returns it.
pub(super) fn add(stage: &Stage, user: &str, receiver: &Receiver) -> Answer {
    let body = json!({ "kind": "webhook", "name": "chat", "url": receiver.url() }).to_string();
    stage.ask_in_secret(user, "POST /api/v2/sinks", Some(&body))
}

fn show(stage: &Stage, user: &str, path: &str) -> Value {
    stage.call(user, &format!("GET {path}"), &Value::Null).json
}

pub(super) fn wait_for(stage: &Stage, receiver: &Receiver, count: usize) -> Vec<Message> {
    stage.wait_until("the messages", || receiver.came.lock().len() >= count);
    receiver.came()
}

#[test]
fn a_failing_run_and_its_end_reach_a_sink_signed_and_in_order_also_over_a_restart() {
    let receiver = Receiver::start();
    let stage = stage(&receiver);
    let daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    let sink = add(&stage, &ann, &receiver);
    let secret = sink.field("secret");
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let came = wait_for(&stage, &receiver, 1);
    assert!(came[0].is_signed_with(&secret));
    assert!(!came[0].is_signed_with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let json = came[0].json();
    assert_eq!(json["type"], "incident.opened");
    assert_eq!(json["data"]["incident"]["repository_full_name"], REPOSITORY);
    assert_eq!(json["data"]["notification_id"], came[0].id());
    // Before that, the next process would send it again, with the same id.
    stage.wait_until("it to be stored as sent", || {
        stage.list(&ann, "notifications?state=sent").len() == 1
    });
    drop(daemon);
    let _daemon = stage.start();
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    let came = wait_for(&stage, &receiver, 2);
    let kinds: Vec<_> = came.iter().map(Message::kind).collect();
    assert_eq!(kinds, ["incident.opened", "incident.resolved"]);
    let id = &json["data"]["incident"]["id"];
    assert_eq!(came[1].json()["data"]["incident"]["id"], *id);
    stage.wait_until("both to be stored as sent", || {
        stage.list(&ann, "notifications?state=sent").len() == 2
    });
}

#[test]
fn a_sink_that_fails_gets_the_same_message_again_and_one_that_is_gone_is_disabled() {
    let receiver = Receiver::start();
    let stage = stage(&receiver);
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    let sink = add(&stage, &ann, &receiver).field("id");
    receiver.answers(&["500 Oops\r\n", "204 No Content\r\n", "410 Gone\r\n"]);
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let came = wait_for(&stage, &receiver, 2);
    assert_eq!(came[0].id(), came[1].id());
    assert!(came[1].at - came[0].at >= Duration::from_secs(4));
    github.play_run(REPOSITORY, &RunSpec::new(2, "success"));
    let path = format!("sinks/{sink}");
    stage.wait_until("the sink to be disabled", || {
        show(&stage, &ann, &path)["state"] == "disabled"
    });
    assert_eq!(show(&stage, &ann, &path)["disabled_reason"], "gone");
    let waiting = stage.list(&ann, "notifications?state=waiting");
    assert_eq!(waiting.len(), 1, "what it did not get is kept");
    let about = || {
        let all = stage.list(&ann, "incidents");
        let about = all.iter().find(|it| it["sink_id"] == sink.as_str());
        about.expect("its owner has an incident about it").clone()
    };
    assert_eq!(about()["failure_type"], "sink_disabled");
    assert_eq!(about()["status"], "open");
    let enabled = json!({ "is_enabled": true });
    stage.call(&ann, &format!("PATCH {path}"), &enabled);
    assert_eq!(about()["resolution"], "recovered");
    wait_for(&stage, &receiver, 4);
    stage.wait_until("the end to be sent", || {
        stage.list(&ann, "notifications?state=sent").len() == 2
    });
}

#[test]
fn a_user_works_with_sinks_and_notifications_by_commands_alone() {
    let receiver = Receiver::start();
    let mut stage = stage(&receiver);
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    stage.set("HOOKHERD_TOKEN", &ann);
    let added = done_with(
        &stage,
        &["sinks", "add", "webhook", "chat"],
        &receiver.url(),
    );
    assert!(added.starts_with("added snk_"), "{added}");
    let (_, secret) = added.rsplit_once(": ").unwrap();
    assert!(done(&stage, &["sinks", "test", "chat"]).starts_with("accepted in "));
    assert!(wait_for(&stage, &receiver, 1)[0].is_signed_with(secret));
    let list = done(&stage, &["sinks", "list"]);
    assert!(list.contains("chat") && list.contains("enabled"), "{list}");
    done(&stage, &["sinks", "edit", "chat", "--name", "pager"]);
    let shown = done(&stage, &["sinks", "show", "pager"]);
    assert!(!format!("{list}{shown}").contains("canary"), "{shown}");
    assert!(done(&stage, &["sinks", "pause", "pager"]).starts_with("paused "));
    assert!(done(&stage, &["sinks", "resume", "pager"]).starts_with("resumed "));

    receiver.answers(&["500 Oops\r\n", "500 Oops\r\n"]);
    let failed = stage.run(&["sinks", "test", "pager"]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    wait_for(&stage, &receiver, 3);
    let waiting = || {
        let words = [
            "--json",
            "notifications",
            "--state",
            "waiting",
            "--sink",
            "pager",
        ];
        let text = done(&stage, &words);
        let list: Value = serde_json::from_str(&text).unwrap();
        list["items"][0].clone()
    };
    stage.wait_until("its failure to be stored", || {
        waiting()["error"].is_string()
    });
    let id = waiting()["id"].as_str().unwrap().to_owned();
    assert!(done(&stage, &["notifications", "retry", &id]).ends_with("sent again"));
    wait_for(&stage, &receiver, 4);
    stage.wait_until("it to be sent", || {
        done(&stage, &["notifications", "show", &id]).contains("sent")
    });
    let again = stage.run(&["notifications", "retry", &id]);
    assert_eq!(again.status.code(), Some(1), "it was sent: {again:?}");
    assert!(done(&stage, &["notifications"]).contains("opened"));
    assert!(done(&stage, &["sinks", "remove", "pager"]).starts_with("removed "));
    assert!(!done(&stage, &["sinks", "list"]).contains("pager"));
    let missing = stage.run(&["sinks", "show", "pager"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
}

#[test]
fn a_sink_has_the_words_of_its_templates_set_by_commands() {
    let receiver = Receiver::start();
    let mut stage = stage(&receiver);
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    stage.set("HOOKHERD_TOKEN", &ann);
    let title = "{{ repository }} {{ branch }} is red: {{ title | upper }}";
    let add = ["sinks", "add", "mattermost", "chat"];
    let wrong = [&add[..], &["--text-template", "a\n{{ nope }}"]].concat();
    let refused = stage.run_with(&wrong, &receiver.url());
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{why}");
    assert!(
        why.contains("text_template: line 2: there is no `nope`"),
        "{why}"
    );
    done_with(
        &stage,
        &[&add[..], &["--title-template", title]].concat(),
        &receiver.url(),
    );
    let shown = done(&stage, &["sinks", "show", "chat"]);
    assert!(shown.contains(title), "{shown}");
    done(&stage, &["sinks", "test", "chat"]);
    let text = |count: usize| {
        let came = wait_for(&stage, &receiver, count);
        let body: Value = serde_json::from_slice(&came[count - 1].body).unwrap();
        body["text"].as_str().unwrap().to_owned()
    };
    let sample = text(1);
    assert!(
        sample.contains("`example/repository main is red: TEST MESSAGE"),
        "{sample}"
    );
    let words = "{{ branch }}@{{ failed_jobs }}\n\n{{ occurrences }}. time";
    done(&stage, &["sinks", "edit", "chat", "--text-template", words]);
    let github = stage.simulator.github();
    github.play_run(REPOSITORY, &RunSpec::new(1, "failure"));
    let opened = text(2);
    assert!(
        opened.starts_with("\u{1f534} **Opened:** `octo/app main is red: "),
        "{opened}"
    );
    assert!(
        opened.contains("\n`main@") && opened.contains("\n\n`1. time`\n[Open"),
        "{opened}"
    );
    let cleared = [
        "sinks",
        "edit",
        "chat",
        "--title-template",
        "",
        "--text-template",
        "",
    ];
    done(&stage, &cleared);
    assert!(!done(&stage, &["sinks", "show", "chat"]).contains("{{"));
    done(&stage, &["sinks", "test", "chat"]);
    assert!(!text(3).contains("is red"));
}

#[test]
fn a_sink_gets_digests_when_commands_say_so() {
    let receiver = Receiver::start();
    let mut stage = stage(&receiver);
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    stage.set("HOOKHERD_TOKEN", &ann);
    let add = ["sinks", "add", "mattermost", "chat"];
    done_with(&stage, &add, &receiver.url());
    let edit = ["sinks", "edit", "chat", "--digest"];
    let weekly = ["weekly", "--digest-day", "friday", "--digest-at", "16:30"];
    done(&stage, &[&edit[..], &weekly].concat());
    let shown = || {
        let shown = done(&stage, &["--json", "sinks", "show", "chat"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["digest"].clone()
    };
    let digest = shown();
    assert_eq!(
        (&digest["day"], &digest["at"]),
        (&json!("friday"), &json!("16:30"))
    );
    done(&stage, &[&edit[..], &["never"]].concat());
    assert_eq!(shown(), Value::Null);
}

/// What a user enters decides what the server calls: by default only the internet.
#[test]
fn without_the_operators_word_nothing_in_the_own_network_can_be_a_sink() {
    let receiver = Receiver::start();
    let stage = Stage::new();
    let _daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    let port = receiver.address.port();
    for url in [
        receiver.url(),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://localhost:{port}/x"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://[::ffff:10.0.0.1]/x".to_owned(),
        "https://0x7f.1/x".to_owned(),
    ] {
        let body = json!({ "kind": "webhook", "name": "chat", "url": url }).to_string();
        let answer = stage.ask(&ann, "POST sinks", Some(&body));
        assert_eq!(answer.status, 422, "{url}: {answer:?}");
        assert_eq!(answer.json["code"], "sink_unfit");
    }
    assert!(stage.list(&ann, "sinks").is_empty());
    assert!(receiver.came().is_empty());
}

/// A service inside of a company has a certificate of the company's own.
#[test]
fn a_sink_with_a_certificate_of_an_own_authority_is_called_once_that_is_configured() {
    const CERTIFICATE: &[u8] = include_bytes!("../fixtures/tls/server.pem");
    const KEY: &[u8] = include_bytes!("../fixtures/tls/server.key");
    let port = fake::tls("127.0.0.1", CERTIFICATE, KEY, fake::http(200, "", ""));
    let mut stage = Stage::new();
    stage.set("HOOKHERD__SINKS__ALLOW", &format!("127.0.0.1:{port}"));
    let daemon = stage.start();
    let (ann, _) = stage.ann_connected();
    let url = format!("https://localhost:{port}/x");
    let body = json!({ "kind": "webhook", "name": "chat", "url": url });
    let id = stage.call(&ann, "POST sinks", &body).field("id");
    let test = format!("POST sinks/{id}/test");
    let tested = stage.call(&ann, &test, &Value::Null).json;
    let error = tested["error"].as_str().unwrap_or_default();
    assert!(error.contains("issuer of its certificate"), "{tested}");
    drop(daemon);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls");
    let file = |name: &str| folder.join(name).display().to_string();
    stage.set("HOOKHERD__SINKS__CA_FILE", &file("ca.pem"));
    let daemon = stage.start();
    let tested = stage.call(&ann, &test, &Value::Null).json;
    assert_eq!(tested["accepted"], true, "{tested}");
    drop(daemon);
    // One that cannot be read, and one without a certificate.
    for (path, words) in [
        (file("no-such-file.pem"), "sinks.ca_file: "),
        (file("server.key"), "no certificates in PEM"),
    ] {
        stage.set("HOOKHERD__SINKS__CA_FILE", &path);
        let mut daemon = stage.spawn(&[], &[]);
        assert!(!stage.is_ready(&mut daemon), "it started");
        let log = stage.end_of_log();
        assert!(log.contains(words), "{path}: {log}");
    }
}
