//! What is done to a store that no daemon has open: verify, export, import.
//!
//! An export holds every record and every payload as batches, framed as in the journal, so that
//! it can be read by whatever version reads journals. Secrets in it stay sealed. Guards against
//! replays of deliveries that retention has taken are not in it.

use super::disk::{DiskStore, OpenError, Options, decode_changes, encode_changes};
use super::index::key::Kind;
use super::index::{Indexed, Kv, Scan};
use super::journal::{Damage, FRAME_HEAD_BYTES, JournalError, push_frame, read_frame};
use super::record::{Record, decode};
use super::{Batch, Change, CommitError, Read, ReadError, Store, Unobserved};
use crate::domain::connection::Connection;
use crate::domain::delivery::Delivery;
use crate::domain::id::DeliveryId;
use crate::domain::incident::Incident;
use crate::domain::incident::track::Track;
use crate::domain::run::Run;
use crate::domain::user::{Credential, TokenRecord, User};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"HKHDEXPT";
/// Entries that are read from the view at a time.
const PAGE: usize = 500;

/// Why a tool could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A record cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record cannot be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Not an export, or not all of one.
    #[error("this is no whole export of a hookherd store")]
    NoExport,
    /// There is something already.
    #[error("{0} holds a store already; import into an empty directory")]
    NotEmpty(String),
    /// There is nothing.
    #[error("{0} holds no store")]
    NoStore(String),
}

/// What a look at a whole store found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Batches in the journal.
    pub batches: u64,
    /// Deliveries that are known.
    pub deliveries: u64,
    /// Deliveries whose payload is gone or damaged.
    pub payloads_lost: u64,
    /// Bytes of torn writes: no damage, never acknowledged.
    pub torn_bytes: u64,
    /// Harmed places.
    pub damage: Vec<Damage>,
    /// Frames that are whole and cannot be understood.
    pub unreadable: u64,
}

impl Verified {
    /// Whether everything that was acknowledged is there.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unreadable == 0 && self.payloads_lost == 0
    }
}

fn must_exist(dir: &Path) -> Result<(), ToolError> {
    if dir.join("journal").is_dir() {
        return Ok(());
    }
    Err(ToolError::NoStore(dir.display().to_string()))
}

fn open(dir: &Path) -> Result<(DiskStore, super::disk::OpenReport), ToolError> {
    Ok(DiskStore::open(
        dir,
        &Options::default(),
        Arc::new(Unobserved),
    )?)
}

/// Hands out all records of a kind.
fn each<R: Record>(
    store: &DiskStore,
    kind: Kind,
    mut take: impl FnMut(R) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let prefix = [kind as u8];
    let mut after: Option<Vec<u8>> = None;
    loop {
        let scan = Scan {
            prefix: &prefix,
            after: after.as_deref(),
            newest_first: false,
            limit: PAGE,
        };
        let found = store.index().kv.scan(scan)?;
        let Some((last, _)) = found.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        for (_, value) in found {
            take(decode(&value).map_err(|_| ReadError::Damaged { kind: R::KIND })?)?;
        }
    }
}

/// Hands out all deliveries.
fn each_delivery(
    store: &DiskStore,
    mut take: impl FnMut(Delivery) -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let prefix = [Kind::Delivery as u8];
    let mut after: Option<Vec<u8>> = None;
    loop {
        let scan = Scan {
            prefix: &prefix,
            after: after.as_deref(),
            newest_first: false,
            limit: PAGE,
        };
        let found = store.index().kv.scan(scan)?;
        let Some((last, _)) = found.last() else {
            return Ok(());
        };
        after = Some(last.clone());
        for (key, _) in found {
            let id = super::index::key::last_id(&key).map(DeliveryId::from_u128);
            if let Some(delivery) = id.map(|id| store.delivery(id)).transpose()?.flatten() {
                take(delivery)?;
            }
        }
    }
}

