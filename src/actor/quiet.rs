//! How many test deliveries are requested because of unusual silence.

use crate::domain::id::CredentialId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Most such requests with one credential within [`WINDOW`]: on a holiday many repositories are
/// silent at once. Those left out are pinged when their interval is up.
const PINGS_MAX: u32 = 60;
const WINDOW: Duration = Duration::from_hours(1);
/// From this many credentials on, those whose window has ended are dropped.
const CREDENTIALS_MAX: usize = 1024;

/// Recent requests with each credential: since when, and how many.
#[derive(Debug, Default)]
pub(super) struct QuietPings(Mutex<HashMap<CredentialId, (Instant, u32)>>);

impl QuietPings {
    /// Counts one. Returns whether it may be made.
    pub(super) fn admit(&self, credential: CredentialId) -> bool {
        let now = Instant::now();
        let is_over = |since: Instant| now.duration_since(since) >= WINDOW;
        let mut all = self.0.lock();
        if all.len() >= CREDENTIALS_MAX {
            all.retain(|_, (since, _)| !is_over(*since));
        }
        let (since, count) = all.entry(credential).or_insert((now, 0));
        if is_over(*since) {
            (*since, *count) = (now, 0);
        }
        let may = *count < PINGS_MAX;
        *count += u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sixty_an_hour_for_each_credential_and_no_more() {
        let pings = QuietPings::default();
        let id = |n: u128| CredentialId::from_u128(n);
        for n in 0..200 {
            assert_eq!(pings.admit(id(1)), n < 60);
        }
        assert!(pings.admit(id(2)));
        tokio::time::advance(WINDOW).await;
        assert!(pings.admit(id(1)));
        for n in 0..5000 {
            assert!(pings.admit(id(n + 10)));
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert!(pings.0.lock().len() <= CREDENTIALS_MAX);
    }
}
