//! The data directory, its disk, the master key, and the store.

use super::finding::{Finding, Verdict};
use crate::app::disk::space;
use crate::app::{SystemClock, SystemEntropy};
use crate::config::Config;
use crate::domain::time::{Clock, Timestamp};
use crate::domain::trouble::LITTLE_BYTES;
use crate::seal::ring::{KeyError, KeyRing, MasterKey, canary_fits};
use crate::store::disk::OpenError;
use crate::store::tools;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// With less space than this the daemon refuses deliveries.
const FREE_BYTES_MIN: u64 = 1 << 20;
/// A wall clock that is behind the store's by more has gone back.
const CLOCK_BACK_MAX: Duration = Duration::from_mins(5);

/// Everything on the disk.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let dir = &config.server.data_dir;
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
    let there = absolute.ancestors().find(|path| path.exists());
    let there = there.unwrap_or(Path::new("/"));
    let mut findings = vec![data_dir(there)];
    findings.extend(disk(there));
    findings.extend(keys(config));
    findings.extend(clock(dir));
    findings
}

/// The master key, and whether it fits the store.
fn keys(config: &Config) -> Vec<Finding> {
    let finding = |verdict, words: &str| Finding::new("master key", verdict, words);
    let ring = config.seal_key.as_ref().ok_or(KeyError::Missing);
    let ring = ring.and_then(|key| {
        let keys = MasterKey::parse_list(&key.0)?;
        KeyRing::new(&keys, Arc::new(SystemEntropy))
    });
    let ring = match ring {
        Ok(ring) => ring,
        Err(error) => return vec![finding(Verdict::Bad, &error.to_string())],
    };
    let dir = config.server.data_dir.display();
    let store = |verdict, words| Finding::new("store", verdict, words);
    match tools::canary(&config.server.data_dir) {
        Ok(Some(canary)) if canary_fits(&ring, &canary) => vec![
            finding(Verdict::Good, "matches the store"),
            stored(&config.server.data_dir),
        ],
        Ok(Some(_)) => vec![finding(Verdict::Bad, "does not match the store")],
        Ok(None) => vec![
            finding(Verdict::Good, "valid"),
            match tools::health(&config.server.data_dir) {
                Err(OpenError::Missing(_)) => {
                    let words = format!(
                        "{dir} has no store; the first start creates it. Is its disk mounted?"
                    );
                    store(Verdict::Warning, words)
                }
                Ok(_) | Err(_) => stored(&config.server.data_dir),
            },
        ],
        Err(OpenError::InUse(_)) => vec![
            finding(Verdict::Good, "valid"),
            store(Verdict::Good, used(&config.server.data_dir)),
        ],
        Err(error) => vec![store(Verdict::Bad, error.to_string())],
    }
}

/// Which store it is, in words.
fn name_of(dir: &Path) -> String {
    let dir_name = dir.display();
    match tools::identity(dir) {
        Some(id) => {
            let born = in_days(id.created_at());
            format!("{dir_name} holds {id}, created {born}")
        }
        None => format!("{dir_name} holds a store without an id; the next start assigns one"),
    }
}

fn in_days(at: Timestamp) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(at.0 / 1000);
    at.map_or_else(|_| "at no time".to_owned(), |at| at.date().to_string())
}

fn used(dir: &Path) -> String {
    format!("{}; in use by a daemon", name_of(dir))
}

/// Whether a store that no daemon uses is whole.
fn stored(dir: &Path) -> Finding {
    let words = name_of(dir);
    let (verdict, words) = match tools::health(dir) {
        Ok(health) if !health.missing.is_empty() => {
            let gone = health.missing.join("; ");
            let words =
                format!("{words}; a part is missing, so the daemon refuses to start: {gone}");
            (Verdict::Bad, words)
        }
        Ok(health) if !health.harmed.is_empty() => {
            let harmed = health.harmed.join("; ");
            let words = format!("{words}; damaged, and rebuilt at the next start: {harmed}");
            (Verdict::Warning, words)
        }
        Ok(_) => (Verdict::Good, words),
        Err(error) => (Verdict::Bad, error.to_string()),
    };
    Finding::new("store", verdict, words)
}

/// Whether the data directory, or the place where it will be made, can be written.
fn data_dir(there: &Path) -> Finding {
    let (verdict, words) = match tempfile::tempfile_in(there) {
        Ok(_) => (Verdict::Good, format!("{} is writable", there.display())),
        Err(error) => (Verdict::Bad, format!("{}: {error}", there.display())),
    };
    Finding::new("data directory", verdict, words)
}

/// Whether there is space left.
fn disk(there: &Path) -> Option<Finding> {
    let free = space(there)?.free;
    let (verdict, words) = judge_space(free);
    let words = format!("{} MiB free at {}{words}", free >> 20, there.display());
    Some(Finding::new("disk", verdict, words))
}

fn judge_space(free: u64) -> (Verdict, &'static str) {
    match free {
        0..FREE_BYTES_MIN => (Verdict::Bad, ": deliveries are refused until more is free"),
        FREE_BYTES_MIN..LITTLE_BYTES => {
            let words = ", which is little: below 1 MiB deliveries are refused";
            (Verdict::Warning, words)
        }
        LITTLE_BYTES.. => (Verdict::Good, ""),
    }
}

/// Whether the machine's clock is behind what the store has seen.
fn clock(dir: &Path) -> Option<Finding> {
    let trusted = tools::trusted_time(dir)?;
    let back = trusted.since(SystemClock.now());
    (back > CLOCK_BACK_MAX).then(|| {
        let words = format!(
            "this machine's clock is {} minutes behind the store's last time: correct it, if it is \
             wrong now. If it was wrong then, wait: until both are the same, time passes at half \
             speed, and retention waits",
            back.as_secs() / 60
        );
        Finding::new("clock", Verdict::Warning, words)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_space_is_told_before_there_is_none() {
        for (free, verdict) in [
            (0, Verdict::Bad),
            ((1 << 20) - 1, Verdict::Bad),
            (1 << 20, Verdict::Warning),
            ((1 << 30) - 1, Verdict::Warning),
            (1 << 30, Verdict::Good),
            (u64::MAX, Verdict::Good),
        ] {
            assert_eq!(judge_space(free).0, verdict, "{free}");
        }
    }
}
