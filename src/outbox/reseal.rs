//! After a master key was added, the address of each sink is sealed again with it.

use super::tools::{Tools, purpose};
use crate::domain::sink::Sink;
use crate::store::{Batch, Change, CommitError, Conflict, Guard, ReadError};

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Tools {
    /// Seals every address again that is not sealed with the newest key. One that cannot be opened
    /// stays as it is, and is logged.
    pub(super) async fn reseal(&self) -> Result<(), ResealError> {
        for user in self.store.users().await? {
            for sink in self.store.sinks_of(user.id).await? {
                self.reseal_one(sink).await?;
            }
        }
        Ok(())
    }

    async fn reseal_one(&self, mut sink: Sink) -> Result<(), ResealError> {
        while !self.seal.is_current(&sink.target) {
            let plain = match self.seal.open(&purpose(&sink), &sink.target) {
                Ok(plain) => plain,
                Err(error) => {
                    tracing::error!(sink.id = %sink.id, %error, "cannot be resealed");
                    return Ok(());
                }
            };
            let renewed = Sink {
                target: self.sealed(&sink, &plain),
                ..sink.clone()
            };
            let batch = Batch::of(vec![Change::PutSink(Box::new(renewed))]);
            let id = sink.id;
            let guard = Guard::SameSink(Box::new(sink));
            match self.store.commit(batch.guarded_by(guard)).await {
                Err(CommitError::Conflict(Conflict::Changed)) => {}
                stored => return Ok(stored?),
            }
            let Some(present) = self.store.sink(id).await? else {
                return Ok(());
            };
            sink = present;
        }
        Ok(())
    }
}
