//! Hooks of others in the connection's repository (ADR 31): taken note of with each list that a
//! call brings, and removed, when the user wants that, once ours is proven to work.
//!
//! What is stored decides. In memory is only whether there is something to do, and whether a
//! delivery has arrived since: after a restart, another ping is requested.

use super::cause::OwnCause;
use super::plan::{Edit, Sight};
use super::retire::Retired;
use super::turn::{Doing, Turn};
use crate::actor::around::Around;
use crate::actor::interface::CommandError;
use crate::actor::services::Services;
use crate::domain::backoff::Backoff;
use crate::domain::connection::Connection;
use crate::domain::history::{Entry, EntryKind, Evidence};
use crate::domain::lifecycle::{Desired, Failure, Input, Phase, Reply};
use crate::domain::repo::Repository;
use crate::domain::standing::{self, Fingerprint};
use crate::domain::takeover::{Other, OtherState, Replace, Takeover};
use crate::domain::wording;
use crate::provider::{TakenAway, TheirHook};
use crate::store::{Change, ReadError};
use std::time::Duration;

/// Waits for a delivery that proves our hook, and before a removal is tried again.
const WAITS: Backoff = Backoff {
    initial: Duration::from_secs(1),
    cap: Duration::from_secs(30),
};
/// Waits in a row; then the next check of the hook continues with it.
const TRIES_MAX: u32 = 5;

impl Turn {
    /// Completes what a call brought with what it says of hooks of others. If that cannot be read
    /// or judged now, the next list says it again.
    pub(super) async fn note_others(&mut self, input: &Input, edit: &mut Edit) {
        let others = edit.others.take();
        let (Some(others), Some(connection)) = (others, &self.state.connection) else {
            return;
        };
        let repository = edit.repository.clone();
        let noting = noted(&self.services, connection, input, repository, &others);
        match noting.await {
            Ok((change, told, is_new)) => {
                edit.changes.extend(change);
                edit.told.extend(told);
                // What came through a former hook of ours proves nothing of this one.
                if is_new || matches!(input, Input::Replied(Reply::Ensured { .. })) {
                    self.state.tending.is_proven = false;
                }
                self.state.tending.begin();
            }
            Err(error) => {
                tracing::debug!(connection.id = %self.id, %error, "hooks of others are not noted");
            }
        }
    }

    /// Does what is to be done next about hooks of others.
    pub(super) async fn tend(&mut self) {
        if !self.state.tending.is_on || self.state.tending.is_calling {
            return;
        }
        let Some(connection) = self.state.connection.clone() else {
            return;
        };
        if connection.lifecycle.desired != Desired::Active {
            return self.state.tending.end();
        }
        let takeover = match self.services.ports.store.takeover(self.id).await {
            Ok(Some(takeover)) if takeover.is_due() => takeover,
            Ok(Some(_) | None) => return self.state.tending.end(),
            Err(_) => return self.wait_for_others(),
        };
        if connection.lifecycle.phase != Phase::Active {
            // The end of an outstanding call is another turn.
            if !connection.lifecycle.call_outstanding() {
                self.state.tending.end();
            }
            return;
        }
        if self.state.tending.is_proven {
            self.retire(connection, takeover).await;
        } else if !self.state.tending.is_waiting {
            // Once: several pings without an answer mean that the hook is silent.
            if self.state.tending.tries == 0 {
                let asked = self.step(Some(Input::PingRequested), Edit::default()).await;
                asked.unwrap_or_else(|error| self.complain(&error));
            }
            self.wait_for_others();
        }
    }

    /// Stores that a hook is to be removed, and then calls.
    async fn retire(&mut self, connection: Connection, mut takeover: Takeover) {
        let Some(other) = takeover.next().cloned() else {
            return;
        };
        let edit = if other.state == OtherState::Removing {
            Edit::default()
        } else {
            takeover.settle(other.hook, OtherState::Removing, None);
            let put = Change::PutTakeover(Box::new(takeover));
            let now = self.services.ports.now();
            let entry = Entry::new(EntryKind::ExistingReplaced, Evidence::Delivery, now);
            Edit {
                told: vec![about(&other, entry)],
                ..Edit::of([put])
            }
        };
        if let Err(error) = self.step(None, edit).await {
            self.complain(&error);
            return self.wait_for_others();
        }
        self.state.tending.is_calling = true;
        let (hook, print) = (other.hook, other.fingerprint);
        self.doings
            .push(Doing::Retire(Box::new(connection), hook, print));
    }

