//! Runs: what the table held when it was full, or several runs merged, sorted and never changed.
//!
//! The blocks of a run lie in sled, each under its number. In memory are the first key of each, and
//! a filter that knows of nearly every key that is not in the run.

use super::backing::Backing;
use super::block::{HARMED, Item, Reader, Said, Writer, sealed, unsealed};
use crate::store::ReadError;
use crate::store::index::Scan;
use crate::store::memory::end_of;
use crate::store::record::{decode_parts, encode_parts};

/// Bits of the filter for each entry, and how many of them a key has. One key in a hundred that is
/// not there is still looked for.
const FILTER_BITS: usize = 10;
const FILTER_PROBES: u64 = 6;
/// Bytes of what describes a run that are stored under one key.
const PIECE_BYTES: usize = 1024;

/// Knows of most keys that they are not there.
#[derive(Debug)]
struct Filter(Vec<u64>);

/// A hash that is the same in every version: the filter is stored.
fn hash(key: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mix = |hash: u64| (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mut hash = (key.len() as u64).wrapping_mul(ODD);
    for chunk in key.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = mix(hash ^ u64::from_le_bytes(word).wrapping_mul(ODD));
    }
    mix(hash) ^ (hash >> 32)
}

impl Filter {
    fn new(entries: usize) -> Self {
        Self(vec![0; (entries * FILTER_BITS).div_ceil(64).max(1)])
    }

    /// The words and the bits of a key.
    fn places(&self, key: &[u8]) -> impl Iterator<Item = (usize, u64)> + use<> {
        let (bits, hash) = (self.0.len() as u64 * 64, hash(key));
        let step = hash.rotate_left(32) | 1;
        (0..FILTER_PROBES).map(move |n| {
            let bit = hash.wrapping_add(step.wrapping_mul(n)) % bits;
            let word = usize::try_from(bit / 64).expect("there are as many words in memory");
            (word, 1 << (bit % 64))
        })
    }

    fn add(&mut self, key: &[u8]) {
        for (word, bit) in self.places(key) {
            self.0[word] |= bit;
        }
    }

    fn may_have(&self, key: &[u8]) -> bool {
        self.places(key).all(|(word, bit)| self.0[word] & bit != 0)
    }
}

/// What a key in the backing leads to.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Kind {
    Block = b'B',
    Piece = b'P',
    Root = b'R',
}

fn place(kind: Kind, run: u64, number: usize) -> Vec<u8> {
    let number = u32::try_from(number).expect("a run has fewer blocks");
    [&[kind as u8][..], &run.to_be_bytes(), &number.to_be_bytes()].concat()
}

fn read(backing: &Backing, place: &[u8]) -> Result<Vec<u8>, ReadError> {
    let found = backing.get(place)?.ok_or(HARMED)?;
    unsealed(place, &found).map(<[u8]>::to_vec)
}

fn write(backing: &Backing, place: &[u8], bytes: Vec<u8>) -> Result<(), ReadError> {
    backing.put(place, Some(sealed(place, bytes)))
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: u64,
    pub(super) entries: usize,
    firsts: Vec<Box<[u8]>>,
    filter: Filter,
}

impl Run {
    pub(super) fn blocks(&self) -> usize {
        self.firsts.len()
    }

    /// The block that may have a key: the last one that does not begin after it.
    fn block_of(&self, key: &[u8]) -> usize {
        let after = self.firsts.partition_point(|first| &**first <= key);
        after.saturating_sub(1)
    }

    fn block(&self, backing: &Backing, number: usize) -> Result<Vec<u8>, ReadError> {
        read(backing, &place(Kind::Block, self.id, number))
    }

    /// Whether it may say something of a key: mostly it is known that it does not.
    pub(super) fn may_have(&self, key: &[u8]) -> bool {
        self.filter.may_have(key)
    }

    /// What it says of a key.
    pub(super) fn get(&self, backing: &Backing, key: &[u8]) -> Result<Said<Vec<u8>>, ReadError> {
        if !self.filter.may_have(key) {
            return Ok(Said::Nothing);
        }
        let block = self.block(backing, self.block_of(key))?;
        let mut reader = Reader::new(&block);
        while let Some((found, value)) = reader.next()? {
            if found == key {
                return Ok(Said::of(value.map(<[u8]>::to_vec)));
            }
            if found > key {
                break;
            }
        }
        Ok(Said::Nothing)
    }

    /// The next entries of a range: some of them, and none only at its end.
    pub(super) fn some(&self, backing: &Backing, scan: Scan<'_>) -> Result<Vec<Item>, ReadError> {
        let end = end_of(scan.prefix);
        let is_before_end = |key: &[u8]| end.as_deref().is_none_or(|end| key < end);
        let is_in = |key: &[u8]| {
            key >= scan.prefix
                && is_before_end(key)
                && scan.after.is_none_or(|after| {
                    if scan.newest_first {
                        key < after
                    } else {
                        key > after
                    }
                })
        };
        let from = match (scan.newest_first, scan.after, &end) {
            (_, Some(after), _) => self.block_of(after),
            (false, None, _) => self.block_of(scan.prefix),
            (true, None, Some(end)) => self.block_of(end),
            (true, None, None) => self.firsts.len().saturating_sub(1),
        };
        let ahead = from..self.firsts.len();
        let numbers: &mut dyn Iterator<Item = usize> = if scan.newest_first {
            &mut (0..=from.min(self.firsts.len().saturating_sub(1))).rev()
        } else {
            &mut ahead.into_iter()
        };
        for number in numbers {
            let Some(first) = self.firsts.get(number) else {
                break;
            };
            if !scan.newest_first && !is_before_end(first) {
                break;
            }
            let block = self.block(backing, number)?;
            let (mut reader, mut found) = (Reader::new(&block), Vec::new());
            while let Some((key, value)) = reader.next()? {
                if is_in(key) {
                    found.push((key.to_vec(), value.map(<[u8]>::to_vec)));
                }
            }
            if !found.is_empty() {
                if scan.newest_first {
                    found.reverse();
                }
                return Ok(found);
            }
            if scan.newest_first && **first < *scan.prefix {
                break;
            }
        }
        Ok(Vec::new())
    }

