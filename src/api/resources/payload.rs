//! A delivery with its payload: the body goes from the journal to the client a little at a time.

use crate::api::access::Caller;
use crate::api::dto::{DeliveryDetail, DeliverySummary, Payload};
use crate::api::error::{Code, Problem};
use crate::api::scope::Shared;
use crate::api::server::answers::Spent;
use crate::domain::delivery::Delivery;
use crate::store::StoredBody;
use crate::telemetry::{Limit, limit_reached, may_log};
use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::web::{self, Bytes};
use data_encoding::BASE64;
use futures_util::stream;
use serde::de::IgnoredAny;
use std::io::{BufReader, Error, ErrorKind, Read, Result as Io};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Deepest body that is shown as JSON within JSON: what clients can be trusted to parse.
const DEPTH_MAX: usize = 100;
/// A body up to this size is answered in one piece.
const WHOLE_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a body in a piece: a multiple of three, for base64.
const PIECE_BYTES: usize = 12 * 1024;
/// What a body takes while it is read: the window of its compression, and what lies around it.
const STREAM_BYTES: usize = 1024 * 1024;
/// How a delivery ends whose payload is not there.
const NO_PAYLOAD: &str = r#""payload":null,"payload_base64":null}"#;

/// Takes what reading a delivery's payload costs out of the budget of answers.
pub(super) fn spend(
    shared: &Shared,
    caller: Caller,
    delivery: &Delivery,
) -> Result<Option<Spent>, Problem> {
    if u64::from(delivery.body_bytes) <= WHOLE_BYTES_MAX {
        return Ok(None);
    }
    let spent = shared.answers.take(Some(caller.user), STREAM_BYTES);
    let words = "Too many payloads are in transfer. Try again after Retry-After.";
    spent.map(Some).ok_or_else(|| {
        limit_reached(Limit::AnswerBytes);
        Problem::new(Code::Overloaded, words)
    })
}

/// A delivery, ready to be answered.
pub(super) struct Shown {
    head: String,
    body: Option<(Box<dyn Read + Send>, u64)>,
    is_json: bool,
    tail: &'static str,
}

fn unreadable(error: &Error) -> Problem {
    if may_log("payload_unreadable") {
        tracing::error!(%error, "a payload cannot be read");
    }
    let words = "The payload could not be read. See the daemon's log.";
    Problem::new(Code::Internal, words)
}

/// The same, away from the thread that serves, and few at a time: the whole body is looked at,
/// which must not hold up the deliveries that arrive meanwhile. Given up by its asker, it has its
/// turn until it is done.
pub(super) async fn looked_at(
    turns: Arc<Semaphore>,
    summary: DeliverySummary,
    body: Option<StoredBody>,
) -> Result<Shown, Problem> {
    let turn = turns.acquire_owned().await;
    let shown = web::block(move || (shown(&summary, body), turn).0).await;
    let stopping = |_| Problem::new(Code::Unavailable, "The daemon is shutting down.");
    shown.map_err(stopping)?
}

