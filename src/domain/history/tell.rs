//! The entries that follow from a step.

use super::{Entry, EntryKind, Evidence, Reaction};
use crate::domain::connection::Connection;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::{Call, Desired, Observation, Phase, SuspendReason};
use crate::domain::rotation::Dropped;
use crate::domain::time::Timestamp;
use std::collections::BTreeSet;

/// The settings, by the providers' names, that say whether the provider verifies our certificate.
/// When that was off, deliveries could be read on their way: the history says so.
const TLS_FIELDS: [&str; 2] = ["insecure_ssl", "enable_ssl_verification"];

/// How a call that ensures a hook came to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It created it.
    Created,
    /// It found it.
    Found,
}

/// What is known of a step besides the connection before and after it.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// What it has shown.
    pub observations: &'a [Observation],
    /// The call that it begins.
    pub call: Option<Call>,
    /// The settings that a check found to differ.
    pub drift: &'a [&'static str],
    /// How the hook came to be, after a call that ensures it.
    pub made: Option<Made>,
    /// When a new secret was made: whether that was regular, at the end of an interval.
    pub rotation: Option<bool>,
    /// Former secrets were dropped.
    pub dropped: Option<Dropped>,
}

impl Facts<'_> {
    fn reaction(&self, next: &Connection) -> Reaction {
        match (self.call, next.lifecycle.phase) {
            (_, Phase::Suspended(_)) => Reaction::AskUser,
            (Some(Call::Ensure { .. }), _) => Reaction::Ensure,
            (Some(Call::Repair { .. }), _) => Reaction::Repair,
            (Some(Call::Check(_)), _) => Reaction::Check,
            (Some(Call::Ping(_)), _) => Reaction::Ping,
            (Some(Call::Delete { .. }), _) => Reaction::Delete,
            (None, _) => Reaction::None,
        }
    }
}

/// The entries of a step, without numbers, in their order.
pub fn tell(was: &Connection, is: &Connection, facts: &Facts<'_>, now: Timestamp) -> Vec<Entry> {
    let mut entries = by_request(was, is, facts, now);
    for observation in facts.observations {
        entries.extend(observed(was, is, facts, *observation, now));
    }
    entries.extend(by_difference(was, is, now));
    if let Some(dropped) = facts.dropped {
        let evidence = match dropped {
            Dropped::Unused => Evidence::Delivery,
            Dropped::Used => Evidence::Time,
        };
        entries.push(Entry::new(EntryKind::OldSecretDropped, evidence, now));
    }
    // A resumption may be both requested and observed.
    let mut seen = BTreeSet::new();
    entries.retain(|entry| entry.kind != EntryKind::Resumed || seen.insert(entry.kind));
    let reaction = facts.reaction(is);
    for entry in &mut entries {
        entry.hook = entry.hook.or_else(|| is.lifecycle.hook.id());
        entry.reaction = reaction;
    }
    entries
}

fn by_request(was: &Connection, is: &Connection, facts: &Facts<'_>, now: Timestamp) -> Vec<Entry> {
    let entry = |kind| Entry::new(kind, Evidence::Request, now);
    let mut entries = Vec::new();
    match (was.lifecycle.desired, is.lifecycle.desired) {
        (Desired::Active, Desired::Paused) => entries.push(entry(EntryKind::StoppedByUser)),
        (Desired::Paused, Desired::Active) => entries.push(entry(EntryKind::Resumed)),
        (_, _) => {}
    }
    if was.events != is.events && !was.events.is_empty() {
        entries.push(Entry {
            fields: changed(&was.events, &is.events),
            ..entry(EntryKind::EventsChanged)
        });
    }
    if let Some(is_regular) = facts.rotation {
        let evidence = if is_regular {
            Evidence::Time
        } else {
            Evidence::Request
        };
        entries.push(Entry::new(EntryKind::RotationBegun, evidence, now));
    }
    entries
}

/// What is in one list and not in the other, with `+` or `-`.
fn changed(was: &[String], is: &[String]) -> Vec<String> {
    let added = is.iter().filter(|event| !was.contains(event));
    let removed = was.iter().filter(|event| !is.contains(event));
    let added = added.map(|event| format!("+{event}"));
    added
        .chain(removed.map(|event| format!("-{event}")))
        .collect()
}

