//! Deliveries that none of our secrets signed: somebody changed the hook's secret, or plays with
//! its URL.
//!
//! Whoever knows the URL can send such, so what they may cause is limited by time
//! ([`crate::domain::connection::Suspicion`], which survives restarts), whatever else arrives: one
//! look at the hook. Only when nothing authentic has arrived since is a test delivery asked for,
//! and only when that is not answered with our secret, either, are the settings written again.

use super::ConnectionActor;
use crate::actor::plan::{Edit, Suspect};
use crate::domain::connection::Connection;
use crate::domain::lifecycle::{Input, Phase, Reply};
use actix::prelude::*;
use std::time::Duration;

/// After so many the hook's secret may have been changed by hand.
const REJECTIONS_MAX: u32 = 3;
/// How long an authentic delivery is waited for, before one is asked for and after.
const TEST_TIME: Duration = Duration::from_secs(10);

/// What is held against the hook.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// Deliveries that none of the secrets signed, since the last look.
    rejections: u32,
    /// Authentic deliveries in this life of the actor, and how many it were at the first of those.
    authentic: u64,
    authentic_before: u64,
    stage: Stage,
}

/// How far the inquiry has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// There is none.
    #[default]
    Trusts,
    /// We look at the hook. With the count of authentic deliveries before anything was wrong.
    Looks(u64),
    /// A test delivery was asked for. With the same count.
    Tests(u64),
}

impl Doubts {
    /// An authentic delivery arrived.
    pub(super) fn hear(&mut self) {
        self.authentic = self.authentic.wrapping_add(1);
    }
}

impl ConnectionActor {
    /// So often something arrived that none of the secrets signed.
    pub(super) fn doubt(&mut self, ctx: &mut Context<Self>, times: u32) {
        if self.doubts.rejections == 0 {
            self.doubts.authentic_before = self.doubts.authentic;
        }
        self.doubts.rejections = self.doubts.rejections.saturating_add(times);
        let now = self.services.ports.now();
        let may_look = |c: &Connection| {
            let may_recur = c.suspicion.is_none_or(|last| last.may_recur(now));
            c.lifecycle.phase == Phase::Active && may_recur
        };
        let may_look = self.connection.as_ref().is_some_and(may_look);
        if self.doubts.rejections < REJECTIONS_MAX || !may_look {
            return;
        }
        tracing::warn!(
            connection.id = %self.id,
            "deliveries with wrong signatures arrive: looking at the hook"
        );
        self.doubts.rejections = 0;
        self.doubts.stage = Stage::Looks(self.doubts.authentic_before);
        let edit = Edit {
            suspicion: Some(Suspect::Looks),
            ..Edit::default()
        };
        self.must(ctx, Input::CheckRequested, edit);
    }

    /// A call has ended: what that says about the suspicion, if there is one.
    pub(super) fn weigh(&mut self, ctx: &mut Context<Self>, input: &Input, edit: &mut Edit) {
        let Stage::Looks(authentic) = self.doubts.stage else {
            return;
        };
        self.doubts.stage = Stage::Trusts;
        if let Input::Replied(Reply::Drifted | Reply::Missing { .. }) = input {
            edit.suspicion = Some(Suspect::Found);
        } else if *input == Input::Replied(Reply::Intact) && self.doubts.authentic == authentic {
            // The secret itself is shown to nobody: a delivery proves it, and may be on its way.
            let life = self.life;
            ctx.run_later(TEST_TIME, move |actor, ctx| {
                if actor.life == life {
                    actor.in_turn(ctx, move |actor, ctx| actor.test(ctx, authentic));
                }
            });
        }
    }

    fn test(&mut self, ctx: &mut Context<Self>, authentic: u64) {
        let Some(connection) = &self.connection else {
            return;
        };
        let lifecycle = &connection.lifecycle;
        if lifecycle.phase != Phase::Active || self.doubts.authentic != authentic {
            return;
        }
        self.doubts.stage = Stage::Tests(authentic);
        self.doubts.rejections = 0;
        self.judge_later(ctx);
        // One that waits for its answer is test enough: strangers must not make a hook silent.
        if lifecycle.pings_unanswered == 0 {
            self.must(ctx, Input::PingRequested, Edit::default());
        }
    }

    fn judge_later(&self, ctx: &mut Context<Self>) {
        let life = self.life;
        ctx.run_later(TEST_TIME, move |actor, ctx| {
            if actor.life == life {
                actor.in_turn(ctx, Self::judge_test);
            }
        });
    }

    /// The test delivery has had its time.
    fn judge_test(&mut self, ctx: &mut Context<Self>) {
        let Stage::Tests(authentic) = self.doubts.stage else {
            return;
        };
        let phase = self.connection.as_ref().map(|c| c.lifecycle.phase);
        if phase == Some(Phase::Pinging) {
            return self.judge_later(ctx);
        }
        self.doubts.stage = Stage::Trusts;
        // Silence alone says nothing about the secret: it is what the watch over pings is for.
        let is_wrong = self.doubts.authentic == authentic && self.doubts.rejections > 0;
        if is_wrong && phase == Some(Phase::Active) {
            tracing::warn!(
                connection.id = %self.id,
                "a test delivery was not signed with our secret: writing the hook's settings anew"
            );
            self.must(ctx, Input::RewriteDue, Edit::default());
        }
    }
}
