//! Deliveries that none of our secrets signed: somebody changed the hook's secret, or plays with
//! its URL.
//!
//! Whoever knows the URL can send such, so what they may cause is limited by time
//! ([`crate::domain::connection::Suspicion`], which survives restarts), whatever else arrives: one
//! look at the hook. Only when nothing authentic has arrived since is a test delivery asked for,
//! and only when that is not answered with our secret, either, are the settings written again.

use super::cause::OwnCause;
use super::doubts::Stage;
use super::plan::{Edit, Suspect};
use super::turn::{Doing, Turn};
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Input, Phase, Reply};
use std::time::Duration;

/// After so many the hook's secret may have been changed by hand.
const REJECTIONS_MAX: u32 = 3;
/// How long an authentic delivery is waited for, before one is asked for and after.
const TEST_TIME: Duration = Duration::from_secs(10);

impl Turn {
    /// So often something arrived that none of the secrets signed.
    pub(super) async fn doubt(&mut self, times: u32) {
        let doubts = &mut self.state.doubts;
        if doubts.rejections == 0 {
            doubts.authentic_before = doubts.authentic;
        }
        doubts.rejections = doubts.rejections.saturating_add(times);
        let now = self.services.ports.now();
        let may_look = |c: &Connection| {
            let may_recur = c.suspicion.is_none_or(|last| last.may_recur(now));
            c.lifecycle.phase == Phase::Active && may_recur
        };
        let may_look = self.state.connection.as_ref().is_some_and(may_look);
        if self.state.doubts.rejections < REJECTIONS_MAX || !may_look {
            return;
        }
        tracing::warn!(
            connection.id = %self.id,
            "deliveries with wrong signatures arrive: looking at the hook"
        );
        let edit = Edit {
            suspicion: Some(Suspect::Looks),
            ..Edit::default()
        };
        match self.step(Some(Input::CheckRequested), edit).await {
            Ok(()) => {
                let doubts = &mut self.state.doubts;
                doubts.rejections = 0;
                doubts.stage = Stage::Looks(doubts.authentic_before);
            }
            // The next one asks for it again.
            Err(error) => self.complain(&error),
        }
    }

    /// A call has ended: what that says about the suspicion, if there is one.
    pub(super) fn weigh(&mut self, input: &Input, edit: &mut Edit) {
        let Stage::Looks(authentic) = self.state.doubts.stage else {
            return;
        };
        self.state.doubts.stage = Stage::Trusts;
        if let Input::Replied(Reply::Drifted | Reply::Missing { .. }) = input {
            edit.suspicion = Some(Suspect::Found);
        } else if *input == Input::Replied(Reply::Intact)
            && self.state.doubts.authentic == authentic
        {
            // The secret itself is shown to nobody: a delivery proves it, and may be on its way.
            self.state.doubts.stage = Stage::Waits(authentic);
            let test = OwnCause::Test(authentic);
            self.doings.push(Doing::Later(test, TEST_TIME));
        }
    }

    pub(super) async fn test(&mut self, authentic: u64) {
        let Some(connection) = &self.state.connection else {
            return;
        };
        if self.state.doubts.stage != Stage::Waits(authentic) {
            return;
        }
        let lifecycle = &connection.lifecycle;
        if lifecycle.phase != Phase::Active || self.state.doubts.authentic != authentic {
            self.state.doubts.stage = Stage::Trusts;
            return;
        }
        // One that waits for its answer is test enough: strangers must not make a hook silent.
        let must_ping = lifecycle.pings_unanswered == 0;
        self.state.doubts.stage = Stage::Tests(authentic);
        self.state.doubts.rejections = 0;
        self.judge_later();
        if must_ping {
            self.must(Input::PingRequested, Edit::default()).await;
        }
    }

    fn judge_later(&mut self) {
        self.doings
            .push(Doing::Later(OwnCause::JudgeTest, TEST_TIME));
    }

    /// The test delivery has had its time.
    pub(super) async fn judge_test(&mut self) {
        let Stage::Tests(authentic) = self.state.doubts.stage else {
            return;
        };
        let phase = self.state.connection.as_ref().map(|c| c.lifecycle.phase);
        if phase == Some(Phase::Pinging) {
            return self.judge_later();
        }
        self.state.doubts.stage = Stage::Trusts;
        // Silence alone says nothing about the secret: it is what the watch over pings is for.
        let doubts = &self.state.doubts;
        let is_wrong = doubts.authentic == authentic && doubts.rejections > 0;
        if is_wrong && phase == Some(Phase::Active) {
            tracing::warn!(
                connection.id = %self.id,
                "a test delivery was not signed with our secret: writing the hook's settings again"
            );
            self.must(Input::RewriteDue, Edit::default()).await;
        }
    }
}
