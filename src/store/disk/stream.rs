//! A payload out of its segment, a little at a time: neither frame nor body is ever in memory
//! whole. The frame is checked first, like any other.

use super::super::body::StoredBody;
use super::batch::{numbered_header, part, tag};
use super::compress;
use crate::store::ReadError;
use crate::store::index::Place;
use crate::store::journal::{FRAME_HEAD_BYTES, begin_check, frame_head};
use crate::store::record::{Source, number};
use std::fs::File;
use std::io::{self, BufReader, Error, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use zstd::stream::read::Decoder;

/// Read at a time.
const STEP_BYTES: usize = 32 * 1024;
/// Longest header that is taken for one.
const HEADER_BYTES_MAX: u64 = 64 * 1024;
/// Largest window of a body's compression, as a power of two: what we write has half a MiB.
const WINDOW_LOG_MAX: u32 = 23;
/// Longest head of a compressed body.
const HEAD_BYTES_MAX: usize = 18;
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

    fn bytes(mut self) -> io::Result<Vec<u8>> {
        if self.end - self.at > HEADER_BYTES_MAX {
            return Err(damaged());
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn text(self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| damaged())
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
            part::NUMBERED_HEADER => {
                let text = section.bytes()?;
                headers.push(numbered_header(&text).map_err(|_| damaged())?);
            }
            part::BODY | part::SHAPED_BODY => body = Some((section.at, section.end)),
            _ => {}
        }
    }
    let (at, end) = body.ok_or_else(damaged)?;
    let head = head(file, at, end)?;
    let bytes = compress::size(&head).ok_or_else(damaged)? as u64;
    let dictionary = compress::dictionary(&head).map_err(|_| damaged())?;
    let file = Arc::clone(file);
    let open = move || -> io::Result<Box<dyn Read + Send>> {
        let file = Arc::clone(&file);
        let section = BufReader::with_capacity(STEP_BYTES, Section { file, at, end });
        let mut decoder = match dictionary {
            Some(dictionary) => Decoder::with_prepared_dictionary(section, dictionary)?,
            None => Decoder::with_buffer(section)?,
        }
        .single_frame();
        decoder.window_log_max(WINDOW_LOG_MAX)?;
        Ok(Box::new(decoder.take(bytes)))
    };
    Ok(StoredBody::new(headers, bytes, Box::new(open)))
}

/// The first bytes of a compressed body, which tell of it.
fn head(file: &File, at: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut head =
        vec![0; usize::try_from(end - at).map_or(HEAD_BYTES_MAX, |l| l.min(HEAD_BYTES_MAX))];
    file.read_exact_at(&mut head, at)?;
    Ok(head)
}

/// The payload at a place in a segment.
pub(super) fn body_at(file: &Arc<File>, place: Place) -> Result<StoredBody, ReadError> {
    find(file, place).map_err(|error| told(&error))
}
