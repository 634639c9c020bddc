//! Frames: `length | check of the length | checksum | payload`.
//!
//! Both checks cover the frame's own place as well, so that bytes of another segment, or of
//! another offset, can never pass for a frame. The length has a check of its own so that the
//! search for the next frame behind a harmed one costs no more than a look at each byte.

/// Bytes before the payload: three numbers of four bytes, little endian.
pub(in crate::store) const FRAME_HEAD_BYTES: usize = 12;
/// Largest payload: one body of 25 MiB that does not compress, with room to spare.
pub(in crate::store) const PAYLOAD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A checksum over a payload that lies there, to be fed with the payload.
pub(in crate::store) fn begin_check(segment: u64, offset: u64) -> crc32fast::Hasher {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher
}

fn checksum(segment: u64, offset: u64, payload: &[u8]) -> u32 {
    let mut hasher = begin_check(segment, offset);
    hasher.update(payload);
    hasher.finalize()
}

/// Appends a frame that will lie at `offset` of `segment`.
pub(in crate::store) fn push_frame(out: &mut Vec<u8>, segment: u64, offset: u64, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("payloads are limited to 64 MiB");
    out.extend(length.to_le_bytes());
    out.extend(checksum(segment, offset, &length.to_le_bytes()).to_le_bytes());
    out.extend(checksum(segment, offset, payload).to_le_bytes());
    out.extend(payload);
}

/// The length of a frame's payload and its checksum, when this is the head of a frame there.
pub(in crate::store) fn frame_head(
    head: &[u8; FRAME_HEAD_BYTES],
    segment: u64,
    offset: u64,
) -> Option<(usize, u32)> {
    let (length, rest) = head.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<4>()?;
    let crc = u32::from_le_bytes(*rest.first_chunk::<4>()?);
    if checksum(segment, offset, length) != u32::from_le_bytes(*check) {
        return None;
    }
    let length = u32::from_le_bytes(*length) as usize;
    (length > 0 && length <= PAYLOAD_BYTES_MAX).then_some((length, crc))
}

/// The payload of the frame that begins `bytes`, when a whole and unharmed one does.
pub(in crate::store) fn read_frame(bytes: &[u8], segment: u64, offset: u64) -> Option<&[u8]> {
    let head = bytes.first_chunk::<FRAME_HEAD_BYTES>()?;
    let (length, crc) = frame_head(head, segment, offset)?;
    let payload = bytes.get(FRAME_HEAD_BYTES..FRAME_HEAD_BYTES + length)?;
    (checksum(segment, offset, payload) == crc).then_some(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_only_where_it_was_written() {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, 3, 40, b"payload");
        assert_eq!(read_frame(&bytes, 3, 40), Some(&b"payload"[..]));
        assert_eq!(read_frame(&bytes, 4, 40), None);
        assert_eq!(read_frame(&bytes, 3, 41), None);
        assert_eq!(read_frame(&bytes[..bytes.len() - 1], 3, 40), None);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, 1, 40, b"some payload of a few words");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_frame(&changed, 1, 40), None, "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(read_frame(&[0; 64], 0, 0), None);
        assert_eq!(read_frame(&[], 0, 0), None);
    }
}
