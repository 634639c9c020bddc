//! Requests for a connection: of users, as stored commands that are drained in order, and of other
//! parts of Hookherd.

use super::cause::{OwnCause, Waiter, Wanted};
use super::plan::{Edit, asked_to_reconcile};
use super::turn::{Doing, Turn};
use crate::actor::interface::CommandError;
use crate::domain::command::{
    ASKED_MAX, Command, CommandKind, CommandOutcome, CommandState, KEPT_MAX,
};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::errand::Priority;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{DeliveryId, IncidentId, UserId};
use crate::domain::incident::care::{Tending, Unacted};
use crate::domain::incident::{Incident, IncidentStatus, Resolution, Subject, health};
use crate::domain::ledger::AskedBy;
use crate::domain::lifecycle::{Desired, Input};
use crate::domain::rotation::RotationState;
use crate::domain::wording;
use crate::store::{Change, ReadError};
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;

/// Most old commands that are deleted with the end of one.
const OLD_MAX: usize = 100;

/// What an act does to an incident, which may have been refused or have changed nothing.
fn acted(incident: Incident, is_news: Result<bool, Unacted>) -> Result<Edit, CommandError> {
    let is_news = is_news.map_err(|why| CommandError::NotNow(wording::unacted(why)))?;
    let put = is_news.then(|| Change::PutIncident(Box::new(incident)));
    Ok(Edit::of(put))
}

impl Turn {
    /// Carries out a request of another part of Hookherd.
    pub(super) async fn do_wanted(&mut self, wanted: Wanted) {
        self.state.is_awaited |= wanted.priority == Priority::Person;
        let result = match self.understand(wanted.kind, None).await {
            Ok((input, edit)) => self.step(input, edit).await,
            Err(error) => Err(error),
        };
        self.end_wait();
        // A caller that has left does not need the answer.
        let _ = wanted.answer.send(result);
    }

    fn end_wait(&mut self) {
        if !self.state.call_outstanding() {
            self.state.is_awaited = false;
        }
    }

    /// Carries out users' commands, in order. One that the store prevents stays pending.
    pub(super) async fn drain_commands(&mut self) -> Result<(), CommandError> {
        let store = &self.services.ports.store;
        for command in store.commands_asked(self.id, ASKED_MAX).await? {
            let waiter = self.waiter_of(&command);
            let (answer, leaving) = waiter.map(|it| (it.answer, it.leaving)).unzip();
            self.state.leaving.extend(leaving.flatten());
            // Of an operation, the calls are made when nothing more urgent waits.
            self.state.is_awaited |= command.operation.is_none();
            let (result, is_over) = match self.carry_out(&command).await {
                Err(error) if error.is_of_store() => (Err(error.clone()), Err(error)),
                result => (result, Ok(())),
            };
            self.end_wait();
            // A caller that has left does not need the answer.
            if let Some(answer) = answer {
                let _ = answer.send(result);
            }
            is_over?;
        }
        // Their commands have ended: another process has carried them out, or the first turn of
        // this actor, or they were never stored. Who disconnects still waits for the hook.
        let waiters = std::mem::take(&mut self.state.waiters).into_iter();
        if self.state.call_outstanding() {
            let leaving = waiters.filter_map(|waiter| waiter.leaving);
            self.state.leaving.extend(leaving);
        }
        Ok(())
    }

    fn waiter_of(&mut self, command: &Command) -> Option<Waiter> {
        let waiters = &mut self.state.waiters;
        let at = waiters.iter().position(|it| it.command == command.id)?;
        Some(waiters.swap_remove(at))
    }

