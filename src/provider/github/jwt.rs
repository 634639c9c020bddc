//! The JSON Web Tokens with which a GitHub App authenticates: RS256, ten minutes at most.

use crate::domain::secret::ProviderToken;
use crate::domain::time::Timestamp;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::signature::{self, Signer as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// How far back a token is dated: GitHub's clock may be behind ours.
const BACKDATED: Duration = Duration::from_mins(1);
/// Lifetime of a token. GitHub refuses more than ten minutes.
const LIFE: Duration = Duration::from_mins(8);

/// A text that is not a private key of a GitHub App. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA private key in PEM, as GitHub issues it")]
pub struct KeyError;

/// The cryptography of tokens: RS256 by ring, and nothing else.
static RING: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::RS256 => Ok(Box::new(Rs256::new(key)?)),
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    },
    verifier_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    key_utils: KeyUtils::new_unimplemented(),
};

struct Rs256(RsaKeyPair);

impl Rs256 {
    /// PKCS#1 (as GitHub's keys) or PKCS#8.
    fn new(key: &EncodingKey) -> Result<Self, ErrorKind> {
        let der = key.as_bytes();
        let pair = RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der));
        pair.map(Self)
            .map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))
    }
}

impl signature::Signer<Vec<u8>> for Rs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|_| signature::Error::new())?;
        Ok(signature)
    }
}

impl JwtSigner for Rs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::RS256
    }
}

/// Signs tokens.
#[derive(Clone)]
pub(super) struct Signer {
    key: EncodingKey,
    issuer: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.issuer)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    iat: i64,
    exp: i64,
    iss: &'a str,
}

impl Signer {
    /// A signer for the app with this id and private key.
    pub(super) fn new(app_id: &str, pem: &str) -> Result<Self, KeyError> {
        // Installed once for the process; later calls change nothing.
        let _ = RING.install_default();
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError)?;
        let key = EncodingKey::from_rsa_der(der.secret_der());
        Rs256::new(&key)
            .ok()
            .and_then(|key| key.try_sign(b"a key of another kind cannot").ok())
            .ok_or(KeyError)?;
        Ok(Self {
            key,
            issuer: app_id.to_owned(),
        })
    }

    /// A token that is valid now.
    pub(super) fn token(&self, now: Timestamp) -> ProviderToken {
        let claims = Claims {
            iat: now.minus(BACKDATED).0 / 1000,
            exp: now.plus(LIFE).0 / 1000,
            iss: &self.issuer,
        };
        let token = encode(&Header::new(Algorithm::RS256), &claims, &self.key);
        let token = token.expect("this key has signed before, in `new`");
        ProviderToken::new(token).expect("base64 and dots are visible, and a key has a size")
    }
}
