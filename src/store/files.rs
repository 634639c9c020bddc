//! Files of ours: opened so that nothing is followed, waited for, cut or shared by accident.
//!
//! Only the data directory itself may be a symbolic link, as systemd makes one for a dynamic
//! user. Whatever lies in it under one of our names has to be a plain file or a plain directory:
//! a link, a pipe or a directory in its place is reported, and left alone.

use super::journal::JournalError;
use std::fs::{DirBuilder, File, FileType, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;
const FILE_MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

fn flags() -> i32 {
    // A pipe is not waited for: what was opened is looked at first.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    i32::try_from(flags.bits()).expect("flags of open are small")
}

fn plain(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("not a regular file"))
}

/// Opens a file to read it.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    plain(options.read(true).custom_flags(flags()).open(path)?)
}

/// Creates a file that must not be there yet, for us alone.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    let file = options.mode(FILE_MODE).custom_flags(flags()).open(path)?;
    // Whatever the umask takes away or leaves.
    file.set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(file)
}

/// Opens a file that is made when it is not there; what is in it stays.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    plain(options.mode(FILE_MODE).custom_flags(flags()).open(path)?)
}

/// All bytes of a file.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a directory for us alone, when it is not there.
pub(super) fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIR_MODE).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(DIR_MODE)),
    }
}

/// Removes a file's name, if it is there: what other names it has, or where it points, is left
/// alone.
pub(super) fn unlink(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Replaces a whole file, durably: a reader finds the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    unlink(&unfinished)?;
    let mut file = create_new(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    super::journal::sync_dir(path.parent().unwrap_or(path))
}

fn name_of(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_file() {
        "a file"
    } else {
        "a device or a socket"
    }
}

fn is_there(
    path: &Path,
    is_ours: impl Fn(FileType) -> bool,
    wanted: &'static str,
) -> Result<bool, JournalError> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if is_ours(meta.file_type()) => Ok(true),
        Ok(meta) => Err(JournalError::Foreign {
            path: path.display().to_string(),
            is: name_of(meta.file_type()),
            wanted,
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(JournalError::at("reading the data directory at", path)(
            error,
        )),
    }
}

/// Whether a file of ours is there; an error when something else has its name.
pub(super) fn is_file(path: &Path) -> Result<bool, JournalError> {
    is_there(path, |kind| kind.is_file(), "file")
}

/// Whether a directory of ours is there; an error when something else has its name.
pub(super) fn is_dir(path: &Path) -> Result<bool, JournalError> {
    is_there(path, |kind| kind.is_dir(), "directory")
}

/// Closes everything below a directory, and itself, to others. Returns what was open to them.
/// What is no file and no directory is left alone.
pub(super) fn tighten(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut loose = Vec::new();
    tighten_one(dir, DIR_MODE, &mut loose)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            loose.extend(tighten(&entry.path())?);
        } else if kind.is_file() {
            match tighten_one(&entry.path(), FILE_MODE, &mut loose) {
                // sled deletes files of its own as it likes.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done?,
            }
        }
    }
    Ok(loose)
}

fn tighten_one(path: &Path, mode: u32, loose: &mut Vec<PathBuf>) -> io::Result<()> {
    if std::fs::metadata(path)?.permissions().mode() & OTHERS != 0 {
        std::fs::set_permissions(path, Permissions::from_mode(mode))?;
        loose.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(path: &Path) {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }

    #[test]
    fn nothing_is_followed_and_no_pipe_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("mine"), "precious").unwrap();
        std::os::unix::fs::symlink(at("mine"), at("link")).unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        pipe(&at("pipe"));
        for name in ["link", "dir", "pipe"] {
            assert!(open(&at(name)).is_err(), "{name}");
            assert!(open_or_create(&at(name)).is_err(), "{name}");
            assert!(create_new(&at(name)).is_err(), "{name}");
            let told = is_file(&at(name)).unwrap_err().to_string();
            assert!(told.contains("nothing was changed"), "{told}");
        }
        assert!(is_file(&at("mine")).unwrap() && !is_file(&at("none")).unwrap());
        assert!(is_dir(&at("dir")).unwrap() && is_dir(&at("mine")).is_err());
        // A link in the way of a new file is taken away, and what it leads to is not touched.
        std::os::unix::fs::symlink(at("mine"), at("own.new")).unwrap();
        replace(&at("own.txt"), b"new").unwrap();
        assert_eq!(std::fs::read(at("mine")).unwrap(), b"precious");
        assert_eq!(bytes(&at("own.txt")).unwrap(), b"new");
    }

    #[test]
    fn what_is_open_to_others_is_closed_and_told() {
        let dir = tempfile::tempdir().unwrap();
        let sub = dir.path().join("sub");
        make_dir(&sub).unwrap();
        create_new(&sub.join("tight")).unwrap();
        std::fs::write(sub.join("loose"), "").unwrap();
        let open_to_all = Permissions::from_mode(0o644);
        std::fs::set_permissions(sub.join("loose"), open_to_all).unwrap();
        std::fs::set_permissions(&sub, Permissions::from_mode(0o755)).unwrap();
        let mut told = tighten(&sub).unwrap();
        told.sort();
        assert_eq!(told, [sub.clone(), sub.join("loose")]);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&sub), mode(&sub.join("loose"))), (0o700, 0o600));
        assert_eq!(mode(&sub.join("tight")), 0o600);
        assert_eq!(tighten(&sub).unwrap(), Vec::<PathBuf>::new());
    }
}
