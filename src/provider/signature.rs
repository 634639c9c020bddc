//! Signatures of deliveries. Shared with the simulator, because published vectors define the
//! algorithms.
//!
//! GitHub signs the body with the hook's secret. A GitLab hook has two secrets, a token that is
//! sent with each delivery and a key that signs according to Standard Webhooks; both are derived
//! from the stored one, so that neither reveals the other nor the stored one.

use crate::domain::secret::HookSecret;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The prefix of the hexadecimal digits in `X-Hub-Signature-256`.
const GITHUB_PREFIX: &str = "sha256=";
/// The prefix of the key of a Standard Webhooks sender in text form.
const STANDARD_KEY_PREFIX: &str = "whsec_";
/// The prefix of each signature in `webhook-signature`: the version that is an HMAC.
const STANDARD_PREFIX: &str = "v1,";
/// Most signatures read in one header; a sender that rotates its key sends two.
const STANDARD_SIGNATURES_MAX: usize = 16;
/// The derivation context of a GitLab hook's token.
const GITLAB_TOKEN_LABEL: &[u8] = b"hookherd gitlab token v1";
/// The derivation context of a GitLab hook's signing key.
const GITLAB_SIGNING_LABEL: &[u8] = b"hookherd gitlab signing v1";

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn secret_hmac(secret: &HookSecret, text: &[u8]) -> [u8; 32] {
    hmac_sha256(secret.expose().as_bytes(), &[text])
}

/// The value of `X-Hub-Signature-256` for this body.
pub fn github_sign(secret: &HookSecret, body: &[u8]) -> String {
    format!(
        "{GITHUB_PREFIX}{}",
        HEXLOWER.encode(&secret_hmac(secret, body))
    )
}

/// Which of some secrets fits: found without a branch that depends on it.
#[derive(Default)]
struct Which {
    /// Its number, counted from 1; 0 when none fits.
    number: u32,
    tried: u32,
}

impl Which {
    /// The next secret fits, or not. The first that does counts.
    fn next(&mut self, fits: Choice) {
        self.tried += 1;
        let is_first = fits & self.number.ct_eq(&0);
        self.number.conditional_assign(&self.tried, is_first);
    }

    fn found(self) -> Option<usize> {
        usize::try_from(self.number).ok()?.checked_sub(1)
    }
}

/// Which of `secrets` made `signature`, a value of `X-Hub-Signature-256`, for `body`; `None` when
/// none did.
///
/// Takes the same time whichever byte differs and whichever secret fits. The prefix must be in
/// lower case; the 64 digits may be in either case.
pub fn github_verifies(secrets: &[HookSecret], body: &[u8], signature: &str) -> Option<usize> {
    let digits = signature.strip_prefix(GITHUB_PREFIX)?;
    let mut given = [0_u8; 32];
    let is_whole = digits.len() == 2 * given.len();
    if !is_whole
        || HEXLOWER_PERMISSIVE
            .decode_mut(digits.as_bytes(), &mut given)
            .is_err()
    {
        return None;
    }
    let mut which = Which::default();
    for secret in secrets {
        which.next(secret_hmac(secret, body).ct_eq(&given));
    }
    which.found()
}

/// The key of a Standard Webhooks sender.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SigningKey([u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

impl SigningKey {
    /// The key that signs a GitLab hook's deliveries.
    pub fn of_gitlab(secret: &HookSecret) -> Self {
        Self(secret_hmac(secret, GITLAB_SIGNING_LABEL))
    }

    /// The key of a text such as `whsec_...`; `None` unless it has 32 bytes.
    pub fn from_text(text: &str) -> Option<Self> {
        let text = text.strip_prefix(STANDARD_KEY_PREFIX)?;
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
        bytes.as_slice().try_into().ok().map(Self)
    }

    /// The key in GitLab's form.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{STANDARD_KEY_PREFIX}{}", BASE64.encode(&self.0)))
    }

    /// The value of `webhook-signature` for a body with this id and this time in Unix seconds.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mac = standard_mac(&self.0, id, timestamp, body);
        format!("{STANDARD_PREFIX}{}", BASE64.encode(&mac))
    }
}

fn standard_mac(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let (id, timestamp) = (id.as_bytes(), timestamp.as_bytes());
    hmac_sha256(key, &[id, b".", timestamp, b".", body])
}

/// Which of `keys` made one of `signatures`, a value of `webhook-signature`, for this id, time and
/// body; `None` when none did.
///
/// Takes the same time whichever byte differs and whichever key fits.
pub fn standard_verifies(
    keys: &[SigningKey],
    id: &str,
    timestamp: &str,
    body: &[u8],
    signatures: &str,
) -> Option<usize> {
    let given: Vec<[u8; 32]> = signatures
        .split(' ')
        .filter_map(|signature| {
            let text = signature.strip_prefix(STANDARD_PREFIX)?;
            BASE64.decode(text.as_bytes()).ok()?.try_into().ok()
        })
        .take(STANDARD_SIGNATURES_MAX)
        .collect();
    let mut which = Which::default();
    for key in keys {
        let mac = standard_mac(&key.0, id, timestamp, body);
        let mut fits = Choice::from(0);
        for signature in &given {
            fits |= mac.ct_eq(signature);
        }
        which.next(fits);
    }
    which.found()
}

/// The token that a GitLab hook sends.
pub fn gitlab_token(secret: &HookSecret) -> Zeroizing<String> {
    Zeroizing::new(HEXLOWER.encode(&secret_hmac(secret, GITLAB_TOKEN_LABEL)))
}

/// With which of `secrets` a hook sends `token`; `None` with none of them.
///
/// Takes the same time whichever byte differs and whichever secret fits.
pub fn gitlab_token_verifies(secrets: &[HookSecret], token: &str) -> Option<usize> {
    let mut which = Which::default();
    for secret in secrets {
        which.next(gitlab_token(secret).as_bytes().ct_eq(token.as_bytes()));
    }
    which.found()
}

#[cfg(test)]
mod tests;
