//! Which store this is, and how far its journal has come at least.
//!
//! The file `identity` lies beside the journal and not in it: when the journal is gone, or its
//! oldest or newest segment, this shows it.

use crate::domain::id::StoreId;
use crate::store::files;
use parking_lot::Mutex;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

const MAGIC: &str = "hookherd-store-1";

/// A store by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Identity {
    /// Its id, which begins with the time it was made at.
    pub(in crate::store) id: StoreId,
    /// The oldest segment that is needed: retention moves it before it deletes one.
    pub(in crate::store) first: u64,
    /// The newest segment that was begun; 0 before the first one.
    pub(in crate::store) segment: u64,
    /// What is missing before this segment was accepted as lost.
    pub(in crate::store) accepted: u64,
}

/// What is there of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum IdentityRead {
    /// All of it.
    Good(Identity),
    /// Nothing: a new store, or one of version 0.1.
    None,
    /// Something that was changed since it was written.
    Harmed,
}

pub(in crate::store) fn path(dir: &Path) -> PathBuf {
    dir.join("identity")
}

fn check(line: &str) -> String {
    blake3::hash(line.as_bytes()).to_hex().to_string()
}

impl Identity {
    fn to_text(self) -> String {
        let Self {
            id,
            first,
            segment,
            accepted,
        } = self;
        let line = format!("{MAGIC} {id} {first} {segment} {accepted}");
        format!("{line} {}\n", check(&line))
    }

    fn from_text(text: &str) -> Option<Self> {
        let (line, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if check(line) != sum {
            return None;
        }
        let mut words = line.strip_prefix(MAGIC)?.strip_prefix(' ')?.split(' ');
        let identity = Self {
            id: words.next()?.parse().ok()?,
            first: words.next()?.parse().ok()?,
            segment: words.next()?.parse().ok()?,
            accepted: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(identity)
    }

    /// Reads the identity of the store in `dir`.
    pub(in crate::store) fn read(dir: &Path) -> IdentityRead {
        match files::bytes(&path(dir)) {
            Ok(bytes) => {
                let text = std::str::from_utf8(&bytes).ok();
                let identity = text.and_then(Self::from_text);
                identity.map_or(IdentityRead::Harmed, IdentityRead::Good)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => IdentityRead::None,
            Err(_) => IdentityRead::Harmed,
        }
    }

    /// Writes it, durably.
    pub(in crate::store) fn write(&self, dir: &Path) -> io::Result<()> {
        files::replace(&path(dir), self.to_text().as_bytes())
    }
}

/// The identity of a store that is open.
#[derive(Debug)]
pub(super) struct Known {
    dir: PathBuf,
    identity: Mutex<Identity>,
}

impl Known {
    pub(super) fn new(dir: &Path, identity: Identity) -> Self {
        Self {
            dir: dir.to_owned(),
            identity: Mutex::new(identity),
        }
    }

    /// Changes it, durably. When that fails the file says less, and nothing wrong.
    pub(super) fn change(&self, change: impl FnOnce(&mut Identity)) -> io::Result<()> {
        let mut identity = self.identity.lock();
        change(&mut identity);
        identity.write(&self.dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_comes_back_and_every_flipped_bit_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity {
            id: StoreId::from_u128(77),
            first: 2,
            segment: 4,
            accepted: 3,
        };
        assert_eq!(Identity::read(dir.path()), IdentityRead::None);
        identity.write(dir.path()).unwrap();
        assert_eq!(Identity::read(dir.path()), IdentityRead::Good(identity));
        let good = std::fs::read(path(dir.path())).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(path(dir.path()), bytes).unwrap();
            assert_eq!(Identity::read(dir.path()), IdentityRead::Harmed, "{bit}");
        }
    }
}
