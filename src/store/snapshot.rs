//! Snapshots: the whole key-value space in one file, as of a journal position.
//!
//! A snapshot is taken while writes continue. Some entries may be newer than its position; because
//! every change is absolute, replaying the journal from that position gives the same end.

use super::files;
use super::index::{FORMAT, Kv};
use super::journal::{
    FRAME_HEAD_BYTES, JournalError, Position, frame_head, push_frame, read_frame, sync_dir,
};
use super::record::{decode_parts, encode_parts};
use super::tally::Tally;
use super::{ReadError, index::Entries};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"HKHDSNAP";
/// The version written now: 2 has the form of its entries in the head, and digests. Version 1 is
/// read.
const VERSION: u32 = 2;
/// Bytes before the first frame: magic, version, position; since version 2 also the form of the
/// entries, and a checksum.
const HEAD_BYTES: usize = 36;
const HEAD_BYTES_V1: usize = 28;
/// The form of the entries in a snapshot of version 1.
const FORMAT_V1: u32 = 1;
/// What marks the frame that ends a whole snapshot, and holds the number of entries.
const END: u8 = 0;
const KEY: u8 = 1;
const VALUE: u8 = 2;
/// In the last frame: the sum of the entries' hashes, and the digest of all bytes before it.
const SUM: u8 = 3;
const DIGEST: u8 = 4;
/// Bytes of the checksum behind each value.
const CHECK_BYTES: usize = 4;

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

fn check(key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_le_bytes()
}

/// A snapshot that is being written.
struct Writer {
    file: File,
    position: Position,
    offset: u64,
    digest: blake3::Hasher,
}

impl Writer {
    fn begin(path: &Path, position: Position) -> io::Result<Self> {
        files::unlink(path)?;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(position.segment.to_le_bytes());
        head.extend(position.offset.to_le_bytes());
        head.extend(FORMAT.to_le_bytes());
        head.extend(crc32fast::hash(&head).to_le_bytes());
        let mut writer = Self {
            file: files::create_new(path)?,
            position,
            offset: 0,
            digest: blake3::Hasher::new(),
        };
        writer.write(&head)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, parts: &[(u8, Vec<u8>)]) -> io::Result<()> {
        let mut frame = Vec::new();
        let segment = self.position.segment;
        push_frame(&mut frame, segment, self.offset, &encode_parts(parts));
        self.write(&frame)
    }

    fn entries(&mut self, entries: Entries) -> io::Result<()> {
        let parts = entries.into_iter().flat_map(|(key, mut value)| {
            value.extend(check(&key, &value));
            [(KEY, key), (VALUE, value)]
        });
        self.frame(&parts.collect::<Vec<_>>())
    }

    fn end(mut self, tally: Tally) -> io::Result<()> {
        let digest = self.digest.finalize().as_bytes().to_vec();
        self.frame(&[
            (END, tally.entries.to_le_bytes().to_vec()),
            (SUM, tally.sum.to_le_bytes().to_vec()),
            (DIGEST, digest),
        ])?;
        self.file.sync_all()?;
        // What is read back comes from the disk, where the system lets us ask for it.
        let advice = rustix::fs::Advice::DontNeed;
        let _ = rustix::fs::fadvise(&self.file, 0, None, advice);
        Ok(())
    }
}

/// Writes a snapshot as of `position`, which gets its name when it was read back and is whole.
/// Fails without one when `kv` does not hold what was written to it.
pub(super) fn write(dir: &Path, position: Position, kv: &impl Kv) -> Result<PathBuf, JournalError> {
    let path = dir.join(file_name(position));
    let unfinished = dir.join("unfinished");
    let mut writer = Writer::begin(&unfinished, position).map_err(io("creating a snapshot"))?;
    let mut failed = None;
    let walked = kv.walk(&mut |entries| {
        writer.entries(entries).map_err(|error| {
            let words = ReadError::Unavailable(error.to_string());
            failed = Some(error);
            words
        })
    });
    let tally = match (failed, walked) {
        (Some(error), _) => return Err(io("writing a snapshot")(error)),
        (None, Err(error)) => return Err(read_failed(&error)),
        (None, Ok(tally)) => tally,
    };
    writer.end(tally).map_err(io("writing a snapshot"))?;
    if !read(&unfinished, position, |_, _, _| Ok(()))? {
        let words = io::Error::other("it does not read back as written");
        return Err(io("reading a snapshot back")(words));
    }
    std::fs::rename(&unfinished, &path).map_err(io("naming a snapshot"))?;
    sync_dir(dir).map_err(io("syncing a snapshot's name"))?;
    Ok(path)
}

