//! Rules of an owner: where, when and how often incidents are sent.

use super::*;
use crate::domain::id::RunId;
use crate::domain::incident::CiFailure;
use crate::domain::rulebook::quiet::{QuietHours, Span};
use crate::domain::rulebook::{Remind, Rule, Rulebook, Then, When};
use crate::outbox::{DeskError, NewRules};
use crate::store::{CommitError, Conflict};

const PAGER: SinkId = SinkId::from_u128(2);
const HOUR: Duration = Duration::from_hours(1);

fn rule(when: When, then: Then) -> Rule {
    let name = String::new();
    Rule { name, when, then }
}

fn on_main() -> When {
    When {
        branches: vec!["main".into()],
        ..When::default()
    }
}

/// Reminders at this interval, about everything.
fn remind(every: Duration) -> Rule {
    let seconds = u32::try_from(every.as_secs()).unwrap();
    let then = Then {
        remind: Some(Remind::Every(seconds)),
        ..Then::default()
    };
    rule(When::default(), then)
}

/// Every night from ten to seven, in UTC. The clock begins at 22:13.
fn nights() -> QuietHours {
    QuietHours {
        time_zone: "UTC".into(),
        spans: vec![Span {
            days: Vec::new(),
            from: 22 * 60,
            to: 7 * 60,
        }],
        passes: Some(Severity::Critical),
    }
}

/// From the beginning of the clock to seven.
const TO_SEVEN: Duration = Duration::from_secs(8 * 3600 + 46 * 60 + 40);

impl World {
    async fn rules(&self, quiet: Option<QuietHours>, rules: Vec<Rule>) {
        let new = NewRules {
            owner: ANN,
            replaces: None,
            quiet,
            rules,
            opening: Vec::new(),
        };
        self.desk().set_rules(new).await.unwrap();
    }

    /// Opens an incident on a branch.
    async fn open_on(&self, n: u128, branch: &str) -> Incident {
        let connection = ConnectionId::from_u128(1);
        let ci = CiFailure {
            branch: Some(branch.to_owned()),
            ..samples::ci_failure(RunId::from_u128(n), connection)
        };
        let incident = Incident {
            ci: Some(ci),
            ..samples::incident(IncidentId::from_u128(n), connection)
        };
        self.put(&incident).await;
        incident
    }

    fn stored(&self, id: IncidentId) -> Incident {
        self.store
            .incident(id)
            .ready()
            .unwrap()
            .expect("it is there")
    }

    fn begun(&self) -> Instant {
        self.clock.0
    }
}

#[tokio::test(start_paused = true)]
async fn rules_decide_severity_sinks_and_delay_and_the_incident_shows_it() {
    let world = World::new().await;
    let pager = Sink {
        wants: Wants {
            severity: Severity::Critical,
            ..Wants::default()
        },
        ..samples::sink(PAGER)
    };
    world.commit(vec![Change::PutSink(Box::new(pager))]).await;
    let severe = Then {
        severity: Some(Severity::Critical),
        sinks: Some(vec![PAGER]),
        ..Then::default()
    };
    let late = Then {
        delay: Some(600),
        ..Then::default()
    };
    let rules = vec![rule(on_main(), severe), rule(When::default(), late)];
    world.rules(None, rules).await;
    let main = world.open_on(1, "main").await;
    let topic = world.open_on(2, "topic").await;
    world.until(|world| world.heard().len() == 2).await;
    let heard = world.heard();
    // Both wait for ten minutes: the delay of the second rule is that of all.
    assert!(
        heard
            .iter()
            .all(|it| it.at - world.begun() >= Duration::from_mins(10))
    );
    let notifications = world.notifications();
    let sink_of = |id| {
        notifications
            .iter()
            .find(|it| it.incident() == Some(id))
            .unwrap()
            .sink
    };
    assert_eq!((sink_of(main.id), sink_of(topic.id)), (PAGER, CHAT));
    assert_eq!(world.stored(main.id).severity, Severity::Critical);
    assert_eq!(world.stored(topic.id).severity, Severity::Error);
    // Other rules are for what comes after: what is open stays as it is, and its end reaches who
    // heard of the beginning.
    world.rules(None, Vec::new()).await;
    world.resolve(&world.stored(main.id)).await;
    world.until(|world| world.heard().len() == 3).await;
    let last = world.heard().pop().unwrap();
    assert_eq!(
        (last.kind, last.incident),
        (NotificationKind::Resolved, main.id)
    );
    assert_eq!(world.stored(main.id).severity, Severity::Critical);
    world.open_on(3, "main").await;
    world.until(|world| world.heard().len() == 4).await;
    world.passes(HOUR).await;
    assert_eq!(world.heard().len(), 4, "the pager wants severe ones only");
}

