//! The journal: an append-only log in segments, the only truth on disk.
//!
//! A batch is one frame; a group of frames is written with one `pwrite` and made durable with one
//! `fdatasync`. This room knows bytes, files and checksums, and nothing of what the frames mean.
//!
//! Every start, and every recovery from a failed write, begins a new segment, whose header says
//! where the one before it ends. So nothing is ever cut off or overwritten: whatever lies behind
//! that end (a torn write, frames whose sync failed) is simply not part of the log.

mod disk_io;
mod frame;
mod scan;
mod segment;

pub(in crate::store) use disk_io::{Disk, RealDisk, sync_dir};
pub(in crate::store) use frame::{
    FRAME_HEAD_BYTES, begin_check, frame_head, push_frame, read_frame,
};
pub use scan::Damage;
pub(in crate::store) use scan::{Found, Segments, list_segments, scan_segment};
pub(in crate::store) use segment::{Header, Segment, read_payload, segment_path};

use std::path::Path;

/// A place in the journal: everything before it has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Position {
    /// The segment.
    pub(in crate::store) segment: u64,
    /// The offset in it.
    pub(in crate::store) offset: u64,
}

/// Why the journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Written by a newer version of this program. Nothing was changed.
    #[error("segment {0} was written by a newer version of Hookherd; nothing was changed")]
    Newer(u64),
    /// Something lies under a name of ours that is not ours. Nothing was changed.
    #[error("{path} is {is}, not a {wanted} of Hookherd; nothing was changed")]
    Foreign {
        /// Where.
        path: String,
        /// What is there.
        is: &'static str,
        /// What should be.
        wanted: &'static str,
    },
    /// The file system refused something with the data directory, or with a file in it.
    #[error("{what} {path}: {source}")]
    At {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl JournalError {
    /// Says what was tried when an I/O error came.
    pub(in crate::store) fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// The same of a place that a person has named.
    pub(in crate::store) fn at(
        what: &'static str,
        path: &Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::At { what, path, source }
    }
}
