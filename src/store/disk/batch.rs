//! Batches as bytes: what a frame of the journal holds.

use super::compress::{compress, decompress, dictionary};
use crate::domain::delivery::{Delivery, Payload};
use crate::domain::id::{
    CommandId, ConnectionId, CredentialId, DeliveryId, GapId, IncidentId, OperationId, RunId,
    SinkId, TokenId, UserId,
};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::store::Change;
use crate::store::record::{Record, RecordError, decode, decode_parts, encode, encode_parts};
use bytes::Bytes;
use std::borrow::Cow;

/// The names of headers that are kept, by their frozen numbers: others are written out.
const HEADER_NAMES: [&str; 16] = [
    "x-github-event",
    "x-github-delivery",
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-github-enterprise-version",
    "x-github-enterprise-host",
    "user-agent",
    "content-type",
    "x-gitlab-event",
    "x-gitlab-instance",
    "x-gitlab-event-uuid",
    "x-gitlab-webhook-uuid",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
];

/// The frozen numbers of the kinds of change.
pub(super) mod tag {
    pub(super) const PUT_USER: u8 = 1;
    pub(super) const PUT_TOKEN: u8 = 2;
    pub(super) const DELETE_TOKEN: u8 = 3;
    pub(super) const PUT_CREDENTIAL: u8 = 4;
    pub(super) const DELETE_CREDENTIAL: u8 = 5;
    pub(super) const PUT_CONNECTION: u8 = 6;
    pub(super) const DELETE_CONNECTION: u8 = 7;
    pub(in crate::store::disk) const INSERT_DELIVERY: u8 = 8;
    /// The whole delivery, as an older version wrote it: read only.
    pub(super) const PUT_DELIVERY: u8 = 9;
    pub(super) const FORGET_DELIVERY: u8 = 10;
    pub(super) const PUT_RUN: u8 = 11;
    pub(super) const PUT_TRACK: u8 = 12;
    pub(super) const PUT_INCIDENT: u8 = 13;
    pub(super) const PUT_CANARY: u8 = 14;
    pub(super) const FORGET_GUARDS: u8 = 15;
    pub(super) const FORGET_RUN: u8 = 16;
    pub(super) const FORGET_TRACK: u8 = 17;
    pub(super) const FORGET_INCIDENT: u8 = 18;
    pub(super) const PUT_NOTE: u8 = 19;
    pub(super) const FORGET_NOTE: u8 = 20;
    pub(super) const DELETE_USER: u8 = 21;
    pub(super) const TOKEN_USED: u8 = 22;
    pub(super) const PUT_COMMAND: u8 = 23;
    pub(super) const FORGET_COMMAND: u8 = 24;
    pub(super) const PUT_PROGRESS: u8 = 25;
    pub(super) const PUT_OPERATION: u8 = 30;
    pub(super) const FORGET_OPERATION: u8 = 31;
    pub(super) const PUT_CHUNK: u8 = 32;
    pub(super) const PUT_LEDGER: u8 = 26;
    pub(super) const PUT_GAP: u8 = 27;
    pub(super) const FORGET_GAP: u8 = 28;
    pub(super) const ASK_RECONCILE: u8 = 29;
    pub(super) const PUT_UPTIME: u8 = 40;
    pub(super) const PUT_HISTORY: u8 = 34;
    pub(super) const PUT_TAKEOVER: u8 = 45;
    pub(super) const PUT_OUTAGE: u8 = 44;
    pub(super) const PUT_HOLD: u8 = 46;
    pub(super) const PUT_SINK: u8 = 47;
    pub(super) const DELETE_SINK: u8 = 48;
    pub(super) const PUT_NOTIFICATION: u8 = 49;
    pub(super) const PUT_THREAD: u8 = 50;
    pub(super) const PUT_ANNOUNCED: u8 = 51;
    pub(super) const PUT_RULEBOOK: u8 = 60;
    pub(super) const PUT_EXPLANATION: u8 = 61;
    pub(super) const PUT_TROUBLE: u8 = 62;
}

