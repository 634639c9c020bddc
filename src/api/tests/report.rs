//! Reports of what broke.

use super::stage::Stage;

#[test]
fn a_report_is_of_the_callers_own_incidents_and_of_a_time_that_has_a_length() {
    let api = Stage::new();
    let ever = "report?since=2000-01-01T00:00:00Z&until=2100-01-01T00:00:00Z";
    let own = api.owner.get(ever);
    assert_eq!(own.status, 200, "{own:?}");
    assert_ne!(own.json()["opened"], 0, "{own:?}");
    assert_eq!(own.json()["partial"], false);
    let others = api.foreign.get(ever);
    assert_eq!(
        (others.status, others.json()["opened"].clone()),
        (200, 0.into())
    );
    for bad in [
        "report?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
        "report?since=2026-01-01T00:00:00Z&until=2026-01-01T00:00:00Z",
        "report?since=9999-01-01T00:00:00Z",
        "report?since=7d",
        "report?sinse=2026-01-01T00:00:00Z",
    ] {
        let answer = api.owner.get(bad);
        assert!((400..500).contains(&answer.status), "{bad}: {answer:?}");
    }
}
