//! Version byte and bincode.

use super::wire::Wire;
use bincode::config::{Configuration, Limit};
use serde::de::DeserializeOwned;
use std::cell::RefCell;

/// Largest record that is decoded: far above any real one (a delivery's payload is no record),
/// low enough that a damaged length cannot ask for the machine's memory.
const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Memory that a thread keeps to encode in.
const SCRATCH_BYTES: usize = 64 * 1024;

/// Why bytes are no record of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::store) enum RecordError {
    /// Written by a newer version of this program.
    #[error("written by a newer version")]
    Newer,
    /// Not what it is said to be.
    #[error("damaged")]
    Damaged,
}

/// A stored type: its frozen mirror and the version written now.
pub(in crate::store) trait Record: Wire {
    /// The version written now. Older ones are read by stepping up, newer ones are refused.
    const VERSION: u8;
    /// What it is called in errors.
    const KIND: &'static str;

    /// The record from the bytes of an older version (below [`Self::VERSION`]), without the
    /// version byte. A type with more than one version steps up from its frozen mirrors here.
    fn from_older(_version: u8, _bytes: &[u8]) -> Result<Self, RecordError> {
        Err(RecordError::Damaged)
    }
}

/// A frozen mirror of an older version from its bytes, for [`Record::from_older`].
pub(super) fn plain<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RecordError> {
    from_bytes::<_, RECORD_BYTES_MAX>(bytes)
}

/// A record of a kind with two versions, from the bytes of the first: `step` steps up from its
/// frozen mirror.
pub(super) fn from_first<T: DeserializeOwned, R>(
    version: u8,
    bytes: &[u8],
    step: impl FnOnce(T) -> Option<R>,
) -> Result<R, RecordError> {
    if version != 1 {
        return Err(RecordError::Damaged);
    }
    step(plain(bytes)?).ok_or(RecordError::Damaged)
}

/// Kinds of records that have two versions.
macro_rules! second_versions {
    ($($domain:ident = $kind:literal from $step:path),* $(,)?) => {$(
        impl $crate::store::record::codec::Record for $domain {
            const VERSION: u8 = 2;
            const KIND: &'static str = $kind;

            fn from_older(
                version: u8,
                bytes: &[u8],
            ) -> Result<Self, $crate::store::record::RecordError> {
                $crate::store::record::codec::from_first(version, bytes, $step)
            }
        }
    )*};
}
pub(super) use second_versions;

fn config<const MAX: usize>()
-> Configuration<bincode::config::LittleEndian, bincode::config::Varint, Limit<MAX>> {
    bincode::config::standard().with_limit::<MAX>()
}

fn from_bytes<T: DeserializeOwned, const MAX: usize>(bytes: &[u8]) -> Result<T, RecordError> {
    match bincode::serde::decode_from_slice(bytes, config::<MAX>()) {
        Ok((value, read)) if read == bytes.len() => Ok(value),
        Ok(_) | Err(_) => Err(RecordError::Damaged),
    }
}

/// A record as bytes, which take no more memory than they need: they are kept.
pub(in crate::store) fn encode<R: Record>(record: &R) -> Vec<u8> {
    thread_local! {
        static BYTES: RefCell<Vec<u8>> = RefCell::default();
    }
    BYTES.with_borrow_mut(|bytes| {
        // A panic may have left some.
        bytes.clear();
        bytes.push(R::VERSION);
        let config = config::<RECORD_BYTES_MAX>();
        bincode::serde::encode_into_std_write(record.to_wire(), bytes, config)
            .expect("plain data without maps of unknown length always encodes");
        let encoded = bytes.as_slice().to_vec();
        bytes.clear();
        bytes.shrink_to(SCRATCH_BYTES);
        encoded
    })
}

/// A record from bytes. Trailing bytes are damage; a version of the future is refused.
pub(in crate::store) fn decode<R: Record>(bytes: &[u8]) -> Result<R, RecordError> {
    let (version, rest) = bytes.split_first().ok_or(RecordError::Damaged)?;
    if *version > R::VERSION {
        return Err(RecordError::Newer);
    }
    if *version < R::VERSION {
        return R::from_older(*version, rest);
    }
    R::from_wire(plain(rest)?).ok_or(RecordError::Damaged)
}
