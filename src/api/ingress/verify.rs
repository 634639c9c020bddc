//! Whose a delivery is: whose secret verifies it.

use super::body::Body;
use crate::api::error::{Code, Problem};
use crate::api::scope::Shared;
use crate::domain::connection::Connection;
use crate::domain::delivery::BodyDigest;
use crate::domain::id::ConnectionId;
use crate::domain::rotation::{OLD_SECRETS_MAX, SecretNumber};
use crate::domain::secret::{HookSecret, Proof};
use crate::provider::{Claim, Decode, HeaderLookup, Inbound, Proven, Verified, VerifyError};
use crate::telemetry::may_log;
use actix_web::http::header::HeaderMap;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Secrets that are tried for a delivery without a hook key, however many there are: each costs a
/// pass over the body, and the time must not tell how many connections a repository has. Hooks
/// that we made have a key in their URL.
const CLAIMED_TRIES: usize = 16;
/// Secrets that are tried for a delivery with one, at most: the current one, and former ones.
const KEYED_TRIES: usize = 1 + OLD_SECRETS_MAX;

/// A delivery that was verified, with whose it is.
pub(super) struct Authentic {
    pub(super) connection: Connection,
    /// The secret that verified it.
    pub(super) signed_by: SecretNumber,
    pub(super) decoder: Arc<dyn Decode>,
    pub(super) verified: Verified,
    pub(super) digest: BodyDigest,
    pub(super) body: Body,
}

/// A delivery whose signature was verified: whose it is, and by which of their secrets.
pub(super) struct Whose {
    pub(super) connection: Connection,
    pub(super) signed_by: SecretNumber,
    pub(super) proven: Proven,
}

/// Headers as the decoder looks them up.
#[derive(Debug)]
pub(super) struct Headers<'a>(pub(super) &'a HeaderMap);

impl HeaderLookup for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().ok(),
            (Some(_) | None, _) => None,
        }
    }
}

/// The answer to a delivery that is of no connection.
pub(super) fn nobodys() -> Problem {
    Problem::new(
        Code::BadSignature,
        "the delivery is not signed with a known secret",
    )
}

/// The digest that a body is recognised by from now on.
pub(super) fn digest(body: &[u8]) -> BodyDigest {
    BodyDigest::Blake3(*blake3::hash(body).as_bytes())
}

/// The digest that an older version recognised it by.
pub(super) fn older_digest(body: &[u8]) -> BodyDigest {
    BodyDigest::Sha256(Sha256::digest(body).into())
}

/// A request that may be a delivery.
pub(super) struct Inquiry<'a> {
    pub(super) shared: &'a Shared,
    pub(super) decoder: &'a dyn Decode,
    pub(super) headers: &'a HeaderMap,
    /// Whether its path names a hook, known or not.
    pub(super) is_keyed: bool,
    pub(super) body: &'a [u8],
}

impl Inquiry<'_> {
    /// Whose it says that it is, where no hook's key says so.
    pub(super) fn claim(&self) -> Option<Claim> {
        let headers = Headers(self.headers);
        let claim = || self.decoder.claim(self.inbound(&headers));
        (!self.is_keyed).then(claim).flatten()
    }

    /// Whose it is, of those that it may be of.
    pub(super) fn prove(&self, of: Vec<Connection>) -> Result<Whose, Problem> {
        let headers = Headers(self.headers);
        let inbound = self.inbound(&headers);
        self.try_all(inbound, of)
            .map_err(|rejection| match rejection {
                // Nothing here may depend on what is known about the hook or the repository.
                VerifyError::BadSignature => nobodys(),
                VerifyError::BadHeader(name) => Problem::new(
                    Code::BadDeliveryHeader,
                    format!("the header {name} is missing or malformed"),
                ),
            })
    }

    /// What else is kept of it.
    pub(super) fn describe(&self, proven: Proven) -> Verified {
        let headers = Headers(self.headers);
        self.decoder.describe(self.inbound(&headers), proven)
    }

    fn inbound<'b>(&'b self, headers: &'b Headers<'b>) -> Inbound<'b> {
        Inbound {
            headers,
            body: self.body,
            received_at: self.shared.now(),
        }
    }

    /// The connection whose secret verifies. Where none does, the same number of secrets was tried
    /// whatever is known: the rest is tried with a secret that no hook has. A hook's key
    /// cannot be guessed: that a second secret of it is accepted for a while, who has it may see.
    fn try_all(
        &self,
        inbound: Inbound<'_>,
        candidates: Vec<Connection>,
    ) -> Result<Whose, VerifyError> {
        let (least, most) = if self.is_keyed {
            (1, KEYED_TRIES)
        } else {
            (CLAIMED_TRIES, CLAIMED_TRIES)
        };
        let mut tried = 0;
        let mut rejection = VerifyError::BadSignature;
        for connection in candidates {
            let secrets = self
                .shared
                .opened
                .secrets_of(&*self.shared.connections, &connection);
            let count = secrets.secrets.len().min(most - tried);
            let (numbers, secrets) = (&secrets.numbers, &secrets.secrets[..count]);
            tried += secrets.len();
            if secrets.is_empty() {
                continue;
            }
            match self.decoder.prove(inbound, secrets, connection.proof) {
                Ok(proven) => {
                    let proven = self.at_some_time(inbound, &connection, secrets, proven);
                    let signed_by = numbers.get(proven.secret()).copied();
                    return Ok(Whose {
                        signed_by: signed_by.unwrap_or(connection.rotation.number),
                        connection,
                        proven,
                    });
                }
                Err(why) => {
                    // Only who knows the unguessable key may make a connection doubt its hook.
                    if why == VerifyError::BadSignature && self.is_keyed {
                        self.warn(connection.id);
                    }
                    rejection = why;
                }
            }
        }
        for _ in tried..least {
            if let Err(why) = self.decoder.prove(inbound, &[], Proof::Unknown) {
                rejection = why;
            }
        }
        Err(rejection)
    }

    fn warn(&self, id: ConnectionId) {
        if may_log("webhook_signature_verification_failed") {
            tracing::warn!(connection.id = %id, "webhook_signature_verification_failed");
        }
        self.shared.connections.rejected(id);
    }

    /// A delivery whose time is far from our clock's is judged by what else we know of time: a
    /// clock of ours that is wrong must not cost what the provider sends once.
    fn at_some_time(
        &self,
        inbound: Inbound<'_>,
        connection: &Connection,
        secrets: &[HookSecret],
        proven: Proven,
    ) -> Proven {
        if !proven.is_stale() {
            return proven;
        }
        let clock = &self.shared.clock;
        let times = [clock.steady(), clock.trusted()].into_iter();
        let mut again = times.filter_map(|received_at| {
            let inbound = Inbound {
                received_at,
                ..inbound
            };
            let proven = self.decoder.prove(inbound, secrets, connection.proof);
            proven.ok().filter(|proven| !proven.is_stale())
        });
        again.next().unwrap_or(proven)
    }
}