/// The parts of an inserted delivery.
pub(super) mod part {
    pub(super) const RECORD: u8 = 0;
    pub(in crate::store::disk) const HEADER_NAME: u8 = 1;
    pub(in crate::store::disk) const HEADER_VALUE: u8 = 2;
    /// Without a dictionary, as version 0.1 compressed it.
    pub(in crate::store::disk) const BODY: u8 = 3;
    /// With the dictionary that its head names.
    pub(in crate::store::disk) const SHAPED_BODY: u8 = 4;
    /// The number of its name, and the value.
    pub(in crate::store::disk) const NUMBERED_HEADER: u8 = 5;
}

fn id_bytes(id: u128) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

fn encode_change(change: &Change) -> (u8, Vec<u8>) {
    match change {
        Change::PutUser(user) => (tag::PUT_USER, encode(user)),
        Change::DeleteUser(id) => (tag::DELETE_USER, id_bytes(id.as_u128())),
        Change::TokenUsed { id, at } => {
            let parts = [
                (0, id_bytes(id.as_u128())),
                (1, at.0.to_be_bytes().to_vec()),
            ];
            (tag::TOKEN_USED, encode_parts(&parts))
        }
        Change::PutToken(token) => (tag::PUT_TOKEN, encode(token)),
        Change::DeleteToken(id) => (tag::DELETE_TOKEN, id_bytes(id.as_u128())),
        Change::PutCredential(credential) => (tag::PUT_CREDENTIAL, encode(credential)),
        Change::DeleteCredential(id) => (tag::DELETE_CREDENTIAL, id_bytes(id.as_u128())),
        Change::PutConnection(connection) => (tag::PUT_CONNECTION, encode(&**connection)),
        Change::DeleteConnection(id) => (tag::DELETE_CONNECTION, id_bytes(id.as_u128())),
        Change::InsertDelivery(delivery, payload) => {
            (tag::INSERT_DELIVERY, encode_insertion(delivery, payload))
        }
        Change::PutProgress(progress) => (tag::PUT_PROGRESS, encode(&**progress)),
        Change::ForgetDelivery(id) => (tag::FORGET_DELIVERY, id_bytes(id.as_u128())),
        Change::ForgetGuards(id) => (tag::FORGET_GUARDS, id_bytes(id.as_u128())),
        Change::ForgetRun(id) => (tag::FORGET_RUN, id_bytes(id.as_u128())),
        Change::ForgetTrack(key) => (tag::FORGET_TRACK, encode(key)),
        Change::ForgetIncident(id) => (tag::FORGET_INCIDENT, id_bytes(id.as_u128())),
        Change::PutRun(run) => (tag::PUT_RUN, encode(&**run)),
        Change::PutTrack(track) => (tag::PUT_TRACK, encode(&**track)),
        Change::PutNote(note) => (tag::PUT_NOTE, encode(&**note)),
        Change::ForgetNote(key) => (tag::FORGET_NOTE, encode(key)),
        Change::PutIncident(incident) => (tag::PUT_INCIDENT, encode(&**incident)),
        Change::PutCommand(command) => (tag::PUT_COMMAND, encode(&**command)),
        Change::ForgetCommand(id) => (tag::FORGET_COMMAND, id_bytes(id.as_u128())),
        Change::PutOperation(operation) => (tag::PUT_OPERATION, encode(&**operation)),
        Change::ForgetOperation(id) => (tag::FORGET_OPERATION, id_bytes(id.as_u128())),
        Change::PutChunk(chunk) => (tag::PUT_CHUNK, encode(&**chunk)),
        Change::PutCanary(sealed) => (tag::PUT_CANARY, encode(sealed)),
        Change::PutLedger(ledger) => (tag::PUT_LEDGER, encode(&**ledger)),
        Change::PutGap(gap) => (tag::PUT_GAP, encode(&**gap)),
        Change::ForgetGap(id) => (tag::FORGET_GAP, id_bytes(id.as_u128())),
        Change::AskReconcile(asked) => (tag::ASK_RECONCILE, encode(asked)),
        Change::PutUptime(uptime) => (tag::PUT_UPTIME, encode(uptime)),
        Change::PutHistory(history) => (tag::PUT_HISTORY, encode(&**history)),
        Change::PutTakeover(takeover) => (tag::PUT_TAKEOVER, encode(&**takeover)),
        Change::PutSink(sink) => (tag::PUT_SINK, encode(&**sink)),
        Change::DeleteSink(id) => (tag::DELETE_SINK, id_bytes(id.as_u128())),
        Change::PutNotification(it) => (tag::PUT_NOTIFICATION, encode(&**it)),
        Change::PutThread(thread) => (tag::PUT_THREAD, encode(&**thread)),
        Change::PutAnnounced(announced) => (tag::PUT_ANNOUNCED, encode(&**announced)),
        Change::PutExplanation(it) => (tag::PUT_EXPLANATION, encode(&**it)),
        Change::PutRulebook(book) => (tag::PUT_RULEBOOK, encode(&**book)),
        Change::PutHold(hold) => (tag::PUT_HOLD, encode(hold)),
        Change::PutTrouble(trouble) => (tag::PUT_TROUBLE, encode(trouble)),
        Change::PutOutage(outage) => (tag::PUT_OUTAGE, encode(&**outage)),
    }
}

