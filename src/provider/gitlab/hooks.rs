//! What is GitLab's own about hooks: what drifts, what disables them, and test deliveries.

use super::errors::{self, Problem};
use super::wire::HookBody;
use super::{GitlabDialect, HookSpec, Pinged, ProviderError, Talk};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{Repository, RepositoryId};
use crate::provider::CheckReport;
use crate::provider::budget::TokenKey;
use crate::provider::dialect::{Asked, Theirs};
use crate::provider::ours::{hook_path, points_to};
use crate::provider::payload::{Loose, any_moment};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

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

/// What a test delivery can be made of, in the order in which it is tried: first what most
/// projects have, and what means nothing to us beyond its arrival.
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

/// What GitLab says, in small letters, when a project has nothing that a test could be made of.
const NOTHING_TO_SHOW: [&str; 3] = [
    "ensure the project has",
    "ensure the wiki",
    "testing not available",
];

/// Asks for a test delivery with the first event that the hook hears and the project can show.
/// GitLab answers when it has our answer to it.
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
            // The hook was there a moment ago, so it is the route that is not: GitLab before 16.11.
            404 => return Ok(Pinged::Untestable),
            // An event that this version cannot show.
            400 => {}
            _ => return Err(errors::refusal(&answer, asked)),
        }
    }
    Ok(Pinged::Untestable)
}

fn not_taken() -> ProviderError {
    // The provider has tried, and says so: this is no lack of knowledge.
    ProviderError::refused(
        Failure::Rejected,
        ErrorCode::TestDeliveryFailed,
        "GitLab sent a test delivery and got no good answer: check that the public URL leads to \
         this daemon, also from there",
    )
}

fn too_many(after: Duration) -> ProviderError {
    let words = "GitLab allows five test deliveries a minute for a project; the next one waits";
    ProviderError::retryable(ErrorCode::RateLimited, words, Some(after), false)
}

/// Most test deliveries of one token for one project within [`TESTS_WINDOW`]: GitLab's limit.
const TESTS_MAX: usize = 5;
const TESTS_WINDOW: Duration = Duration::from_mins(1);
/// From this many projects on, those that were not tested lately are forgotten.
const PROJECTS_MAX: usize = 4096;

/// When test deliveries were asked for lately.
#[derive(Debug, Default)]
pub(super) struct TestBudget(Mutex<HashMap<(TokenKey, RepositoryId), VecDeque<Instant>>>);

impl TestBudget {
    /// Counts one; an error is the time after which to come again.
    fn admit(&self, token: TokenKey, project: RepositoryId) -> Result<(), Duration> {
        let now = Instant::now();
        let is_over = |at: &Instant| now.duration_since(*at) >= TESTS_WINDOW;
        let mut all = self.0.lock();
        if all.len() >= PROJECTS_MAX {
            all.retain(|_, times| !times.back().is_none_or(is_over));
        }
        let times = all.entry((token, project)).or_default();
        while times.front().is_some_and(is_over) {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= TESTS_MAX => {
                Err(TESTS_WINDOW.saturating_sub(now.duration_since(*first)))
            }
            Some(_) | None => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::ProviderToken;

    #[tokio::test(start_paused = true)]
    async fn five_test_deliveries_a_minute_and_not_one_more() {
        let key = |text: &str| TokenKey::of(&ProviderToken::new(text.into()).unwrap());
        let (budget, project) = (TestBudget::default(), RepositoryId(1));
        for _ in 0..TESTS_MAX {
            budget.admit(key("t"), project).unwrap();
            tokio::time::advance(Duration::from_secs(2)).await;
        }
        let wait = budget.admit(key("t"), project).unwrap_err();
        assert_eq!(wait.as_secs(), 50);
        budget.admit(key("u"), project).unwrap();
        budget.admit(key("t"), RepositoryId(2)).unwrap();
        tokio::time::advance(wait).await;
        budget.admit(key("t"), project).unwrap();
        budget.admit(key("t"), project).unwrap_err();
    }
}
