//! The segments that payloads are read from, kept open: most are read soon after they came.

use super::batch::decode_payload;
use crate::domain::delivery::Payload;
use crate::store::ReadError;
use crate::store::files;
use crate::store::index::Place;
use crate::store::journal::{FRAME_HEAD_BYTES, read_payload, segment_path};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

/// Segments that are kept open.
const OPENED_MAX: usize = 8;
const DAMAGED: ReadError = ReadError::Damaged { kind: "payload" };

/// Segments that are open, the last one that was used first.
#[derive(Debug, Default)]
pub(super) struct Opened(Mutex<VecDeque<(u64, Arc<File>)>>);

impl Opened {
    /// A segment; `None` when it is gone.
    pub(super) fn get(&self, journal: &Path, segment: u64) -> Result<Option<Arc<File>>, ReadError> {
        let mut opened = self.0.lock();
        if let Some(at) = opened.iter().position(|(id, _)| *id == segment) {
            opened.swap(0, at);
            return Ok(opened.front().map(|(_, file)| Arc::clone(file)));
        }
        let file = match files::open(&segment_path(journal, segment)) {
            Ok(file) => Arc::new(file),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ReadError::Unavailable(error.to_string())),
        };
        opened.truncate(OPENED_MAX - 1);
        opened.push_front((segment, Arc::clone(&file)));
        Ok(Some(file))
    }

    /// A segment is being deleted: who has it open holds its space.
    pub(super) fn close(&self, segment: u64) {
        self.0.lock().retain(|(id, _)| *id != segment);
    }

    /// Reads a payload from its segment; `None` when the segment is gone.
    pub(super) fn payload(
        &self,
        journal: &Path,
        place: Place,
    ) -> Result<Option<Payload>, ReadError> {
        let Some(file) = self.get(journal, place.segment)? else {
            return Ok(None);
        };
        let frame = read_payload(&file, place.segment, place.offset);
        let frame = frame.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => DAMAGED,
            _ => ReadError::Unavailable(error.to_string()),
        })?;
        let frame = frame.ok_or(DAMAGED)?;
        let payload = decode_payload(&frame[FRAME_HEAD_BYTES..], place.change);
        payload.map(Some).map_err(|_| DAMAGED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_open_and_one_that_is_closed_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Opened::default();
        for segment in 1..20 {
            assert!(opened.get(dir.path(), segment).unwrap().is_none());
            let path = segment_path(dir.path(), segment);
            std::fs::write(&path, "").unwrap();
            assert!(opened.get(dir.path(), segment).unwrap().is_some());
            assert!(opened.0.lock().len() <= OPENED_MAX);
        }
        std::fs::remove_file(segment_path(dir.path(), 19)).unwrap();
        assert!(opened.get(dir.path(), 19).unwrap().is_some());
        opened.close(19);
        assert!(opened.get(dir.path(), 19).unwrap().is_none());
    }
}
