//! Blocks: entries in the order of their keys, of each key only what its neighbour does not have.
//! Behind them is a checksum, which covers where the block lies.

use crate::store::ReadError;

/// An entry of a run: a key, and its value, or that it has none any more.
pub(super) type Item = (Vec<u8>, Option<Vec<u8>>);

/// What a table or a run says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said<T> {
    /// Ask an older one.
    Nothing,
    /// There is no such key.
    Gone,
    Value(T),
}

impl<T> Said<T> {
    pub(super) fn of(value: Option<T>) -> Self {
        value.map_or(Self::Gone, Self::Value)
    }
}

/// A block has no more bytes than this, unless one entry has.
const BYTES_MAX: usize = 2048;
/// Bytes of the checksum.
const CHECK_BYTES: usize = 4;
/// It gave back something else than it was given: not shown to readers, for it is rebuilt.
pub(super) const HARMED: ReadError = ReadError::Damaged { kind: "view" };

fn check(place: &[u8], bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(place);
    hasher.update(bytes);
    hasher.finalize().to_le_bytes()
}

/// Bytes with a checksum behind them that says where they lie, too.
pub(super) fn sealed(place: &[u8], mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(check(place, &bytes));
    bytes
}

/// The bytes that were sealed for this place.
pub(super) fn unsealed<'a>(place: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], ReadError> {
    match sealed.split_last_chunk::<CHECK_BYTES>() {
        Some((bytes, sum)) if check(place, bytes) == *sum => Ok(bytes),
        Some(_) | None => Err(HARMED),
    }
}

/// Seven bits a byte, the least first.
fn push_number(out: &mut Vec<u8>, mut number: usize) {
    loop {
        let bits = u8::try_from(number & 0x7F).expect("seven bits");
        number >>= 7;
        if number == 0 {
            return out.push(bits);
        }
        out.push(bits | 0x80);
    }
}

/// A block that is being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Writer {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether this entry belongs into the next block.
    pub(super) fn is_full_for(&self, key: &[u8], value: Option<&Vec<u8>>) -> bool {
        let more = key.len() + value.map_or(0, Vec::len);
        !self.is_empty() && self.bytes.len() + more > BYTES_MAX
    }

    pub(super) fn push(&mut self, key: &[u8], value: Option<&Vec<u8>>) {
        let shared = key.iter().zip(&self.last).take_while(|(a, b)| a == b);
        let shared = shared.count();
        push_number(&mut self.bytes, shared);
        push_number(&mut self.bytes, key.len() - shared);
        push_number(&mut self.bytes, value.map_or(0, |value| value.len() + 1));
        self.bytes.extend(&key[shared..]);
        self.bytes.extend(value.into_iter().flatten());
        self.last.truncate(shared);
        self.last.extend(&key[shared..]);
    }

    /// The block. The next one begins.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.last.clear();
        std::mem::take(&mut self.bytes)
    }
}

/// Reads the entries of a block.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    key: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(block: &'a [u8]) -> Self {
        let key = Vec::new();
        Self { rest: block, key }
    }

    fn number(&mut self) -> Result<usize, ReadError> {
        let (mut number, mut shift) = (0, 0);
        while let Some((byte, rest)) = self.rest.split_first()
            && shift < usize::BITS
        {
            self.rest = rest;
            number |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
        Err(HARMED)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(HARMED)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The next entry; `None` at the end.
    #[expect(
        clippy::type_complexity,
        reason = "an entry, which may not be there, or not be read"
    )]
    pub(super) fn next(&mut self) -> Result<Option<(&[u8], Option<&'a [u8]>)>, ReadError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let shared = self.number()?;
        let (more, value) = (self.number()?, self.number()?);
        let more = self.bytes(more)?;
        if shared > self.key.len() {
            return Err(HARMED);
        }
        self.key.truncate(shared);
        self.key.extend(more);
        let value = value.checked_sub(1).map(|length| self.bytes(length));
        Ok(Some((&self.key, value.transpose()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_block_ends_in_time() {
        let mut writer = Writer::default();
        let (mut items, mut blocks): (Vec<Item>, Vec<Vec<u8>>) = (Vec::new(), Vec::new());
        for n in 0..1000_u32 {
            let size = if n == 500 { 100_000 } else { n as usize % 300 };
            let value = (n % 7 > 0).then(|| vec![7; size]);
            let key = [&n.to_be_bytes()[..], b"key"].concat();
            if writer.is_full_for(&key, value.as_ref()) {
                blocks.push(writer.take());
            }
            writer.push(&key, value.as_ref());
            items.push((key, value));
        }
        blocks.push(writer.take());
        let mut found: Vec<Item> = Vec::new();
        for block in &blocks {
            let mut reader = Reader::new(block);
            while let Some((key, value)) = reader.next().unwrap() {
                found.push((key.to_vec(), value.map(<[u8]>::to_vec)));
            }
        }
        assert_eq!(found, items);
        assert!(blocks.len() > 60);
        let small = blocks.iter().filter(|block| block.len() < 100_000);
        assert!(small.clone().count() == blocks.len() - 1);
        assert!(small.map(Vec::len).all(|length| length <= BYTES_MAX + 16));
    }

    #[test]
    fn what_is_not_what_was_sealed_there_is_noticed() {
        let block = sealed(b"here", b"some bytes".to_vec());
        assert_eq!(unsealed(b"here", &block), Ok(&b"some bytes"[..]));
        assert_eq!(unsealed(b"there", &block), Err(HARMED));
        for bit in 0..block.len() * 8 {
            let mut changed = block.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unsealed(b"here", &changed), Err(HARMED));
        }
        for length in 0..4 {
            assert!(unsealed(b"here", &block[..length]).is_err());
        }
        for bytes in [&[1, 1, 1, 7][..], &[0, 9, 1, 7], &[0x80], &[0xFF; 20]] {
            assert_eq!(Reader::new(bytes).next(), Err(HARMED));
        }
    }
}
