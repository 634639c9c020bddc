//! The state of the suspicion that wrong signatures raise against a hook.

/// The suspicion against the hook.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Deliveries without a valid signature, since the last check.
    pub(super) rejections: u32,
    /// Authentic deliveries in this life of the actor, and how many it were at the first of those.
    pub(super) authentic: u64,
    pub(super) authentic_before: u64,
    pub(super) stage: Stage,
}

/// The progress of the inquiry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    #[default]
    Trusts,
    /// The hook is being checked. With the count of authentic deliveries before the suspicion.
    Looks(u64),
    /// The hook has the wanted settings: waiting for an authentic delivery. With the same count.
    Waits(u64),
    /// A test delivery was requested. With the same count.
    Tests(u64),
}

impl Doubts {
    /// Whether there is no state.
    pub(super) fn are_none(&self) -> bool {
        self.rejections == 0 && self.stage == Stage::Trusts
    }

    /// An authentic delivery arrived.
    pub(super) fn hear(&mut self) {
        self.authentic = self.authentic.wrapping_add(1);
    }
}
