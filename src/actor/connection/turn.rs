//! One turn: read, plan, commit, adopt. What is to be done after it is handed back.

use super::cause::{Cause, OwnCause};
use super::notes;
use super::observe;
use super::plan::{Act, Edit, Plan, plan};
use super::state::{Owed, State};
use crate::actor::interface::CommandError;
use crate::actor::secrets;
use crate::actor::services::Services;
use crate::domain::backoff::Backoff;
use crate::domain::connection::Connection;
use crate::domain::errand::Priority;
use crate::domain::id::{ConnectionId, HookId};
use crate::domain::incident::Subject;
use crate::domain::lifecycle::{Call, Input, Reply, SuspendReason, Timer};
use crate::domain::removal::HookOutcome;
use crate::domain::standing::Fingerprint;
use crate::store::{Batch, Change, CommitError, Conflict, Guard};
use std::sync::Arc;
use std::time::Duration;

/// Waits before what the store refused, or could not read, is tried again.
const STORE_RETRY: Backoff = Backoff {
    initial: Duration::from_millis(500),
    cap: Duration::from_secs(30),
};
/// How long the state is kept after deliveries.
const LINGER: Duration = Duration::from_secs(30);
/// So many former choices of events are known: a user who keeps choosing meanwhile gets a gap.
const FORMER_MAX: usize = 16;
/// Most steps that are owed at a time. There are as many timers and calls as a lifecycle has, so
/// that more are never needed.
const OWED_MAX: usize = 16;

/// The effects of an actor's turn.
#[derive(Debug)]
pub(super) enum Doing {
    /// Makes a call to the provider.
    Call(Box<Connection>, (Call, Vec<Vec<String>>), Priority),
    /// Removes a hook of others.
    Retire(Box<Connection>, HookId, Fingerprint),
    /// Arms a timer of the lifecycle.
    Arm(Timer, Duration),
    /// Says something to itself, behind what waits already.
    Next(OwnCause),
    /// The same after a while.
    Later(OwnCause, Duration),
    /// Stops: the connection is gone.
    Stop,
}

/// A turn.
pub(super) struct Turn {
    pub(super) services: Arc<Services>,
    pub(super) id: ConnectionId,
    pub(super) state: Box<State>,
    pub(super) doings: Vec<Doing>,
}

impl Turn {
    pub(super) const fn new(services: Arc<Services>, id: ConnectionId, state: Box<State>) -> Self {
        Self {
            services,
            id,
            state,
            doings: Vec::new(),
        }
    }

    /// Handles what came from outside.
    pub(super) async fn take(mut self, cause: Cause) -> Self {
        if let Err(error) = self.read().await {
            self.put_off(cause, error);
            return self;
        }
        match cause {
            Cause::Deliveries => self.drain().await,
            Cause::Heard(signed_by) => self.hear(signed_by).await,
            Cause::Rejected { times } => self.doubt(times).await,
            Cause::Wanted(wanted) => self.do_wanted(*wanted).await,
            Cause::Asked(waiter) => {
                self.state.waiters.push(*waiter);
                self.state.has_commands = true;
                self.drain().await;
            }
            Cause::WhenSettled(sender) if self.state.call_outstanding() => {
                self.state.waiting.push(sender);
            }
            // Who waited and went away does not care.
            Cause::WhenSettled(sender) => drop(sender.send(())),
            Cause::MoveTurn => self.take_move_turn().await,
            Cause::Fired(timer, _) => self.fire(timer).await,
        }
        self.tend().await;
        self
    }

    /// Handles what it said to itself.
    pub(super) async fn take_own(mut self, cause: OwnCause) -> Self {
        if let Err(error) = self.read().await {
            tracing::error!(connection.id = %self.id, %error, "a connection cannot be read");
            self.later(cause);
            return self;
        }
        match cause {
            OwnCause::Begin => self.begin(Input::Recovered).await,
            OwnCause::GiveUp => self.begin(Input::GaveUp(SuspendReason::Panics)).await,
            OwnCause::Called(called) => {
                let (input, mut edit) = (called.input, *called.edit);
                self.weigh(&input, &mut edit);
                self.note_others(&input, &mut edit).await;
                self.end_move_turn(&input);
                let is_intact = input == Input::Replied(Reply::Intact);
                let is_written = matches!(
                    input,
                    Input::Replied(Reply::Repaired { .. } | Reply::Ensured { .. })
                );
                self.must(input, edit).await;
                if is_written && !self.state.call_outstanding() {
                    self.state.former_events.clear();
                }
                if is_intact {
                    self.listen().await;
                }
            }
            OwnCause::More => self.drain().await,
            OwnCause::ProcessAgain => {
                self.state.is_pausing = false;
                self.drain().await;
            }
            OwnCause::Retry => self.pay().await,
            OwnCause::Fire(timer) => self.fire(timer).await,
            OwnCause::Test(authentic) => self.test(authentic).await,
            OwnCause::JudgeTest => self.judge_test().await,
            OwnCause::Retired(retired) => self.end_retirement(retired).await,
            OwnCause::Tend => self.state.tending.end_wait(),
            OwnCause::Rest => self.state.lingers = false,
        }
        self.tend().await;
        self
    }

