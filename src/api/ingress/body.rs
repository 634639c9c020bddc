//! Reading a request's body within limits: of size, of time, and of the room that all bodies
//! have together.
//!
//! actix times only a request's head, so the deadline here is ours. It covers the wait for room.
//! A body that comes so slowly that it will miss it goes sooner where others need its room.

use super::fair::{Account, Share};
use super::room::Room;
use crate::api::error::{Code, Problem};
use crate::api::progress::{Progress, Track};
use crate::telemetry::{Limit, limit_reached};
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// First room of a body that does not say how large it is; whenever that is full it is doubled.
const FIRST_BYTES: usize = 16 * 1024;

/// What a body may cost.
#[derive(Clone, Debug)]
pub(in crate::api) struct Limits<'a> {
    /// Its size.
    pub(in crate::api) bytes_max: usize,
    /// How long it may take to arrive, with the wait for room.
    pub(in crate::api) timeout: Duration,
    /// What it shares with others.
    pub(in crate::api) room: &'a Room,
    /// Who is charged for it.
    pub(in crate::api) account: Account,
    /// Where its progress is kept.
    pub(in crate::api) progress: Arc<Progress>,
}

/// A body, and its share of the room until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct Body {
    pub(in crate::api) bytes: Bytes,
    _share: Option<Share>,
}

fn too_large(limits: &Limits<'_>) -> Problem {
    limit_reached(Limit::BodyBytes);
    let detail = format!("at most {} bytes are accepted here", limits.bytes_max);
    Problem::new(Code::BodyTooLarge, detail)
}

/// Whether a `Content-Encoding` names no encoding: proxies are known to send it empty.
fn is_plain(encoding: &str) -> bool {
    let is_none = |name: &str| name.is_empty() || name.eq_ignore_ascii_case("identity");
    encoding.split(',').all(|name| is_none(name.trim()))
}

/// Refuses by the head alone what could only be refused after reading it all: compressed bodies
/// and announced oversize. The size, when it is announced.
pub(in crate::api) fn check_head(
    request: &HttpRequest,
    limits: &Limits<'_>,
) -> Result<Option<usize>, Problem> {
    for encoding in request.headers().get_all(CONTENT_ENCODING) {
        if !encoding.to_str().is_ok_and(is_plain) {
            let detail = "send the body as it is, without a Content-Encoding";
            return Err(Problem::new(Code::UnsupportedEncoding, detail));
        }
    }
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(None);
    }
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    let announced = announced
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    match usize::try_from(announced) {
        Ok(announced) if announced <= limits.bytes_max => Ok(Some(announced)),
        Ok(_) | Err(_) => Err(too_large(limits)),
    }
}

/// Reads the body, of which [`check_head`] has said how large it is.
pub(in crate::api) async fn read(
    payload: Payload,
    announced: Option<usize>,
    limits: Limits<'_>,
) -> Result<Body, Problem> {
    let deadline = Instant::now() + limits.timeout;
    let mut reading = Reading::new(announced, limits.clone(), deadline);
    let late = || {
        limit_reached(Limit::BodyDeadline);
        let detail = format!("the body must arrive within {:?}", limits.timeout);
        Problem::new(Code::BodyTimeout, detail)
    };
    let read = tokio::select! {
        biased;
        () = limits.progress.out() => {
            limit_reached(Limit::BodyPace);
            let detail = "the body comes too slowly, and others need its room: send it again";
            Err(Problem::new(Code::BodyTimeout, detail))
        }
        read = timeout_at(deadline, reading.all(payload)) => read.map_err(|_| late()),
    };
    limits.progress.is_over();
    read??;
    Ok(Body {
        bytes: reading.bytes.freeze(),
        _share: reading.share,
    })
}

/// A body as far as it has come.
struct Reading<'a> {
    limits: Limits<'a>,
    announced: Option<usize>,
    deadline: Instant,
    track: Track,
    bytes: BytesMut,
    share: Option<Share>,
    /// What the share is for.
    room: usize,
}

impl<'a> Reading<'a> {
    fn new(announced: Option<usize>, limits: Limits<'a>, deadline: Instant) -> Self {
        let size = announced.map(|size| size as u64);
        let track = Track::new(limits.timeout, size);
        limits.progress.came(&track, 0);
        Self {
            limits,
            announced,
            deadline,
            track,
            bytes: BytesMut::new(),
            share: None,
            room: 0,
        }
    }

