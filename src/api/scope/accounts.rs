//! Users and their API tokens, for those who may manage them.

use crate::api::access::Caller;
use crate::api::error::Problem;
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Removal, TokenRecord, User, is_step_over};
use crate::store::{Batch, Change, Committing, Counts, Guard, Priority, ReadError, Scope, Store};
use parking_lot::Mutex;
use std::collections::HashMap;

/// What hangs on a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Belongings {
    /// Connections that are not removed.
    pub(in crate::api) connections: usize,
    /// Removed ones whose hook is still to be deleted.
    pub(in crate::api) pending_deletions: usize,
}

/// Users and API tokens.
#[derive(Clone, Copy)]
pub(in crate::api) struct Accounts<'a> {
    pub(super) store: &'a dyn Store,
}

impl Accounts<'_> {
    /// The API token with this hash, which may have expired, and whose it is.
    pub(in crate::api) async fn by_token_hash(
        &self,
        hash: &[u8; 32],
    ) -> Result<Option<(TokenRecord, User)>, ReadError> {
        let Some(token) = self.store.token_by_hash(hash).await? else {
            return Ok(None);
        };
        let user = self.store.user(token.user).await?.filter(User::is_present);
        Ok(user.map(|user| (token, user)))
    }

    /// An API token that the caller may see: their own, and for an admin all.
    pub(in crate::api) async fn token(
        &self,
        caller: Caller,
        id: TokenId,
    ) -> Result<TokenRecord, Problem> {
        let found = self.store.token(id).await?;
        found
            .filter(|token| caller.is_admin || token.user == caller.user)
            .ok_or_else(Problem::not_found)
    }

    /// A user's API tokens, newest first.
    pub(in crate::api) async fn tokens_of(
        &self,
        user: UserId,
    ) -> Result<Vec<TokenRecord>, ReadError> {
        self.store.tokens_of(user).await
    }

    /// All API tokens, newest first.
    pub(in crate::api) async fn all_tokens(&self) -> Result<Vec<TokenRecord>, ReadError> {
        self.store.all_tokens().await
    }

    /// A user.
    pub(in crate::api) async fn user(&self, id: UserId) -> Result<Option<User>, ReadError> {
        self.store.user(id).await
    }

    /// A user by name.
    pub(in crate::api) async fn by_name(&self, name: &str) -> Result<Option<User>, ReadError> {
        self.store.user_by_name(name).await
    }

    /// All users.
    pub(in crate::api) async fn all(&self) -> Result<Vec<User>, ReadError> {
        self.store.users().await
    }

    /// Adds a user with their first API token; a conflict when the name is taken.
    pub(in crate::api) fn add_user(&self, user: User, token: TokenRecord) -> Committing {
        let name = user.name.clone();
        let batch = Batch::of(vec![Change::PutUser(user), Change::PutToken(token)]);
        self.store.commit(batch.guarded_by(Guard::NewUser { name }))
    }

    /// Adds an API token, unless its user is being removed.
    pub(in crate::api) fn add_token(&self, token: TokenRecord) -> Committing {
        let guard = Guard::OwnerPresent(token.user);
        let batch = Batch::of(vec![Change::PutToken(token)]);
        self.store.commit(batch.guarded_by(guard))
    }

    /// Forgets an API token: from the answer on it is refused.
    pub(in crate::api) fn revoke_token(&self, id: TokenId) -> Committing {
        self.store.commit(Batch::of(vec![Change::DeleteToken(id)]))
    }

    /// Stores that an API token was used. No request waits for that, and a store that is short of
    /// space or time may leave it out.
    pub(in crate::api) fn note_use(&self, id: TokenId, at: Timestamp) {
        let used = Batch {
            priority: Priority::Ingress,
            ..Batch::of(vec![Change::TokenUsed { id, at }])
        };
        drop(self.store.commit(used));
    }

    /// What hangs on a user: connections, and hooks that are still to be deleted.
    pub(in crate::api) async fn belongings(&self, user: UserId) -> Result<Belongings, ReadError> {
        let counts = self.counts(user).await?;
        Ok(Belongings {
            connections: counts.connections_present(),
            pending_deletions: counts.connections_leaving,
        })
    }

    /// How many of what a user has.
    pub(in crate::api) async fn counts(&self, user: UserId) -> Result<Counts, ReadError> {
        self.store.counts(Scope::Owner(user)).await
    }

    /// How many users there are.
    pub(in crate::api) async fn count(&self) -> Result<usize, ReadError> {
        Ok(self.store.counts(Scope::All).await?.users)
    }

    /// Begins to remove a user, durably: from the answer on their API tokens are refused, and
    /// nothing new becomes theirs.
    pub(in crate::api) fn begin_removal(&self, user: User, removal: Removal) -> Committing {
        let removal = Some(removal);
        let user = User { removal, ..user };
        self.store.commit(Batch::of(vec![Change::PutUser(user)]))
    }
}

/// Which API tokens were noted as used lately, so that one of many requests writes it down.
#[derive(Debug, Default)]
pub(in crate::api) struct Uses(Mutex<HashMap<TokenId, Timestamp>>);

/// Most tokens whose last note is remembered.
const USES_MAX: usize = 10_000;

impl Uses {
    /// Whether the use of a token is to be stored; then no other request does so for a while.
    pub(in crate::api) fn is_news(&self, token: &TokenRecord, now: Timestamp) -> bool {
        if !token.is_use_due(now) {
            return false;
        }
        let mut noted = self.0.lock();
        if noted
            .get(&token.id)
            .is_some_and(|at| !is_step_over(*at, now))
        {
            return false;
        }
        if noted.len() >= USES_MAX {
            noted.retain(|_, at| !is_step_over(*at, now));
        }
        // More tokens than that are in use at a time: what is written down may wait.
        if noted.len() >= USES_MAX {
            return false;
        }
        noted.insert(token.id, now);
        true
    }
}
