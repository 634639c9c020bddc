//! Random histories of incidents, a sink that fails, and a sender that dies: what the sink hears.

mod stories;

use super::choose::{Choice, choose};
use super::plan::{SETTLE, plan, wait_of_end};
use super::{
    Announced, DropReason, Notification, NotificationKind, NotificationState, Shown, Thread,
};
use crate::domain::id::{ConnectionId, IncidentId, NotificationId, SinkId};
use crate::domain::incident::{Incident, IncidentStatus, Severity};
use crate::domain::rulebook::decide::Decision;
use crate::domain::samples;
use crate::domain::sink::{Sink, SinkState, Wants};
use crate::domain::time::Timestamp;
use proptest::prelude::*;

const SINK: SinkId = SinkId::from_u128(1);
const INCIDENT: IncidentId = IncidentId::from_u128(1);
const NOW: Timestamp = Timestamp(100);
const MUTED_UNTIL: Timestamp = Timestamp(200);

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    Resolve,
    Worsen,
    Ease,
    /// A user acknowledges it.
    Acknowledge,
    /// The owner mutes it, or ends that.
    Mute,
    Unmute,
    /// Its workflow begins to flap, or that ends.
    Flap,
    Steady,
    /// The planner looks.
    Plan,
    /// The sender looks, and the sink answers so.
    Send(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Accepted,
    /// The sink has certainly not seen it.
    Refused,
    /// The sink has seen it, and its answer is lost.
    Lost,
    /// It cannot be sent, ever.
    Impossible,
}

/// An incident, one sink, and what is stored.
struct World {
    incident: Incident,
    sink: Sink,
    announced: Option<Announced>,
    thread: Option<Thread>,
    notifications: Vec<Notification>,
    /// What the sink has seen: repeated ids once.
    heard: Vec<(NotificationId, NotificationKind)>,
    /// The severity of the last of it.
    heard_severity: Option<Severity>,
    /// Whether the owner's rules want reminders.
    reminds: bool,
    /// Notifications that it lasts, after it flapped.
    steady: Vec<NotificationId>,
    now: Timestamp,
}

impl World {
    fn new(wants: Wants) -> Self {
        let incident = samples::incident(INCIDENT, ConnectionId::from_u128(1));
        Self {
            incident: Incident {
                status: IncidentStatus::Resolved,
                severity: Severity::Error,
                ..incident
            },
            sink: Sink {
                wants,
                ..samples::sink(SINK)
            },
            announced: None,
            thread: None,
            notifications: Vec::new(),
            heard: Vec::new(),
            heard_severity: None,
            reminds: false,
            steady: Vec::new(),
            now: NOW,
        }
    }

    fn plan(&mut self) {
        if !Announced::is_due(&self.incident, self.announced.as_ref()) {
            return;
        }
        let had_flapped = self.announced.as_ref().is_some_and(|it| it.has_flapped);
        let sinks = std::slice::from_ref(&self.sink);
        let plan = plan(
            &self.incident,
            self.announced.as_ref(),
            sinks,
            self.thread.as_slice(),
            &Decision::default(),
        );
        self.announced = Some(plan.announced);
        assert!(plan.notify.len() <= 1);
        for (sink, kind) in plan.notify {
            assert_eq!(sink, SINK);
            self.thread.get_or_insert(Thread::new(INCIDENT, SINK));
            let id = self.notify(kind);
            if had_flapped && kind == NotificationKind::Reopened {
                self.steady.push(id);
            }
        }
        let announced = self.announced.as_ref().expect("it was planned");
        let end = self.now.plus(wait_of_end(&self.incident, announced));
        for it in &mut self.notifications {
            if let NotificationState::Waiting { due_at, .. } = &mut it.state
                && it.kind == NotificationKind::Resolved
                && it.tries == 0
            {
                *due_at = end;
            }
        }
    }

    fn set(&mut self, id: NotificationId, state: NotificationState) {
        let mut all = self.notifications.iter_mut();
        let it = all.find(|it| it.id == id).expect("it is there");
        assert!(it.due_at().is_some(), "only those that wait are changed");
        it.state = state;
    }

