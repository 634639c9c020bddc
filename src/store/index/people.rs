//! Which keys the changes of users and their API tokens write.

use super::key::{Key, Kind};
use super::notifications::rulebook_key;
use super::write::{gone, mark, point, put};
use super::{Index, Kv, Write};
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{TokenRecord, User};
use crate::store::ReadError;

pub(super) fn user_name_key(name: &str) -> Key {
    Key::of(Kind::UserByName).hashed(name.as_bytes())
}

fn token_key(id: TokenId) -> Key {
    Key::of(Kind::Token).id(id.as_u128())
}

/// The keys that lead to an API token.
fn ways_to_token(token: &TokenRecord) -> [Key; 2] {
    let by_user = Key::of(Kind::TokenByUser).id(token.user.as_u128());
    [
        Key::of(Kind::TokenByHash).raw(&token.hash),
        by_user.id(token.id.as_u128()),
    ]
}

pub(super) fn put_user<K: Kv>(index: &Index<K>, user: &User) -> Result<Vec<Write>, ReadError> {
    let id = user.id.as_u128();
    let key = Key::of(Kind::User).id(id);
    let mut writes = Vec::new();
    if let Some(old) = index.record::<User>(&key)? {
        writes.push(gone(user_name_key(&old.name)));
    }
    writes.push(put(key, user));
    writes.push(point(user_name_key(&user.name), id));
    Ok(writes)
}

/// The name may belong to another user meanwhile, when this is applied again.
pub(super) fn delete_user<K: Kv>(index: &Index<K>, id: UserId) -> Result<Vec<Write>, ReadError> {
    let key = Key::of(Kind::User).id(id.as_u128());
    let mut writes = Vec::new();
    if let Some(old) = index.record::<User>(&key)? {
        writes.push(gone(user_name_key(&old.name)));
    }
    let of_user = Key::of(Kind::TokenByUser).id(id.as_u128());
    for token in index.ids(&of_user, None, false, usize::MAX)? {
        writes.extend(delete_token(index, TokenId::from_u128(token))?);
    }
    writes.push(gone(rulebook_key(id)));
    writes.push(gone(key));
    Ok(writes)
}

pub(super) fn put_token(token: &TokenRecord) -> Vec<Write> {
    let [by_hash, by_user] = ways_to_token(token);
    vec![
        put(token_key(token.id), token),
        point(by_hash, token.id.as_u128()),
        mark(by_user),
    ]
}

pub(super) fn delete_token<K: Kv>(index: &Index<K>, id: TokenId) -> Result<Vec<Write>, ReadError> {
    let key = token_key(id);
    let Some(old) = index.record::<TokenRecord>(&key)? else {
        return Ok(Vec::new());
    };
    let ways = ways_to_token(&old).map(gone);
    Ok(ways.into_iter().chain([gone(key)]).collect())
}

/// A token that is forgotten stays so: a use that is written down late does not bring it back.
pub(super) fn token_used<K: Kv>(
    index: &Index<K>,
    id: TokenId,
    at: Timestamp,
) -> Result<Vec<Write>, ReadError> {
    let key = token_key(id);
    let Some(old) = index.record::<TokenRecord>(&key)? else {
        return Ok(Vec::new());
    };
    let used = TokenRecord {
        last_used_at: Some(at),
        ..old
    };
    Ok(vec![put(key, &used)])
}