    /// A removal has ended.
    pub(super) async fn end_retirement(&mut self, retired: Retired) {
        self.state.tending.is_calling = false;
        let takeover = self.services.ports.store.takeover(self.id).await;
        let Ok(Some(mut takeover)) = takeover else {
            return self.wait_for_others();
        };
        let other = takeover.others.iter().find(|it| it.hook == retired.hook);
        let Some(other) = other.cloned() else {
            return self.state.tending.begin();
        };
        let now = self.services.ports.now();
        let entry = |kind, evidence| Some(about(&other, Entry::new(kind, evidence, now)));
        let (state, code, told) = match &retired.result {
            Ok(TakenAway::Removed) => {
                let told = entry(EntryKind::ExistingRemoved, Evidence::Write);
                (OtherState::Removed, None, told)
            }
            // By a call whose answer was lost, or by a person.
            Ok(TakenAway::Gone) => {
                let told = entry(EntryKind::ExistingRemoved, Evidence::Check);
                (OtherState::Gone, None, told)
            }
            Ok(TakenAway::Changed) => {
                let told = entry(EntryKind::ExistingLeft, Evidence::Check);
                (OtherState::Changed, None, told)
            }
            Err(error) => match error.failure {
                Failure::Retryable { .. } => (OtherState::Removing, Some(error.code), None),
                Failure::Unauthorized | Failure::NoAccess | Failure::Rejected => {
                    let told = entry(EntryKind::ExistingLeft, Evidence::Refusal);
                    let told = told.map(|entry| Entry {
                        code: Some(error.code),
                        ..entry
                    });
                    (OtherState::Refused, Some(error.code), told)
                }
            },
        };
        let (id, hook) = (self.id, other.hook.0);
        let outcome = state.as_str();
        tracing::info!(connection.id = %id, hook.id = hook, outcome, "foreign_webhook_replaced");
        takeover.settle(other.hook, state, code);
        let edit = Edit {
            told: told.into_iter().collect(),
            ..Edit::of([Change::PutTakeover(Box::new(takeover))])
        };
        if let Err(error) = self.step(None, edit).await {
            self.complain(&error);
        }
        if state == OtherState::Removing {
            self.wait_for_others();
        } else {
            self.state.tending.begin();
        }
    }

    /// Continues after a while, or with the next look at the hook.
    fn wait_for_others(&mut self) {
        let tending = &mut self.state.tending;
        if tending.is_waiting {
            return;
        }
        if tending.tries >= TRIES_MAX {
            return tending.end();
        }
        tending.tries += 1;
        tending.is_waiting = true;
        let wait = WAITS.wait(tending.tries, self.services.ports.chance());
        self.doings.push(Doing::Later(OwnCause::Tend, wait));
    }

    /// Replaces hooks of others from now on. They are looked for with a check.
    pub(super) async fn replace_existing(
        &self,
        connection: &Connection,
        pattern: Option<&str>,
    ) -> Result<(Option<Input>, Edit), CommandError> {
        let which = match pattern {
            None => Replace::SameReceiver,
            Some(text) => {
                Replace::matching(text).map_err(|_| CommandError::NotNow(wording::NOT_A_PATTERN))?
            }
        };
        let (id, now) = (connection.id, self.services.ports.now());
        let stored = self.services.ports.store.takeover(id).await?;
        let mut takeover = stored.unwrap_or_else(|| Takeover::new(id, connection.owner, now));
        takeover.replace(which, now);
        let mut edit = Edit::of([Change::PutTakeover(Box::new(takeover))]);
        // One that only finds nothing changed would not list them.
        edit.sight = Some(Sight::Lost);
        Ok((Some(Input::CheckRequested), edit))
    }
}

fn about(other: &Other, entry: Entry) -> Entry {
    Entry {
        hook: Some(other.hook),
        from: Some(other.url.clone()),
        ..entry
    }
}

type Noted = (Option<Change>, Vec<Entry>, bool);

/// What a list says of hooks of others: what changes, what the history says of it, and whether
/// there are new ones.
async fn noted(
    services: &Services,
    connection: &Connection,
    input: &Input,
    repository: Option<Repository>,
    others: &[TheirHook],
) -> Result<Noted, ReadError> {
    let (ports, id, owner) = (&services.ports, connection.id, connection.owner);
    let now = ports.now();
    let stored = ports.store.takeover(id).await?;
    let mut takeover = stored
        .clone()
        .unwrap_or_else(|| Takeover::new(id, owner, now));
    let mut told = Vec::new();
    if let (Input::Replied(Reply::Ensured { hook, .. }), Some((adopts, _))) =
        (input, takeover.adopts)
    {
        takeover.adopts = None;
        if *hook != adopts {
            told.push(Entry {
                hook: Some(adopts),
                ..Entry::new(EntryKind::ExistingLeft, Evidence::Check, now)
            });
        }
    }
    let mut found = Vec::new();
    if let Some(repository) = &repository {
        let around = Around::read(ports, owner, &connection.instance, repository).await?;
        for hook in others {
            let standing = around.judge(ports, hook).await?;
            let url = hook.url.as_deref();
            if takeover.concerns(standing, url) {
                found.push(Other {
                    hook: hook.id,
                    fingerprint: Fingerprint::of(hook.id, url),
                    url: standing::shown(url.unwrap_or_default(), &ports.public_url),
                    state: OtherState::Found,
                    code: None,
                });
            }
        }
    }
    let fresh = takeover.note(found);
    if !fresh.is_empty() {
        takeover.since = now;
        told.push(Entry {
            fields: fresh.iter().map(|other| other.url.clone()).collect(),
            ..Entry::new(EntryKind::ExistingFound, Evidence::Check, now)
        });
    }
    let is_news = stored
        .as_ref()
        .map_or(!fresh.is_empty(), |was| *was != takeover);
    let change = is_news.then(|| Change::PutTakeover(Box::new(takeover)));
    Ok((change, told, !fresh.is_empty()))
}