/// Reads everything in a store: every frame, every record, every payload.
pub fn verify(dir: &Path) -> Result<Verified, ToolError> {
    must_exist(dir)?;
    let (store, report) = open(dir)?;
    let mut verified = Verified {
        batches: report.batches,
        torn_bytes: report.torn_bytes,
        damage: report.damage,
        unreadable: report.unreadable,
        ..Verified::default()
    };
    each_delivery(&store, |delivery| {
        verified.deliveries += 1;
        if !matches!(store.payload(delivery.id), Ok(Some(_))) {
            verified.payloads_lost += 1;
        }
        Ok(())
    })?;
    each::<Connection>(&store, Kind::Connection, |_| Ok(()))?;
    each::<Run>(&store, Kind::Run, |_| Ok(()))?;
    each::<Track>(&store, Kind::Track, |_| Ok(()))?;
    each::<Incident>(&store, Kind::Incident, |_| Ok(()))?;
    store.close();
    Ok(verified)
}

/// A file of frames under way.
struct Export {
    file: File,
    offset: u64,
    changes: u64,
}

impl Export {
    fn put(&mut self, change: Change) -> Result<(), ToolError> {
        self.changes += 1;
        self.frame(&encode_changes(&[change]))
    }

    fn frame(&mut self, payload: &[u8]) -> Result<(), ToolError> {
        let mut frame = Vec::with_capacity(payload.len() + FRAME_HEAD_BYTES);
        push_frame(&mut frame, 0, self.offset, payload);
        self.offset += frame.len() as u64;
        Ok(self.file.write_all(&frame)?)
    }
}

/// Writes everything in a store to a file. Returns the number of records.
pub fn export(dir: &Path, path: &Path) -> Result<u64, ToolError> {
    must_exist(dir)?;
    let (store, _) = open(dir)?;
    let file = File::create_new(path)?;
    let mut export = Export {
        file,
        offset: MAGIC.len() as u64,
        changes: 0,
    };
    export.file.write_all(MAGIC)?;
    if let Some(canary) = store.canary()? {
        export.put(Change::PutCanary(canary))?;
    }
    each::<User>(&store, Kind::User, |user| export.put(Change::PutUser(user)))?;
    each::<TokenRecord>(&store, Kind::Token, |token| {
        export.put(Change::PutToken(token))
    })?;
    each::<Credential>(&store, Kind::Credential, |c| {
        export.put(Change::PutCredential(c))
    })?;
    each::<Connection>(&store, Kind::Connection, |c| {
        export.put(Change::PutConnection(Box::new(c)))
    })?;
    each_delivery(&store, |delivery| match store.payload(delivery.id)? {
        Some(payload) => export.put(Change::InsertDelivery(Box::new(delivery), payload)),
        None => Ok(()),
    })?;
    each::<Run>(&store, Kind::Run, |run| {
        export.put(Change::PutRun(Box::new(run)))
    })?;
    each::<Track>(&store, Kind::Track, |track| {
        export.put(Change::PutTrack(Box::new(track)))
    })?;
    each::<Incident>(&store, Kind::Incident, |i| {
        export.put(Change::PutIncident(Box::new(i)))
    })?;
    // The end: how many there are, so that a part is not taken for the whole.
    let changes = export.changes;
    export.frame(&end_mark(changes))?;
    export.file.sync_all()?;
    store.close();
    Ok(changes)
}

/// What ends an export; no batch looks like it.
fn end_mark(changes: u64) -> Vec<u8> {
    let mut mark = b"end of export ".to_vec();
    mark.extend(changes.to_le_bytes());
    mark
}

/// Makes a store in an empty directory out of an export. Returns the number of records.
///
/// The whole file is checked before anything is written.
pub async fn import(path: &Path, dir: &Path) -> Result<u64, ToolError> {
    if dir.join("journal").exists() {
        return Err(ToolError::NotEmpty(dir.display().to_string()));
    }
    let bytes = std::fs::read(path)?;
    let frames = frames_of(&bytes)?;
    let (store, _) = open(dir)?;
    for payload in &frames {
        let changes = decode_changes(payload).map_err(|_| ToolError::NoExport)?;
        store.commit(Batch::of(changes)).await?;
    }
    store.close();
    Ok(frames.len() as u64)
}

