//! The stage of the stories: a daemon as a process, with both providers simulated.

#[path = "../support/stage.rs"]
mod shared;

pub(crate) use shared::{ADMIN, Daemon, Stage};

use serde_json::{Value, json};

impl Stage {
    /// A stage whose daemon checks hooks this often.
    pub(crate) fn checking(interval: &str) -> Self {
        let mut stage = Self::new();
        for (name, value) in [
            ("HOOKHERD__HEALTH__CHECK_INTERVAL", interval),
            ("HOOKHERD__HEALTH__PING_INTERVAL", "1h"),
            ("HOOKHERD__HEALTH__CONNECT_WAIT", "5s"),
            ("HOOKHERD__HEALTH__STARTUP_SPREAD", "10ms"),
            ("HOOKHERD__PROVIDERS__GITHUB__CALL_TIMEOUT", "2s"),
            ("HOOKHERD__PROVIDERS__GITLAB__CALL_TIMEOUT", "5s"),
        ] {
            stage.set(name, value);
        }
        stage
    }

    /// The answer at a path of the API.
    pub(crate) fn get(&self, path: &str) -> Value {
        self.call(ADMIN, &format!("GET {path}"), &Value::Null).json
    }

    /// Connects a repository; the connection, whose hook is there.
    pub(crate) fn connect(&self, wish: &Value) -> Value {
        let connection = self.call(ADMIN, "POST repositories/connect", wish).json;
        assert_eq!(connection["webhook_status"], "active", "{connection}");
        connection
    }

    /// The connection as it is now.
    pub(crate) fn again(&self, connection: &Value) -> Value {
        self.connection(ADMIN, connection["id"].as_str().expect("an id"))
    }

    /// Disconnects; the answer.
    pub(crate) fn disconnect(&self, connection: &Value) -> Value {
        let id = connection["id"].as_str().expect("an id");
        let line = format!("DELETE repositories/connections/{id}");
        self.call(ADMIN, &line, &json!(null)).json
    }

    /// The incidents, newest first.
    pub(crate) fn incidents(&self) -> Vec<Value> {
        self.list(ADMIN, "incidents")
    }

    /// Waits until the incident of this failure has this status, and returns it.
    pub(crate) fn incident(&self, failure: &str, status: &str) -> Value {
        let mut found = None;
        self.wait_until(&format!("{failure} {status}"), || {
            let fits = |i: &Value| i["failure_type"] == failure && i["status"] == status;
            found = self.incidents().into_iter().find(fits);
            found.is_some()
        });
        found.expect("it was waited for")
    }
}
