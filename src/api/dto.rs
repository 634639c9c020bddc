//! The shapes of answers, exactly as they stand in JSON; their comments are the API's description.
//!
//! None has a field for a stored secret, so none can be answered by mistake. Ids, the provider's
//! included, are strings.

mod account;
mod command;
mod connection;
mod delivery;
mod incident;
mod list;
mod signin;
mod stats;

pub use account::{
    Account, CreatedToken, CreatedUser, Credential, Removal, RemovedUser, Repository, Token, User,
};
pub use command::{Acted, Command};
pub use connection::{Connection, ConnectionList, Disconnected, Health, LastError};
pub use delivery::{Accepted, DeliveryDetail, DeliverySummary, IngressAnswer, Payload};
pub use incident::{FailedJob, Incident, Run};
pub use list::List;
pub(super) use list::cut;
pub use signin::{Authorize, DeviceBegun, DeviceState};
pub use stats::{DeliveryStats, IncidentStats, Stats};
