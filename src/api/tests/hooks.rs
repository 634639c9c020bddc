//! The search for webhooks that no connection keeps: its parts, and what it passes on.

use super::stage::Stage;
use crate::actor::{ConnectError, ConnectRequest, HookWish, Stranger, Surveyed, TakeError};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{HookId, UserId};
use crate::domain::lifecycle::Failure;
use crate::domain::repo::{FullName, Repository, RepositoryId};
use crate::domain::standing::{Fingerprint, Standing};
use crate::provider::{ProviderError, TakenAway, Target};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What there is at the provider, for the connections that only record.
#[derive(Default)]
pub(super) struct FakeHooks {
    /// By user and repository; everything else has none.
    found: Mutex<BTreeMap<(UserId, String), Result<Surveyed, ConnectError>>>,
    /// Names of repositories, by page.
    reached: Mutex<Vec<Vec<&'static str>>>,
    looked_at: Mutex<Vec<String>>,
    wishes: Mutex<Vec<HookWish>>,
    taken: Mutex<Option<Result<TakenAway, TakeError>>>,
}

fn repository(full_name: &FullName) -> Repository {
    Repository {
        id: RepositoryId(4711),
        full_name: full_name.clone(),
        default_branch: None,
        is_archived: false,
        can_manage_hooks: (full_name.name() != "locked")
            .then_some(true)
            .or(Some(false)),
    }
}

impl FakeHooks {
    pub(super) fn survey(&self, owner: UserId, target: &Target) -> Result<Surveyed, ConnectError> {
        let name = target.full_name.to_string();
        self.looked_at.lock().push(name.clone());
        let found = self.found.lock().get(&(owner, name)).cloned();
        found.unwrap_or_else(|| {
            Ok(Surveyed {
                repository: repository(&target.full_name),
                connection: None,
                hooks: Vec::new(),
            })
        })
    }

    pub(super) fn reach(&self, page: u32) -> (Vec<Repository>, bool) {
        let pages = self.reached.lock();
        let page = page as usize;
        let names = pages.get(page - 1).cloned().unwrap_or_default();
        let listed = names.iter().map(|name| repository(&name.parse().unwrap()));
        (listed.collect(), pages.len() > page)
    }

    pub(super) fn remove(&self, wish: HookWish) -> Result<TakenAway, TakeError> {
        self.wishes.lock().push(wish);
        let taken = self.taken.lock().clone();
        taken.unwrap_or(Ok(TakenAway::Removed))
    }

    pub(super) fn adopt(
        &self,
        wish: HookWish,
        events: Option<Vec<String>>,
    ) -> Result<ConnectRequest, TakeError> {
        self.wishes.lock().push(wish.clone());
        let taken = self.taken.lock().clone();
        taken.unwrap_or(Ok(TakenAway::Removed))?;
        Ok(ConnectRequest {
            owner: wish.owner,
            provider: wish.instance.provider,
            host: Some(wish.instance.host.clone()),
            full_name: wish.full_name,
            events: events.unwrap_or_else(|| vec!["push".into()]),
            setup_webhook: true,
            credential: None,
            replaces: None,
            adopts: Some((wish.hook, wish.fingerprint)),
        })
    }

    fn has(&self, owner: UserId, name: &str, standings: &[Standing]) {
        let hooks = standings
            .iter()
            .zip(5_u64..)
            .map(|(standing, id)| Stranger {
                id: HookId(id),
                url: Some("https://hooks.example/old".into()),
                fingerprint: Fingerprint::of(HookId(id), None),
                standing: *standing,
                events: vec!["push".into()],
                is_active: true,
                created_at: None,
                last_answer: Some(Some(401)),
            });
        let found = Surveyed {
            repository: repository(&name.parse().unwrap()),
            connection: None,
            hooks: hooks.collect(),
        };
        self.found.lock().insert((owner, name.into()), Ok(found));
    }

    fn fails(&self, owner: UserId, name: &str, code: ErrorCode) {
        let failure = if code.is_transient() {
            Failure::Retryable { after: None }
        } else {
            Failure::NoAccess
        };
        let error = ProviderError::refused(failure, code, "the provider says so");
        let found = Err(ConnectError::Provider(error));
        self.found.lock().insert((owner, name.into()), found);
    }
}

/// Every part of a search, as (hooks, unread, repositories read).
fn whole(api: &Stage, limit: usize) -> Vec<(usize, usize, u64)> {
    let (mut parts, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = api
            .owner
            .show(format!("hooks/github?limit={limit}{cursor}"));
        let len = |name: &str| part[name].as_array().unwrap().len();
        let read = part["repositories_read"].as_u64().unwrap();
        parts.push((len("items"), len("unread"), read));
        match part["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return parts,
        }
        assert!(parts.len() < 50, "it ends");
    }
}

