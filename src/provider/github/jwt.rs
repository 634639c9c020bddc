//! The JSON Web Tokens by which a GitHub App says who it is: RS256, ten minutes at most.

use crate::domain::secret::ProviderToken;
use crate::domain::time::Timestamp;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::SigningKey;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How far back a token is dated: GitHub's clock may be behind ours.
const BACKDATED: Duration = Duration::from_mins(1);
/// How long a token lives from now. GitHub refuses more than ten minutes.
const LIFE: Duration = Duration::from_mins(8);

/// A text that is no private key of a GitHub App. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the PEM of an RSA private key, as GitHub hands it out")]
pub struct KeyError;

/// Signs tokens.
#[derive(Clone)]
pub(super) struct Signer {
    key: Arc<dyn SigningKey>,
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

/// `{"alg":"RS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9";

impl Signer {
    /// A signer for the app with this id and private key, PKCS#1 (as GitHub's) or PKCS#8.
    pub(super) fn new(app_id: &str, pem: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError)?;
        let key = any_supported_type(&der).map_err(|_| KeyError)?;
        let signer = Self {
            key,
            issuer: app_id.to_owned(),
        };
        signer
            .sign(b"a key of another kind cannot")
            .ok_or(KeyError)?;
        Ok(signer)
    }

    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signer = self
            .key
            .choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256])?;
        signer.sign(message).ok()
    }

    /// A token that is good now.
    pub(super) fn token(&self, now: Timestamp) -> ProviderToken {
        let claims = Claims {
            iat: now.minus(BACKDATED).0 / 1000,
            exp: now.plus(LIFE).0 / 1000,
            iss: &self.issuer,
        };
        let claims = serde_json::to_vec(&claims).expect("two numbers and a text serialise");
        let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.sign(signed.as_bytes());
        let signature = signature.expect("this key has signed before, in `new`");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        ProviderToken::new(token).expect("base64 and dots are visible, and a key has a size")
    }
}
