//! What users do with sinks and notifications.

use super::disabled;
use super::outcome::shown_by;
use super::room::{Line, Room};
use super::sample;
use super::worded::worded;
use crate::domain::id::{NotificationId, OwnerId, SinkId};
use crate::domain::incident::{Resolution, Severity};
use crate::domain::notification::{Notification, NotificationKind, NotificationState};
use crate::domain::rulebook::check::BadRules;
use crate::domain::rulebook::opening::Opening;
use crate::domain::rulebook::quiet::QuietHours;
use crate::domain::rulebook::{Rule, Rulebook};
use crate::domain::secret::Sealed;
use crate::domain::sink::digest::{Digest, Schedule};
use crate::domain::sink::template::{TemplateEdit, Templates};
use crate::domain::sink::{Sink, SinkKind, SinkState, Wants};
use crate::domain::time::Timestamp;
use crate::domain::wording;
use crate::notify::template::{self, About};
use crate::notify::{Message, Prepared, Receipt, Unfit, Wish, Words};
use crate::store::{
    After, Batch, Change, CommitError, Conflict, Guard, NotificationFilter, ReadError,
};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Newest notifications of an incident that are looked at.
const LOOKED_AT_MAX: usize = 100;

/// A sink to add.
#[derive(Clone, Debug)]
pub struct NewSink {
    /// Its owner.
    pub owner: OwnerId,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SinkKind,
    /// Its address and keys.
    pub wish: Wish,
    /// What it is sent.
    pub wants: Wants,
    /// In which words.
    pub templates: Templates,
    /// When it gets a digest.
    pub digest: Option<Schedule>,
    /// The most sinks that its owner may have, with it.
    pub most: usize,
}

/// What changes of a sink.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// Its name.
    pub name: Option<String>,
    /// Its templates.
    pub templates: TemplateEdit,
    /// When it gets a digest; `Some(None)` ends that.
    pub digest: Option<Option<Schedule>>,
    /// Another address, or other keys. Enables a sink that was disabled.
    pub wish: Option<Wish>,
    /// Whether it is notified of resolved incidents.
    pub resolved: Option<bool>,
    /// The least severity.
    pub severity: Option<Severity>,
    /// Whether it is used. `true` also enables one that was disabled.
    pub is_enabled: Option<bool>,
}

/// The rules that an owner is to have.
#[derive(Clone, Debug)]
pub struct NewRules {
    /// The owner.
    pub owner: OwnerId,
    /// The version that they replace, 0 for none; `None` for any.
    pub replaces: Option<u64>,
    /// When sinks are not disturbed.
    pub quiet: Option<QuietHours>,
    /// The rules, in order.
    pub rules: Vec<Rule>,
    /// Which ends of runs open incidents.
    pub opening: Vec<Opening>,
}

impl NewRules {
    /// The document with this version.
    pub fn book(&self, version: u64, changed_at: Timestamp) -> Rulebook {
        Rulebook {
            owner: self.owner,
            version,
            changed_at,
            quiet: self.quiet.clone(),
            rules: self.rules.clone(),
            opening: self.opening.clone(),
        }
    }
}

/// A sink, and the key that was generated for it, to be shown once.
pub type Added = (Sink, Option<Zeroizing<String>>);

/// What a test came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The answer.
    pub receipt: Receipt,
    /// How long it took.
    pub took: Duration,
    /// Why a template failed, if one did: then the usual words were sent.
    pub template_error: Option<String>,
}

