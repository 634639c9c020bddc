//! Both providers against the simulator: the same cases for each of our clients, and stories of
//! both with the whole daemon.

mod contract;
mod daemon;
mod github;
#[path = "../interop/receiver.rs"]
mod receiver;
mod stand;
mod stories;
