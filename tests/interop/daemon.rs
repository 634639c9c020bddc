//! The stage of these tests: the daemon as a process, with a GitHub that is not of its own stage.

#[path = "../support/stage.rs"]
mod shared;

pub(crate) use shared::{ADMIN, Daemon, Stage};

use reqwest::Method;
use serde_json::{Value, json};

/// Ends with us even when we are killed.
const PREFIX: [&str; 4] = ["setpriv", "--pdeathsig", "KILL", "--"];

impl Stage {
    /// A stage with a running daemon whose GitHub is at `api_url`, and a stored credential.
    pub(crate) fn with_github(api_url: &str, provider_token: &str) -> (Self, Daemon) {
        let mut stage = Self::new();
        stage.set("HOOKHERD__PROVIDERS__GITHUB__API_URL", api_url);
        let daemon = stage.start_with(&PREFIX, &[]);
        stage.add_credential(ADMIN, "github", provider_token);
        (stage, daemon)
    }

    /// Calls the API, which must answer with success.
    pub(crate) fn must(&self, line: &str) -> Value {
        self.call(ADMIN, line, &Value::Null).json
    }

    /// Connects a repository, until its hook is there: the id of the connection.
    pub(crate) fn connect(&self, full_name: &str) -> String {
        let wish = json!({
            "provider": "github", "repository_full_name": full_name, "setup_webhook": true,
            "webhook_events": ["workflow_run", "pull_request", "push"], "credential_id": null,
        });
        let connection = self.call(ADMIN, "POST repositories/connect", &wish).json;
        let id = connection["id"].as_str().expect("an id").to_owned();
        self.wait_for_status(ADMIN, &id, "active");
        id
    }

    /// Reads a path again until `is_so` finds what it looks for in the answer.
    pub(crate) fn wait_for<T>(
        &self,
        path: &str,
        what: &str,
        is_so: impl Fn(&Value) -> Option<T>,
    ) -> T {
        let mut found = None;
        self.wait_until(what, || {
            found = is_so(&self.must(&format!("GET {path}")));
            found.is_some()
        });
        found.expect("it was waited for")
    }

    /// Waits until the newest incident has this status, and there are so many.
    pub(crate) fn wait_for_incident(&self, status: &str) -> Vec<Value> {
        let mut all = Vec::new();
        self.wait_until(status, || {
            all = self.list(ADMIN, "incidents");
            all.first()
                .is_some_and(|incident| incident["status"] == status)
        });
        all
    }

    /// Delivers as GitHub would; the status and the JSON of the answer.
    pub(crate) async fn deliver(
        &self,
        url: &str,
        event: &str,
        id: &str,
        signature: &str,
        body: Vec<u8>,
    ) -> (u16, Value) {
        let ask = self.client.request(Method::POST, url);
        let ask = ask.header("content-type", "application/json");
        let ask = ask.header("x-github-event", event);
        let ask = ask.header("x-github-delivery", id);
        let ask = ask.header("x-hub-signature-256", signature);
        let answer = ask.body(body).send().await.expect("the daemon answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// The daemon ends in an orderly way, and no part of it ever panicked.
    pub(crate) fn end(&self, daemon: Daemon) {
        assert!(daemon.terminate().success(), "{}", self.end_of_log());
        let log = std::fs::read_to_string(self.log()).expect("the log was made at the start");
        assert!(!log.contains("panicked"), "{log}");
    }
}
