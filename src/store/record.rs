//! Records as bytes: a version, then bincode of a frozen struct.
//!
//! The domain knows no serialisation format. Each stored type has a frozen mirror (`...V1`) here;
//! when a type changes, a `V2` is added beside it with a step from `V1`, and never is a frozen
//! struct touched. Nothing else in the crate says `bincode`.

mod ci;
mod codec;
mod command;
mod explanation;
#[cfg(test)]
mod golden;
mod history;
mod kinds;
mod ledger;
mod notification;
mod older;
mod operation;
mod outage;
mod parts;
mod people;
mod rulebook;
mod takeover;
mod wire;

pub(in crate::store) use codec::{Record, RecordError, decode, encode};
pub(in crate::store) use parts::{Source, decode_parts, encode_parts, number};
