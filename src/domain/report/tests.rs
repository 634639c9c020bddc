//! Reports of a week in hours: a few incidents and what is said of them.

use super::*;
use crate::domain::history::{Entry, Evidence};
use crate::domain::id::RunId;
use crate::domain::incident::IncidentStatus;
use crate::domain::samples;
use EntryKind as K;

const HOUR: Duration = Duration::from_hours(1);

fn hour(nth: u32) -> Timestamp {
    Timestamp(1_700_000_000_000).plus(HOUR * nth)
}

/// An incident of `o/<name>` from one hour to another.
fn incident(n: u128, name: &str, from: u32, to: Option<u32>) -> Incident {
    let connection = ConnectionId::from_u128(1);
    Incident {
        repository: Some(format!("o/{name}").parse().unwrap()),
        failure_type: "failure".into(),
        ci: None,
        status: to.map_or(IncidentStatus::Open, |_| IncidentStatus::Resolved),
        resolution: to.map(|_| Resolution::ByHand),
        first_seen_at: hour(from),
        resolved_at: to.map(hour),
        is_flaky: false,
        ..samples::incident(IncidentId::from_u128(n), connection)
    }
}

/// From hour 100 to hour 200.
fn report(incidents: &[Incident]) -> Report {
    let mut reporter = Reporter::new(hour(100), hour(200));
    for incident in incidents {
        reporter.take(incident);
    }
    reporter.finish()
}

#[test]
fn what_began_before_or_lasts_counts_for_its_time_within() {
    let report = report(&[
        incident(1, "before", 50, Some(99)),
        incident(2, "over", 90, Some(110)),
        incident(3, "within", 120, Some(125)),
        incident(4, "lasts", 170, None),
        incident(5, "ends-later", 190, Some(230)),
        incident(6, "always", 10, None),
        incident(7, "later", 200, None),
    ]);
    let counts = [
        report.opened,
        report.resolved,
        report.unresolved,
        report.flaky,
    ];
    assert_eq!(counts, [3, 2, 3, 0]);
    let red: Vec<_> = report
        .broken
        .iter()
        .map(|it| {
            (
                it.culprit.repository.as_deref().unwrap(),
                it.red.as_secs() / 3600,
            )
        })
        .collect();
    let expected = [("o/always", 100), ("o/lasts", 30), ("o/ends-later", 10)];
    assert_eq!(red[..3], expected);
    assert_eq!(red[3..], [("o/over", 10), ("o/within", 5)]);
    let slowest: Vec<_> = report.slowest.iter().map(|it| it.took / 3600).collect();
    assert_eq!(slowest, [Duration::from_secs(20), Duration::from_secs(5)]);
    assert_eq!(report.median, Some(5 * HOUR), "the lower one of two");
}

#[test]
fn incidents_of_one_culprit_are_one_line_and_what_is_flaky_is_not_slow() {
    let flaky = |n, from, to| Incident {
        is_flaky: true,
        ..incident(n, "app", from, Some(to))
    };
    let joined = Incident {
        resolution: Some(Resolution::Joined),
        ..incident(9, "app", 110, Some(190))
    };
    let report = report(&[
        flaky(1, 110, 111),
        flaky(2, 120, 150),
        incident(3, "app", 160, Some(161)),
        joined,
    ]);
    assert_eq!(report.broken.len(), 1);
    let line = &report.broken[0];
    assert_eq!((line.incidents, line.flaky, line.unresolved), (3, 2, 0));
    assert_eq!(line.red, 32 * HOUR);
    assert_eq!(report.flaking, report.broken);
    let slowest: Vec<_> = report
        .slowest
        .iter()
        .map(|it| it.incident.as_u128())
        .collect();
    assert_eq!(slowest, [3]);
    assert_eq!((report.flaky, report.resolved), (2, 3));
}

#[test]
fn of_many_the_worst_are_shown_and_all_are_counted() {
    let many: Vec<Incident> = (0..500)
        .map(|n| incident(u128::from(n), &format!("r{n}"), 100, Some(101 + n % 90)))
        .collect();
    let report = report(&many);
    assert_eq!(
        (report.broken.len(), report.slowest.len()),
        (LINES_MAX, LINES_MAX)
    );
    assert_eq!(report.resolved, 500);
    let least = report.slowest.last().unwrap().took;
    let slower = many
        .iter()
        .filter(|it| it.resolved_at.unwrap().since(hour(100)) > least);
    assert!(slower.count() <= LINES_MAX, "the slowest of all");
    assert!(report.broken.is_sorted_by(|a, b| a.red >= b.red));
}

#[test]
fn an_empty_time_has_an_empty_report() {
    let report = report(&[]);
    assert_eq!((report.opened, report.median), (0, None));
    assert!(report.broken.is_empty() && report.repaired.is_empty());
}

#[test]
fn hooks_that_were_repaired_in_the_time_are_shown_by_number() {
    let mut reporter = Reporter::new(hour(100), hour(200));
    let history = |entries: &[(EntryKind, u32)]| History {
        entries: entries
            .iter()
            .map(|(kind, at)| Entry::new(*kind, Evidence::Check, hour(*at)))
            .collect(),
        ..History::new(ConnectionId::from_u128(1), samples::ANN)
    };
    for (n, entries) in [
        (1, &[(K::Repaired, 99), (K::Repaired, 200)][..]),
        (2, &[(K::Drifted, 120), (K::Repaired, 121)]),
        (
            3,
            &[(K::Repaired, 110), (K::Lost, 150), (K::Recreated, 151)],
        ),
    ] {
        let id = ConnectionId::from_u128(n);
        reporter.take_history(id, &format!("o/r{n}"), &history(entries));
    }
    let shown: Vec<_> = reporter
        .finish()
        .repaired
        .into_iter()
        .map(|it| (it.repository, it.repairs, it.last_at))
        .collect();
    let expected = [
        ("o/r3".to_owned(), 2, hour(151)),
        ("o/r2".to_owned(), 1, hour(121)),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn the_main_branch_of_a_fork_is_another_one() {
    let of = |n, head: Option<&str>| {
        let id = IncidentId::from_u128(n);
        let connection = ConnectionId::from_u128(1);
        let mut ci = samples::ci_failure(RunId::from_u128(n), connection);
        ci.branch = Some("main".into());
        ci.head = head.map(str::to_owned);
        Incident {
            ci: Some(ci),
            first_seen_at: hour(110),
            ..samples::incident(id, connection)
        }
    };
    let report = report(&[of(1, None), of(2, Some("evil/app"))]);
    let branches: Vec<_> = report.broken.iter().map(|it| &it.culprit.branch).collect();
    let [own, foreign] = ["main", "evil/app:main"].map(|name| Some(name.to_owned()));
    assert_eq!(branches.len(), 2);
    assert!(
        branches.contains(&&own) && branches.contains(&&foreign),
        "{branches:?}"
    );
}
