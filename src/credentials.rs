//! The credentials of users: the one place that hands out the right to make calls, renews what
//! expires, and the only writer of credentials. It knows no actor.
//!
//! Who works on a credential holds its turn, so there is one refresh at a time however many wait
//! for it, and who comes later finds its outcome in the store. Refresh tokens are used once. So
//! the intent is stored before the call and its outcome after; after a crash between the two, or
//! an answer that was lost, the old refresh token is tried again, and tells whether the grant is
//! lost. See ADR 9 and ADR 18.

mod accounts;
mod call;
mod candidates;
mod pool;
mod ports;
mod problem;
mod refresh;
mod reject;
mod renew;
mod sealing;
mod slot;
mod standing;

pub use accounts::{AddError, ChangeError, Offer};
pub use call::{Refusal, Refused, SOON};
pub use pool::Pool;
pub use ports::Ports;