#[test]
fn a_search_reads_connected_repositories_first_and_then_all_that_are_reached_once() {
    let api = Stage::new();
    let (hooks, user) = (&api.connections.hooks, api.owner.user);
    *hooks.reached.lock() = vec![
        vec!["octo/a", "canary/repository", "octo/locked"],
        vec!["octo/b"],
    ];
    hooks.has(
        user,
        "canary/repository",
        &[Standing::SameReceiver, Standing::SameEvents],
    );
    hooks.has(user, "octo/b", &[Standing::Orphan]);
    hooks.fails(user, "octo/a", ErrorCode::NoAccess);
    assert_eq!(whole(&api, 100), [(3, 2, 2)]);
    let looked = ["canary/repository", "octo/a", "octo/b"];
    assert_eq!(*hooks.looked_at.lock(), looked);
    hooks.looked_at.lock().clear();
    // The same in small parts.
    let parts = whole(&api, 1);
    assert!(parts.len() >= 4, "{parts:?}");
    let sum = parts
        .iter()
        .fold((0, 0, 0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    assert_eq!(sum, (3, 2, 2));
    assert_eq!(*hooks.looked_at.lock(), looked);
    let connected = api.owner.show("hooks/github?connected_only=true");
    assert_eq!(connected["items"].as_array().unwrap().len(), 2);
    assert_eq!(connected["next_cursor"], Value::Null);
    let one = api.owner.show("hooks/github?repository=octo/b");
    let hook = &one["items"][0];
    assert_eq!(
        (&hook["webhook_id"], &hook["standing"]),
        (&json!("5"), &json!("orphan"))
    );
    assert_eq!(hook["last_answer_status"], 401);
    assert_eq!(hook["may_be_taken"], true);
}

#[test]
fn a_provider_that_cannot_be_asked_pauses_a_search_and_leaves_nothing_out() {
    let api = Stage::new();
    let (hooks, user) = (&api.connections.hooks, api.owner.user);
    *hooks.reached.lock() = vec![vec!["octo/a", "octo/b"]];
    hooks.has(user, "octo/b", &[Standing::Orphan]);
    hooks.fails(user, "octo/b", ErrorCode::RateLimited);
    let first = api.owner.show("hooks/github");
    assert_eq!(first["repositories_read"], 2);
    let path = format!(
        "hooks/github?cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    api.owner.get(&path).is(503, "rate_limited");
    hooks.has(user, "octo/b", &[Standing::Orphan]);
    let rest = api.owner.show(&path);
    assert_eq!(
        (&rest["items"][0]["webhook_id"], &rest["next_cursor"]),
        (&json!("5"), &Value::Null)
    );
    for (bad, code) in [
        ("cursor=x", "bad_cursor"),
        ("limit=0", "bad_query"),
        ("a=b", "bad_query"),
    ] {
        api.owner.get(format!("hooks/github?{bad}")).is(400, code);
    }
    api.owner
        .get("hooks/github?host=ghe.example")
        .is(422, "unknown_provider");
}

#[test]
fn a_hook_is_removed_by_what_it_was_when_it_was_listed() {
    let api = Stage::new();
    let hooks = &api.connections.hooks;
    let print = Fingerprint::of(HookId(5), Some("https://hooks.example/old"));
    let body = |changes: &Value| {
        let mut body = json!({
            "repository_full_name": "octo/a", "webhook_id": "5", "fingerprint": print.to_string(),
        });
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let path = "hooks/github/remove";
    for (changes, code) in [
        (json!({"webhook_id": "x"}), "invalid_field"),
        (json!({"fingerprint": "00"}), "invalid_field"),
        (json!({"repository_full_name": "octo"}), "invalid_field"),
        (json!({"host": "ghe.example"}), "unknown_provider"),
    ] {
        api.owner.post(path, body(&changes)).is(422, code);
    }
    assert!(hooks.wishes.lock().is_empty());
    let none = json!({});
    for (taken, outcome) in [(TakenAway::Removed, "removed"), (TakenAway::Gone, "gone")] {
        *hooks.taken.lock() = Some(Ok(taken));
        let reply = api.owner.post(path, body(&none));
        assert_eq!(
            (reply.status, reply.text("outcome").as_str()),
            (200, outcome)
        );
    }
    for (refused, status, code) in [
        (Ok(TakenAway::Changed), 409, "hook_changed"),
        (Err(TakeError::Changed), 409, "hook_changed"),
        (
            Err(TakeError::NotFree(Standing::Kept)),
            403,
            "hook_not_free",
        ),
        (Err(TakeError::Answered(200)), 403, "hook_in_use"),
    ] {
        *hooks.taken.lock() = Some(refused);
        api.owner.post(path, body(&none)).is(status, code);
    }
    api.owner
        .post(path, body(&json!({"even_if_answered": true})));
    let wishes = hooks.wishes.lock();
    let last = wishes.last().unwrap();
    assert_eq!(
        (last.hook, last.fingerprint, last.owner),
        (HookId(5), print, api.owner.user)
    );
    assert!(last.even_if_answered && !wishes[0].even_if_answered);
}
