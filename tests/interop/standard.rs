//! GitLab's signatures are those of Standard Webhooks: the library of those who wrote them signs
//! what we accept, and accepts what we sign.

use crate::corpus::{self, Example, Headers};
use crate::tools;
use data_encoding::BASE64;
use hookherd::app::{SystemClock, SystemEntropy};
use hookherd::domain::secret::{HookSecret, Proof};
use hookherd::domain::time::Clock as _;
use hookherd::provider::gitlab::GitlabDecode;
use hookherd::provider::signature::SigningKey;
use hookherd::provider::{Decode, Inbound, VerifyError};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::Command;

/// What is to be signed.
struct Sending {
    secret: HookSecret,
    id: String,
    timestamp: i64,
    body: String,
}

impl Sending {
    /// The body of a real delivery; what it says is of no account here.
    fn of(example: Example, timestamp: i64) -> Self {
        Self {
            secret: HookSecret::generate(&SystemEntropy),
            id: example.name(),
            timestamp,
            body: example.body,
        }
    }

    fn ours(&self) -> String {
        let key = SigningKey::of_gitlab(&self.secret);
        key.sign(&self.id, &self.timestamp.to_string(), self.body.as_bytes())
    }

    fn line(&self) -> String {
        let line = json!({
            "key": *SigningKey::of_gitlab(&self.secret).to_text(), "id": self.id,
            "timestamp": self.timestamp, "body": BASE64.encode(self.body.as_bytes()),
            "signature": self.ours(),
        });
        format!("{line}\n")
    }

    fn verify(&self, signature: &str, body: &str) -> Result<(), VerifyError> {
        let headers = Headers(vec![
            ("x-gitlab-event", "Push Hook".to_owned()),
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.timestamp.to_string()),
            ("webhook-signature", signature.to_owned()),
        ]);
        let inbound = Inbound {
            headers: &headers,
            body: body.as_bytes(),
            received_at: SystemClock.now(),
        };
        let secrets = std::slice::from_ref(&self.secret);
        let verified = GitlabDecode::new(&SystemEntropy).verify(inbound, secrets, Proof::Signature);
        verified.map(|verified| assert!(!verified.is_stale()))
    }
}

/// What the real library says of each.
fn judged(sendings: &[Sending]) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let lines: String = sendings.iter().map(Sending::line).collect();
    fs::write(file.path(), lines).expect("it can be written");
    let judged = Command::new(tools::out_dir().join("node"))
        .arg(tools::source_dir().join("standard.mjs"))
        .stdin(File::open(file.path()).expect("it was just written"))
        .output()
        .expect("node runs");
    let text = String::from_utf8(judged.stdout).expect("JSON is text");
    let lines = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

#[test]
fn the_library_of_standard_webhooks_signs_what_we_accept_and_accepts_what_we_sign() {
    let now = SystemClock.now().0 / 1000;
    let examples = corpus::examples().into_iter();
    let mut sendings: Vec<_> = examples.map(|e| Sending::of(e, now)).collect();
    sendings[0].body = "{\"snow\":\"\u{2603}\",\"e\":\"\u{1f600}\"}".to_owned();
    sendings[1].body = String::new();
    let judged = judged(&sendings);
    assert!(sendings.len() > 700);
    assert_eq!(judged.len(), sendings.len());
    for (sending, theirs) in sendings.iter().zip(&judged) {
        let signature = theirs["signature"].as_str().expect("a signature");
        assert_eq!(signature, sending.ours(), "{}", sending.id);
        assert_eq!(
            sending.verify(signature, &sending.body),
            Ok(()),
            "{}",
            sending.id
        );
        let changed = format!("{} ", sending.body);
        let refused = sending.verify(signature, &changed);
        assert_eq!(refused, Err(VerifyError::BadSignature), "{}", sending.id);
        assert_eq!(theirs["verifies"], true, "{}", sending.id);
    }
}
