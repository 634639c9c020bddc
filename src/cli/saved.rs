//! The saved login: one file that only its owner may read.

use super::failed::Failed;
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Our directory below the user's configuration.
const DIR: &str = "hookherd";
/// The file in it.
const FILE: &str = "login.json";
/// Longest file that is read.
const BYTES_MAX: u64 = 64 * 1024;
/// Rights of others than the owner.
const OTHERS: u32 = 0o077;

/// A daemon and a token for it.
pub(super) struct Login {
    pub(super) url: String,
    pub(super) token: Zeroizing<String>,
}

/// Where the login is saved; `None` where there is no home.
pub(super) fn path() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let value = std::env::var_os(name).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    let config = absolute("XDG_CONFIG_HOME");
    let config = config.or_else(|| Some(absolute("HOME")?.join(".config")));
    Some(config?.join(DIR).join(FILE))
}

/// Whether something is saved, readable or not.
pub(super) fn exists() -> bool {
    path().is_some_and(|path| path.symlink_metadata().is_ok())
}

/// The saved login.
pub(super) fn load() -> Result<Option<Login>, Failed> {
    path().map_or(Ok(None), |path| load_from(&path))
}

fn load_from(path: &Path) -> Result<Option<Login>, Failed> {
    let shown = path.display();
    let bad = |why: &str| Failed::new(format!("the saved login {shown} {why}")).coded("bad_login");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => {
            return Err(bad("is a symbolic link, which is not followed"));
        }
        Err(error) => return Err(bad(&format!("cannot be read: {error}"))),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(bad("is not a file"));
    }
    if about.permissions().mode() & OTHERS != 0 {
        return Err(bad(
            "can be read by others: run `chmod 600` on it, and replace the token",
        ));
    }
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != me && me != 0 {
        return Err(bad("belongs to another user"));
    }
    let mut text = Zeroizing::new(String::new());
    let read = file.take(BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| bad(&format!("cannot be read: {error}")))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|_| bad("is damaged: run `hookherd auth login` again"))?;
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    match (field("url"), field("token")) {
        (Some(url), Some(token)) => Ok(Some(Login {
            url,
            token: token.into(),
        })),
        (Some(_) | None, _) => Err(bad("is damaged: run `hookherd auth login` again")),
    }
}

/// Saves a login in place of the one before, whole or not at all.
pub(super) fn save(login: &Login) -> Result<PathBuf, Failed> {
    let none = "cannot save a login: set HOME or XDG_CONFIG_HOME";
    let path = path().ok_or_else(|| Failed::new(none))?;
    save_to(&path, login)?;
    Ok(path)
}

fn save_to(path: &Path, login: &Login) -> Result<(), Failed> {
    let failed = |error: std::io::Error| {
        Failed::new(format!(
            "cannot save the login in {}: {error}",
            path.display()
        ))
    };
    let dir = path.parent().unwrap_or(path);
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(dir).map_err(failed)?;
    // A new file is 0600 from its first moment, and takes the name only when it is whole.
    let mut file = tempfile::NamedTempFile::new_in(dir).map_err(failed)?;
    let value = json!({ "url": login.url, "token": *login.token });
    let text = Zeroizing::new(value.to_string());
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Forgets the saved login; whether there was one.
pub(super) fn forget() -> Result<bool, Failed> {
    let Some(path) = path() else {
        return Ok(false);
    };
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => {
            let words = format!("cannot remove {}: {error}", path.display());
            Err(Failed::new(words))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            url: "https://h.example".into(),
            token: "hhk_canary".to_owned().into(),
        }
    }

    fn refused(path: &Path) -> String {
        match load_from(path) {
            Ok(_) => panic!("it was read"),
            Err(failed) => failed.to_string(),
        }
    }

    #[test]
    fn a_login_is_saved_for_its_owner_alone_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/hookherd").join(FILE);
        assert!(load_from(&path).unwrap().is_none());
        for _ in 0..2 {
            save_to(&path, &login()).unwrap();
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let found = load_from(&path).unwrap().unwrap();
        assert_eq!(
            (found.url.as_str(), found.token.as_str()),
            ("https://h.example", "hhk_canary")
        );
        assert_eq!(
            path.parent().unwrap().read_dir().unwrap().count(),
            1,
            "nothing is left over"
        );
    }

    #[test]
    fn a_file_that_others_read_a_link_a_pipe_and_damage_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        save_to(&path, &login()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(refused(&path).contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(refused(&link).contains("symbolic link"));
        save_to(&link, &login()).unwrap();
        assert!(
            link.symlink_metadata().unwrap().is_file(),
            "the link is replaced, not followed"
        );
        std::fs::write(&path, "{\"url\":\"hhk_canary\"").unwrap();
        let words = refused(&path);
        assert!(
            words.contains("damaged") && !words.contains("canary"),
            "{words}"
        );
        assert!(refused(dir.path()).contains("not a file"));
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(refused(&pipe).contains("not a file"));
    }
}
