//! Reading a request's body within limits: of size, of time, and of the room that all bodies
//! have together.
//!
//! actix times only a request's head, so the deadline here is ours. It covers the wait for room.

use super::room::{Room, Share};
use crate::api::error::{Code, Problem};
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Limits<'a> {
    /// Its size.
    pub(in crate::api) bytes_max: usize,
    /// How long it may take to arrive, with the wait for room.
    pub(in crate::api) timeout: Duration,
    /// What it shares with others.
    pub(in crate::api) room: &'a Room,
}

/// A body, and its share of the room until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct Body {
    pub(in crate::api) bytes: Bytes,
    _shares: Vec<Share>,
}

fn too_large(limits: &Limits<'_>) -> Problem {
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

/// Reads the body.
pub(in crate::api) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limits: Limits<'_>,
) -> Result<Body, Problem> {
    let announced = check_head(request, &limits)?;
    let deadline = Instant::now() + limits.timeout;
    let (bytes, shares) = match announced {
        Some(0) | None => (BytesMut::new(), Vec::new()),
        // The room is there before the memory is asked for, and no more than that is asked for.
        Some(size) => {
            let share = limits.room.reserve(size, limits.timeout).await?;
            (BytesMut::with_capacity(size), vec![share])
        }
    };
    timeout_at(
        deadline,
        read_all(payload, announced, bytes, shares, &limits),
    )
    .await
    .unwrap_or_else(|_| {
        let detail = format!("the body must arrive within {:?}", limits.timeout);
        Err(Problem::new(Code::BodyTimeout, detail))
    })
}

async fn read_all(
    mut payload: Payload,
    announced: Option<usize>,
    mut bytes: BytesMut,
    mut shares: Vec<Share>,
    limits: &Limits<'_>,
) -> Result<Body, Problem> {
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| {
            Problem::new(
                Code::BadRequest,
                "the body ended early or was not well framed",
            )
        })?;
        if bytes.len() + chunk.len() > limits.bytes_max {
            return Err(too_large(limits));
        }
        if announced.is_none() {
            shares.push(limits.room.take(chunk.len())?);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body {
        bytes: bytes.freeze(),
        _shares: shares,
    })
}

#[cfg(test)]
mod tests {
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
        read(&request, payload, limits).await
    }

    fn limits(bytes_max: usize, room: &Room) -> Limits<'_> {
        Limits {
            bytes_max,
            timeout: Duration::from_secs(5),
            room,
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
        let limits = limits(100, &room);
        let chunked = || TestRequest::post().insert_header((TRANSFER_ENCODING, "chunked"));
        let held = read_with(chunked(), b"123456", limits).await.unwrap();
        let refused = read_with(chunked(), b"789", limits).await;
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        drop(held);
        assert_eq!(room.left(), 16);
        read_with(chunked(), b"789", limits).await.unwrap();
    }
}
