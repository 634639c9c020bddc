//! The differences between providers: paths, bodies, limits, refusals.
//!
//! Operations of several requests are in `operations`. Shared code (sending within budgets, lists,
//! finding our hook, adopting it, comparing it) is in `client`, `session` and `ours`.

use super::errors::Naming;
use super::http::Answer;
use super::outbound::{CheckReport, HookSpec, ProviderError, TheirHook};
use super::ticket::Left;
use crate::domain::id::HookId;
use crate::domain::pace::CallLimits;
use crate::domain::repo::{FullName, Repository};
use crate::domain::secret::Proof;
use crate::domain::standing::Fingerprint;
use crate::domain::time::Timestamp;
use reqwest::{Method, Url};
use std::time::Duration;

/// The object of a call, for the message of a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// The hooks of a repository; and whether the provider says that the token may manage them.
    Hooks(&'a FullName, Option<bool>),
    /// A repository.
    Repository(&'a FullName),
    /// The runs or pipelines of a repository.
    Runs(&'a FullName),
    /// The token's own account or repositories.
    Own,
}

impl<'a> Asked<'a> {
    pub(super) fn hooks_of(repository: &'a Repository) -> Self {
        Self::Hooks(&repository.full_name, repository.can_manage_hooks)
    }
}

/// A hook as the provider lists it.
pub(super) trait Theirs: serde::de::DeserializeOwned + Send + Sync {
    fn id(&self) -> u64;

    fn url(&self) -> Option<&str>;

    /// The settings that differ from ours, by name.
    fn drift(&self, spec: &HookSpec) -> Vec<&'static str>;

    /// Whether the provider has disabled a hook with the right settings.
    fn disabled(&self) -> Option<CheckReport>;

    /// All that is known of it.
    fn shown(&self) -> TheirHook;

    /// Whether it is still what was listed.
    fn is_still(&self, expected: Fingerprint) -> bool {
        Fingerprint::of(HookId(self.id()), self.url()) == expected
    }
}

/// One kind of provider. A value holds state between calls.
pub(super) trait Dialect: Send + Sync + Sized + 'static {
    /// Its name, for messages.
    const NAMING: Naming;
    /// How to write all settings of a hook.
    const REWRITE: Method;
    /// Whether a read that finds nothing changed costs nothing of the token's limit.
    const UNCHANGED_IS_FREE: bool;
    /// The windows of its limit in an hour.
    const WINDOWS_PER_HOUR: u64;

    type Hook: Theirs;

    /// The wait, when the answer to a request for `url` is a rate limit of the token's.
    fn limit(url: &Url, answer: &Answer, now: Timestamp) -> Option<Duration>;

    /// How many calls are left, and until when.
    fn remaining(answer: &Answer, now: Timestamp) -> Option<Left>;

    /// What the provider allows one credential. `per_hour` are the calls of an hour, if its answers
    /// say so, and `is_cloud` whether it is the provider's own installation.
    fn limits(per_hour: Option<u64>, is_cloud: bool) -> CallLimits;

    /// Whether a list has another page after this one.
    fn has_next(answer: &Answer) -> bool;

    /// The error for a refusal.
    fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError;

    /// Whether a creation was refused because the hook already exists.
    fn is_already_there(answer: &Answer) -> bool;

    /// The path of a repository's hooks.
    fn hooks_path(repository: &Repository) -> String;

    /// The body that creates (`is_new`) or rewrites a hook: always all settings.
    fn hook_body(spec: &HookSpec, is_new: bool) -> Vec<u8>;

    /// How the hook that was just written authenticates its deliveries.
    fn proof(answer: &Answer) -> Result<Proof, ProviderError>;
}
