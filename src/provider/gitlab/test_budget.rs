//! GitLab's limit on test deliveries, respected in advance.

use crate::domain::repo::RepositoryId;
use crate::provider::budget::TokenKey;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Most test deliveries of one token for one project within [`TESTS_WINDOW`]: GitLab's limit.
const TESTS_MAX: usize = 5;
const TESTS_WINDOW: Duration = Duration::from_mins(1);
/// From this many projects on, those without a recent test are dropped.
const PROJECTS_MAX: usize = 4096;

/// The times of recent test deliveries.
#[derive(Debug, Default)]
pub(super) struct TestBudget(Mutex<HashMap<(TokenKey, RepositoryId), VecDeque<Instant>>>);

impl TestBudget {
    /// Counts one; an error is the time after which to retry.
    pub(super) fn admit(&self, token: TokenKey, project: RepositoryId) -> Result<(), Duration> {
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
