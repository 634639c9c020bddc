//! Unusual silence: a repository from which deliveries usually arrive by now is pinged before its
//! interval is up.
//!
//! Silence alone changes nothing: only a ping without an answer does.

use super::plan::Edit;
use super::turn::Turn;
use crate::domain::connection::{Connection, CredentialUse};
use crate::domain::lifecycle::{Hook, Input, Phase};
use crate::domain::rhythm::QUIET_PING_PAUSE;
use crate::telemetry::metric;
use metrics::counter;

impl Turn {
    /// A check has found the hook as it should be. Requests a test delivery if the repository is
    /// unusually quiet.
    pub(super) async fn listen(&mut self) {
        let Some(connection) = &self.state.connection else {
            return;
        };
        if !self.is_too_quiet(connection) {
            return;
        }
        let used = connection.credential_used.map(CredentialUse::id);
        let is_admitted = used.is_some_and(|id| self.services.quiet_pings.admit(id));
        let outcome = if is_admitted {
            "requested"
        } else {
            "postponed"
        };
        counter!(metric::QUIET_PINGS, "outcome" => outcome).increment(1);
        if !is_admitted {
            return;
        }
        tracing::debug!(connection.id = %self.id, "webhook_unusually_quiet");
        let edit = Edit {
            is_quiet_ping: true,
            ..Edit::default()
        };
        // The next check requests it again.
        if let Err(error) = self.step(Some(Input::PingRequested), edit).await {
            self.complain(&error);
        }
    }

    fn is_too_quiet(&self, connection: &Connection) -> bool {
        let l = &connection.lifecycle;
        let is_awake = l.phase == Phase::Active
            && matches!(l.hook, Hook::Present(_))
            && l.pings_unanswered == 0
            && l.disabled.is_none();
        let clock = &self.services.ports.clock;
        let now = clock.now().min(clock.steady());
        let last = connection.quiet_ping_at;
        // A time in the future comes from a wrong clock, and forbids nothing.
        let is_paused = last.is_some_and(|at| now.apart(at) < QUIET_PING_PAUSE);
        if !is_awake || is_paused {
            return false;
        }
        // What was missed while this process did not run says nothing about the hook.
        let heard = connection.last_delivery_at.max(last);
        let since = heard.map_or(self.services.started_at, |at| {
            at.max(self.services.started_at)
        });
        connection.rhythm.is_unusual(since, now)
    }
}