fn encode_insertion(delivery: &Delivery, payload: &Payload) -> Vec<u8> {
    let mut parts: Vec<(u8, Cow<'_, [u8]>)> = vec![(part::RECORD, encode(delivery).into())];
    for (name, value) in &payload.headers {
        let number = (0..).zip(HEADER_NAMES).find(|(_, known)| known == name);
        if let Some((number, _)) = number {
            let bytes = [&[number], value.as_bytes()].concat();
            parts.push((part::NUMBERED_HEADER, bytes.into()));
        } else {
            parts.push((part::HEADER_NAME, name.as_bytes().into()));
            parts.push((part::HEADER_VALUE, value.as_bytes().into()));
        }
    }
    parts.push((part::SHAPED_BODY, compress(&payload.body).into()));
    encode_parts(&parts)
}

/// The name and the value of a header whose name has a number.
pub(super) fn numbered_header(bytes: &[u8]) -> Result<(String, String), RecordError> {
    let (number, value) = bytes.split_first().ok_or(RecordError::Damaged)?;
    let name = HEADER_NAMES.get(usize::from(*number));
    let name = name.ok_or(RecordError::Newer)?;
    Ok(((*name).to_owned(), text(value)?))
}

/// The changes of a batch as the payload of a frame.
pub(in crate::store) fn encode_changes(changes: &[Change]) -> Vec<u8> {
    let parts: Vec<(u8, Vec<u8>)> = changes.iter().map(encode_change).collect();
    encode_parts(&parts)
}

fn boxed<R: Record>(bytes: &[u8]) -> Result<Box<R>, RecordError> {
    decode(bytes).map(Box::new)
}

fn id(bytes: &[u8]) -> Result<u128, RecordError> {
    bytes
        .try_into()
        .map(u128::from_be_bytes)
        .map_err(|_| RecordError::Damaged)
}

fn time(bytes: &[u8]) -> Result<Timestamp, RecordError> {
    let at = bytes.try_into().map_err(|_| RecordError::Damaged)?;
    Ok(Timestamp(i64::from_be_bytes(at)))
}

fn text(bytes: &[u8]) -> Result<String, RecordError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RecordError::Damaged)?;
    Ok(text.to_owned())
}

/// What is wanted of the payloads in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Bodies {
    /// All of them, as they were sent.
    Whole,
    /// None: only whether this version could read them.
    Left,
}

fn decode_insertion(bytes: &[u8], bodies: Bodies) -> Result<Change, RecordError> {
    let parts = decode_parts(bytes)?;
    let record = parts.iter().find(|(kind, _)| *kind == part::RECORD);
    let (_, record) = record.ok_or(RecordError::Damaged)?;
    let payload = read_payload(&parts, bodies)?;
    Ok(Change::InsertDelivery(boxed(record)?, payload))
}

