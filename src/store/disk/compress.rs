//! Bodies, compressed: with a dictionary of what payloads have in common.
//!
//! Which dictionary it was stands in the frame's head. Version 0.1 had none.

use crate::store::record::RecordError;
use bytes::Bytes;
use std::cell::RefCell;
use std::sync::LazyLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::{compress_bound, get_dict_id_from_frame, get_frame_content_size};

/// zstd level: higher levels cost more than they save.
const LEVEL: i32 = 1;
/// Memory that a thread keeps to compress in.
const SCRATCH_BYTES: usize = 128 * 1024;
/// Largest body after decompression: the ingress limit is 25 MiB, a damaged length is no excuse
/// for more.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The number of the dictionary that is compressed with. The file says where it is from.
const NUMBER: u32 = 1;
const DICTIONARY: &[u8] = include_bytes!("dictionary/1.zdict");

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// Compresses a body.
pub(super) fn compress(body: &[u8]) -> Vec<u8> {
    // A context that the thread keeps, and memory: to make them takes longer than to use them.
    thread_local! {
        static KEPT: RefCell<(Compressor<'static>, Vec<u8>)> = RefCell::new((
            Compressor::with_prepared_dictionary(&ENCODER).expect("the dictionary is one"),
            Vec::new(),
        ));
    }
    KEPT.with_borrow_mut(|(compressor, frame)| {
        frame.reserve(compress_bound(body.len()));
        compressor
            .compress_to_buffer(body, frame)
            .expect("compressing into memory cannot fail");
        let compressed = frame.as_slice().to_vec();
        frame.clear();
        frame.shrink_to(SCRATCH_BYTES);
        compressed
    })
}

/// The dictionary that a frame with this beginning needs; `None` for one without.
pub(super) fn dictionary(
    head: &[u8],
) -> Result<Option<&'static DecoderDictionary<'static>>, RecordError> {
    match get_dict_id_from_frame(head).map(std::num::NonZeroU32::get) {
        None => Ok(None),
        Some(NUMBER) => Ok(Some(&DECODER)),
        Some(_) => Err(RecordError::Newer),
    }
}

/// The size of a body, as the head of its frame says.
pub(super) fn size(head: &[u8]) -> Option<usize> {
    let size = get_frame_content_size(head).ok().flatten()?;
    usize::try_from(size)
        .ok()
        .filter(|size| *size <= BODY_BYTES_MAX)
}

/// The body that was compressed.
pub(super) fn decompress(frame: &[u8]) -> Result<Bytes, RecordError> {
    let size = size(frame).ok_or(RecordError::Damaged)?;
    thread_local! {
        static PLAIN: RefCell<Decompressor<'static>> =
            RefCell::new(Decompressor::new().expect("there is memory for a context"));
        static SHAPED: RefCell<Decompressor<'static>> = RefCell::new(
            Decompressor::with_prepared_dictionary(&DECODER).expect("the dictionary is one"),
        );
    }
    let context = match dictionary(frame)? {
        None => &PLAIN,
        Some(_) => &SHAPED,
    };
    context
        .with_borrow_mut(|decompressor| decompressor.decompress(frame, size))
        .map(Bytes::from)
        .map_err(|_| RecordError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Digest as _;

    #[test]
    fn the_dictionary_has_its_number_and_never_changes() {
        let id = zstd::zstd_safe::get_dict_id_from_dict(DICTIONARY);
        assert_eq!(id.map(std::num::NonZeroU32::get), Some(NUMBER));
        let digest = data_encoding::HEXLOWER.encode(&sha2::Sha256::digest(DICTIONARY));
        assert!(digest.starts_with("a29feba43360c615"), "{digest}");
    }

    #[test]
    fn bodies_come_back_with_a_dictionary_and_without() {
        let texts = ["", "{}", &"7".repeat(100_000), r#"{"action":"completed"}"#];
        for text in texts.map(str::as_bytes) {
            let frame = compress(text);
            assert_eq!(decompress(&frame).unwrap(), text);
            assert!(dictionary(&frame).unwrap().is_some());
            let older = zstd::bulk::compress(text, LEVEL).unwrap();
            assert_eq!(decompress(&older).unwrap(), text);
            for length in 0..frame.len() {
                assert!(decompress(&frame[..length]).is_err());
            }
        }
    }

    #[test]
    fn a_frame_of_a_dictionary_to_come_is_newer_and_not_damaged() {
        let mut frame = compress(b"some text");
        let at = frame
            .iter()
            .position(|byte| u32::from(*byte) == NUMBER)
            .unwrap();
        frame[at] = 200;
        assert_eq!(decompress(&frame), Err(RecordError::Newer));
    }
}
