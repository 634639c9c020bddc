//! What a connection does about the hooks that others made in its repository: a hook that it makes
//! its own in place (adoption), and hooks to the same receiver that it replaces once its own is
//! proven to work (ADR 31).
//!
//! - **TO-1** a hook of others is removed only because a user said so for this connection, and only
//!   while it has the fingerprint that it had when it was found.
//! - **TO-2** none is removed before a delivery, signed with our secret, has arrived after it was
//!   found: until then it continues to deliver.
//! - **TO-3** that it is to be removed is stored before the call, and what became of it after: a
//!   kill at any point repeats the call, which finds what is left to do.

use super::error_code::ErrorCode;
use super::id::{ConnectionId, HookId, OwnerId};
use super::pattern::Pattern;
use super::standing::{Fingerprint, Standing};
use super::time::Timestamp;

/// Most hooks of others that are remembered for a connection. GitHub allows 20 for an event.
pub const OTHERS_MAX: usize = 50;

/// Which hooks of others are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Those that deliver to the host that we have.
    SameReceiver,
    /// Those whose URL matches this pattern, wherever they deliver to.
    Matching(String),
}

impl Replace {
    /// Understands what a user wrote: a pattern of URLs, in any case.
    pub fn matching(pattern: &str) -> Result<Self, super::pattern::BadPattern> {
        Pattern::any_case(pattern).map(|_| Self::Matching(pattern.to_owned()))
    }
}

named! {
    /// What becomes of a hook of others.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum OtherState {
        /// It is there. It is left alone, or waits until ours is proven.
        Found = "found",
        /// It is being removed.
        Removing = "removing",
        /// It was removed.
        Removed = "removed",
        /// It went without us.
        Gone = "gone",
        /// It has another URL by now, and is left alone.
        Changed = "changed",
        /// The provider refuses to remove it.
        Refused = "refused",
    }
}

/// A hook of others that concerns a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// The hook.
    pub hook: HookId,
    /// What it was when it was found.
    pub fingerprint: Fingerprint,
    /// Its URL for people, without what may be a secret.
    pub url: String,
    /// What becomes of it.
    pub state: OtherState,
    /// Why the provider refuses, or why the last try failed.
    pub code: Option<ErrorCode>,
}

/// What a connection does about the hooks of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// The connection.
    pub connection: ConnectionId,
    /// Its owner.
    pub owner: OwnerId,
    /// The hook that becomes the connection's own in place, until it has one.
    pub adopts: Option<(HookId, Fingerprint)>,
    /// Which hooks are replaced; `None` when they are only reported.
    pub replaces: Option<Replace>,
    /// A delivery proves that ours works if it arrived after this.
    pub since: Timestamp,
    /// The hooks of others that were found, at most [`OTHERS_MAX`].
    pub others: Vec<Other>,
}

impl Takeover {
    /// Nothing is to be done, and nothing was found.
    pub const fn new(connection: ConnectionId, owner: OwnerId, since: Timestamp) -> Self {
        Self {
            connection,
            owner,
            adopts: None,
            replaces: None,
            since,
            others: Vec::new(),
        }
    }

    /// Whether a hook of others concerns this connection. What has the form of our hooks does not,
    /// whatever a pattern says: it is another connection's, or an orphan.
    pub fn concerns(&self, standing: Standing, url: Option<&str>) -> bool {
        match (standing, &self.replaces) {
            (
                Standing::Kept | Standing::Orphan | Standing::OtherAddress | Standing::Misplaced,
                _,
            )
            | (Standing::SameEvents | Standing::Unrelated, None | Some(Replace::SameReceiver)) => {
                false
            }
            (Standing::SameReceiver, None | Some(Replace::SameReceiver)) => true,
            (
                Standing::SameReceiver | Standing::SameEvents | Standing::Unrelated,
                Some(Replace::Matching(pattern)),
            ) => {
                let pattern = Pattern::any_case(pattern).ok();
                pattern.is_some_and(|pattern| pattern.fits(url.unwrap_or_default()))
            }
        }
    }

    /// Takes note of the hooks that concern it, from a whole list of the repository's. Returns the
    /// new ones.
    pub fn note(&mut self, found: Vec<Other>) -> Vec<Other> {
        for known in &mut self.others {
            let still = found.iter().find(|it| it.hook == known.hook);
            known.state = match (known.state, still) {
                (OtherState::Found, None) => OtherState::Gone,
                (OtherState::Removing, None) => OtherState::Removed,
                (state, _) => state,
            };
        }
        let is_known = |it: &Other| {
            let same = |known: &Other| {
                known.hook == it.hook && known.fingerprint == it.fingerprint && known.is_there()
            };
            self.others.iter().any(same)
        };
        let (_, new): (Vec<_>, Vec<_>) = found.into_iter().partition(is_known);
        let replaced = |known: &Other| new.iter().any(|it| it.hook == known.hook);
        self.others.retain(|known| !replaced(known));
        // What is settled makes room.
        let room = OTHERS_MAX.saturating_sub(new.len());
        let surplus = self.others.len().saturating_sub(room);
        self.others.sort_by_key(Other::is_there);
        self.others.drain(..surplus);
        self.others.extend(new.iter().take(OTHERS_MAX).cloned());
        new
    }

