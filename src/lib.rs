//! Hookherd takes webhook settings off people's hands.
//!
//! The map: [`domain`] decides, purely. [`store`] keeps, [`seal`] encrypts, [`provider`] speaks
//! with GitHub and its like: three rooms that know the domain and not each other.

pub mod actor;
pub mod api;
pub mod app;
pub mod cli;
pub mod config;
pub mod credentials;
pub mod domain;
pub mod explain;
#[cfg(test)]
mod histories;
pub mod ledger;
pub mod notify;
pub mod outbox;
pub mod provider;
pub mod seal;
pub mod simulator;
pub mod store;
pub mod telemetry;
pub mod upkeep;
