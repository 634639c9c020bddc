//! Users.

use crate::api::access::Caller;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::quota::Owned;
use crate::api::reply::{counted, json, ok};
use crate::api::scope::{Belongings, Shared};
use crate::domain::id::{TokenId, UserId};
use crate::domain::secret::ApiToken;
use crate::domain::user::{ADMIN_NAME, Removal, TokenRecord, User, is_valid_user_name};
use actix_web::http::StatusCode;
use serde::Deserialize;
use std::time::{Duration, Instant};
use utoipa::{IntoParams, ToSchema};

/// A user to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewUser {
    /// Name of the user.
    #[schema(pattern = "^[A-Za-z0-9._@-]{1,64}$", example = "ann")]
    name: String,
    /// True for an admin, who manages users.
    #[serde(default)]
    is_admin: bool,
}

/// A new token for a user, and the record that is kept of it.
pub(super) fn new_token(shared: &Shared, user: UserId) -> (ApiToken, TokenRecord) {
    let now = shared.now();
    let token = ApiToken::generate(shared.entropy.as_ref());
    let record = TokenRecord {
        id: TokenId::generate(shared.clock.now_for_id(), shared.entropy.as_ref()),
        user,
        hash: *blake3::hash(token.expose().as_bytes()).as_bytes(),
        created_at: now,
        name: None,
        expires_at: None,
        last_used_at: None,
    };
    (token, record)
}

/// Add a user
///
/// The answer holds the user's first API token. It is shown only here.
#[utoipa::path(
    post, path = "/api/v2/users", request_body = NewUser,
    responses((status = 201, body = dto::CreatedUser))
)]
pub(in crate::api) async fn create(me: Me, Json(new): Json<NewUser>) -> Answer {
    if !is_valid_user_name(&new.name) {
        let why = "expected 1 to 64 letters, digits, '.', '_', '-' or '@'";
        return Err(Problem::invalid("name", why));
    }
    let have = me.accounts().count().await?;
    me.counters.may_have_one_more(Owned::Users, have)?;
    let now = me.now();
    let user = User {
        id: UserId::generate(me.clock.now_for_id(), me.entropy.as_ref()),
        name: new.name,
        is_admin: new.is_admin,
        created_at: now,
        removal: None,
    };
    let (token, record) = new_token(&me, user.id);
    me.accounts().add_user(user.clone(), record).await?;
    tracing::info!(user.id = %user.id, user.is_admin, "user_added");
    let created = dto::CreatedUser {
        user: dto::User::of(&user),
        token: token.expose().to_owned(),
    };
    json(StatusCode::CREATED, &created)
}

/// List users
#[utoipa::path(
    get, path = "/api/v2/users", params(UserQuery),
    responses((status = 200, body = dto::List<dto::User>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<UserQuery>) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let page = dto::cut(me.accounts().all().await?, after, |user| user.id);
    ok(&dto::List::of(page, |user| dto::User::of(&user)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct UserQuery {
    limit: Option<Limit>,
    cursor: Option<UserId>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct RemoveUserQuery {
    /// What to do when the user has connections.
    #[param(inline)]
    connections: Option<OnConnections>,
    /// Whether to delete the webhooks of these connections.
    #[param(default = true)]
    delete_webhooks: Option<bool>,
}

/// What to do with the connections of a user who is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OnConnections {
    #[default]
    Refuse,
    Disconnect,
}

/// Remove a user
///
/// Their API tokens stop working at once. Their connections, their credentials and the user are
/// removed in the background when that takes longer than five seconds.
#[utoipa::path(
    delete, path = "/api/v2/users/{id}", params(RemoveUserQuery),
    responses((status = 200, body = dto::RemovedUser))
)]
pub(in crate::api) async fn remove(
    me: Me,
    Path(id): Path<UserId>,
    Query(asked): Query<RemoveUserQuery>,
) -> Answer {
    let refuses = asked.connections.unwrap_or_default() == OnConnections::Refuse;
    let user = me.accounts().user(id).await?;
    let user = user.ok_or_else(Problem::not_found)?;
    may_be_removed(&me, me.caller, &user)?;
    let left = belongings(&me, id).await?;
    if user.is_present() && refuses && left != Belongings::default() {
        return Err(in_use(&user, left));
    }
    let removal = Removal {
        at: user.removal.map_or_else(|| me.now(), |removal| removal.at),
        by: user.removal.map_or(me.caller.user, |removal| removal.by),
        delete_hooks: asked.delete_webhooks.unwrap_or(true),
    };
    let name = user.name.clone();
    me.accounts().begin_removal(user, removal).await?;
    me.sign_ins.end_all_of(id);
    let (by, delete_webhooks) = (me.caller.user, removal.delete_hooks);
    tracing::info!(user.id = %id, %by, delete_webhooks, "user_removal_begun");
    me.connections.user_removal_begun(id);
    let is_removed = is_gone_within(&me, id).await?;
    let left = belongings(&me, id).await?;
    ok(&dto::RemovedUser {
        user_id: id,
        name,
        is_removed,
        connections_left: left.connections + left.pending_deletions,
        message: if is_removed {
            "Removed, with the user's API tokens and credentials."
        } else {
            "The user's API tokens no longer work. The removal continues in the background."
        },
    })
}

/// Refuses to remove the built-in admin and the caller themselves.
fn may_be_removed(shared: &Shared, caller: Caller, user: &User) -> Result<(), Problem> {
    let built_in = shared.admin.is_some_and(|admin| admin.user == user.id);
    let detail = if built_in || user.name == ADMIN_NAME {
        "The built-in admin cannot be removed. Change auth.admin_token in the configuration."
    } else if user.id == caller.user {
        "You cannot remove yourself. Ask another admin."
    } else {
        return Ok(());
    };
    Err(Problem::new(Code::UserProtected, detail))
}

fn in_use(user: &User, left: Belongings) -> Problem {
    let connections = counted(left.connections, "connection", "");
    let deletions = counted(left.pending_deletions, "webhook", " waiting for deletion");
    let has: Vec<String> = connections.into_iter().chain(deletions).collect();
    let detail = format!(
        "{} has {}. Pass connections=disconnect, and delete_webhooks=false to leave the webhooks \
         at the provider.",
        user.name,
        has.join(" and ")
    );
    Problem::new(Code::UserInUse, detail)
}

async fn belongings(shared: &Shared, id: UserId) -> Result<Belongings, Problem> {
    Ok(shared.accounts().belongings(id).await?)
}

/// Waits a while for a removal to end.
async fn is_gone_within(shared: &Shared, id: UserId) -> Result<bool, Problem> {
    let until = Instant::now() + shared.settings.disconnect_wait;
    loop {
        if shared.accounts().user(id).await?.is_none() {
            return Ok(true);
        }
        if Instant::now() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How often it is looked whether a user is gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Get the user of this request
#[utoipa::path(get, path = "/api/v2/whoami", responses((status = 200, body = dto::User)))]
pub(in crate::api) async fn whoami(me: Me) -> Answer {
    let user = me.accounts().user(me.caller.user).await?;
    let user =
        user.ok_or_else(|| Problem::new(Code::Unauthenticated, "This user no longer exists."))?;
    ok(&dto::User::of(&user))
}