    /// Replaces these from now on; what was refused before is tried again.
    pub fn replace(&mut self, which: Replace, now: Timestamp) {
        if self.replaces.as_ref() != Some(&which) {
            self.others.clear();
        }
        self.replaces = Some(which);
        self.since = now;
        for other in &mut self.others {
            if other.state == OtherState::Refused {
                (other.state, other.code) = (OtherState::Found, None);
            }
        }
    }

    /// Whether a hook is still to be removed.
    pub fn is_due(&self) -> bool {
        self.next().is_some()
    }

    /// The hook that is to be removed next: one whose removal was begun before any other.
    pub fn next(&self) -> Option<&Other> {
        self.replaces.as_ref()?;
        let of = |state| self.others.iter().find(|other| other.state == state);
        of(OtherState::Removing).or_else(|| of(OtherState::Found))
    }

    /// Changes what is known of a hook.
    pub fn settle(&mut self, hook: HookId, state: OtherState, code: Option<ErrorCode>) {
        for other in &mut self.others {
            if other.hook == hook {
                (other.state, other.code) = (state, code);
            }
        }
    }
}

impl Other {
    /// Whether it is at the provider, as far as known.
    pub const fn is_there(&self) -> bool {
        match self.state {
            OtherState::Found | OtherState::Removing | OtherState::Refused => true,
            OtherState::Removed | OtherState::Gone | OtherState::Changed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takeover(replaces: Option<Replace>) -> Takeover {
        let (id, owner) = (ConnectionId::from_u128(1), OwnerId::from_u128(2));
        let new = Takeover::new(id, owner, Timestamp(0));
        Takeover { replaces, ..new }
    }

    fn other(id: u64) -> Other {
        Other {
            hook: HookId(id),
            fingerprint: Fingerprint::of(HookId(id), None),
            url: String::new(),
            state: OtherState::Found,
            code: None,
        }
    }

    fn states(takeover: &Takeover) -> Vec<(u64, &'static str)> {
        let others = takeover.others.iter();
        others
            .map(|other| (other.hook.0, other.state.as_str()))
            .collect()
    }

    #[test]
    fn what_concerns_a_connection_is_what_leads_to_us_or_what_the_user_named() {
        let url = Some("https://CI.example/hook/7");
        let of = |replaces| {
            let takeover = takeover(replaces);
            let fits = |standing: &Standing| takeover.concerns(*standing, url);
            Standing::ALL.into_iter().filter(fits).collect::<Vec<_>>()
        };
        assert_eq!(of(None), [Standing::SameReceiver]);
        assert_eq!(of(Some(Replace::SameReceiver)), [Standing::SameReceiver]);
        let matching = |text: &str| Some(Replace::matching(text).unwrap());
        let others = [
            Standing::SameReceiver,
            Standing::SameEvents,
            Standing::Unrelated,
        ];
        assert_eq!(of(matching("https://ci.example/hook*")), others);
        assert_eq!(of(matching("https://ci.example/other*")), []);
        assert!(Replace::matching("").is_err());
        let named = takeover(matching("*"));
        assert!(named.concerns(Standing::Unrelated, None) && !named.concerns(Standing::Kept, None));
    }

    #[test]
    fn a_list_tells_what_is_new_what_has_gone_and_what_is_another_by_now() {
        let mut t = takeover(Some(Replace::SameReceiver));
        assert_eq!(t.note(vec![other(1), other(2), other(3)]).len(), 3);
        assert_eq!(t.note(vec![other(1), other(2), other(3)]), []);
        t.settle(HookId(1), OtherState::Removing, None);
        let moved = Other {
            fingerprint: Fingerprint::of(HookId(3), Some("https://x.example")),
            ..other(3)
        };
        assert_eq!(t.note(vec![moved.clone()]), [moved]);
        assert_eq!(
            states(&t),
            [(1, "removed"), (2, "gone"), (3, "found")],
            "one whose removal had begun was removed by us"
        );
        let many: Vec<Other> = (10..100).map(other).collect();
        assert_eq!(t.note(many).len(), 90);
        assert_eq!(t.others.len(), OTHERS_MAX);
    }

    #[test]
    fn nothing_is_due_without_a_word_and_what_was_begun_comes_first() {
        let mut t = takeover(None);
        t.note(vec![other(1), other(2)]);
        assert!(!t.is_due());
        t.replace(Replace::SameReceiver, Timestamp(9));
        assert_eq!(
            (t.since, t.others.len()),
            (Timestamp(9), 0),
            "they are looked for again"
        );
        t.note(vec![other(1), other(2)]);
        assert_eq!(t.next().map(|it| it.hook), Some(HookId(1)));
        t.settle(HookId(2), OtherState::Removing, None);
        assert_eq!(t.next().map(|it| it.hook), Some(HookId(2)));
        t.settle(HookId(2), OtherState::Removed, None);
        t.settle(HookId(1), OtherState::Refused, Some(ErrorCode::NoAccess));
        assert!(!t.is_due());
        t.replace(Replace::SameReceiver, Timestamp(10));
        assert_eq!(states(&t), [(1, "found"), (2, "removed")]);
        assert_eq!(t.others[0].code, None);
    }
}
