//! Where the daemon is and which token it is asked with: what was said on the command line, then
//! the environment, then the saved login.

use super::address::Address;
use super::failed::Failed;
use super::saved::{self, Login};
use std::fmt;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Where a daemon listens by default.
const URL_DEFAULT: &str = "http://127.0.0.1:8080";
/// Longest token file that is read.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Names the daemon.
pub(super) const URL: &str = "HOOKHERD_URL";
/// Holds the token.
pub(super) const TOKEN: &str = "HOOKHERD_TOKEN";
/// Names a file that holds the token.
pub(super) const TOKEN_FILE: &str = "HOOKHERD_TOKEN_FILE";

/// What was said on the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    pub(super) url: Option<String>,
    pub(super) token_file: Option<PathBuf>,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An option of the command line.
    Option(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
    /// The saved login.
    Saved,
    /// A person typed it in.
    Typed,
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) | Self::Variable(name) => f.write_str(name),
            Self::Typed => f.write_str("as typed in"),
            Self::Saved => f.write_str("the saved login"),
            Self::Default => write!(f, "the default; set {URL} or use --url"),
        }
    }
}

/// Everything that is needed to ask a daemon.
pub(super) struct Access {
    pub(super) address: Address,
    pub(super) address_from: Origin,
    pub(super) token: Zeroizing<String>,
    pub(super) token_from: Origin,
}

/// Variables of the environment; an empty one is as good as none.
pub(super) fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// The variables that are set, and so count before what is saved.
pub(super) fn in_the_way() -> Vec<&'static str> {
    let names = [URL, TOKEN, TOKEN_FILE].into_iter();
    names.filter(|name| variable(name).is_some()).collect()
}