/// Why a request was not carried out. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// What is named is not there any more.
    #[error("no such sink or notification")]
    NotFound,
    /// Something that was entered will not do.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// Something in the rules will not do.
    #[error(transparent)]
    Rules(#[from] BadRules),
    /// Not possible in the present state.
    #[error("{0}")]
    NotNow(&'static str),
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The sink with another target.
fn aimed(room: &Room, sink: Sink, prepared: &Prepared) -> Sink {
    let host = prepared.host.clone();
    let sink = Sink { host, ..sink };
    let target = room.tools.sealed(&sink, &prepared.plain);
    Sink { target, ..sink }
}

pub(super) async fn add(room: &Room, new: NewSink) -> Result<Added, DeskError> {
    let (tools, now) = (&room.tools, room.tools.now());
    template::check(new.kind, &new.templates)?;
    check_digest(new.kind, new.digest.as_ref())?;
    let prepared = tools
        .deliver
        .prepare(new.kind, &new.wish, &*tools.entropy)?;
    let sink = Sink {
        id: SinkId::generate(tools.clock.now_for_id(), &*tools.entropy),
        owner: new.owner,
        name: new.name,
        kind: new.kind,
        host: String::new(),
        target: Sealed(Vec::new()),
        address: 0,
        wants: new.wants,
        templates: new.templates,
        digest: new.digest.map(|schedule| Digest::new(schedule, now)),
        state: SinkState::Enabled,
        hold_until: None,
        failing_since: None,
        created_at: now,
    };
    let sink = aimed(room, sink, &prepared);
    let batch = Batch::of(vec![Change::PutSink(Box::new(sink.clone()))]);
    let (owner, most) = (new.owner, new.most);
    let batch = batch.guarded_by(Guard::OwnerPresent(owner));
    let batch = batch.guarded_by(Guard::NewSink { owner, most });
    tools.store.commit(batch).await?;
    tracing::info!(sink.id = %sink.id, kind = sink.kind.as_str(), "sink_added");
    Ok((sink, prepared.generated))
}

/// Whether sinks of this kind get such a digest.
fn check_digest(kind: SinkKind, schedule: Option<&Schedule>) -> Result<(), Unfit> {
    let Some(schedule) = schedule else {
        return Ok(());
    };
    let refused = |field, why: &str| {
        let why = why.to_owned();
        Err(Unfit { field, why })
    };
    if !kind.takes_digest() {
        let why = "this kind of sink has alerts only, and shows no digest. Leave it out";
        return refused("digest", why);
    }
    if !schedule.is_valid() {
        let why = "expected the name of a time zone, such as Europe/Berlin";
        return refused("digest.time_zone", why);
    }
    Ok(())
}

/// The digest after an edit. The time of a pause counts as reported.
fn digest_after(sink: &Sink, edit: &Edit, now: Timestamp) -> Option<Digest> {
    let present = sink.digest.clone();
    let digest = match &edit.digest {
        None => present,
        Some(None) => None,
        Some(Some(schedule)) => Some(match present {
            Some(digest) => digest.with(schedule.clone()),
            None => Digest::new(schedule.clone(), now),
        }),
    };
    let is_resumed = edit.is_enabled == Some(true) && sink.state == SinkState::Paused;
    let restarted = |digest: Digest| Digest {
        covered_until: now,
        ..digest
    };
    if is_resumed {
        return digest.map(restarted);
    }
    digest
}

fn edited(sink: Sink, edit: &Edit, now: Timestamp) -> Sink {
    let wants = Wants {
        resolved: edit.resolved.unwrap_or(sink.wants.resolved),
        severity: edit.severity.unwrap_or(sink.wants.severity),
    };
    let templates = edit.templates.apply(&sink.templates);
    let digest = digest_after(&sink, edit, now);
    let name = edit.name.clone().unwrap_or(sink.name);
    let (state, hold_until, failing_since) = match edit.is_enabled {
        None => (sink.state, sink.hold_until, sink.failing_since),
        Some(false) => (SinkState::Paused, sink.hold_until, None),
        // A person says that it works again.
        Some(true) => (SinkState::Enabled, None, None),
    };
    Sink {
        name,
        wants,
        templates,
        digest,
        state,
        hold_until,
        failing_since,
        ..sink
    }
}

pub(super) async fn edit(room: &Room, id: SinkId, edit: Edit) -> Result<Added, DeskError> {
    let tools = &room.tools;
    loop {
        let present = tools.store.sink(id).await?.ok_or(DeskError::NotFound)?;
        let mut sink = edited(present.clone(), &edit, tools.now());
        check_digest(sink.kind, edit.digest.as_ref().and_then(Option::as_ref))?;
        // Those that it has are not in the way of other changes.
        if sink.templates != present.templates {
            template::check(sink.kind, &sink.templates)?;
        }
        let mut generated = None;
        if let Some(wish) = &edit.wish {
            let prepared = tools.deliver.prepare(sink.kind, wish, &*tools.entropy)?;
            sink = aimed(room, sink, &prepared);
            // Another address has not asked for anything, and shows nothing.
            (sink.hold_until, sink.failing_since) = (None, None);
            sink.address = sink.address.wrapping_add(1);
            // What the former one has answered says nothing of it.
            if matches!(sink.state, SinkState::Disabled { .. }) {
                sink.state = SinkState::Enabled;
            }
            generated = prepared.generated;
        }
        let batch = Batch::of(vec![Change::PutSink(Box::new(sink.clone()))]);
        let batch = disabled::with_end(room, &present, &sink, batch).await?;
        let guard = Guard::SameSink(Box::new(present));
        match tools.store.commit(batch.guarded_by(guard)).await {
            // Its task has changed it meanwhile.
            Err(CommitError::Conflict(Conflict::Changed)) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                room.has_changed(id);
                return Ok((sink, generated));
            }
        }
    }
}

pub(super) async fn set_rules(room: &Room, new: NewRules) -> Result<Rulebook, DeskError> {
    let tools = &room.tools;
    let owner = new.owner;
    loop {
        let sinks = tools.store.sinks_of(owner).await?;
        let sinks: Vec<SinkId> = sinks.iter().map(|sink| sink.id).collect();
        let have = tools.store.rulebook(owner).await?;
        let version = have.map_or(0, |book| book.version);
        if new.replaces.is_some_and(|replaces| replaces != version) {
            return Err(CommitError::Conflict(Conflict::Changed).into());
        }
        let book = new.book(version.saturating_add(1), tools.now());
        book.check(&sinks)?;
        let batch = Batch::of(vec![Change::PutRulebook(Box::new(book.clone()))]);
        let batch = batch.guarded_by(Guard::OwnerPresent(owner));
        match tools
            .store
            .commit(batch.guarded_by(Guard::RulesAt { owner, version }))
            .await
        {
            // Another request has set them meanwhile.
            Err(CommitError::Conflict(Conflict::Changed)) if new.replaces.is_none() => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                tracing::info!(user.id = %owner, rules = book.rules.len(), "rules_changed");
                return Ok(book);
            }
        }
    }
}

