//! What binds a sign-in to the browser that began it, and where that browser may continue.

use actix_web::HttpRequest;
use actix_web::http::header::COOKIE;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;
use url::Url;

/// How long a user may take to agree in the browser; a code lives as long at GitHub.
pub(super) const STATE_LIFE: Duration = Duration::from_mins(10);
/// Longest path to continue at.
const TARGET_BYTES_MAX: usize = 512;
/// Hexadecimal digits of a state's hash that stand in the cookie's name: sign-ins in several tabs
/// do not disturb each other.
const TAG_DIGITS: usize = 16;

/// The S256 challenge of a verifier.
pub(in crate::api) fn challenge(verifier: &str) -> String {
    BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()))
}

/// A path of our own to continue at. Cannot be made of anything that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Target(String);

impl Target {
    /// A target from its text; `None` unless every browser takes it for a path of this origin.
    pub(in crate::api) fn parse(text: &str, public_url: &str) -> Option<Self> {
        // Browsers take `\` for `/`, and drop tabs and line ends: none of them may stand here.
        let is_plain = (1..=TARGET_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if !is_plain || !text.starts_with('/') || text.starts_with("//") {
            return None;
        }
        let base = Url::parse(public_url).ok()?;
        let joined = base.join(text).ok()?;
        (joined.origin() == base.origin()).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cookie that binds a sign-in to a browser.
#[derive(Debug)]
pub(in crate::api) struct Nonce {
    name: String,
    is_secure: bool,
}

impl Nonce {
    /// The cookie of the sign-in with this state.
    pub(in crate::api) fn of(state: &str, public_url: &str) -> Self {
        let hash = blake3::hash(state.as_bytes()).to_hex();
        let tag = &hash[..TAG_DIGITS];
        // `__Host-` cannot be set by a neighbour, and needs https.
        let is_secure = public_url.starts_with("https:");
        let prefix = if is_secure { "__Host-" } else { "" };
        let name = format!("{prefix}hookherd_signin_{tag}");
        Self { name, is_secure }
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let name = &self.name;
        let secure = if self.is_secure { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
    }

    /// The header that sets it.
    pub(in crate::api) fn set(&self, nonce: &str) -> String {
        self.cookie(nonce, STATE_LIFE.as_secs())
    }

    /// The header that takes it away.
    pub(in crate::api) fn clear(&self) -> String {
        self.cookie("", 0)
    }

    /// Whether a request has it, once, with the value of this hash. In constant time.
    pub(in crate::api) fn is_in(&self, request: &HttpRequest, hash: &[u8; 32]) -> bool {
        let headers = request.headers().get_all(COOKIE);
        let pairs = headers
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        let mut ours = pairs.filter(|(name, _)| *name == self.name);
        let (Some((_, value)), None) = (ours.next(), ours.next()) else {
            return false;
        };
        let given = blake3::hash(value.as_bytes());
        given.as_bytes().ct_eq(hash).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    const HOME: &str = "https://hooks.example";

    #[test]
    fn only_paths_of_our_own_are_targets() {
        for good in ["/", "/connections", "/a/b?c=d&e=/f", "/x#y", "/%2F%2Fevil"] {
            let target = Target::parse(good, HOME);
            assert_eq!(target.map(|t| t.to_string()).as_deref(), Some(good));
        }
        let long = format!("/{}", "x".repeat(512));
        for bad in [
            "",
            "//evil",
            "///evil",
            "/\\evil",
            "\\\\evil",
            "\\/evil",
            "/\t/evil",
            "/\n/evil",
            "\t//evil",
            "https://evil",
            "https:evil",
            "javascript:alert(1)",
            "evil",
            "@evil",
            ".evil",
            " /",
            "/ä",
            &long,
        ] {
            assert_eq!(Target::parse(bad, HOME), None, "{bad:?}");
        }
    }

    #[test]
    fn the_cookie_is_bound_to_host_state_and_value() {
        let nonce = Nonce::of("state", HOME);
        let set = nonce.set("value");
        assert!(set.starts_with("__Host-hookherd_signin_"), "{set}");
        for part in [
            "; Path=/",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Lax",
            "; Max-Age=600",
        ] {
            assert!(set.contains(part), "{set}");
        }
        assert!(!set.contains("Domain"));
        assert!(nonce.clear().contains("Max-Age=0"));
        let plain = Nonce::of("state", "http://127.0.0.1:8080").set("value");
        assert!(plain.starts_with("hookherd_signin_") && !plain.contains("Secure"));

        let hash = *blake3::hash(b"value").as_bytes();
        let name = set.split('=').next().unwrap();
        let asks = |cookie: String| {
            let request = TestRequest::default().insert_header((COOKIE, cookie));
            nonce.is_in(&request.to_http_request(), &hash)
        };
        assert!(asks(format!("a=b; {name}=value; c=d")));
        assert!(!asks(format!("{name}=other")));
        assert!(!asks(format!("{name}=")));
        assert!(!asks("a=value".into()));
        assert!(!asks(format!("{name}=value; {name}=value")), "which one?");
        let other = Nonce::of("another", HOME).set("value");
        let other = other.split('=').next().unwrap();
        assert!(!asks(format!("{other}=value")));
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let expected = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert_eq!(challenge(verifier), expected);
    }
}
