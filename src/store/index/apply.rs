//! Which keys a change writes.

use super::key::{Key, Kind, last_id};
use super::write::{gone, mark, point, put};
use super::{
    Index, Kv, Place, Write, commands, connections, explanations, incidents, ledgers,
    notifications, operations, outages, people,
};
use crate::domain::delivery::{BodyDigest, Delivery, DeliveryProgress, DeliveryState};
use crate::domain::id::{ConnectionId, CredentialId, DeliveryId, RunId};
use crate::domain::incident::track::TrackKey;
use crate::domain::lane::place::NoteKey;
use crate::domain::run::{Family, Run};
use crate::domain::user::Credential;
use crate::store::record::{decode, decode_parts, encode, encode_parts};
use crate::store::{Change, ReadError};

impl<K: Kv> Index<K> {
    /// Applies a change that was committed at `place`. Applying it again does no harm.
    pub(in crate::store) fn apply(&self, change: &Change, place: Place) -> Result<(), ReadError> {
        let writes = writes(self, change, place)?;
        self.write(writes)?;
        if matches!(change, Change::PutIncident(_)) {
            self.incident_news
                .send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }
}

fn writes<K: Kv>(index: &Index<K>, change: &Change, place: Place) -> Result<Vec<Write>, ReadError> {
    match change {
        Change::PutUser(user) => people::put_user(index, user),
        Change::DeleteUser(id) => people::delete_user(index, *id),
        Change::TokenUsed { id, at } => people::token_used(index, *id, *at),
        Change::PutToken(token) => Ok(people::put_token(token)),
        Change::DeleteToken(id) => people::delete_token(index, *id),
        Change::PutCredential(credential) => Ok(put_credential(credential)),
        Change::DeleteCredential(id) => delete_credential(index, *id),
        Change::PutConnection(connection) => connections::put(index, connection),
        Change::DeleteConnection(id) => connections::delete(index, *id),
        Change::InsertDelivery(delivery, _) => insert_delivery(index, delivery, place),
        Change::PutProgress(progress) => put_progress(index, progress),
        Change::ForgetDelivery(id) => forget_delivery(index, *id),
        Change::ForgetGuards(id) => forget_guards(index, *id),
        Change::PutRun(run) => Ok(put_run(run)),
        Change::ForgetRun(id) => forget_run(index, *id),
        Change::PutTrack(track) => Ok(vec![put(track_key(&track.key), &**track)]),
        Change::ForgetTrack(key) => Ok(vec![gone(track_key(key))]),
        Change::PutNote(note) => Ok(vec![put(note_key(&note.key), &**note)]),
        Change::ForgetNote(key) => Ok(vec![gone(note_key(key))]),
        Change::PutIncident(incident) => incidents::put(index, incident),
        Change::ForgetIncident(id) => incidents::forget(index, *id),
        Change::PutCommand(command) => Ok(commands::put_command(command)),
        Change::ForgetCommand(id) => commands::forget_command(index, *id),
        Change::PutOperation(operation) => Ok(operations::put_operation(operation)),
        Change::ForgetOperation(id) => operations::forget_operation(index, *id),
        Change::PutChunk(chunk) => Ok(operations::put_chunk(chunk)),
        Change::PutCanary(sealed) => Ok(vec![put(Key::of(Kind::Canary), sealed)]),
        Change::PutLedger(ledger) => ledgers::put(index, ledger),
        Change::PutGap(gap) => Ok(ledgers::put_gap(gap)),
        Change::ForgetGap(id) => ledgers::forget_gap(index, *id),
        Change::AskReconcile(asked) => ledgers::ask(index, asked),
        Change::PutUptime(uptime) => Ok(vec![put(Key::of(Kind::Uptime), uptime)]),
        Change::PutHold(hold) => Ok(vec![outages::put_hold(hold)]),
        Change::PutOutage(outage) => Ok(vec![outages::put_outage(outage)]),
        Change::PutTrouble(trouble) => Ok(vec![outages::put_trouble(trouble)]),
        Change::PutHistory(history) => Ok(vec![connections::put_history(history)]),
        Change::PutSink(sink) => notifications::put_sink(index, sink),
        Change::DeleteSink(id) => notifications::delete_sink(index, *id),
        Change::PutNotification(it) => notifications::put_notification(index, it),
        Change::PutThread(thread) => Ok(notifications::put_thread(thread)),
        Change::PutAnnounced(announced) => notifications::put_announced(index, announced),
        Change::PutExplanation(it) => explanations::put(index, it),
        Change::PutRulebook(book) => Ok(vec![notifications::put_rulebook(book)]),
        Change::PutTakeover(takeover) => Ok(vec![connections::put_takeover(takeover)]),
    }
}

fn put_credential(credential: &Credential) -> Vec<Write> {
    let id = credential.id.as_u128();
    let shared = Key::of(Kind::CredentialShared).id(id);
    vec![
        if credential.is_shared {
            mark(shared)
        } else {
            gone(shared)
        },
        put(Key::of(Kind::Credential).id(id), credential),
        mark(
            Key::of(Kind::CredentialByOwner)
                .id(credential.owner.as_u128())
                .id(id),
        ),
    ]
}

fn delete_credential<K: Kv>(index: &Index<K>, id: CredentialId) -> Result<Vec<Write>, ReadError> {
    let key = Key::of(Kind::Credential).id(id.as_u128());
    let Some(old) = index.record::<Credential>(&key)? else {
        return Ok(Vec::new());
    };
    let by_owner = Key::of(Kind::CredentialByOwner)
        .id(old.owner.as_u128())
        .id(id.as_u128());
    let shared = Key::of(Kind::CredentialShared).id(id.as_u128());
    let hold = gone(outages::hold_key(id));
    Ok(vec![gone(key), gone(by_owner), gone(shared), hold])
}

/// A delivery's value: where its payload lies, then the record.
fn delivery_value(delivery: &Delivery, place: Place) -> Vec<u8> {
    let mut value = Vec::with_capacity(128);
    value.extend(place.segment.to_be_bytes());
    value.extend(place.offset.to_be_bytes());
    value.extend(place.change.to_be_bytes());
    value.extend(encode(delivery));
    value
}

/// Bytes of the place before the record.
const PLACE_BYTES: usize = 20;

/// The two parts of a delivery's value.
pub(super) fn read_delivery(value: &[u8]) -> Result<(Place, Delivery), ReadError> {
    const DAMAGED: ReadError = ReadError::Damaged { kind: "delivery" };
    let (place, record) = value.split_at_checked(PLACE_BYTES).ok_or(DAMAGED)?;
    let number =
        |from: usize| u64::from_be_bytes(place[from..from + 8].try_into().expect("eight bytes"));
    let change = u32::from_be_bytes(place[16..].try_into().expect("four bytes"));
    let place = Place {
        segment: number(0),
        offset: number(8),
        change,
    };
    Ok((place, decode(record).map_err(|_| DAMAGED)?))
}

pub(super) fn delivery_key(id: DeliveryId) -> Key {
    Key::of(Kind::Delivery).id(id.as_u128())
}

fn pending_key(delivery: &Delivery) -> Key {
    let key = Key::of(Kind::DeliveryPending).id(delivery.connection.as_u128());
    key.id(delivery.id.as_u128())
}

fn pending_write(delivery: &Delivery) -> Write {
    match delivery.state {
        DeliveryState::Received => mark(pending_key(delivery)),
        DeliveryState::Processed { .. } => gone(pending_key(delivery)),
    }
}

pub(super) fn provider_id_key(connection: ConnectionId, provider_delivery_id: &str) -> Key {
    let key = Key::of(Kind::DeliveryByProviderId).id(connection.as_u128());
    key.hashed(provider_delivery_id.as_bytes())
}

pub(super) fn digest_key(connection: ConnectionId, digest: &BodyDigest) -> Key {
    let (kind, digest) = match digest {
        BodyDigest::Sha256(digest) => (Kind::DeliveryByOlderDigest, digest),
        BodyDigest::Blake3(digest) => (Kind::DeliveryByDigest, digest),
    };
    Key::of(kind).id(connection.as_u128()).raw(&digest[..16])
}

fn delivery_lists(delivery: &Delivery, segment: u64) -> [Key; 3] {
    let id = delivery.id.as_u128();
    [
        Key::of(Kind::DeliveryByConnection)
            .id(delivery.connection.as_u128())
            .id(id),
        Key::of(Kind::DeliveryByOwner)
            .id(delivery.owner.as_u128())
            .id(id),
        Key::of(Kind::DeliveryBySegment).number(segment).id(id),
    ]
}

/// The key that leads to a delivery by what became of it.
fn outcome_key(delivery: &Delivery) -> Option<Key> {
    match &delivery.state {
        DeliveryState::Received => None,
        DeliveryState::Processed { outcome, .. } => {
            let by_outcome = Key::of(Kind::DeliveryByOutcome).id(delivery.owner.as_u128());
            Some(by_outcome.word(outcome.as_str()).id(delivery.id.as_u128()))
        }
    }
}

pub(super) fn insert_delivery<K: Kv>(
    index: &Index<K>,
    delivery: &Delivery,
    place: Place,
) -> Result<Vec<Write>, ReadError> {
    let id = delivery.id.as_u128();
    let key = delivery_key(delivery.id);
    let mut writes = Vec::new();
    // A delivery that retention carries forward moves to another segment.
    if let Some(value) = index.kv.get(key.bytes())? {
        let (old, _) = read_delivery(&value)?;
        writes.extend(delivery_lists(delivery, old.segment).map(gone));
    }
    writes.push((key.into_bytes(), Some(delivery_value(delivery, place))));
    writes.push(point(
        provider_id_key(delivery.connection, &delivery.provider_delivery_id),
        id,
    ));
    writes.push(point(
        digest_key(delivery.connection, &delivery.body_digest),
        id,
    ));
    writes.push(pending_write(delivery));
    writes.extend(outcome_key(delivery).map(mark));
    writes.extend(delivery_lists(delivery, place.segment).map(mark));
    Ok(writes)
}

/// A delivery without payload here (retention took it, or the journal is being replayed from a
/// later place than its insertion) stays unknown.
fn put_progress<K: Kv>(
    index: &Index<K>,
    progress: &DeliveryProgress,
) -> Result<Vec<Write>, ReadError> {
    let key = delivery_key(progress.id);
    let Some(value) = index.kv.get(key.bytes())? else {
        return Ok(Vec::new());
    };
    let (place, old) = read_delivery(&value)?;
    let was = outcome_key(&old);
    let delivery = old.after(progress.clone());
    let value = delivery_value(&delivery, place);
    let mut writes = vec![(key.into_bytes(), Some(value)), pending_write(&delivery)];
    let is = outcome_key(&delivery);
    if was != is {
        writes.extend(was.map(gone));
        writes.extend(is.map(mark));
    }
    Ok(writes)
}

/// The replay guards stay: they outlive the payload. What is needed to find them stays, too.
fn forget_delivery<K: Kv>(index: &Index<K>, id: DeliveryId) -> Result<Vec<Write>, ReadError> {
    let key = delivery_key(id);
    let Some(value) = index.kv.get(key.bytes())? else {
        return Ok(Vec::new());
    };
    let (place, delivery) = read_delivery(&value)?;
    let mut writes = vec![gone(key), gone(pending_key(&delivery))];
    writes.extend(delivery_lists(&delivery, place.segment).map(gone));
    writes.extend(outcome_key(&delivery).map(gone));
    let guards = [
        provider_id_key(delivery.connection, &delivery.provider_delivery_id),
        digest_key(delivery.connection, &delivery.body_digest),
    ];
    let guards = (0..).zip(guards.map(Key::into_bytes)).collect::<Vec<_>>();
    writes.push((forgotten_key(id).into_bytes(), Some(encode_parts(&guards))));
    Ok(writes)
}

fn forgotten_key(id: DeliveryId) -> Key {
    Key::of(Kind::DeliveryForgotten).id(id.as_u128())
}

/// The connection whose deliveries the guards of a forgotten one are among.
pub(super) fn guarded_connection<K: Kv>(
    index: &Index<K>,
    id: DeliveryId,
) -> Result<Option<ConnectionId>, ReadError> {
    let Some(value) = index.kv.get(forgotten_key(id).bytes())? else {
        return Ok(None);
    };
    let damaged = |_| ReadError::Damaged { kind: "guards" };
    let guards = decode_parts(&value).map_err(damaged)?;
    let connection = guards.first().and_then(|(_, key)| last_id(key.get(..17)?));
    Ok(connection.map(ConnectionId::from_u128))
}

/// A guard that meanwhile belongs to a later delivery stays.
fn forget_guards<K: Kv>(index: &Index<K>, id: DeliveryId) -> Result<Vec<Write>, ReadError> {
    let key = forgotten_key(id);
    let Some(value) = index.kv.get(key.bytes())? else {
        return Ok(Vec::new());
    };
    let damaged = |_| ReadError::Damaged { kind: "guards" };
    let mut writes = Vec::new();
    for (_, guard) in decode_parts(&value).map_err(damaged)? {
        let owner = index.kv.get(guard)?.and_then(|owner| last_id(&owner));
        if owner == Some(id.as_u128()) {
            writes.push((guard.to_vec(), None));
        }
    }
    writes.push(gone(key));
    Ok(writes)
}

/// The provider's ids of two families may be the same number.
pub(super) fn run_key(connection: ConnectionId, family: Family, provider_run_id: u64) -> Key {
    Key::of(Kind::RunByProviderId)
        .id(connection.as_u128())
        .number(provider_run_id)
        .raw(family.as_str().as_bytes())
}

/// A check suite's id leads to the run that it mirrors.
fn put_run(run: &Run) -> Vec<Write> {
    let id = run.id.as_u128();
    let mut writes = vec![
        put(Key::of(Kind::Run).id(id), run),
        point(run_key(run.connection, run.family, run.provider_run_id), id),
        mark(
            Key::of(Kind::RunByConnection)
                .id(run.connection.as_u128())
                .id(id),
        ),
        mark(Key::of(Kind::RunByOwner).id(run.owner.as_u128()).id(id)),
    ];
    if let Some(suite) = &run.suite {
        let key = run_key(run.connection, Family::Checks, suite.id);
        writes.push(point(key, id));
    }
    writes
}

fn forget_run<K: Kv>(index: &Index<K>, id: RunId) -> Result<Vec<Write>, ReadError> {
    let run = index.record::<Run>(&Key::of(Kind::Run).id(id.as_u128()))?;
    Ok(run.iter().flat_map(put_run).map(without_value).collect())
}

/// The key of a write, deleted.
fn without_value((key, _): Write) -> Write {
    (key, None)
}

/// A track that version 0.1 had for the same lane continues: the key is what it was then.
pub(in crate::store) fn track_key(key: &TrackKey) -> Key {
    let workflow = format!("{}:{}", key.family.as_str(), key.workflow);
    let lane = match key.lane.branch_in_v1(key.family) {
        Some(branch) => (1, branch.as_bytes().to_vec()),
        None => (2, key.lane.to_key().into_bytes()),
    };
    let text = encode_parts(&[(0, workflow.into_bytes()), lane]);
    Key::of(Kind::Track)
        .id(key.connection.as_u128())
        .hashed(&text)
}

pub(super) fn note_key(key: &NoteKey) -> Key {
    Key::of(Kind::Note)
        .id(key.connection.as_u128())
        .hashed(key.place.to_key().as_bytes())
}