fn frames_of(bytes: &[u8]) -> Result<Vec<&[u8]>, ToolError> {
    let mut offset = MAGIC.len();
    if bytes.get(..offset) != Some(MAGIC) {
        return Err(ToolError::NoExport);
    }
    let mut frames = Vec::new();
    while let Some(payload) = read_frame(&bytes[offset..], 0, offset as u64) {
        offset += FRAME_HEAD_BYTES + payload.len();
        if payload == end_mark(frames.len() as u64) {
            return if offset == bytes.len() {
                Ok(frames)
            } else {
                Err(ToolError::NoExport)
            };
        }
        if decode_changes(payload).is_err() {
            return Err(ToolError::NoExport);
        }
        frames.push(payload);
    }
    Err(ToolError::NoExport)
}

impl From<JournalError> for ToolError {
    fn from(error: JournalError) -> Self {
        Self::Open(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::{DeliveryState, Payload, Source};
    use crate::domain::id::{ConnectionId, UserId};
    use crate::domain::time::Timestamp;

    async fn filled(dir: &Path) -> [u8; 32] {
        let (store, _) = open(dir).unwrap();
        let id = UserId::from_u128(1);
        let user = User {
            id,
            name: "ann".into(),
            is_admin: true,
            created_at: Timestamp(1),
        };
        store
            .commit(Batch::of(vec![Change::PutUser(user)]))
            .await
            .unwrap();
        for n in 0..30_u8 {
            let delivery = Delivery {
                id: DeliveryId::from_u128(u128::from(n)),
                connection: ConnectionId::from_u128(1),
                owner: id,
                provider_delivery_id: n.to_string(),
                event: "push".into(),
                action: None,
                received_at: Timestamp(0),
                body_digest: [n; 32],
                body_bytes: 4,
                source: Source::Webhook,
                state: DeliveryState::Received,
                tries: 0,
            };
            let payload = Payload {
                headers: Vec::new(),
                body: vec![n; 4].into(),
            };
            let change = Change::InsertDelivery(Box::new(delivery), payload);
            store.commit(Batch::of(vec![change])).await.unwrap();
        }
        store.close();
        store.digest().unwrap()
    }

    #[actix::test]
    async fn an_export_makes_the_same_store_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let (from, file, to) = (
            dir.path().join("a"),
            dir.path().join("export"),
            dir.path().join("b"),
        );
        filled(&from).await;
        assert_eq!(export(&from, &file).unwrap(), 31);
        assert_eq!(import(&file, &to).await.unwrap(), 31);
        let verified = verify(&to).unwrap();
        assert!(
            verified.is_sound() && verified.deliveries == 30,
            "{verified:?}"
        );
        assert!(matches!(
            import(&file, &to).await,
            Err(ToolError::NotEmpty(_))
        ));
        let nothing = dir.path().join("nothing");
        assert!(matches!(verify(&nothing), Err(ToolError::NoStore(_))));
        assert!(!nothing.exists(), "and a look at nothing makes nothing");
    }

    #[actix::test]
    async fn a_part_of_an_export_is_refused_and_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (from, file, to) = (
            dir.path().join("a"),
            dir.path().join("export"),
            dir.path().join("b"),
        );
        filled(&from).await;
        export(&from, &file).unwrap();
        let good = std::fs::read(&file).unwrap();
        for length in (0..good.len()).step_by(37) {
            std::fs::write(&file, &good[..length]).unwrap();
            assert!(
                matches!(import(&file, &to).await, Err(ToolError::NoExport)),
                "{length}"
            );
        }
        for at in (0..good.len()).step_by(53) {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            std::fs::write(&file, &bytes).unwrap();
            assert!(
                matches!(import(&file, &to).await, Err(ToolError::NoExport)),
                "{at}"
            );
        }
        assert!(!to.exists());
    }
}
