//! Apps, where they are installed, and how they prove who they are.

use super::super::wall_now_s;
use super::{State, Token};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;
use std::collections::BTreeSet;

/// How long the token of an installation is good for, in seconds.
const TOKEN_S: u64 = 3600;
/// How far ahead the end of a proof may lie, in seconds.
const PROOF_MAX_S: u64 = 600;
/// What an RSA key of X.509 says of itself, before the key proper.
const RSA_MARK: [u8; 13] = [6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];

/// An App.
#[derive(Clone, Debug)]
pub(in super::super::super) struct App {
    pub(in super::super::super) id: u64,
    pub(in super::super::super) slug: String,
    /// The public key as PKCS#1 has it.
    key: Vec<u8>,
}

/// An App on some repositories of an account.
#[derive(Clone, Debug)]
pub(in super::super::super) struct Installation {
    pub(in super::super::super) id: u64,
    pub(in super::super::super) app: u64,
    pub(in super::super::super) account: String,
    pub(in super::super::super) repositories: BTreeSet<u64>,
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
fn check_times(claims: &Value) -> Result<(), &'static str> {
    // The times are those of the wall clock, the only one that the caller has.
    let now_s = wall_now_s();
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

impl State {
    /// Registers an App. Whether its key is one.
    pub(in super::super::super) fn add_app(&mut self, id: u64, slug: &str, pem: &str) -> bool {
        let key = key_of(pem);
        let app = key.map(|key| App {
            id,
            slug: slug.to_owned(),
            key,
        });
        app.is_some_and(|app| self.apps.insert(id, app).is_none())
    }

    /// Puts an App on repositories. Its bot administers their hooks.
    pub(in super::super::super) fn install_app(
        &mut self,
        app: u64,
        account: &str,
        names: &[&str],
    ) -> u64 {
        let id = self.ground.fresh();
        let found = names.iter().filter_map(|name| self.find(name));
        let repositories: BTreeSet<u64> = found.collect();
        let bot = self.bot(app);
        for repository in &repositories {
            if let Some(repository) = self.repositories.get_mut(repository) {
                repository.admins.insert(bot.clone());
            }
        }
        let account = account.to_owned();
        let installation = Installation {
            id,
            app,
            account,
            repositories,
        };
        self.installations.insert(id, installation);
        id
    }

    pub(in super::super::super) fn uninstall_app(&mut self, id: u64) {
        self.installations.remove(&id);
        self.tokens
            .retain(|_, token| token.installation.as_ref().is_none_or(|(of, _)| *of != id));
    }

    fn bot(&self, app: u64) -> String {
        let slug = self.apps.get(&app).map_or("app", |app| app.slug.as_str());
        format!("{slug}[bot]")
    }

    /// The App that a JSON web token proves.
    pub(in super::super::super) fn proven(&self, proof: &str) -> Result<&App, &'static str> {
        const NONSENSE: &str = "A JSON web token could not be decoded";
        let mut parts = proof.split('.');
        let mut part = || parts.next().ok_or(NONSENSE);
        let (head, body, signature) = (part()?, part()?, part()?);
        let bytes = |text: &str| {
            BASE64URL_NOPAD
                .decode(text.as_bytes())
                .map_err(|_| NONSENSE)
        };
        let json =
            |text: &str| serde_json::from_slice::<Value>(&bytes(text)?).map_err(|_| NONSENSE);
        let (claims, signature) = (json(body)?, bytes(signature)?);
        if json(head)?["alg"] != "RS256" {
            return Err(NONSENSE);
        }
        let issuer = &claims["iss"];
        let id = issuer.as_u64().or_else(|| issuer.as_str()?.parse().ok());
        let app = id.and_then(|id| self.apps.get(&id));
        let app = app.ok_or("'Issuer' claim ('iss') must be an Integer")?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &app.key);
        let signed = format!("{head}.{body}");
        key.verify(signed.as_bytes(), &signature)
            .map_err(|_| NONSENSE)?;
        check_times(&claims)?;
        Ok(app)
    }

    /// A token for some of an installation's repositories, or for all; and when it ends.
    pub(in super::super::super) fn installation_token(
        &mut self,
        installation: &Installation,
        repositories: BTreeSet<u64>,
    ) -> (String, u64) {
        let text = self.ground.secret("ghs_", 36);
        let expires_at_s = self.now_s() + TOKEN_S;
        let mut token = Token::new(&self.bot(installation.app));
        token.expires_at_s = Some(expires_at_s);
        token.installation = Some((installation.id, repositories));
        self.tokens.insert(text.clone(), token);
        (text, expires_at_s)
    }
}
