//! A repository or a connection as people name it: `OWNER/REPO`, a URL that was copied from a
//! browser or from `git remote -v`, or a connection's id.

pub(super) mod find;

use super::failed::Failed;
use crate::domain::id::ConnectionId;
use crate::domain::repo::FullName;
use url::Url;

/// Hosts that serve `git` over SSH for another one.
const SSH_HOSTS: [(&str, &str); 2] = [
    ("ssh.github.com", "github.com"),
    ("altssh.gitlab.com", "gitlab.com"),
];

/// What was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// A connection, by our id.
    Id(String),
    /// A repository.
    Repository(Place),
}

/// A repository by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The host that the text names, perhaps with a port.
    pub(super) host: Option<String>,
    /// The path that the text names, cut where its page begins when that is known. A page of
    /// a repository has its name in front.
    pub(super) path: String,
    /// Whether more than the name may follow in the path: it was copied from a browser.
    pub(super) has_tail: bool,
}

fn bad(text: &str) -> Failed {
    let words =
        format!("`{text}` is not a repository: expected OWNER/REPO, its URL, or a connection id");
    Failed::new(words).coded("bad_reference")
}

/// The host that is meant, in lower case.
fn host_of(host: &str, port: Option<u16>) -> String {
    let host = host.to_ascii_lowercase();
    let host = host.strip_prefix("www.").unwrap_or(&host);
    let host = SSH_HOSTS
        .iter()
        .find(|(ssh, _)| *ssh == host)
        .map_or(host, |(_, host)| host);
    match port {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A path without what stands around the name: slashes, GitLab's `/-/` pages, `.git`.
fn name_in(path: &str) -> &str {
    let path = path.split_once("/-/").map_or(path, |(name, _)| name);
    let path = path.trim_matches('/');
    let path = path.strip_suffix("/-").unwrap_or(path);
    path.strip_suffix(".git")
        .unwrap_or(path)
        .trim_end_matches('/')
}

impl Place {
    fn new(host: Option<String>, path: &str, has_tail: bool, text: &str) -> Result<Self, Failed> {
        let path = name_in(path).to_owned();
        let name: Result<FullName, _> = path.parse();
        name.map_err(|_| bad(text))?;
        Ok(Self {
            host,
            path,
            has_tail,
        })
    }

    /// The names that may be meant, the longest first.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = vec![self.path.as_str()];
        if self.has_tail {
            let ends = self.path.match_indices('/').skip(1).map(|(at, _)| at);
            names.extend(
                ends.collect::<Vec<_>>()
                    .into_iter()
                    .rev()
                    .map(|at| &self.path[..at]),
            );
        }
        names
    }

    /// The name at a provider whose repositories have an owner and a name and nothing more.
    pub(super) fn owner_and_name(&self) -> &str {
        match self.path.match_indices('/').nth(1) {
            Some((at, _)) if self.has_tail => &self.path[..at],
            Some(_) | None => &self.path,
        }
    }
}

impl Reference {
    /// Understands a text.
    pub(super) fn parse(text: &str) -> Result<Self, Failed> {
        let text = text.trim();
        if text.parse::<ConnectionId>().is_ok() {
            return Ok(Self::Id(text.to_owned()));
        }
        // What git calls an scp-like address: user@host:path.
        let scp = text.split_once('@').and_then(|(user, rest)| {
            let is_user = !user.is_empty() && !user.contains(['/', ':']);
            rest.split_once(':').filter(|_| is_user)
        });
        if let Some((host, path)) = scp.filter(|_| !text.contains("://")) {
            return Place::new(Some(host_of(host, None)), path, false, text).map(Self::Repository);
        }
        if !text.contains("://") {
            return Self::without_scheme(text);
        }
        let url = Url::parse(text.strip_prefix("git+").unwrap_or(text)).map_err(|_| bad(text))?;
        let host = url.host_str().ok_or_else(|| bad(text))?;
        let is_web = matches!(url.scheme(), "http" | "https");
        if !is_web && !matches!(url.scheme(), "ssh" | "git") {
            return Err(bad(text));
        }
        // The port of SSH says nothing of the provider's own.
        let host = host_of(host, url.port().filter(|_| is_web));
        Place::new(Some(host), url.path(), is_web, text).map(Self::Repository)
    }

    /// `OWNER/REPO`, or a URL whose scheme was left out: `github.com/OWNER/REPO`.
    fn without_scheme(text: &str) -> Result<Self, Failed> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let (first, rest) = path
            .trim_start_matches('/')
            .split_once('/')
            .ok_or_else(|| bad(text))?;
        let is_host = first.contains('.') || first.contains(':') || first == "localhost";
        if is_host && rest.trim_matches('/').contains('/') {
            let (host, port) = match first.split_once(':') {
                Some((host, port)) => (host, Some(port.parse().map_err(|_| bad(text))?)),
                None => (first, None),
            };
            return Place::new(Some(host_of(host, port)), rest, true, text).map(Self::Repository);
        }
        Place::new(None, path, false, text).map(Self::Repository)
    }
}

