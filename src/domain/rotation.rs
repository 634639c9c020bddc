//! The rotation of a hook's secret: no delivery is refused because of it, and no former secret is
//! accepted longer than necessary.
//!
//! A new secret and the former ones are accepted from before the provider is asked to change it.
//! Former ones are dropped when all of this is so:
//!
//! - the provider has confirmed the new one, and no earlier call can change that any more;
//! - it is *proven*: a delivery that it signs has arrived since then. No clock replaces this proof;
//! - since then none that a former one signs has arrived for [`QUIET`]. Each starts the wait again:
//!   deliveries may be on their way for long, and it is not known with which secret GitHub signs a
//!   redelivery. GitLab signs it again. What comes later still is not lost: the delivery log has
//!   it.
//!
//! A proven rotation ends after [`USED_MAX`] in any case: providers send nothing again that is
//! older (GitHub 3 days, GitHub Enterprise Server and GitLab 7), so the sender is another who has
//! the secret.

use super::backoff::scale;
use super::id::ConnectionId;
use super::lifecycle::Revision;
use super::secret::{HookSecret, Sealed};
use super::time::Timestamp;
use std::time::Duration;

/// Most former secrets of a hook that are accepted: each costs a pass over the body of a delivery
/// that none of them has signed.
pub const OLD_SECRETS_MAX: usize = 3;
/// Former secrets are accepted until none of them has signed a delivery for so long.
pub const QUIET: Duration = Duration::from_hours(1);
/// Former secrets are accepted for at most so long after a new one is proven: the longest time for
/// which a provider redelivers.
pub const USED_MAX: Duration = Duration::from_hours(24 * 7);
/// The use of a former secret is noted again after so long.
pub const USE_NOTED_EVERY: Duration = Duration::from_mins(5);
/// Shortest regular interval between two rotations. The former secret is accepted for an hour at
/// least, and a rotation costs a provider several calls.
pub const ROTATE_EVERY_MIN: Duration = Duration::from_hours(24);
/// The number of the first secret of a hook.
const FIRST: SecretNumber = SecretNumber(1);

/// The number of a secret among those of a connection. Later ones have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretNumber(pub u32);

/// A secret of a connection, in the clear, with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Its number.
    pub number: SecretNumber,
    /// The secret.
    pub secret: HookSecret,
}

/// A secret before a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldSecret {
    /// The secret.
    pub secret: Sealed,
    /// Its number.
    pub number: SecretNumber,
    /// When a delivery last arrived that it signs; `None` when none has since it was replaced.
    pub used_at: Option<Timestamp>,
}

named! {
    /// Whether former secrets are accepted, and why.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum RotationState {
        /// None is.
        Settled = "settled",
        /// The provider has not confirmed the new one yet.
        Unconfirmed = "unconfirmed",
        /// No delivery that the new one signs has arrived yet.
        Unproven = "unproven",
        /// The new one is proven. Deliveries that a former one signs may still be on their way.
        Settling = "settling",
    }
}

impl RotationState {
    /// Those in which former secrets are accepted.
    pub const HELD: [Self; 3] = [Self::Unconfirmed, Self::Unproven, Self::Settling];

    /// What it means and what ends it, for people; `None` when there is nothing to say.
    pub const fn message(self) -> Option<&'static str> {
        match self {
            Self::Settled => None,
            Self::Unconfirmed => Some(
                "The provider has not confirmed the new secret yet. Hookherd retries. Former \
                 secrets are accepted until then.",
            ),
            Self::Unproven => Some(
                "The provider has confirmed the new secret, and no delivery signed with it has \
                 arrived yet. Hookherd pings the webhook. Former secrets are accepted until then.",
            ),
            Self::Settling => Some(
                "The new secret works. Former secrets are accepted until they have signed no \
                 delivery for an hour, at most for 7 days.",
            ),
        }
    }
}

/// How former secrets came to be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// They are unused.
    Unused,
    /// The longest time has passed, and deliveries that they sign still arrive.
    Used,
}

/// The state of the secrets of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The number of the current secret.
    pub number: SecretNumber,
    /// When the current secret was made.
    pub made_at: Timestamp,
    /// When the provider confirmed it; `None` while former ones are accepted and it has not.
    pub confirmed_at: Option<Timestamp>,
    /// When a delivery that it signs first arrived after that.
    pub proven_at: Option<Timestamp>,
    /// The revision of the settings in which the secret alone is not written yet; `None` when
    /// other settings of the hook were not known to be written either.
    pub alone: Option<Revision>,
    /// The former secrets that are accepted, newest first. At most [`OLD_SECRETS_MAX`].
    pub old: Vec<OldSecret>,
}

impl Rotation {
    /// A first secret, made at `made_at`.
    pub const fn new(made_at: Timestamp) -> Self {
        Self {
            number: FIRST,
            made_at,
            confirmed_at: None,
            proven_at: None,
            alone: None,
            old: Vec::new(),
        }
    }

    /// Whether, and why, former secrets are accepted.
    pub const fn state(&self) -> RotationState {
        match (self.old.is_empty(), self.confirmed_at, self.proven_at) {
            (true, _, _) => RotationState::Settled,
            (false, None, _) => RotationState::Unconfirmed,
            (false, Some(_), None) => RotationState::Unproven,
            (false, Some(_), Some(_)) => RotationState::Settling,
        }
    }

    /// Whether another rotation can begin: one more former secret may be accepted.
    pub const fn has_room(&self) -> bool {
        self.old.len() < OLD_SECRETS_MAX
    }