    /// Carries out a command, and stores its outcome in the same batch. One that is refused, or
    /// that panics after a panic, has failed.
    async fn carry_out(&mut self, command: &Command) -> Result<Command, CommandError> {
        let careful = self.state.careful;
        let doing = self.try_command(command);
        let result = if careful {
            let caught = AssertUnwindSafe(doing).catch_unwind().await;
            caught.unwrap_or(Err(CommandError::Unavailable))
        } else {
            doing.await
        };
        let code = match &result {
            Err(CommandError::NoSuchConnection | CommandError::NoSuchSubject) => {
                ErrorCode::NotFound
            }
            Err(CommandError::NotNow(_)) => ErrorCode::NotNow,
            Err(CommandError::Unavailable) if careful => ErrorCode::Panics,
            Err(CommandError::Commit(_) | CommandError::Read(_) | CommandError::Unavailable)
            | Ok(_) => return result,
        };
        let at = self.services.ports.now();
        let failed = Command {
            state: CommandState::Failed { at, code },
            ..command.clone()
        };
        let mut changes = vec![Change::PutCommand(Box::new(failed))];
        changes.extend(self.old_commands().await?);
        self.commit(changes).await?;
        result
    }

    async fn try_command(&mut self, command: &Command) -> Result<Command, CommandError> {
        let is_replay = matches!(command.kind, CommandKind::Replay(_));
        let by = Some(command.asked_by);
        let (input, edit) = self.understand(command.kind.clone(), by).await?;
        let mut plan = self.plan(input, edit).await?;
        let outcome = if plan.changes.is_empty() {
            CommandOutcome::Unchanged
        } else {
            CommandOutcome::Applied
        };
        let at = self.services.ports.now();
        let done = Command {
            state: CommandState::Done { at, outcome },
            ..command.clone()
        };
        plan.end_command(&done);
        plan.changes.extend(self.old_commands().await?);
        self.take_step(plan).await?;
        if is_replay {
            self.doings.push(Doing::Next(OwnCause::More));
        }
        Ok(done)
    }

    /// The ended commands that are too many when one more ends.
    async fn old_commands(&self) -> Result<impl Iterator<Item = Change> + use<>, ReadError> {
        let store = &self.services.ports.store;
        let old = store.commands_beyond(self.id, KEPT_MAX, OLD_MAX).await?;
        let ended = old.into_iter().filter(|command| !command.is_asked());
        Ok(ended.map(|command| Change::ForgetCommand(command.id)))
    }

    /// The input of a command for the state machine, and its other changes.
    async fn understand(
        &self,
        command: CommandKind,
        by: Option<UserId>,
    ) -> Result<(Option<Input>, Edit), CommandError> {
        let connection = self
            .state
            .connection
            .as_ref()
            .ok_or(CommandError::NoSuchConnection)?;
        if connection.is_removed() && !matches!(command, CommandKind::Disconnect { .. }) {
            return Err(CommandError::NoSuchConnection);
        }
        // Other parts of Hookherd do what they do for the owner.
        let by = by.unwrap_or(connection.owner);
        let plain = |input| Ok((Some(input), Edit::default()));
        match command {
            CommandKind::SetEnabled(true) => plain(Input::DesiredChanged(Desired::Active)),
            CommandKind::SetEnabled(false) => plain(Input::DesiredChanged(Desired::Paused)),
            CommandKind::SetEvents(events) if events == connection.events => {
                Ok((None, Edit::default()))
            }
            CommandKind::SetEvents(events) => {
                let edit = Edit {
                    events: Some(events),
                    ..Edit::default()
                };
                Ok((Some(Input::SettingsChanged), edit))
            }
            CommandKind::Disconnect { delete_hook } => self.disconnect(delete_hook).await,
            CommandKind::Check => {
                // The user may have granted a right meanwhile: every credential counts again.
                let edit = Edit {
                    no_access: Some(Vec::new()),
                    ..Edit::default()
                };
                Ok((Some(Input::CheckRequested), edit))
            }
            CommandKind::Ping => plain(Input::PingRequested),
            CommandKind::Recreate => plain(Input::RecreateRequested),
            // Until the hook is known to have the newest secret, it may sign with the previous one,
            // which another rotation would drop. The newest has never been used.
            CommandKind::RotateSecret
                if connection.rotation.state() == RotationState::Unconfirmed =>
            {
                plain(Input::SettingsChanged)
            }
            CommandKind::RotateSecret if !connection.rotation.has_room() => {
                Err(CommandError::NotNow(wording::SECRETS_HELD))
            }
            CommandKind::RotateSecret => Ok((
                Some(Input::SettingsChanged),
                self.new_secret(connection, false),
            )),
            CommandKind::Acknowledge(id) => Ok((None, self.acknowledge(id, by).await?)),
            CommandKind::Resolve(id) => Ok((None, self.resolve(id, by).await?)),
            CommandKind::Tend { incident, act } => {
                Ok((None, self.tend_incident(incident, &act, by).await?))
            }
            CommandKind::Replay(id) => Ok((None, self.replay(id).await?)),
            CommandKind::ReplaceExisting(pattern) => {
                self.replace_existing(connection, pattern.as_deref()).await
            }
            CommandKind::Reconcile => Ok((None, self.reconcile())),
        }
    }