/// Looks at the whole body once: whether it can stand as JSON within JSON.
fn shown(summary: &DeliverySummary, body: Option<StoredBody>) -> Result<Shown, Problem> {
    let headers = body
        .as_ref()
        .map(|body| body.headers.iter().cloned().collect());
    let detail = DeliveryDetail {
        summary: summary.clone(),
        payload: Payload {
            headers,
            ..Payload::default()
        },
    };
    let head = serde_json::to_string(&detail).expect("texts and numbers serialise");
    let Some(body) = body else {
        return Ok(Shown {
            head,
            body: None,
            is_json: true,
            tail: "",
        });
    };
    let read = || -> Io<_> { Ok((is_json(body.open()?)?, body.open()?)) };
    let (is_json, reader) = read().map_err(|error| unreadable(&error))?;
    let head = head
        .strip_suffix(NO_PAYLOAD)
        .expect("the payload comes last");
    let (begin, tail) = if is_json {
        (r#""payload":"#, r#","payload_base64":null}"#)
    } else {
        (r#""payload":null,"payload_base64":""#, r#""}"#)
    };
    Ok(Shown {
        head: format!("{head}{begin}"),
        body: Some((reader, body.bytes)),
        is_json,
        tail,
    })
}

impl Shown {
    /// The answer. What it costs is given back when it is read.
    pub(super) fn answer(self, spent: Option<Spent>) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        answer.content_type("application/json");
        let Some((reader, bytes)) = self.body else {
            return answer.body(self.head);
        };
        let shown = if self.is_json {
            bytes
        } else {
            bytes.div_ceil(3) * 4
        };
        let size = self.head.len() as u64 + shown + self.tail.len() as u64;
        let pieces = Pieces {
            head: Some(Bytes::from(self.head)),
            reader: Some(reader),
            left: bytes,
            is_json: self.is_json,
            tail: Some(Bytes::from_static(self.tail.as_bytes())),
            _spent: spent,
        };
        let next = |mut pieces: Pieces| async move {
            let piece = pieces.next().await?;
            Some((piece, pieces))
        };
        answer.body(SizedStream::new(
            size,
            Box::pin(stream::unfold(pieces, next)),
        ))
    }
}

struct Pieces {
    head: Option<Bytes>,
    reader: Option<Box<dyn Read + Send>>,
    left: u64,
    is_json: bool,
    tail: Option<Bytes>,
    _spent: Option<Spent>,
}

impl Pieces {
    async fn next(&mut self) -> Option<Io<Bytes>> {
        if let Some(head) = self.head.take() {
            return Some(Ok(head));
        }
        if self.left == 0 {
            return self.tail.take().map(Ok);
        }
        let length = usize::try_from(self.left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let mut reader = self.reader.take()?;
        let is_json = self.is_json;
        let reading = web::block(move || {
            let mut piece = vec![0; length];
            reader.read_exact(&mut piece)?;
            let piece = if is_json {
                Bytes::from(piece)
            } else {
                Bytes::from(BASE64.encode(&piece))
            };
            Ok((reader, piece))
        });
        match reading.await {
            Ok(Ok((reader, piece))) => {
                self.reader = Some(reader);
                self.left -= length as u64;
                Some(Ok(piece))
            }
            Ok(Err(error)) => Some(Err(error)),
            Err(_) => Some(Err(ErrorKind::Interrupted.into())),
        }
    }
}

/// Whether a body is JSON that a client can be trusted to parse.
fn is_json(reader: Box<dyn Read + Send>) -> Io<bool> {
    let mut text = Text {
        reader,
        nesting: Nesting::default(),
        cut: Vec::new(),
        is_utf8: true,
    };
    let parsed = serde_json::from_reader::<_, IgnoredAny>(BufReader::new(&mut text));
    match parsed {
        Ok(_) => Ok(text.is_utf8 && text.cut.is_empty() && text.nesting.deepest <= DEPTH_MAX),
        Err(error) if error.is_io() => Err(error.into()),
        Err(_) => Ok(false),
    }
}

/// A reader that notices what is no UTF-8, and how deeply what it reads nests.
struct Text {
    reader: Box<dyn Read + Send>,
    nesting: Nesting,
    /// The begin of a character whose end was not read yet.
    cut: Vec<u8>,
    is_utf8: bool,
}

impl Read for Text {
    fn read(&mut self, bytes: &mut [u8]) -> Io<usize> {
        let read = self.reader.read(bytes)?;
        self.nesting.see(&bytes[..read]);
        self.cut.extend_from_slice(&bytes[..read]);
        match std::str::from_utf8(&self.cut) {
            Ok(_) => self.cut.clear(),
            Err(error) if error.error_len().is_none() => {
                drop(self.cut.drain(..error.valid_up_to()));
            }
            Err(_) => {
                self.is_utf8 = false;
                self.cut.clear();
            }
        }
        Ok(read)
    }
}

/// How deeply a JSON text nests.
#[derive(Default)]
struct Nesting {
    depth: usize,
    deepest: usize,
    in_string: bool,
    is_escaped: bool,
}

impl Nesting {
    fn see(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' if self.in_string => self.is_escaped = true,
                b'"' => self.in_string = !self.in_string,
                b'[' | b'{' if !self.in_string => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                b']' | b'}' if !self.in_string => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::schema::DeliveryStatus;
    use crate::domain::delivery;
    use crate::domain::id::{ConnectionId, DeliveryId};
    use crate::domain::time::Timestamp;
    use actix_web::body::MessageBody;
    use std::pin::Pin;
    use std::time::Duration;
    use tokio::time::timeout;

    fn summary() -> DeliverySummary {
        DeliverySummary {
            id: DeliveryId::from_u128(1),
            connection_id: ConnectionId::from_u128(1),
            repository_full_name: None,
            provider_delivery_id: "x".into(),
            event: "push".into(),
            action: None,
            received_at: Timestamp(0),
            source: delivery::Source::Webhook,
            state: DeliveryStatus::RECEIVED,
            processed_at: None,
            attempts: 0,
            outcome: None,
            reason: None,
            run_id: None,
            incident_id: None,
            body_bytes: 0,
            body_digest: String::new(),
        }
    }

    /// The answer's text, which must be as long as it says.
    async fn text(body: &[u8]) -> String {
        let payload = delivery::Payload {
            headers: vec![("a".into(), "b".into())],
            body: Bytes::copy_from_slice(body),
        };
        let shown = shown(&summary(), Some(payload.into())).unwrap();
        let mut body = shown.answer(None).into_body();
        let size = body.size();
        let mut seen = Vec::new();
        while let Some(piece) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
            seen.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(size, actix_web::body::BodySize::Sized(seen.len() as u64));
        String::from_utf8(seen).unwrap()
    }

    async fn json(body: &[u8]) -> serde_json::Value {
        serde_json::from_str(&text(body).await).unwrap()
    }

    #[actix_web::test]
    async fn json_is_shown_as_it_is_and_the_rest_in_base64() {
        let digits = br#"{"id": 123456789012345678901234567890 }"#;
        let shown = text(digits).await;
        assert!(
            shown.contains(std::str::from_utf8(digits).unwrap()),
            "{shown}"
        );
        let form = json(b"payload=%7B%7D").await;
        assert_eq!(form["payload_base64"], "cGF5bG9hZD0lN0IlN0Q=");
        assert_eq!(form["headers"]["a"], "b");
        for odd in [
            &b"\xFF\xFE"[..],
            b"",
            b"{\"a\":\"\xFF\"}",
            b"{\"a\":\"\xE2\x82",
            b"{} {}",
        ] {
            let shown = json(odd).await;
            assert!(shown["payload"].is_null(), "{odd:?}");
            assert_eq!(shown["payload_base64"], BASE64.encode(odd), "{odd:?}");
        }
    }

    #[actix_web::test]
    async fn few_payloads_are_looked_at_at_a_time() {
        let turns = Arc::new(Semaphore::new(2));
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.push(Arc::clone(&turns).acquire_owned().await.unwrap());
        }
        let mut look = Box::pin(looked_at(Arc::clone(&turns), summary(), None));
        let waits = Duration::from_millis(50);
        assert!(timeout(waits, &mut look).await.is_err(), "it has no turn");
        taken.pop();
        assert!(look.await.is_ok());
        assert_eq!(turns.available_permits(), 1, "its turn is given back");
    }

    #[actix_web::test]
    async fn a_large_body_comes_in_pieces_and_whole() {
        for letter in ["x", "\u{20ac}"] {
            let filler = letter.repeat(100_001);
            let body = format!(r#"{{"filler":"{filler}"}}"#);
            assert_eq!(
                json(body.as_bytes()).await["payload"]["filler"],
                filler.as_str()
            );
            let form = format!("payload={filler}");
            let shown = json(form.as_bytes()).await;
            assert_eq!(shown["payload_base64"], BASE64.encode(form.as_bytes()));
        }
    }

    #[actix_web::test]
    async fn what_would_break_a_parser_is_not_passed_on_as_json() {
        for (depth, is_json) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false), (100_000, false)] {
            let deep = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(json(deep.as_bytes()).await["payload"].is_null(), !is_json);
        }
        let mut nesting = Nesting::default();
        nesting.see(br#"{"a":"[[[[\"[[","b":[1]}"#);
        assert_eq!(nesting.deepest, 2);
    }
}
