//! The least that durability costs: bodies appended to a plain file, one `fdatasync` a group.

use bytes::Bytes;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

/// Most bodies in a group, as many as the daemon takes.
const GROUP_MAX: usize = 1024;

type Entry = (Bytes, oneshot::Sender<()>);

/// A file that bodies are appended to. The thread behind it ends with the last handle.
#[derive(Clone)]
pub struct PlainLog(Sender<Entry>);

impl PlainLog {
    /// Creates the file and starts the thread that writes it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let (sender, entries) = channel();
        std::thread::Builder::new()
            .name("log".into())
            .spawn(move || write(file, &entries))?;
        Ok(Self(sender))
    }

    /// Appends a body. Returns whether it is durable.
    pub async fn append(&self, body: Bytes) -> bool {
        let (answer, written) = oneshot::channel();
        self.0.send((body, answer)).is_ok() && written.await.is_ok()
    }
}

/// Ends at the first error: whoever waits then learns that nothing was written.
fn write(mut file: File, entries: &Receiver<Entry>) {
    while let Ok(first) = entries.recv() {
        let mut group = vec![first];
        group.extend(entries.try_iter().take(GROUP_MAX - 1));
        let bytes = group
            .iter()
            .map(|(body, _)| &body[..])
            .collect::<Vec<_>>()
            .concat();
        if file
            .write_all(&bytes)
            .and_then(|()| file.sync_data())
            .is_err()
        {
            return;
        }
        for (_, answer) in group {
            // Who went away does not care.
            let _ = answer.send(());
        }
    }
}
