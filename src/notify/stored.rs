//! What is stored, encrypted, of a sink: its address and its keys. All kinds have the same form.

use super::Destination;
use super::deliver::{Prepared, Receipt, Unfit, Wish};
use super::hidden::Secrets;
use super::outbound::Outbound;
use crate::domain::sink::DisableReason;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Longest token that is accepted, in bytes: those of ntfy and Gotify have fewer than 40, those for
/// a proxy before Alertmanager may be signed documents.
const TOKEN_BYTES_MAX: usize = 2048;

/// The address and the keys of a sink. Cannot be printed.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Stored {
    /// The address, as it was entered.
    pub url: String,
    /// The keys; what they are for depends on the kind.
    pub secrets: Vec<String>,
}

impl Stored {
    /// Reads what is stored. If it cannot be read, that disables the sink.
    pub fn read(plain: &[u8]) -> Result<Self, Receipt> {
        serde_json::from_slice(plain).map_err(|_| sealed())
    }

    /// What a wish comes to when this is stored.
    pub fn prepared(&self, destination: &Destination) -> Prepared {
        self.prepared_at(destination.place())
    }

    /// The same, for an address that is no URL of HTTP.
    pub fn prepared_at(&self, host: String) -> Prepared {
        let plain = serde_json::to_vec(self).expect("texts are JSON");
        Prepared {
            host,
            plain: plain.into(),
            generated: None,
        }
    }

    /// The address to call. If it may not be called, that disables the sink.
    pub fn destination(&self, outbound: &Outbound) -> Result<Destination, Receipt> {
        address(outbound, &self.url)
    }

    /// What is stored, and the address to call.
    pub fn aimed(outbound: &Outbound, plain: &[u8]) -> Result<(Destination, Self), Receipt> {
        let stored = Self::read(plain)?;
        Ok((stored.destination(outbound)?, stored))
    }

    /// What an answer says, for people, without the secret parts of the address and without the
    /// keys: some servers repeat what they were called with.
    pub fn shown(&self, body: &[u8]) -> String {
        Secrets::of(&self.url, &self.secrets).shown(body)
    }
}

/// What is stored cannot be read.
pub(super) fn sealed() -> Receipt {
    Receipt::Disabled {
        reason: DisableReason::Sealed,
        why: "The stored address cannot be read. Enter it again.".to_owned(),
    }
}

/// An address to call. If it may not be called, that disables the sink.
pub(super) fn address(outbound: &Outbound, url: &str) -> Result<Destination, Receipt> {
    Destination::parse(url, outbound.allowed()).map_err(|error| Receipt::Disabled {
        reason: DisableReason::AddressRefused,
        why: error.to_string(),
    })
}

pub(super) fn unfit(field: &'static str, why: impl Into<String>) -> Unfit {
    let why = why.into();
    Unfit { field, why }
}

/// The address that a user has entered, and what it leads to.
pub(super) fn entered(outbound: &Outbound, wish: &Wish) -> Result<(String, Destination), Unfit> {
    let url = wish.url.as_deref().unwrap_or_default().trim();
    if url.is_empty() {
        let why = "enter the address that is called; with a new key, enter it again";
        return Err(unfit("url", why));
    }
    let destination = Destination::parse(url, outbound.allowed());
    let destination = destination.map_err(|error| unfit("url", error.to_string()))?;
    Ok((url.to_owned(), destination))
}

/// For kinds whose address is the only secret.
pub(super) fn only_address(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if wish.secret.is_some() {
        let why = "this kind of sink has no key: its address is enough. Leave it out";
        return Err(unfit("secret", why));
    }
    let secrets = Vec::new();
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// The token that a user has entered, if any. It is sent in a header.
pub(super) fn token(wish: &Wish) -> Result<Option<Zeroizing<String>>, Unfit> {
    let Some(token) = wish.secret.as_deref().map(str::trim) else {
        return Ok(None);
    };
    let is_fit = (1..=TOKEN_BYTES_MAX).contains(&token.len());
    if is_fit && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(Some(token.to_owned().into()));
    }
    let why = format!("expected a token: 1 to {TOKEN_BYTES_MAX} visible characters of ASCII");
    Err(unfit("secret", why))
}

/// The value of a header with a token. `None` when it cannot be one.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(stored: &Stored, text: &str) -> String {
        stored.shown(text.as_bytes())
    }

    #[test]
    fn an_answer_that_repeats_the_address_or_a_key_does_not_show_it() {
        let stored = |url: &str| Stored {
            url: url.to_owned(),
            secrets: vec!["canary-secret".to_owned()],
        };
        let url = "https://hooks.example/services/T0/canary-key?token=canary-token";
        for text in [
            "Cannot POST /services/T0/canary-key?token=canary-token",
            "no route for canary-key",
            "bad token=canary-token",
            "bad key canary-secret",
        ] {
            let shown = hide(&stored(url), text);
            assert!(!shown.contains("canary"), "{shown}");
            assert!(shown.contains("(hidden)"), "{shown}");
        }
        assert_eq!(hide(&stored(url), "not today"), "not today");
        let short = stored("https://hooks.example/");
        assert_eq!(hide(&short, "a / b"), "a / b");
        assert_eq!(hide(&stored("https://hooks.example"), "text"), "text");
    }

    /// Where a long text is cut, a part of a secret is not recognised any more.
    #[test]
    fn an_answer_that_repeats_the_address_at_its_end_does_not_show_a_part_of_it() {
        let stored = Stored {
            url: "https://hooks.example/services/T0/canary-key?token=canary-token".to_owned(),
            secrets: Vec::new(),
        };
        for before in (0..300).chain([4_080, 4_090]) {
            let body = "x".repeat(before) + "/services/T0/canary-key?token=canary-token";
            let shown = stored.shown(body.as_bytes());
            let is_clean = !shown.contains("/s") && !shown.contains("can");
            assert!(is_clean && shown.len() <= 256, "{before}: {shown}");
        }
    }

    #[test]
    fn a_token_is_one_line_of_visible_ascii() {
        let token = |text: &str| {
            let secret = Some(text.to_owned());
            super::token(&Wish { url: None, secret })
        };
        let read = token(" tk_abc\n").ok().flatten();
        assert_eq!(read.as_deref().map(String::as_str), Some("tk_abc"));
        let long = "t".repeat(TOKEN_BYTES_MAX + 1);
        for text in ["", "  ", "a b", "a\r\nX-Y: 1", "caf\u{e9}", &long] {
            let why = token(text).unwrap_err();
            assert_eq!(why.field, "secret", "{text:?}");
            assert!(text.trim().is_empty() || !why.to_string().contains(text));
        }
    }
}
