//! What rules decide, by tables and by random rules.

use super::*;
use crate::domain::id::ConnectionId;
use crate::domain::rulebook::{About, REMIND_DEFAULT};
use crate::domain::samples;
use proptest::prelude::*;

const CHAT: SinkId = SinkId::from_u128(1);
const PAGER: SinkId = SinkId::from_u128(2);

const LOOK: Look<'static> = Look {
    about: About::Ci,
    repository: Some("Octo/App"),
    connection: Some(ConnectionId::from_u128(3)),
    branch: Some("main"),
    workflow: Some("CI tests"),
    trigger: Some("push"),
    failure: "failure",
    severity: Severity::Error,
};

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn book(rules: &[(When, Then)]) -> Rules {
    let rules = rules.iter().map(|(when, then)| Rule {
        name: String::new(),
        when: when.clone(),
        then: then.clone(),
    });
    Rules::new(&Rulebook {
        rules: rules.collect(),
        ..samples::rulebook(samples::ANN)
    })
}

fn severity(severity: Severity) -> Then {
    Then {
        severity: Some(severity),
        ..Then::default()
    }
}

fn sinks(sinks: &[SinkId]) -> Then {
    Then {
        sinks: Some(sinks.to_vec()),
        ..Then::default()
    }
}

fn with(change: impl FnOnce(&mut When)) -> When {
    let mut when = When::default();
    change(&mut when);
    when
}

fn of_repositories(names: &[&str]) -> When {
    with(|it| it.repositories = texts(names))
}

fn on_main() -> When {
    When {
        branches: texts(&["main", "release/*"]),
        ..When::default()
    }
}

fn of(severity: Severity) -> When {
    When {
        severities: vec![severity],
        ..When::default()
    }
}

/// Conditions, and whether they hold for failing CI, for a webhook, and for a credential.
fn conditions() -> [(When, Condition, [bool; 3]); 12] {
    [
        (
            with(|it| it.about = Some(About::Ci)),
            Condition::About,
            [true, false, false],
        ),
        (
            with(|it| it.about = Some(About::Health)),
            Condition::About,
            [false, true, true],
        ),
        (
            of_repositories(&["x/y", "octo/*"]),
            Condition::Repositories,
            [true, true, false],
        ),
        (
            of_repositories(&["octo/api"]),
            Condition::Repositories,
            [false, false, false],
        ),
        (
            with(|it| it.connections = vec![ConnectionId::from_u128(3)]),
            Condition::Connections,
            [true, true, false],
        ),
        (on_main(), Condition::Branches, [true, false, false]),
        (
            with(|it| it.branches = texts(&["Main"])),
            Condition::Branches,
            [false, false, false],
        ),
        (
            with(|it| it.workflows = texts(&["ci*"])),
            Condition::Workflows,
            [true, false, false],
        ),
        (
            with(|it| it.triggers = texts(&["cron"])),
            Condition::Triggers,
            [false, false, false],
        ),
        (
            with(|it| it.failures = texts(&["failure", "hook_silent"])),
            Condition::Failures,
            [true, true, true],
        ),
        (
            of(Severity::Error),
            Condition::Severities,
            [true, true, true],
        ),
        (
            of(Severity::Critical),
            Condition::Severities,
            [false, false, false],
        ),
    ]
}

#[test]
fn each_condition_fits_what_it_names_and_nothing_else() {
    let health = Look {
        about: About::Health,
        branch: None,
        workflow: None,
        trigger: None,
        failure: "hook_silent",
        ..LOOK
    };
    let of_credential = Look {
        repository: None,
        connection: None,
        ..health
    };
    for (when, condition, expected) in conditions() {
        let rules = book(&[(when.clone(), sinks(&[]))]);
        for (look, applies) in [LOOK, health, of_credential].into_iter().zip(expected) {
            let mismatch = (!applies).then_some(condition);
            assert_eq!(rules.mismatches(&look), [mismatch], "{when:?} {look:?}");
            let decided = rules.decide(&look, |_| true).sinks.is_some();
            assert_eq!(decided, applies, "{when:?} {look:?}");
        }
    }
}

