//! Outbound calls: about the hooks and the repositories of an installation.

pub use super::access::{Access, Calling, ProviderError, Target};
use super::explain::Explain;
use super::logs::Logs;
use crate::domain::connection::Seen;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Revision;
use crate::domain::pace::CallLimits;
use crate::domain::repo::Repository;
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::standing::Fingerprint;
use crate::domain::time::Timestamp;
use crate::domain::user::Account;

/// The wanted hook.
#[derive(Clone, Debug)]
pub struct HookSpec {
    /// Its URL: our public address, and the mark.
    pub url: String,
    /// The path with the connection's hook key, which is unique: a hook whose URL ends in it is
    /// ours, at our current address or at a former one.
    pub mark: String,
    /// The events, sorted.
    pub events: Vec<String>,
    /// What the events were before a user chose these, until these are written: a hook with such
    /// was changed by no one else.
    pub former_events: Vec<Vec<String>>,
    /// The secret.
    pub secret: HookSecret,
    /// A hook of others that becomes ours in place instead of a new one, if it still has this
    /// fingerprint.
    pub takes: Option<(HookId, Fingerprint)>,
    /// The revision of these settings, returned with the reply.
    pub revision: Revision,
}

/// The result of an ensure call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ensured {
    /// The hook.
    pub hook: HookId,
    /// Whether it was created by this call; otherwise it was found and adopted.
    pub created: bool,
    /// Whether it was found with other settings, apart from a former address of ours.
    pub was_changed: bool,
    /// How its deliveries will be authenticated.
    pub proof: Proof,
    /// The other hooks of the repository, as they were right before.
    pub others: Vec<TheirHook>,
    /// The repository, as the provider describes it now.
    pub repository: Repository,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The hook.
    pub report: CheckReport,
    /// The other hooks of the repository; `None` when they have not changed.
    pub others: Option<Vec<TheirHook>>,
    /// The repository as the provider describes it now; `None` when only the hooks were looked at,
    /// and they have not changed.
    pub repository: Option<Repository>,
    /// By what the next check may find out that nothing has changed; `None` where it must be
    /// complete.
    pub seen: Option<Seen>,
}

/// The state in which a check found the hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckReport {
    /// With the wanted settings.
    Intact,
    /// With other settings.
    Drifted {
        /// The settings that differ, by name, for the log.
        fields: Vec<&'static str>,
        /// Our former address to which the hook delivers, when only that differs: it has our mark
        /// and all other settings.
        former_address: Option<String>,
    },
    /// With our settings, but the provider sends nothing because deliveries failed.
    Disabled {
        /// Until it is enabled again.
        permanently: bool,
        /// Until this time.
        until: Option<Timestamp>,
    },
    /// The provider lists the hooks, and ours is not among them.
    Missing,
}

/// The result of a request for a test delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinged {
    /// The provider sends one, or has sent it.
    Sent,
    /// The provider has no data in this repository for one.
    Untestable,
}

/// The result of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Written.
    Done {
        /// How its deliveries will be authenticated.
        proof: Proof,
        /// Whether it was found with other settings, apart from a former address of ours.
        was_changed: bool,
    },
    /// The provider lists the hooks, and ours is not among them.
    Missing,
}

/// A hook of a repository, ours or of another program or person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TheirHook {
    /// The provider's id.
    pub id: HookId,
    /// Its URL, as the provider shows it; `None` when it shows none. It may hold a secret of
    /// someone else: for administrators of the repository only.
    pub url: Option<String>,
    /// The events, by the provider's names.
    pub events: Vec<String>,
    /// Whether it delivers: switched on, and not disabled by the provider.
    pub is_active: bool,
    /// Whether it has a secret. GitLab before 19.0 does not say.
    pub has_secret: Option<bool>,
    /// When it was made, if the provider says so.
    pub created_at: Option<Timestamp>,
}

