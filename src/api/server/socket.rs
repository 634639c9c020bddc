//! A client's connection, with what actix leaves open: it hands over one request at a time, cuts
//! off heads that take too long or are too large, and clients that do not read.
//!
//! actix has no deadline for writing, times only the first head of a connection, decodes whatever
//! requests a client sends ahead, and answers them into a buffer that grows while it is not read.

use super::framing::{Chunks, Framing};
use super::peers::{Doing, Seat};
use crate::api::progress::Progress;
use crate::telemetry::{Limit, limit_reached};
use actix_web::HttpRequest;
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{Sleep, sleep_until};
use bytes::{Buf, BytesMut};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Read at a time while a head is awaited.
const HEAD_STEP_BYTES: usize = 4 * 1024;
/// Longest head. Providers' have one or two KiB, cookies of a neighbour some more.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// What a client must read in each span of [`Pace::write_deadline`], in bytes a second: slower
/// than any line that people have.
const READ_BYTES_PER_SECOND: usize = 4 * 1024;
/// How long the rest of a body may take whose request is answered.
const REST_DEADLINE: Duration = Duration::from_secs(5);
/// The answer to a client whose head took too long.
const HEAD_TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
      content-length: 0\r\nconnection: close\r\n\r\n";
/// The answer to a client whose head is too large; it may be gone before it reads that.
const HEAD_TOO_LARGE: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
      content-length: 0\r\nconnection: close\r\n\r\n";

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For a head, from its first byte; for the first one from the start.
    pub(super) head_deadline: Duration,
    /// For reading what we have written, span after span.
    pub(super) write_deadline: Duration,
}

/// What the handlers of requests and the connection tell each other.
#[derive(Debug)]
pub(in crate::api) struct Gate {
    seat: Seat,
    framing: Cell<Framing>,
    /// Whether the request is answered, although not all of it may have been read.
    is_answered: Cell<bool>,
    reader: RefCell<Option<Waker>>,
}

impl Gate {
    /// A request has begun, with a body or without.
    pub(super) fn begin(&self, body: Option<Framing>, doing: Doing) {
        self.is_answered.set(false);
        self.framing.set(body.unwrap_or(Framing::Hold));
        self.seat.member.begins(doing);
        self.wake();
    }

    /// How the body of the present request gets on.
    pub(in crate::api) fn progress(&self) -> Arc<Progress> {
        self.seat.member.progress()
    }

    /// It is answered, as far as we are concerned: the next one may come behind it.
    pub(super) fn end(&self) {
        self.is_answered.set(true);
        self.handed_over(self.framing.get());
        if self.seat.member.doing() != Doing::Stalled {
            self.seat.member.is_doing(Doing::Idle);
        }
        self.wake();
    }

    /// So much is left of the request.
    fn handed_over(&self, left: Framing) {
        let is_over = matches!(left, Framing::Hold | Framing::Length(0));
        self.framing.set(match (is_over, self.is_answered.get()) {
            (true, true) => Framing::START,
            (true, false) => Framing::Hold,
            (false, _) => left,
        });
    }

    /// Whether a request is answered, and not all of its body has come.
    fn is_left_over(&self) -> bool {
        let is_body = matches!(self.framing.get(), Framing::Length(_) | Framing::Chunked(_));
        self.is_answered.get() && is_body
    }

    /// Whether a request is awaited.
    fn is_between(&self) -> bool {
        matches!(self.framing.get(), Framing::Head(_))
    }

    /// The framing of a body in chunks.
    pub(super) const CHUNKED: Framing = Framing::Chunked(Chunks::START);

    fn wake(&self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}

/// How the body of a request gets on, where its connection is watched over.
pub(in crate::api) fn progress_of(request: &HttpRequest) -> Arc<Progress> {
    let gate = request.conn_data::<Rc<Gate>>();
    gate.map_or_else(Arc::default, |gate| gate.progress())
}

/// A span in which a client has to read.
#[derive(Debug)]
struct Span {
    ends: Pin<Box<Sleep>>,
    moved: usize,
    /// What it did before it stalled.
    before: Doing,
}

/// The connection.
#[derive(Debug)]
pub(super) struct Socket {
    io: TcpStream,
    gate: Rc<Gate>,
    pace: Pace,
    /// Read, and not handed over yet.
    ahead: BytesMut,
    /// Bytes of the present head that were handed over, and when it has to be there.
    head: Option<(usize, Pin<Box<Sleep>>)>,
    writing: Option<Span>,
    is_blocked: bool,
    /// When the rest of a body has to be there whose request is answered already.
    rest: Option<Pin<Box<Sleep>>>,
}

fn cut(why: &'static str) -> Error {
    Error::new(ErrorKind::TimedOut, why)
}

impl Socket {
    pub(super) fn new(io: TcpStream, seat: Seat, pace: Pace) -> Self {
        let gate = Gate {
            seat,
            framing: Cell::new(Framing::START),
            is_answered: Cell::new(false),
            reader: RefCell::new(None),
        };
        Self {
            io,
            gate: Rc::new(gate),
            pace,
            ahead: BytesMut::new(),
            head: Some((
                0,
                Box::pin(sleep_until(Instant::now() + pace.head_deadline)),
            )),
            writing: None,
            is_blocked: false,
            rest: None,
        }
    }

    pub(super) fn gate(&self) -> Rc<Gate> {
        Rc::clone(&self.gate)
    }

