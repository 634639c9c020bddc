//! The user and the purpose of a provider call, and its urgency.

use super::id::UserId;

named! {
    /// The purpose of a provider call, the most urgent first. Queued calls are made in this order;
    /// less urgent ones still get a share.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum Priority {
        /// A user waits for the answer: connecting, listing, a command.
        Person = "person",
        /// A hook is to be created, repaired, moved or deleted in the background.
        Repair = "repair",
        /// Missed data is fetched.
        Recovery = "recovery",
        /// Routine: checks, pings, renewals in advance.
        Check = "check",
        /// What explains a failure is read.
        Explain = "explain",
    }
}

/// The user and the purpose of a provider call. Calls are queued by owner, so that no user's work
/// delays another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errand {
    /// The owner of the work: the connection's owner, or the caller. Not the owner of the
    /// credential.
    pub owner: UserId,
    /// The purpose.
    pub priority: Priority,
}

impl Errand {
    /// A call for which a user waits.
    pub const fn of_person(owner: UserId) -> Self {
        let priority = Priority::Person;
        Self { owner, priority }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_comes_before_repair_recovery_checks_and_explanations() {
        assert!(Priority::ALL.is_sorted());
        assert_eq!(
            Priority::ALL.map(Priority::as_str),
            ["person", "repair", "recovery", "check", "explain"]
        );
    }
}
