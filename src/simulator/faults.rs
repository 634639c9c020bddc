//! What goes wrong on demand.

use super::refusals::Refusal;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the provider does wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Answers this status and does nothing.
    FailBefore(u16),
    /// Does what was asked, and answers this status.
    ActThenFail(u16),
    /// Closes the connection in the middle of the answer, having done nothing.
    DropBefore,
    /// Does what was asked, and closes the connection in the middle of the answer.
    ActThenDrop,
    /// Does nothing and never answers.
    Hang,
    /// Does what was asked and never answers.
    ActThenHang,
    /// Does what was asked; half of the JSON arrives.
    TruncatedJson,
    /// Refuses because the hour's budget is spent.
    RateLimitedPrimary {
        /// Seconds until there is a new one.
        reset_s: u64,
    },
    /// Refuses because of too much at once.
    RateLimitedSecondary {
        /// Seconds to wait.
        retry_after_s: u64,
    },
    /// Refuses, in these words.
    Refuse(Refusal),
    /// Says "not found" as it does to those without rights.
    NotFoundForPermission,
}

impl Misbehaviour {
    /// The fault of this name, with its number: a status, or seconds.
    pub(super) fn named(name: &str, number: u64) -> Option<Self> {
        let status = u16::try_from(number).unwrap_or(500);
        Some(match name {
            "fail_before" => Self::FailBefore(status),
            "act_then_fail" => Self::ActThenFail(status),
            "drop_before" => Self::DropBefore,
            "act_then_drop" => Self::ActThenDrop,
            "hang" => Self::Hang,
            "act_then_hang" => Self::ActThenHang,
            "truncated_json" => Self::TruncatedJson,
            "rate_limited_primary" => Self::RateLimitedPrimary { reset_s: number },
            "rate_limited_secondary" => Self::RateLimitedSecondary {
                retry_after_s: number,
            },
            "not_found_for_permission" => Self::NotFoundForPermission,
            other => Self::Refuse(serde_json::from_value(other.into()).ok()?),
        })
    }
}

/// What goes wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miscarriage {
    /// It is sent twice.
    Twice,
    /// It is lost.
    Lost,
    /// It is lost, and the log knows nothing of it: GitLab does so when there are too many.
    Unlogged,
    /// It is signed with another secret.
    WrongSecret,
    /// It has the old proof only: SHA-1 at GitHub, the bare token at GitLab.
    ShaOneOnly,
    /// It is signed an hour late. GitHub's signature knows no time.
    Stale,
}

/// A fault: for requests of an operation, so many times. An operation is such as `create_hook` or
/// `gitlab.create_hook`; `gitlab.*` is any of GitLab's, `*` any at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The operation.
    pub operation: String,
    /// What goes wrong.
    pub misbehaviour: Misbehaviour,
    /// How often.
    pub times: u32,
    /// How many such requests are served before.
    pub after: u32,
}

impl Fault {
    fn is_meant_for(&self, operation: &str) -> bool {
        match self.operation.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => operation == self.operation,
        }
    }
}

/// The faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    requests: Mutex<Vec<Fault>>,
    deliveries: Mutex<VecDeque<Miscarriage>>,
    outage: AtomicBool,
}

impl Faults {
    /// The next request of this operation goes wrong.
    pub fn next(&self, operation: &str, misbehaviour: Misbehaviour) {
        self.push(Fault {
            operation: operation.to_owned(),
            misbehaviour,
            times: 1,
            after: 0,
        });
    }

    /// Whether a fault for requests is still to come.
    pub fn are_pending(&self) -> bool {
        !self.requests.lock().is_empty()
    }

    /// Adds a fault.
    pub fn push(&self, fault: Fault) {
        self.requests.lock().push(fault);
    }

    /// The next delivery goes wrong.
    pub fn next_delivery(&self, miscarriage: Miscarriage) {
        self.deliveries.lock().push_back(miscarriage);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.requests.lock().clear();
        self.deliveries.lock().clear();
        self.outage(false);
    }

    /// While it lasts, every request is answered 503.
    pub fn outage(&self, lasts: bool) {
        self.outage.store(lasts, Ordering::SeqCst);
    }

    pub(super) fn is_out(&self) -> bool {
        self.outage.load(Ordering::SeqCst)
    }

    pub(super) fn take(&self, operation: &str) -> Option<Misbehaviour> {
        let mut faults = self.requests.lock();
        let at = faults
            .iter()
            .position(|fault| fault.is_meant_for(operation))?;
        if faults[at].after > 0 {
            faults[at].after -= 1;
            return None;
        }
        let misbehaviour = faults[at].misbehaviour;
        faults[at].times = faults[at].times.saturating_sub(1);
        if faults[at].times == 0 {
            faults.remove(at);
        }
        Some(misbehaviour)
    }

    pub(super) fn take_delivery(&self) -> Option<Miscarriage> {
        self.deliveries.lock().pop_front()
    }
}
