//! Lists that are narrowed down: the best index for what is asked, and a bounded look at the rest.

use super::key::{Key, Kind};
use super::{Index, Kv};
use crate::domain::connection::{Connection, WebhookStatus};
use crate::domain::id::{ConnectionId, CredentialId, IncidentId, OwnerId, RunId};
use crate::domain::incident::{Incident, Subject};
use crate::domain::repo::{FullName, ProviderKind};
use crate::domain::run::{Family, Run};
use crate::domain::user::Credential;
use crate::store::{
    After, ConnectionFilter, IncidentFilter, LOOKED_AT_MAX, Listing, Order, Page, ReadError,
    RunFilter, Whose,
};
use std::collections::HashMap;

/// Ids that are read at a time.
const CHUNK: usize = 128;
/// Most lists that are merged into one. With more connections of one name (each of which was
/// removed but for one a host) the owner's whole list is looked through instead.
const MERGED_MAX: usize = 16;

/// Which lists hold what a filter is about.
pub(super) struct Lists {
    pub(super) keys: Vec<Key>,
    /// Whether everything in them is of the connections that are asked for.
    pub(super) is_exact: bool,
    /// Whether they are all of the owner's.
    pub(super) is_owners: bool,
}

fn by_status(owner: OwnerId, status: WebhookStatus) -> Key {
    let of_owner = Key::of(Kind::ConnectionByStatus).id(owner.as_u128());
    of_owner.word(status.as_str())
}

/// Which connections fit, each looked at once a page.
pub(super) struct Fitting<'a, K> {
    index: &'a Index<K>,
    whose: &'a Whose,
    known: HashMap<u128, bool>,
}

impl<K: Kv> Fitting<'_, K> {
    pub(super) fn has(&mut self, id: ConnectionId) -> Result<bool, ReadError> {
        let whose = self.whose;
        if whose.connection.is_some_and(|wanted| wanted != id) {
            return Ok(false);
        }
        if whose.repository.is_none() && whose.provider.is_none() {
            return Ok(true);
        }
        let id = id.as_u128();
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let key = Key::of(Kind::Connection).id(id);
        let fits = self.index.record::<Connection>(&key)?.is_some_and(|c| {
            let name = whose.repository.as_ref();
            name.is_none_or(|name| name.fits(c.full_name.as_str()))
                && whose.provider.is_none_or(|p| p == c.instance.provider)
        });
        self.known.insert(id, fits);
        Ok(fits)
    }
}

impl<K: Kv> Index<K> {
    pub(super) fn fitting<'a>(&'a self, whose: &'a Whose) -> Fitting<'a, K> {
        Fitting {
            index: self,
            whose,
            known: HashMap::new(),
        }
    }

