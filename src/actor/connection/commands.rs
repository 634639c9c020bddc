//! What users ask of a connection.

use super::{ConnectionActor, Nudge};
use crate::actor::plan::{Edit, resolve_all};
use crate::actor::{Command, CommandError, secrets};
use crate::domain::delivery::{Delivery, DeliveryState};
use crate::domain::id::{DeliveryId, IncidentId};
use crate::domain::incident::{Incident, IncidentStatus, Subject};
use crate::domain::lifecycle::{Desired, Input};
use crate::domain::secret::HookSecret;
use crate::domain::wording;
use crate::store::Change;
use actix::prelude::*;
use tokio::sync::oneshot;

type Answer = oneshot::Sender<Result<(), CommandError>>;

impl ConnectionActor {
    pub(super) fn obey(&mut self, ctx: &mut Context<Self>, command: Command, answer: Answer) {
        let is_replay = matches!(command, Command::Replay(_));
        match self.understand(command) {
            Ok((input, edit)) => self.go(
                ctx,
                input,
                edit,
                Box::new(move |_, ctx, result| {
                    if is_replay && result.is_ok() {
                        ctx.address().do_send(Nudge);
                    }
                    // Whoever asked and went away does not care.
                    let _ = answer.send(result);
                }),
            ),
            Err(error) => drop(answer.send(Err(error))),
        }
    }

    /// What a command means for the state machine, and what else it changes.
    fn understand(&self, command: Command) -> Result<(Option<Input>, Edit), CommandError> {
        let connection = self
            .connection
            .as_ref()
            .ok_or(CommandError::NoSuchConnection)?;
        if connection.is_removed() && !matches!(command, Command::Disconnect { .. }) {
            return Err(CommandError::NoSuchConnection);
        }
        let plain = |input| Ok((Some(input), Edit::default()));
        match command {
            Command::SetEnabled(true) => plain(Input::DesiredChanged(Desired::Active)),
            Command::SetEnabled(false) => plain(Input::DesiredChanged(Desired::Paused)),
            Command::SetEvents(events) if events == connection.events => {
                Ok((None, Edit::default()))
            }
            Command::SetEvents(events) => {
                let edit = Edit {
                    events: Some(events),
                    ..Edit::default()
                };
                Ok((Some(Input::SettingsChanged), edit))
            }
            Command::Disconnect { delete_hook } => {
                let changes = resolve_all(&self.services, connection, self.services.ports.now())?;
                let input = Input::DesiredChanged(Desired::Removed { delete_hook });
                Ok((
                    Some(input),
                    Edit {
                        changes,
                        ..Edit::default()
                    },
                ))
            }
            Command::Check => {
                // Whoever asks may have given a right meanwhile: every credential counts again.
                let edit = Edit {
                    no_access: Some(Vec::new()),
                    ..Edit::default()
                };
                Ok((Some(Input::CheckRequested), edit))
            }
            Command::Ping => plain(Input::PingRequested),
            Command::Recreate => plain(Input::RecreateRequested),
            // Until the hook is known to have the newest secret, it may sign with the one before,
            // which another one would push out. The newest has never been used.
            Command::RotateSecret if matches!(connection.previous_secret, Some((_, None))) => {
                plain(Input::SettingsChanged)
            }
            Command::RotateSecret => {
                let secret = HookSecret::generate(&*self.services.ports.entropy);
                let sealed = secrets::seal(&self.services.ports, connection, &secret);
                let edit = Edit {
                    secret: Some(sealed),
                    ..Edit::default()
                };
                Ok((Some(Input::SettingsChanged), edit))
            }
            Command::Acknowledge(id) => self.acknowledge(id).map(|edit| (None, edit)),
            Command::Resolve(id) => self.resolve(id).map(|edit| (None, edit)),
            Command::Replay(id) => self.replay(id).map(|edit| (None, edit)),
        }
    }

    fn incident(&self, id: IncidentId) -> Result<Incident, CommandError> {
        let incident = self.services.ports.store.incident(id).ready()?;
        incident
            .filter(|i| i.subject == Subject::Connection(self.id))
            .ok_or(CommandError::NoSuchSubject)
    }

    fn acknowledge(&self, id: IncidentId) -> Result<Edit, CommandError> {
        let mut incident = self.incident(id)?;
        let is_news = incident
            .acknowledge(self.services.ports.now())
            .map_err(|_| CommandError::NotNow(wording::INCIDENT_RESOLVED))?;
        let changes = is_news.then(|| Change::PutIncident(Box::new(incident)));
        Ok(Edit {
            changes: changes.into_iter().collect(),
            ..Edit::default()
        })
    }

    fn resolve(&self, id: IncidentId) -> Result<Edit, CommandError> {
        let mut incident = self.incident(id)?;
        if incident.status == IncidentStatus::Resolved {
            return Ok(Edit::default());
        }
        let mut changes = Vec::new();
        let mut track = match &incident.ci {
            Some(ci) => self.services.ports.store.track(&ci.track).ready()?,
            None => None,
        };
        if incident.close_by_hand(track.as_mut(), self.services.ports.now()) {
            changes.extend(track.map(|track| Change::PutTrack(Box::new(track))));
        }
        changes.push(Change::PutIncident(Box::new(incident)));
        Ok(Edit {
            changes,
            ..Edit::default()
        })
    }

    fn replay(&self, id: DeliveryId) -> Result<Edit, CommandError> {
        let delivery = self.services.ports.store.delivery(id).ready()?;
        let delivery = delivery
            .filter(|d| d.connection == self.id)
            .ok_or(CommandError::NoSuchSubject)?;
        let delivery = Delivery {
            state: DeliveryState::Received,
            tries: 0,
            ..delivery
        };
        let changes = vec![Change::PutDelivery(Box::new(delivery))];
        Ok(Edit {
            changes,
            ..Edit::default()
        })
    }
}
