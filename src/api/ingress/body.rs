//! Reading bodies within limits of size, time and room.

use super::super::error::Problem;
use actix_web::http::StatusCode;
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Limits of what comes in.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body, in bytes.
    pub max_body_bytes: usize,
    /// Longest time for a body to arrive.
    pub body_deadline: Duration,
}

/// Room in memory for bodies that are not verified yet, shared by all requests.
#[derive(Clone, Debug)]
pub struct Room {
    used: Arc<AtomicUsize>,
    max_bytes: usize,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            used: Arc::default(),
            max_bytes,
        }
    }

    fn take(&self, bytes: usize) -> Option<Taken> {
        let used = self
            .used
            .fetch_add(bytes, Ordering::AcqRel)
            .saturating_add(bytes);
        let taken = Taken {
            used: Arc::clone(&self.used),
            bytes,
        };
        // Dropping it gives the room back.
        (used <= self.max_bytes).then_some(taken)
    }
}

/// Room that is taken until this is dropped.
pub struct Taken {
    used: Arc<AtomicUsize>,
    bytes: usize,
}

impl Taken {
    fn absorb(&mut self, mut more: Self) {
        self.bytes += std::mem::take(&mut more.bytes);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// 413.
pub(super) fn too_large(limits: &Limits) -> Problem {
    let detail = format!("a delivery may have {} bytes", limits.max_body_bytes);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

fn no_room() -> Problem {
    Problem::unavailable(
        "no_room",
        "too many deliveries at once; send it again shortly",
    )
}

/// Reads a body; the room that it takes is held as long as what is returned with it.
pub(super) async fn read(
    mut payload: web::Payload,
    declared: Option<usize>,
    limits: &Limits,
    room: &Room,
) -> Result<(Bytes, Taken), Problem> {
    let mut taken = room.take(declared.unwrap_or(0)).ok_or_else(no_room)?;
    let all = async {
        let mut body = BytesMut::with_capacity(declared.unwrap_or(0).min(limits.max_body_bytes));
        while let Some(chunk) = payload.next().await {
            let cut_off = |_| Problem::bad_request("bad_body", "the body was cut off");
            let chunk = chunk.map_err(cut_off)?;
            if body.len() + chunk.len() > limits.max_body_bytes {
                return Err(too_large(limits));
            }
            if body.len() + chunk.len() > taken.bytes {
                taken.absorb(room.take(chunk.len()).ok_or_else(no_room)?);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    match tokio::time::timeout(limits.body_deadline, all).await {
        Ok(Ok(body)) => Ok((body, taken)),
        Ok(Err(problem)) => Err(problem),
        Err(_) => {
            let detail = "the body did not arrive in time";
            Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "body_too_slow",
                detail,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_when_a_body_is_done_with() {
        let room = Room::new(100);
        let first = room.take(60).unwrap();
        assert!(room.take(60).is_none());
        drop(first);
        let mut first = room.take(60).unwrap();
        first.absorb(room.take(40).unwrap());
        assert!(room.take(1).is_none());
        drop(first);
        assert_eq!(room.used.load(Ordering::SeqCst), 0);
    }
}
