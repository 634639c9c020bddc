//! What an actor knows of what it does about hooks of others, as far as it is not stored.

/// What an actor knows of what it does about hooks of others.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all combinations occur"
)]
pub(super) struct Tending {
    /// There may be something to do.
    pub(super) is_on: bool,
    /// A delivery with our signature has arrived since they were found.
    pub(super) is_proven: bool,
    /// A removal is outstanding.
    pub(super) is_calling: bool,
    /// A wait is running.
    pub(super) is_waiting: bool,
    /// Waits in a row.
    pub(super) tries: u32,
}

impl Tending {
    pub(super) const fn is_none(&self) -> bool {
        !self.is_on && !self.is_calling
    }

    /// A delivery with our signature has arrived.
    pub(super) const fn hear(&mut self) {
        self.is_proven = true;
    }

    /// Looks whether there is something to do: after a start, and after each look at the hooks.
    pub(super) const fn begin(&mut self) {
        self.is_on = true;
    }

    /// The wait has ended.
    pub(super) const fn end_wait(&mut self) {
        self.is_waiting = false;
    }

    /// There is nothing to do now.
    pub(super) fn end(&mut self) {
        let is_calling = self.is_calling;
        *self = Self {
            is_calling,
            ..Self::default()
        };
    }
}
