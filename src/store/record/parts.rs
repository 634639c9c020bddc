//! Lists of tagged byte strings as bytes: what frames and exports are made of.
//!
//! The form is the one that bincode gives a `Vec<(u8, Vec<u8>)>` with numbers of variable length,
//! which it was written with at first. Written by hand because a body of 25 MiB is copied here in
//! a few milliseconds, byte by byte through serde it is not; and because it can be walked in a
//! file without being read whole.

use super::RecordError;

/// Marks of numbers that do not fit in the first byte: two, four or eight follow.
const TWO: u8 = 251;
const FOUR: u8 = 252;
const EIGHT: u8 = 253;
/// Largest list of parts: a batch with one body of 25 MiB and change.
const PARTS_BYTES_MAX: usize = 64 * 1024 * 1024;

fn push_number(out: &mut Vec<u8>, number: usize) {
    if let Ok(byte) = u8::try_from(number)
        && byte < TWO
    {
        out.push(byte);
    } else if let Ok(number) = u16::try_from(number) {
        out.push(TWO);
        out.extend(number.to_le_bytes());
    } else if let Ok(number) = u32::try_from(number) {
        out.push(FOUR);
        out.extend(number.to_le_bytes());
    } else {
        out.push(EIGHT);
        out.extend((number as u64).to_le_bytes());
    }
}

/// A list of tagged byte strings (the changes of a batch) as bytes.
pub(in crate::store) fn encode_parts(parts: &[(u8, impl AsRef<[u8]>)]) -> Vec<u8> {
    let bytes: usize = parts.iter().map(|(_, part)| part.as_ref().len() + 16).sum();
    let mut out = Vec::with_capacity(bytes + 16);
    push_number(&mut out, parts.len());
    for (tag, part) in parts {
        let part = part.as_ref();
        out.push(*tag);
        push_number(&mut out, part.len());
        out.extend_from_slice(part);
    }
    out
}

/// Where parts are read from: bytes in memory, or in a file.
pub(in crate::store) trait Source {
    /// Why reading failed.
    type Error;
    /// The next bytes, just so many.
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error>;
}

/// The next number; `None` when it is none that is written here.
pub(in crate::store) fn number<S: Source>(source: &mut S) -> Result<Option<u64>, S::Error> {
    let mut first = [0];
    source.fill(&mut first)?;
    let mut bytes = [0; 8];
    let length = match first[0] {
        TWO => 2,
        FOUR => 4,
        EIGHT => 8,
        small if small < TWO => return Ok(Some(u64::from(small))),
        _ => return Ok(None),
    };
    source.fill(&mut bytes[..length])?;
    Ok(Some(u64::from_le_bytes(bytes)))
}

struct Slice<'a>(&'a [u8]);

impl Source for Slice<'_> {
    type Error = RecordError;

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), RecordError> {
        let (here, rest) = self
            .0
            .split_at_checked(bytes.len())
            .ok_or(RecordError::Damaged)?;
        bytes.copy_from_slice(here);
        self.0 = rest;
        Ok(())
    }
}

impl Slice<'_> {
    fn length(&mut self) -> Result<usize, RecordError> {
        let length = number(self)?.and_then(|length| usize::try_from(length).ok());
        length.ok_or(RecordError::Damaged)
    }
}

/// The list from bytes, and in them. Trailing bytes are damage.
pub(in crate::store) fn decode_parts(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, RecordError> {
    if bytes.len() > PARTS_BYTES_MAX {
        return Err(RecordError::Damaged);
    }
    let mut slice = Slice(bytes);
    let count = slice.length()?;
    // Each takes two bytes at least: a damaged count cannot ask for memory.
    if count > slice.0.len() {
        return Err(RecordError::Damaged);
    }
    let mut parts = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        let mut tag = [0];
        slice.fill(&mut tag)?;
        let length = slice.length()?;
        let (part, rest) = slice
            .0
            .split_at_checked(length)
            .ok_or(RecordError::Damaged)?;
        parts.push((tag[0], part));
        slice.0 = rest;
    }
    if slice.0.is_empty() {
        Ok(parts)
    } else {
        Err(RecordError::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn borrowed(parts: &[(u8, Vec<u8>)]) -> Vec<(u8, &[u8])> {
        let parts = parts.iter();
        parts.map(|(tag, part)| (*tag, &part[..])).collect()
    }

    fn by_bincode(parts: &Vec<(u8, Vec<u8>)>) -> Vec<u8> {
        bincode::serde::encode_to_vec(parts, bincode::config::standard()).unwrap()
    }

    #[test]
    fn every_length_is_written_as_bincode_writes_it() {
        for length in [0, 1, 250, 251, 255, 256, 65_535, 65_536, 70_000] {
            let parts = vec![(7, vec![3; length]), (255, vec![])];
            assert_eq!(encode_parts(&parts), by_bincode(&parts), "{length}");
            let bytes = by_bincode(&parts);
            assert_eq!(decode_parts(&bytes), Ok(borrowed(&parts)));
        }
    }

    proptest! {
        #[test]
        fn lists_are_written_as_bincode_writes_them_and_read_back(
            parts in proptest::collection::vec(
                (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..600)),
                0..300,
            ),
        ) {
            let bytes = encode_parts(&parts);
            prop_assert_eq!(&bytes, &by_bincode(&parts));
            prop_assert_eq!(decode_parts(&bytes), Ok(borrowed(&parts)));
            prop_assert!(decode_parts(&bytes[..bytes.len() - 1]).is_err());
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(parts) = decode_parts(&bytes) {
                prop_assert!(parts.iter().map(|(_, part)| part.len()).sum::<usize>() <= 200);
            }
        }
    }
}