pub(super) async fn remove(room: &Room, id: SinkId) -> Result<(), DeskError> {
    let store = &room.tools.store;
    while let Some(present) = store.sink(id).await? {
        let batch = Batch::of(vec![Change::DeleteSink(id)]);
        let batch = disabled::resolved(room, id, Resolution::Disconnected, batch).await?;
        let guard = Guard::SameSink(Box::new(present));
        match store.commit(batch.guarded_by(guard)).await {
            // Its task, or a user, has changed it or its incident meanwhile.
            Err(CommitError::Conflict(Conflict::Changed)) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => break,
        }
    }
    room.has_changed(id);
    tracing::info!(sink.id = %id, "sink_removed");
    Ok(())
}

pub(super) async fn test(room: &Room, id: SinkId) -> Result<Tested, DeskError> {
    let tools = &room.tools;
    let sink = tools.store.sink(id).await?.ok_or(DeskError::NotFound)?;
    let target = tools.target(&sink);
    let target = target.map_err(|_| DeskError::NotNow(wording::SINK_SEALED))?;
    let at = tools.now();
    let mut message = Message {
        id: NotificationId::generate(tools.clock.now_for_id(), &*tools.entropy),
        kind: NotificationKind::Opened,
        incident: sample::incident(room, sink.owner),
        explained: None,
        episode: 1,
        at,
        expires_at: room.expiry(at),
        shown_as: None,
        words: Words::default(),
    };
    let template_error;
    let incident = &sample::failing(&message.incident);
    let about = About {
        incident,
        ..About::from(&message)
    };
    (message.words, template_error) = worded(&sink, &about);
    let calls = room.calls_of(sink.owner, Line::Works);
    let _permit = calls.acquire().await;
    // A user does not wait for the pace, but what waits for the sink does.
    room.paces.take(&sink);
    let begun = Instant::now();
    let receipt = tools.deliver.deliver(&target, &message).await;
    let took = begun.elapsed();
    Ok(Tested {
        receipt,
        took,
        template_error,
    })
}

/// Whether a sink counts as showing what a notification says that was given up: an answer to it was
/// lost. Then it is repeated, or it would be taken for known. Errors when a later one was sent.
async fn may_be_shown(room: &Room, it: &Notification) -> Result<bool, DeskError> {
    let store = &room.tools.store;
    let Some(incident) = it.incident() else {
        return Ok(false);
    };
    let alike = NotificationFilter {
        incident: Some(incident),
        sink: Some(it.sink),
        state: None,
    };
    let newest = store.notifications_of(it.owner, alike, After::first(LOOKED_AT_MAX));
    let is_sent = |it: &Notification| matches!(it.state, NotificationState::Sent { .. });
    let mut later = newest.await?.items.into_iter().filter(|one| one.id > it.id);
    if later.any(|later| is_sent(&later)) {
        return Err(DeskError::NotNow(wording::NOTIFICATION_OUTDATED));
    }
    let thread = store.thread(incident, it.sink).await?;
    Ok(thread.is_some_and(|thread| thread.shown == shown_by(it.kind)))
}

pub(super) async fn retry(room: &Room, id: NotificationId) -> Result<Notification, DeskError> {
    let store = &room.tools.store;
    loop {
        let present = store.notification(id).await?.ok_or(DeskError::NotFound)?;
        let (is_unsure, tried_at) = match present.state {
            NotificationState::Waiting {
                is_unsure,
                tried_at,
                ..
            } => (is_unsure, tried_at),
            NotificationState::Failed { .. } => (may_be_shown(room, &present).await?, None),
            NotificationState::Sent { .. } | NotificationState::Dropped { .. } => {
                return Err(DeskError::NotNow(wording::NOTIFICATION_ENDED));
            }
        };
        let again = Notification {
            tries: 0,
            state: NotificationState::Waiting {
                due_at: room.tools.now(),
                is_unsure,
                tried_at,
                error: None,
            },
            ..present.clone()
        };
        let sink = present.sink;
        let batch = Batch::of(vec![Change::PutNotification(Box::new(again.clone()))]);
        let guard = Guard::SameNotification(Box::new(present));
        match store.commit(batch.guarded_by(guard)).await {
            // Its task has changed it meanwhile.
            Err(CommitError::Conflict(Conflict::Changed)) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                room.has_changed(sink);
                return Ok(again);
            }
        }
    }
}
