//! What the outbox works with, and how addresses are encrypted.

use crate::domain::id::Entropy;
use crate::domain::secret::Sealed;
use crate::domain::sink::Sink;
use crate::domain::time::{Clock, Timestamp};
use crate::notify::{Deliver, Target};
use crate::seal::{Purpose, Seal, SealError};
use crate::store::Store;
use std::sync::Arc;

/// What the outbox works with.
#[derive(Clone)]
pub struct Tools {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Opens and seals secrets.
    pub seal: Arc<dyn Seal>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Sends messages.
    pub deliver: Arc<dyn Deliver>,
}

pub(super) const fn purpose(sink: &Sink) -> Purpose<'_> {
    Purpose::SinkTarget {
        sink: sink.id,
        owner: sink.owner,
        host: sink.host.as_str(),
    }
}

impl Tools {
    /// The time by the wall clock.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A number that is uniform over all of `u64`.
    pub(super) fn chance(&self) -> u64 {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// The address and the keys of a sink.
    pub fn target(&self, sink: &Sink) -> Result<Target, SealError> {
        let plain = self.seal.open(&purpose(sink), &sink.target)?;
        Ok(Target {
            kind: sink.kind,
            plain,
        })
    }

    /// The address and the keys of a sink, encrypted for it.
    pub fn sealed(&self, sink: &Sink, plain: &[u8]) -> Sealed {
        self.seal.seal(&purpose(sink), plain)
    }
}