    async fn all(&mut self, mut payload: Payload) -> Result<(), Problem> {
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| {
                let detail = "the body ended early or was not well framed";
                Problem::new(Code::BadRequest, detail)
            })?;
            let length = self.bytes.len() + chunk.len();
            if length > self.limits.bytes_max {
                return Err(too_large(&self.limits));
            }
            if self.share.is_none() {
                self.begin(length).await?;
            } else if length > self.room {
                self.grow(length).await?;
            }
            self.bytes.extend_from_slice(&chunk);
            self.limits.progress.came(&self.track, length as u64);
        }
        Ok(())
    }

    /// Takes room for all that was announced, once the first of it is there: who sends nothing
    /// takes none. The memory is asked for after the room, and no more than that.
    async fn begin(&mut self, length: usize) -> Result<(), Problem> {
        let untold = FIRST_BYTES.min(self.limits.bytes_max);
        let room = self.announced.unwrap_or(untold).max(length);
        // While it waits for its turn it is not the sender who is slow.
        self.limits.progress.is_over();
        self.take(room, Some(self.deadline)).await?;
        let size = self.announced.map(|size| size as u64);
        self.track = Track::new(self.limits.timeout, size);
        Ok(())
    }

    /// More room for a body that did not say how large it is: what it holds is given back first,
    /// and taken again with what is new.
    async fn grow(&mut self, length: usize) -> Result<(), Problem> {
        let most = self.limits.bytes_max;
        let room = length.max(self.room.saturating_mul(2)).min(most);
        drop(self.share.take());
        self.take(room, None).await
    }

    async fn take(&mut self, room: usize, until: Option<Instant>) -> Result<(), Problem> {
        let (account, progress) = (self.limits.account, &self.limits.progress);
        let share = self
            .limits
            .room
            .take(account, room, progress, until)
            .await?;
        self.share = Some(share);
        self.room = room;
        self.bytes.reserve(room - self.bytes.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fair::Who;
    use super::*;
    use actix_web::FromRequest;
    use actix_web::test::TestRequest;

    async fn read_with(
        request: TestRequest,
        body: &'static [u8],
        limits: Limits<'_>,
    ) -> Result<Body, Problem> {
        let (request, mut payload) = request.set_payload(body).to_http_parts();
        let payload = Payload::from_request(&request, &mut payload).await.unwrap();
        let announced = check_head(&request, &limits)?;
        read(payload, announced, limits).await
    }

    fn limits(bytes_max: usize, room: &Room) -> Limits<'_> {
        Limits {
            bytes_max,
            timeout: Duration::from_secs(5),
            room,
            account: Account::of(Who::Peer(None)),
            progress: Arc::default(),
        }
    }

    #[actix_web::test]
    async fn a_body_of_just_the_limit_is_read_and_one_more_byte_is_not() {
        let room = Room::new(100);
        let fits = read_with(TestRequest::post(), b"12345", limits(5, &room))
            .await
            .unwrap();
        assert_eq!(&fits.bytes[..], b"12345");
        let over = read_with(TestRequest::post(), b"123456", limits(5, &room)).await;
        assert_eq!(over.unwrap_err().code(), Code::BodyTooLarge);
    }

    #[actix_web::test]
    async fn compression_is_refused_and_what_is_none_is_not() {
        let room = Room::new(100);
        for (encoding, expected) in [
            ("gzip", Some(Code::UnsupportedEncoding)),
            ("identity, br", Some(Code::UnsupportedEncoding)),
            (", gzip", Some(Code::UnsupportedEncoding)),
            ("identity", None),
            ("Identity, identity", None),
            ("", None),
            (" , ", None),
        ] {
            let request = TestRequest::post().insert_header((CONTENT_ENCODING, encoding));
            let read = read_with(request, b"x", limits(5, &room)).await;
            assert_eq!(read.err().map(|p| p.code()), expected, "{encoding:?}");
        }
    }

    #[actix_web::test]
    async fn room_is_given_back_when_the_body_is_dropped() {
        let room = Room::new(16);
        let chunked = || TestRequest::post().insert_header((TRANSFER_ENCODING, "chunked"));
        let held = read_with(chunked(), b"123456", limits(6, &room))
            .await
            .unwrap();
        let mut brief = limits(6, &room);
        brief.timeout = Duration::from_millis(20);
        let refused = read_with(chunked(), b"789", brief).await;
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        drop(held);
        assert_eq!(room.left(), 16);
        read_with(chunked(), b"789", limits(6, &room))
            .await
            .unwrap();
    }
}
