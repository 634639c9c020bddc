//! Trouble with the store.

use crate::store::{CommitError, ReadError};

/// Why a step failed. The next look repeats it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}