    /// Returns whether anything was done.
    fn send(&mut self, answer: Answer) -> bool {
        let waits = |it: &&Notification| it.due_at().is_some();
        let waiting: Vec<_> = self.notifications.iter().filter(waits).cloned().collect();
        let is_due = |it: &Notification| it.due_at().is_some_and(|due_at| due_at <= self.now);
        if !waiting.iter().any(is_due) {
            return false;
        }
        let Some(thread) = self.thread.clone().filter(|_| !waiting.is_empty()) else {
            return false;
        };
        let choice = choose(
            Some(&self.incident),
            self.announced.as_ref(),
            thread.shown,
            self.sink.wants,
            self.reminds && self.incident.status == IncidentStatus::Open,
            &waiting,
            self.now,
        );
        if self.is_muted() {
            let muted_until = Some(MUTED_UNTIL);
            let held = Choice {
                muted_until,
                ..Choice::default()
            };
            assert_eq!(choice, held);
            return false;
        }
        let is_decided = choice != Choice::default();
        for (id, why) in choice.dropped {
            self.set(id, NotificationState::Dropped { at: NOW, why });
        }
        if let Some(shown) = choice.shown {
            self.thread = Some(Thread { shown, ..thread });
        }
        match choice.next {
            Some((id, due_at)) if due_at <= self.now => self.call(id, answer),
            Some(_) | None => {}
        }
        is_decided
    }

    fn call(&mut self, id: NotificationId, answer: Answer) {
        let found = self.notifications.iter().find(|it| it.id == id);
        let (kind, was_unsure) = found.map(|it| (it.kind, it.is_unsure())).unwrap();
        let shown = match kind {
            NotificationKind::Resolved => Shown::Resolved,
            NotificationKind::Opened
            | NotificationKind::Reopened
            | NotificationKind::Flapping
            | NotificationKind::Worse
            | NotificationKind::Reminded => Shown::Open,
            NotificationKind::Digest => Shown::Nothing,
        };
        let is_heard = matches!(answer, Answer::Accepted | Answer::Lost);
        if is_heard && !self.heard.iter().any(|(heard, _)| *heard == id) {
            self.heard.push((id, kind));
        }
        if is_heard {
            self.heard_severity = Some(self.incident.severity);
        }
        let state = match answer {
            Answer::Accepted => NotificationState::Sent { at: NOW },
            Answer::Impossible => NotificationState::Failed {
                at: NOW,
                error: "no".into(),
            },
            Answer::Refused | Answer::Lost => NotificationState::Waiting {
                due_at: NOW,
                is_unsure: was_unsure || answer == Answer::Lost,
                tried_at: Some(NOW),
                error: None,
            },
        };
        let may_show = answer == Answer::Accepted || (answer == Answer::Impossible && was_unsure);
        if let Some(thread) = self.thread.as_mut().filter(|_| may_show) {
            thread.shown = shown;
            thread.severity = Some(self.incident.severity);
        }
        self.set(id, state);
        if answer == Answer::Accepted && shown == Shown::Open && self.reminds {
            self.notify(NotificationKind::Reminded);
        }
    }

    fn notify(&mut self, kind: NotificationKind) -> NotificationId {
        let nth = self.notifications.len() as u128;
        let notification = Notification {
            kind,
            ..samples::notification(nth, INCIDENT, SINK)
        };
        let id = notification.id;
        self.notifications.push(notification);
        id
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Open => self.incident.status = IncidentStatus::Open,
            Step::Resolve => self.incident.status = IncidentStatus::Resolved,
            Step::Worsen => self.incident.severity = Severity::Critical,
            Step::Ease => {
                self.incident.severity = Severity::Warning;
                // Or what was announced could be sent with this severity, and count as heard.
                self.plan();
            }
            Step::Acknowledge if self.incident.status == IncidentStatus::Open => {
                self.incident.status = IncidentStatus::Acknowledged;
            }
            Step::Acknowledge => {}
            Step::Mute => self.incident.care.muted_until = Some(MUTED_UNTIL),
            Step::Unmute => self.incident.care.muted_until = None,
            Step::Flap => self.incident.is_flapping = true,
            Step::Steady => self.incident.is_flapping = false,
            Step::Plan => self.plan(),
            Step::Send(answer) => drop(self.send(answer)),
        }
    }

    fn is_muted(&self) -> bool {
        self.incident.muted_until(NOW).is_some()
    }

    /// Everything is sent that still matters, and no more reminders are wanted.
    fn settle(&mut self) {
        self.reminds = false;
        self.incident.care.muted_until = None;
        self.plan();
        self.now = NOW.plus(SETTLE);
        while self.send(Answer::Accepted) {}
    }

    /// Never an end without its beginning, never a beginning within an episode, but that it flaps
    /// and does no more.
    fn check_order(&self) {
        let mut is_open = false;
        for (id, kind) in &self.heard {
            match kind {
                NotificationKind::Resolved => {
                    assert!(is_open, "{:?}", self.heard);
                    is_open = false;
                }
                NotificationKind::Opened | NotificationKind::Reopened => {
                    assert!(!is_open || self.steady.contains(id), "{:?}", self.heard);
                    is_open = true;
                }
                NotificationKind::Flapping | NotificationKind::Worse => is_open = true,
                NotificationKind::Reminded => assert!(is_open, "{:?}", self.heard),
                NotificationKind::Digest => panic!("it is about no incident"),
            }
        }
    }

    fn shows(&self) -> Option<NotificationKind> {
        self.heard.last().map(|(_, kind)| *kind)
    }
}