    /// The next ids of several lists taken together.
    fn merged(
        &self,
        lists: &[Key],
        last: Option<u128>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<u128>, ReadError> {
        let newest_first = order == Order::NewestFirst;
        let mut ids = Vec::new();
        for list in lists {
            ids.extend(self.ids(list, last, newest_first, limit)?);
        }
        ids.sort_unstable();
        if newest_first {
            ids.reverse();
        }
        ids.dedup();
        ids.truncate(limit);
        Ok(ids)
    }

    /// A page of what `look` finds fitting, newest first, and where to continue.
    pub(super) fn walk<T>(
        &self,
        lists: &[Key],
        after: After<u128>,
        look: impl FnMut(u128) -> Result<Option<T>, ReadError>,
    ) -> Result<Listing<T, u128>, ReadError> {
        self.walk_span(lists, after, Order::NewestFirst, None, look)
    }

    /// The same in an order, up to and without the id `end`.
    pub(super) fn walk_span<T>(
        &self,
        lists: &[Key],
        after: After<u128>,
        order: Order,
        end: Option<u128>,
        mut look: impl FnMut(u128) -> Result<Option<T>, ReadError>,
    ) -> Result<Listing<T, u128>, ReadError> {
        let is_beyond = |id| match order {
            Order::NewestFirst => end.is_some_and(|end| id <= end),
            Order::OldestFirst => end.is_some_and(|end| id >= end),
        };
        let (mut last, mut looked_at, mut items) = (after.last, 0, Vec::new());
        loop {
            let ids = self.merged(lists, last, order, CHUNK)?;
            let is_end = ids.len() < CHUNK;
            for id in ids {
                if is_beyond(id) {
                    return Ok(Listing { items, next: None });
                }
                if looked_at == LOOKED_AT_MAX {
                    return Ok(Listing { items, next: last });
                }
                if let Some(item) = look(id)? {
                    if items.len() == after.limit {
                        return Ok(Listing { items, next: last });
                    }
                    items.push(item);
                }
                last = Some(id);
                looked_at += 1;
            }
            if is_end {
                return Ok(Listing { items, next: None });
            }
        }
    }

    /// The owner's connections to a repository of this name, removed ones included.
    pub(super) fn named(&self, owner: OwnerId, name: &str) -> Result<Vec<u128>, ReadError> {
        let Ok(name) = name.parse::<FullName>() else {
            return Ok(Vec::new());
        };
        let prefix = Key::of(Kind::ConnectionByOwnerAndName).id(owner.as_u128());
        self.ids(&prefix.name(&name), None, false, usize::MAX)
    }

    pub(super) fn lists(
        &self,
        owner: OwnerId,
        whose: &Whose,
        by_owner: Kind,
        by_connection: Kind,
    ) -> Result<Lists, ReadError> {
        if let Some(id) = whose.connection {
            return Ok(Lists {
                keys: vec![Key::of(by_connection).id(id.as_u128())],
                is_exact: whose.repository.is_none() && whose.provider.is_none(),
                is_owners: false,
            });
        }
        let single = whose.repository.as_ref().and_then(|name| name.single());
        if let Some(name) = single {
            let ids = self.named(owner, name)?;
            if ids.len() <= MERGED_MAX {
                let key = |id| Key::of(by_connection).id(id);
                return Ok(Lists {
                    keys: ids.into_iter().map(key).collect(),
                    is_exact: whose.provider.is_none(),
                    is_owners: false,
                });
            }
        }
        Ok(Lists {
            keys: vec![Key::of(by_owner).id(owner.as_u128())],
            is_exact: whose.repository.is_none() && whose.provider.is_none(),
            is_owners: true,
        })
    }

    /// See [`crate::store::Read::connections`].
    pub(super) fn connections(
        &self,
        owner: OwnerId,
        filter: &ConnectionFilter,
        after: After<ConnectionId>,
    ) -> Result<Listing<Connection, ConnectionId>, ReadError> {
        let name = filter.repository.as_ref();
        let single = name.and_then(|name| name.single());
        let after = After {
            last: after.last.map(ConnectionId::as_u128),
            limit: after.limit,
        };
        let fits = |c: &Connection| c.owner == owner && filter.fits(c);
        let load = |id| {
            let found = self.record::<Connection>(&Key::of(Kind::Connection).id(id))?;
            Ok(found.filter(fits))
        };
        if let Some(name) = single {
            let mut ids = self.named(owner, name)?;
            ids.sort_unstable_by_key(|id| std::cmp::Reverse(*id));
            ids.retain(|id| after.last.is_none_or(|last| *id < last));
            let mut items = Vec::new();
            for id in ids {
                items.extend(load(id)?);
            }
            let has_more = items.len() > after.limit;
            items.truncate(after.limit);
            let next = items.last().filter(|_| has_more).map(|c| c.id);
            return Ok(Listing { items, next });
        }
        let list = match filter.status {
            _ if filter.are_leaving => Key::of(Kind::ConnectionLeaving).id(owner.as_u128()),
            None => Key::of(Kind::ConnectionByOwner).id(owner.as_u128()),
            Some(status) => by_status(owner, status),
        };
        let found = self.walk(&[list], after, load)?;
        Ok(Listing {
            items: found.items,
            next: found.next.map(ConnectionId::from_u128),
        })
    }

    /// See [`crate::store::Read::connections_using`].
    pub(super) fn connections_using(
        &self,
        credential: CredentialId,
        owner: OwnerId,
        after: After<ConnectionId>,
    ) -> Result<Page<Connection>, ReadError> {
        let users = [credential.as_u128(), owner.as_u128()];
        let lists = users.map(|user| Key::of(Kind::ConnectionByCredential).id(user));
        let (last, limit) = (after.last.map(ConnectionId::as_u128), after.limit);
        let mut ids = self.merged(&lists, last, Order::NewestFirst, limit.saturating_add(1))?;
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        let items = self.each(Kind::Connection, &ids)?;
        Ok(Page { items, has_more })
    }

    /// See [`crate::store::Read::runs_of`].
    pub(super) fn runs_of(
        &self,
        owner: OwnerId,
        filter: &RunFilter,
        after: After<RunId>,
    ) -> Result<Listing<Run, RunId>, ReadError> {
        let by = (Kind::RunByOwner, Kind::RunByConnection);
        let lists = self.lists(owner, &filter.whose, by.0, by.1)?;
        let mut whose = self.fitting(&filter.whose);
        let after = After {
            last: after.last.map(RunId::as_u128),
            limit: after.limit,
        };
        let found = self.walk(&lists.keys, after, |id| {
            let Some(run) = self.record::<Run>(&Key::of(Kind::Run).id(id))? else {
                return Ok(None);
            };
            let branch = run.facts.branch.as_ref();
            let (is, ended) = (run.status, filter.conclusion);
            let fits = run.owner == owner
                && filter.status.is_none_or(|wanted| wanted == is.as_str())
                && ended.is_none_or(|wanted| is.conclusion() == Some(wanted))
                && (filter.branch.as_ref())
                    .is_none_or(|wanted| branch.is_some_and(|branch| wanted.fits(branch)))
                && (lists.is_exact || whose.has(run.connection)?);
            Ok(fits.then_some(run))
        })?;
        Ok(Listing {
            items: found.items,
            next: found.next.map(RunId::from_u128),
        })
    }

    /// See [`crate::store::Read::incidents_of`].
    pub(super) fn incidents_of(
        &self,
        owner: OwnerId,
        filter: &IncidentFilter,
        after: After<IncidentId>,
    ) -> Result<Listing<Incident, IncidentId>, ReadError> {
        let by = (Kind::IncidentByOwner, Kind::IncidentBySubject);
        // Those of connections that are removed are found by the name that they keep, and so in
        // no connection's list.
        let listed = Whose {
            repository: None,
            ..filter.whose.clone()
        };
        let mut lists = self.lists(owner, &listed, by.0, by.1)?;
        lists.is_exact &= filter.whose.repository.is_none();
        if let Some(status) = filter.status {
            lists.keys = if lists.is_owners {
                let by_status = Key::of(Kind::IncidentByStatus).id(owner.as_u128());
                vec![by_status.word(status.as_str())]
            } else {
                let by_status = |list: &Key| {
                    let of_subject = Key::of(Kind::IncidentBySubjectAndStatus);
                    of_subject.raw(&list.bytes()[1..]).word(status.as_str())
                };
                lists.keys.iter().map(by_status).collect()
            };
        }
        let mut whose = self.fitting(&filter.whose);
        let after = After {
            last: after.last.map(IncidentId::as_u128),
            limit: after.limit,
        };
        let found = self.walk(&lists.keys, after, |id| {
            let Some(incident) = self.record::<Incident>(&Key::of(Kind::Incident).id(id))? else {
                return Ok(None);
            };
            let fits = incident.owner == owner
                && filter.status.is_none_or(|wanted| wanted == incident.status)
                && filter
                    .is_flaky
                    .is_none_or(|wanted| wanted == incident.is_flaky)
                && filter
                    .is_flapping
                    .is_none_or(|wanted| wanted == incident.is_flapping)
                && match incident.subject {
                    Subject::Connection(id) => {
                        let is_of_removed = || -> Result<bool, ReadError> {
                            let key = Key::of(Kind::Connection).id(id.as_u128());
                            let is_gone = self.record::<Connection>(&key)?.is_none();
                            Ok(is_gone && was_about(&incident, &filter.whose))
                        };
                        lists.is_exact || whose.has(id)? || is_of_removed()?
                    }
                    Subject::Credential(id) => self.is_about(id, &filter.whose)?,
                    Subject::Provider(_) => is_about_provider(&incident, &filter.whose),
                    Subject::Sink(_) | Subject::Server => is_about_all(&filter.whose),
                };
            Ok(fits.then_some(incident))
        })?;
        Ok(Listing {
            items: found.items,
            next: found.next.map(IncidentId::from_u128),
        })
    }

    /// Whether what a credential's incident is about is asked for. A credential that is removed
    /// has no provider any more.
    fn is_about(&self, id: CredentialId, whose: &Whose) -> Result<bool, ReadError> {
        if whose.connection.is_some() || whose.repository.is_some() {
            return Ok(false);
        }
        let Some(provider) = whose.provider else {
            return Ok(true);
        };
        let found = self.record::<Credential>(&Key::of(Kind::Credential).id(id.as_u128()))?;
        Ok(found.is_some_and(|credential| credential.instance.provider == provider))
    }
}

/// Whether what is about no connection and no provider is asked for.
const fn is_about_all(whose: &Whose) -> bool {
    whose.connection.is_none() && whose.repository.is_none() && whose.provider.is_none()
}

/// Whether the outage of a provider is asked for.
fn is_about_provider(incident: &Incident, whose: &Whose) -> bool {
    let affected = incident.affected.as_ref();
    whose.connection.is_none()
        && whose.repository.is_none()
        && whose.provider.is_none_or(|wanted| {
            affected.is_some_and(|affected| affected.instance.provider == wanted)
        })
}

/// Whether an incident of a connection that is removed is asked for, by what it keeps of it.
fn was_about(incident: &Incident, whose: &Whose) -> bool {
    let repository = incident.repository.as_ref();
    let provider = incident.ci.as_ref().map(|ci| match ci.family {
        Family::Pipelines => ProviderKind::Gitlab,
        Family::Statuses | Family::Checks | Family::Actions => ProviderKind::Github,
    });
    whose.connection.is_none()
        && (whose.repository.as_ref())
            .is_none_or(|wanted| repository.is_some_and(|name| wanted.fits(name.as_str())))
        && whose.provider.is_none_or(|wanted| provider == Some(wanted))
}
