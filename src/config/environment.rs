//! The environment of a process: its variables for settings, and their values.
//!
//! `HOOKHERD__SECTION__KEY` names any setting, the plain names in [`PLAIN`] the usual ones. Either
//! may end in `_FILE`: then it names a file that holds the value. An empty or blank variable counts
//! as unset.

use super::error::{ConfigError, Origin, nearest};
use super::secrets::{self, SecretsError};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Plain names of settings: the variable, and the key.
pub(super) const PLAIN: [(&str, &str); 9] = [
    ("WEBHOOK_BASE_URL", "server.public_url"),
    ("OAUTH_TOKEN_ENCRYPTION_KEY", "seal.key"),
    ("HOOKHERD_ADMIN_TOKEN", "auth.admin_token"),
    ("GITHUB_OAUTH_CLIENT_ID", "providers.github.oauth.client_id"),
    (
        "GITHUB_OAUTH_CLIENT_SECRET",
        "providers.github.oauth.client_secret",
    ),
    ("GITHUB_APP_ID", "providers.github.app.id"),
    ("GITHUB_APP_PRIVATE_KEY", "providers.github.app.private_key"),
    ("GITLAB_OAUTH_CLIENT_ID", "providers.gitlab.oauth.client_id"),
    (
        "GITLAB_OAUTH_CLIENT_SECRET",
        "providers.gitlab.oauth.client_secret",
    ),
];

/// Our variables that are not settings of the daemon.
const OTHERS: [&str; 5] = [
    "HOOKHERD_URL",
    "HOOKHERD_TOKEN",
    "HOOKHERD_TOKEN_FILE",
    "HOOKHERD_CONFIG",
    "HOOKHERD_FAULTS",
];

/// The prefix of a setting's variable.
const PREFIX: &str = "HOOKHERD__";

/// The variables of a process, and the directory of systemd's credentials.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) variables: BTreeMap<String, OsString>,
    pub(super) credentials: Option<PathBuf>,
}

/// A value that was found.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) text: Zeroizing<String>,
    pub(super) origin: Origin,
}

