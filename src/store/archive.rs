//! Export files: a snapshot and the segments of a journal in one file, checked throughout.
//!
//! The file is a sequence of frames. A frame that opens a file is followed by frames of its bytes;
//! the last frame holds a digest of all that came before. No names are stored, only numbers, so
//! that a file made by a stranger cannot reach outside of the directory that it is unpacked to.

use super::files;
use super::journal::{
    FRAME_HEAD_BYTES, JournalError, Position, push_frame, read_frame, segment_path, sync_dir,
};
use super::record::{decode_parts, encode_parts};
use super::snapshot;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"HKHDEXPT";
/// The format written now.
const VERSION: u32 = 1;
/// Bytes before the first frame: magic and version.
const HEAD_BYTES: usize = 12;
/// Bytes of a file in a frame: enough to be quick, little enough to be held in memory.
const CHUNK_BYTES: usize = 1 << 20;
/// Longest frame that is read: a chunk and what is said about it.
const FRAME_BYTES_MAX: usize = CHUNK_BYTES + 64;
/// The frozen kinds of frames.
const END: u8 = 0;
const SNAPSHOT: u8 = 1;
const SEGMENT: u8 = 2;
const DATA: u8 = 3;

/// Why a file is no export that can be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Something else.
    #[error("not a Hookherd export")]
    Foreign,
    /// Written by a newer version.
    #[error("the export was written by a newer version of Hookherd")]
    Newer,
    /// Not whole, or changed since.
    #[error("the export is damaged or truncated at byte {0}")]
    Damaged(u64),
    /// The file system refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> JournalError {
    JournalError::io(what)
}

/// Writes an export.
pub(super) struct Packer<'a> {
    out: &'a mut dyn Write,
    offset: u64,
    digest: blake3::Hasher,
}

impl<'a> Packer<'a> {
    pub(super) fn begin(out: &'a mut dyn Write) -> Result<Self, JournalError> {
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        out.write_all(&head).map_err(io("writing the export"))?;
        Ok(Self {
            out,
            offset: HEAD_BYTES as u64,
            digest: blake3::Hasher::new(),
        })
    }

    fn frame(&mut self, kind: u8, bytes: Vec<u8>) -> Result<(), JournalError> {
        let mut frame = Vec::new();
        push_frame(&mut frame, 0, self.offset, &encode_parts(&[(kind, bytes)]));
        self.out
            .write_all(&frame)
            .map_err(io("writing the export"))?;
        self.digest.update(&frame);
        self.offset += frame.len() as u64;
        Ok(())
    }

    fn file(&mut self, file: File, bytes: u64) -> Result<(), JournalError> {
        let mut left = file.take(bytes);
        loop {
            let mut chunk = Vec::new();
            let mut next = left.by_ref().take(CHUNK_BYTES as u64);
            next.read_to_end(&mut chunk)
                .map_err(io("reading a file to export"))?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.frame(DATA, chunk)?;
        }
    }

    pub(super) fn snapshot(&mut self, path: &Path, at: Position) -> Result<(), JournalError> {
        let mut numbers = at.segment.to_le_bytes().to_vec();
        numbers.extend(at.offset.to_le_bytes());
        self.frame(SNAPSHOT, numbers)?;
        let file = files::open(path).map_err(io("opening a file to export"))?;
        self.file(file, u64::MAX)
    }

    /// Adds a segment up to its end in the log: what lies behind it is no part of it.
    pub(super) fn segment(&mut self, file: File, id: u64, end: u64) -> Result<(), JournalError> {
        self.frame(SEGMENT, id.to_le_bytes().to_vec())?;
        self.file(file, end)
    }

    /// Ends the export. Returns its size in bytes.
    pub(super) fn end(mut self) -> Result<u64, JournalError> {
        let digest = self.digest.finalize().as_bytes().to_vec();
        self.frame(END, digest)?;
        self.out.flush().map_err(io("writing the export"))?;
        Ok(self.offset)
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

fn create(path: &Path) -> Result<File, JournalError> {
    files::create_new(path).map_err(io("creating a file of the store"))
}

fn finish(file: Option<File>) -> Result<(), JournalError> {
    file.map_or(Ok(()), |file| file.sync_all())
        .map_err(io("syncing a file of the store"))
}

/// Unpacks an export into two directories that are there and empty; durable when it returns.
/// After an error what they hold is worthless.
pub(super) fn unpack(
    mut from: impl Read,
    journal: &Path,
    snapshots: &Path,
) -> Result<(), ArchiveError> {
    let mut head = [0; HEAD_BYTES];
    from.read_exact(&mut head)
        .map_err(|_| ArchiveError::Foreign)?;
    if &head[..8] != MAGIC {
        return Err(ArchiveError::Foreign);
    }
    let version = u32::from_le_bytes(head[8..].try_into().expect("four bytes"));
    if version > VERSION {
        return Err(ArchiveError::Newer);
    }
    let (mut offset, mut digest) = (HEAD_BYTES as u64, blake3::Hasher::new());
    let mut file: Option<File> = None;
    loop {
        let damaged = || ArchiveError::Damaged(offset);
        let frame = next_frame(&mut from).ok_or_else(damaged)?;
        let payload = read_frame(&frame, 0, offset).ok_or_else(damaged)?;
        let part = decode_parts(payload).ok().and_then(|mut parts| parts.pop());
        let (kind, bytes) = part.ok_or_else(damaged)?;
        match kind {
            END => {
                let more = from.read(&mut [0]).map_err(|_| damaged())?;
                if bytes != &digest.finalize().as_bytes()[..] || more > 0 {
                    return Err(damaged());
                }
                break;
            }
            SNAPSHOT => {
                finish(file.take())?;
                let (segment, at) = bytes.split_at_checked(8).ok_or_else(damaged)?;
                let position = Position {
                    segment: number(segment).ok_or_else(damaged)?,
                    offset: number(at).ok_or_else(damaged)?,
                };
                file = Some(create(&snapshots.join(snapshot::file_name(position)))?);
            }
            SEGMENT => {
                finish(file.take())?;
                let id = number(bytes).ok_or_else(damaged)?;
                file = Some(create(&segment_path(journal, id))?);
            }
            DATA => {
                let file = file.as_mut().ok_or_else(damaged)?;
                file.write_all(bytes)
                    .map_err(io("writing a file of the store"))?;
            }
            _ => return Err(ArchiveError::Newer),
        }
        digest.update(&frame);
        offset += frame.len() as u64;
    }
    finish(file)?;
    for dir in [journal, snapshots] {
        sync_dir(dir).map_err(io("syncing the store"))?;
    }
    Ok(())
}

/// The bytes of the next frame, as many as its head says; `None` when they are not there.
fn next_frame(from: &mut impl Read) -> Option<Vec<u8>> {
    let mut frame = vec![0; FRAME_HEAD_BYTES];
    from.read_exact(&mut frame).ok()?;
    let length = u32::from_le_bytes(*frame.first_chunk::<4>()?) as usize;
    if length > FRAME_BYTES_MAX {
        return None;
    }
    frame.resize(FRAME_HEAD_BYTES + length, 0);
    from.read_exact(&mut frame[FRAME_HEAD_BYTES..]).ok()?;
    Some(frame)
}
