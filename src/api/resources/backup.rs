//! A backup of the whole store, as a stream.

use crate::api::error::{Answer, Code, Problem};
use crate::api::me::Me;
use actix_web::HttpResponse;
use actix_web::http::header::{ContentDisposition, DispositionParam, DispositionType};
use actix_web::web::Bytes;
use futures_util::stream;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bytes of a piece; so many may wait for the client.
const PIECE_BYTES: usize = 12 * 1024;
const PIECES_MAX: usize = 16;

/// What is written goes to the client, a piece at a time. Waits while the client does not read, and
/// fails when it is gone.
struct Outgoing {
    pieces: mpsc::Sender<io::Result<Bytes>>,
}

impl Outgoing {
    fn send(&self, piece: io::Result<Bytes>) -> io::Result<()> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.pieces.blocking_send(piece).map_err(gone)
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
        self.send(Ok(Bytes::copy_from_slice(piece)))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Download a backup
///
/// Everything that is stored, payloads included, as of a moment during the download; deliveries are
/// received meanwhile. Secrets in it are encrypted with the master key, which is not in it.
/// `hookherd store import` creates a data directory from it, and refuses one that was cut off.
#[utoipa::path(
    get, path = "/api/v2/admin/backup",
    responses((status = 200, content_type = "application/octet-stream", body = String))
)]
pub(in crate::api) async fn download(me: Me) -> Answer {
    let turn = Arc::clone(&me.backups).try_acquire_owned();
    let words = "Another backup is in progress. Try again after Retry-After.";
    let turn = turn.map_err(|_| Problem::new(Code::Overloaded, words))?;
    let backup = Arc::clone(&me.backup);
    let (pieces, received) = mpsc::channel(PIECES_MAX);
    // When the request is gone, it ends with its next piece.
    drop(actix_web::rt::task::spawn_blocking(move || {
        let mut out = Outgoing { pieces };
        if let Err(error) = backup(&mut out) {
            tracing::warn!(%error, "a backup was not completed");
            // Breaks the answer off: what was sent must not pass for a whole backup.
            let _ = out.send(Err(error));
        }
        drop(turn);
    }));
    tracing::info!(user.id = %me.caller.user, "backup_downloaded");
    let next = |mut received: mpsc::Receiver<io::Result<Bytes>>| async move {
        let piece = received.recv().await?;
        Some((piece, received))
    };
    let mut answer = HttpResponse::Ok();
    answer.content_type("application/octet-stream");
    answer.insert_header(ContentDisposition {
        disposition: DispositionType::Attachment,
        parameters: vec![DispositionParam::Filename("backup.hookherd".to_owned())],
    });
    Ok(answer.streaming(stream::unfold(received, next)))
}
