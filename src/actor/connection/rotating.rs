//! Rotating the secret of the hook: at the end of an interval, and dropping former ones.

use super::plan::{Edit, NewSecret};
use super::turn::Turn;
use crate::actor::secrets;
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::lifecycle::{Input, Phase, Timer};
use crate::domain::rotation::{Plan, RotationState};
use crate::domain::secret::HookSecret;
use crate::store::ReadError;

impl Turn {
    /// A timer of the lifecycle fired. A rotation that is due takes the place of a check: it writes
    /// all settings.
    pub(super) async fn take_timer(&mut self, timer: Timer) {
        if timer == Timer::Check
            && let Some(connection) = &self.state.connection
            && self.is_rotation_due(connection)
        {
            tracing::info!(connection.id = %self.id, "webhook_secret_rotation_due");
            let edit = self.new_secret(connection, true);
            return self.must(Input::SettingsChanged, edit).await;
        }
        self.must(Input::TimerFired(timer), Edit::default()).await;
    }

    /// Whether the secret is to be rotated because its interval is up: only that of a hook that is
    /// known to work, and not while former ones are accepted.
    fn is_rotation_due(&self, connection: &Connection) -> bool {
        let settings = &self.services.settings;
        let Some(every) = settings.rotate_every else {
            return false;
        };
        let l = &connection.lifecycle;
        let works = l.phase == Phase::Active
            && connection.has_hook_as_wanted()
            && (l.checks_failed, l.pings_unanswered) == (0, 0)
            && connection.webhook_status() == WebhookStatus::Active;
        // Two looks are an interval and its jitter apart.
        let interval = self.services.intervals(connection).check;
        let step = interval + interval / 10;
        let ports = &self.services.ports;
        let now = ports.now().min(ports.clock.trusted());
        works
            && connection.rotation.state() == RotationState::Settled
            && connection
                .rotation
                .is_due(self.id, Plan { every, step }, now)
    }

    /// A new secret for the hook.
    pub(super) fn new_secret(&self, connection: &Connection, is_regular: bool) -> Edit {
        let ports = &self.services.ports;
        let secret = HookSecret::generate(&*ports.entropy);
        let secret = secrets::seal(ports, connection, &secret);
        Edit {
            secret: Some(NewSecret { secret, is_regular }),
            ..Edit::default()
        }
    }

    /// Whether former secrets may be dropped when their time has ended: what is stored and not
    /// processed yet may be signed with one, and starts the wait again.
    pub(super) async fn may_drop_secrets(&self, present: &Connection) -> Result<bool, ReadError> {
        let ports = &self.services.ports;
        let passed = ports.now().min(ports.clock.trusted());
        if !present.rotation.is_over(passed) {
            return Ok(false);
        }
        Ok(ports.store.pending(self.id, 1).await?.is_empty())
    }
}
