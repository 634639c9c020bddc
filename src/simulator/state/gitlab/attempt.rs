//! A delivery that is to be sent, and what is kept of it.

use super::event::Event;
use super::hook::Hook;
use crate::simulator::state::github::DeliveryView;
use crate::simulator::transport::Outcome;
use serde_json::Value;

/// An attempt to deliver.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) view: DeliveryView,
    pub(crate) project: u64,
    pub(crate) event: Event,
    pub(crate) url: String,
    pub(crate) at_s: u64,
    /// What the log shows of the body.
    pub(crate) data: Value,
    /// What the log shows of the headers.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) outcome: Option<Outcome>,
}

impl Attempt {
    /// The result, in the log's words.
    pub(crate) fn response_status(&self) -> String {
        let status = self.outcome.as_ref().and_then(|outcome| outcome.status);
        status.map_or_else(|| "internal error".to_owned(), |status| status.to_string())
    }
}

/// A delivery to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) attempt: u64,
    pub(crate) hook: Hook,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// What identifies the delivery, where the version has such a thing.
    pub(crate) id: String,
    /// When it is sent, where the version says so. By the clock on the wall, because a receiver
    /// compares it with its own.
    pub(crate) at_s: Option<u64>,
    pub(crate) body: String,
}