/// A token as it may stand in a header: without the blanks and line ends around it.
pub(super) fn token_of(text: &str, origin: &str) -> Result<Zeroizing<String>, Failed> {
    let token = text.trim();
    if token.is_empty() {
        return Err(Failed::new(format!(
            "{origin} is empty: expected one line of text"
        )));
    }
    if !token.bytes().all(|b| b.is_ascii_graphic()) {
        let why = "expected one line of printable ASCII characters";
        return Err(Failed::new(format!("{origin} cannot be used: {why}")));
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Reads a token from a file, without the blanks and line ends around it.
pub(super) fn read_token_file(path: &Path) -> Result<Zeroizing<String>, Failed> {
    let shown = path.display();
    let failed = |error: std::io::Error| Failed::new(format!("cannot read {shown}: {error}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Zeroizing::new(String::new());
    let read = file
        .take(TOKEN_FILE_BYTES_MAX + 1)
        .read_to_string(&mut text);
    let read = read.map_err(failed)?;
    if u64::try_from(read).is_ok_and(|read| read > TOKEN_FILE_BYTES_MAX) {
        return Err(Failed::new(format!("{shown} is too large for a token")));
    }
    token_of(&text, &shown.to_string())
}

/// A secret that a user enters, without the blanks and line ends around it: from a file, or else
/// from standard input if `asks`, where a terminal asks for it under this name.
pub(super) fn secret_of(
    name: &str,
    from: Option<&Path>,
    asks: bool,
) -> Result<Option<Zeroizing<String>>, Failed> {
    if let Some(path) = from {
        return read_token_file(path).map(Some);
    }
    if !asks {
        return Ok(None);
    }
    if std::io::stdin().is_terminal() {
        let ask = dialoguer::Password::new().with_prompt(name);
        let text = Zeroizing::new(ask.interact()?);
        return token_of(&text, "the input").map(Some);
    }
    let mut text = Zeroizing::new(String::new());
    let mut input = std::io::stdin().take(TOKEN_FILE_BYTES_MAX);
    input.read_to_string(&mut text)?;
    token_of(&text, "standard input").map(Some)
}

/// The daemon's address, and where it was named.
fn address(
    said: &Said,
    variable: &dyn Fn(&str) -> Option<String>,
    login: Option<&Login>,
) -> Result<(Address, Origin), Failed> {
    let (text, origin) = if let Some(url) = &said.url {
        (url.clone(), Origin::Option("--url"))
    } else if let Some(url) = variable(URL) {
        (url, Origin::Variable(URL))
    } else if let Some(login) = login {
        (login.url.clone(), Origin::Saved)
    } else {
        (URL_DEFAULT.to_owned(), Origin::Default)
    };
    Ok((Address::parse(&text)?, origin))
}

/// The token that was said or set, if any.
fn token(
    said: &Said,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<(Zeroizing<String>, Origin)>, Failed> {
    if let Some(path) = &said.token_file {
        return Ok(Some((
            read_token_file(path)?,
            Origin::Option("--token-file"),
        )));
    }
    if let Some(text) = variable(TOKEN) {
        return Ok(Some((token_of(&text, TOKEN)?, Origin::Variable(TOKEN))));
    }
    let Some(path) = variable(TOKEN_FILE) else {
        return Ok(None);
    };
    let token = read_token_file(Path::new(&path))?;
    Ok(Some((token, Origin::Variable(TOKEN_FILE))))
}

/// Puts together what was said, set and saved. A saved token goes to no other address than the
/// one that it was saved with.
fn resolve(
    said: &Said,
    variable: &dyn Fn(&str) -> Option<String>,
    saved: impl FnOnce() -> Result<Option<Login>, Failed>,
) -> Result<Access, Failed> {
    let given = token(said, variable)?;
    let is_named = said.url.is_some() || variable(URL).is_some();
    // The file is not even looked at when nothing of it is needed.
    let login = if given.is_some() && is_named {
        None
    } else {
        saved()?
    };
    let (address, address_from) = address(said, variable, login.as_ref())?;
    if let Some((token, token_from)) = given {
        return Ok(Access {
            address,
            address_from,
            token,
            token_from,
        });
    }
    let Some(login) = login else {
        let words = format!(
            "no API token: run `hookherd auth login`, set {TOKEN} or {TOKEN_FILE}, or use \
             --token-file FILE"
        );
        return Err(Failed::new(words).coded("no_token"));
    };
    if Address::parse(&login.url)? != address {
        let words = format!(
            "the saved login is for {}, but {address_from} is {address}: set {TOKEN}, or run \
             `hookherd auth login` for that address",
            login.url
        );
        return Err(Failed::new(words).coded("no_token"));
    }
    let token = token_of(&login.token, "the saved login")?;
    Ok(Access {
        address,
        address_from,
        token,
        token_from: Origin::Saved,
    })
}

impl Said {
    /// The daemon and the token that hold for this process.
    pub(super) fn access(&self) -> Result<Access, Failed> {
        resolve(self, &variable, saved::load)
    }

    /// The daemon that was said or set, whatever is saved.
    pub(super) fn address_before_login(&self) -> Result<(Address, Origin), Failed> {
        address(self, &variable, None)
    }

    /// The token in the file that the command line names.
    pub(super) fn token_of_option(&self) -> Result<Option<(Zeroizing<String>, Origin)>, Failed> {
        match &self.token_file {
            Some(_) => token(self, &|_| None),
            None => Ok(None),
        }
    }

    /// Whether there is a token for a daemon.
    pub(super) fn has_token(&self) -> bool {
        self.token_file.is_some()
            || [TOKEN, TOKEN_FILE]
                .iter()
                .any(|name| variable(name).is_some())
            || saved::exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        url: Option<&str>,
        set: &[(&str, &str)],
        login: Option<(&str, &str)>,
    ) -> Result<(String, String), Failed> {
        let said = Said {
            url: url.map(str::to_owned),
            token_file: None,
        };
        let variable = |name: &str| {
            let found = set.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let login = login.map(|(url, token)| Login {
            url: url.into(),
            token: token.to_owned().into(),
        });
        let access = resolve(&said, &variable, || Ok(login))?;
        let from = (
            access.address_from.to_string(),
            access.token_from.to_string(),
        );
        assert!(!from.0.is_empty() && !from.1.is_empty());
        Ok((access.address.to_string(), (*access.token).clone()))
    }

    fn pair(address: &str, token: &str) -> (String, String) {
        (address.into(), token.into())
    }

    #[test]
    fn what_is_said_counts_before_what_is_set_and_that_before_what_is_saved() {
        let saved = Some(("https://saved.example", "hhk_saved"));
        let set = [(URL, "https://set.example/"), (TOKEN, "hhk_set")];
        let said = found(Some("https://said.example"), &set, saved).unwrap();
        assert_eq!(said, pair("https://said.example", "hhk_set"));
        assert_eq!(
            found(None, &set, saved).unwrap(),
            pair("https://set.example", "hhk_set")
        );
        let here = found(None, &set[1..], None).unwrap();
        assert_eq!(here, pair(URL_DEFAULT, "hhk_set"));
        let kept = found(None, &[], saved).unwrap();
        assert_eq!(kept, pair("https://saved.example", "hhk_saved"));
    }

    #[test]
    fn a_saved_token_goes_nowhere_else() {
        let saved = Some(("https://saved.example/", "hhk_saved"));
        let same = found(Some("https://SAVED.example"), &[], saved).unwrap();
        assert_eq!(same.1, "hhk_saved");
        let other = found(Some("https://other.example"), &[], saved).unwrap_err();
        assert!(other.to_string().contains("saved.example"), "{other}");
        assert!(!other.to_string().contains("hhk_"), "{other}");
        let none = found(None, &[], None).unwrap_err();
        assert!(none.to_string().contains(TOKEN), "{none}");
    }

    #[test]
    fn what_cannot_be_a_token_is_told_without_showing_it() {
        assert_eq!(*token_of(" hhk_1\r\n", "x").unwrap(), "hhk_1");
        for (text, says) in [
            ("", "empty"),
            (" \n", "empty"),
            ("a b", "one line"),
            ("ü", "ASCII"),
        ] {
            let words = token_of(text, "x").unwrap_err().to_string();
            assert!(words.contains(says), "{text}: {words}");
        }
        let words = token_of("hhk_1\nhhk_2", "x").unwrap_err().to_string();
        assert!(!words.contains("hhk_"), "{words}");
    }
}
