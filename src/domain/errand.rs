//! For whom a provider is asked something, and how much that matters.

use super::id::UserId;

/// Why a provider is asked something, the most urgent reason first. The order is the order in which
/// calls go out that wait for a place; what is less urgent still gets a share of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person waits for the answer: connecting, listing, a command.
    Person,
    /// A hook is to be made, mended, moved or deleted, and nobody waits.
    Repair,
    /// What was missed is looked for.
    Recovery,
    /// Whether all is well: checks, pings, renewals ahead of time.
    Check,
}

impl Priority {
    /// Every priority, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Person, Self::Repair, Self::Recovery, Self::Check];

    /// The name used in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Repair => "repair",
            Self::Recovery => "recovery",
            Self::Check => "check",
        }
    }
}

/// For whom and why a provider is asked something. Calls wait in line by owner, so that nobody's
/// work holds up anybody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Errand {
    /// Whose work it is: the connection's owner, or who asks. Not whose credential is used.
    pub owner: UserId,
    /// Why.
    pub priority: Priority,
}

impl Errand {
    /// What a person waits for.
    pub const fn of_person(owner: UserId) -> Self {
        let priority = Priority::Person;
        Self { owner, priority }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_comes_before_repair_recovery_and_checks() {
        assert!(Priority::ALL.is_sorted());
        assert_eq!(
            Priority::ALL.map(Priority::as_str),
            ["person", "repair", "recovery", "check"]
        );
    }
}
