//! Why the daemon does not start, or ends.

use crate::credentials::ResealError;
use crate::domain::repo::ProviderKind;
use crate::notify::SettingsError;
use crate::outbox;
use crate::provider::github::KeyError as AppKeyError;
use crate::provider::http::HttpError;
use crate::seal::ring::KeyError;
use crate::store::disk::OpenError;
use crate::store::{CommitError, ReadError};
use std::net::SocketAddr;

/// Why the daemon does not start, or does not continue.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No usable master key.
    #[error("OAUTH_TOKEN_ENCRYPTION_KEY: {0}")]
    Key(#[from] KeyError),
    /// The key does not fit the store.
    #[error(
        "the master key does not match this data directory; nothing was changed. Start with \
         the key it was created with; if that key is lost, see docs/operations.md"
    )]
    WrongKey,
    /// A record that every store has is absent, and that does not mean that there never was one.
    #[error(
        "{0} is missing from this store and may be lost; nothing was created in its place. \
         Restore a backup, or start once with --accept-data-loss"
    )]
    Absent(&'static str),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// Credentials cannot be resealed.
    #[error(transparent)]
    Reseal(#[from] ResealError),
    /// The addresses of sinks cannot be resealed.
    #[error(transparent)]
    ResealSinks(#[from] outbox::ResealError),
    /// The file of certificate authorities for sinks cannot be read.
    #[error("sinks.ca_file: {0}")]
    SinkAuthority(std::io::Error),
    /// The client for notifications cannot be made.
    #[error("sinks: {0}")]
    Sinks(#[from] SettingsError),
    /// A provider's client cannot be made.
    #[error("providers.{0}: {1}")]
    Provider(ProviderKind, HttpError),
    /// A file of certificate authorities cannot be read.
    #[error("providers.{0}.ca_file: {1}")]
    Authority(ProviderKind, std::io::Error),
    /// The key of the GitHub App cannot be used.
    #[error("providers.github.app.private_key: {0}")]
    AppKey(#[from] AppKeyError),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Nothing is listened to any more.
    #[error("no longer listening on {0}: {1}")]
    Ended(SocketAddr, std::io::Error),
    /// Logging cannot be set up.
    #[error("{0}")]
    Log(String),
    /// Metrics cannot be set up.
    #[error("metrics: {0}")]
    Metrics(String),
    /// Signals cannot be handled.
    #[error("signals: {0}")]
    Signal(std::io::Error),
    /// A thread cannot be started.
    #[error("threads: {0}")]
    Thread(std::io::Error),
}

impl StartError {
    /// Whether every further start fails in the same way until the configuration is changed,
    /// the keys or the store. What else is wrong may pass by itself.
    pub fn needs_a_person(&self) -> bool {
        match self {
            Self::Key(_)
            | Self::WrongKey
            | Self::Absent(_)
            | Self::Provider(..)
            | Self::Authority(..)
            | Self::SinkAuthority(_)
            | Self::AppKey(_)
            | Self::Sinks(_)
            | Self::Log(_) => true,
            Self::Store(error) => error.needs_a_person(),
            Self::Read(_)
            | Self::Commit(_)
            | Self::Reseal(_)
            | Self::ResealSinks(_)
            | Self::Listen(..)
            | Self::Ended(..)
            | Self::Metrics(_)
            | Self::Signal(_)
            | Self::Thread(_) => false,
        }
    }
}
