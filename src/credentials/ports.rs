//! The external dependencies of the room, shared with the actors.

use crate::domain::id::Entropy;
use crate::domain::repo::ProviderKind;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::Providers;
use crate::seal::Seal;
use crate::store::Store;
use std::sync::Arc;

/// Everything outside of this process's memory, each behind its trait.
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Opens and seals secrets.
    pub seal: Arc<dyn Seal>,
    /// The providers.
    pub providers: Providers,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Our public address, without a trailing slash.
    pub public_url: String,
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

impl Ports {
    /// The time by the wall clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that is uniform over all of `u64`.
    pub fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The URL to which providers redirect users after sign-in.
    pub(super) fn redirect_uri(&self, provider: ProviderKind) -> String {
        let base = &self.public_url;
        format!("{base}/api/v2/oauth/{provider}/callback")
    }
}

/// A seal for tests, in which all credentials hold the same token.
#[cfg(test)]
pub(crate) struct OneToken;

#[cfg(test)]
impl Seal for OneToken {
    fn seal(&self, _: &crate::seal::Purpose<'_>, plain: &[u8]) -> crate::domain::secret::Sealed {
        crate::domain::secret::Sealed(plain.to_vec())
    }
    fn open(
        &self,
        _: &crate::seal::Purpose<'_>,
        _: &crate::domain::secret::Sealed,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, crate::seal::SealError> {
        Ok(zeroize::Zeroizing::new(b"token".to_vec()))
    }
    fn is_current(&self, _: &crate::domain::secret::Sealed) -> bool {
        true
    }
}
