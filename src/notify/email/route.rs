//! What the address of a sink for e-mail says: the server, the user, the sender and the recipients.

use crate::domain::net::hostname::normalised;
use crate::notify::deliver::Unfit;
use crate::notify::error::{ADDRESS_BYTES_MAX, AddressError};
use crate::notify::host::Host;
use crate::notify::smtp::Server;
use crate::notify::stored::unfit;
use lettre::Address;
use url::Url;

/// Most recipients of a sink: more are a mailing list, which has an address of its own.
const RECIPIENTS_MAX: usize = 20;
/// Longest part of an address of a person before the `@`, in bytes. RFC 5321, section 4.5.3.1.
const LOCAL_BYTES_MAX: usize = 64;

/// What an address says.
pub(super) struct Route {
    pub server: Server,
    /// Who signs in.
    pub user: Option<String>,
    pub from: Address,
    pub to: Vec<Address>,
}

/// Bytes that are written as `%xx`, as text. `None` when it is none.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let byte = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        bytes.push(byte);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(char::is_control)).then_some(text)
}

/// An address of a person, without a name, comments and quotes.
fn person(text: &str) -> Option<Address> {
    let (local, domain) = text.rsplit_once('@')?;
    let is_atom = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_atom);
    let is_local = local.len() <= LOCAL_BYTES_MAX && local.split('.').all(is_part);
    Address::new(local, normalised(domain)?)
        .ok()
        .filter(|_| is_local)
}

/// The persons of a list.
fn people(text: &str) -> Result<Vec<Address>, Unfit> {
    let mut found = Vec::new();
    for one in text.split(',') {
        let Some(person) = person(one) else {
            let why = "expected e-mail addresses after to=, as in ann@example.org,bob@example.org";
            return Err(unfit("url", why));
        };
        if !found.contains(&person) {
            found.push(person);
        }
    }
    if found.len() > RECIPIENTS_MAX {
        let why = format!("expected at most {RECIPIENTS_MAX} recipients; use a mailing list");
        return Err(unfit("url", why));
    }
    Ok(found)
}

/// The value of one name of a query, of names that are known.
fn query_of(url: &Url, name: &str) -> Option<String> {
    let pairs = url.query().unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    values.next().and_then(decoded)
}

/// The server of an address.
fn server(url: &Url) -> Result<Server, Unfit> {
    let is_implicit = url.scheme() == "smtps";
    let host = url.host_str().and_then(Host::parse);
    let port = url.port().unwrap_or(if is_implicit { 465 } else { 587 });
    if port == 25 {
        let why = "port 25 is for mail between servers; use smtps:// (465) or smtp:// (587)";
        return Err(unfit("url", why));
    }
    let host = host.ok_or_else(|| unfit("url", AddressError::Host.to_string()))?;
    Ok(Server {
        host: host.to_string(),
        port,
        is_implicit,
    })
}