fn observed(
    was: &Connection,
    is: &Connection,
    facts: &Facts<'_>,
    observation: Observation,
    now: Timestamp,
) -> Option<Entry> {
    let entry = |kind, evidence| Some(Entry::new(kind, evidence, now));
    match observation {
        Observation::HookEnsured(hook) => ensured(was, facts.made, hook).map(|kind| Entry {
            hook: Some(hook),
            ..Entry::new(kind, Evidence::Write, now)
        }),
        Observation::HookDrifted => {
            let is_tls_off = facts.drift.iter().any(|field| TLS_FIELDS.contains(field));
            let fields = facts.drift.iter().map(|field| (*field).to_owned());
            Some(Entry {
                fields: fields.collect(),
                code: is_tls_off.then_some(ErrorCode::TlsNotVerified),
                ..Entry::new(EntryKind::Drifted, Evidence::Check, now)
            })
        }
        Observation::HookRepaired if was.lifecycle.ill => {
            entry(EntryKind::Repaired, Evidence::Write)
        }
        Observation::HookRepaired => entry(EntryKind::Updated, Evidence::Write),
        Observation::HookRewritten if was.address == is.address => {
            entry(EntryKind::Rewritten, Evidence::Write)
        }
        Observation::HookRewritten => Some(Entry {
            from: was.address.clone(),
            to: is.address.clone(),
            ..Entry::new(EntryKind::Moved, Evidence::Write, now)
        }),
        Observation::HookLost => entry(EntryKind::Lost, Evidence::Check),
        Observation::HookDisabled { permanently: true } => {
            entry(EntryKind::Disabled, Evidence::Check)
        }
        Observation::HookDisabled { permanently: false } => {
            entry(EntryKind::Paused, Evidence::Check)
        }
        Observation::HookEnabled => entry(EntryKind::Enabled, Evidence::Check),
        Observation::HookSilent => entry(EntryKind::Silent, Evidence::Pings),
        Observation::HookHeard => entry(EntryKind::Heard, Evidence::Delivery),
        Observation::Suspended(reason) => {
            let evidence = match reason {
                SuspendReason::Unauthorized => Evidence::Refusal,
                SuspendReason::HookDeletedRepeatedly => Evidence::Check,
                SuspendReason::Panics => Evidence::Fault,
            };
            let code = Some(reason.code());
            let entry = Entry::new(EntryKind::Suspended, evidence, now);
            Some(Entry { code, ..entry })
        }
        Observation::Resumed => entry(EntryKind::Resumed, Evidence::Request),
        // The history ends with the connection.
        Observation::Removed => None,
    }
}

/// What an ensured hook means; `None` when a call has only confirmed what was known.
fn ensured(was: &Connection, made: Option<Made>, hook: HookId) -> Option<EntryKind> {
    let lifecycle = &was.lifecycle;
    match made {
        // No call has confirmed a hook yet. The ping of this one may have arrived already.
        Some(Made::Created) if was.last_check_at.is_none() => Some(EntryKind::Created),
        Some(Made::Created) => Some(EntryKind::Recreated),
        // The answer to its creation was lost: its deliveries have named it since.
        Some(Made::Found) if was.last_check_at.is_none() => Some(EntryKind::Adopted),
        Some(Made::Found) | None if lifecycle.hook.id() != Some(hook) => Some(EntryKind::Adopted),
        Some(Made::Found) | None if lifecycle.ill => Some(EntryKind::Repaired),
        Some(Made::Found) | None => None,
    }
}

fn by_difference(was: &Connection, is: &Connection, now: Timestamp) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (rotating, rotated) = (&was.rotation, &is.rotation);
    if rotating.number == rotated.number {
        if rotating.confirmed_at.is_none() && rotated.confirmed_at.is_some() {
            entries.push(Entry::new(EntryKind::Rotated, Evidence::Write, now));
        }
        if rotating.proven_at.is_none() && rotated.proven_at.is_some() {
            entries.push(Entry::new(EntryKind::SecretProven, Evidence::Delivery, now));
        }
    }
    match (was.lifecycle.refused, is.lifecycle.refused) {
        (false, true) => entries.push(Entry {
            code: is.last_error.as_ref().map(|error| error.code),
            ..Entry::new(EntryKind::Refused, Evidence::Refusal, now)
        }),
        (true, false) => entries.push(Entry::new(EntryKind::Accepted, Evidence::Answer, now)),
        (_, _) => {}
    }
    if was.repository.is_some() && was.full_name != is.full_name {
        entries.push(Entry {
            from: Some(was.full_name.to_string()),
            to: Some(is.full_name.to_string()),
            ..Entry::new(EntryKind::Renamed, Evidence::Answer, now)
        });
    }
    entries
}

#[cfg(test)]
mod tests;
