//! What one kind of provider says differently from another: paths, bodies, limits, refusals.
//!
//! What takes several requests is in `operations`. Everything that is alike (sending within
//! budgets, lists, finding our hook, adopting it, comparing it) is written once: in `client`,
//! `session` and `ours`.

use super::errors::Naming;
use super::http::Answer;
use super::outbound::{CheckReport, HookSpec, ProviderError};
use crate::domain::repo::{FullName, Repository};
use crate::domain::secret::Proof;
use crate::domain::time::Timestamp;
use reqwest::Method;
use std::time::Duration;

/// What was asked for, for the sentence that a refusal becomes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    /// The hooks of a repository; and whether the provider says that the token may manage them.
    Hooks(&'a FullName, Option<bool>),
    /// A repository.
    Repository(&'a FullName),
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

    /// That the provider has disabled a hook with the right settings, when it has.
    fn disabled(&self) -> Option<CheckReport>;
}

/// One kind of provider. A value holds what has to be remembered between calls.
pub(super) trait Dialect: Send + Sync + Sized + 'static {
    /// What it is called, for sentences.
    const NAMING: Naming;
    /// How all settings of a hook are written.
    const REWRITE: Method;

    type Hook: Theirs;

    /// How long to be silent, when the answer says that we were too busy.
    fn limit(answer: &Answer, now: Timestamp) -> Option<Duration>;

    /// How many calls are left, and until when.
    fn remaining(answer: &Answer, now: Timestamp) -> Option<(u64, Duration)>;

    /// Whether a list goes on after this page.
    fn has_next(answer: &Answer) -> bool;

    /// The error that a refusal is.
    fn refusal(answer: &Answer, asked: Asked<'_>) -> ProviderError;

    /// Whether a creation was refused because the hook is there already.
    fn is_already_there(answer: &Answer) -> bool;

    /// Where a repository's hooks are.
    fn hooks_path(repository: &Repository) -> String;

    /// The body that creates (`is_new`) or rewrites a hook: always all settings.
    fn hook_body(spec: &HookSpec, is_new: bool) -> Vec<u8>;

    /// What the hook that was just written will prove its deliveries with.
    fn proof(answer: &Answer) -> Result<Proof, ProviderError>;
}
