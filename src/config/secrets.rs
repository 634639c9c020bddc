//! Values in separate files: usually secrets.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a secret cannot be read. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("{name}: cannot read {path}: {source}")]
    Unreadable {
        /// The variable or key that names the file.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Other users can read the file.
    #[error("{name}: {path} can be read by others; make it `chmod 600`")]
    TooOpen {
        /// The variable or key that names the file.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The file is empty.
    #[error("{name}: {path} is empty")]
    Empty {
        /// The variable or key that names the file.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// Not UTF-8.
    #[error("the variable {name} is not valid UTF-8")]
    NoText {
        /// The variable.
        name: String,
    },
}

/// The permissions that a secret's file must not give to group and others.
const OTHERS: u32 = 0o077;

/// What stands in a file that a variable names, without blanks around it. The file must be its
/// owner's alone, and not empty: a file that is named is meant.
pub(super) fn read(name: &str, path: &Path) -> Result<Zeroizing<String>, SecretsError> {
    let metadata = std::fs::metadata(path).map_err(|source| unreadable(name, path, source))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        let (name, path) = (name.to_owned(), path.to_owned());
        return Err(SecretsError::TooOpen { name, path });
    }
    let text = read_unguarded(name, path)?;
    if text.is_empty() {
        let (name, path) = (name.to_owned(), path.to_owned());
        return Err(SecretsError::Empty { name, path });
    }
    Ok(text)
}

/// The same for a file that systemd protects by other means than modes. It may be empty.
pub(super) fn read_unguarded(name: &str, path: &Path) -> Result<Zeroizing<String>, SecretsError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| unreadable(name, path, source))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

fn unreadable(name: &str, path: &Path, source: std::io::Error) -> SecretsError {
    let (name, path) = (name.to_owned(), path.to_owned());
    SecretsError::Unreadable { name, path, source }
}
