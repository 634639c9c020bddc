//! Deliveries without a valid signature: the hook's secret was changed, or a stranger uses its URL.
//!
//! Anyone who knows the URL can send such, so their effect is limited by time
//! ([`crate::domain::connection::Suspicion`], which survives restarts): one check of the hook. Only
//! if no authentic delivery has arrived since then is a test delivery requested, and only if that
//! is not signed with our secret either, are the settings written again.

use super::cause::OwnCause;
use super::doubts::Stage;
use super::plan::{Edit, Suspect};
use super::turn::{Doing, Turn};
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Input, Phase, Reply};
use std::time::Duration;

/// From this number on the hook's secret may have been changed by hand.
const REJECTIONS_MAX: u32 = 3;
/// The wait for an authentic delivery, before a test delivery is requested and after.
const TEST_TIME: Duration = Duration::from_secs(10);

impl Turn {
    /// This many deliveries without a valid signature arrived.
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
            "deliveries with wrong signatures arrive: checking the hook"
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
            // The next one requests it again.
            Err(error) => self.complain(&error),
        }
    }

    /// A call has ended: its meaning for the suspicion, if there is one.
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
            // The provider never shows the secret: a delivery proves it, and may be on its way.
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
        // An outstanding ping is test enough: strangers must not make a hook silent.
        let must_ping = lifecycle.pings_unanswered != 1;
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

    /// The wait for the test delivery has ended.
    pub(super) async fn judge_test(&mut self) {
        let Stage::Tests(authentic) = self.state.doubts.stage else {
            return;
        };
        let phase = self.state.connection.as_ref().map(|c| c.lifecycle.phase);
        if phase == Some(Phase::Pinging) {
            return self.judge_later();
        }
        self.state.doubts.stage = Stage::Trusts;
        // Silence alone says nothing about the secret: the ping checks cover it.
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