impl Route {
    /// What an address says. It is not checked whether its server may be called.
    pub fn parse(text: &str) -> Result<Self, Unfit> {
        const EXPECTED: &str = "expected smtps:// (TLS) or smtp:// (STARTTLS), the user, the \
            server, and the recipients, as in \
            smtps://ci%40example.org@mail.example.org?to=ann@example.org";
        let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
        if text.len() > ADDRESS_BYTES_MAX || text.contains(is_bad) {
            return Err(unfit("url", EXPECTED));
        }
        let url = Url::parse(text).map_err(|_| unfit("url", EXPECTED))?;
        let is_bare = matches!(url.path(), "" | "/") && url.fragment().is_none();
        let names = url.query().unwrap_or_default().split('&');
        let mut names: Vec<&str> = names
            .map(|pair| pair.split('=').next().unwrap_or(""))
            .collect();
        names.sort_unstable();
        let is_known = names == ["to"] || names == ["from", "to"];
        if !["smtp", "smtps"].contains(&url.scheme()) || !is_bare || !is_known {
            return Err(unfit("url", EXPECTED));
        }
        if url.password().is_some() {
            let why = "leave the password out of the address: it is the key";
            return Err(unfit("url", why));
        }
        let server = server(&url)?;
        let user = decoded(url.username()).ok_or_else(|| unfit("url", EXPECTED))?;
        let user = Some(user).filter(|user| !user.is_empty());
        let to = query_of(&url, "to").ok_or_else(|| unfit("url", EXPECTED))?;
        let from = query_of(&url, "from").or_else(|| user.clone());
        let Some(from) = from.as_deref().and_then(person) else {
            let why = "the user is no e-mail address: add the sender, as in &from=ci@example.org";
            return Err(unfit("url", why));
        };
        let to = people(&to)?;
        Ok(Self {
            server,
            user,
            from,
            to,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::deliver::Wish;
    use crate::notify::email::{PASSWORD_BYTES_MAX, prepare};
    use crate::notify::tests::samples::closed;

    fn entered(url: &str, secret: Option<&str>) -> Result<String, Unfit> {
        let (url, secret) = (Some(url.to_owned()), secret.map(str::to_owned));
        let wish = Wish { url, secret };
        prepare(&closed(), &wish).map(|prepared| prepared.host)
    }

    /// Addresses, and what is said of each.
    const BAD: &[(&str, &str)] = &[
        ("", "expected smtps://"),
        ("https://h.example?to=a@x.example", "expected smtps://"),
        ("smtps://h.example", "expected smtps://"),
        (
            "smtps://h.example?to=a@x.example&cc=b@x.example",
            "expected smtps://",
        ),
        (
            "smtps://h.example?to=a@x.example&to=b@x.example",
            "expected smtps://",
        ),
        ("smtps://h.example/x?to=a@x.example", "expected smtps://"),
        ("smtps://h.example?to=a@x.example#x", "expected smtps://"),
        ("smtps://u:canary@h.example?to=a@x.example", "it is the key"),
        ("smtps://ci@h.example?to=a@x.example", "add the sender"),
        ("smtps://h.example?to=a@x.example", "add the sender"),
        (
            "smtps://a@x.example@h.example?to=",
            "expected e-mail addresses",
        ),
        (
            "smtps://a@x.example@h.example?to=ann",
            "expected e-mail addresses",
        ),
        (
            "smtps://a@x.example@h.example?to=a@x.example,",
            "expected e-mail addresses",
        ),
        (
            "smtps://a@x.example@h.example?to=a%0D%0AX-Y:%201@x.example",
            "expected smtps://",
        ),
        (
            "smtps://a@x.example@h.example?to=%22a%20b%22@x.example",
            "expected e-mail addresses",
        ),
        (
            "smtps://a@x.example@h.example?to=a..b@x.example",
            "expected e-mail addresses",
        ),
        (
            "smtps://a@x.example@h.example?to=a@x.example>,b@x.example",
            "expected e-mail",
        ),
        ("smtp://a@x.example@h.example:25?to=a@x.example", "port 25"),
        (
            "smtp://a@x.example@h.example:26?to=a@x.example",
            "Port 26 of h.example",
        ),
        (
            "smtp://a@x.example@10.0.0.1?to=a@x.example",
            "not of the internet (private)",
        ),
        (
            "smtp://a@x.example@0x7f.1?to=a@x.example",
            "not of the internet (loopback)",
        ),
        (
            "smtp://a@x.example@[::1]?to=a@x.example",
            "not of the internet (loopback)",
        ),
        (
            "smtp://a@x.example@localhost?to=a@x.example",
            "not of the internet (loopback)",
        ),
    ];

    #[test]
    fn an_address_names_the_server_the_user_the_sender_and_the_recipients() {
        let key = Some("canary");
        for (url, place) in [
            (
                "smtps://ci%40example.org@mail.example.org?to=ann@example.org",
                "mail.example.org",
            ),
            (
                "smtps://ci@example.org@mail.example.org:465/?to=ann@example.org",
                "mail.example.org",
            ),
            (
                "smtp://ci@mail.example.org?from=ci@example.org&to=a+b@x.example,c@x.example",
                "mail.example.org",
            ),
            (
                "smtp://ci@Mail.Example.org:2525?to=a@x.example&from=ci%2Bx@example.org",
                "mail.example.org:2525",
            ),
        ] {
            assert_eq!(entered(url, key).unwrap(), place, "{url}");
        }
        let route =
            "smtp://a%3Ab%25@h.example:587?from=x@y.example&to=a%2Bb@x.example,a%2bb@X.example";
        let route = Route::parse(route).ok().unwrap();
        assert_eq!(route.user.as_deref(), Some("a:b%"));
        let to: Vec<String> = route.to.iter().map(ToString::to_string).collect();
        assert_eq!(to, ["a+b@x.example"]);
        // A server in the own network may want no password.
        assert!(
            entered(
                "smtp://mail.example.org?to=a@x.example&from=b@x.example",
                None
            )
            .is_ok()
        );
    }

    #[test]
    fn what_is_no_such_address_is_refused_in_words() {
        let many: Vec<String> = (0..=RECIPIENTS_MAX)
            .map(|n| format!("a{n}@x.example"))
            .collect();
        let many = format!("smtps://a@x.example@h.example?to={}", many.join(","));
        let too_many = (&*many, "at most 20 recipients");
        for (url, words) in BAD.iter().copied().chain([too_many]) {
            let why = entered(url, Some("canary")).unwrap_err();
            let shown = why.to_string();
            assert!(
                why.field == "url" && shown.contains(words),
                "{url}: {shown}"
            );
            assert!(!shown.contains("canary"), "{shown}");
        }
        let url = "smtps://a@x.example@h.example?to=a@x.example";
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        for secret in [None, Some(""), Some("a\r\nb"), Some(&*long)] {
            assert_eq!(
                entered(url, secret).unwrap_err().field,
                "secret",
                "{secret:?}"
            );
        }
        let open = "smtp://h.example?to=a@x.example&from=b@x.example";
        assert_eq!(entered(open, Some("x")).unwrap_err().field, "secret");
    }
}
