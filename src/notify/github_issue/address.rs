//! What the address of a sink for issues says: the repository in the API, and the label.

use crate::domain::repo::FullName;
use crate::domain::text::clean;

/// The label of issues, if none is entered.
const LABEL: &str = "hookherd";
/// Longest label, in characters. <https://docs.github.com/rest/issues/labels#create-a-label>
const LABEL_CHARS_MAX: usize = 50;

/// What an address says.
pub(super) struct Place<'a> {
    /// The address of the repository in the API.
    pub url: &'a str,
    /// The repository.
    pub name: FullName,
    /// The label of its issues.
    pub label: String,
}

impl<'a> Place<'a> {
    /// Reads an address, as it was entered.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (url, query) = text.split_once('?').unwrap_or((text, ""));
        let url = url.trim_end_matches('/');
        let (_, rest) = url.split_once("://")?;
        let mut parts = rest.rsplit('/');
        let (name, owner, repos) = (parts.next()?, parts.next()?, parts.next()?);
        // What is left is the host, and possibly a path.
        let is_there = repos == "repos" && parts.next().is_some_and(|part| !part.is_empty());
        let name: FullName = format!("{owner}/{name}").parse().ok()?;
        let label = label_in(query)?;
        is_there.then_some(Self { url, name, label })
    }
}

fn label_in(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let label = match (pairs.next(), pairs.next()) {
        (None, _) => LABEL.to_owned(),
        (Some((name, value)), None) if name == "label" => value.into_owned(),
        (Some(_), _) => return None,
    };
    // A comma is between labels where they are looked for.
    let is_fit = label.chars().count() <= LABEL_CHARS_MAX && !label.contains(',');
    (is_fit && clean(&label, LABEL_CHARS_MAX * 4).as_ref() == Some(&label)).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::super::prepare;
    use super::*;
    use crate::notify::deliver::Wish;
    use crate::notify::tests::samples::closed;

    #[test]
    fn an_address_names_a_repository_in_the_api_and_a_label() {
        for (text, url, label) in [
            ("https://api.github.com/repos/octo/app", "", "hookherd"),
            ("https://api.github.com/repos/octo/app/", "", "hookherd"),
            ("https://api.github.com/repos/octo/app?label=ci", "", "ci"),
            (
                "https://ghe.example/api/v3/repos/octo/app?label=CI%20alarm",
                "https://ghe.example/api/v3/repos/octo/app",
                "CI alarm",
            ),
        ] {
            let place = Place::parse(text).unwrap();
            let expected = if url.is_empty() {
                "https://api.github.com/repos/octo/app"
            } else {
                url
            };
            assert_eq!((place.url, place.label.as_str()), (expected, label));
            assert_eq!(place.name.as_str(), "octo/app");
        }
    }

    #[test]
    fn what_is_no_repository_in_the_api_is_refused_and_a_token_is_needed() {
        let entered = |url: &str, secret: Option<&str>| {
            let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
            let wish = Wish { url, secret };
            prepare(&closed(), &wish).map(|prepared| prepared.host)
        };
        let (url, token) = (
            "https://api.github.com/repos/octo/app",
            Some("github_pat_x"),
        );
        assert_eq!(entered(url, token).unwrap(), "api.github.com");
        let long = format!("{url}?label={}", "x".repeat(51));
        for url in [
            "",
            "octo/app",
            "https://github.com/octo/app",
            "https://api.github.com/octo/app",
            "https://api.github.com/repos/octo",
            "https://api.github.com/repos/octo/app/issues",
            "https://api.github.com/repos/../app",
            "https://api.github.com/repos/octo/a pp",
            "https://api.github.com/repos/octo/app#x",
            "https://api.github.com/repos/octo/app?label=",
            "https://api.github.com/repos/octo/app?label=a,b",
            "https://api.github.com/repos/octo/app?label=a%0Ab",
            "https://api.github.com/repos/octo/app?label=a&label=b",
            "https://api.github.com/repos/octo/app?token=x",
            "http://api.github.com/repos/octo/app",
            "https://10.0.0.1/repos/octo/app",
            "https://repos/octo/app",
            &long,
        ] {
            assert_eq!(entered(url, token).unwrap_err().field, "url", "{url}");
        }
        for secret in [None, Some(""), Some("a b")] {
            assert_eq!(entered(url, secret).unwrap_err().field, "secret");
        }
    }
}