fn steps(answers: Vec<Answer>) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Open),
        Just(Step::Resolve),
        Just(Step::Worsen),
        Just(Step::Ease),
        Just(Step::Acknowledge),
        Just(Step::Mute),
        Just(Step::Unmute),
        Just(Step::Flap),
        Just(Step::Steady),
        Just(Step::Plan),
        Just(Step::Plan),
        proptest::sample::select(answers).prop_map(Step::Send),
    ];
    proptest::collection::vec(step, 0..40)
}

const WANTS_ALL: Wants = Wants {
    resolved: true,
    severity: Severity::Warning,
};

proptest! {
    #![proptest_config(crate::histories::of(20_000))]

    #[test]
    fn a_sink_hears_of_each_episode_in_order_and_in_the_end_of_what_is(
        steps in steps(vec![Answer::Accepted, Answer::Refused, Answer::Lost]),
        reminds: bool,
    ) {
        let mut world = World::new(WANTS_ALL);
        world.reminds = reminds;
        for step in steps {
            let (was_muted, before) = (world.is_muted(), world.heard.len());
            world.act(step);
            world.check_order();
            prop_assert!(!was_muted || world.heard.len() == before, "it is muted");
        }
        world.settle();
        world.check_order();
        let is_open = !world.incident.standing().is_resolved;
        match world.shows() {
            None => prop_assert!(!is_open, "it was never notified of what is open"),
            Some(NotificationKind::Resolved) => prop_assert!(!is_open),
            Some(_) => {
                prop_assert!(is_open, "its end is missing: {:?}", world.heard);
                let severity = Some(world.incident.severity);
                prop_assert!(world.heard_severity >= severity, "{:?}", world.heard);
            }
        }
        prop_assert!(world.notifications.iter().all(|it| it.due_at().is_none()));
    }

    #[test]
    fn a_sink_is_reminded_only_of_what_it_shows_and_at_most_one_reminder_waits(
        steps in steps(vec![Answer::Accepted, Answer::Refused, Answer::Lost, Answer::Impossible]),
    ) {
        let mut world = World::new(WANTS_ALL);
        world.reminds = true;
        for step in steps {
            world.act(step);
            let kinds = world.heard.iter().map(|(_, kind)| *kind);
            let mut is_open = false;
            for kind in kinds {
                prop_assert!(kind != NotificationKind::Reminded || is_open, "{:?}", world.heard);
                is_open = kind != NotificationKind::Resolved;
            }
            let waits = |it: &&Notification| {
                it.kind == NotificationKind::Reminded && it.due_at().is_some()
            };
            prop_assert!(world.notifications.iter().filter(waits).count() <= 1);
        }
        let acknowledged = world.incident.status == IncidentStatus::Acknowledged;
        let before = world.heard.len();
        if acknowledged {
            world.plan();
            for _ in 0..5 {
                world.send(Answer::Accepted);
            }
            let after = &world.heard[before..];
            prop_assert!(after.iter().all(|(_, kind)| *kind != NotificationKind::Reminded));
        }
        world.settle();
        prop_assert!(world.notifications.iter().all(|it| it.due_at().is_none()));
    }

    #[test]
    fn what_a_sink_cannot_take_holds_up_nothing_else(
        steps in steps(vec![
            Answer::Accepted, Answer::Refused, Answer::Lost, Answer::Impossible,
        ]),
    ) {
        let mut world = World::new(WANTS_ALL);
        for step in steps {
            world.act(step);
        }
        for step in [Step::Steady, Step::Resolve, Step::Open, Step::Resolve] {
            world.settle();
            world.act(step);
        }
        world.settle();
        prop_assert_eq!(world.shows(), Some(NotificationKind::Resolved));
    }

    #[test]
    fn a_sink_that_wants_no_ends_hears_of_every_beginning(
        steps in steps(vec![Answer::Accepted]),
    ) {
        let mut world = World::new(Wants { resolved: false, ..WANTS_ALL });
        for step in steps {
            world.act(step);
        }
        world.act(Step::Steady);
        world.act(Step::Resolve);
        world.settle();
        let heard = world.heard.len();
        world.act(Step::Open);
        world.settle();
        prop_assert_eq!(world.heard.len(), heard + 1);
        let ends = world.heard.iter().filter(|(_, kind)| *kind == NotificationKind::Resolved);
        prop_assert_eq!(ends.count(), 0);
    }
}