#[tokio::test(start_paused = true)]
async fn a_rule_with_no_sinks_silences() {
    let world = World::new().await;
    let nowhere = Then {
        sinks: Some(Vec::new()),
        ..Then::default()
    };
    world.rules(None, vec![rule(on_main(), nowhere)]).await;
    world.open_on(1, "main").await;
    let topic = world.open_on(2, "topic").await;
    world.until(|world| world.states() == ["sent"]).await;
    world.passes(HOUR).await;
    assert_eq!(world.heard()[0].incident, topic.id);
    assert_eq!(world.heard().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn rules_are_replaced_by_who_knows_their_version() {
    let world = World::new().await;
    let set = |replaces| {
        let new = NewRules {
            owner: ANN,
            replaces,
            quiet: None,
            rules: vec![remind(HOUR)],
            opening: Vec::new(),
        };
        world.desk().set_rules(new)
    };
    let version = |book: Result<Rulebook, DeskError>| book.unwrap().version;
    assert_eq!(version(set(Some(0)).await), 1);
    let changed = |result| {
        let changed = CommitError::Conflict(Conflict::Changed);
        matches!(result, Err(DeskError::Commit(error)) if error == changed)
    };
    assert!(changed(set(Some(0)).await));
    assert_eq!(version(set(Some(1)).await), 2);
    assert_eq!(version(set(None).await), 3, "whatever is stored");
    // Of many at once with the same version, one succeeds; of those without one, all do.
    let at_once = |replaces| futures_util::future::join_all((0..10).map(move |_| set(replaces)));
    let answers = at_once(Some(3)).await;
    let won = answers.iter().filter(|answer| answer.is_ok());
    assert_eq!(won.count(), 1);
    assert!(at_once(None).await.iter().all(Result::is_ok));
    let stored = world.store.rulebook(ANN).ready().unwrap().unwrap();
    assert_eq!(stored.version, 14);
}

#[tokio::test(start_paused = true)]
async fn in_quiet_hours_only_what_is_severe_is_sent_and_afterwards_what_still_matters() {
    let mut world = World::new().await;
    let shown = world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    world.rules(Some(nights()), Vec::new()).await;
    let (brief, lasting) = (world.open(2).await, world.open(3).await);
    let worse = world.open(4).await;
    world.resolve(&shown).await;
    world.passes(HOUR).await;
    world.resolve(&brief).await;
    let severe = Incident {
        severity: Severity::Critical,
        ..worse
    };
    world.put(&severe).await;
    world.until(|world| world.heard().len() == 2).await;
    let heard = world.heard();
    assert_eq!(
        (heard[1].incident, heard[1].kind),
        (severe.id, NotificationKind::Opened)
    );
    world.kill();
    world.start();
    world.until(|world| world.heard().len() == 4).await;
    world.passes(24 * HOUR).await;
    let heard = world.heard();
    let news: Vec<_> = heard[2..].iter().map(|it| (it.incident, it.kind)).collect();
    let mut expected = vec![
        (shown.id, NotificationKind::Resolved),
        (lasting.id, NotificationKind::Opened),
    ];
    expected.sort();
    let mut sorted = news.clone();
    sorted.sort();
    assert_eq!(sorted, expected, "the brief one is not sent at all");
    for it in &heard[2..] {
        let at = it.at - world.begun();
        assert!(at >= TO_SEVEN && at < TO_SEVEN + 2 * MOMENT, "{at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_may_disturb_the_quiet() {
    let world = World::new().await;
    let loud = Then {
        quiet: Some(false),
        ..Then::default()
    };
    world
        .rules(Some(nights()), vec![rule(on_main(), loud)])
        .await;
    world.open_on(1, "main").await;
    world.open_on(2, "topic").await;
    world.until(|world| world.heard().len() == 1).await;
    world.passes(HOUR).await;
    assert_eq!(world.heard()[0].incident, IncidentId::from_u128(1));
    assert_eq!(world.heard().len(), 1);
}

/// Also after a recovery, which hurries what waits.
#[tokio::test(start_paused = true)]
async fn a_sink_that_recovers_in_quiet_hours_is_not_disturbed() {
    let world = World::new().await;
    *world.sink.always.lock() = Some(later("down"));
    for n in 1..=5 {
        world.open(n).await;
    }
    world.until(|world| world.heard().len() >= 6).await;
    world.rules(Some(nights()), Vec::new()).await;
    *world.sink.always.lock() = None;
    let severe = Incident {
        severity: Severity::Critical,
        ..samples::incident(IncidentId::from_u128(9), ConnectionId::from_u128(1))
    };
    world.put(&severe).await;
    world.until(|world| world.states().contains(&"sent")).await;
    world.sink.heard.lock().clear();
    world.passes(HOUR).await;
    assert_eq!(world.heard(), []);
    world.until(|world| world.heard().len() == 5).await;
    let first = world.heard()[0].at - world.begun();
    assert!(first >= TO_SEVEN, "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_is_reminded_until_the_incident_is_acknowledged() {
    let mut world = World::new().await;
    world.rules(None, vec![remind(HOUR)]).await;
    let incident = world.open(1).await;
    world.until(|world| world.heard().len() == 3).await;
    world.kill();
    world.start();
    world.until(|world| world.heard().len() == 4).await;
    let heard = world.heard();
    let kinds: Vec<_> = heard.iter().map(|it| it.kind).collect();
    assert_eq!(kinds[0], NotificationKind::Opened);
    assert!(
        kinds[1..]
            .iter()
            .all(|kind| *kind == NotificationKind::Reminded)
    );
    for pair in heard.windows(2) {
        let wait = pair[1].at - pair[0].at;
        assert!(wait >= HOUR && wait < HOUR + 2 * MOMENT, "{wait:?}");
    }
    let acknowledged = Incident {
        status: IncidentStatus::Acknowledged,
        ..incident
    };
    world.put(&acknowledged).await;
    world.passes(30 * HOUR).await;
    assert_eq!(world.heard().len(), 4);
    world.resolve(&acknowledged).await;
    world.until(|world| world.heard().len() == 5).await;
    assert_eq!(world.kinds()[4], NotificationKind::Resolved);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_was_down_for_days_gets_one_reminder_and_the_end_no_more() {
    let world = World::new().await;
    world
        .rules(None, vec![remind(Duration::from_mins(5))])
        .await;
    let incident = world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    *world.sink.always.lock() = Some(later("down"));
    world.passes(48 * HOUR).await;
    let waiting = world.notifications();
    let waiting = waiting.iter().filter(|it| it.due_at().is_some());
    assert_eq!(waiting.count(), 1);
    let tries = world.heard().len();
    *world.sink.always.lock() = None;
    // Its next try is by the schedule; another incident shows that the sink works again.
    world.open(2).await;
    world.until(|world| world.heard().len() >= tries + 2).await;
    let ids = world
        .heard()
        .into_iter()
        .filter(|it| it.kind == NotificationKind::Reminded);
    let ids: std::collections::BTreeSet<_> = ids.map(|it| it.id).collect();
    assert_eq!(ids.len(), 1, "the same reminder, again and again");
    world.resolve(&incident).await;
    let is_resolved = |it: &Heard| it.kind == NotificationKind::Resolved;
    world
        .until(|world| world.heard().iter().any(is_resolved))
        .await;
    world.passes(HOUR).await;
    let after = world.heard();
    let about = after.iter().rev().take_while(|it| !is_resolved(it));
    assert!(about.into_iter().all(|it| it.incident != incident.id));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_causes_one_reminder_at_most() {
    let world = World::new().await;
    world.rules(None, vec![remind(HOUR)]).await;
    world.open(1).await;
    world.until(|world| world.heard().len() == 1).await;
    let year = Duration::from_hours(24 * 365);
    world.wrong_by(year);
    world.passes(Duration::from_mins(30)).await;
    assert_eq!(world.kinds().len(), 2, "the clock says that it is late");
    world.wrong_by(Duration::ZERO);
    world.passes(Duration::from_mins(30)).await;
    let count = world.kinds().len();
    assert!(count <= 3, "{count}");
    world.passes(10 * HOUR).await;
    let more = world.kinds().len() - count;
    assert!((9..=11).contains(&more), "{more}");
}

#[tokio::test(start_paused = true)]
async fn reminders_end_when_no_rule_wants_them() {
    let world = World::new().await;
    world.rules(None, vec![remind(HOUR)]).await;
    world.open(1).await;
    world.until(|world| world.heard().len() == 2).await;
    world.rules(None, Vec::new()).await;
    world.passes(30 * HOUR).await;
    assert_eq!(world.heard().len(), 2);
    assert!(!world.states().contains(&"waiting"), "{:?}", world.states());
}