/// The payload in the parts of an inserted delivery.
fn read_payload(parts: &[(u8, &[u8])], bodies: Bodies) -> Result<Payload, RecordError> {
    let (mut body, mut headers, mut name) = (None, Vec::new(), None);
    for (kind, bytes) in parts {
        match *kind {
            part::RECORD => {}
            part::NUMBERED_HEADER => headers.push(numbered_header(bytes)?),
            part::HEADER_NAME => name = Some(text(bytes)?),
            part::HEADER_VALUE => {
                headers.push((name.take().ok_or(RecordError::Damaged)?, text(bytes)?));
            }
            part::BODY | part::SHAPED_BODY => {
                body = Some(match bodies {
                    Bodies::Whole => decompress(bytes)?,
                    Bodies::Left => dictionary(bytes).map(|_| Bytes::new())?,
                });
            }
            _ => return Err(RecordError::Newer),
        }
    }
    let body = body.ok_or(RecordError::Damaged)?;
    Ok(Payload { headers, body })
}

fn decode_use(bytes: &[u8]) -> Result<Change, RecordError> {
    let parts = decode_parts(bytes)?;
    let [(0, token), (1, at)] = &parts[..] else {
        return Err(RecordError::Newer);
    };
    Ok(Change::TokenUsed {
        id: TokenId::from_u128(id(token)?),
        at: time(at)?,
    })
}

fn decode_change(tag: u8, bytes: &[u8], bodies: Bodies) -> Result<Change, RecordError> {
    Ok(match tag {
        tag::PUT_USER => Change::PutUser(decode(bytes)?),
        tag::DELETE_USER => Change::DeleteUser(UserId::from_u128(id(bytes)?)),
        tag::TOKEN_USED => decode_use(bytes)?,
        tag::PUT_TOKEN => Change::PutToken(decode(bytes)?),
        tag::DELETE_TOKEN => Change::DeleteToken(TokenId::from_u128(id(bytes)?)),
        tag::PUT_CREDENTIAL => Change::PutCredential(decode(bytes)?),
        tag::DELETE_CREDENTIAL => Change::DeleteCredential(CredentialId::from_u128(id(bytes)?)),
        tag::PUT_CONNECTION => Change::PutConnection(boxed(bytes)?),
        tag::DELETE_CONNECTION => Change::DeleteConnection(ConnectionId::from_u128(id(bytes)?)),
        tag::INSERT_DELIVERY => decode_insertion(bytes, bodies)?,
        tag::PUT_DELIVERY => {
            let delivery: Delivery = decode(bytes)?;
            Change::PutProgress(Box::new(delivery.into()))
        }
        tag::PUT_PROGRESS => Change::PutProgress(boxed(bytes)?),
        tag::FORGET_DELIVERY => Change::ForgetDelivery(DeliveryId::from_u128(id(bytes)?)),
        tag::FORGET_GUARDS => Change::ForgetGuards(DeliveryId::from_u128(id(bytes)?)),
        tag::FORGET_RUN => Change::ForgetRun(RunId::from_u128(id(bytes)?)),
        tag::FORGET_TRACK => Change::ForgetTrack(decode(bytes)?),
        tag::FORGET_INCIDENT => Change::ForgetIncident(IncidentId::from_u128(id(bytes)?)),
        tag::PUT_RUN => Change::PutRun(boxed(bytes)?),
        tag::PUT_TRACK => Change::PutTrack(boxed(bytes)?),
        tag::PUT_NOTE => Change::PutNote(boxed(bytes)?),
        tag::FORGET_NOTE => Change::ForgetNote(decode(bytes)?),
        tag::PUT_INCIDENT => Change::PutIncident(boxed(bytes)?),
        tag::PUT_COMMAND => Change::PutCommand(boxed(bytes)?),
        tag::FORGET_COMMAND => Change::ForgetCommand(CommandId::from_u128(id(bytes)?)),
        tag::PUT_OPERATION => Change::PutOperation(boxed(bytes)?),
        tag::FORGET_OPERATION => Change::ForgetOperation(OperationId::from_u128(id(bytes)?)),
        tag::PUT_CHUNK => Change::PutChunk(boxed(bytes)?),
        tag::PUT_CANARY => Change::PutCanary(decode(bytes)?),
        tag::PUT_LEDGER => Change::PutLedger(boxed(bytes)?),
        tag::PUT_GAP => Change::PutGap(boxed(bytes)?),
        tag::FORGET_GAP => Change::ForgetGap(GapId::from_u128(id(bytes)?)),
        tag::ASK_RECONCILE => Change::AskReconcile(decode(bytes)?),
        tag::PUT_UPTIME => Change::PutUptime(decode(bytes)?),
        tag::PUT_HISTORY => Change::PutHistory(boxed(bytes)?),
        tag::PUT_TAKEOVER => Change::PutTakeover(boxed(bytes)?),
        tag::PUT_SINK => Change::PutSink(boxed(bytes)?),
        tag::DELETE_SINK => Change::DeleteSink(SinkId::from_u128(id(bytes)?)),
        tag::PUT_NOTIFICATION => Change::PutNotification(boxed(bytes)?),
        tag::PUT_THREAD => Change::PutThread(boxed(bytes)?),
        tag::PUT_ANNOUNCED => Change::PutAnnounced(boxed(bytes)?),
        tag::PUT_EXPLANATION => Change::PutExplanation(boxed(bytes)?),
        tag::PUT_RULEBOOK => Change::PutRulebook(boxed(bytes)?),
        tag::PUT_HOLD => Change::PutHold(decode(bytes)?),
        tag::PUT_TROUBLE => Change::PutTrouble(decode(bytes)?),
        tag::PUT_OUTAGE => Change::PutOutage(boxed(bytes)?),
        _ => return Err(RecordError::Newer),
    })
}

