//! Stories of the room in virtual time, with the real client of a provider that they play.

mod hub;
mod trouble;

use super::{Explainer, Settings};
use crate::credentials::{OneToken, Pool, Ports};
use crate::domain::connection::Connection;
use crate::domain::expiry::NOTICE;
use crate::domain::explanation::samples::ci_incident;
use crate::domain::explanation::{Explained, Explanation, ExplanationState, Unread};
use crate::domain::id::{ConnectionId, IncidentId, RunId};
use crate::domain::incident::{Incident, IncidentStatus};
use crate::domain::notification::Announced;
use crate::domain::repo::Instance;
use crate::domain::samples::{self, ANN, Seeded};
use crate::domain::time::{Clock, Timestamp};
use crate::domain::user::Credential;
use crate::provider::github::Github;
use crate::provider::http::HttpConfig;
use crate::provider::{Hooks, Providers};
use crate::store::faulty::FaultyStore;
use crate::store::{Batch, Change, Read, Store};
use hub::{Hub, Manner, SECRET};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.0.elapsed())
    }
}

/// The connection at GitHub, and the one at another installation.
const HERE: u128 = 9;
const THERE: u128 = 8;

/// Two installations, a connection at each, and a room that is started and killed.
struct World {
    store: Arc<FaultyStore>,
    here: Hub,
    there: Hub,
    clock: Arc<TestClock>,
    entropy: Arc<Seeded>,
    settings: Settings,
    explainer: Option<Explainer>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

fn there() -> Instance {
    samples::instance("ghe.example")
}

impl World {
    async fn new() -> Self {
        let world = Self {
            store: Arc::default(),
            here: Hub::default(),
            there: Hub::default(),
            clock: Arc::new(TestClock(Instant::now())),
            entropy: Arc::default(),
            settings: Settings::default(),
            explainer: None,
        };
        let mut changes = vec![Change::PutUser(samples::user(ANN, "ann"))];
        for (id, instance) in [(HERE, samples::github()), (THERE, there())] {
            let credential = Credential {
                instance: instance.clone(),
                ..samples::credential(id, ANN)
            };
            let connection = Connection {
                instance,
                credential: Some(credential.id),
                ..samples::connection(id, "o/r")
            };
            changes.push(Change::PutCredential(credential));
            changes.push(Change::PutConnection(Box::new(connection)));
            let connection = ConnectionId::from_u128(id);
            let run = samples::failed_run(RunId::from_u128(id), connection, 1);
            changes.push(Change::PutRun(Box::new(run)));
        }
        world.commit(changes).await;
        world
    }

    /// One that runs.
    async fn started() -> Self {
        let mut world = Self::new().await;
        world.start();
        world
    }

    /// The process starts.
    fn start(&mut self) {
        let mut providers = Providers::default();
        for (instance, hub) in [(samples::github(), &self.here), (there(), &self.there)] {
            let config = HttpConfig {
                outside: Some(Arc::new(hub.clone())),
                ..HttpConfig::new(format!("https://{}", instance.host).parse().unwrap())
            };
            let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
            let client = Github::new(&config, clock, &instance).unwrap();
            providers.add_instance(instance, Arc::new(client) as Arc<dyn Hooks>);
        }
        let ports = Arc::new(Ports {
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            seal: Arc::new(OneToken),
            providers,
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::clone(&self.entropy) as _,
            public_url: "http://127.0.0.1:8080".to_owned(),
        });
        let (pool, _) = Pool::new(Arc::clone(&ports), NOTICE);
        self.explainer = Some(Explainer::start((ports, pool), self.settings));
    }

    /// The process dies where it is.
    fn kill(&mut self) {
        if let Some(explainer) = self.explainer.take() {
            explainer.stop();
        }
    }

    async fn commit(&self, changes: Vec<Change>) {
        self.store.commit(Batch::of(changes)).await.unwrap();
    }

    async fn put(&self, incident: &Incident) {
        let put = Change::PutIncident(Box::new(incident.clone()));
        self.commit(vec![put]).await;
    }

    /// Opens an incident of a connection.
    async fn open(&self, id: u128, connection: u128) -> Incident {
        let mut incident = ci_incident(id, connection);
        let ci = incident.ci.as_mut().expect("it is about CI");
        ci.run = RunId::from_u128(connection);
        self.put(&incident).await;
        incident
    }

    fn found(&self, id: u128) -> Option<Explanation> {
        let found = self.store.explanation(IncidentId::from_u128(id));
        found.ready().unwrap()
    }

    fn state(&self, id: u128) -> Option<&'static str> {
        self.found(id).map(|it| it.state.as_str())
    }

    fn explained(&self, id: u128) -> Explained {
        let found = self.found(id).and_then(|it| it.explained);
        found.expect("it is explained")
    }

