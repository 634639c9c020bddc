//! The shapes of answers, exactly as they stand in JSON; their comments are the API's description.
//!
//! None has a field for a stored secret, so none can be answered by mistake. Ids, the provider's
//! included, are strings.

/// Shapes, with the source of each field: `of` makes one.
macro_rules! shapes {
    ($($(#[$about:meta])* $name:ident($($from:ident: $of:ty),*) {
        $($(#[$meta:meta])* $field:ident: $type:ty = $value:expr,)*
    })*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
        pub struct $name {
            $($(#[$meta])* pub $field: $type,)*
        }

        impl $name {
            /// The shape of this.
            pub fn of($($from: $of),*) -> Self {
                Self { $($field: $value,)* }
            }
        }
    )*};
}

mod account;
mod command;
mod connection;
mod delivery;
mod explanation;
mod failure;
mod gap;
mod history;
mod hook;
mod incident;
mod list;
mod notification;
mod operation;
mod report;
mod rules;
mod signin;
mod stats;
mod timeline;

pub use account::{
    Account, CreatedToken, CreatedUser, Credential, Pace, Removal, RemovedUser, Repository, Token,
    User,
};
pub use command::{Acted, Command};
pub use connection::{
    Around, Connection, ConnectionList, Disconnected, ExistingWebhook, Health, HealthReason,
    SecretState, Watch,
};
pub use delivery::{
    Accepted, DeliveryDetail, DeliverySummary, IncidentPreview, IngressAnswer, Payload,
    ReplayPreview, RunPreview,
};
pub use explanation::{Explanation, IncidentDetail, ShownAs};
pub use failure::LastError;
pub use gap::{Gap, GapTotals, Gaps};
pub use history::HistoryEntry;
pub use hook::{FoundHook, HookList, RemovedHook, UnreadRepository};
pub use incident::{FailedJob, Incident, Run};
pub use list::List;
pub(super) use list::cut;
pub use notification::{AddedSink, Notification, Sink, TestedSink};
pub use operation::{Operated, Operation, Plan, PlanItem, Planned};
pub use report::{RepairedWebhook, Report, ReportedFailure, SlowIncident};
pub use rules::{Tested, TestedRoute, TestedRule, TestedRules};
pub use signin::{Authorize, DeviceBegun, DeviceState};
pub use stats::{DeliveryStats, IncidentStats, Stats};
pub use timeline::{Timeline, TimelineEntry};