    /// Claims and reads the connection, unless it is known. One that is gone, or that another
    /// process has claimed, stops the actor, once its pending deliveries are marked.
    async fn read(&mut self) -> Result<(), CommandError> {
        let store = &self.services.ports.store;
        if self.state.lease.is_none() {
            self.state.lease = store.lease(self.id).await?;
        }
        if self.state.lease.is_some() && self.state.connection.is_none() {
            self.state.connection = store.connection(self.id).await?;
        }
        if self.state.connection.is_none() {
            if self.state.lease.is_some() {
                self.mark_pending().await?;
            }
            self.doings.push(Doing::Stop);
        }
        Ok(())
    }

    /// The state cannot be read now. What comes again by itself, or is only a hint, is dropped.
    fn put_off(&mut self, cause: Cause, error: CommandError) {
        tracing::error!(connection.id = %self.id, %error, "a connection cannot be read");
        match cause {
            Cause::Deliveries => self.pause(),
            Cause::Wanted(wanted) => drop(wanted.answer.send(Err(error))),
            // The command is stored, and drained after the pause.
            Cause::Asked(waiter) => {
                drop(waiter.answer.send(Err(error)));
                self.state.has_commands = true;
                self.pause();
            }
            Cause::MoveTurn => self.give_turn_back(None),
            Cause::Fired(timer, _) => self.later(OwnCause::Fire(timer)),
            Cause::Heard(_) | Cause::Rejected { .. } | Cause::WhenSettled(_) => {}
        }
    }

    /// The first step of a life. Then what is pending is processed.
    async fn begin(&mut self, input: Input) {
        let Some(connection) = &self.state.connection else {
            return;
        };
        let edit = Edit {
            resealed: secrets::resealed(&self.services.ports, connection),
            ..Edit::default()
        };
        self.must(input, edit).await;
        self.state.tending.begin();
        self.state.has_commands = true;
        self.drain().await;
    }

    /// A timer fired. While the provider has an outage, it waits for the end.
    async fn fire(&mut self, timer: Timer) {
        let Some(connection) = &self.state.connection else {
            return;
        };
        let (instance, whose) = (&connection.instance, (self.id, timer));
        let outages = self.services.pool.outages();
        let is_parked = outages.of(instance).await.is_some()
            && self.services.parked.park(outages, instance, whose);
        if !is_parked {
            self.take_timer(timer).await;
        }
    }

    /// Plans a step, commits it, and adopts it. On a failure nothing has changed.
    pub(super) async fn step(
        &mut self,
        input: Option<Input>,
        edit: Edit,
    ) -> Result<(), CommandError> {
        let plan = self.plan(input, edit).await?;
        self.take_step(plan).await
    }

    /// Plans a step.
    pub(super) async fn plan(
        &self,
        input: Option<Input>,
        edit: Edit,
    ) -> Result<Plan, CommandError> {
        let present = self.state.connection.as_ref();
        let present = present.ok_or(CommandError::NoSuchConnection)?;
        let may_drop = self.may_drop_secrets(present).await?;
        let mut plan = plan(&self.services, present, input, edit, may_drop);
        notes::complete(&self.services.ports, present, &mut plan).await?;
        Ok(plan)
    }

    /// Commits a plan, and adopts it.
    pub(super) async fn take_step(&mut self, mut plan: Plan) -> Result<(), CommandError> {
        self.commit(std::mem::take(&mut plan.changes)).await?;
        self.adopt(plan);
        Ok(())
    }

