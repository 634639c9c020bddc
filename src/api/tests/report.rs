//! Reports of what broke.

use super::stage::Stage;
use crate::domain::id::IncidentId;
use crate::domain::incident::Incident;
use crate::store::{Change, Read};

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
    ] {
        api.owner.get(bad).is(422, "time_unfit");
    }
    for bad in ["report?since=7d", "report?sinse=2026-01-01T00:00:00Z"] {
        api.owner.get(bad).is(400, "bad_query");
    }
}

#[test]
fn a_report_of_more_incidents_than_it_looks_at_says_that_it_is_partial() {
    let api = Stage::new();
    let known = api.store.incident(api.incident).ready().unwrap().unwrap();
    let put = |n: u128| {
        let incident = Incident {
            id: IncidentId::from_u128(known.id.as_u128() + n),
            ..known.clone()
        };
        Change::PutIncident(Box::new(incident))
    };
    // With the one that is there.
    api.commit((1..20_000).map(put).collect());
    let ever = "report?since=2000-01-01T00:00:00Z&until=2100-01-01T00:00:00Z";
    assert_eq!(api.owner.show(ever)["partial"], false);
    api.commit(vec![put(20_000)]);
    let shown = api.owner.show(ever);
    assert_eq!(shown["partial"], true);
    assert!(shown["opened"].as_u64() >= Some(20_000), "{shown}");
}
