//! Signatures of what we send: Standard Webhooks 1.0.0, with symmetric keys.

use crate::domain::id::Entropy;
use crate::domain::time::Timestamp;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Names of the three headers.
pub const ID: &str = "webhook-id";
/// See [`ID`].
pub const TIMESTAMP: &str = "webhook-timestamp";
/// See [`ID`].
pub const SIGNATURE: &str = "webhook-signature";

const PREFIX: &str = "whsec_";
const KEY_BYTES_MIN: usize = 24;
const KEY_BYTES_MAX: usize = 64;
/// Longest text of a key, so that no longer one is decoded.
const TEXT_BYTES_MAX: usize = PREFIX.len() + KEY_BYTES_MAX.div_ceil(3) * 4;

/// The key with which a receiver verifies what we send. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SigningSecret(Vec<u8>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(redacted)")
    }
}

/// The text is not a signing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret must be whsec_ and the base64 of 24 to 64 bytes")]
pub struct NotASecret;

impl SigningSecret {
    /// A new secret of 256 random bits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut key = vec![0; 32];
        entropy.fill(&mut key);
        Self(key)
    }

    /// The secret of a text. The prefix is required: without it, a text of another kind could
    /// pass. Errors when the text has another form or another length.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let digits = text.strip_prefix(PREFIX).ok_or(NotASecret)?;
        if text.len() > TEXT_BYTES_MAX {
            return Err(NotASecret);
        }
        let key = BASE64.decode(digits.as_bytes()).map_err(|_| NotASecret)?;
        let secret = Self(key);
        let fits = (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&secret.0.len());
        fits.then_some(secret).ok_or(NotASecret)
    }

    /// Its text. Call it only where the secret is shown to its owner or sealed.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", BASE64.encode(&self.0)))
    }

    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
    }
}

/// The values of [`TIMESTAMP`] and [`SIGNATURE`] for a try at `now`: a signature for each secret,
/// newest first, so that a receiver can verify while a secret is rotated. `id` must be the same on
/// each try and contain no dot, which separates the signed parts.
pub fn sign(secrets: &[SigningSecret], id: &str, now: Timestamp, body: &[u8]) -> (String, String) {
    debug_assert!(!id.contains('.'), "{id}");
    let seconds = now.0.div_euclid(1000).to_string();
    let all = secrets.iter().map(|secret| secret.sign(id, &seconds, body));
    let signatures = all.collect::<Vec<_>>().join(" ");
    (seconds, signatures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::Same;
    use crate::histories;
    use proptest::prelude::*;
    use reqwest::header::HeaderMap;
    use standardwebhooks::Webhook;

    /// A key whose bytes follow from one.
    fn secret(byte: u8) -> SigningSecret {
        SigningSecret::generate(&Same(byte))
    }

    /// The vector that the specification and its libraries share.
    #[test]
    fn the_published_example_has_its_published_signature() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let now = Timestamp(1_614_265_330_000);
        let (at, signature) = sign(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", now, body);
        assert_eq!(at, "1614265330");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_receiver_with_any_of_the_secrets_can_verify() {
        let secrets = [secret(7), secret(9)];
        let wall = time::OffsetDateTime::now_utc().unix_timestamp();
        let body = b"{\"type\":\"incident.opened\"}";
        let (at, signature) = sign(&secrets, "msg_1", Timestamp(wall * 1000 + 999), body);
        let mut headers = HeaderMap::new();
        headers.insert(ID, "msg_1".parse().unwrap());
        headers.insert(TIMESTAMP, at.parse().unwrap());
        headers.insert(SIGNATURE, signature.parse().unwrap());
        let verify = |secret: &SigningSecret, body: &[u8], headers: &HeaderMap| {
            let receiver = Webhook::new(&secret.expose()).unwrap();
            receiver.verify(body, headers).is_ok()
        };
        for secret in &secrets {
            assert!(verify(secret, body, &headers));
        }
        assert!(!verify(&secret(8), body, &headers));
        assert!(!verify(&secrets[0], b"{}", &headers));
        headers.insert(ID, "msg_2".parse().unwrap());
        assert!(!verify(&secrets[0], body, &headers));
    }

    #[test]
    fn only_prefixed_base64_of_24_to_64_bytes_is_a_secret() {
        let text = |bytes: usize| format!("whsec_{}", BASE64.encode(&vec![7; bytes]));
        for bytes in 0..100 {
            let parsed = SigningSecret::parse(&text(bytes));
            assert_eq!(parsed.is_ok(), (24..=64).contains(&bytes), "{bytes}");
        }
        let good = text(32);
        let digits = good.trim_start_matches("whsec_");
        for bad in [
            digits.to_owned(),
            format!("WHSEC_{digits}"),
            format!("whsec-{digits}"),
            format!(" {good}"),
            format!("{good}\n"),
            good.trim_end_matches('=').to_owned(),
            good.replace("Bw", "B-"),
            format!("whsec_{}", "A".repeat(1 << 20)),
        ] {
            assert_eq!(SigningSecret::parse(&bad), Err(NotASecret), "{bad:.80}");
        }
        let made = secret(7);
        assert_eq!(SigningSecret::parse(&made.expose()), Ok(made.clone()));
        assert_eq!(format!("{made:?}"), "SigningSecret(redacted)");
    }

    proptest! {
        #![proptest_config(histories::of(2_000))]

        #[test]
        fn signatures_are_those_of_the_reference(
            key in prop::collection::vec(any::<u8>(), 24..=64),
            id in "[A-Za-z0-9_-]{1,40}",
            seconds in 0_i64..10_000_000_000,
            body in ".{0,300}",
        ) {
            let text = format!("whsec_{}", BASE64.encode(&key));
            let secret = SigningSecret::parse(&text).unwrap();
            let (_, ours) = sign(&[secret], &id, Timestamp(seconds * 1000), body.as_bytes());
            let theirs = Webhook::new(&text).unwrap().sign(&id, seconds, body.as_bytes());
            prop_assert_eq!(ours, theirs.unwrap());
        }
    }
}
