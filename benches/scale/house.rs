//! Data directories with as many records as are wanted.

use crate::daemon::{Client, Daemon};
use hookherd::app::{SystemClock, SystemEntropy};
use hookherd::domain::connection::Connection;
use hookherd::domain::delivery::{BodyDigest, Delivery, DeliveryState, Outcome, Payload, Source};
use hookherd::domain::id::{ConnectionId, DeliveryId, HookId, HookKey, UserId};
use hookherd::domain::lifecycle::{Hook, Lifecycle, Phase};
use hookherd::domain::repo::{Instance, ProviderKind, RepositoryId};
use hookherd::domain::secret::{HookSecret, Proof};
use hookherd::domain::time::Clock;
use hookherd::domain::user::{ADMIN_NAME, User};
use hookherd::seal::ring::{KeyRing, MasterKey, make_canary};
use hookherd::seal::{Purpose, Seal};
use hookherd::store::disk::{DiskStore, Options};
use hookherd::store::{Batch, Change, Read as _, Store};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Connections that are stored in one commit.
const BATCH: u64 = 100;

/// A connection as it is when all is well.
fn connection(number: u64, owner: UserId, ring: &KeyRing, secret: &HookSecret) -> Connection {
    let now = SystemClock.now();
    let instance = Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse().expect("it is a host"),
    };
    let id = ConnectionId::generate(now, &SystemEntropy);
    let purpose = Purpose::HookSecret {
        connection: id,
        owner,
        instance: &instance,
    };
    let sealed = ring.seal(&purpose, secret.expose().as_bytes());
    let mut events: Vec<String> = ["pull_request", "push", "workflow_run"]
        .map(Into::into)
        .into();
    events.sort();
    let full_name = format!("octo/repository-{number}").parse();
    let full_name = full_name.expect("a name");
    let hook_key = HookKey::generate(&SystemEntropy);
    let mut connection = Connection::new(id, owner, instance, full_name, hook_key, now);
    connection.repository = Some(RepositoryId(number));
    connection.events = events;
    connection.secret = sealed;
    connection.proof = Proof::Signature;
    connection.lifecycle = Lifecycle {
        phase: Phase::Active,
        hook: Hook::Present(HookId(number)),
        applied: Some(1),
        ..Lifecycle::default()
    };
    (connection.hook_created_at, connection.last_check_at) = (Some(now), Some(now));
    connection
}

/// Fills a store, and returns the path of the last connection's hook.
fn fill(dir: &Path, count: u64, ring: &KeyRing, secret: &HookSecret) -> io::Result<String> {
    let opened = DiskStore::open(dir, &Options::default());
    let (store, _) = opened.map_err(io::Error::other)?;
    let owner = UserId::generate(SystemClock.now(), &SystemEntropy);
    let user = Change::PutUser(User {
        id: owner,
        name: ADMIN_NAME.to_owned(),
        is_admin: true,
        removal: None,
        created_at: SystemClock.now(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let commit = |changes| runtime.block_on(store.commit(Batch::of(changes)));
    let canary = Change::PutCanary(make_canary(ring));
    commit(vec![user, canary]).map_err(io::Error::other)?;
    let (mut path, mut number) = (String::new(), 0);
    while number < count {
        let end = count.min(number + BATCH);
        let batch: Vec<Connection> = (number..end)
            .map(|number| connection(number + 1, owner, ring, secret))
            .collect();
        if let Some(last) = batch.last() {
            path = format!("/api/v2/webhooks/github/{}", last.hook_key);
        }
        let put = |c| Change::PutConnection(Box::new(c));
        commit(batch.into_iter().map(put).collect()).map_err(io::Error::other)?;
        number = end;
    }
    store.close();
    Ok(path)
}

/// A data directory with connections, and a daemon for it.
pub(crate) struct House {
    pub(crate) dir: tempfile::TempDir,
    key: String,
    pub(crate) secret: HookSecret,
    pub(crate) path: String,
}

impl House {
    /// With so many connections.
    pub(crate) fn new(connections: u64) -> io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let master = MasterKey::generate(&SystemEntropy);
        let key = master.to_text().to_string();
        let ring = KeyRing::new(&[master], Arc::new(SystemEntropy)).map_err(io::Error::other)?;
        let secret = HookSecret::generate(&SystemEntropy);
        let path = fill(&dir.path().join("data"), connections, &ring, &secret)?;
        Ok(Self {
            dir,
            key,
            secret,
            path,
        })
    }

    pub(crate) fn start(&self, client: &Client) -> io::Result<(Daemon, Duration)> {
        let daemon = Daemon::start(self.dir.path(), &self.key)?;
        let ready = daemon.until("ready", |d| d.get(client, "/readyz").is_some());
        ready.map(|ready| (daemon, ready))
    }

    /// Bytes of the files in a part of the data directory.
    pub(crate) fn bytes(&self, part: &str) -> io::Result<u64> {
        fn sum(dir: &Path) -> io::Result<u64> {
            let mut bytes = 0;
            for entry in std::fs::read_dir(dir)? {
                let entry = entry?;
                let is_dir = entry.file_type()?.is_dir();
                let within = is_dir.then(|| sum(&entry.path())).transpose()?;
                bytes += within.unwrap_or(entry.metadata()?.len());
            }
            Ok(bytes)
        }
        sum(&self.dir.path().join("data").join(part))
    }
}

/// Stores so many deliveries that are processed, each with a body of its own.
pub(crate) fn fill_deliveries(dir: &Path, count: u64) -> io::Result<()> {
    let opened = DiskStore::open(dir, &Options::default());
    let (store, _) = opened.map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let id = runtime.block_on(store.connection_ids());
    let id = id.map_err(io::Error::other)?.remove(0);
    let connection = runtime.block_on(store.connection(id));
    let owner = connection.map_err(io::Error::other)?.map(|c| c.owner);
    let owner = owner.ok_or_else(|| io::Error::other("no connection"))?;
    for number in (0..count).step_by(100) {
        let mut changes = Vec::new();
        for number in number..count.min(number + 100) {
            let now = SystemClock.now();
            let body = format!("{{\"ref\":\"refs/heads/{number}\",\"after\":\"{number:040x}\"}}");
            let delivery = Delivery {
                id: DeliveryId::generate(now, &SystemEntropy),
                connection: id,
                owner,
                provider_delivery_id: format!("{number:032x}"),
                event: "push".into(),
                action: None,
                received_at: now,
                body_digest: BodyDigest::Blake3(*blake3::hash(body.as_bytes()).as_bytes()),
                body_bytes: u32::try_from(body.len()).unwrap_or(0),
                source: Source::Webhook,
                signed_by: None,
                state: DeliveryState::Processed {
                    at: now,
                    outcome: Outcome::Recorded,
                },
                tries: 0,
            };
            let headers = vec![("x-github-event".to_owned(), "push".to_owned())];
            let body = body.into_bytes().into();
            changes.push(Change::InsertDelivery(
                Box::new(delivery),
                Payload { headers, body },
            ));
        }
        let committing = store.commit(Batch::of(changes));
        runtime.block_on(committing).map_err(io::Error::other)?;
    }
    store.close();
    Ok(())
}