    async fn passes(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits, at most for a virtual week.
    async fn until(&self, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < Duration::from_hours(168), "it never is");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_incident_is_explained_once_and_secrets_are_masked() {
    let world = World::started().await;
    let open = world.open(1, HERE).await;
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
    let explained = world.explained(1);
    let jobs = explained.jobs.as_ref().unwrap();
    assert_eq!(
        (jobs.len(), jobs[0].steps.join(",")),
        (1, "Run make test".into())
    );
    let log = jobs[0].log.as_ref().unwrap();
    assert!(
        log.text
            .starts_with("assertion failed\ncurl -H 'Authorization: ***'\n")
    );
    assert!(!format!("{explained:?}").contains(&SECRET[8..]));
    assert_eq!(explained.commit.unwrap().author_id, Some(4001));
    assert_eq!(explained.request, Err(Unread::NotFound));
    let range = explained.range.unwrap();
    assert_eq!((range.run, range.commits.len()), (900, 1));
    let calls = world.here.calls("/");
    assert!(calls <= 7, "{calls}");
    let again = Incident {
        occurrences: 9,
        ..open.clone()
    };
    world.put(&again).await;
    world.passes(Duration::from_hours(2)).await;
    assert_eq!(world.here.calls("/"), calls, "it is explained once");
    assert_eq!(world.found(1).unwrap().episode, 1);
    // Another episode.
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..open.clone()
    };
    world.put(&resolved).await;
    world.put(&open).await;
    let announced = Announced {
        incident: open.id,
        standing: open.standing(),
        episode: 2,
        has_flapped: false,
    };
    world
        .commit(vec![Change::PutAnnounced(Box::new(announced))])
        .await;
    world
        .until(|world| world.found(1).unwrap().episode == 2)
        .await;
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
    assert_eq!(world.here.calls("/"), calls * 2);
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_explanation_costs_no_call() {
    let world = World::started().await;
    let resolved = Incident {
        status: IncidentStatus::Resolved,
        ..ci_incident(1, HERE)
    };
    world.put(&resolved).await;
    let connection = ConnectionId::from_u128(HERE);
    let health = samples::incident(IncidentId::from_u128(2), connection);
    world.put(&health).await;
    // Its run is not stored any more.
    world.put(&ci_incident(3, HERE)).await;
    // Its connection is not there.
    world.put(&ci_incident(4, 77)).await;
    world.passes(Duration::from_hours(1)).await;
    assert_eq!(world.here.calls("/"), 0);
    let states = [1, 2, 3, 4].map(|id| world.state(id));
    assert_eq!(states, [None, None, Some("failed"), None]);
}

#[tokio::test(start_paused = true)]
async fn excerpts_can_be_switched_off() {
    let mut world = World::new().await;
    world.settings.log_excerpts = false;
    world.start();
    world.open(1, HERE).await;
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
    assert_eq!(world.explained(1).jobs.unwrap()[0].log, Err(Unread::Off));
    assert_eq!(world.here.calls("/logs"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_comes_late_is_read_and_one_that_never_comes_is_no_error() {
    let world = World::started().await;
    world.here.answers("/logs", Manner::Status(404));
    world.open(1, HERE).await;
    world
        .until(|world| world.found(1).is_some_and(|it| it.explained.is_some()))
        .await;
    assert_eq!(world.state(1), Some("pending"));
    assert_eq!(
        world.explained(1).jobs.unwrap()[0].log,
        Err(Unread::NotFound)
    );
    world.here.is_well();
    world
        .until(|world| world.state(1) == Some("explained"))
        .await;
    assert!(world.explained(1).jobs.unwrap()[0].log.is_ok());
    for (id, status, reason) in [
        (2, 403, Unread::Refused),
        (3, 404, Unread::NotFound),
        (4, 410, Unread::Gone),
        (5, 500, Unread::Failed),
    ] {
        world.here.answers("/logs", Manner::Status(status));
        world.open(id, HERE).await;
        world
            .until(|world| world.state(id) == Some("explained"))
            .await;
        let jobs = world.explained(id).jobs.unwrap();
        assert_eq!(jobs[0].log, Err(reason), "{status}");
        assert_eq!(jobs[0].steps, ["Run make test"]);
        world.here.is_well();
    }
}

#[tokio::test(start_paused = true)]
async fn few_are_explained_at_a_time_and_in_the_end_all() {
    let world = World::started().await;
    for id in 1..=60 {
        world.open(id, HERE).await;
    }
    let all = |world: &World| (1..=60).all(|id| world.state(id) == Some("explained"));
    world.until(all).await;
    assert_eq!(world.here.most_running(), super::worker::OF_ONE_MAX);
}
