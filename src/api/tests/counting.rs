//! GitHub's dialect, with a count of the secrets that are tried: each costs a pass over the body.

use crate::domain::delivery::Payload;
use crate::domain::event::Decoded;
use crate::domain::id::Entropy;
use crate::domain::secret::{HookSecret, Proof};
use crate::provider::github::GithubDecode;
use crate::provider::{Claim, Decode, DecodeError, Inbound, Proven, Verified, VerifyError};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct CountingDecode {
    inner: GithubDecode,
    tried: AtomicUsize,
}

impl CountingDecode {
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self {
            inner: GithubDecode::new(entropy),
            tried: AtomicUsize::new(0),
        }
    }

    /// How many secrets were tried since the last look.
    pub(super) fn tried(&self) -> usize {
        self.tried.swap(0, Ordering::SeqCst)
    }
}

impl Decode for CountingDecode {
    fn prove(
        &self,
        inbound: Inbound<'_>,
        secrets: &[HookSecret],
        proof: Proof,
    ) -> Result<Proven, VerifyError> {
        self.tried.fetch_add(secrets.len().max(1), Ordering::SeqCst);
        self.inner.prove(inbound, secrets, proof)
    }

    fn describe(&self, inbound: Inbound<'_>, proven: Proven) -> Verified {
        self.inner.describe(inbound, proven)
    }

    fn claim(&self, inbound: Inbound<'_>) -> Option<Claim> {
        self.inner.claim(inbound)
    }

    fn decode(&self, event: &str, payload: &Payload) -> Result<Decoded, DecodeError> {
        self.inner.decode(event, payload)
    }

    fn is_known_event(&self, event: &str) -> bool {
        self.inner.is_known_event(event)
    }

    fn default_events(&self) -> &'static [&'static str] {
        self.inner.default_events()
    }

    fn is_event_name(&self, name: &str) -> bool {
        self.inner.is_event_name(name)
    }
}
