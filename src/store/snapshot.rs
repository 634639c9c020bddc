//! Snapshots: the whole key-value space in one file, as of a journal position.
//!
//! A snapshot is taken while writes go on. Some entries may be newer than its position; because
//! every change is absolute, replaying the journal from that position gives the same end.

use super::ReadError;
use super::index::{Kv, Scan};
use super::journal::{JournalError, Position, push_frame, read_frame, sync_dir};
use super::record::{decode_parts, encode_parts};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"HKHDSNAP";
/// The format written now.
const VERSION: u32 = 1;
/// Bytes before the first frame: magic, version, position.
const HEAD_BYTES: usize = 28;
/// Entries a frame; also how many are read from the view at a time.
const ENTRIES_PER_FRAME: usize = 1000;
/// What marks the frame that ends a whole snapshot, and holds the number of entries.
const END: u8 = 0;
const KEY: u8 = 1;
const VALUE: u8 = 2;

/// The name of the snapshot as of a position.
pub(super) fn file_name(position: Position) -> String {
    format!(
        "{:016x}-{:016x}.snapshot",
        position.segment, position.offset
    )
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> JournalError {
    JournalError::io(what)
}

fn read_failed(error: &ReadError) -> JournalError {
    JournalError::Io {
        what: "reading the view",
        source: std::io::Error::other(error.to_string()),
    }
}

/// Writes a snapshot as of `position`: under another name first, so that a name means wholeness.
pub(super) fn write(dir: &Path, position: Position, kv: &impl Kv) -> Result<PathBuf, JournalError> {
    let path = dir.join(file_name(position));
    let unfinished = dir.join("unfinished");
    let mut file = File::create(&unfinished).map_err(io("creating a snapshot"))?;
    let mut head = MAGIC.to_vec();
    head.extend(VERSION.to_le_bytes());
    head.extend(position.segment.to_le_bytes());
    head.extend(position.offset.to_le_bytes());
    file.write_all(&head).map_err(io("writing a snapshot"))?;
    let (mut offset, mut entries, mut after) = (HEAD_BYTES as u64, 0_u64, None::<Vec<u8>>);
    loop {
        let scan = Scan {
            prefix: &[],
            after: after.as_deref(),
            newest_first: false,
            limit: ENTRIES_PER_FRAME,
        };
        let found = kv.scan(scan).map_err(|error| read_failed(&error))?;
        entries += found.len() as u64;
        after = found.last().map(|(key, _)| key.clone());
        let is_end = found.is_empty();
        let parts: Vec<(u8, Vec<u8>)> = if is_end {
            vec![(END, entries.to_le_bytes().to_vec())]
        } else {
            found
                .into_iter()
                .flat_map(|(key, value)| [(KEY, key), (VALUE, value)])
                .collect()
        };
        let mut frame = Vec::new();
        push_frame(&mut frame, position.segment, offset, &encode_parts(&parts));
        file.write_all(&frame).map_err(io("writing a snapshot"))?;
        offset += frame.len() as u64;
        if is_end {
            break;
        }
    }
    file.sync_all().map_err(io("syncing a snapshot"))?;
    std::fs::rename(&unfinished, &path).map_err(io("naming a snapshot"))?;
    sync_dir(dir).map_err(io("syncing a snapshot's name"))?;
    Ok(path)
}

/// The whole snapshots in a directory by their names, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<(Position, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io("listing the snapshots"))? {
        let path = entry.map_err(io("listing the snapshots"))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        let Some((segment, offset)) = name
            .strip_suffix(".snapshot")
            .and_then(|name| name.split_once('-'))
        else {
            continue;
        };
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        if let (Some(segment), Some(offset)) = (number(segment), number(offset)) {
            found.push((Position { segment, offset }, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a snapshot, handing out its entries. `false` when it is not whole or harmed: what was
/// handed out then is not to be trusted.
pub(super) fn read(
    path: &Path,
    position: Position,
    mut take: impl FnMut(Vec<u8>, Vec<u8>) -> Result<(), ReadError>,
) -> Result<bool, JournalError> {
    let bytes = std::fs::read(path).map_err(io("reading a snapshot"))?;
    let Some((head, _)) = bytes.split_at_checked(HEAD_BYTES) else {
        return Ok(false);
    };
    let version = u32::from_le_bytes(head[8..12].try_into().expect("four bytes"));
    if &head[..8] != MAGIC {
        return Ok(false);
    }
    if version > VERSION {
        return Err(JournalError::Newer(position.segment));
    }
    let (mut offset, mut entries) = (HEAD_BYTES, 0_u64);
    while let Some(payload) = read_frame(&bytes[offset..], position.segment, offset as u64) {
        offset += payload.len() + super::journal::FRAME_HEAD_BYTES;
        let Ok(parts) = decode_parts(payload) else {
            return Ok(false);
        };
        let mut parts = parts.into_iter();
        while let Some((kind, first)) = parts.next() {
            match (kind, parts.next()) {
                (END, None) => return Ok(first == entries.to_le_bytes()),
                (KEY, Some((VALUE, value))) => {
                    entries += 1;
                    take(first, value).map_err(|error| read_failed(&error))?;
                }
                _ => return Ok(false),
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::memory::MemoryKv;
    use super::*;

    fn filled(count: u32) -> MemoryKv {
        let kv = MemoryKv::default();
        let writes = (0..count)
            .map(|n| (n.to_be_bytes().to_vec(), Some(vec![7; 20])))
            .collect();
        kv.apply(writes).unwrap();
        kv
    }

    fn count(path: &Path, position: Position) -> (bool, u32) {
        let mut count = 0;
        let whole = read(path, position, |_, _| {
            count += 1;
            Ok(())
        });
        (whole.unwrap(), count)
    }

    #[test]
    fn a_snapshot_comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let position = Position {
            segment: 3,
            offset: 77,
        };
        for entries in [0, 1, 1000, 2501] {
            let path = write(dir.path(), position, &filled(entries)).unwrap();
            assert_eq!(count(&path, position), (true, entries));
            assert_eq!(list(dir.path()).unwrap(), [(position, path)]);
        }
    }

    #[test]
    fn a_snapshot_that_is_cut_short_or_harmed_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let position = Position {
            segment: 1,
            offset: 2,
        };
        let path = write(dir.path(), position, &filled(30)).unwrap();
        let good = std::fs::read(&path).unwrap();
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert!(!count(&path, position).0, "cut at {length}");
        }
        for at in HEAD_BYTES..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            std::fs::write(&path, &bytes).unwrap();
            assert!(!count(&path, position).0, "changed at {at}");
        }
    }
}
