//! Reading a request's body within limits: of size, of time, and of what all unverified bodies
//! together may hold in memory.
//!
//! actix times only a request's head, so the deadline here is ours. The bytes in flight are
//! counted as they arrive: a request that announces much and sends little takes little.

use crate::api::error::{Code, Problem};
use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory taken for a body before its first byte: most deliveries fit.
const FIRST_BYTES: usize = 32 * 1024;

/// What a body may cost.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Limits<'a> {
    /// Its size.
    pub(in crate::api) bytes_max: usize,
    /// How long it may take to arrive.
    pub(in crate::api) timeout: Duration,
    /// What all bodies together may hold; `None` for authenticated callers.
    pub(in crate::api) in_flight: Option<&'a Arc<Semaphore>>,
}

/// A body, and its share of the bytes in flight until it is dropped.
#[derive(Debug)]
pub(in crate::api) struct Body {
    pub(in crate::api) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

fn too_large(limits: &Limits<'_>) -> Problem {
    let detail = format!("at most {} bytes are accepted here", limits.bytes_max);
    Problem::new(Code::BodyTooLarge, detail)
}

/// Refuses by the head alone what could only be refused after reading it all: compressed bodies
/// and announced oversize.
pub(in crate::api) fn check_head(
    request: &HttpRequest,
    limits: &Limits<'_>,
) -> Result<usize, Problem> {
    for encoding in request.headers().get_all(CONTENT_ENCODING) {
        let is_plain = encoding
            .to_str()
            .is_ok_and(|e| e.trim().eq_ignore_ascii_case("identity"));
        if !is_plain {
            let detail = "send the body as it is, without a Content-Encoding";
            return Err(Problem::new(Code::UnsupportedEncoding, detail));
        }
    }
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    let announced = announced
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0);
    match usize::try_from(announced) {
        Ok(announced) if announced <= limits.bytes_max => Ok(announced),
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
    let reading = read_all(payload, announced, &limits);
    tokio::time::timeout(limits.timeout, reading)
        .await
        .unwrap_or_else(|_| {
            let detail = format!("the body must arrive within {:?}", limits.timeout);
            Err(Problem::new(Code::BodyTimeout, detail))
        })
}

async fn read_all(
    mut payload: Payload,
    announced: usize,
    limits: &Limits<'_>,
) -> Result<Body, Problem> {
    let mut bytes = BytesMut::with_capacity(announced.min(FIRST_BYTES));
    let mut share: Option<OwnedSemaphorePermit> = None;
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
        if let Some(in_flight) = limits.in_flight {
            let more = take(in_flight, chunk.len())?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Body {
        bytes: bytes.freeze(),
        _share: share,
    })
}

fn take(in_flight: &Arc<Semaphore>, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
    let overloaded = || {
        Problem::new(
            Code::Overloaded,
            "too many bodies are under way: send it again shortly",
        )
    };
    let bytes = u32::try_from(bytes).map_err(|_| overloaded())?;
    Arc::clone(in_flight)
        .try_acquire_many_owned(bytes)
        .map_err(|_| overloaded())
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

    fn limits(bytes_max: usize, in_flight: Option<&Arc<Semaphore>>) -> Limits<'_> {
        Limits {
            bytes_max,
            timeout: Duration::from_secs(5),
            in_flight,
        }
    }

    #[actix_web::test]
    async fn a_body_of_just_the_limit_is_read_and_one_more_byte_is_not() {
        let fits = read_with(TestRequest::post(), b"12345", limits(5, None))
            .await
            .unwrap();
        assert_eq!(&fits.bytes[..], b"12345");
        let over = read_with(TestRequest::post(), b"123456", limits(5, None)).await;
        assert_eq!(over.unwrap_err().code(), Code::BodyTooLarge);
    }

    #[actix_web::test]
    async fn compression_is_refused_and_identity_is_not() {
        for (encoding, expected) in [
            ("gzip", Some(Code::UnsupportedEncoding)),
            ("identity, br", Some(Code::UnsupportedEncoding)),
            ("identity", None),
        ] {
            let request = TestRequest::post().insert_header((CONTENT_ENCODING, encoding));
            let read = read_with(request, b"x", limits(5, None)).await;
            assert_eq!(read.err().map(|p| p.code()), expected, "{encoding}");
        }
    }

    #[actix_web::test]
    async fn bytes_in_flight_are_given_back_when_the_body_is_dropped() {
        let in_flight = Arc::new(Semaphore::new(8));
        let limits = limits(100, Some(&in_flight));
        let held = read_with(TestRequest::post(), b"123456", limits)
            .await
            .unwrap();
        let refused = read_with(TestRequest::post(), b"789", limits).await;
        assert_eq!(refused.unwrap_err().code(), Code::Overloaded);
        drop(held);
        assert_eq!(in_flight.available_permits(), 8);
        read_with(TestRequest::post(), b"789", limits)
            .await
            .unwrap();
    }
}
