//! What a template sees of a notification: names with short texts, numbers and truth values. None
//! is missing: what is not known is an empty text.

use super::super::card::{self, Card};
use super::super::deliver::{Lasting, Message};
use crate::domain::explanation::Explained;
use crate::domain::incident::{Incident, Severity};
use crate::domain::notification::NotificationKind;
use crate::domain::time::Timestamp;
use minijinja::Value;
use std::collections::BTreeMap;

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The kind of notification.
    pub kind: NotificationKind,
    /// The incident.
    pub incident: &'a Incident,
    /// What the provider says about it.
    pub explained: Option<&'a Explained>,
}

impl<'a> From<&'a Message> for About<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            kind: message.kind,
            incident: &message.incident,
            explained: message.explained.as_ref(),
        }
    }
}

impl<'a> From<&'a Lasting> for About<'a> {
    fn from(lasting: &'a Lasting) -> Self {
        Self {
            kind: lasting.kind(),
            incident: &lasting.incident,
            explained: lasting.explained.as_ref(),
        }
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Is {
    /// A text in one line.
    Text,
    /// A number.
    Number,
    /// True or false.
    Truth,
}

/// What each name stands for.
pub(super) type Values = BTreeMap<&'static str, Value>;

macro_rules! names {
    ($($name:ident: $is:ident = $make:expr;)*) => {
        /// The names that a template may use.
        pub(super) const NAMES: &[(&str, Is)] = &[$((stringify!($name), Is::$is)),*];

        impl About<'_> {
            /// What each name stands for.
            pub(super) fn values(&self) -> Values {
                let card = Card::about(self.kind, self.incident, self.explained);
                let mut values = Values::new();
                $({
                    let make: fn(&Self, &Card) -> Value = $make;
                    values.insert(stringify!($name), make(self, &card));
                })*
                values
            }
        }
    };
}

names! {
    kind: Text = |it, _| it.kind.as_str().into();
    status: Text = |_, card| card.status().into();
    severity: Text = |it, _| it.incident.severity.as_str().into();
    critical: Truth = |it, _| (it.incident.severity == Severity::Critical).into();
    resolved: Truth = |it, _| (it.kind == NotificationKind::Resolved).into();
    flaky: Truth = |it, _| it.incident.is_flaky.into();
    flapping: Truth = |it, _| it.incident.is_flapping.into();
    title: Text = |_, card| card.title.as_str().into();
    failure: Text = |it, _| text(card::line(&it.incident.failure_type));
    repository: Text = |_, card| fact(card, "Repository");
    workflow: Text = |_, card| fact(card, "Workflow");
    branch: Text = |_, card| fact(card, "Branch");
    trigger: Text = |it, _| text(it.incident.ci.as_ref().and_then(|ci| card::line(&ci.trigger)));
    commit: Text = |it, _| text(it.incident.ci.as_ref().and_then(card::sha));
    commit_title: Text = |it, _| {
        let ci = it.incident.ci.as_ref();
        text(ci.and_then(|ci| card::commit_title(ci, card::tested(it.explained))))
    };
    author: Text = |_, card| fact(card, "Author");
    failed_jobs: Text = |_, card| fact(card, "Failed jobs");
    failed_step: Text = |_, card| fact(card, "Failed step");
    since_last_pass: Text = |_, card| fact(card, "Since last pass");
    resolution: Text = |_, card| fact(card, "Resolution");
    occurrences: Number = |it, _| it.incident.occurrences.into();
    first_seen_at: Text = |it, _| time(Some(it.incident.first_seen_at));
    last_seen_at: Text = |it, _| time(Some(it.incident.last_seen_at));
    resolved_at: Text = |it, _| time(it.incident.resolved_at);
    incident_id: Text = |it, _| it.incident.id.to_string().into();
    run_url: Text = |_, card| text(card.link.clone());
}

fn text(text: Option<String>) -> Value {
    text.unwrap_or_default().into()
}

fn fact(card: &Card, label: &str) -> Value {
    let fact = card.facts.iter().find(|fact| fact.label == label);
    text(fact.map(|fact| fact.value.clone()))
}

/// To the second, in UTC.
fn time(at: Option<Timestamp>) -> Value {
    let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
    let at = at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    text(at)
}
