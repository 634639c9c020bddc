//! What a key-value space holds, in two numbers that do not depend on the order of its entries.
//!
//! A full read compared with the tally of what was written shows whether it is all of it, and
//! nothing else: an entry that is missing, changed or added changes the sum.

/// A count, and a sum of hashes, which wraps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Entries.
    pub(super) entries: u64,
    /// The sum of the hashes of all entries.
    pub(super) sum: u128,
}

/// 128 bits of BLAKE3 over a key with its length, and the value.
fn hash(key: &[u8], value: &[u8]) -> u128 {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes()).update(key);
    let hash = hasher.update(value).finalize();
    let half = hash.as_bytes().first_chunk::<16>();
    u128::from_le_bytes(*half.expect("32 bytes have 16"))
}

impl Tally {
    /// An entry is there from now on.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(hash(key, value));
    }

    /// Both together.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            entries: self.entries.wrapping_add(other.entries),
            sum: self.sum.wrapping_add(other.sum),
        }
    }

    /// The tally of entries.
    pub(super) fn of<'a>(entries: impl IntoIterator<Item = &'a (Vec<u8>, Vec<u8>)>) -> Self {
        let mut tally = Self::default();
        for (key, value) in entries {
            tally.add(key, value);
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Tally {
        let owned = entries.iter().map(|(k, v)| (k.as_bytes(), v.as_bytes()));
        let owned: Vec<_> = owned.map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        Tally::of(&owned)
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        let all = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(all, of(&[("b", "2"), ("a", "1")]));
        for other in [
            &[("a", "1")][..],
            &[("a", "1"), ("b", "3")],
            &[("a", "2"), ("b", "1")],
            &[("a", "1"), ("b", "2"), ("c", "")],
            &[("a1", ""), ("b2", "")],
        ] {
            assert_ne!(all, of(other), "{other:?}");
        }
    }
}