    /// Deletes a block.
    pub(super) fn delete_block(id: u64, number: usize, backing: &Backing) -> Result<(), ReadError> {
        backing.put(&place(Kind::Block, id, number), None)
    }

    /// Writes what describes the run; says in how many pieces.
    fn describe(&self, backing: &Backing) -> Result<usize, ReadError> {
        let filter: Vec<u8> = self.filter.0.iter().flat_map(|w| w.to_le_bytes()).collect();
        let mut parts = vec![
            (0, (self.entries as u64).to_le_bytes().to_vec()),
            (1, filter),
        ];
        parts.extend(self.firsts.iter().map(|first| (2, first.to_vec())));
        let bytes = encode_parts(&parts);
        let pieces = bytes.chunks(PIECE_BYTES);
        let count = pieces.len();
        for (number, piece) in pieces.enumerate() {
            let place = place(Kind::Piece, self.id, number);
            write(backing, &place, piece.to_vec())?;
        }
        Ok(count)
    }

    fn described(backing: &Backing, id: u64, pieces: usize) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        for number in 0..pieces {
            let place = place(Kind::Piece, id, number);
            bytes.extend(read(backing, &place)?);
            backing.put(&place, None)?;
        }
        let parts = decode_parts(&bytes).map_err(|_| HARMED)?;
        let [(0, entries), (1, filter), firsts @ ..] = &parts[..] else {
            return Err(HARMED);
        };
        let words = filter.chunks_exact(8);
        let word = |word: &[u8]| u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let entries = u64::from_le_bytes((*entries).try_into().map_err(|_| HARMED)?);
        Ok(Self {
            id,
            entries: usize::try_from(entries).map_err(|_| HARMED)?,
            firsts: firsts.iter().map(|(_, first)| Box::from(*first)).collect(),
            filter: Filter(words.map(word).collect()),
        })
    }
}

/// Writes what describes all runs, the newest first.
pub(super) fn describe<'a>(
    runs: impl Iterator<Item = &'a Run>,
    backing: &Backing,
) -> Result<(), ReadError> {
    let mut root = Vec::new();
    for run in runs {
        root.extend(run.id.to_le_bytes());
        root.extend((run.describe(backing)? as u64).to_le_bytes());
    }
    write(backing, &place(Kind::Root, 0, 0), root)
}

/// The runs that were described, the newest first. That they were is forgotten.
pub(super) fn described(backing: &Backing) -> Result<Vec<Run>, ReadError> {
    let place = place(Kind::Root, 0, 0);
    let root = read(backing, &place)?;
    backing.put(&place, None)?;
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let run = |bytes: &[u8]| {
        let (id, pieces) = bytes.split_at(8);
        let pieces = usize::try_from(number(pieces)).map_err(|_| HARMED)?;
        Run::described(backing, number(id), pieces)
    };
    root.chunks_exact(16).map(run).collect()
}

/// A run that is being written.
#[derive(Debug)]
pub(super) struct Builder {
    run: Run,
    writer: Writer,
    /// Blocks that are to be written.
    ready: Vec<Vec<u8>>,
}

impl Builder {
    /// A run of so many entries at most.
    pub(super) fn new(id: u64, entries_max: usize) -> Self {
        Self {
            run: Run {
                id,
                entries: 0,
                firsts: Vec::new(),
                filter: Filter::new(entries_max),
            },
            writer: Writer::default(),
            ready: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, key: &[u8], value: Option<&Vec<u8>>) {
        if self.writer.is_full_for(key, value) {
            self.ready.push(self.writer.take());
        }
        if self.writer.is_empty() {
            self.run.firsts.push(key.into());
        }
        self.writer.push(key, value);
        self.run.filter.add(key);
        self.run.entries += 1;
    }

    /// Writes the blocks that are whole.
    pub(super) fn write(&mut self, backing: &Backing) -> Result<(), ReadError> {
        let begun = usize::from(!self.writer.is_empty());
        let first = self.run.firsts.len() - begun - self.ready.len();
        for (number, block) in (first..).zip(self.ready.drain(..)) {
            write(backing, &place(Kind::Block, self.run.id, number), block)?;
        }
        Ok(())
    }

    /// Ends the last block.
    pub(super) fn end(&mut self) {
        if !self.writer.is_empty() {
            self.ready.push(self.writer.take());
        }
    }

    /// The run, whose blocks are all written.
    pub(super) fn finish(self) -> Run {
        self.run
    }

    /// What was written of it, to be deleted.
    pub(super) fn given_up(&self) -> (u64, usize) {
        (self.run.id, self.run.firsts.len())
    }
}

#[cfg(test)]
impl Run {
    /// Where the block lies that has a key.
    pub(super) fn place_of(&self, backing: &Backing, key: &[u8]) -> Option<Vec<u8>> {
        let is_here = self.get(backing, key).unwrap() != Said::Nothing;
        is_here.then(|| place(Kind::Block, self.id, self.block_of(key)))
    }
}
