//! A payload that is read a little at a time.

use crate::domain::delivery::Payload;
use std::fmt;
use std::io::{Cursor, Read, Result};

/// Opens the body at its beginning.
type Open = Box<dyn Fn() -> Result<Box<dyn Read + Send>> + Send + Sync>;

/// A delivery's payload, with a body that need not be in memory. What is open stays readable when
/// retention takes the payload.
pub struct StoredBody {
    /// The headers that are kept.
    pub headers: Vec<(String, String)>,
    /// Size of the body.
    pub bytes: u64,
    open: Open,
}

impl StoredBody {
    /// A body that can be opened again and again.
    pub(in crate::store) fn new(headers: Vec<(String, String)>, bytes: u64, open: Open) -> Self {
        Self {
            headers,
            bytes,
            open,
        }
    }

    /// Opens the body at its beginning. Reading blocks, and may fail as any read of a file.
    pub fn open(&self) -> Result<Box<dyn Read + Send>> {
        (self.open)()
    }
}

impl From<Payload> for StoredBody {
    fn from(payload: Payload) -> Self {
        let body = payload.body;
        let bytes = body.len() as u64;
        let open =
            move || -> Result<Box<dyn Read + Send>> { Ok(Box::new(Cursor::new(body.clone()))) };
        Self::new(payload.headers, bytes, Box::new(open))
    }
}

impl fmt::Debug for StoredBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredBody")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
