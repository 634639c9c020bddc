//! Secrets as types: wiped from memory when dropped, never printed.

use super::id::Entropy;
use data_encoding::HEXLOWER;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Shortest hook secret that is ever used to verify or sign. A hook without a secret, or with a
/// guessable one, would allow forged deliveries, so such a value cannot be represented.
pub const HOOK_SECRET_BYTES_MIN: usize = 32;

/// How a hook's deliveries are known to be authenticated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    /// Unknown: the strongest proof in a delivery must be valid.
    #[default]
    Unknown,
    /// A signature over the body. Nothing less is accepted.
    Signature,
    /// A token in each delivery, because the provider is too old to sign.
    Token,
}

macro_rules! secret_text {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name(String);

        impl $name {
            /// The secret itself. Call it only where it is sent, sealed or verified with.
            pub fn expose(&self) -> &str { &self.0 }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(redacted)"))
            }
        }
    )*};
}

secret_text! {
    /// The key that signs a hook's deliveries. At least [`HOOK_SECRET_BYTES_MIN`] bytes.
    HookSecret;
    /// A token that authorises calls to a provider.
    ProviderToken;
    /// A secret of the sign-in: a code, a verifier, a device code, our own client secret.
    OauthSecret;
    /// An API token of ours in the clear: exists only while it is created and while a request
    /// that carries it is checked.
    ApiToken;
}

/// A secret text that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Shorter than [`HOOK_SECRET_BYTES_MIN`].
    #[error("a hook secret must have at least {HOOK_SECRET_BYTES_MIN} bytes")]
    TooShort,
    /// Empty, too long, or with characters that an HTTP header cannot contain.
    #[error("a token must be 1 to 4096 visible ASCII characters")]
    BadToken,
}

/// Longest provider token accepted. Stateless installation tokens run to about a kilobyte.
const TOKEN_BYTES_MAX: usize = 4096;

impl HookSecret {
    /// A new secret: 256 random bits as 64 hexadecimal digits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0_u8; 32];
        entropy.fill(&mut bytes);
        let secret = Self(HEXLOWER.encode(&bytes));
        bytes.zeroize();
        secret
    }

    /// A secret from its text, as it was stored. Errors when it is too short to be safe.
    pub fn new(text: String) -> Result<Self, SecretError> {
        if text.len() < HOOK_SECRET_BYTES_MIN {
            return Err(SecretError::TooShort);
        }
        Ok(Self(text))
    }
}

fn fits_in_a_header(text: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

macro_rules! sent_in_headers {
    ($($name:ident),*) => {$(
        impl $name {
            /// The secret of this text. Errors when it is empty or invalid in an HTTP header.
            pub fn new(text: String) -> Result<Self, SecretError> {
                let fits = fits_in_a_header(&text);
                fits.then_some(Self(text)).ok_or(SecretError::BadToken)
            }
        }
    )*};
}
sent_in_headers!(ProviderToken, OauthSecret, ApiToken);

/// What every API token starts with, so that secret scanners recognise one.
pub const API_TOKEN_PREFIX: &str = "hhk_";

impl ApiToken {
    /// A new token: the prefix and 256 random bits in hexadecimal.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0_u8; 32];
        entropy.fill(&mut bytes);
        let token = Self(format!("{API_TOKEN_PREFIX}{}", HEXLOWER.encode(&bytes)));
        bytes.zeroize();
        token
    }
}

/// Encrypted bytes from the key ring: key id, nonce, ciphertext and tag in one. Opaque outside
/// `seal`, safe to store and to copy.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::Same;

    #[test]
    fn debug_never_shows_a_secret() {
        let secret = HookSecret::generate(&Same(0x5a));
        let token = ProviderToken::new("ghp_canary".into()).unwrap();
        let shown = format!("{secret:?} {token:?}");
        assert!(
            !shown.contains("canary") && !shown.contains("5a5a"),
            "{shown}"
        );
        assert!(shown.contains("redacted"));
    }

    #[test]
    fn short_secrets_and_header_breaking_tokens_cannot_be_made() {
        assert_eq!(HookSecret::new(String::new()), Err(SecretError::TooShort));
        assert_eq!(HookSecret::new("x".repeat(31)), Err(SecretError::TooShort));
        assert!(HookSecret::new("x".repeat(32)).is_ok());
        for bad in ["", "a b", "a\r\nb", "ä"] {
            assert_eq!(
                ProviderToken::new(bad.into()),
                Err(SecretError::BadToken),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn api_tokens_have_a_prefix_and_256_bits() {
        let token = ApiToken::generate(&Same(0x5a));
        assert!(token.expose().starts_with(API_TOKEN_PREFIX));
        assert_eq!(token.expose().len(), API_TOKEN_PREFIX.len() + 64);
    }
}