    /// Whether this connection may continue: an error says why not.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<()> {
        if self.gate.seat.member.has_to_go(cx.waker()) {
            return Err(cut("others need the room"));
        }
        let head = self.head.as_mut();
        if head.is_some_and(|(_, deadline)| deadline.as_mut().poll(cx).is_ready()) {
            limit_reached(Limit::HeadDeadline);
            let _ = self.io.try_write(HEAD_TOO_SLOW);
            return Err(cut("the head took too long"));
        }
        if !self.gate.is_left_over() {
            self.rest = None;
        } else if self.rest_is_late(cx) {
            return Err(cut("the rest of an answered body does not end"));
        }
        let Some(span) = &mut self.writing else {
            return Ok(());
        };
        if !self.is_blocked || span.ends.as_mut().poll(cx).is_pending() {
            return Ok(());
        }
        let least = READ_BYTES_PER_SECOND * seconds(self.pace.write_deadline);
        if span.moved < least {
            limit_reached(Limit::WriteDeadline);
            return Err(cut("the client does not read"));
        }
        span.moved = 0;
        let next = Instant::now() + self.pace.write_deadline;
        span.ends.as_mut().reset(next);
        let _ = span.ends.as_mut().poll(cx);
        Ok(())
    }

    /// Who was answered before they had sent it all may send the rest, for a while.
    fn rest_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let new = || Box::pin(sleep_until(Instant::now() + REST_DEADLINE));
        let rest = self.rest.get_or_insert_with(new);
        rest.as_mut().poll(cx).is_ready()
    }

    /// Hands over what is read already, as far as it may be.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) -> Result<()> {
        let mut framing = self.gate.framing.get();
        let is_head = matches!(framing, Framing::Head(_));
        let most = self.ahead.len().min(buffer.remaining());
        let admitted = framing.admit(&self.ahead[..most]);
        if is_head {
            // A new request: what was answered is the one before it.
            self.gate.is_answered.set(false);
        }
        self.gate.handed_over(framing);
        buffer.put_slice(&self.ahead[..admitted]);
        self.ahead.advance(admitted);
        if self.ahead.is_empty() {
            // Most connections wait most of the time: without memory.
            self.ahead = BytesMut::new();
        }
        if is_head {
            self.count_head(admitted, framing == Framing::Hold)?;
        }
        Ok(())
    }

    fn count_head(&mut self, admitted: usize, is_whole: bool) -> Result<()> {
        let deadline = self.pace.head_deadline;
        let new = || (0, Box::pin(sleep_until(Instant::now() + deadline)));
        let (seen, _) = self.head.get_or_insert_with(new);
        *seen += admitted;
        if *seen > HEAD_BYTES_MAX {
            limit_reached(Limit::HeadBytes);
            let _ = self.io.try_write(HEAD_TOO_LARGE);
            return Err(Error::new(ErrorKind::InvalidData, "the head is too large"));
        }
        if is_whole {
            self.head = None;
        }
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let framing = self.gate.framing.get();
        // Nothing new is begun for a client that does not read what it has asked for.
        let is_head = matches!(framing, Framing::Head(_));
        if framing == Framing::Hold || (is_head && self.is_blocked) {
            return Poll::Pending;
        }
        if self.ahead.is_empty() {
            let mut step = [0; HEAD_STEP_BYTES];
            let most = buffer.remaining().min(HEAD_STEP_BYTES);
            let mut read = ReadBuf::new(&mut step[..most]);
            if let Framing::Length(left) = framing {
                // Nothing can follow that would have to be kept back.
                return self.read_body(cx, buffer, left);
            }
            match Pin::new(&mut self.io).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.ahead.extend_from_slice(read.filled());
        }
        self.hand_over(buffer)?;
        if self.head.is_some() {
            // The deadline is new, or what is there was not all.
            self.check(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    fn read_body(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
        left: u64,
    ) -> Poll<Result<()>> {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let most = left.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
        let read = Pin::new(&mut self.io).poll_read(cx, &mut part);
        let length = part.filled().len();
        buffer.advance(length);
        self.gate
            .handed_over(Framing::Length((left - length) as u64));
        read
    }
}

fn seconds(duration: Duration) -> usize {
    usize::try_from(duration.as_secs()).unwrap_or(usize::MAX)
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        *self.gate.reader.borrow_mut() = Some(cx.waker().clone());
        self.check(cx)?;
        self.read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        match &written {
            Poll::Ready(Ok(moved)) => {
                if let Some(span) = &mut this.writing {
                    span.moved += moved;
                    if this.is_blocked {
                        let is_between = this.gate.is_between();
                        let doing = if is_between { Doing::Idle } else { span.before };
                        this.gate.seat.member.is_doing(doing);
                    }
                }
                if std::mem::take(&mut this.is_blocked) {
                    this.gate.wake();
                }
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                this.is_blocked = true;
                let member = &this.gate.seat.member;
                let (doing, deadline) = (member.doing(), this.pace.write_deadline);
                this.writing.get_or_insert_with(|| Span {
                    ends: Box::pin(sleep_until(Instant::now() + deadline)),
                    moved: 0,
                    before: doing,
                });
                member.is_doing(Doing::Stalled);
                this.check(cx)?;
            }
        }
        written
    }

    /// All that was to be sent is with the kernel. The span ends with the answer.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.gate.is_between() {
            self.writing = None;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
