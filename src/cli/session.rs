//! What every command is given: how to print, and how to reach the daemon.

use super::access::Said;
use super::client::Client;
use super::failed::Failed;
use super::output::Printer;

/// What holds for this run of the command line.
pub(super) struct Session {
    pub(super) printer: Printer,
    said: Said,
}

impl Session {
    pub(super) const fn new(printer: Printer, said: Said) -> Self {
        Self { printer, said }
    }

    /// A client of the daemon that was named, with the token for it.
    pub(super) fn client(&self) -> Result<Client, Failed> {
        Client::new(self.said.access()?)
    }

    /// What was said on the command line of the daemon and the token.
    pub(super) const fn said(&self) -> &Said {
        &self.said
    }

    /// Whether there is a token for a daemon.
    pub(super) fn has_token(&self) -> bool {
        self.said.has_token()
    }
}
