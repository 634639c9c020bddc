//! GitHub's hooks: which settings drift, and pings.

use super::dialect::{GithubDialect, Talk};
use super::errors;
use super::wire::HookBody;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use crate::provider::dialect::{Asked, Theirs};
use crate::provider::ours::{hook_path, points_to};
use crate::provider::outbound::{CheckReport, HookSpec, Pinged, ProviderError, TheirHook};
use crate::provider::payload::moment_of;
use std::collections::BTreeSet;

impl Theirs for HookBody {
    fn id(&self) -> u64 {
        self.id
    }

    fn url(&self) -> Option<&str> {
        self.config.url.as_deref()
    }

    fn drift(&self, spec: &HookSpec) -> Vec<&'static str> {
        let config = &self.config;
        let events = |events: &[String]| events.iter().cloned().collect::<BTreeSet<_>>();
        let insecure = config.insecure_ssl.as_ref();
        let verifies = insecure.is_none_or(|v| v.as_str() == Some("0") || v.as_u64() == Some(0));
        [
            ("active", self.active == Some(true)),
            ("events", events(&self.events) == events(&spec.events)),
            ("url", points_to(self.url(), &spec.url)),
            (
                "content_type",
                config.content_type.as_deref() == Some("json"),
            ),
            ("insecure_ssl", verifies),
            (
                "secret",
                config.secret.as_deref().is_some_and(|s| !s.is_empty()),
            ),
        ]
        .into_iter()
        .filter_map(|(field, is_right)| (!is_right).then_some(field))
        .collect()
    }

    /// GitHub never disables a hook.
    fn disabled(&self) -> Option<CheckReport> {
        None
    }

    fn shown(&self) -> TheirHook {
        TheirHook {
            id: HookId(self.id),
            url: self.config.url.clone(),
            events: self.events.clone(),
            is_active: self.active == Some(true),
            has_secret: Some(self.config.secret.as_deref().is_some_and(|s| !s.is_empty())),
            created_at: self.created_at.as_deref().and_then(moment_of),
        }
    }
}

pub(super) async fn ping(
    s: &mut Talk<'_>,
    repository: &Repository,
    hook: HookId,
) -> Result<Pinged, ProviderError> {
    let path = format!("{}/pings", hook_path::<GithubDialect>(repository, hook.0));
    let answer = s.post(&path, None).await?;
    if answer.status.is_success() {
        Ok(Pinged::Sent)
    } else {
        Err(errors::refusal(&answer, Asked::hooks_of(repository)))
    }
}
