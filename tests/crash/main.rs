//! Real processes, real file systems, real faults: nothing acknowledged may be lost.
//!
//! A *writer* is this test binary started again as a process of its own, which commits deliveries
//! to a store and says which were acknowledged. It is killed, loses its power (an ext4 on a loop
//! device that is shut down without writing anything back), runs out of space, and gets I/O
//! errors from the kernel. Then the store is opened and every acknowledgement is checked.
//!
//! What needs root and loop devices, or strace, says so and passes where they are missing, unless
//! `HOOKHERD_FAULTS=required` is set, as in CI. `HOOKHERD_CRASH_ROUNDS` multiplies the rounds.

#![expect(clippy::unwrap_used, reason = "a panic here is a failed test")]

mod cgroup;
mod clock;
mod commanded;
mod cut_off;
mod daemon;
mod daemon_full;
mod daemon_kill;
mod damage;
mod disk;
mod full;
mod hung;
mod jumped;
mod kill;
mod leaving;
mod ledger;
mod load;
mod operated;
mod operated_many;
mod power;
mod pressure;
mod renewed;
mod rotated_many;
mod soak;
mod stopped;
mod traced;
mod writer;

/// Whether a tool that a test needs is missing, said aloud; a failure where faults are required.
fn is_missing(what: &str, is_there: bool) -> bool {
    let is_required = std::env::var("HOOKHERD_FAULTS").is_ok_and(|value| value == "required");
    assert!(is_there || !is_required, "{what} is required and missing");
    if !is_there {
        eprintln!("SKIPPED: {what} is missing");
    }
    !is_there
}

/// So many rounds, times the factor that the environment asks for.
fn rounds(count: u32) -> u32 {
    let factor = std::env::var("HOOKHERD_CRASH_ROUNDS").ok();
    count * factor.map_or(1, |factor| factor.parse().expect("a number of rounds"))
}