/// The hooks of a repository, and the repository as the provider describes it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The repository.
    pub repository: Repository,
    /// All of its hooks, the lowest id first.
    pub hooks: Vec<TheirHook>,
}

/// What became of a hook that was to be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAway {
    /// The provider shows that it is deleted.
    Removed,
    /// It was not there any more.
    Gone,
    /// It has another URL than when it was listed, and was left alone.
    Changed,
}

/// The account, the scopes and the end of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: Account,
    /// The scopes, when the provider reports them.
    pub scopes: Vec<String>,
    /// When the token expires; `None` when it does not, or when the provider does not say.
    pub expires_at: Option<Timestamp>,
}

/// Outbound: calls to a provider. One per installation.
///
/// Every call has a time limit, respects the provider's rate limits per token, and retries only
/// what is idempotent, and only briefly: the caller handles lasting failures.
pub trait Hooks: Logs + Explain {
    /// Ensures that exactly one hook of ours exists with these settings. Finds it on all pages, by
    /// the `known` id at any URL, else by the mark in its URL, or creates it; writes all settings
    /// (the secret cannot be read back); deletes surplus ones with our mark. Creates none while the
    /// one with the known id exists, and never changes a hook with another id and another URL but
    /// the one that [`HookSpec::takes`] names.
    ///
    /// The awkward case: the provider answers "not found" for a repository that the token may not
    /// manage. That is `NoAccess`, never "deleted".
    fn ensure<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        known: Option<HookId>,
        spec: &'a HookSpec,
    ) -> Calling<'a, Ensured>;

    /// Compares the hook with the settings. More than one hook of ours is drift, too.
    ///
    /// With what an earlier complete check has `seen`, it first asks whether the hooks have changed
    /// since, where that is free. "Not changed" counts only for what was seen: this repository,
    /// hook, token and these settings, within the last day. In all other cases the check is
    /// complete.
    fn check<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
        seen: Option<&'a Seen>,
    ) -> Calling<'a, Checked>;

    /// Writes all settings of an existing hook, at any URL, without losing the secret; deletes
    /// others with our mark.
    fn repair<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Repaired>;

    /// Requests a test delivery. If a provider waits for our answer to it and gets an error, that
    /// is an error here.
    fn ping<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
    ) -> Calling<'a, Pinged>;

    /// Deletes the hook with the `known` id and every one with this mark in its URL. Success means
    /// that the provider has shown the list afterwards, without either.
    fn delete<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        known: Option<HookId>,
        mark: &'a str,
    ) -> Calling<'a, ()>;

    /// All hooks of the repository, ours and others'. Those of its organisation or group, which get
    /// its events, too, are not among them.
    fn hooks<'a>(&'a self, access: &'a Access, target: &'a Target) -> Calling<'a, Listed>;

    /// Deletes a hook that no connection keeps, unless it has changed since it had this
    /// fingerprint. The caller knows that no connection has it.
    fn take_away<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        expected: Fingerprint,
    ) -> Calling<'a, TakenAway>;

    /// The repository, by id when it is known, else by name. `None` when the provider answers that
    /// none exists to which this token has access.
    fn repository<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Option<Repository>>;

    /// Checks that the token can see this user, organisation or group. The error is
    /// `OwnerNotFound`, or `NoAccess` when the provider reports that it exists and the token has no
    /// access.
    ///
    /// The awkward case: a provider that does not distinguish the two. The message says so.
    fn owner<'a>(&'a self, access: &'a Access, name: &'a str) -> Calling<'a, ()>;

    /// A page of the repositories that the token can access, 1-based, and whether more follow.
    fn repositories<'a>(
        &'a self,
        access: &'a Access,
        page: u32,
    ) -> Calling<'a, (Vec<Repository>, bool)>;

    /// What the provider allows one credential, as far as it is known now.
    fn limits(&self) -> CallLimits {
        CallLimits::default()
    }

    /// The account, the scopes and the end of the token.
    fn identity<'a>(&'a self, access: &'a Access) -> Calling<'a, Identity>;
}
