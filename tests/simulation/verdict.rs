//! What must be so once nothing goes wrong any more.

use crate::network::Received;
use crate::world::{Place, World, nth};
use futures_util::FutureExt;
use hookherd::actor::Connections;
use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::{Connection, WebhookStatus};
use hookherd::domain::delivery::BodyDigest;
use hookherd::domain::incident::IncidentStatus;
use hookherd::domain::ledger::Loss;
use hookherd::domain::lifecycle::{Certainty, Desired, Phase};
use hookherd::domain::repo::ProviderKind;
use hookherd::provider::signature::SigningKey;
use hookherd::store::{After, Of, Read};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Within this time after the last fault everything is as it should be.
const SETTLED_WITHIN: Duration = Duration::from_hours(3);
const LOOK_EVERY: Duration = Duration::from_mins(2);

/// A hook as either provider shows it.
#[derive(Clone, Debug)]
pub struct AnyHook {
    pub id: u64,
    pub url: String,
    events: BTreeSet<String>,
    delivers: bool,
    /// The secret that it signs with.
    pub secret: Option<String>,
}

macro_rules! ensure {
    ($complaints:expr, $is_so:expr, $($words:tt)*) => {
        if !$is_so {
            $complaints.push(format!($($words)*));
        }
    };
}

impl World {
    /// Nothing goes wrong any more, and people do what they are asked to.
    async fn calm(&mut self) {
        self.note("--- calm");
        self.offline.faults().clear();
        self.mend_network();
        self.machine.clock.set_off_by(0);
        if self.daemon.as_ref().is_some_and(|it| it.store.is_dead()) {
            self.kill();
        }
        if self.daemon.is_none() {
            self.start().await;
        }
        // It may be about to die.
        self.stop().await;
        self.start().await;
        for person in 0..self.people.len() {
            for provider in ProviderKind::ALL {
                // Until a probe shows that the provider answers again, it is not asked.
                for _ in 0..10 {
                    if self.people[person].tokens[nth(provider)].is_none()
                        && !self.give_token(person, provider).await
                    {
                        self.pass(Duration::from_mins(1)).await;
                    }
                }
            }
        }
    }

    /// The complaints that are left when there was time enough; none if all is well.
    pub async fn settle(&mut self) -> Vec<String> {
        self.calm().await;
        let began = self.truth.elapsed();
        let mut asked = BTreeSet::new();
        loop {
            self.pass(LOOK_EVERY).await;
            let complaints = self.complaints();
            if complaints.is_empty() || self.truth.elapsed() > began + SETTLED_WITHIN {
                return complaints;
            }
            for connection in self.connections() {
                let is_suspended = matches!(connection.lifecycle.phase, Phase::Suspended(_));
                if is_suspended && asked.insert(connection.id) {
                    self.ask(&connection, CommandKind::Check);
                }
            }
        }
    }

    /// LC-4 and LC-5: each connection has its one hook, and no other of ours is there.
    pub fn complaints_of_hooks(&self) -> Vec<String> {
        let (mut complaints, connections) = (Vec::new(), self.connections());
        for connection in &connections {
            self.check_hook(connection, &mut complaints);
        }
        self.check_nothing_is_left(&connections, &mut complaints);
        complaints
    }

    fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let connections = self.connections();
        self.check_connections(&connections, &mut complaints);
        for connection in &connections {
            self.check_hook(connection, &mut complaints);
            self.check_account(connection, &mut complaints);
            self.check_incidents(connection, &mut complaints);
        }
        self.check_sinks(&mut complaints);
        self.check_nothing_is_left(&connections, &mut complaints);
        self.check_accepted(&connections, &mut complaints);
        self.check_limits(&mut complaints);
        complaints
    }

    /// GitHub allows 80 writes a minute and 500 an hour, and 5,000 requests an hour.
    fn check_limits(&self, complaints: &mut Vec<String>) {
        const MINUTE: Duration = Duration::from_mins(1);
        const HOUR: Duration = Duration::from_hours(1);
        let requests = self.network.requests.borrow();
        let mut by_token: BTreeMap<&str, [Vec<Duration>; 2]> = BTreeMap::new();
        for request in requests
            .iter()
            .filter(|it| !it.path.starts_with("/api/v4/"))
        {
            let [all, writes] = by_token.entry(&request.token).or_default();
            all.push(request.at);
            if request.method != "GET" {
                writes.push(request.at);
            }
        }
        for (token, [all, writes]) in by_token {
            for (what, times, most, within) in [
                ("writes", &writes, 80, MINUTE),
                ("writes", &writes, 500, HOUR),
                ("requests", &all, 5_000, HOUR),
            ] {
                let is_over = |pair: &[Duration]| pair[most] < pair[0] + within;
                let is_within = !times.windows(most + 1).any(is_over);
                ensure!(
                    complaints,
                    is_within,
                    "{token}: {what} over {most} in {within:?}"
                );
            }
        }
    }

    /// LC-1 to LC-3, and what users were answered.
    fn check_connections(&self, all: &[Connection], complaints: &mut Vec<String>) {
        let model = self.model.borrow();
        let mut there = BTreeSet::new();
        for connection in all {
            let id = connection.id;
            let person = self.people.iter().position(|p| p.id == connection.owner);
            let place = self.place_of(connection);
            let pair = place.zip(person).expect("it is of somebody, somewhere");
            // Connected under an old name while the provider could not be asked: not noticed yet.
            let was_renamed = self.places[pair.0].names > 0;
            let is_first = there.insert(pair);
            ensure!(complaints, is_first || was_renamed, "{id} is there twice");
            let wants = match connection.lifecycle.desired {
                Desired::Active => true,
                Desired::Paused => false,
                Desired::Removed { .. } => {
                    complaints.push(format!("{id} is still being removed"));
                    continue;
                }
            };
            let wish = model.wishes.get(&id);
            let is_wished = wish.is_none_or(|wish| wish.is_active.contains(&wants));
            ensure!(
                complaints,
                is_wished,
                "{id}: {wish:?}, but active is {wants}"
            );
            // One that is paused makes no calls, and may never know.
            let is_sure = connection.lifecycle.certainty == Certainty::Sure || !wants;
            ensure!(complaints, is_sure, "{id} is not sure");
            let asked = self.machine.memory.commands_asked(id, 1);
            let asked = asked.now_or_never().unwrap().unwrap();
            ensure!(complaints, asked.is_empty(), "{id}: {asked:?} waits");
            let pending = self.machine.memory.pending(id, 1);
            let pending = pending.now_or_never().unwrap().unwrap();
            ensure!(complaints, pending.is_empty(), "{id}: {pending:?} waits");
        }
        for pair in &model.connected {
            let is_there = there.contains(pair) || model.unclear.contains(pair);
            ensure!(complaints, is_there, "{pair:?} was connected and is not");
        }
    }

    pub fn hooks(&self, place: &Place) -> Vec<AnyHook> {
        match place.provider {
            ProviderKind::Github => {
                let hooks = self.offline.github().hooks(&place.name).into_iter();
                let any = |hook: hookherd::simulator::Hook| AnyHook {
                    id: hook.id,
                    url: hook.url,
                    events: hook.events.into_iter().collect(),
                    delivers: hook.is_active
                        && hook.content_type == "json"
                        && hook.insecure_ssl == "0",
                    secret: hook.secret,
                };
                hooks.map(any).collect()
            }
            ProviderKind::Gitlab => {
                let hooks = self.offline.gitlab().hooks(&place.name).into_iter();
                let any = |hook: hookherd::simulator::ProjectHookView| AnyHook {
                    id: hook.id,
                    url: hook.url,
                    events: hook.events.iter().map(|e| (*e).to_owned()).collect(),
                    delivers: hook.alert_status == "executable" && hook.verifies_tls,
                    secret: hook.signing_token.or(hook.token),
                };
                hooks.map(any).collect()
            }
        }
    }

    /// LC-5: exactly one hook, with everything that is wanted.
    fn check_hook(&self, connection: &Connection, complaints: &mut Vec<String>) {
        let id = connection.id;
        let Some(place) = self.place_of(connection) else {
            return;
        };
        let key = connection.hook_key.to_string();
        let hooks = self.hooks(&self.places[place]);
        let ours: Vec<_> = hooks
            .iter()
            .filter(|hook| hook.url.ends_with(&key))
            .collect();
        if connection.lifecycle.desired != Desired::Active {
            return;
        }
        let status = connection.webhook_status();
        let error = &connection.last_error;
        ensure!(
            complaints,
            status == WebhookStatus::Active,
            "{id} is {status:?} ({:?}): {error:?}",
            connection.lifecycle
        );
        let [hook] = ours[..] else {
            complaints.push(format!("{id}: not one hook of ours: {hooks:?}"));
            return;
        };
        let provider = connection.instance.provider;
        let base = &self.machine.public_url;
        let url = format!("{base}/api/v2/webhooks/{provider}/{key}");
        ensure!(complaints, hook.url == url, "{id}: {hook:?} not at {url}");
        let events: BTreeSet<String> = connection.events.iter().cloned().collect();
        ensure!(
            complaints,
            hook.events == events,
            "{id}: {hook:?}: {events:?}"
        );
        ensure!(complaints, hook.delivers, "{id}: {hook:?} does not deliver");
        let known = connection.lifecycle.hook.id().map(|id| id.0);
        ensure!(
            complaints,
            known == Some(hook.id),
            "{id}: {known:?}: {hook:?}"
        );
        ensure!(
            complaints,
            self.signs_rightly(connection, hook),
            "{id}: {hook:?} has another secret"
        );
    }

    fn signs_rightly(&self, connection: &Connection, hook: &AnyHook) -> bool {
        let Some(actors) = self.actors() else {
            return false;
        };
        let secrets = actors.hook_secrets(connection);
        let Some(secret) = secrets.first().map(|signer| &signer.secret) else {
            return false;
        };
        let expected = match connection.instance.provider {
            ProviderKind::Github => secret.expose().to_owned(),
            ProviderKind::Gitlab => SigningKey::of_gitlab(secret).to_text().to_string(),
        };
        hook.secret.as_ref() == Some(&expected)
    }

    /// LC-4, and other people's hooks.
    fn check_nothing_is_left(&self, all: &[Connection], complaints: &mut Vec<String>) {
        let model = self.model.borrow();
        for place in &self.places {
            let hooks = self.hooks(place);
            for (id, url) in &place.strangers {
                let is_there = hooks.iter().any(|hook| hook.id == *id && hook.url == *url);
                ensure!(
                    complaints,
                    is_there,
                    "a stranger's hook {id} is not as it was"
                );
            }
            for hook in hooks.iter().filter(|hook| hook.url.contains("hookherd-")) {
                let key = hook.url.rsplit('/').next().unwrap_or_default();
                let is_owned = all.iter().any(|it| it.hook_key.to_string() == key);
                let is_left = model.left.contains(key);
                ensure!(complaints, is_owned || is_left, "an orphan: {hook:?}");
            }
        }
    }

    /// What was missed is here, and the account says so.
    fn check_account(&self, connection: &Connection, complaints: &mut Vec<String>) {
        let (id, memory) = (connection.id, &self.machine.memory);
        if connection.lifecycle.desired != Desired::Active {
            return;
        }
        let Some(ledger) = memory.ledger(id).now_or_never().unwrap().unwrap() else {
            complaints.push(format!("{id} has no ledger"));
            return;
        };
        let error = &ledger.last_error;
        ensure!(
            complaints,
            ledger.gap.is_none(),
            "{id}: a gap is open: {error:?}"
        );
        ensure!(
            complaints,
            ledger.failures == 0,
            "{id}: it fails: {error:?}"
        );
        let totals = &ledger.totals;
        let lost = |why| totals.unrecoverable.get(&why).copied().unwrap_or(0);
        // What a log had that went with its hook before it was read, and what the provider said to
        // have no payload of and sent again without success.
        let (gone, again) = (lost(Loss::HookGone), lost(Loss::NotRedelivered));
        let is_even = totals.outstanding() == 0 && totals.lost() == gone + again;
        ensure!(complaints, is_even, "{id}: {totals:?}");
        let key = connection.hook_key.to_string();
        let accepted = self.network.accepted.borrow();
        let accepted: BTreeSet<&str> = accepted
            .keys()
            .filter(|it| it.key == key)
            .map(|it| it.id.as_str())
            .collect();
        let mut missing = BTreeSet::new();
        for guid in self.logged(connection) {
            // See there.
            if accepted.contains(guid.as_str()) {
                continue;
            }
            // What has the body of another is the same: GitLab tests with its latest event.
            let sent = self.network.sent.borrow();
            let bodies = |guid: &str| sent.get(guid).cloned().unwrap_or_default();
            let mine = bodies(&guid);
            let digests: Vec<_> = mine.iter().map(|it| BodyDigest::Blake3(*it)).collect();
            let is_known = |guid: &str| {
                let known = memory.delivery_known(id, guid, &digests);
                known.now_or_never().unwrap().unwrap().is_some()
            };
            // Its twin may have been read from the log: there both lack their addresses.
            let is_twin = |other: &str| !bodies(other).is_disjoint(&mine) && is_known(other);
            if !is_known(&guid) && !sent.keys().any(|other| is_twin(other)) {
                missing.insert(guid);
            }
        }
        let are_known = missing.len() as u64 <= again;
        ensure!(complaints, are_known, "{id}: {missing:?} are missing");
    }

    /// What the provider's log has of the connection's hook.
    fn logged(&self, connection: &Connection) -> Vec<String> {
        let (Some(place), Some(hook)) = (
            self.place_of(connection),
            connection.lifecycle.hook.id().map(|id| id.0),
        ) else {
            return Vec::new();
        };
        let place = &self.places[place];
        let all = match place.provider {
            ProviderKind::Github => self.offline.github().deliveries(&place.name),
            ProviderKind::Gitlab => self.offline.gitlab().deliveries(&place.name),
        };
        let of_hook = all.into_iter().filter(|it| it.hook == hook);
        of_hook.map(|it| it.guid).collect()
    }

    /// What was answered 2xx is stored, once.
    fn check_accepted(&self, all: &[Connection], complaints: &mut Vec<String>) {
        let memory = &self.machine.memory;
        let mut stored: BTreeMap<(String, String), u32> = BTreeMap::new();
        for connection in all {
            let of = Of::Connection(connection.id);
            let page = memory.deliveries(of, After::first(10_000));
            let page = page.now_or_never().unwrap().unwrap();
            assert!(!page.has_more);
            let key = connection.hook_key.to_string();
            for delivery in page.items {
                let name = (key.clone(), delivery.provider_delivery_id);
                *stored.entry(name).or_default() += 1;
            }
        }
        for (Received { key, id, digest }, times) in self.network.accepted.borrow().iter() {
            let Some(of) = all.iter().find(|it| it.hook_key.to_string() == *key) else {
                continue;
            };
            let count = stored.get(&(key.clone(), id.clone())).copied();
            let count = count.unwrap_or(0);
            // A body that came before under another id is the same delivery.
            let digest = BodyDigest::Blake3(*digest);
            let known = memory.delivery_known(of.id, id, &[digest]);
            let is_known = known.now_or_never().unwrap().unwrap().is_some();
            ensure!(
                complaints,
                count == 1 || count == 0 && is_known,
                "{id} was accepted {times} times and is stored {count} times"
            );
        }
    }

    /// The incidents are those of the model, as far as it can know.
    fn check_incidents(&self, connection: &Connection, complaints: &mut Vec<String>) {
        if connection.lifecycle.desired != Desired::Active {
            return;
        }
        let id = connection.id;
        let model = self.model.borrow();
        let Some(wish) = model.wishes.get(&id) else {
            return;
        };
        let mut open: BTreeMap<(String, String), u32> = BTreeMap::new();
        for incident in self.incidents(connection.owner) {
            let is_open = incident.status != IncidentStatus::Resolved;
            if incident.subject.connection() != Some(id) || !is_open {
                continue;
            }
            if let Some(ci) = &incident.ci {
                let found = self.machine.memory.explanation(incident.id);
                let found = found.now_or_never().unwrap().unwrap();
                let is_done = found.is_some_and(|it| it.due_at().is_none());
                ensure!(
                    complaints,
                    is_done,
                    "{id}: {} is not explained",
                    incident.title
                );
                let branch = ci.branch.clone().unwrap_or_default();
                *open.entry((ci.workflow_name.clone(), branch)).or_default() += 1;
            } else {
                // What was lost stays lost: a person resolves that.
                let ledger = self.machine.memory.ledger(id);
                let ledger = ledger.now_or_never().unwrap().unwrap();
                let has_lost = ledger.is_some_and(|it| it.totals.lost() > 0);
                let is_due = incident.failure_type == "deliveries_lost" && has_lost;
                ensure!(complaints, is_due, "{id}: {} is open", incident.title);
            }
        }
        let Some(place) = self.place_of(connection) else {
            return;
        };
        for ((of, workflow, branch), lane) in &model.lanes {
            let Some((_, last)) = lane.runs.last_key_value() else {
                continue;
            };
            if *of != place || last.at <= wish.active_since {
                continue;
            }
            let name = ((*workflow).to_owned(), (*branch).to_owned());
            let count = open.get(&name).copied().unwrap_or(0);
            let expected = u32::from(last.is_red);
            ensure!(
                complaints,
                count == expected,
                "{id}: {count} incidents of {name:?} instead of {expected}: {lane:?}"
            );
        }
    }
}
