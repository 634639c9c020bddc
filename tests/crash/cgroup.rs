//! A memory cgroup of our own, and what a process in it takes.

use super::is_missing;
use std::path::PathBuf;

/// Where cgroups of version 1 account for memory.
const ROOT: &str = "/sys/fs/cgroup/memory";

/// A cgroup with a limit; removed when this is dropped, if no process is in it.
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one; `None`, said aloud, where that is impossible.
    pub(crate) fn new(limit_bytes: u64) -> Option<Self> {
        let path = PathBuf::from(ROOT).join(format!("hookherd-test-{}", std::process::id()));
        let limit = path.join("memory.limit_in_bytes");
        let made = std::fs::create_dir(&path)
            .and_then(|()| std::fs::write(&limit, limit_bytes.to_string()));
        (!is_missing("root with memory cgroups", made.is_ok())).then_some(Self(path))
    }

    /// Where a process writes its number to be in it.
    pub(crate) fn door(&self) -> String {
        self.0.join("cgroup.procs").display().to_string()
    }

    /// How many processes were killed in it because it was full.
    pub(crate) fn killed(&self) -> u64 {
        let text = std::fs::read_to_string(self.0.join("memory.oom_control")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// Memory of a process that cannot be given back by dropping files from the cache, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