    /// Disconnects: what is unresolved ends.
    async fn disconnect(&self, delete_hook: bool) -> Result<(Option<Input>, Edit), CommandError> {
        let subject = Subject::Connection(self.id);
        let unresolved = self.services.ports.store.unresolved_incidents(subject);
        let (why, now) = (Resolution::Disconnected, self.services.ports.now());
        let resolved = health::resolve_all(unresolved.await?, why, now);
        let edit = Edit::of(resolved.map(|incident| Change::PutIncident(Box::new(incident))));
        let desired = Desired::Removed { delete_hook };
        Ok((Some(Input::DesiredChanged(desired)), edit))
    }

    fn reconcile(&self) -> Edit {
        let at = self.services.ports.now();
        let asked = asked_to_reconcile(self.id, at, AskedBy::User);
        Edit::of([Change::AskReconcile(asked)])
    }

    async fn incident(&self, id: IncidentId) -> Result<Incident, CommandError> {
        let incident = self.services.ports.store.incident(id).await?;
        incident
            .filter(|i| i.subject == Subject::Connection(self.id))
            .ok_or(CommandError::NoSuchSubject)
    }

    async fn acknowledge(&self, id: IncidentId, by: UserId) -> Result<Edit, CommandError> {
        let mut incident = self.incident(id).await?;
        let is_news = incident.acknowledge(by, self.services.ports.now());
        acted(incident, is_news)
    }

    async fn tend_incident(
        &self,
        id: IncidentId,
        act: &Tending,
        by: UserId,
    ) -> Result<Edit, CommandError> {
        let mut incident = self.incident(id).await?;
        let is_news = incident.tend(act, by, self.services.ports.now());
        acted(incident, is_news)
    }

    async fn resolve(&self, id: IncidentId, by: UserId) -> Result<Edit, CommandError> {
        let mut incident = self.incident(id).await?;
        if incident.status == IncidentStatus::Resolved {
            return Ok(Edit::default());
        }
        let mut changes = Vec::new();
        let mut track = match &incident.ci {
            Some(ci) => self.services.ports.store.track(&ci.track).await?,
            None => None,
        };
        if incident.close_by_hand(track.as_mut(), by, self.services.ports.now()) {
            changes.extend(track.map(|track| Change::PutTrack(Box::new(track))));
        }
        changes.push(Change::PutIncident(Box::new(incident)));
        Ok(Edit::of(changes))
    }

    async fn replay(&self, id: DeliveryId) -> Result<Edit, CommandError> {
        let delivery = self.services.ports.store.delivery(id).await?;
        let delivery = delivery
            .filter(|d| d.connection == self.id)
            .ok_or(CommandError::NoSuchSubject)?;
        let delivery = Delivery {
            state: DeliveryState::Received,
            tries: 0,
            ..delivery
        };
        Ok(Edit::of([Change::progress(delivery)]))
    }
}
