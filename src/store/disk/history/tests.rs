//! What goes when it is old, and what stays however old it is.

use super::*;
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome};
use crate::domain::id::ConnectionId;
use crate::domain::incident::Resolution;
use crate::domain::incident::track::{End, Reported, TrackKey};
use crate::domain::lane::Lane;
use crate::domain::ledger::Ledger;
use crate::domain::operation::Action;
use crate::domain::rule::{Reopening, Verdict};
use crate::domain::run::{Conclusion, Family, Position};
use crate::domain::samples;
use crate::store::contract::tests::made;
use crate::store::disk::tests::group::connection;
use crate::store::index::{Claims, Place};
use crate::store::memory::MemoryKv;

const CONNECTION: ConnectionId = ConnectionId::from_u128(1);
const DAY: Duration = Duration::from_hours(24);
/// Long before the cutoff of 180 days, and long after.
const OLD: Timestamp = Timestamp(1_000_000);
const NOW: Timestamp = Timestamp(400 * 24 * 3_600_000);

fn id(at: Timestamp, n: u128) -> u128 {
    (u128::try_from(at.0).unwrap() << 80) | n
}

fn run(made_at: Timestamp, n: u128, updated_at: Timestamp) -> Run {
    let number = u64::try_from(n).unwrap();
    Run {
        updated_at,
        first_seen_at: made_at,
        ..samples::failed_run(RunId::from_u128(id(made_at, n)), CONNECTION, number)
    }
}

pub(in crate::store::disk) fn incident(
    n: u128,
    of: RunId,
    resolved_at: Option<Timestamp>,
) -> Incident {
    let id = IncidentId::from_u128(id(OLD, n));
    Incident {
        status: if resolved_at.is_some() {
            IncidentStatus::Resolved
        } else {
            IncidentStatus::Open
        },
        ci: Some(samples::ci_failure(of, CONNECTION)),
        first_seen_at: OLD,
        last_seen_at: OLD,
        resolved_at,
        resolution: resolved_at.map(|_| Resolution::ByHand),
        ..samples::incident(id, CONNECTION)
    }
}

fn track_key(branch: &str) -> TrackKey {
    TrackKey {
        connection: ConnectionId::from_u128(1),
        family: Family::Actions,
        workflow: "7".into(),
        lane: Lane::of_branch("push", branch.into()),
    }
}

fn track(branch: &str, verdict: Verdict, at: Timestamp) -> Track {
    let mut track = Track::new(track_key(branch));
    let end = End {
        position: Position {
            number: 1,
            attempt: 1,
        },
        at,
        conclusion: Conclusion::Failure,
    };
    let (run, incident) = (RunId::from_u128(1), IncidentId::from_u128(1));
    let told = Reported {
        end,
        verdict,
        run,
        began: at,
        mark: 0,
        reopening: Reopening::default(),
    };
    track.take(told, || incident);
    track
}

fn put(index: &Index<MemoryKv>, change: &Change) {
    index.apply(change, Place::default()).unwrap();
}

fn has(index: &Index<MemoryKv>, kind: Kind, id: u128) -> bool {
    index
        .kv
        .get(Key::of(kind).id(id).bytes())
        .unwrap()
        .is_some()
}

/// What guards conflict with, as the committer checks them.
fn conflict(index: &Index<MemoryKv>, guards: Vec<Guard>) -> Option<crate::store::Conflict> {
    let batch = crate::store::Batch::of(Vec::new());
    let batch = crate::store::Batch { guards, ..batch };
    index.check(&batch, &Claims::default()).unwrap()
}

/// Passes until nothing is left to do; guards are checked as the committer does.
fn forget(index: &Index<MemoryKv>) {
    let mut history = History::default();
    for _ in 0..5 {
        let done = history.forget(index, &Retention::default(), NOW, |guards, changes| {
            if conflict(index, guards).is_some() {
                return Err(UpkeepError::Overtaken);
            }
            for change in &changes {
                put(index, change);
            }
            Ok(())
        });
        done.unwrap();
    }
}

