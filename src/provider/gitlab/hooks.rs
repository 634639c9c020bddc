//! GitLab's hooks: what drifts, what disables them, and test deliveries.

use super::dialect::{GitlabDialect, Talk};
use super::errors::{self, Problem};
use super::wire::HookBody;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::Repository;
use crate::provider::dialect::{Asked, Theirs};
use crate::provider::ours::{hook_path, points_to};
use crate::provider::outbound::{CheckReport, HookSpec, Pinged, ProviderError, TheirHook};
use crate::provider::payload::{Loose, any_moment};
use std::time::Duration;

impl Theirs for HookBody {
    fn id(&self) -> u64 {
        self.id
    }

    fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    fn drift(&self, spec: &HookSpec) -> Vec<&'static str> {
        let mut fields = self.settings_drifted(spec);
        if !points_to(self.url(), &spec.url) {
            fields.push("url");
        }
        fields
    }

    fn shown(&self) -> TheirHook {
        TheirHook {
            id: HookId(self.id),
            url: self.url.clone(),
            events: self.heard(),
            is_active: self.disabled().is_none(),
            has_secret: self.has_secret(),
            created_at: self.created_at(),
        }
    }

    fn disabled(&self) -> Option<CheckReport> {
        let until = || any_moment(&Loose::Text(self.disabled_until.as_deref()?.into()));
        match self.alert_status.as_deref()? {
            "temporarily_disabled" => Some(CheckReport::Disabled {
                permanently: false,
                until: until(),
            }),
            "disabled" => Some(CheckReport::Disabled {
                permanently: true,
                until: None,
            }),
            _ => None,
        }
    }
}

/// The triggers of a test delivery, in the order in which they are tried: first what most projects
/// have, and what has no effect beyond its arrival.
pub(super) const TRIGGERS: [&str; 14] = [
    "push_events",
    "tag_push_events",
    "merge_requests_events",
    "pipeline_events",
    "job_events",
    "issues_events",
    "confidential_issues_events",
    "note_events",
    "wiki_page_events",
    "releases_events",
    "milestone_events",
    "emoji_events",
    "resource_access_token_events",
    "resource_deploy_token_events",
];

/// Parts of GitLab's message, in lower case, when a project has no data for a test.
const NOTHING_TO_SHOW: [&str; 3] = [
    "ensure the project has",
    "ensure the wiki",
    "testing not available",
];

/// Requests a test delivery with the first event to which the hook is subscribed and for which the
/// project has data. GitLab answers when it has our answer to it.
pub(super) async fn ping(
    s: &mut Talk<'_>,
    repository: &Repository,
    hook: HookId,
) -> Result<Pinged, ProviderError> {
    let path = hook_path::<GitlabDialect>(repository, hook.0);
    let asked = Asked::hooks_of(repository);
    let answer = s.get(s.url(&path)).await?;
    if answer.status.as_u16() != 200 {
        return Err(errors::refusal(&answer, asked));
    }
    let seen: HookBody = errors::parse(&answer)?;
    let heard = TRIGGERS.into_iter().filter(|t| seen.hears(t) == Some(true));
    for trigger in heard {
        let tests = &s.dialect().tests;
        let admitted = tests.admit(s.token_key(), repository.id);
        admitted.map_err(too_many)?;
        let answer = s.post(&format!("{path}/test/{trigger}"), None).await?;
        let problem = Problem::of(&answer);
        match answer.status.as_u16() {
            200..=299 => return Ok(Pinged::Sent),
            400 | 422 if NOTHING_TO_SHOW.iter().any(|words| problem.says(words)) => {}
            422 => return Err(not_taken()),
            429 => return Err(too_many(errors::wait(&answer))),
            // The hook existed just before, so the route is missing: GitLab before 16.11.
            404 => return Ok(Pinged::Untestable),
            // An event that this version cannot test.
            400 => {}
            _ => return Err(errors::refusal(&answer, asked)),
        }
    }
    Ok(Pinged::Untestable)
}

fn not_taken() -> ProviderError {
    // The provider has tried and reports it, so the outcome is known.
    ProviderError::refused(
        Failure::Rejected,
        ErrorCode::TestDeliveryFailed,
        "GitLab sent a test delivery and got an error. Check that the public URL leads to this \
         server, also from there.",
    )
}

fn too_many(after: Duration) -> ProviderError {
    let words = "GitLab allows five test deliveries a minute for a project. The next one waits.";
    ProviderError::retryable(ErrorCode::RateLimited, words, Some(after), false)
}
