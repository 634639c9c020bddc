//! Commands: which keys they write, and how they are read.

use super::key::{Key, Kind, last_id};
use super::write::{gone, mark, put};
use super::{Index, Kv, Scan, Write};
use crate::domain::command::Command;
use crate::domain::id::{CommandId, ConnectionId};
use crate::store::{After, Page, ReadError};

pub(super) fn command_key(id: CommandId) -> Key {
    Key::of(Kind::Command).id(id.as_u128())
}

fn asked_key(connection: ConnectionId) -> Key {
    Key::of(Kind::CommandAsked).id(connection.as_u128())
}

fn by_connection_key(connection: ConnectionId) -> Key {
    Key::of(Kind::CommandByConnection).id(connection.as_u128())
}

pub(super) fn put_command(command: &Command) -> Vec<Write> {
    let asked = asked_key(command.connection).id(command.id.as_u128());
    let by_connection = by_connection_key(command.connection).id(command.id.as_u128());
    vec![
        put(command_key(command.id), command),
        mark(by_connection),
        if command.is_asked() {
            mark(asked)
        } else {
            gone(asked)
        },
    ]
}

pub(super) fn forget_command<K: Kv>(
    index: &Index<K>,
    id: CommandId,
) -> Result<Vec<Write>, ReadError> {
    let writes = index.command(id)?;
    let writes = writes.iter().flat_map(put_command);
    Ok(writes.map(|(key, _)| (key, None)).collect())
}

impl<K: Kv> Index<K> {
    pub(in crate::store) fn command(&self, id: CommandId) -> Result<Option<Command>, ReadError> {
        self.record(&command_key(id))
    }

    pub(in crate::store) fn commands_asked(
        &self,
        connection: ConnectionId,
        limit: usize,
    ) -> Result<Vec<Command>, ReadError> {
        let ids = self.ids(&asked_key(connection), None, false, limit)?;
        self.each(Kind::Command, &ids)
    }

    pub(super) fn commands_beyond(
        &self,
        connection: ConnectionId,
        newest: usize,
        limit: usize,
    ) -> Result<Vec<Command>, ReadError> {
        let most = newest.saturating_add(limit);
        let ids = self.ids(&by_connection_key(connection), None, true, most)?;
        self.each(Kind::Command, ids.get(newest..).unwrap_or_default())
    }

    /// Those that wait for a connection's actor, up to `most`.
    pub(super) fn commands_waiting(
        &self,
        connection: ConnectionId,
        most: usize,
    ) -> Result<impl Iterator<Item = CommandId>, ReadError> {
        let ids = self.ids(&asked_key(connection), None, false, most)?;
        Ok(ids.into_iter().map(CommandId::from_u128))
    }

    pub(super) fn commands_of(
        &self,
        connection: ConnectionId,
        after: After<CommandId>,
    ) -> Result<Page<Command>, ReadError> {
        let prefix = by_connection_key(connection);
        let last = after.last.map(CommandId::as_u128);
        self.page(&prefix, last, after.limit, |id| {
            self.command(CommandId::from_u128(id))
        })
    }

    pub(in crate::store) fn connections_with_commands(
        &self,
    ) -> Result<Vec<ConnectionId>, ReadError> {
        let ids = self.firsts(Kind::CommandAsked)?;
        Ok(ids.into_iter().map(ConnectionId::from_u128).collect())
    }

    /// The connections that keys of a kind begin with, each once, in order of their ids.
    pub(super) fn firsts(&self, kind: Kind) -> Result<Vec<u128>, ReadError> {
        let (mut found, prefix) = (Vec::new(), Key::of(kind));
        let mut after: Option<Vec<u8>> = None;
        loop {
            let scan = Scan {
                prefix: prefix.bytes(),
                after: after.as_deref(),
                newest_first: false,
                limit: 1,
            };
            let next = self.kv.scan(scan)?;
            let Some(first) = next.first().and_then(|(key, _)| last_id(&key[..17])) else {
                return Ok(found);
            };
            found.push(first);
            // Skip everything else that begins so.
            after = Some(prefix.clone().id(first).raw(&[0xFF; 17]).into_bytes());
        }
    }
}
