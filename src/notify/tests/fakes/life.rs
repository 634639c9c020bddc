//! The lives of incidents, as the outbox has sinks notified of them, and messages with the worst
//! texts.

use super::*;
use crate::domain::id::IncidentId;
use crate::domain::incident::{Incident, IncidentStatus, Severity};
use crate::domain::text::clean;
use crate::domain::wording;
use crate::notify::tests::digests::digest;
use crate::notify::tests::markup::templated::{templates, worded};
use crate::notify::tests::markup::with;
use crate::notify::tests::texts::texts;
use NotificationKind::{Flapping, Opened, Reminded, Reopened, Resolved, Worse};

/// What a sink is notified of during the life of an incident: the last news of its first episode
/// came while a user had acknowledged it.
pub(super) const LIFE: [NotificationKind; 7] = [
    Opened, Reminded, Worse, Resolved, Reopened, Flapping, Resolved,
];

fn state(kind: NotificationKind) -> IncidentStatus {
    match kind {
        Worse => IncidentStatus::Acknowledged,
        Resolved => IncidentStatus::Resolved,
        Opened | Reminded | Reopened | Flapping | NotificationKind::Digest => IncidentStatus::Open,
    }
}

/// The messages about an incident, in order, ten minutes after each other. None says yet what the
/// sink shows.
pub(super) fn life() -> Vec<Message> {
    let mut severity = Severity::Error;
    let numbered = (1_u32..).zip(LIFE);
    let of = |(n, kind)| {
        let base = if kind == Resolved {
            resolved()
        } else {
            message()
        };
        if kind == Worse {
            severity = Severity::Critical;
        }
        let incident = Incident {
            status: state(kind),
            severity,
            is_flapping: kind == Flapping,
            ..base.incident.clone()
        };
        let wait = Duration::from_mins(10) * n;
        Message {
            id: NotificationId::from_u128(n.into()),
            kind,
            incident,
            episode: if n > 4 { 2 } else { 1 },
            at: base.at.plus(wait),
            expires_at: base.expires_at.plus(wait),
            shown_as: None,
            ..base
        }
    };
    numbered.map(of).collect()
}

/// Sends messages about one incident. What the sink shows is kept for the next one, as the outbox
/// keeps it. Returns what it shows after each.
pub(super) async fn live(at: &At, life: Vec<Message>) -> Vec<Option<String>> {
    let (mut shown_as, mut all) = (None::<String>, Vec::new());
    for message in life {
        let kind = message.kind;
        let message = Message {
            shown_as: shown_as.clone(),
            ..message
        };
        let receipt = at.sent(&message).await;
        let Receipt::Accepted { message: new } = receipt else {
            panic!("{}: {receipt:?}", kind.as_str());
        };
        shown_as = new.or(shown_as);
        all.push(shown_as.clone());
    }
    all
}

/// What a user has sent as a test: an incident without a run.
pub(super) fn sample() -> Message {
    let of = message();
    Message {
        id: NotificationId::from_u128(99),
        incident: Incident {
            id: IncidentId::from_u128(99),
            title: wording::SAMPLE_TITLE.to_owned(),
            ci: None,
            ..of.incident
        },
        explained: None,
        ..of
    }
}

/// The longest of all texts, those that could end a block of code, and some of the others.
fn worst() -> impl Iterator<Item = String> {
    let numbered = texts().into_iter().enumerate();
    let is_one =
        |(n, text): &(usize, String)| text.len() > 1_000 || text.starts_with("``") || n % 15 == 0;
    numbered.filter(is_one).map(|(_, text)| text)
}

/// The message with this text in all of its fields, about an incident of its own.
fn filled(n: u128, text: &str, of: &Message) -> Message {
    let mut all = with(text, of).pop().expect("the last has all");
    all.id = NotificationId::from_u128(n);
    all.incident.id = IncidentId::from_u128(n);
    all.shown_as = None;
    all
}

/// Sends messages with hostile texts and very long ones in all fields, in the usual words and in
/// those of templates, and digests of them where the sink takes any. Each is accepted. Texts that
/// programs read are cleaned when they are stored, and have then at most `most` bytes. Returns how
/// many digests there were, and how many incidents.
pub(super) async fn bear(at: &At, most: usize) -> (usize, usize) {
    let (mut digests, mut incidents) = (0, 0);
    for text in worst() {
        let text = if most == usize::MAX {
            text
        } else {
            clean(&text, most).unwrap_or_default()
        };
        for is_worded in [false, true] {
            incidents += 1;
            let n = 1_000 + 2 * incidents as u128;
            let begin = filled(n, &text, &message());
            let end = Message {
                id: NotificationId::from_u128(n + 1),
                incident: Incident {
                    id: begin.incident.id,
                    ..filled(n, &text, &resolved()).incident
                },
                kind: Resolved,
                ..begin.clone()
            };
            let mut life = vec![begin, end];
            if is_worded {
                life = life.iter().map(|it| worded(it, &templates())).collect();
            }
            live(at, life).await;
        }
        if at.target.kind.takes_digest() {
            let mut digest = digest(&text, &text, &text);
            digest.id = NotificationId::from_u128(100_000 + digests as u128);
            let receipt = at.sinks.digest(&at.target, &digest).await;
            assert!(matches!(receipt, Receipt::Accepted { .. }), "{receipt:?}");
            digests += 1;
        }
    }
    assert!(incidents > 200, "{incidents}");
    (digests, incidents)
}
