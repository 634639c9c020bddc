//! Providers, their hosts, and repositories.

use std::fmt;
use std::str::FromStr;

named! {
    /// The kind of provider, which determines the dialect.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum ProviderKind {
        /// github.com or a GitHub Enterprise Server.
        Github = "github",
        /// gitlab.com or a self-managed GitLab.
        Gitlab = "gitlab",
    }
}

impl ProviderKind {
    /// The name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitlab => "GitLab",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ProviderKind {
    type Err = RepoError;
    fn from_str(text: &str) -> Result<Self, RepoError> {
        Self::ALL
            .into_iter()
            .find(|p| p.as_str() == text)
            .ok_or(RepoError::UnknownProvider)
    }
}

/// Why a text is not a provider, host or repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepoError {
    /// Neither `github` nor `gitlab`.
    #[error("unknown provider: expected github or gitlab")]
    UnknownProvider,
    /// Not of the form `owner/name` (or `group/subgroup/name`).
    #[error("not a repository name: expected owner/name, each of letters, digits, '.', '_', '-'")]
    BadFullName,
    /// Not a host name with an optional port.
    #[error("not a host name")]
    BadHost,
}

/// One installation of a provider: a kind and the host it runs on, such as `github.com`.
///
/// Credentials are bound to it: a token is never sent to another instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance {
    /// The kind of provider.
    pub provider: ProviderKind,
    /// Host name in lower case, with `:port` when it is not the default one.
    pub host: Host,
}

/// A number for an installation: the same in every process and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(u128);

impl InstanceId {
    /// The number.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// The id with this number.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl Instance {
    /// Its number: FNV-1a of its text, of 128 bits. Operators choose the hosts, so that
    /// collisions are not looked for.
    pub fn id(&self) -> InstanceId {
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let text = self.to_string();
        let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        InstanceId(text.bytes().fold(OFFSET, step))
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.host)
    }
}

/// A host name in lower case with an optional port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

/// Longest host accepted: 253 for the name (RFC 1035) and a port.
const HOST_BYTES_MAX: usize = 260;

impl Host {
    /// The text of the host.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Host {
    type Err = RepoError;
    fn from_str(text: &str) -> Result<Self, RepoError> {
        let fits = (1..=HOST_BYTES_MAX).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        if fits {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(RepoError::BadHost)
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The provider's numeric id of a repository. Names are reused after a rename; this is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryId(pub u64);

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// `owner/name`, or `group/subgroup/name` where the provider nests. Case is kept; names are
/// compared by the provider's rules (both ignore case): compare [`FullName::folded`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FullName(String);

/// Longest full name accepted; GitLab allows 255 per segment.
const FULL_NAME_BYTES_MAX: usize = 1024;

impl FullName {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Everything before the last slash.
    pub fn owner(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(owner, _)| owner)
    }

    /// Everything after the last slash.
    pub fn name(&self) -> &str {
        self.0
            .rsplit_once('/')
            .map_or(self.0.as_str(), |(_, name)| name)
    }

    /// The form to compare and to index by: ASCII lower case.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for FullName {
    type Err = RepoError;
    fn from_str(text: &str) -> Result<Self, RepoError> {
        let segment_fits = |segment: &str| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        let fits = text.len() <= FULL_NAME_BYTES_MAX
            && text.contains('/')
            && text.split('/').all(segment_fits);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(RepoError::BadFullName)
        }
    }
}

impl fmt::Display for FullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository as the provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// The provider's numeric id.
    pub id: RepositoryId,
    /// Its current name; may differ from the requested one after a rename or transfer.
    pub full_name: FullName,
    /// Its default branch, if the provider reports one: an empty repository may have none.
    pub default_branch: Option<String>,
    /// Whether it is read-only; hooks of an archived repository cannot be changed.
    pub is_archived: bool,
    /// Whether the credential may manage hooks; `None` when the provider does not say.
    pub can_manage_hooks: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names_are_split_at_the_last_slash() {
        let nested: FullName = "group/sub/project".parse().unwrap();
        assert_eq!((nested.owner(), nested.name()), ("group/sub", "project"));
        let plain: FullName = "Octo/Repo.rs".parse().unwrap();
        assert_eq!((plain.owner(), plain.name()), ("Octo", "Repo.rs"));
        assert_eq!(plain.folded(), "octo/repo.rs");
    }

    #[test]
    fn names_that_could_change_a_url_are_refused() {
        for bad in [
            "", "o", "o/", "/r", "o//r", "o/..", "../r", "o/r?x=1", "o/r#", "o/r r", "o/r%2f",
        ] {
            assert_eq!(
                bad.parse::<FullName>(),
                Err(RepoError::BadFullName),
                "{bad}"
            );
        }
    }

    #[test]
    fn hosts_are_folded_and_checked() {
        assert_eq!("GitHub.COM".parse::<Host>().unwrap().as_str(), "github.com");
        assert_eq!(
            "127.0.0.1:8080".parse::<Host>().unwrap().as_str(),
            "127.0.0.1:8080"
        );
        for bad in ["", "a/b", "user@host", "a b"] {
            assert_eq!(bad.parse::<Host>(), Err(RepoError::BadHost), "{bad}");
        }
    }
}
