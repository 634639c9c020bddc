//! The HTTP interface: the routes, ingress, the resources, and who may see what.
//!
//! The table of all routes is in [`routes`]; reads are filtered by owner in [`scope`] and nowhere
//! else. This room decides nothing about connections: it asks the [`crate::actor::Connections`]. It
//! writes deliveries (ingress), users and API tokens, and nothing else. Sign-ins under way are in
//! memory, in [`signin`]. The dashboard's pages,
//! the listener for metrics, and signals are not its business.

mod access;
mod auth;
pub mod dto;
pub mod error;
mod extract;
pub mod ingress;
mod me;
pub mod openapi;
mod progress;
mod query;
mod quota;
mod reply;
mod resources;
pub mod routes;
mod schema;
pub mod scope;
pub mod server;
mod settings;
mod signin;
mod strict;

#[cfg(test)]
mod tests;

pub use access::Admin;
pub use quota::Quotas;
pub use resources::health::OPENAPI;
pub use scope::{Backup, Collaborators, MetricsText};
pub use settings::{INGRESS_BODY_BYTES_MAX, Settings};
