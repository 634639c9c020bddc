//! Single histories, and what the sink hears.

use super::*;

#[test]
fn an_incident_that_is_resolved_within_the_delay_is_never_sent() {
    let mut world = World::new(WANTS_ALL);
    for step in [Step::Open, Step::Plan, Step::Resolve, Step::Plan] {
        world.act(step);
    }
    world.settle();
    assert_eq!(world.heard, []);
    let states = world.notifications.iter().map(|it| &it.state);
    let why = DropReason::ResolvedBefore;
    assert!(
        states
            .clone()
            .all(|it| *it == NotificationState::Dropped { at: NOW, why })
    );
    assert_eq!(states.count(), 2);
}

#[test]
fn that_it_flaps_is_sent_although_it_passes_by_then_and_its_end_waits() {
    for resolved in [true, false] {
        let mut world = World::new(Wants {
            resolved,
            ..WANTS_ALL
        });
        world.act(Step::Open);
        world.plan();
        world.send(Answer::Accepted);
        let passes = [Step::Flap, Step::Plan, Step::Resolve, Step::Plan];
        let fails = [Step::Send(Answer::Accepted), Step::Open, Step::Plan];
        for step in [&passes[..], &fails, &passes[2..], &fails].concat() {
            world.act(step);
            world.act(Step::Send(Answer::Refused));
        }
        let kinds: Vec<_> = world.heard.iter().map(|(_, kind)| *kind).collect();
        let expected = [NotificationKind::Opened, NotificationKind::Flapping];
        assert_eq!(kinds, expected, "{resolved}");
    }
}

#[test]
fn what_changed_during_a_mute_is_sent_after_it_if_it_still_matters() {
    let mut world = World::new(WANTS_ALL);
    for step in [Step::Open, Step::Mute, Step::Plan] {
        world.act(step);
    }
    world.act(Step::Send(Answer::Accepted));
    assert_eq!(world.heard, []);
    // It is still open when the mute ends: by time, and not because a user has changed it.
    world.incident.care.muted_until = Some(NOW);
    world.act(Step::Send(Answer::Accepted));
    assert_eq!(world.shows(), Some(NotificationKind::Opened));
    // Resolved and opened again: the sink shows what is.
    for step in [
        Step::Mute,
        Step::Resolve,
        Step::Plan,
        Step::Open,
        Step::Plan,
    ] {
        world.act(step);
        world.act(Step::Send(Answer::Accepted));
    }
    assert_eq!(world.heard.len(), 1);
    world.act(Step::Resolve);
    world.settle();
    assert_eq!(world.shows(), Some(NotificationKind::Resolved));
    assert_eq!(world.heard.len(), 2, "{:?}", world.heard);
}

#[test]
fn a_sink_for_severe_incidents_hears_of_one_when_it_becomes_severe() {
    let severe = Wants {
        severity: Severity::Critical,
        ..WANTS_ALL
    };
    let mut world = World::new(severe);
    world.act(Step::Open);
    world.settle();
    assert_eq!(world.heard, []);
    world.act(Step::Worsen);
    world.settle();
    assert_eq!(world.shows(), Some(NotificationKind::Worse));
    world.act(Step::Resolve);
    world.settle();
    assert_eq!(world.shows(), Some(NotificationKind::Resolved));
}

#[test]
fn a_sink_that_is_paused_hears_of_nothing_new() {
    let mut world = World::new(WANTS_ALL);
    world.sink.state = SinkState::Paused;
    world.act(Step::Open);
    world.settle();
    assert!(world.notifications.is_empty());
    world.sink.state = SinkState::Enabled;
    world.act(Step::Resolve);
    world.settle();
    assert_eq!(world.heard, [], "it never heard of the beginning");
}

#[test]
fn a_beginning_after_an_end_that_could_not_be_sent_is_sent() {
    let mut world = World::new(WANTS_ALL);
    world.act(Step::Open);
    world.settle();
    for step in [
        Step::Resolve,
        Step::Plan,
        Step::Send(Answer::Impossible),
        Step::Open,
    ] {
        world.act(step);
    }
    world.settle();
    assert_eq!(world.shows(), Some(NotificationKind::Reopened));
}

#[test]
fn a_beginning_that_is_more_severe_is_heard_by_a_sink_that_has_not_heard_of_the_end() {
    let refused = || Step::Send(Answer::Refused);
    // What is told of it while the sink refuses: nothing, and that it has become more severe.
    for steps in [
        vec![Step::Resolve, Step::Plan, refused(), Step::Worsen],
        vec![
            Step::Worsen,
            Step::Plan,
            refused(),
            Step::Resolve,
            Step::Plan,
            refused(),
        ],
    ] {
        let mut world = World::new(WANTS_ALL);
        world.act(Step::Open);
        world.settle();
        for step in steps {
            world.act(step);
        }
        world.act(Step::Open);
        world.settle();
        let kinds: Vec<_> = world.heard.iter().map(|(_, kind)| *kind).collect();
        let expected = [NotificationKind::Opened, NotificationKind::Worse];
        assert_eq!(kinds, expected);
        assert_eq!(world.heard_severity, Some(Severity::Critical));
    }
}
