//! Where secrets come from: the environment, a file, or systemd's credentials.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Why a secret cannot be read. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read.
    #[error("{name}: cannot read {path}: {source}")]
    Unreadable {
        /// The name that led there.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read the file.
    #[error("{name}: {path} can be read by others; make it `chmod 600`")]
    TooOpen {
        /// The name that led there.
        name: String,
        /// The file.
        path: PathBuf,
    },
}

/// The permissions that a secret's file must not give to group and others.
const OTHERS: u32 = 0o077;

/// Looks up an environment variable.
type Variables = Box<dyn Fn(&str) -> Option<String>>;

/// The environment of a process.
pub(super) struct Secrets {
    variables: Variables,
    credentials: Option<PathBuf>,
}

impl Secrets {
    pub(super) fn of_process() -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            variables: Box::new(|name| std::env::var(name).ok()),
            credentials,
        }
    }

    /// A value that is no secret.
    pub(super) fn plain(&self, name: &str) -> Result<Option<String>, SecretsError> {
        Ok(self.find(name)?.map(|text| text.to_string()))
    }

    /// A secret by its plain name, else what the configuration file says.
    pub(super) fn secret(
        &self,
        name: &str,
        in_file: &str,
    ) -> Result<Option<Zeroizing<String>>, SecretsError> {
        let found = self.find(name)?;
        let otherwise = || Some(Zeroizing::new(in_file.to_owned())).filter(|text| !text.is_empty());
        Ok(found.or_else(otherwise))
    }

    fn find(&self, name: &str) -> Result<Option<Zeroizing<String>>, SecretsError> {
        if let Some(value) = (self.variables)(name) {
            return Ok(Some(Zeroizing::new(value)));
        }
        if let Some(path) = (self.variables)(&format!("{name}_FILE")) {
            return read(name, Path::new(&path), true).map(Some);
        }
        let in_systemd = self
            .credentials
            .as_ref()
            .map(|dir| dir.join(name.to_lowercase()));
        match in_systemd {
            // systemd guards its directory itself, by other means than modes.
            Some(path) if path.exists() => read(name, &path, false).map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

fn read(name: &str, path: &Path, guarded: bool) -> Result<Zeroizing<String>, SecretsError> {
    let unreadable = |source| {
        let (name, path) = (name.to_owned(), path.to_owned());
        SecretsError::Unreadable { name, path, source }
    };
    let mode = std::fs::metadata(path)
        .map_err(unreadable)?
        .permissions()
        .mode();
    if guarded && mode & OTHERS != 0 {
        let (name, path) = (name.to_owned(), path.to_owned());
        return Err(SecretsError::TooOpen { name, path });
    }
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(unreadable)?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(pairs: Vec<(String, String)>, credentials: Option<PathBuf>) -> Secrets {
        let find = move |name: &str| {
            pairs
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, v)| v.clone())
        };
        Secrets {
            variables: Box::new(find),
            credentials,
        }
    }

    fn file(dir: &Path, name: &str, mode: u32) -> PathBuf {
        let path = dir.join(name);
        std::fs::write(&path, "from a file\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_comes_from_the_first_place_that_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "key", 0o600).display().to_string();
        let both = vec![
            ("KEY".into(), "direct".into()),
            ("KEY_FILE".into(), path.clone()),
        ];
        let get = |s: Secrets| s.secret("KEY", "in file").unwrap().unwrap().to_string();
        assert_eq!(get(secrets(both, None)), "direct");
        assert_eq!(
            get(secrets(vec![("KEY_FILE".into(), path)], None)),
            "from a file"
        );
        assert_eq!(get(secrets(vec![], Some(dir.path().into()))), "from a file");
        assert_eq!(get(secrets(vec![], None)), "in file");
        assert!(secrets(vec![], None).secret("KEY", "").unwrap().is_none());
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = file(dir.path(), "key", 0o644).display().to_string();
        let error = secrets(vec![("KEY_FILE".into(), path)], None)
            .secret("KEY", "")
            .unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