    /// A new secret replaces `old`. See [`Self::alone`].
    pub fn begin(&mut self, old: Sealed, alone: Option<Revision>, now: Timestamp) {
        let old = OldSecret {
            secret: old,
            number: self.number,
            used_at: None,
        };
        self.old.insert(0, old);
        self.old.truncate(OLD_SECRETS_MAX);
        self.number = SecretNumber(self.number.0.saturating_add(1));
        self.made_at = now;
        (self.confirmed_at, self.proven_at) = (None, None);
        self.alone = alone;
    }

    /// The provider has confirmed the current secret, for certain. Returns whether that is new.
    pub fn confirm(&mut self, now: Timestamp) -> bool {
        let is_new = self.state() == RotationState::Unconfirmed;
        if is_new {
            self.confirmed_at = Some(now);
        }
        is_new
    }

    /// Whether a delivery with this secret shows that the hook works as it is now. Before the
    /// provider has confirmed the current one, any does. `None`: it was stored by an older version.
    pub fn is_proof(&self, number: Option<SecretNumber>) -> bool {
        match self.state() {
            RotationState::Settled | RotationState::Unconfirmed => true,
            RotationState::Unproven | RotationState::Settling => {
                number.is_none_or(|number| number == self.number)
            }
        }
    }

    /// Whether [`Self::hear`] would change anything that must be stored.
    pub fn is_news(&self, number: SecretNumber, at: Timestamp) -> bool {
        let mut heard = self.clone();
        heard.hear(number, at);
        if heard.proven_at != self.proven_at {
            return true;
        }
        let mut uses = self.old.iter().zip(&heard.old);
        uses.any(|(was, is)| match (was.used_at, is.used_at) {
            (Some(was), Some(is)) => is.apart(was) >= USE_NOTED_EVERY,
            (was, is) => was != is,
        })
    }

    /// A delivery arrived at `at` that this secret signs.
    pub fn hear(&mut self, number: SecretNumber, at: Timestamp) {
        if number == self.number {
            let is_since = self.confirmed_at.is_some_and(|confirmed| at >= confirmed);
            if is_since && self.state() == RotationState::Unproven {
                self.proven_at = Some(at);
            }
        } else if let Some(old) = self.old.iter_mut().find(|old| old.number == number) {
            old.used_at = old.used_at.max(Some(at));
        }
    }

    /// The secrets are not dated later than now: a clock may have gone back.
    pub fn redate(&mut self, now: Timestamp) {
        let back = |at: Option<Timestamp>| at.map(|at| at.min(now));
        self.made_at = self.made_at.min(now);
        self.confirmed_at = back(self.confirmed_at);
        self.proven_at = back(self.proven_at);
        for old in &mut self.old {
            old.used_at = back(old.used_at);
        }
    }

    /// Whether [`Self::drop_old`] would drop something.
    pub fn is_over(&self, passed: Timestamp) -> bool {
        self.old.iter().any(|old| self.ends(old, passed).is_some())
    }

    fn ends(&self, old: &OldSecret, passed: Timestamp) -> Option<Dropped> {
        let proven = self.proven_at?;
        let last = old.used_at.map_or(proven, |used_at| used_at.max(proven));
        if passed.since(last) >= QUIET {
            Some(Dropped::Unused)
        } else if passed.since(proven) >= USED_MAX {
            Some(Dropped::Used)
        } else {
            None
        }
    }

    /// Drops the former secrets that are no longer to be accepted at `passed`, a time that has
    /// passed for sure: they cannot be brought back. `None` when there are none.
    pub fn drop_old(&mut self, passed: Timestamp) -> Option<Dropped> {
        let before = self.clone();
        self.old.retain(|old| before.ends(old, passed).is_none());
        let mut ends = before.old.iter().filter_map(|old| before.ends(old, passed));
        let first = ends.next()?;
        let is_used = first == Dropped::Used || ends.any(|end| end == Dropped::Used);
        Some(if is_used {
            Dropped::Used
        } else {
            Dropped::Unused
        })
    }

    /// When the next regular rotation is due. The same for a connection after every restart, and
    /// spread over a tenth of the interval before its end, so that secrets made together are not
    /// rotated together.
    pub fn due_at(&self, id: ConnectionId, every: Duration) -> Timestamp {
        let early = scale(every / 10, chance_of(id));
        self.made_at.plus(every.saturating_sub(early))
    }

    /// Whether a regular rotation is to begin now. `step` is the longest time between two looks.
    ///
    /// Many are overdue at once when regular rotation is switched on, or after long downtime. So
    /// one that is overdue for long waits for its own turn within a tenth of the interval.
    pub fn is_due(&self, id: ConnectionId, plan: Plan, now: Timestamp) -> bool {
        let due = self.due_at(id, plan.every);
        if now < due {
            return false;
        }
        if now.since(due) < plan.step * 2 {
            return true;
        }
        let round = millis(plan.every / 10).max(1);
        let turn = millis(scale(plan.every / 10, chance_of(id).rotate_left(32)));
        now.0.saturating_sub(turn).rem_euclid(round) < millis(plan.step * 2)
    }
}

/// Regular rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The interval.
    pub every: Duration,
    /// The longest time between two looks whether one is due.
    pub step: Duration,
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A number that is uniform over connections and always the same for one: its id, mixed as in
/// `SplitMix64`.
fn chance_of(id: ConnectionId) -> u64 {
    let [high, low] = [id.as_u128() >> 64, id.as_u128() & u128::from(u64::MAX)];
    let fold = |half: u128| u64::try_from(half).expect("64 bits of it");
    let mut z = fold(high).rotate_left(17) ^ fold(low);
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
