//! Ten thousand connections at once: a plan, and an operation, within bounded memory.

use super::cgroup::resident;
use super::daemon::{ADMIN, Stage};
use hookherd::domain::connection::Connection;
use hookherd::domain::id::{ConnectionId, HookId, HookKey, UserId};
use hookherd::domain::lifecycle::{Hook, Phase};
use hookherd::domain::repo::{Instance, ProviderKind, RepositoryId};
use hookherd::domain::secret::Sealed;
use hookherd::domain::time::Timestamp;
use hookherd::store::disk::{DiskStore, Options};
use hookherd::store::{Batch, Change, Read, Store};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONNECTIONS: u64 = 10_000;
/// What the plan and the operation may take, beside what the daemon takes at rest. With everything
/// in memory at once, as connections and as commands, it would be several times as much.
const BYTES_MAX: u64 = 48 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_mins(3);

/// Opens the store of a daemon that has ended. A process that another test is just starting may
/// hold its files for a moment.
fn open(stage: &Stage) -> DiskStore {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match DiskStore::open(&stage.path("data"), &Options::default()) {
            Ok((store, _)) => return store,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

/// Puts connections of the administrator's into a store that no daemon has open.
fn put_connections(stage: &Stage, owner: UserId) {
    let instance = Instance {
        provider: ProviderKind::Github,
        host: stage.simulator.address().to_string().parse().unwrap(),
    };
    let store = open(stage);
    let made = |n: u64| {
        let mut key = [0; 20];
        key[..8].copy_from_slice(&n.to_be_bytes());
        let name = format!("octo/r{n}").parse().unwrap();
        let (id, key) = (ConnectionId::from_u128(n.into()), HookKey::from_bytes(key));
        let at = Timestamp(1);
        let mut connection = Connection::new(id, owner, instance.clone(), name, key, at);
        connection.repository = Some(RepositoryId(n));
        connection.secret = Sealed(vec![1; 80]);
        connection.events = vec!["push".into(), "workflow_run".into()];
        let l = &mut connection.lifecycle;
        (l.phase, l.hook, l.applied) = (Phase::Active, Hook::Present(HookId(n)), Some(l.wanted));
        Change::PutConnection(Box::new(connection))
    };
    let numbers: Vec<u64> = (1..=CONNECTIONS).collect();
    for chunk in numbers.chunks(500) {
        let batch = Batch::of(chunk.iter().copied().map(made).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(store.commit(batch)).unwrap();
    }
    // Its upkeep may be at work, and holds the directory.
    store.close();
}

/// Reads all connections once: what the store keeps of what was read is no part of an operation.
fn read_all(stage: &Stage) {
    let mut path = "repositories/connections?limit=100".to_owned();
    loop {
        let page = stage.get(&path);
        let Some(cursor) = page["next_cursor"].as_str() else {
            return;
        };
        path = format!("repositories/connections?limit=100&cursor={cursor}");
    }
}

fn post(stage: &Stage, body: &Value) -> Value {
    stage.call(ADMIN, "POST repositories/bulk", body).json
}

#[test]
fn a_plan_and_an_operation_over_ten_thousand_connections_take_little_memory() {
    let stage = Stage::new();
    assert!(stage.start().terminate().success());
    let admin = open(&stage).user_by_name("admin").wait();
    let owner = admin.unwrap().unwrap().id;
    put_connections(&stage, owner);
    let daemon = stage.start();
    read_all(&stage);
    let at_rest = resident(daemon.pid());
    let mut highest = 0;
    let mut look = || {
        highest = highest.max(resident(daemon.pid()));
    };
    let mut body = json!({ "action": "pause", "select": { "all": true }, "dry_run": true });
    body["limit"] = 100.into();
    let (mut cursor, mut lines) = (Value::Null, 0);
    loop {
        body["cursor"] = cursor;
        let plan = post(&stage, &body)["plan"].take();
        if lines == 0 {
            assert_eq!(
                (&plan["total"], &plan["changing"]),
                (&json!(CONNECTIONS), &json!(CONNECTIONS))
            );
        }
        lines += plan["items"].as_array().unwrap().len() as u64;
        look();
        cursor = plan["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(lines, CONNECTIONS);

    let began = Instant::now();
    let body = json!({ "action": "pause", "select": { "all": true } });
    let id = post(&stage, &body)["operation"]["id"].take();
    let path = format!("operations/{}", id.as_str().unwrap());
    let ended = loop {
        let now = stage.get(&path);
        look();
        if now["state"] == "done" {
            break now;
        }
        assert!(began.elapsed() < PATIENCE, "{now}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(ended["counts"]["applied"], CONNECTIONS, "{ended}");
    let took = began.elapsed();
    eprintln!("paused {CONNECTIONS} in {took:?}; {at_rest} bytes before, {highest} at most");
    assert!(
        highest < at_rest + BYTES_MAX,
        "{at_rest} bytes before, {highest} at most"
    );
}
