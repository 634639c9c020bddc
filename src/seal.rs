//! Encryption of secrets at rest. A sealed secret opens only for its own purpose.

pub mod ring;

use crate::domain::id::{ConnectionId, CredentialId, OwnerId, SinkId, UserId};
use crate::domain::repo::Instance;
use crate::domain::secret::Sealed;
use zeroize::Zeroizing;

/// The purpose and the owner of a secret: all that is bound to the ciphertext, so that it cannot be
/// moved to another record, field, owner or provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// The current hook secret of a connection.
    HookSecret {
        /// The connection.
        connection: ConnectionId,
        /// Its owner.
        owner: UserId,
        /// The installation of its repository.
        instance: &'a Instance,
    },
    /// A token of a credential.
    ProviderToken {
        /// Which of its tokens.
        field: TokenField,
        /// The credential.
        credential: CredentialId,
        /// Its owner.
        owner: UserId,
        /// The only installation to which it may be sent.
        instance: &'a Instance,
    },
    /// The address and the keys of a sink.
    SinkTarget {
        /// The sink.
        sink: SinkId,
        /// Its owner.
        owner: OwnerId,
        /// The only host to which it may be sent.
        host: &'a str,
    },
    /// The check value of the store.
    Canary,
}

/// The tokens that a credential may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenField {
    /// A token that the user made.
    Token,
    /// The access token of an OAuth grant.
    Access,
    /// Its refresh token.
    Refresh,
}

impl TokenField {
    /// All fields.
    pub const ALL: [Self; 3] = [Self::Token, Self::Access, Self::Refresh];

    /// The name that is bound to the ciphertext.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

/// Why a secret could not be opened. Gives no more details, which could help an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// It was sealed with a key that is not in the ring.
    #[error("encrypted with a key that is not configured")]
    UnknownKey,
    /// It was tampered with, damaged, or sealed as something else.
    #[error("cannot be decrypted as this record")]
    Refused,
}

/// Seals and opens.
pub trait Seal: Send + Sync + 'static {
    /// Seals `plain` for `purpose` with the newest key.
    fn seal(&self, purpose: &Purpose<'_>, plain: &[u8]) -> Sealed;

    /// Opens what was sealed for the same purpose with any key of the ring.
    fn open(&self, purpose: &Purpose<'_>, sealed: &Sealed)
    -> Result<Zeroizing<Vec<u8>>, SealError>;

    /// Whether it is sealed with the newest key; if not, it should be resealed.
    fn is_current(&self, sealed: &Sealed) -> bool;
}