/// The name of a repository, out of whatever names it, or a pattern such as `octo/*`. An id names
/// a connection.
pub(super) fn name_of(text: Option<&str>) -> Result<Option<String>, Failed> {
    let Some(text) = text else {
        return Ok(None);
    };
    // A pattern is the daemon's to understand.
    if text.contains('*') {
        return Ok(Some(text.trim().to_owned()));
    }
    match Reference::parse(text)? {
        Reference::Repository(place) if is_flat(&place) => {
            Ok(Some(place.owner_and_name().to_owned()))
        }
        Reference::Repository(place) => Ok(Some(place.path)),
        Reference::Id(_) => Err(bad(text)),
    }
}

/// Whether the host is known for repositories with an owner and a name only.
fn is_flat(place: &Place) -> bool {
    place.host.as_deref() == Some("github.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: Option<&str>, path: &str, has_tail: bool) -> Reference {
        Reference::Repository(Place {
            host: host.map(str::to_owned),
            path: path.into(),
            has_tail,
        })
    }

    #[test]
    fn repositories_are_understood_as_people_name_them() {
        let (hub, lab) = (Some("github.com"), Some("gitlab.com"));
        for (text, meant) in [
            ("octo/app", place(None, "octo/app", false)),
            (" octo/app/\n", place(None, "octo/app", false)),
            ("/Octo/App.git", place(None, "Octo/App", false)),
            ("g/sub/deep/app", place(None, "g/sub/deep/app", false)),
            ("https://github.com/octo/app", place(hub, "octo/app", true)),
            (
                "HTTPS://GitHub.com/Octo/App.git/",
                place(hub, "Octo/App", true),
            ),
            (
                "https://www.github.com/octo/app/?tab=readme#x",
                place(hub, "octo/app", true),
            ),
            (
                "https://user:pw@github.com/octo/app.git",
                place(hub, "octo/app", true),
            ),
            ("github.com/octo/app", place(hub, "octo/app", true)),
            ("git@github.com:octo/app.git", place(hub, "octo/app", false)),
            (
                "ssh://git@ssh.github.com:443/octo/app.git",
                place(hub, "octo/app", false),
            ),
            (
                "git+ssh://git@github.com/octo/app.git",
                place(hub, "octo/app", false),
            ),
            ("git@gitlab.com:g/s/app.git", place(lab, "g/s/app", false)),
            (
                "https://gitlab.com/g/s/app/-/settings/integrations",
                place(lab, "g/s/app", true),
            ),
            ("https://gitlab.com/g/s/app/-/", place(lab, "g/s/app", true)),
            (
                "http://127.0.0.1:8099/o/r",
                place(Some("127.0.0.1:8099"), "o/r", true),
            ),
            (
                "git.corp:8443/o/r",
                place(Some("git.corp:8443"), "o/r", true),
            ),
            ("my.group/app", place(None, "my.group/app", false)),
        ] {
            assert_eq!(Reference::parse(text).unwrap(), meant, "{text}");
        }
        let id = "con_01krjbjp8f0000000000000000";
        assert_eq!(Reference::parse(id).unwrap(), Reference::Id(id.into()));
    }

    #[test]
    fn what_names_nothing_is_told() {
        for text in [
            "",
            "app",
            "../users",
            "octo/..",
            "o//r",
            "con_1",
            "https://github.com/octo",
            "https://github.com/",
            "ftp://h/o/r",
            "octo/a b",
            "octo/app\u{202e}",
            "a:b/c",
        ] {
            let failed = Reference::parse(text);
            assert_eq!(failed.unwrap_err().code(), Some("bad_reference"), "{text}");
        }
    }

    #[test]
    fn of_a_page_the_names_in_front_are_tried() {
        let parsed = Reference::parse("https://github.com/octo/app/pull/12/files").unwrap();
        let Reference::Repository(place) = parsed else {
            panic!("no repository");
        };
        let names = [
            "octo/app/pull/12/files",
            "octo/app/pull/12",
            "octo/app/pull",
            "octo/app",
        ];
        assert_eq!(place.names(), names);
        assert_eq!(place.owner_and_name(), "octo/app");
        let short = name_of(Some("https://github.com/octo/app/pull/12")).unwrap();
        assert_eq!(short.as_deref(), Some("octo/app"));
    }
}
