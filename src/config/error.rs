//! What is said of a configuration that cannot be used: the key, the value, what would do, and
//! where it was written.

use super::secrets::SecretsError;
use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration file.
    File(PathBuf),
    /// In an environment variable, or in the file that it names.
    Variable(String),
    /// In a credential of systemd.
    Credential(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Variable(name) => write!(f, "from the variable {name}"),
            Self::Credential(path) => write!(f, "from the credential {}", path.display()),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read, or is no TOML.
    #[error("configuration: {0}")]
    Read(String),
    /// There is no such setting.
    #[error(
        "configuration: unknown setting {name}{}{}",
        place(origin.as_ref()),
        hint(nearest.as_ref())
    )]
    Unknown {
        /// Its name, as it was written.
        name: String,
        /// Where, unless the name says so.
        origin: Option<Origin>,
        /// The setting that was probably meant.
        nearest: Option<String>,
    },
    /// A value that makes no sense.
    #[error("configuration: {key} = {value:?}{}: expected {expected}", place(origin.as_ref()))]
    Value {
        /// The key.
        key: String,
        /// What was given. Never a secret.
        value: String,
        /// What would do.
        expected: String,
        /// Where it was written; `None` when it is the default.
        origin: Option<Origin>,
    },
    /// A secret cannot be read.
    #[error("configuration: {0}")]
    Secret(#[from] SecretsError),
}

fn place(origin: Option<&Origin>) -> String {
    origin.map_or_else(String::new, |origin| format!(" ({origin})"))
}

fn hint(nearest: Option<&String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => "; see config/hookherd.toml for all settings".to_owned(),
    }
}