/// The changes of a frame's payload.
pub(in crate::store) fn decode_changes(
    payload: &[u8],
    bodies: Bodies,
) -> Result<Vec<Change>, RecordError> {
    decode_parts(payload)?
        .into_iter()
        .map(|(tag, bytes)| decode_change(tag, bytes, bodies))
        .collect()
}

/// The canary that a frame's payload puts, if it puts one. Nothing else of it is decoded.
pub(in crate::store) fn decode_canary(payload: &[u8]) -> Result<Option<Sealed>, RecordError> {
    let parts = decode_parts(payload)?;
    let canary = parts.iter().rfind(|(tag, _)| *tag == tag::PUT_CANARY);
    canary.map(|(_, bytes)| decode(bytes)).transpose()
}

/// The payload of the delivery that is the `index`th change of a frame.
pub(super) fn decode_payload(frame: &[u8], index: u32) -> Result<Payload, RecordError> {
    let index = usize::try_from(index).map_err(|_| RecordError::Damaged)?;
    match decode_parts(frame)?.get(index) {
        Some((tag::INSERT_DELIVERY, bytes)) => read_payload(&decode_parts(bytes)?, Bodies::Whole),
        Some(_) | None => Err(RecordError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::delivery::DeliveryState;
    use crate::store::disk::tests::delivery;

    /// An older version wrote all of a delivery; what may change of it is read.
    #[test]
    fn a_delivery_that_an_older_version_put_is_its_progress() {
        let put = Delivery {
            action: Some("completed".into()),
            state: DeliveryState::Received,
            tries: 2,
            ..delivery(7)
        };
        let older = encode_parts(&[(tag::PUT_DELIVERY, encode(&put))]);
        let change = Change::progress(put);
        let read = decode_changes(&older, Bodies::Left);
        assert_eq!(read.as_deref(), Ok(&[change.clone()][..]));
        let newer = encode_changes(&[change]);
        assert_eq!(decode_changes(&newer, Bodies::Left), read);
        assert!(newer.len() * 2 < older.len());
    }
}