#[test]
fn old_runs_and_resolved_incidents_go_and_what_goes_on_stays() {
    let index = Index::new(MemoryKv::default());
    let known = connection(1, None, "octo/app");
    put(&index, &Change::PutConnection(Box::new(known)));
    let recent = NOW.minus(DAY);
    let (gone, rerun, open, new) = (
        run(OLD, 1, OLD),
        run(OLD, 2, recent),
        run(OLD, 3, OLD),
        run(recent, 4, recent),
    );
    for run in [&gone, &rerun, &open, &new] {
        put(&index, &Change::PutRun(Box::new(run.clone())));
    }
    let over = incident(1, gone.id, Some(OLD));
    let lately = incident(2, gone.id, Some(recent));
    let goes_on = incident(3, open.id, None);
    for incident in [&over, &lately, &goes_on] {
        put(&index, &Change::PutIncident(Box::new(incident.clone())));
    }
    forget(&index);
    let runs = [&gone, &rerun, &open, &new].map(|run| has(&index, Kind::Run, run.id.as_u128()));
    assert_eq!(runs, [false, true, true, true]);
    let incidents = [&over, &lately, &goes_on];
    let incidents = incidents.map(|i| has(&index, Kind::Incident, i.id.as_u128()));
    assert_eq!(incidents, [false, true, true]);
    // Nothing leads to what is gone.
    let owner = Key::of(Kind::RunByOwner).id(1);
    assert_eq!(index.ids(&owner, None, false, 10).unwrap().len(), 3);
    let owner = Key::of(Kind::IncidentByOwner).id(1);
    assert_eq!(index.ids(&owner, None, false, 10).unwrap().len(), 2);
}

#[test]
fn tracks_go_when_nothing_has_ended_on_them_for_long_and_no_incident_is_open() {
    let index = Index::new(MemoryKv::default());
    let tracks = [
        track("merged", Verdict::Passed, OLD),
        track("broken", Verdict::Failed, OLD),
        track("main", Verdict::Passed, NOW.minus(DAY)),
    ];
    let mut orphan = track("broken", Verdict::Failed, OLD);
    orphan.key.connection = ConnectionId::from_u128(2);
    orphan.key.lane = Lane::of_branch("push", "of a connection that is gone".into());
    for track in tracks.iter().chain([&orphan]) {
        put(&index, &Change::PutTrack(Box::new(track.clone())));
    }
    let connection = connection(1, None, "o/r");
    put(&index, &Change::PutConnection(Box::new(connection)));
    forget(&index);
    let prefix = Key::of(Kind::Track);
    let scan = Scan {
        prefix: prefix.bytes(),
        after: None,
        newest_first: false,
        limit: 10,
    };
    let left = index.kv.scan(scan).unwrap();
    let mut left: Vec<String> = left
        .iter()
        .map(|(_, value)| decode::<Track>(value).unwrap().key.lane)
        .map(|lane| lane.words(Family::Actions, None))
        .collect();
    left.sort();
    assert_eq!(left, ["broken", "main"]);
}

fn delivery(received_at: Timestamp, n: u8) -> Delivery {
    let outcome = Outcome::Recorded;
    Delivery {
        id: DeliveryId::from_u128(id(received_at, n.into())),
        received_at,
        body_digest: BodyDigest::Blake3([n; 32]),
        state: DeliveryState::Processed {
            at: received_at,
            outcome,
        },
        ..samples::delivery(n.into(), CONNECTION)
    }
}

#[test]
fn replay_guards_outlive_their_delivery_and_go_when_they_are_old() {
    let index = Index::new(MemoryKv::default());
    let (old, recent, stored) = (
        delivery(OLD, 1),
        delivery(NOW.minus(DAY), 2),
        delivery(OLD, 3),
    );
    let payload = samples::payload("{}");
    for delivery in [&old, &recent, &stored] {
        let insertion = Change::InsertDelivery(Box::new(delivery.clone()), payload.clone());
        put(&index, &insertion);
    }
    for delivery in [&old, &recent] {
        put(&index, &Change::ForgetDelivery(delivery.id));
    }
    let is_known = |delivery: &Delivery| {
        let guard = Guard::NewDelivery {
            connection: delivery.connection,
            provider_delivery_id: delivery.provider_delivery_id.clone(),
            body_digest: delivery.body_digest,
        };
        conflict(&index, vec![guard]).is_some()
    };
    assert!([&old, &recent, &stored].into_iter().all(is_known));
    forget(&index);
    assert_eq!([&old, &recent, &stored].map(is_known), [false, true, true]);
}

