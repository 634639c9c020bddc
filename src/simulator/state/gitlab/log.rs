//! Deliveries, and the log that GitLab keeps of them.

use super::{Alert, Attempt, Event, Hook, Job, State};
use crate::simulator::state::github::DeliveryView;
use crate::simulator::transport::Outcome;
use serde_json::{Value, json};

/// How long the API shows the log.
const LOG_WINDOW_S: u64 = 7 * 24 * 3600;
/// What a request may hold. More is not sent.
const REQUEST_BYTES_MAX: usize = 25 << 20;
/// What stands for an e-mail address, and for a secret.
const REDACTED: &str = "[REDACTED]";

/// Whether all of a text is an e-mail address.
fn is_email(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_host = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && !host.is_empty() && name.chars().all(fits) && host.chars().all(is_host)
    })
}

/// The same without e-mail addresses.
fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) if is_email(text) => json!(REDACTED),
        Value::Array(items) => items.iter().map(redacted).collect(),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), redacted(value)));
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

impl State {
    /// One event for every hook of a project that wants it and is fed.
    pub(crate) fn jobs(&mut self, path: &str, event: Event, body: &Value) -> Vec<Job> {
        let Some(project) = self.project(path) else {
            return Vec::new();
        };
        let id = project.id;
        let branch = body["ref"]
            .as_str()
            .and_then(|r| r.strip_prefix("refs/heads/"));
        let wants = |hook: &&Hook| {
            let is_push = event.flag == "push_events";
            let fits = !is_push || branch.is_none_or(|branch| hook.wants_branch(branch));
            hook.flags.get(event.flag) == Some(&true) && fits
        };
        let wanting: Vec<Hook> = project.hooks.values().filter(wants).cloned().collect();
        self.with_project(path, |p| drop(p.samples.insert(event.flag, body.clone())));
        let mut jobs = Vec::new();
        // What is off hears nothing, and the log says nothing of it.
        for hook in wanting {
            if self.alert(&hook) == Alert::Executable {
                jobs.extend(self.job(id, &hook, event, body, None));
            }
        }
        jobs
    }

    /// A delivery for one hook; `key` when it has been sent before. `None` when it is too large.
    pub(crate) fn job(
        &mut self,
        project: u64,
        hook: &Hook,
        event: Event,
        body: &Value,
        key: Option<String>,
    ) -> Option<Job> {
        let attempt = self.ground.fresh();
        let id = key.unwrap_or_else(|| self.ground.guid());
        let headers = self.headers(event, &id);
        let text = body.to_string();
        let is_too_large = text.len() > REQUEST_BYTES_MAX;
        let data = if text.len() > self.log_bytes_max || is_too_large {
            json!({ "oversize": true })
        } else {
            redacted(body)
        };
        let view = DeliveryView {
            id: attempt,
            guid: id.clone(),
            hook: hook.id,
            event: event.header.to_owned(),
            status: None,
            answer: String::new(),
        };
        let mut shown = headers.clone();
        if hook.token.is_some() {
            shown.push(("X-Gitlab-Token", REDACTED.to_owned()));
        }
        self.attempts.push(Attempt {
            view,
            project,
            event,
            url: hook.url.clone(),
            at_s: self.now_s(),
            data,
            headers: shown,
            outcome: is_too_large.then(Outcome::default),
        });
        let job = Job {
            attempt,
            hook: hook.clone(),
            headers,
            id,
            at_s: self.is_since(19, 0).then(|| self.ground.wall_now_s()),
            body: text,
        };
        (!is_too_large).then_some(job)
    }

    fn headers(&self, event: Event, id: &str) -> Vec<(&'static str, String)> {
        let (major, minor) = self.version;
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("User-Agent", format!("GitLab/{major}.{minor}.0")),
            ("X-Gitlab-Event", event.header.to_owned()),
            ("X-Gitlab-Instance", self.ground.url().to_owned()),
            ("X-Gitlab-Event-UUID", self.ground.guid()),
        ];
        if self.is_since(16, 2) {
            // For each request another one, whatever its name says.
            headers.push(("X-Gitlab-Webhook-UUID", self.ground.guid()));
        }
        if self.is_since(17, 4) {
            headers.push(("Idempotency-Key", id.to_owned()));
        }
        if self.is_since(19, 0) {
            headers.push(("webhook-id", id.to_owned()));
        }
        headers
    }

    /// The result of an attempt. Good and redirecting answers count for the hook, all else
    /// against it.
    pub(crate) fn note(&mut self, attempt: u64, outcome: &Outcome) {
        let (now_s, disables) = (self.now_s(), self.disables_hooks);
        let mut attempts = self.attempts.iter_mut().rev();
        let Some(kept) = attempts.find(|kept| kept.view.id == attempt) else {
            return;
        };
        kept.view.status = outcome.status;
        kept.view.answer.clone_from(&outcome.text);
        kept.outcome = Some(outcome.clone());
        let hooks = self.projects.get_mut(&kept.project).map(|p| &mut p.hooks);
        let hook = hooks.and_then(|hooks| hooks.get_mut(&kept.view.hook));
        if let (Some(hook), true) = (hook, disables) {
            match outcome.status {
                Some(200..=399) => hook.succeeded(),
                Some(_) | None => hook.failed(now_s),
            }
        }
    }

    /// The finished attempts of a hook that the log still shows, newest first.
    pub(crate) fn log(&self, hook: u64) -> Vec<&Attempt> {
        let from = self.now_s().saturating_sub(LOG_WINDOW_S);
        let shown = |a: &&Attempt| a.view.hook == hook && a.at_s >= from && a.outcome.is_some();
        self.attempts.iter().rev().filter(shown).collect()
    }

    pub(crate) fn delivery_views(&self, path: &str) -> Vec<DeliveryView> {
        let id = self.find(path);
        let ours = self.attempts.iter().filter(|a| Some(a.project) == id);
        ours.map(|a| a.view.clone()).collect()
    }
}
