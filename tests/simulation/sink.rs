//! Where users are notified: a sink that fails now and then, remembers ids, and hears everything in
//! order.

use crate::daemon::Machine;
use crate::world::World;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hookherd::domain::id::{Entropy, IncidentId, NotificationId, OwnerId, SinkId};
use hookherd::domain::incident::{IncidentStatus, Severity};
use hookherd::domain::notification::{Notification, NotificationKind};
use hookherd::domain::secret::Sealed;
use hookherd::domain::sink::template::Templates;
use hookherd::domain::sink::{Sink as Record, SinkKind, SinkState, Wants};
use hookherd::domain::time::Timestamp;
use hookherd::notify::{
    Deliver, DigestMessage, Lasting, Message, Prepared, Receipt, Target, Unfit, Wish,
};
use hookherd::seal::Purpose;
use hookherd::store::{After, NotificationFilter, Read};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// After so many tries it accepts everything: a message is late, and arrives. The schedule waits
/// two hours after the fourth.
const REFUSALS_MAX: u32 = 3;

/// A sink that outlives processes.
#[derive(Default)]
pub struct Sink {
    ids: Mutex<BTreeSet<NotificationId>>,
    /// How often each message was tried.
    tries: Mutex<BTreeMap<NotificationId, u32>>,
    /// What it has heard of each incident, each message once.
    heard: Mutex<BTreeMap<IncidentId, Vec<NotificationKind>>>,
    /// How often it was sent again what lasts.
    beats: Mutex<u32>,
    /// Incidents that were said to last after their end.
    revived: Mutex<BTreeSet<IncidentId>>,
}

impl Sink {
    fn hear(&self, message: &Message) {
        if self.ids.lock().insert(message.id) {
            let mut heard = self.heard.lock();
            heard
                .entry(message.incident.id)
                .or_default()
                .push(message.kind);
        }
    }
}

/// What it does follows from the message and from how often it was tried.
fn whim(message: &Message, tries: u32) -> u8 {
    let text = format!("{} {tries}", message.id);
    blake3::hash(text.as_bytes()).as_bytes()[0] % 8
}

impl Deliver for Sink {
    fn prepare(&self, _: SinkKind, _: &Wish, _: &dyn Entropy) -> Result<Prepared, Unfit> {
        Err(Unfit {
            field: "kind",
            why: "the sinks here are made without".to_owned(),
        })
    }

    fn deliver<'a>(&'a self, _: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt> {
        Box::pin(async move {
            let tries = {
                let mut all = self.tries.lock();
                let tries = all.entry(message.id).or_default();
                *tries += 1;
                *tries
            };
            let whim = if tries > REFUSALS_MAX {
                7
            } else {
                whim(message, tries)
            };
            if whim != 0 && whim != 1 {
                self.hear(message);
            }
            tokio::time::sleep(Duration::from_millis(u64::from(whim) * 40)).await;
            let why = "as the sink likes".to_owned();
            match whim {
                0 => Receipt::Later { after: None, why },
                1 => Receipt::Later {
                    after: Some(Duration::from_secs(90)),
                    why,
                },
                2 => Receipt::Unsure { why },
                _ => Receipt::Accepted {
                    message: Some(message.incident.id.to_string()),
                },
            }
        })
    }

    fn digest<'a>(&'a self, _: &'a Target, _: &'a DigestMessage) -> BoxFuture<'a, Receipt> {
        Box::pin(std::future::ready(Receipt::Accepted { message: None }))
    }

    fn repeat<'a>(
        &'a self,
        _: &'a Target,
        all: &'a [Lasting],
        _: Timestamp,
    ) -> BoxFuture<'a, Receipt> {
        let beats = {
            let mut beats = self.beats.lock();
            *beats += 1;
            *beats
        };
        let heard = self.heard.lock();
        for it in all.iter().filter(|it| !it.is_resolved) {
            let last = heard.get(&it.incident.id).and_then(|kinds| kinds.last());
            if last == Some(&NotificationKind::Resolved) {
                self.revived.lock().insert(it.incident.id);
            }
        }
        drop(heard);
        let why = "as the sink likes".to_owned();
        let receipt = match beats % 8 {
            0 => Receipt::Later { after: None, why },
            1 => Receipt::Unsure { why },
            _ => Receipt::Accepted { message: None },
        };
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(beats % 5) * 40)).await;
            receipt
        })
    }
}

/// The sink of a user: every other one forgets what is not sent again.
pub fn record(machine: &Machine, owner: OwnerId) -> Record {
    let sink = SinkId::from_u128(owner.as_u128());
    let host = "chat.test";
    let kinds = [SinkKind::Webhook, SinkKind::Alertmanager];
    let purpose = Purpose::SinkTarget { sink, owner, host };
    let target: Sealed = machine.seal.seal(&purpose, b"address");
    Record {
        id: sink,
        owner,
        name: "chat".to_owned(),
        kind: kinds[usize::from(owner.as_u128() % 2 == 1)],
        host: host.to_owned(),
        target,
        address: 0,
        wants: Wants {
            resolved: true,
            severity: Severity::Warning,
        },
        templates: Templates::default(),
        digest: None,
        state: SinkState::Enabled,
        hold_until: None,
        failing_since: None,
        created_at: Timestamp(0),
    }
}

impl World {
    fn notifications(&self, owner: OwnerId, incident: IncidentId) -> Vec<Notification> {
        let filter = NotificationFilter {
            incident: Some(incident),
            ..NotificationFilter::default()
        };
        let memory = &self.machine.memory;
        let reading = memory.notifications_of(owner, filter, After::first(100));
        reading.now_or_never().unwrap().unwrap().items
    }

    /// Sinks have heard of each episode in order, and in the end of what is.
    pub fn check_sinks(&self, complaints: &mut Vec<String>) {
        for id in &*self.machine.sink.revived.lock() {
            complaints.push(format!("{id}: it was said to last after its end"));
        }
        let heard = self.machine.sink.heard.lock();
        for (id, kinds) in &*heard {
            let mut is_open = false;
            for kind in kinds {
                let is_in_order = match kind {
                    NotificationKind::Opened | NotificationKind::Reopened => !is_open,
                    NotificationKind::Resolved | NotificationKind::Reminded => is_open,
                    NotificationKind::Flapping | NotificationKind::Worse => true,
                    NotificationKind::Digest => false,
                };
                if !is_in_order {
                    complaints.push(format!("{id}: the sink heard {kinds:?}"));
                    break;
                }
                is_open = *kind != NotificationKind::Resolved;
            }
        }
        for person in &self.people {
            for incident in self.incidents(person.id) {
                let last = heard.get(&incident.id).and_then(|kinds| kinds.last());
                let shows_open = last.is_some_and(|kind| *kind != NotificationKind::Resolved);
                let is_open = incident.status != IncidentStatus::Resolved;
                if shows_open != is_open {
                    let (id, title) = (incident.id, &incident.title);
                    let planned = self.notifications(person.id, id);
                    complaints.push(format!(
                        "{id}: {title}: open {is_open}, the sink heard {last:?} of {planned:?}"
                    ));
                }
            }
        }
    }
}
