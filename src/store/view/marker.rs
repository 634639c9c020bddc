//! The marker of an orderly end: what the files of the view are, and what they stand for.

use crate::store::files;
use crate::store::journal::{Position, sync_dir};
use blake3::Hasher;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// The name of the file. It is no part of what it vouches for.
const NAME: &str = "clean";
/// The first word of what is written now, and of what an older version wrote.
const MAGIC: &str = "hookherd-view-3";
const MAGIC_V2: &str = "hookherd-view-2";

/// A marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Marker {
    /// The form of the keys and values; see [`crate::store::index::FORMAT`].
    pub(in crate::store) format: u32,
    /// Everything before this position is in the view, and nothing else.
    pub(in crate::store) position: Position,
    /// BLAKE3 over names, lengths and contents of all its files.
    pub(in crate::store) digest: [u8; 32],
}

/// What is there of a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum MarkerRead {
    /// A whole one.
    Good(Marker),
    /// That of an older version.
    Older(Position),
    /// None, as after any end that was not orderly.
    None,
    /// One that was changed since, or cannot be read.
    Harmed,
}

fn check(line: &str) -> String {
    blake3::hash(line.as_bytes()).to_hex().to_string()
}

impl Marker {
    fn to_text(&self) -> String {
        let Self {
            format,
            position,
            digest,
        } = self;
        let line = format!(
            "{MAGIC} {format} {} {} {}",
            position.segment,
            position.offset,
            HEXLOWER.encode(digest)
        );
        format!("{line} {}\n", check(&line))
    }

    fn from_text(text: &str) -> Option<Self> {
        let (line, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if check(line) != sum {
            return None;
        }
        let mut words = line.strip_prefix(MAGIC)?.strip_prefix(' ')?.split(' ');
        let marker = Self {
            format: words.next()?.parse().ok()?,
            position: position(&mut words)?,
            digest: HEXLOWER_PERMISSIVE
                .decode(words.next()?.as_bytes())
                .ok()?
                .try_into()
                .ok()?,
        };
        words.next().is_none().then_some(marker)
    }

    /// Reads the marker in the directory of a view.
    pub(in crate::store) fn read(view: &Path) -> MarkerRead {
        let bytes = match files::bytes(&view.join(NAME)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return MarkerRead::None,
            Err(_) => return MarkerRead::Harmed,
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return MarkerRead::Harmed;
        };
        if let Some(marker) = Self::from_text(text) {
            return MarkerRead::Good(marker);
        }
        let older = text.strip_suffix('\n').and_then(|line| {
            // Version 0.1 had the position alone, the next one the form before it.
            let later = line.strip_prefix(MAGIC_V2).and_then(|rest| {
                let (line, sum) = line.rsplit_once(' ')?;
                let words = rest.strip_prefix(' ')?.split(' ').skip(1);
                (check(line) == sum).then(|| position(&mut words.into_iter()))?
            });
            let mut words = line.split(' ');
            later.or_else(|| position(&mut words).filter(|_| words.next().is_none()))
        });
        older.map_or(MarkerRead::Harmed, MarkerRead::Older)
    }

    /// Leaves the marker, durably.
    pub(super) fn leave(&self, view: &Path) -> io::Result<()> {
        let path = view.join(NAME);
        files::unlink(&path)?;
        let mut file = files::create_new(&path)?;
        file.write_all(self.to_text().as_bytes())?;
        file.sync_all()?;
        sync_dir(view)
    }

    /// Takes the marker away, durably.
    pub(super) fn take_away(view: &Path) -> io::Result<()> {
        files::unlink(&view.join(NAME))?;
        sync_dir(view)
    }
}

fn position<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<Position> {
    Some(Position {
        segment: words.next()?.parse().ok()?,
        offset: words.next()?.parse().ok()?,
    })
}

/// Whether each byte of a view's files is as the orderly end left it.
pub(in crate::store) fn is_as_left(view: &Path, marker: &Marker) -> bool {
    digest(view).is_ok_and(|digest| digest == marker.digest)
}

/// The digest of all files of a view except the marker. What is no file has no place there.
pub(super) fn digest(view: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Hasher::new();
    add_tree(view, true, &mut hasher)?;
    Ok(*hasher.finalize().as_bytes())
}

fn add_tree(dir: &Path, is_top: bool, hasher: &mut Hasher) -> io::Result<()> {
    let mut entries = std::fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    entries.retain(|entry| !is_top || entry.file_name() != NAME);
    hasher.update(&(entries.len() as u64).to_le_bytes());
    for entry in entries {
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name);
        if entry.file_type()?.is_dir() {
            hasher.update(b"d");
            add_tree(&entry.path(), false, hasher)?;
        } else {
            let file = files::open(&entry.path())?;
            hasher.update(b"f");
            hasher.update(&file.metadata()?.len().to_le_bytes());
            hasher.update_reader(file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker() -> Marker {
        Marker {
            format: 1,
            position: Position {
                segment: 3,
                offset: 4711,
            },
            digest: [5; 32],
        }
    }

    #[test]
    fn a_marker_comes_back_and_every_flipped_bit_and_every_cut_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        assert_eq!(Marker::read(dir.path()), MarkerRead::None);
        marker().leave(dir.path()).unwrap();
        assert_eq!(Marker::read(dir.path()), MarkerRead::Good(marker()));
        let good = std::fs::read(&path).unwrap();
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Marker::read(dir.path()), MarkerRead::Harmed, "bit {bit}");
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert_eq!(Marker::read(dir.path()), MarkerRead::Harmed, "{length}");
        }
        let older = MarkerRead::Older(marker().position);
        let line = format!("{MAGIC_V2} 6 3 4711 10 {:032x} {:064x}", 77, 5);
        for text in ["3 4711\n".to_owned(), format!("{line} {}\n", check(&line))] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Marker::read(dir.path()), older);
        }
    }

    #[test]
    fn names_lengths_and_contents_are_digested_and_the_marker_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("blobs")).unwrap();
        std::fs::write(at("db"), "abc").unwrap();
        let whole = digest(dir.path()).unwrap();
        marker().leave(dir.path()).unwrap();
        assert_eq!(digest(dir.path()).unwrap(), whole);
        std::fs::write(at("db"), "abd").unwrap();
        assert_ne!(digest(dir.path()).unwrap(), whole);
        std::fs::write(at("db"), "abc").unwrap();
        std::fs::write(at("blobs/more"), "").unwrap();
        assert_ne!(digest(dir.path()).unwrap(), whole);
        std::fs::remove_file(at("blobs/more")).unwrap();
        assert_eq!(digest(dir.path()).unwrap(), whole);
        std::os::unix::fs::symlink(at("db"), at("link")).unwrap();
        assert!(digest(dir.path()).is_err(), "nothing is followed");
    }
}
