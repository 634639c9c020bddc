//! What we ask of a provider: calls about the hooks and the repositories of an installation.

use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Failure, Revision};
use crate::domain::repo::{FullName, Instance, Repository, RepositoryId};
use crate::domain::secret::{HookSecret, Proof, ProviderToken};
use crate::domain::time::Timestamp;
use crate::domain::user::Account;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// An error of a provider call, answering its caller's questions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// What to do about it.
    pub failure: Failure,
    /// Whether the provider may have carried the call out, or may yet.
    pub may_have_acted: bool,
    /// The reason, for programs.
    pub code: ErrorCode,
    /// A sentence for people that says what to do. Holds no secret and no part of the answer that
    /// could carry one.
    pub message: String,
    /// Where the user of the token mends it. For them alone: it may hold a request of theirs.
    pub link: Option<String>,
}

impl ProviderError {
    /// As it is shown: the message names the link only when the credential is the reader's own.
    #[must_use]
    pub fn shown(mut self, is_own: bool) -> Self {
        if let (Some(link), true) = (self.link.take(), is_own) {
            self.message = format!("{} Open {link}", self.message);
        }
        self
    }

    /// A call that may be repeated as it is.
    pub fn retryable(
        code: ErrorCode,
        message: impl Into<String>,
        after: Option<Duration>,
        may_have_acted: bool,
    ) -> Self {
        let failure = Failure::Retryable { after };
        Self {
            failure,
            may_have_acted,
            code,
            message: message.into(),
            link: None,
        }
    }

    /// A call that the provider refused without doing anything.
    pub fn refused(failure: Failure, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            failure,
            may_have_acted: false,
            code,
            message: message.into(),
            link: None,
        }
    }
}

/// The right to make calls.
#[derive(Clone, Debug)]
pub struct Access {
    /// The installation that the token belongs to, and the only one it is sent to.
    pub instance: Instance,
    /// The token.
    pub token: ProviderToken,
    /// For whom and why: calls wait in line by it.
    pub errand: Errand,
}

/// A repository to make calls about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The provider's id of it; used for addressing when it is known.
    pub repository: Option<RepositoryId>,
    /// Its name as last known.
    pub full_name: FullName,
}

/// The hook that we want.
#[derive(Clone, Debug)]
pub struct HookSpec {
    /// Its URL: our public address, and the mark.
    pub url: String,
    /// The path with the connection's hook key, which is nobody else's: a hook whose URL ends in it
    /// is ours, at our present address or at a former one.
    pub mark: String,
    /// The events, sorted.
    pub events: Vec<String>,
    /// The secret.
    pub secret: HookSecret,
    /// The revision of these settings, handed back with the reply.
    pub revision: Revision,
}

/// What an ensure call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// The hook.
    pub hook: HookId,
    /// Whether it was created by this call; otherwise it was found and adopted.
    pub created: bool,
    /// What its deliveries will prove themselves with.
    pub proof: Proof,
    /// The repository, as the provider describes it now.
    pub repository: Repository,
}

/// What a check found, and the repository as the provider describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The hook.
    pub report: CheckReport,
    /// The repository.
    pub repository: Repository,
}

/// How a check found the hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckReport {
    /// As we want it.
    Intact,
    /// Not as we want it.
    Drifted {
        /// The settings that differ, by name, for the log.
        fields: Vec<&'static str>,
        /// The address of ours that the hook delivers to, when only that differs: it has our mark
        /// and all other settings.
        former_address: Option<String>,
    },
    /// With our settings, but the provider sends nothing because deliveries failed.
    Disabled {
        /// Not until somebody acts.
        permanently: bool,
        /// Until then by itself.
        until: Option<Timestamp>,
    },
    /// The provider shows the hooks, and ours is not among them.
    Missing,
}

/// What came of asking for a test delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinged {
    /// The provider sends one, or has sent it.
    Sent,
    /// The provider has nothing in this repository that it could send.
    Untestable,
}

/// What a repair did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Written.
    Done {
        /// What its deliveries will prove themselves with.
        proof: Proof,
    },
    /// The provider shows the hooks, and ours is not among them.
    Missing,
}

/// Who a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: Account,
    /// The scopes, when the provider reports them.
    pub scopes: Vec<String>,
}

/// The future of a provider call.
pub type Calling<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// Outbound: what we ask of a provider. One per installation.
///
/// Every call has a time limit of its own, honours the provider's rate limits per token, and
/// repeats by itself only what is idempotent, and only briefly: lasting failure is the caller's
/// to wait out.
pub trait Hooks: Send + Sync + 'static {
    /// Makes sure that exactly one hook of ours is there with these settings: finds it over all
    /// pages, by the `known` id whatever its URL is by now, else by the mark in its URL, or creates
    /// it; writes all settings (the secret cannot be read back); deletes surplus ones with our
    /// mark. Creates none while the one with the known id exists, and never touches a hook with
    /// another id and another URL.
    ///
    /// The awkward case: the provider says "not found" for a repository that the token may not
    /// manage. That is `NoAccess`, never "gone".
    fn ensure<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        known: Option<HookId>,
        spec: &'a HookSpec,
    ) -> Calling<'a, Ensured>;

    /// Compares the hook with the settings. More than one hook of ours is drift, too.
    fn check<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Checked>;

    /// Writes all settings of a hook that is there, wherever it delivers to, without losing the
    /// secret; deletes others with our mark.
    fn repair<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Repaired>;

    /// Asks for a test delivery. A provider that waits for our answer to it, and does not like it,
    /// makes this an error.
    fn ping<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
    ) -> Calling<'a, Pinged>;

    /// Deletes the hook with the `known` id and every one with this mark in its URL. Success is
    /// that the provider has shown the list afterwards, and that neither is left.
    fn delete<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        known: Option<HookId>,
        mark: &'a str,
    ) -> Calling<'a, ()>;

    /// The repository, by id when it is known, else by name. `None` when the provider says that
    /// there is none that this token may see.
    fn repository<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Option<Repository>>;

    /// Makes sure that the provider shows this user, organisation or group to the token. The error
    /// is `OwnerNotFound`, or `NoAccess` when the provider says that there is one that the token
    /// may not see.
    ///
    /// The awkward case: a provider that does not tell one from the other. The words say so.
    fn owner<'a>(&'a self, access: &'a Access, name: &'a str) -> Calling<'a, ()>;

    /// A page of the repositories that the token can reach, 1-based, and whether more follow.
    fn repositories<'a>(
        &'a self,
        access: &'a Access,
        page: u32,
    ) -> Calling<'a, (Vec<Repository>, bool)>;

    /// Who the token belongs to.
    fn identity<'a>(&'a self, access: &'a Access) -> Calling<'a, Identity>;
}
