//! Apps, where they are installed, and how they prove who they are.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead the end of a proof may lie, in seconds.
const PROOF_MAX_S: u64 = 600;
/// What an RSA key of X.509 says of itself, before the key proper.
const RSA_MARK: [u8; 13] = [6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];

/// An App.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    /// The public key as PKCS#1 has it.
    key: Vec<u8>,
}

/// An App on some repositories of an account.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) app: u64,
    pub(crate) account: String,
    pub(crate) repositories: BTreeSet<u64>,
}

impl App {
    /// One with this public key (PEM).
    pub(super) fn new(id: u64, slug: &str, pem: &str) -> Option<Self> {
        let (slug, key) = (slug.to_owned(), key_of(pem)?);
        Some(Self { id, slug, key })
    }
}

/// The key proper of a PEM of `PUBLIC KEY` or `RSA PUBLIC KEY`.
fn key_of(pem: &str) -> Option<Vec<u8>> {
    let digits: String = pem
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    let bytes = BASE64.decode(digits.trim().as_bytes()).ok()?;
    let at = bytes
        .windows(RSA_MARK.len())
        .position(|window| window == RSA_MARK);
    let Some(at) = at else {
        return Some(bytes).filter(|bytes| pem.contains("RSA PUBLIC KEY") && !bytes.is_empty());
    };
    // A bit string: its tag, its length (itself of some bytes when large), no unused bits.
    let rest = bytes.get(at + RSA_MARK.len() + 1..)?;
    let length = usize::from(*rest.first()?);
    let skip = if length & 0x80 == 0 {
        2
    } else {
        2 + (length & 0x7f)
    };
    rest.get(skip..).map(<[u8]>::to_vec)
}

/// Why a proof is not taken.
fn check_times(claims: &Value, now_s: u64) -> Result<(), &'static str> {
    // The times are those of the wall clock, the only one that the caller has.
    let (Some(issued), Some(expires)) = (claims["iat"].as_u64(), claims["exp"].as_u64()) else {
        return Err("A JSON web token could not be decoded");
    };
    if issued > now_s {
        return Err(
            "'Issued at' claim ('iat') must be an Integer representing the time that \
                    the assertion was issued",
        );
    }
    if expires <= now_s {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the \
                    future time at which the assertion expires",
        );
    }
    if expires > now_s + PROOF_MAX_S {
        return Err("'Expiration time' claim ('exp') is too far in the future");
    }
    Ok(())
}

/// The App that a JSON web token proves.
pub(crate) fn proven<'a>(
    apps: &'a BTreeMap<u64, App>,
    proof: &str,
    now_s: u64,
) -> Result<&'a App, &'static str> {
    const NONSENSE: &str = "A JSON web token could not be decoded";
    let mut parts = proof.split('.');
    let mut part = || parts.next().ok_or(NONSENSE);
    let (head, body, signature) = (part()?, part()?, part()?);
    let bytes = |text: &str| {
        BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| NONSENSE)
    };
    let json = |text: &str| serde_json::from_slice::<Value>(&bytes(text)?).map_err(|_| NONSENSE);
    let (claims, signature) = (json(body)?, bytes(signature)?);
    if json(head)?["alg"] != "RS256" {
        return Err(NONSENSE);
    }
    let issuer = &claims["iss"];
    let id = issuer.as_u64().or_else(|| issuer.as_str()?.parse().ok());
    let app = id.and_then(|id| apps.get(&id));
    let app = app.ok_or("'Issuer' claim ('iss') must be an Integer")?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.key);
    let signed = format!("{head}.{body}");
    key.verify(signed.as_bytes(), &signature)
        .map_err(|_| NONSENSE)?;
    check_times(&claims, now_s)?;
    Ok(app)
}
