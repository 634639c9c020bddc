//! A payload out of its segment, a little at a time: neither frame nor body is ever in memory
//! whole. The frame is checked first, like any other.

use super::super::body::StoredBody;
use super::batch::{part, tag};
use crate::store::ReadError;
use crate::store::index::Place;
use crate::store::journal::{FRAME_HEAD_BYTES, begin_check, frame_head};
use crate::store::record::{Source, number};
use std::fs::File;
use std::io::{self, BufReader, Error, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Read at a time.
const STEP_BYTES: usize = 32 * 1024;
/// Longest header that is taken for one.
const HEADER_BYTES_MAX: u64 = 64 * 1024;
/// Largest window of a body's compression, as a power of two: what we write has half a MiB.
const WINDOW_LOG_MAX: u32 = 23;
const DAMAGED: ReadError = ReadError::Damaged { kind: "payload" };

fn told(error: &Error) -> ReadError {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => DAMAGED,
        _ => ReadError::Unavailable(error.to_string()),
    }
}

fn damaged() -> Error {
    Error::from(ErrorKind::InvalidData)
}

/// A range of a file.
struct Section {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Section {
    /// The next so many bytes of it, as a section of their own.
    fn split(&mut self, length: u64) -> io::Result<Self> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.end);
        let end = end.ok_or_else(damaged)?;
        let file = Arc::clone(&self.file);
        let at = std::mem::replace(&mut self.at, end);
        Ok(Self { file, at, end })
    }

    fn length(&mut self) -> io::Result<u64> {
        number(self)?.ok_or_else(damaged)
    }

    /// The next part with its tag.
    fn part(&mut self) -> io::Result<(u8, Self)> {
        let mut tag = [0];
        self.fill(&mut tag)?;
        let length = self.length()?;
        Ok((tag[0], self.split(length)?))
    }

    fn text(mut self) -> io::Result<String> {
        if self.end - self.at > HEADER_BYTES_MAX {
            return Err(damaged());
        }
        let mut text = String::new();
        self.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Source for Section {
    type Error = Error;

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        let mut section = self.split(bytes.len() as u64)?;
        section.read_exact(bytes)
    }
}

impl Read for Section {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = bytes.len().min(left);
        let read = self.file.read_at(&mut bytes[..most], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The payload of the frame at a place, when it is whole and unharmed.
fn checked(file: &Arc<File>, place: Place) -> io::Result<Section> {
    let mut head = [0; FRAME_HEAD_BYTES];
    file.read_exact_at(&mut head, place.offset)?;
    let (length, crc) = frame_head(&head, place.segment, place.offset).ok_or_else(damaged)?;
    let at = place.offset + FRAME_HEAD_BYTES as u64;
    let section = |at| Section {
        file: Arc::clone(file),
        at,
        end: at + length as u64,
    };
    let (mut check, mut rest) = (begin_check(place.segment, place.offset), section(at));
    let mut step = vec![0; STEP_BYTES];
    while rest.at < rest.end {
        match rest.read(&mut step)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => check.update(&step[..read]),
        }
    }
    if check.finalize() == crc {
        Ok(section(at))
    } else {
        Err(damaged())
    }
}

fn find(file: &Arc<File>, place: Place) -> io::Result<StoredBody> {
    let mut changes = checked(file, place)?;
    let count = changes.length()?;
    if u64::from(place.change) >= count {
        return Err(damaged());
    }
    for _ in 0..place.change {
        changes.part()?;
    }
    let (tag, mut insertion) = changes.part()?;
    if tag != tag::INSERT_DELIVERY {
        return Err(damaged());
    }
    let (mut headers, mut name, mut body) = (Vec::new(), None, None);
    for _ in 0..insertion.length()? {
        let (kind, section) = insertion.part()?;
        match kind {
            part::HEADER_NAME => name = Some(section.text()?),
            part::HEADER_VALUE => {
                headers.push((name.take().ok_or_else(damaged)?, section.text()?));
            }
            part::BODY => body = Some((section.at, section.end)),
            _ => {}
        }
    }
    let (at, end) = body.ok_or_else(damaged)?;
    let bytes = size(file, at, end)?;
    let file = Arc::clone(file);
    let open = move || -> io::Result<Box<dyn Read + Send>> {
        let file = Arc::clone(&file);
        let section = BufReader::with_capacity(STEP_BYTES, Section { file, at, end });
        let mut decoder = zstd::stream::read::Decoder::with_buffer(section)?.single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Box::new(decoder.take(bytes)))
    };
    Ok(StoredBody::new(headers, bytes, Box::new(open)))
}

/// Size of a compressed body, as its own head tells it.
fn size(file: &File, at: u64, end: u64) -> io::Result<u64> {
    let mut head = [0; 18];
    let most = head
        .len()
        .min(usize::try_from(end - at).unwrap_or(usize::MAX));
    file.read_exact_at(&mut head[..most], at)?;
    let size = zstd::zstd_safe::get_frame_content_size(&head[..most]);
    size.ok().flatten().ok_or_else(damaged)
}

/// The payload at a place in a segment.
pub(super) fn body_at(file: File, place: Place) -> Result<StoredBody, ReadError> {
    find(&Arc::new(file), place).map_err(|error| told(&error))
}
