//! The product as its users have it: the binary, its files, its log, its interface, and a
//! simulated GitHub on a socket.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod backup;
mod cli;
mod commands;
mod doctor;
mod drill;
mod ends;
mod explained;
mod hooks;
mod hostile;
mod install;
mod keys;
mod latency;
mod metrics;
mod migration;
mod neighbours;
mod notifications;
mod orphans;
mod own;
mod recovery;
mod refusals;
mod refused;
mod rules;
mod scan;
mod secrets;
mod settings;
mod stage;
mod watchdog;
