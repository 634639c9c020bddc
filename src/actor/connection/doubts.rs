//! What deliveries with wrong signatures have against a hook.

/// What is held against the hook.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Deliveries that none of the secrets signed, since the last look.
    pub(super) rejections: u32,
    /// Authentic deliveries in this life of the actor, and how many it were at the first of those.
    pub(super) authentic: u64,
    pub(super) authentic_before: u64,
    pub(super) stage: Stage,
}

/// How far the inquiry has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    #[default]
    Trusts,
    /// We look at the hook. With the count of authentic deliveries before anything was wrong.
    Looks(u64),
    /// The hook is as it should be: an authentic delivery is waited for. With the same count.
    Waits(u64),
    /// A test delivery was asked for. With the same count.
    Tests(u64),
}

impl Doubts {
    /// Whether there is nothing to be remembered.
    pub(super) fn are_none(&self) -> bool {
        self.rejections == 0 && self.stage == Stage::Trusts
    }

    /// An authentic delivery arrived.
    pub(super) fn hear(&mut self) {
        self.authentic = self.authentic.wrapping_add(1);
    }
}
