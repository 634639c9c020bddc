//! Reading segments back: every unharmed frame, and what is harmed.

use super::frame::{FRAME_HEAD_BYTES, read_frame};
use super::segment::{HEADER_BYTES, Header, HeaderRead, segment_path};
use super::{JournalError, Position};
use crate::store::files;
use std::path::Path;

/// A range of bytes that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment.
    pub segment: u64,
    /// From this offset.
    pub from: u64,
    /// To this one (exclusive).
    pub to: u64,
}

/// What a segment holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Found {
    /// Where the segment before it ends, when its header can be read.
    pub(in crate::store) previous_end: Option<u64>,
    /// The end of the last unharmed frame.
    pub(in crate::store) end: u64,
    /// Frames.
    pub(in crate::store) frames: u64,
    /// Harmed ranges with unharmed frames behind them.
    pub(in crate::store) damage: Vec<Damage>,
    /// Bytes behind the last unharmed frame that are not zero: a torn write.
    pub(in crate::store) torn_bytes: u64,
}

/// What a directory holds of segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::store) struct Segments {
    /// Their numbers, ascending.
    pub(in crate::store) ids: Vec<u64>,
    /// Names that end like that of a segment and are none that we give.
    pub(in crate::store) strays: Vec<String>,
}

/// The segments in a directory. What has a segment's name has to be a plain file.
pub(in crate::store) fn list_segments(dir: &Path) -> Result<Segments, JournalError> {
    let entries = std::fs::read_dir(dir).map_err(JournalError::io("listing the journal"))?;
    let mut found = Segments::default();
    for entry in entries {
        let entry = entry.map_err(JournalError::io("listing the journal"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(digits) = name.strip_suffix(".segment") else {
            continue;
        };
        let id = u64::from_str_radix(digits, 16).ok();
        // The greatest number can have no successor, and 0 is before the first.
        let id = id.filter(|id| (1..u64::MAX).contains(id));
        let id = id.filter(|id| segment_path(dir, *id) == entry.path());
        match id {
            Some(id) if files::is_file(&entry.path())? => found.ids.push(id),
            Some(_) | None => found.strays.push(name),
        }
    }
    found.ids.sort_unstable();
    Ok(found)
}

/// Walks over the unharmed frames of a segment between `from` and `limit` (the end that the next
/// segment's header names, when there is one). After a harmed frame it continues at the next place
/// where an unharmed one begins: one flipped bit costs one frame.
pub(in crate::store) fn scan_segment(
    dir: &Path,
    id: u64,
    from: u64,
    limit: Option<u64>,
    mut take: impl FnMut(Position, &[u8]),
) -> Result<Found, JournalError> {
    let path = segment_path(dir, id);
    let bytes = files::bytes(&path).map_err(JournalError::io("reading a segment"))?;
    let mut found = Found {
        end: HEADER_BYTES,
        ..Found::default()
    };
    match Header::read(&bytes) {
        HeaderRead::Good(header) if header.id == id => {
            found.previous_end = Some(header.previous_end);
        }
        HeaderRead::Newer => return Err(JournalError::Newer(id)),
        HeaderRead::Good(_) | HeaderRead::Bad => {
            let to = HEADER_BYTES.min(bytes.len() as u64);
            found.damage.push(Damage {
                segment: id,
                from: 0,
                to,
            });
        }
    }
    let limit = limit.map_or(bytes.len(), |l| {
        usize::try_from(l).map_or(bytes.len(), |l| l.min(bytes.len()))
    });
    let bytes = &bytes[..limit];
    let mut offset = usize::try_from(from.max(HEADER_BYTES)).unwrap_or(usize::MAX);
    let mut harmed_from: Option<usize> = None;
    while offset + FRAME_HEAD_BYTES < bytes.len() {
        let Some(payload) = read_frame(&bytes[offset..], id, offset as u64) else {
            harmed_from.get_or_insert(offset);
            offset += 1;
            continue;
        };
        if let Some(harmed) = harmed_from.take() {
            let (from, to) = (harmed as u64, offset as u64);
            found.damage.push(Damage {
                segment: id,
                from,
                to,
            });
        }
        take(
            Position {
                segment: id,
                offset: offset as u64,
            },
            payload,
        );
        found.frames += 1;
        offset += FRAME_HEAD_BYTES + payload.len();
        found.end = offset as u64;
    }
    let tail = bytes
        .get(usize::try_from(found.end).unwrap_or(usize::MAX)..)
        .unwrap_or(&[]);
    found.torn_bytes = tail
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last as u64 + 1);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::disk_io::RealDisk;
    use super::super::frame::push_frame;
    use super::super::segment::Segment;
    use super::*;

    fn written(dir: &Path, payloads: &[&[u8]]) -> Vec<Position> {
        let mut segment = Segment::create(
            &RealDisk,
            dir,
            Header {
                id: 1,
                previous_end: 0,
            },
        )
        .unwrap();
        let mut places = Vec::new();
        for payload in payloads {
            let mut group = Vec::new();
            push_frame(&mut group, 1, segment.end, payload);
            places.push(Position {
                segment: 1,
                offset: segment.end,
            });
            segment.append(&RealDisk, &group).unwrap();
        }
        places
    }

    fn read(dir: &Path, limit: Option<u64>) -> (Found, Vec<Vec<u8>>) {
        let mut payloads = Vec::new();
        let found = scan_segment(dir, 1, 0, limit, |_, p| payloads.push(p.to_vec())).unwrap();
        (found, payloads)
    }

    #[test]
    fn what_was_written_is_read_back_in_order() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), &[b"one", b"two", b"three"]);
        let (found, payloads) = read(dir.path(), None);
        assert_eq!(payloads, [&b"one"[..], b"two", b"three"]);
        assert_eq!(
            (found.frames, found.torn_bytes, found.damage.len()),
            (3, 0, 0)
        );
    }

    #[test]
    fn any_flipped_bit_costs_at_most_the_frame_it_hit() {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), &[b"one", b"two", b"three"]);
        let path = segment_path(dir.path(), 1);
        let good = std::fs::read(&path).unwrap();
        for bit in 32 * 8..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            let (found, payloads) = read(dir.path(), None);
            assert_eq!(payloads.len(), 2, "bit {bit}");
            assert!(
                found.damage.len() + usize::from(found.torn_bytes > 0) == 1,
                "bit {bit}"
            );
        }
    }

    #[test]
    fn any_torn_tail_leaves_the_whole_frames() {
        let dir = tempfile::tempdir().unwrap();
        let places = written(dir.path(), &[b"one", b"two", b"three"]);
        let path = segment_path(dir.path(), 1);
        let good = std::fs::read(&path).unwrap();
        for length in usize::try_from(places[2].offset).unwrap()..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            let (found, payloads) = read(dir.path(), None);
            assert_eq!(payloads.len(), 2, "cut at {length}");
            assert_eq!(found.end, places[2].offset);
        }
    }

    #[test]
    fn what_lies_behind_the_end_told_by_the_next_segment_is_not_part_of_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let places = written(dir.path(), &[b"one", b"unacknowledged"]);
        let (_, payloads) = read(dir.path(), Some(places[1].offset));
        assert_eq!(payloads, [&b"one"[..]]);
    }
}
