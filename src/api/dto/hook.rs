//! Webhooks of repositories that no connection keeps, in JSON.

use crate::actor::{Stranger, Surveyed};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::ConnectionId;
use crate::domain::repo::FullName;
use crate::domain::standing::Standing;
use crate::domain::time::Timestamp;
use crate::provider::TakenAway;
use serde::Serialize;
use utoipa::ToSchema;

shapes! {
    /// A webhook that no connection keeps, or that gets the same events as a connection's.
    FoundHook(of: &Surveyed, hook: &Stranger) {
        /// The provider's id of the webhook.
        webhook_id: String = hook.id.to_string(),
        /// Owner and name of the repository.
        repository_full_name: FullName = of.repository.full_name.clone(),
        /// Your connection to the repository.
        connection_id: Option<ConnectionId> = of.connection,
        /// Whose it is.
        standing: Standing = hook.standing,
        /// The same, for people.
        meaning: &'static str = hook.standing.meaning(),
        /// Where it delivers to. Queries, and paths of other hosts, are not shown: they may contain
        /// secrets.
        #[schema(example = "https://hooks.example/old/hook")]
        webhook_url: Option<String> = hook.url.clone(),
        /// Events that it subscribes to.
        #[schema(example = json!(["push"]))]
        webhook_events: Vec<String> = hook.events.clone(),
        /// False when it is switched off.
        is_active: bool = hook.is_active,
        /// When it was created. Null when the provider does not report it.
        created_at: Option<Timestamp> = hook.created_at,
        /// HTTP status of the last answer to its deliveries. Null when there was none, when none is
        /// on record, or when it was not looked up.
        last_answer_status: Option<u16> = hook.last_answer.flatten(),
        /// Whether it may be removed or adopted.
        may_be_taken: bool = hook.standing.may_be_taken(),
        /// What it was when it was listed: name it to remove or adopt it.
        #[schema(example = "00112233445566778899aabbccddeeff")]
        fingerprint: String = hook.fingerprint.to_string(),
    }

    /// A repository whose webhooks could not be read.
    UnreadRepository(name: FullName, why: (ErrorCode, String)) {
        /// Owner and name of the repository.
        repository_full_name: FullName = name,
        /// Stable name of the error.
        code: ErrorCode = why.0,
        /// What happened and what to do.
        message: String = why.1,
    }
}

/// Part of a search for webhooks that no connection keeps.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct HookList {
    /// Webhooks found in this part.
    pub items: Vec<FoundHook>,
    /// Repositories of this part whose webhooks could not be read.
    pub unread: Vec<UnreadRepository>,
    /// Number of repositories of this part whose webhooks were read.
    pub repositories_read: u32,
    /// Pass it as `cursor` to continue. Null at the end.
    pub next_cursor: Option<String>,
}

/// The result of removing a webhook.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RemovedHook {
    /// The provider's id of the webhook.
    pub webhook_id: String,
    /// Owner and name of the repository.
    pub repository_full_name: FullName,
    /// `removed`, or `gone` when it was not there any more.
    #[schema(example = "removed")]
    pub outcome: &'static str,
}

impl RemovedHook {
    /// The name of an outcome; `None` when nothing was removed.
    pub(in crate::api) const fn outcome(taken: TakenAway) -> Option<&'static str> {
        match taken {
            TakenAway::Removed => Some("removed"),
            TakenAway::Gone => Some("gone"),
            TakenAway::Changed => None,
        }
    }
}