#[test]
fn what_was_changed_meanwhile_stays() {
    let index = Index::new(MemoryKv::default());
    let (old, again) = (run(OLD, 1, OLD), run(OLD, 1, NOW));
    put(&index, &Change::PutRun(Box::new(old.clone())));
    let mut history = History::default();
    let done = history.forget(&index, &Retention::default(), NOW, |guards, _| {
        // Somebody runs it again between the look and the commit.
        put(&index, &Change::PutRun(Box::new(again.clone())));
        assert_eq!(guards.len(), 1);
        let conflict = conflict(&index, guards);
        assert_eq!(conflict, Some(crate::store::Conflict::Changed));
        Err(UpkeepError::Overtaken)
    });
    done.unwrap();
    assert!(has(&index, Kind::Run, old.id.as_u128()));
}

#[test]
fn passes_go_on_where_the_last_one_stopped() {
    let index = Index::new(MemoryKv::default());
    let many = u128::try_from(LOOKED_AT_MAX).unwrap() * 2;
    for n in 1..=many {
        // The first half may not go: a pass must not look at it again and again.
        let updated_at = if n <= many / 2 { NOW } else { OLD };
        put(&index, &Change::PutRun(Box::new(run(OLD, n, updated_at))));
    }
    forget(&index);
    let left = index
        .ids(&Key::of(Kind::Run), None, false, usize::MAX)
        .unwrap();
    assert_eq!(left.len(), LOOKED_AT_MAX);
}

/// Guards are kept by count, too: a clock may be wrong about their age. Those of a connection that
/// is gone guard nothing.
#[test]
fn old_guards_stay_while_they_are_among_the_newest() {
    let index = Index::new(MemoryKv::default());
    put(
        &index,
        &Change::PutConnection(Box::new(connection(1, None, "octo/app"))),
    );
    let mut all = Vec::new();
    for n in 0..8 {
        let mut delivery = delivery(OLD, n);
        delivery.provider_delivery_id = format!("guid-{n}");
        delivery.body_digest = BodyDigest::Blake3([n; 32]);
        if n >= 6 {
            delivery.connection = ConnectionId::from_u128(2);
        }
        let payload = samples::payload("");
        put(
            &index,
            &Change::InsertDelivery(Box::new(delivery.clone()), payload),
        );
        put(&index, &Change::ForgetDelivery(delivery.id));
        all.push(delivery);
    }
    let left = |of_connection, in_all| {
        let retention = Retention {
            guards_per_connection: of_connection,
            guards_in_all: in_all,
            ..Retention::default()
        };
        let done = History::default().forget(&index, &retention, NOW, |_, changes| {
            for change in &changes {
                put(&index, change);
            }
            Ok(())
        });
        done.unwrap();
        let is_there = |d: &&Delivery| has(&index, Kind::DeliveryForgotten, d.id.as_u128());
        all.iter().filter(is_there).count()
    };
    assert_eq!(left(6, 0), 6, "those of no connection go");
    assert_eq!(left(0, 5), 5);
    assert_eq!(left(4, 0), 4);
    assert_eq!(left(3, 4), 4);
    let newest = all[5].id.as_u128();
    assert!(
        has(&index, Kind::DeliveryForgotten, newest),
        "the oldest go"
    );
    assert_eq!(left(0, 0), 0);
}