    /// Commits what an actor may write: everything that it writes goes this way. A lease that was
    /// lost ends the actor.
    pub(super) async fn commit(&mut self, changes: Vec<Change>) -> Result<(), CommandError> {
        if changes.is_empty() {
            return Ok(());
        }
        let lease = self.state.lease.ok_or(CommandError::Unavailable)?;
        let mut batch = Batch::of(changes).guarded_by(Guard::Lease(lease));
        // No incident outlives its connection: the reconciler opens some, too.
        if batch.changes.contains(&Change::DeleteConnection(self.id)) {
            let subject = Subject::Connection(self.id);
            batch.guards.push(Guard::Resolved(subject));
        }
        let committed = self.services.ports.store.commit(batch).await;
        if let Err(CommitError::Conflict(Conflict::Lease(_))) = committed {
            tracing::warn!(connection.id = %self.id, "another process has this connection now");
            self.state.connection = None;
            self.doings.push(Doing::Stop);
            return Err(CommandError::Unavailable);
        }
        committed?;
        self.state.store_failures = 0;
        Ok(())
    }

    /// Takes a step that no other part can repeat: when it cannot be committed, it is owed.
    /// Commands do not wait for it; they fail for the same reason.
    pub(super) async fn must(&mut self, input: Input, edit: Edit) {
        if let Err(error) = self.step(Some(input.clone()), edit.clone()).await {
            self.complain(&error);
            if self.state.connection.is_some() && self.state.owed.len() < OWED_MAX {
                self.state.owed.push_back(Owed { input, edit });
                self.later(OwnCause::Retry);
            }
        }
    }

    /// Takes the step that is owed for the longest time. There is one `Retry` for each.
    async fn pay(&mut self) {
        let Some(Owed { input, edit }) = self.state.owed.pop_front() else {
            return;
        };
        if let Err(error) = self.step(Some(input.clone()), edit.clone()).await {
            self.complain(&error);
            self.state.owed.push_front(Owed { input, edit });
            self.later(OwnCause::Retry);
        }
    }

    pub(super) fn complain(&self, error: &CommandError) {
        tracing::warn!(
            connection.id = %self.id,
            %error,
            "a step could not be stored; trying again"
        );
    }

    /// Says something to itself when the store may work again.
    pub(super) fn later(&mut self, cause: OwnCause) {
        let failures = &mut self.state.store_failures;
        *failures = failures.saturating_add(1);
        let wait = STORE_RETRY.wait(*failures, self.services.ports.chance());
        self.doings.push(Doing::Later(cause, wait));
    }

    /// The plan is durable: make it the state, and note what follows from it.
    fn adopt(&mut self, plan: Plan) {
        let (is_end, outcome) = (plan.is_end(), plan.hook_outcome());
        if let Some(before) = &self.state.connection {
            observe::changes(before, &plan.connection);
            if before.events != plan.connection.events {
                let former = &mut self.state.former_events;
                former.truncate(FORMER_MAX - 1);
                former.insert(0, before.events.clone());
            }
        }
        self.note_address(&plan.connection);
        for act in plan.acts {
            match act {
                Act::Call(call) => self.call(&plan.connection, call),
                Act::Arm(timer, wait) => self.doings.push(Doing::Arm(timer, wait)),
                Act::Observe(observation) => {
                    observe::observe(&plan.connection, observation, outcome);
                }
            }
        }
        self.state.connection = Some(plan.connection);
        if !self.state.call_outstanding() {
            self.settle(outcome);
        }
        if is_end {
            // It is found gone in the next turn, whose deliveries are marked, and then it stops.
            self.state.connection = None;
            self.doings.push(Doing::Next(OwnCause::More));
        }
    }

    fn call(&mut self, connection: &Connection, call: Call) {
        let priority = super::calls::priority(connection, call, self.state.is_awaited);
        let connection = Box::new(connection.clone());
        let call = (call, self.state.former_events.clone());
        self.doings.push(Doing::Call(connection, call, priority));
    }

    /// No call is outstanding any more: says so to who waited for that, if they still do.
    fn settle(&mut self, outcome: HookOutcome) {
        self.state.is_awaited = false;
        for waiting in self.state.waiting.drain(..) {
            let _ = waiting.send(());
        }
        for leaving in self.state.leaving.drain(..) {
            let _ = leaving.send(outcome);
        }
    }

    /// Keeps the state for a while: deliveries seldom come alone.
    pub(super) fn linger(&mut self) {
        if !std::mem::replace(&mut self.state.lingers, true) {
            self.doings.push(Doing::Later(OwnCause::Rest, LINGER));
        }
    }
}
