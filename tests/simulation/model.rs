//! The reference: what people did and what CI said, without a daemon.

use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::Connection;
use hookherd::domain::id::ConnectionId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A workflow on a branch of a repository: the results of its runs, by number.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    pub runs: BTreeMap<u64, Run>,
}

#[derive(Clone, Debug)]
pub struct Run {
    pub is_red: bool,
    pub at: Duration,
}

/// What a user wants of a connection, as far as is known: the last acknowledged request and those
/// whose answers were lost.
#[derive(Clone, Debug)]
pub struct Wish {
    pub is_active: BTreeSet<bool>,
    /// When it last became active, or may have.
    pub active_since: Duration,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Taken,
    Refused,
    /// None, or one that says nothing of whether it was stored.
    Unknown,
}

#[derive(Debug, Default)]
pub struct Model {
    /// By repository, workflow and branch.
    pub lanes: BTreeMap<(usize, &'static str, &'static str), Lane>,
    pub wishes: BTreeMap<ConnectionId, Wish>,
    /// Repositories and people whose connecting was acknowledged, and not their disconnecting.
    pub connected: BTreeSet<(usize, usize)>,
    /// Those for which a request is under way or was not answered: anything may be.
    pub unclear: BTreeSet<(usize, usize)>,
    /// Hooks' keys of connections that were disconnected without deleting their hooks.
    pub left: BTreeSet<String>,
    next_run: u64,
}

impl Model {
    pub fn next_run(&mut self) -> u64 {
        self.next_run += 1;
        self.next_run
    }

    /// A run ended.
    pub fn ended(&mut self, lane: (usize, &'static str, &'static str), number: u64, run: Run) {
        self.lanes.entry(lane).or_default().runs.insert(number, run);
    }

    /// A user asks for something.
    pub fn asked(
        &mut self,
        connection: &Connection,
        pair: Option<(usize, usize)>,
        kind: &CommandKind,
        at: Duration,
    ) {
        match kind {
            CommandKind::SetEnabled(enabled) => {
                let wish = self.wishes.entry(connection.id).or_insert_with(|| Wish {
                    is_active: BTreeSet::from([true, false]),
                    active_since: at,
                });
                wish.is_active.insert(*enabled);
            }
            CommandKind::Disconnect { delete_hook } => {
                self.unclear.extend(pair);
                if !delete_hook {
                    self.left.insert(connection.hook_key.to_string());
                }
            }
            _ => {}
        }
    }

    /// The user is answered, or gives up.
    pub fn answered(
        &mut self,
        id: ConnectionId,
        pair: Option<(usize, usize)>,
        kind: &CommandKind,
        answer: Answer,
        at: Duration,
    ) {
        match (kind, pair) {
            (CommandKind::SetEnabled(enabled), _) => {
                if let Some(wish) = self.wishes.get_mut(&id) {
                    wish.active_since = at;
                    if answer == Answer::Taken {
                        wish.is_active = BTreeSet::from([*enabled]);
                    }
                }
            }
            (CommandKind::Disconnect { .. }, Some(pair)) if answer != Answer::Unknown => {
                if answer == Answer::Taken {
                    self.connected.remove(&pair);
                }
                self.unclear.remove(&pair);
            }
            _ => {}
        }
    }
}
