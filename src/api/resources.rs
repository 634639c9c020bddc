//! One file a resource: checks the request, asks the actors or the caller's own reader, answers.
//! The comments of handlers and of what they read are the API's description.

pub(super) mod backup;
mod bulk;
pub(in crate::api) mod clock;
pub(super) mod commands;
pub(super) mod connections;
pub(super) mod credentials;
pub(super) mod deliveries;
pub(super) mod docs;
mod events;
pub(super) mod gaps;
pub(super) mod health;
pub(super) mod history;
pub(super) mod hooks;
pub(super) mod incidents;
pub(super) mod notifications;
pub(super) mod oauth;
pub(super) mod operations;
mod payload;
pub(super) mod report;
pub(super) mod repositories;
pub(super) mod rules;
pub(super) mod runs;
pub(super) mod sinks;
pub(super) mod stats;
pub(super) mod tended_incidents;
pub(super) mod tokens;
pub(super) mod users;
pub(super) mod webhooks;