#[test]
fn each_setting_is_of_the_first_rule_that_applies_and_has_it() {
    let elsewhere = When {
        branches: texts(&["other"]),
        ..When::default()
    };
    let delay = |delay| Then {
        delay: Some(delay),
        ..Then::default()
    };
    let rules = book(&[
        (elsewhere, delay(1)),
        (on_main(), severity(Severity::Critical)),
        (
            When::default(),
            Then {
                sinks: Some(vec![CHAT]),
                ..delay(7)
            },
        ),
        (
            When::default(),
            Then {
                sinks: Some(vec![PAGER]),
                ..severity(Severity::Warning)
            },
        ),
    ]);
    let decision = rules.decide(&LOOK, |_| true);
    let severity = decision.severity.as_ref().map(|it| (it.value, it.rule));
    assert_eq!(severity, Some((Severity::Critical, 1)));
    let delay = decision.delay.as_ref().map(|it| (it.value, it.rule));
    assert_eq!(delay, Some((Duration::from_secs(7), 2)));
    assert!(decision.includes(CHAT) && !decision.includes(PAGER));
    assert_eq!(decision.remind_every(), None);
    assert!(decision.keeps_quiet(), "the default");
    assert_eq!(book(&[]).decide(&LOOK, |_| true), Decision::default());
}

#[test]
fn severity_is_decided_before_it_is_a_condition_wherever_the_rules_stand() {
    let pager = (of(Severity::Critical), sinks(&[PAGER]));
    let severe = (on_main(), severity(Severity::Critical));
    for rules in [[pager.clone(), severe.clone()], [severe, pager]] {
        let decision = book(&rules).decide(&LOOK, |_| true);
        assert!(decision.includes(PAGER) && !decision.includes(CHAT));
    }
}

#[test]
fn removed_sinks_are_left_out_and_never_silence() {
    let rules = book(&[
        (When::default(), sinks(&[PAGER])),
        (When::default(), sinks(&[CHAT, PAGER])),
    ]);
    let all = rules.decide(&LOOK, |_| true).sinks.expect("both are there");
    assert_eq!((all.value, all.rule), (vec![PAGER], 0));
    let left = rules.decide(&LOOK, |sink| sink == CHAT).sinks.expect("one");
    assert_eq!((left.value, left.rule), (vec![CHAT], 1));
    assert_eq!(
        rules.decide(&LOOK, |_| false).sinks,
        None,
        "all are notified"
    );
    let silent = book(&[(on_main(), sinks(&[]))]);
    assert!(!silent.decide(&LOOK, |_| false).includes(CHAT));
}

#[test]
fn reminders_can_be_switched_on_and_for_some_off_again() {
    let remind = |remind| Then {
        remind: Some(remind),
        ..Then::default()
    };
    let seconds = u32::try_from(REMIND_DEFAULT.as_secs()).unwrap();
    let rules = book(&[
        (on_main(), remind(Remind::Every(seconds))),
        (When::default(), remind(Remind::Never)),
    ]);
    let every = |look| rules.decide(&look, |_| true).remind_every();
    assert_eq!(every(LOOK), Some(REMIND_DEFAULT));
    let topic = Look {
        branch: Some("topic"),
        ..LOOK
    };
    assert_eq!(every(topic), None);
}

fn any_rule() -> impl Strategy<Value = (When, Then)> {
    let severities = || proptest::sample::select(Severity::ALL.to_vec());
    let when = (
        proptest::sample::subsequence(vec!["main", "topic", "*"], 0..3),
        proptest::collection::vec(severities(), 0..3),
    );
    let then = (
        proptest::option::of(severities()),
        proptest::option::of(proptest::sample::subsequence(vec![CHAT, PAGER], 0..=2)),
        proptest::option::of(0..100_u32),
    );
    (when, then).prop_map(|((branches, severities), (severity, sinks, delay))| {
        let when = When {
            branches: texts(&branches),
            // A rule that sets a severity has no condition of it: the check refuses that.
            severities: if severity.is_some() {
                Vec::new()
            } else {
                severities
            },
            ..When::default()
        };
        let then = Then {
            severity,
            sinks,
            delay,
            ..Then::default()
        };
        (when, then)
    })
}

proptest! {
    #[test]
    fn deciding_again_with_what_was_decided_gives_the_same(
        rules in proptest::collection::vec(any_rule(), 0..8),
        severity in proptest::sample::select(Severity::ALL.to_vec()),
        branch in proptest::option::of(proptest::sample::select(vec!["main", "topic"])),
    ) {
        let rules = book(&rules);
        let look = Look { branch, severity, ..LOOK };
        let once = rules.decide(&look, |_| true);
        let decided = once.severity.as_ref().map_or(severity, |it| it.value);
        let again = rules.decide(&Look { severity: decided, ..look }, |_| true);
        prop_assert_eq!(once, again);
    }
}
