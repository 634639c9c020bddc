//! Segment files: a header, then frames.

use super::disk_io::{Disk, sync_dir};
use super::frame::{FRAME_HEAD_BYTES, PAYLOAD_BYTES_MAX, read_frame};
use crate::store::files;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"HKHDJRNL";
/// The format written now. A greater one is refused untouched.
const VERSION: u32 = 1;
/// Bytes of a header.
pub(in crate::store) const HEADER_BYTES: u64 = 32;

/// The head of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Header {
    /// The segment's number, one more than that of the segment before it.
    pub(in crate::store) id: u64,
    /// Where the segment before it ends.
    pub(in crate::store) previous_end: u64,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum HeaderRead {
    /// A header of ours.
    Good(Header),
    /// A header of a newer version.
    Newer,
    /// No header.
    Bad,
}

impl Header {
    fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.id.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.previous_end.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the header of a file's bytes.
    pub(in crate::store) fn read(bytes: &[u8]) -> HeaderRead {
        let Some(head) = bytes.first_chunk::<32>() else {
            return HeaderRead::Bad;
        };
        let number =
            |from: usize| u64::from_le_bytes(head[from..from + 8].try_into().expect("eight bytes"));
        let word =
            |from: usize| u32::from_le_bytes(head[from..from + 4].try_into().expect("four bytes"));
        if &head[..8] != MAGIC || crc32fast::hash(&head[..28]) != word(28) {
            return HeaderRead::Bad;
        }
        if word(8) > VERSION {
            return HeaderRead::Newer;
        }
        HeaderRead::Good(Self {
            id: number(12),
            previous_end: number(20),
        })
    }
}

/// The file of a segment.
pub(in crate::store) fn segment_path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.segment"))
}

/// A segment that is being written.
#[derive(Debug)]
pub(in crate::store) struct Segment {
    file: File,
    /// Its number.
    pub(in crate::store) id: u64,
    /// Where the next frame goes; everything before is durable.
    pub(in crate::store) end: u64,
}

impl Segment {
    /// Creates a segment, durable in its name and its header when this returns.
    pub(in crate::store) fn create(
        disk: &dyn Disk,
        dir: &Path,
        header: Header,
    ) -> io::Result<Self> {
        let path = segment_path(dir, header.id);
        let file = files::create_new(&path)?;
        let made = disk
            .write_at(&file, &header.to_bytes(), 0)
            .and_then(|()| disk.sync(&file))
            .and_then(|()| sync_dir(dir));
        if let Err(error) = made {
            // Nothing was promised yet; a leftover would only stand in the way of the next try.
            drop(std::fs::remove_file(&path));
            return Err(error);
        }
        Ok(Self {
            file,
            id: header.id,
            end: HEADER_BYTES,
        })
    }

    /// Appends a group of frames and makes it durable. On an error the end stays where it was,
    /// and this segment must not be written any more.
    pub(in crate::store) fn append(&mut self, disk: &dyn Disk, group: &[u8]) -> io::Result<()> {
        disk.write_at(&self.file, group, self.end)?;
        disk.sync(&self.file)?;
        self.end += group.len() as u64;
        Ok(())
    }
}

/// Read of a frame at first: most are no longer.
const FRAME_BYTES_FIRST: usize = 4096;

/// Reads one frame of a segment file, with its head; `None` when it is damaged.
pub(in crate::store) fn read_payload(
    file: &File,
    segment: u64,
    offset: u64,
) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0; FRAME_BYTES_FIRST];
    let mut read = 0;
    while read < FRAME_HEAD_BYTES {
        match file.read_at(&mut frame[read..], offset + read as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => read += more,
        }
    }
    let head = frame.first_chunk::<4>().expect("twelve bytes were read");
    let length = u32::from_le_bytes(*head) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Ok(None);
    }
    frame.resize(FRAME_HEAD_BYTES + length, 0);
    if let Some(rest) = frame.get_mut(read..) {
        file.read_exact_at(rest, offset + read as u64)?;
    }
    let is_unharmed = read_frame(&frame, segment, offset).is_some();
    Ok(is_unharmed.then_some(frame))
}

#[cfg(test)]
mod tests {
    use super::super::disk_io::RealDisk;
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_noticed() {
        let header = Header {
            id: 7,
            previous_end: 99,
        };
        let bytes = header.to_bytes();
        assert_eq!(Header::read(&bytes), HeaderRead::Good(header));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::read(&changed), HeaderRead::Bad, "bit {bit}");
        }
    }

    #[test]
    fn a_segment_that_exists_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let header = Header {
            id: 1,
            previous_end: 0,
        };
        Segment::create(&RealDisk, dir.path(), header).unwrap();
        assert!(Segment::create(&RealDisk, dir.path(), header).is_err());
    }
}
