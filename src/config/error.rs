//! Errors of an invalid configuration: the key, the value, what is expected, and where it was set.

use super::secrets::SecretsError;
use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
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
    /// The file cannot be read, or is not TOML.
    #[error("configuration: {0}")]
    Read(String),
    /// An unknown setting.
    #[error(
        "configuration: unknown setting {name}{}{}",
        place(origin.as_ref()),
        hint(nearest.as_ref())
    )]
    Unknown {
        /// Its name, as written.
        name: String,
        /// Where, unless the name says so.
        origin: Option<Origin>,
        /// The setting that was probably intended.
        nearest: Option<String>,
    },
    /// An invalid value.
    #[error("configuration: {key} = {value:?}{}: expected {expected}", place(origin.as_ref()))]
    Value {
        /// The key.
        key: String,
        /// The value. Never a secret.
        value: String,
        /// What is expected.
        expected: String,
        /// Where it was set; `None` when it is the default.
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

/// What was probably meant; `None` when nothing is near. The same name in another section
/// is nearest.
pub(super) fn nearest(word: &str, all: &[String]) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let distance = |key: &String| {
        let whole = strsim::damerau_levenshtein(word, key);
        let name = strsim::damerau_levenshtein(&last(word), &last(key));
        let is_near = whole <= word.len().max(key.len()) / 3 || name <= last(key).len() / 4;
        is_near.then_some((name, whole))
    };
    let near = all.iter().filter_map(|key| Some((distance(key)?, key)));
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key.clone())
}
