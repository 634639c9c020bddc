//! What a sink is sent next about an incident.
//!
//! The decision is by what the incident is now, not by what it was when a notification was planned:
//! if newer ones wait, only the newest is sent. Yet a sink is never notified of an end without the
//! beginning, nor of the beginning after the end. While the incident is something else than it was
//! last announced, nothing is decided: what is planned then changes the decision.

use super::{Announced, DropReason, Notification, NotificationKind, Shown};
use crate::domain::id::NotificationId;
use crate::domain::incident::Incident;
use crate::domain::sink::Wants;
use crate::domain::time::Timestamp;

/// What to do about the notifications of an incident that wait for one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those that are not needed.
    pub dropped: Vec<(NotificationId, DropReason)>,
    /// The one to send, when it is due.
    pub next: Option<(NotificationId, Timestamp)>,
    /// What the sink counts as showing from now on, without a call.
    pub shown: Option<Shown>,
    /// Nothing is decided before this time: the incident is muted.
    pub muted_until: Option<Timestamp>,
}

impl Choice {
    fn drop_all(waiting: &[Notification], why: DropReason) -> Self {
        Self {
            dropped: waiting.iter().map(|it| (it.id, why)).collect(),
            ..Self::default()
        }
    }

    /// Sends this one, and drops those that it makes superfluous.
    fn send(waiting: &[Notification], chosen: &Notification) -> Self {
        let others = waiting.iter().filter(|it| it.id != chosen.id);
        Self {
            dropped: others.map(|it| (it.id, DropReason::Superseded)).collect(),
            next: chosen.due_at().map(|at| (chosen.id, at)),
            ..Self::default()
        }
    }

    /// The same for a beginning. One that was not tried yet need not wait longer than the news that
    /// the incident has become more severe.
    fn begin(waiting: &[Notification], opening: &Notification) -> Self {
        let mut choice = Self::send(waiting, opening);
        let worse = waiting
            .iter()
            .filter(|it| it.kind == NotificationKind::Worse);
        let soonest = worse.filter_map(Notification::due_at).min();
        if let (Some((_, due_at)), Some(soonest)) = (&mut choice.next, soonest)
            && opening.tries == 0
        {
            *due_at = soonest.min(*due_at);
        }
        choice
    }
}

/// What to do about `waiting`: the notifications of an incident that wait for one sink, oldest
/// first. `shown` is what the sink shows of it. The incident is `None` when it is not stored any
/// more. `reminds` is whether the sink is to be reminded of it as it is. The choice is empty while
/// its news is not planned yet. While the incident is muted nothing is sent; when the mute ends,
/// what is decided is what still matters then.
pub fn choose(
    incident: Option<&Incident>,
    announced: Option<&Announced>,
    shown: Shown,
    wants: Wants,
    reminds: bool,
    waiting: &[Notification],
    now: Timestamp,
) -> Choice {
    let Some(incident) = incident else {
        return Choice::drop_all(waiting, DropReason::IncidentGone);
    };
    let muted_until = incident.muted_until(now);
    if muted_until.is_some() {
        return Choice {
            muted_until,
            ..Choice::default()
        };
    }
    // Nothing else is known to be safe: the sink may show it, or not.
    let is_unsure = |it: &&Notification| it.is_unsure() && it.kind != NotificationKind::Reminded;
    if let Some(unsure) = waiting.iter().find(is_unsure) {
        return Choice {
            next: unsure.due_at().map(|at| (unsure.id, at)),
            ..Choice::default()
        };
    }
    let is_resolved = incident.standing().is_resolved;
    if announced.is_some_and(|announced| announced.standing.is_resolved != is_resolved) {
        return Choice::default();
    }
    let newest = |fits: &dyn Fn(NotificationKind) -> bool| newest(waiting, fits);
    match (is_resolved, shown) {
        (true, Shown::Nothing | Shown::Resolved) => {
            Choice::drop_all(waiting, DropReason::ResolvedBefore)
        }
        (true, Shown::Open) => ends(waiting, wants, now),
        (false, Shown::Nothing | Shown::Resolved) => {
            let opening = newest(&NotificationKind::opens);
            match opening.or(newest(&|kind| kind == NotificationKind::Worse)) {
                Some(opening) => Choice::begin(waiting, opening),
                None => Choice::drop_all(waiting, DropReason::Superseded),
            }
        }
        (false, Shown::Open) => continues(waiting, reminds),
    }
}

/// The same for a resolved incident at a sink that shows it as open.
fn ends(waiting: &[Notification], wants: Wants, now: Timestamp) -> Choice {
    let Some(end) = newest(waiting, &|kind| kind == NotificationKind::Resolved) else {
        // Its end is not planned yet; it makes these superfluous.
        return Choice::drop_all(waiting, DropReason::Superseded);
    };
    if end.due_at().is_some_and(|due_at| due_at > now) {
        // It may fail before: the sink hears that it flaps first.
        let notice = newest(waiting, &|kind| kind == NotificationKind::Flapping);
        let mut choice = Choice::send(waiting, notice.unwrap_or(end));
        choice.dropped.retain(|(id, _)| *id != end.id);
        return choice;
    }
    if wants.resolved {
        return Choice::send(waiting, end);
    }
    Choice {
        shown: Some(Shown::Resolved),
        ..Choice::drop_all(waiting, DropReason::NotWanted)
    }
}

/// The same for an incident that is open at a sink that shows it so.
fn continues(waiting: &[Notification], reminds: bool) -> Choice {
    let newest = |fits: &dyn Fn(NotificationKind) -> bool| newest(waiting, fits);
    // The end before this beginning could not be sent: then the beginning is news.
    let end = newest(&|kind| kind == NotificationKind::Resolved);
    let beginning = newest(&NotificationKind::opens).filter(|_| end.is_none());
    let is_news = |kind| match kind {
        NotificationKind::Worse | NotificationKind::Flapping => true,
        NotificationKind::Opened
        | NotificationKind::Reopened
        | NotificationKind::Resolved
        | NotificationKind::Reminded
        | NotificationKind::Digest => false,
    };
    let news = newest(&is_news).or(beginning);
    let reminder = newest(&|kind| kind == NotificationKind::Reminded);
    match news.or(reminder.filter(|_| reminds)) {
        Some(news) => Choice::send(waiting, news),
        None if reminder.is_some() => Choice::drop_all(waiting, DropReason::NotWanted),
        None => Choice::drop_all(waiting, DropReason::Superseded),
    }
}

/// The newest of a kind that fits.
fn newest<'a>(
    waiting: &'a [Notification],
    fits: &dyn Fn(NotificationKind) -> bool,
) -> Option<&'a Notification> {
    waiting.iter().rev().find(|it| fits(it.kind))
}
