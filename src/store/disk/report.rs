//! What was found as a store was opened, or why it was not.

use crate::domain::id::StoreId;
use crate::store::ReadError;
use crate::store::journal::{Damage, JournalError};
use crate::store::view::ViewError;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{0} is in use by another hookherd process")]
    InUse(String),
    /// Written by a newer version.
    #[error("{0} was written by a newer version of Hookherd; nothing was changed")]
    Newer(String),
    /// There is no store there.
    #[error("{0} contains no Hookherd store")]
    Missing(String),
    /// There is no store there, and one was required.
    #[error(
        "{0} contains no Hookherd store, and server.require_existing_store is set. Check that its \
         disk is mounted"
    )]
    Required(String),
    /// A part of it is gone.
    #[error(
        "a part of the store in {dir} is missing: {what}. Nothing was changed. Put it back or \
         restore a backup; to continue without it, start once with --accept-data-loss"
    )]
    Lost {
        /// The data directory.
        dir: String,
        /// What shows it.
        what: String,
    },
    /// The directory cannot be made or read.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// The view cannot be rebuilt.
    #[error("{0}")]
    View(String),
}

impl From<ViewError> for OpenError {
    fn from(error: ViewError) -> Self {
        Self::View(error.to_string())
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        Self::View(error.to_string())
    }
}

impl OpenError {
    pub(super) fn lost(dir: &Path, what: &[String]) -> Self {
        Self::Lost {
            dir: dir.display().to_string(),
            what: what.join("; "),
        }
    }

    /// Whether it fails in the same way however often it is tried: a person has to look at it.
    pub fn needs_a_person(&self) -> bool {
        use std::io::ErrorKind;
        match self {
            Self::Newer(_)
            | Self::Missing(_)
            | Self::Required(_)
            | Self::Lost { .. }
            | Self::Journal(JournalError::Newer(_) | JournalError::Foreign { .. }) => true,
            Self::Journal(JournalError::Io { source, .. } | JournalError::At { source, .. }) => {
                matches!(
                    source.kind(),
                    ErrorKind::AlreadyExists
                        | ErrorKind::NotADirectory
                        | ErrorKind::PermissionDenied
                        | ErrorKind::ReadOnlyFilesystem
                )
            }
            Self::InUse(_) | Self::View(_) => false,
        }
    }
}

/// What was found at opening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Which store it is; its id begins with the time it was made at.
    pub store: Option<StoreId>,
    /// Whether there was none, so that one was made.
    pub is_new: bool,
    /// Whether it holds no record at all.
    pub is_empty: bool,
    /// Batches in the journal that were read.
    pub batches: u64,
    /// Whether the view was rebuilt.
    pub is_rebuilt: bool,
    /// Bytes of torn writes behind the log's ends. Never acknowledged; no damage.
    pub torn_bytes: u64,
    /// Harmed ranges of the journal. What was in them is lost, everything else is there.
    pub damage: Vec<Damage>,
    /// Frames that are unharmed and yet cannot be understood.
    pub unreadable: u64,
    /// What was harmed and could be rebuilt or done without: nothing is lost by it.
    pub harmed: Vec<String>,
    /// What is gone and was accepted as lost.
    pub lost: Vec<String>,
    /// What was open to other users of the machine, and is not any more.
    pub loose: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
}

impl OpenReport {
    /// Whether everything that was ever acknowledged is there, as far as is known. Where it is
    /// not, that a record is absent does not mean that there never was one.
    pub const fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.unreadable == 0 && self.lost.is_empty()
    }

    pub(super) fn places(&self) -> u64 {
        let lists = self.damage.len() + self.harmed.len() + self.lost.len();
        lists as u64 + self.unreadable
    }
}
