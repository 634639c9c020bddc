//! The credentials of users: issues the permission to make calls, renews what expires, and is the
//! only writer of credentials. Independent of actors.
//!
//! A task that works on a credential holds its turn, so there is one refresh at a time however many
//! wait for it, and later ones find its outcome in the store. Refresh tokens are used once. So the
//! intent is stored before the call and its outcome after. After a crash between the two, or a lost
//! answer, the old refresh token is tried again, which shows whether the grant is lost. See ADR 9
//! and ADR 18.

mod accounts;
mod asked;
mod call;
mod candidates;
mod expiry;
mod holds;
mod load;
mod loads;
mod obey;
mod outages;
mod pool;
mod ports;
mod problem;
mod refresh;
mod reject;
mod renew;
mod reseal;
mod sealing;
mod slot;
mod standing;

pub use accounts::{AddError, ChangeError, Offer};
pub use call::{Refusal, Refused, SOON};
pub use outages::{About, Ended, Outages};
pub use pool::Pool;
#[cfg(test)]
pub(crate) use ports::OneToken;
pub use ports::Ports;
pub use reseal::ResealError;
