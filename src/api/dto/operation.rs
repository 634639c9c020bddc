//! Operations in JSON.

use crate::api::schema::{ActionName, OperationStateName};
use crate::domain::connection::WebhookStatus;
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, OperationId, UserId};
use crate::domain::operation::{self, ItemOutcome, Verdict};
use crate::domain::repo::{FullName, Host, ProviderKind};
use crate::domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

shapes! {
    /// What was selected, in the words of the request.
    Selection(selection: &operation::Selection) {
        /// All connections.
        all: bool = selection.all,
        /// Number of ids given; 0 when the connections were not selected by id.
        ids: u32 = selection.ids,
        /// Provider of the connections.
        provider: Option<ProviderKind> = selection.provider,
        /// Host of the connections.
        host: Option<Host> = selection.host.clone(),
        /// User, organisation or group of the repositories.
        owner: Option<String> = selection.owner_name.clone(),
        /// Name of the repositories, or a pattern.
        r#match: Option<String> = selection.pattern.clone(),
        /// State of the webhooks.
        status: Option<WebhookStatus> = selection.status,
    }

    /// Items of an operation that ended, by outcome.
    OperationCounts(tally: &operation::Tally) {
        /// Carried out, calls to the provider included.
        applied: u32 = tally.applied,
        /// Like that before.
        unchanged: u32 = tally.unchanged,
        /// Carried out, but a call to the provider failed. Where that helps, the connection
        /// retries.
        call_failed: u32 = tally.call_failed,
        /// Not carried out; nothing changed.
        failed: u32 = tally.failed,
        /// Removed in the meantime.
        gone: u32 = tally.gone,
    }

    /// An item that did not end as wanted.
    OperationFailure(failure: &operation::ItemFailure) {
        /// Connection concerned. Null for a repository that was not connected.
        connection_id: Option<ConnectionId> = failure.connection,
        /// Owner and name of the repository. Null when the connection is forgotten.
        repository_full_name: Option<FullName> = failure.full_name.clone(),
        /// How it ended.
        outcome: ItemOutcome = failure.outcome,
        /// Why.
        code: ErrorCode = failure.code,
        /// What the code means.
        message: &'static str = failure.code.meaning(),
    }

    /// A bulk operation.
    Operation(operation: &operation::Operation) {
        /// Id of the operation.
        id: OperationId = operation.id,
        /// What is asked of each item.
        action: ActionName = (&operation.action).into(),
        /// Events to subscribe to. Null unless the action is `set_events`.
        webhook_events: Option<Vec<String>> = operation.action.events().map(<[String]>::to_vec),
        /// Whether webhooks are deleted. Null unless the action is `disconnect`.
        delete_webhook: Option<bool> = operation.action.deletes_hooks(),
        /// What was selected.
        select: Selection = Selection::of(&operation.selection),
        /// User who asked.
        asked_by: UserId = operation.asked_by,
        /// When they asked.
        asked_at: Timestamp = operation.asked_at,
        /// When the first item was begun.
        started_at: Option<Timestamp> = operation.started_at,
        /// When it was cancelled, or the last item ended.
        ended_at: Option<Timestamp> = operation.ended_at(),
        /// State of the operation.
        state: OperationStateName = (&operation.state).into(),
        /// Items in all.
        total: u32 = operation.total,
        /// Items that were begun.
        begun: u32 = operation.position,
        /// Items that ended.
        ended: u32 = operation.tally.sum(),
        /// Items that ended, by outcome.
        counts: OperationCounts = OperationCounts::of(&operation.tally),
        /// The first 100 items that did not end as wanted.
        failures: Vec<OperationFailure> =
            operation.failures.iter().map(OperationFailure::of).collect(),
    }

    /// An operation that was stored.
    Operated(operation: &operation::Operation) {
        /// The operation.
        operation: Operation = Operation::of(operation),
    }
}

/// What would be done to one connection or repository.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlanItem {
    /// Connection concerned. Null for a repository that is not connected.
    pub connection_id: Option<ConnectionId>,
    /// Owner and name of the repository.
    pub repository_full_name: FullName,
    /// Provider of the repository.
    pub provider: ProviderKind,
    /// Host of the repository.
    pub host: Host,
    /// Whether something would change, here or at the provider.
    pub changes: bool,
    /// What would be done, or why nothing would.
    pub result: Verdict,
    /// Events that it would subscribe to in addition.
    pub added_events: Vec<String>,
    /// Events that it would no longer subscribe to.
    pub removed_events: Vec<String>,
}

/// A page of what an operation would do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Plan {
    /// Items of the page, newest connections first.
    pub items: Vec<PlanItem>,
    /// Pass it as `cursor` for the next page. Null on the last page.
    pub next_cursor: Option<String>,
    /// Items in all. Only on the first page.
    pub total: Option<u32>,
    /// Items of all pages that would change. Only on the first page.
    pub changing: Option<u32>,
}

/// What an operation would do. Nothing was stored.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
}
