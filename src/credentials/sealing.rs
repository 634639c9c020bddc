//! Encrypted tokens of credentials. Each is bound to its record and field.

use super::ports::Ports;
use crate::domain::errand::{Errand, Priority};
use crate::domain::error_code::ErrorCode;
use crate::domain::grant::OauthGrant;
use crate::domain::lifecycle::Failure;
use crate::domain::secret::{ProviderToken, Sealed};
use crate::domain::user::Credential;
use crate::domain::wording;
use crate::provider::oauth::Tokens;
use crate::provider::{Access, ProviderError};
use crate::seal::{Purpose, TokenField};

fn purpose(credential: &Credential, field: TokenField) -> Purpose<'_> {
    Purpose::ProviderToken {
        field,
        credential: credential.id,
        owner: credential.owner,
        instance: &credential.instance,
    }
}

/// A token of a credential, decrypted.
pub(super) fn open(
    ports: &Ports,
    credential: &Credential,
    field: TokenField,
    sealed: &Sealed,
) -> Result<ProviderToken, ProviderError> {
    let cannot = || {
        let words = wording::CREDENTIAL_SEALED;
        ProviderError::refused(Failure::Rejected, ErrorCode::CannotOpenSecret, words)
    };
    let plain = ports.seal.open(&purpose(credential, field), sealed);
    let plain = plain.map_err(|_| cannot())?;
    let text = String::from_utf8(plain.to_vec()).map_err(|_| cannot())?;
    ProviderToken::new(text).map_err(|_| cannot())
}

/// A token, encrypted for a credential.
pub(super) fn seal(
    ports: &Ports,
    credential: &Credential,
    field: TokenField,
    token: &ProviderToken,
) -> Sealed {
    let plain = token.expose().as_bytes();
    ports.seal.seal(&purpose(credential, field), plain)
}

/// An OAuth grant with these tokens.
pub(super) fn grant_of(ports: &Ports, credential: &Credential, tokens: &Tokens) -> OauthGrant {
    let now = ports.now();
    let sealed = |field, token: &ProviderToken| seal(ports, credential, field, token);
    OauthGrant {
        access: sealed(TokenField::Access, &tokens.access),
        refresh: tokens
            .refresh
            .as_ref()
            .map(|t| sealed(TokenField::Refresh, t)),
        obtained_at: now,
        expires_at: tokens.lives.map(|life| now.plus(life)),
        refresh_begun_at: None,
    }
}

/// A renewal in the background.
pub(super) const fn ahead(credential: &Credential) -> Errand {
    Errand {
        owner: credential.owner,
        priority: Priority::Check,
    }
}

/// The permission to make calls with this token of a credential.
pub(super) fn access_with(credential: &Credential, token: ProviderToken) -> Access {
    Access {
        instance: credential.instance.clone(),
        token,
        errand: ahead(credential),
        is_probe: false,
    }
}
