//! What one kind of provider does differently from another, in requests of its own.

use super::dialect::Dialect;
use super::http::Answer;
use super::outbound::{Identity, Pinged, ProviderError, Target};
use super::session::Session;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;
use std::future::Future;

/// A repository, or the answer that says that there is none to be had.
pub(super) type LookedUp = Result<Repository, Answer>;

/// How an operation ends.
type Outcome<T> = Result<T, ProviderError>;

/// What a dialect asks for in its own way.
pub(super) trait Operations: Dialect {
    /// Finds a repository, whatever it is called today.
    fn look_up(
        s: &mut Session<'_, Self>,
        target: &Target,
    ) -> impl Future<Output = Outcome<LookedUp>> + Send;

    /// Asks for a test delivery.
    fn ping(
        s: &mut Session<'_, Self>,
        repository: &Repository,
        hook: HookId,
    ) -> impl Future<Output = Outcome<Pinged>> + Send;

    /// Looks for a user, an organisation or a group. See [`super::outbound::Hooks::owner`].
    fn owner(s: &mut Session<'_, Self>, name: &str) -> impl Future<Output = Outcome<()>> + Send;

    /// A page of the token's repositories, and whether more follow.
    fn page(
        s: &mut Session<'_, Self>,
        page: u32,
    ) -> impl Future<Output = Outcome<(Vec<Repository>, bool)>> + Send;

    /// The account that the token belongs to.
    fn identity(s: &mut Session<'_, Self>) -> impl Future<Output = Outcome<Identity>> + Send;
}
