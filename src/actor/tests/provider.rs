//! A provider that does what a script says.

use super::grants::FakeGrants;
use crate::domain::connection::Seen;
use crate::domain::errand::Errand;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::HookId;
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{Repository, RepositoryId};
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::standing::Fingerprint;
use crate::domain::time::Timestamp;
use crate::domain::user::Account;
use crate::provider::{
    Access, Calling, CheckReport, Checked, Ensured, HookSpec, Hooks, Identity, Listed, Pinged,
    ProviderError, Repaired, TakenAway, Target, TheirHook,
};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What the provider does with a call.
#[derive(Clone, Debug)]
pub(super) enum Behaviour {
    Act,
    Refuse(Failure, &'static str),
    ActThenFail,
    Hang,
    ActThenHang,
    /// A rate limit, with this wait.
    Limit(Duration),
}

#[derive(Default)]
pub(super) struct FakeProvider {
    pub(super) hooks: Mutex<BTreeMap<u64, (String, Vec<String>)>>,
    /// With what each hook signs.
    pub(super) secrets: Mutex<BTreeMap<u64, HookSecret>>,
    pub(super) script: Mutex<VecDeque<Behaviour>>,
    pub(super) always: Mutex<Option<Behaviour>>,
    pub(super) calls: Mutex<Vec<(&'static str, Instant)>>,
    /// For whom and why each call was made.
    pub(super) errands: Mutex<Vec<(&'static str, Errand)>>,
    /// What each check was told to have been seen before.
    pub(super) asked_with: Mutex<Vec<Option<String>>>,
    next: AtomicU64,
    has_no_repository: Mutex<bool>,
    /// What is said to these tokens, whatever they ask.
    pub(super) refused: Mutex<BTreeMap<String, Failure>>,
    /// Whose these tokens are; the others are of account 5.
    pub(super) accounts: Mutex<BTreeMap<String, (u64, &'static str)>>,
    /// When these tokens expire; the others do not.
    pub(super) expires: Mutex<BTreeMap<String, Timestamp>>,
    /// Knows which access tokens are good.
    grants: Arc<FakeGrants>,
    new_name: Mutex<Option<String>>,
    /// That the hooks are disabled, and whether for good and whatever is tested.
    pub(super) disabled: Mutex<Option<bool>>,
}

fn lost() -> ProviderError {
    ProviderError::retryable(
        ErrorCode::ProviderTimeout,
        "the provider did not answer",
        None,
        true,
    )
}

impl FakeProvider {
    pub(super) fn with(grants: Arc<FakeGrants>) -> Self {
        Self {
            grants,
            ..Self::default()
        }
    }

    /// What is said to a token before anything else.
    fn judge(&self, access: &Access) -> Result<(), ProviderError> {
        let token = access.token.expose();
        let refused = self.refused.lock().get(token).copied();
        let is_over = token.starts_with("access-") && !self.grants.is_good(&access.token);
        match refused.or(is_over.then_some(Failure::Unauthorized)) {
            None => Ok(()),
            Some(Failure::Unauthorized) => Err(ProviderError::refused(
                Failure::Unauthorized,
                ErrorCode::Unauthorized,
                "refused",
            )),
            Some(failure) => Err(ProviderError::refused(
                failure,
                ErrorCode::NoAccess,
                "refused",
            )),
        }
    }

    pub(super) fn count(&self, operation: &str) -> usize {
        self.calls
            .lock()
            .iter()
            .filter(|(name, _)| *name == operation)
            .count()
    }

    /// Whether it refuses this token from now on, and how.
    pub(super) fn refuses(&self, token: &str, failure: Option<Failure>) {
        let mut refused = self.refused.lock();
        match failure {
            Some(failure) => refused.insert(token.to_owned(), failure),
            None => refused.remove(token),
        };
    }

    pub(super) fn next_does(&self, behaviour: Behaviour) {
        self.script.lock().push_back(behaviour);
    }

    pub(super) fn always_does(&self, behaviour: Option<Behaviour>) {
        *self.always.lock() = behaviour;
    }

    pub(super) fn loses_the_repository(&self) {
        *self.has_no_repository.lock() = true;
    }

    /// The repository has another name from now on.
    pub(super) fn renames_the_repository(&self, name: &str) {
        *self.new_name.lock() = Some(name.to_owned());
    }

    fn repository_now(&self, target: &Target) -> Repository {
        let mut repository = repository(target);
        if let Some(name) = self.new_name.lock().as_deref() {
            repository.full_name = name.parse().unwrap();
        }
        repository
    }

    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        access: &Access,
        act: impl FnOnce() -> T,
    ) -> Result<T, ProviderError> {
        self.calls.lock().push((operation, Instant::now()));
        let errand = access.errand;
        self.errands.lock().push((operation, errand));
        let scripted = self.script.lock().pop_front();
        let behaviour = scripted.or_else(|| self.always.lock().clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.judge(access)?;
        match behaviour {
            None | Some(Behaviour::Act) => Ok(act()),
            Some(Behaviour::Refuse(failure, code)) => Err(ProviderError::refused(
                failure,
                ErrorCode::from_name(code),
                "refused by the script",
            )),
            Some(Behaviour::ActThenFail) => {
                act();
                Err(lost())
            }
            Some(Behaviour::Hang) => {
                tokio::time::sleep(Duration::from_secs(15)).await;
                Err(lost())
            }
            Some(Behaviour::Limit(wait)) => {
                let code = ErrorCode::RateLimited;
                let mut error = ProviderError::retryable(code, "wait", Some(wait), false);
                error.hold = Some(wait);
                Err(error)
            }
            Some(Behaviour::ActThenHang) => {
                act();
                tokio::time::sleep(Duration::from_secs(15)).await;
                Err(lost())
            }
        }
    }

    /// The hooks but this one, as many as a repository of GitHub has.
    fn others(&self, ours: u64) -> Vec<TheirHook> {
        const HOOKS_MAX: usize = 20;
        let hooks = self.hooks.lock();
        let others = hooks.iter().filter(|(id, _)| **id != ours);
        others
            .take(HOOKS_MAX)
            .map(|(id, (url, events))| shown(*id, url, events))
            .collect()
    }

    fn ours(&self, known: Option<HookId>, mark: &str) -> Option<u64> {
        let hooks = self.hooks.lock();
        let known = known.map(|id| id.0).filter(|id| hooks.contains_key(id));
        let marked = || hooks.iter().find(|(_, (url, _))| url.ends_with(mark));
        known.or_else(|| marked().map(|(id, _)| *id))
    }
}

fn shown(id: u64, url: &str, events: &[String]) -> TheirHook {
    TheirHook {
        id: HookId(id),
        url: Some(url.to_owned()),
        events: events.to_vec(),
        is_active: true,
        has_secret: Some(true),
        created_at: None,
    }
}

/// `o/r` is repository 1, `o/r7` is repository 7.
fn repository(target: &Target) -> Repository {
    let name = &target.full_name;
    let number = name.name().trim_start_matches('r').parse();
    Repository {
        id: RepositoryId(number.unwrap_or(1)),
        full_name: name.clone(),
        default_branch: None,
        is_archived: false,
        can_manage_hooks: Some(true),
    }
}

impl Hooks for FakeProvider {
    fn ensure<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        known: Option<HookId>,
        spec: &'a HookSpec,
    ) -> Calling<'a, Ensured> {
        Box::pin(self.call("ensure", access, move || {
            let is_still = |(hook, print): &(HookId, Fingerprint)| {
                let hooks = self.hooks.lock();
                let found = hooks.get(&hook.0);
                found.is_some_and(|(url, _)| Fingerprint::of(*hook, Some(url)) == *print)
            };
            let taken = || spec.takes.filter(is_still).map(|(hook, _)| hook.0);
            let found = self.ours(known, &spec.mark).or_else(taken);
            let id = found.unwrap_or_else(|| self.next.fetch_add(1, Ordering::SeqCst) + 1);
            self.hooks
                .lock()
                .insert(id, (spec.url.clone(), spec.events.clone()));
            self.secrets.lock().insert(id, spec.secret.clone());
            Ensured {
                hook: HookId(id),
                created: found.is_none(),
                was_changed: false,
                proof: Proof::Signature,
                others: self.others(id),
                repository: self.repository_now(target),
            }
        }))
    }
    fn check<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
        seen: Option<&'a Seen>,
    ) -> Calling<'a, Checked> {
        Box::pin(self.call("check", access, move || {
            let disabled = *self.disabled.lock();
            let report = match self.hooks.lock().get(&hook.0) {
                Some(_) if disabled.is_some() => CheckReport::Disabled {
                    permanently: disabled == Some(true),
                    until: None,
                },
                Some((url, events)) if *events == spec.events && *url == spec.url => {
                    CheckReport::Intact
                }
                Some((url, events)) => CheckReport::Drifted {
                    fields: vec!["something"],
                    former_address: url
                        .strip_suffix(spec.mark.as_str())
                        .filter(|_| *events == spec.events)
                        .map(str::to_owned),
                },
                None => CheckReport::Missing,
            };
            self.asked_with
                .lock()
                .push(seen.map(|seen| seen.tag.clone()));
            let is_intact = report == CheckReport::Intact;
            let of = [u8::try_from(spec.revision).unwrap(); 32];
            let (tag, at) = (self.count("check").to_string(), Timestamp(0));
            Checked {
                report,
                others: Some(self.others(hook.0)),
                repository: Some(self.repository_now(target)),
                seen: is_intact.then_some(Seen { tag, of, at }),
            }
        }))
    }
    fn repair<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        hook: HookId,
        spec: &'a HookSpec,
    ) -> Calling<'a, Repaired> {
        Box::pin(self.call(
            "repair",
            access,
            move || match self.hooks.lock().get_mut(&hook.0) {
                Some((url, events)) => {
                    let has_former = spec.former_events.contains(events);
                    let is_ours = *url == spec.url && (has_former || *events == spec.events);
                    let was_changed = !is_ours;
                    url.clone_from(&spec.url);
                    events.clone_from(&spec.events);
                    self.secrets.lock().insert(hook.0, spec.secret.clone());
                    Repaired::Done {
                        proof: Proof::Signature,
                        was_changed,
                    }
                }
                None => Repaired::Missing,
            },
        ))
    }
    fn ping<'a>(&'a self, access: &'a Access, _: &'a Target, _: HookId) -> Calling<'a, Pinged> {
        Box::pin(self.call("ping", access, || {
            self.disabled.lock().take_if(|for_good| !*for_good);
            Pinged::Sent
        }))
    }
    fn delete<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        known: Option<HookId>,
        mark: &'a str,
    ) -> Calling<'a, ()> {
        Box::pin(self.call("delete", access, move || {
            let is_ours = |id: u64, url: &str| known == Some(HookId(id)) || url.ends_with(mark);
            let mut hooks = self.hooks.lock();
            hooks.retain(|id, (url, _)| !is_ours(*id, url));
            *self.disabled.lock() = None;
        }))
    }
    fn hooks<'a>(&'a self, access: &'a Access, target: &'a Target) -> Calling<'a, Listed> {
        Box::pin(self.call("hooks", access, move || {
            let hooks = self.hooks.lock();
            let hooks = hooks
                .iter()
                .map(|(id, (url, events))| shown(*id, url, events));
            Listed {
                hooks: hooks.collect(),
                repository: self.repository_now(target),
            }
        }))
    }
    fn take_away<'a>(
        &'a self,
        access: &'a Access,
        _: &'a Target,
        hook: HookId,
        expected: Fingerprint,
    ) -> Calling<'a, TakenAway> {
        Box::pin(self.call("take_away", access, move || {
            let mut hooks = self.hooks.lock();
            match hooks.get(&hook.0) {
                None => TakenAway::Gone,
                Some((url, _)) if Fingerprint::of(hook, Some(url)) != expected => {
                    TakenAway::Changed
                }
                Some(_) => {
                    hooks.remove(&hook.0);
                    TakenAway::Removed
                }
            }
        }))
    }
    fn repository<'a>(
        &'a self,
        access: &'a Access,
        target: &'a Target,
    ) -> Calling<'a, Option<Repository>> {
        let known = !*self.has_no_repository.lock();
        Box::pin(self.call("repository", access, move || {
            known.then(|| repository(target))
        }))
    }
    fn owner<'a>(&'a self, access: &'a Access, _: &'a str) -> Calling<'a, ()> {
        Box::pin(self.call("owner", access, || ()))
    }
    fn repositories<'a>(
        &'a self,
        access: &'a Access,
        _: u32,
    ) -> Calling<'a, (Vec<Repository>, bool)> {
        Box::pin(self.call("repositories", access, || (Vec::new(), false)))
    }
    fn identity<'a>(&'a self, access: &'a Access) -> Calling<'a, Identity> {
        let known = self.accounts.lock().get(access.token.expose()).copied();
        let (id, login) = known.unwrap_or((5, "ann"));
        let expires_at = self.expires.lock().get(access.token.expose()).copied();
        let account = Account {
            id,
            login: login.into(),
        };
        Box::pin(self.call("identity", access, move || Identity {
            account,
            scopes: Vec::new(),
            expires_at,
        }))
    }
}