impl Environment {
    pub(super) fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        Self {
            variables,
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// The value of a variable, without blanks around it; `None` when nothing is left.
    pub(super) fn text(&self, name: &str) -> Result<Option<Zeroizing<String>>, ConfigError> {
        let Some(value) = self.variables.get(name) else {
            return Ok(None);
        };
        let text = value.to_str().ok_or_else(|| {
            let name = name.to_owned();
            ConfigError::Secret(SecretsError::NoText { name })
        })?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| Zeroizing::new(text.to_owned())))
    }

    /// The values of the plain names: directly, from a file, or from a credential of systemd.
    pub(super) fn plain(&self) -> Result<Vec<Found>, ConfigError> {
        let mut all = Vec::new();
        for (name, key) in PLAIN {
            let file = format!("{name}_FILE");
            let found = if let Some(text) = self.text(name)? {
                Some((text, Origin::Variable(name.to_owned())))
            } else if let Some(path) = self.text(&file)? {
                let text = secrets::read(&file, Path::new(path.as_str()))?;
                Some((text, Origin::Variable(file)))
            } else {
                self.credential(name)?
            };
            all.extend(found.map(|(text, origin)| Found {
                key: key.to_owned(),
                text,
                origin,
            }));
        }
        Ok(all)
    }

    fn credential(&self, name: &str) -> Result<Option<(Zeroizing<String>, Origin)>, ConfigError> {
        let Some(dir) = &self.credentials else {
            return Ok(None);
        };
        let path = dir.join(name.to_lowercase());
        if !path.exists() {
            return Ok(None);
        }
        let text = secrets::read_unguarded(name, &path)?;
        Ok((!text.is_empty()).then_some((text, Origin::Credential(path))))
    }

    /// What `HOOKHERD__SECTION__KEY` says of these keys. A variable of that form which names none
    /// of them is an error: it was set on purpose.
    pub(super) fn settings(&self, keys: &[String]) -> Result<Vec<Found>, ConfigError> {
        let mut all = Vec::new();
        for name in self.variables.keys() {
            let upper = name.to_uppercase();
            let Some(rest) = upper.strip_prefix(PREFIX) else {
                continue;
            };
            let Some(text) = self.text(name)? else {
                continue;
            };
            let key = |rest: &str| rest.to_lowercase().replace("__", ".");
            let by_file = rest.strip_suffix("_FILE").map(key);
            let (key, text) = if keys.contains(&key(rest)) {
                (key(rest), text)
            } else if let Some(key) = by_file.filter(|key| keys.contains(key)) {
                (key, secrets::read(name, Path::new(text.as_str()))?)
            } else {
                return Err(unknown(name, &key(rest), keys));
            };
            let origin = Origin::Variable(name.clone());
            all.push(Found { key, text, origin });
        }
        Ok(all)
    }

    /// Looks at the variables that begin as ours do and are none of ours. One that spells a setting
    /// with too few underscores is an error; of the others a warning is returned, for they may be
    /// meant for another program.
    pub(super) fn strangers(&self, keys: &[String]) -> Result<Vec<String>, ConfigError> {
        let mut warnings = Vec::new();
        for name in self.variables.keys() {
            let upper = name.to_uppercase();
            let is_known = |known: &str| {
                upper == known
                    || upper
                        .strip_suffix("_FILE")
                        .is_some_and(|stem| stem == known)
            };
            let mut ours = PLAIN.iter().map(|(name, _)| *name).chain(OTHERS);
            let Some(rest) = upper.strip_prefix("HOOKHERD_") else {
                if let Some(meant) = misspelt(&upper).filter(|_| !ours.any(is_known))
                    && self.text(name)?.is_some()
                {
                    warnings.push(format!("unknown variable {name}; did you mean {meant}?"));
                }
                continue;
            };
            if rest.starts_with('_') || is_of_cluster(rest) || ours.any(is_known) {
                continue;
            }
            if self.text(name)?.is_none() {
                continue;
            }
            let squeezed = |text: &str| text.to_lowercase().replace(['_', '.'], "");
            let word = squeezed(rest.strip_suffix("_FILE").unwrap_or(rest));
            if let Some(key) = keys.iter().find(|key| squeezed(key) == word) {
                return Err(ConfigError::Unknown {
                    name: name.clone(),
                    origin: None,
                    nearest: Some(variable(key)),
                });
            }
            let all = keys.iter().map(|key| variable(key));
            let plain = PLAIN.iter().map(|(name, _)| (*name).to_owned());
            let others = OTHERS.iter().map(|name| (*name).to_owned());
            let all: Vec<String> = all.chain(plain).chain(others).collect();
            let hint = nearest(&upper, &all).map(|near| format!("; did you mean {near}?"));
            let hint = hint.unwrap_or_default();
            warnings.push(format!("unknown variable {name}{hint}"));
        }
        Ok(warnings)
    }
}

/// The plain name of which a variable without our prefix is a misspelling: the same letters with
/// other underscores, or two letters different.
fn misspelt(name: &str) -> Option<&'static str> {
    let bare = |name: &str| name.replace(['_', '-'], "");
    let name = bare(name.strip_suffix("_FILE").unwrap_or(name));
    let plain = PLAIN.iter().map(|(plain, _)| *plain);
    let far = plain.map(|plain| (strsim::damerau_levenshtein(&name, &bare(plain)), plain));
    let (far, nearest) = far.min_by_key(|(far, _)| *far)?;
    (far <= 2).then_some(nearest)
}

/// The variables that Kubernetes sets for a service named `hookherd`.
fn is_of_cluster(rest: &str) -> bool {
    rest == "PORT" || rest.starts_with("PORT_") || rest.starts_with("SERVICE_")
}

/// The variable that names a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn unknown(name: &str, key: &str, keys: &[String]) -> ConfigError {
    ConfigError::Unknown {
        name: name.to_owned(),
        origin: None,
        nearest: nearest(key, keys).map(|key| variable(&key)),
    }
}
