//! What a template is tried on: each kind of notification and severity, with texts as short and as
//! long as they may be.

use super::context::{Is, NAMES, Values};
use crate::domain::incident::Severity;
use crate::domain::notification::NotificationKind;
use minijinja::Value;

/// No text of a message is longer, but an address.
const LONG: usize = 600;
/// The longest address.
const ADDRESS: usize = 2_048;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Values> {
    // Digests have no incident, and no templates.
    let kinds = NotificationKind::ALL.into_iter();
    let kinds = kinds.filter(|kind| *kind != NotificationKind::Digest);
    kinds.flat_map(|kind| {
        let of = move |severity| [false, true].map(|is_full| sample(kind, severity, is_full));
        Severity::ALL.into_iter().flat_map(of)
    })
}

fn sample(kind: NotificationKind, severity: Severity, is_full: bool) -> Values {
    let value = |(name, is): &(&'static str, Is)| {
        let value = match (is, *name) {
            (Is::Text, "kind") => kind.as_str().into(),
            (Is::Text, "severity") => severity.as_str().into(),
            (Is::Text, "run_url") if is_full => "w".repeat(ADDRESS).into(),
            (Is::Text, _) if is_full => "w".repeat(LONG).into(),
            (Is::Text, _) => "".into(),
            (Is::Number, _) => u32::from(!is_full).into(),
            (Is::Truth, "critical") => (severity == Severity::Critical).into(),
            (Is::Truth, "resolved") => (kind == NotificationKind::Resolved).into(),
            (Is::Truth, _) => Value::from(is_full),
        };
        (*name, value)
    };
    NAMES.iter().map(value).collect()
}