/// The whole snapshots in a directory by their names, oldest first.
pub(super) fn list(dir: &Path) -> Result<Vec<(Position, PathBuf)>, JournalError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(io("listing the snapshots"))? {
        let path = entry.map_err(io("listing the snapshots"))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.unwrap_or("").to_owned();
        let Some((segment, offset)) = name
            .strip_suffix(".snapshot")
            .and_then(|name| name.split_once('-'))
        else {
            continue;
        };
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        if let (Some(segment), Some(offset)) = (number(segment), number(offset)) {
            let position = Position { segment, offset };
            if name == file_name(position) && files::is_file(&path)? {
                found.push((position, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// What the first bytes of a snapshot say.
struct Head {
    format: u32,
    version: u32,
}

fn is_of_version_1(bytes: &[u8]) -> bool {
    bytes.get(8..12) == Some(&1_u32.to_le_bytes())
}

/// The head of the snapshot as of a position; `None` when these bytes have none.
fn head(bytes: &[u8], position: Position) -> Result<Option<Head>, JournalError> {
    let word = |from: usize| {
        let bytes = bytes.get(from..from + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
    };
    let number = |from: usize| {
        let bytes = bytes.get(from..from + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
    };
    let at = number(12).zip(number(20));
    if !bytes.starts_with(MAGIC) || at != Some((position.segment, position.offset)) {
        return Ok(None);
    }
    if is_of_version_1(bytes) {
        return Ok(Some(Head {
            format: FORMAT_V1,
            version: 1,
        }));
    }
    let (Some(version), Some((format, sum))) = (word(8), word(28).zip(word(32))) else {
        return Ok(None);
    };
    // The checksum stands at the same place in every later version.
    if crc32fast::hash(&bytes[..HEAD_BYTES - 4]) != sum {
        return Ok(None);
    }
    if version > VERSION || format > FORMAT {
        return Err(JournalError::Newer(position.segment));
    }
    Ok(Some(Head { format, version }))
}

/// Whether the file is, by its head, a snapshot as of a position, so that its name can be believed.
pub(super) fn is_named_rightly(path: &Path, position: Position) -> Result<bool, JournalError> {
    let mut bytes = Vec::new();
    files::open(path)
        .and_then(|file| file.take(HEAD_BYTES as u64).read_to_end(&mut bytes))
        .map_err(io("reading a snapshot"))?;
    Ok(head(&bytes, position)?.is_some())
}

/// Whether each byte of a snapshot is as it was when it was read back: by the digest in its last
/// frame. Nothing of it is decoded: of a large one that would take longer than all else at a start.
pub(super) fn is_whole(path: &Path, position: Position) -> Result<bool, JournalError> {
    Ok(find(path, position, &[])?.0)
}

/// The same, and the value of a key; without a key, none.
pub(super) fn find(
    path: &Path,
    position: Position,
    wanted: &[u8],
) -> Result<(bool, Option<Vec<u8>>), JournalError> {
    let (mut reader, mut found) = (Reader::open(path, position)?, None);
    match reader.head()? {
        Some(head) if head.version > 1 => {}
        // It has no digest.
        Some(_) => {
            let is_whole = read(path, position, |_, key, value| {
                found = (key == wanted).then_some(value).or(found.take());
                Ok(())
            });
            return Ok((is_whole?, found));
        }
        None => return Ok((false, None)),
    }
    while let Some((offset, frame)) = reader.unchecked()? {
        if !reader.is_at_end()? {
            reader.digest.update(&frame);
            if !wanted.is_empty() && found.is_none() {
                found = value_in(&frame[FRAME_HEAD_BYTES..], wanted);
            }
            continue;
        }
        let is_unharmed = read_frame(&frame, position.segment, offset).is_some();
        let end = decode_parts(&frame[FRAME_HEAD_BYTES..]);
        let Ok(&[(END, _), (SUM, _), (DIGEST, digest)]) = end.as_deref() else {
            return Ok((false, None));
        };
        let is_whole = is_unharmed && digest == reader.digest.finalize().as_bytes();
        return Ok((is_whole, found));
    }
    Ok((false, None))
}

fn value_in(frame: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut parts = decode_parts(frame).ok()?.into_iter();
    while let (Some(key), value) = (parts.next(), parts.next()) {
        if key.1 == wanted {
            return Some(entry(VERSION, key, value)?.1);
        }
    }
    None
}

/// Reads a snapshot, handing out the form of its entries, and each of them. `false` when it is not
/// whole or harmed: what was handed out then is not to be trusted. No more of it is held than one
/// frame, however large it is.
pub(super) fn read(
    path: &Path,
    position: Position,
    mut take: impl FnMut(u32, Vec<u8>, Vec<u8>) -> Result<(), ReadError>,
) -> Result<bool, JournalError> {
    let mut reader = Reader::open(path, position)?;
    let Some(head) = reader.head()? else {
        return Ok(false);
    };
    let mut tally = Tally::default();
    while let Some(frame) = reader.frame()? {
        let Ok(parts) = decode_parts(&frame[FRAME_HEAD_BYTES..]) else {
            return Ok(false);
        };
        if parts.first().is_none_or(|(kind, _)| *kind == END) {
            let is_end = head.version == 1 || reader.is_at_end()?;
            return Ok(is_end && is_as_told(head.version, &parts, tally, &reader.digest));
        }
        reader.digest.update(&frame);
        let mut parts = parts.into_iter();
        while let Some(key) = parts.next() {
            let Some((key, value)) = entry(head.version, key, parts.next()) else {
                return Ok(false);
            };
            tally.add(&key, &value);
            match take(head.format, key, value) {
                // Of an older form, and not what its record is said to be.
                Err(ReadError::Damaged { .. }) => return Ok(false),
                taken => taken.map_err(|error| read_failed(&error))?,
            }
        }
    }
    Ok(false)
}

/// A snapshot that is read from front to back.
struct Reader {
    file: BufReader<File>,
    position: Position,
    offset: u64,
    /// Of what was read before the last frame.
    digest: blake3::Hasher,
}

impl Reader {
    fn open(path: &Path, position: Position) -> Result<Self, JournalError> {
        let file = files::open(path).map_err(io("reading a snapshot"))?;
        Ok(Self {
            file: BufReader::new(file),
            position,
            offset: 0,
            digest: blake3::Hasher::new(),
        })
    }

    /// Appends the next bytes. `false` when there are not so many.
    fn more(&mut self, bytes: &mut Vec<u8>, count: usize) -> Result<bool, JournalError> {
        let from = bytes.len();
        bytes.resize(from + count, 0);
        match self.file.read_exact(&mut bytes[from..]) {
            Ok(()) => {
                self.offset += count as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(io("reading a snapshot")(error)),
        }
    }

    fn head(&mut self) -> Result<Option<Head>, JournalError> {
        let mut bytes = Vec::new();
        if !self.more(&mut bytes, HEAD_BYTES_V1)? {
            return Ok(None);
        }
        if !is_of_version_1(&bytes) && !self.more(&mut bytes, HEAD_BYTES - HEAD_BYTES_V1)? {
            return Ok(None);
        }
        self.digest.update(&bytes);
        head(&bytes, self.position)
    }

    /// The next frame with its head; `None` when no unharmed one follows.
    fn frame(&mut self) -> Result<Option<Vec<u8>>, JournalError> {
        let segment = self.position.segment;
        let unharmed =
            |(offset, frame): &(u64, Vec<u8>)| read_frame(frame, segment, *offset).is_some();
        Ok(self.unchecked()?.filter(unharmed).map(|(_, frame)| frame))
    }

    /// The next frame as its head says how long it is, and where it begins.
    fn unchecked(&mut self) -> Result<Option<(u64, Vec<u8>)>, JournalError> {
        let (segment, offset) = (self.position.segment, self.offset);
        let mut frame = Vec::new();
        if !self.more(&mut frame, FRAME_HEAD_BYTES)? {
            return Ok(None);
        }
        let head = frame.first_chunk().expect("it was read");
        let Some((length, _)) = frame_head(head, segment, offset) else {
            return Ok(None);
        };
        let is_there = self.more(&mut frame, length)?;
        Ok(is_there.then_some((offset, frame)))
    }

    fn is_at_end(&mut self) -> Result<bool, JournalError> {
        let left = self.file.fill_buf().map_err(io("reading a snapshot"))?;
        Ok(left.is_empty())
    }
}

/// An entry out of its two parts.
fn entry(version: u32, key: (u8, &[u8]), value: Option<(u8, &[u8])>) -> Option<(Vec<u8>, Vec<u8>)> {
    let ((KEY, key), Some((VALUE, mut value))) = (key, value) else {
        return None;
    };
    if version > 1 {
        let (bytes, sum) = value.split_last_chunk::<CHECK_BYTES>()?;
        if check(key, bytes) != *sum {
            return None;
        }
        value = bytes;
    }
    Some((key.to_vec(), value.to_vec()))
}

/// Whether the last frame counts the entries that were read.
fn is_as_told(version: u32, end: &[(u8, &[u8])], tally: Tally, before: &blake3::Hasher) -> bool {
    let (entries, sum) = (tally.entries.to_le_bytes(), tally.sum.to_le_bytes());
    let digest = before.finalize();
    let all = [
        (END, &entries[..]),
        (SUM, &sum),
        (DIGEST, digest.as_bytes()),
    ];
    end == &all[..if version > 1 { 3 } else { 1 }]
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
        let whole = read(path, position, |format, _, _| {
            assert_eq!(format, FORMAT);
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
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            let is_whole = is_whole(&path, position).unwrap_or(false);
            assert!(!is_whole, "bit {bit}");
        }
    }
}