#[test]
fn commands_that_ended_go_with_the_history_and_those_of_nobody_fail() {
    let index = Index::new(MemoryKv::default());
    put(&index, &made::connected(1));
    let command = |made_at, n, connection, state| {
        let id = CommandId::from_u128(id(made_at, n));
        Command {
            id,
            state,
            ..made::command(1, connection)
        }
    };
    let ended = |at| CommandState::Failed {
        at,
        code: ErrorCode::NotNow,
    };
    let (old, late, waiting, unheard) = (
        command(OLD, 1, 1, ended(OLD)),
        command(OLD, 2, 1, ended(NOW.minus(DAY))),
        command(OLD, 3, 1, CommandState::Asked),
        command(OLD, 4, 2, CommandState::Asked),
    );
    for command in [&old, &late, &waiting, &unheard] {
        put(&index, &Change::PutCommand(Box::new(command.clone())));
    }
    forget(&index);
    assert_eq!(index.command(old.id), Ok(None));
    assert_eq!(index.command(late.id), Ok(Some(late)));
    assert_eq!(index.command(waiting.id), Ok(Some(waiting.clone())));
    let failed = index.command(unheard.id).unwrap().unwrap();
    let (at, code) = (NOW, ErrorCode::NotFound);
    assert_eq!(failed.state, CommandState::Failed { at, code });
    let connections = index.connections_with_commands().unwrap();
    assert_eq!(connections, [waiting.connection]);
}

#[test]
fn operations_that_ended_go_with_the_history() {
    let index = Index::new(MemoryKv::default());
    let operation = |made_at, n| samples::operation(id(made_at, n), Action::Check, 2);
    let over = |mut it: Operation, at| {
        it.cancel(at);
        it
    };
    let (running, open) = (operation(OLD, 1), {
        let mut it = operation(OLD, 2);
        let of = (ConnectionId::from_u128(1), CommandId::from_u128(1));
        it.begin(Some(of), OLD);
        over(it, OLD)
    });
    let (old, young) = (over(operation(OLD, 3), OLD), over(operation(OLD, 4), NOW));
    for it in [&running, &open, &old, &young] {
        put(&index, &Change::PutOperation(Box::new(it.clone())));
    }
    forget(&index);
    let left = [&running, &open, &old, &young].map(|it| index.operation(it.id).unwrap().is_some());
    assert_eq!(left, [true, true, false, true]);
}

/// However short the time is for which redeliveries are recognised: what the next reconcile reads
/// again would else be missing, and be stored once more.
#[test]
fn what_is_not_compared_yet_keeps_its_guards() {
    let hour = Duration::from_hours(1);
    let retention = Retention {
        guards_max_age: hour,
        guards_per_connection: 0,
        guards_in_all: 0,
        ..Retention::default()
    };
    let compared_to = NOW.minus(hour * 30);
    for (compared_to, stay) in [
        (Some(compared_to), [false, false, true, true]),
        (None, [false, true, true, true]),
        (Some(NOW), [false, false, false, false]),
    ] {
        let index = Index::new(MemoryKv::default());
        let known = connection(1, None, "octo/app");
        let mut ledger = Ledger::new(CONNECTION, known.owner, OLD);
        put(&index, &Change::PutConnection(Box::new(known)));
        ledger.compared_to = compared_to;
        put(&index, &Change::PutLedger(Box::new(ledger)));
        let mut all = Vec::new();
        for (n, hours) in [(1, 9 * 24), (2, 31), (3, 30), (4, 2)] {
            let mut old = delivery(NOW.minus(hour * hours), n);
            old.provider_delivery_id = format!("guid-{n}");
            let payload = samples::payload("");
            let insertion = Change::InsertDelivery(Box::new(old.clone()), payload);
            put(&index, &insertion);
            put(&index, &Change::ForgetDelivery(old.id));
            all.push(old);
        }
        let mut history = History::default();
        let commit = |_: Vec<Guard>, changes: Vec<Change>| {
            for change in &changes {
                put(&index, change);
            }
            Ok(())
        };
        history.forget(&index, &retention, NOW, commit).unwrap();
        let left = all.iter().map(|old| {
            let guard = Guard::NewDelivery {
                connection: CONNECTION,
                provider_delivery_id: old.provider_delivery_id.clone(),
                body_digest: old.body_digest,
            };
            conflict(&index, vec![guard]).is_some()
        });
        assert_eq!(left.collect::<Vec<_>>(), stay, "{compared_to:?}");
    }
}
