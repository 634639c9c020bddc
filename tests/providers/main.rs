//! Both providers against the simulator: the same cases for each of our clients, stories of both
//! with the whole daemon, and people who sign in with either.

mod contract;
mod contract_explain;
mod contract_ids;
mod contract_log;
mod contract_others;
mod contract_runs;
mod daemon;
mod github;
mod log_traps;
mod moved;
#[path = "../interop/receiver.rs"]
mod receiver;
mod scenarios;
mod signin;
mod stand;
mod stories;
