//! What one kind of provider does differently from another, in requests of its own.

use super::dialect::Dialect;
use super::http::Answer;
use super::outbound::{Calling, Identity, Pinged, Target};
use super::session::Session;
use crate::domain::id::HookId;
use crate::domain::repo::Repository;

/// A repository, or the answer that says that there is none to be had.
pub(super) type LookedUp = Result<Repository, Answer>;

/// What a dialect asks for in its own way.
pub(super) trait Operations: Dialect {
    /// Finds a repository, whatever it is called today.
    fn look_up<'s>(s: &'s mut Session<'_, Self>, target: &'s Target) -> Calling<'s, LookedUp>;

    /// Asks for a test delivery.
    fn ping<'s>(
        s: &'s mut Session<'_, Self>,
        repository: &'s Repository,
        hook: HookId,
    ) -> Calling<'s, Pinged>;

    /// Looks for a user, an organisation or a group. See [`super::outbound::Hooks::owner`].
    fn owner<'s>(s: &'s mut Session<'_, Self>, name: &'s str) -> Calling<'s, ()>;

    /// A page of the token's repositories, and whether more follow.
    fn page<'s>(s: &'s mut Session<'_, Self>, page: u32) -> Calling<'s, (Vec<Repository>, bool)>;

    /// Whose token it is.
    fn identity<'s>(s: &'s mut Session<'_, Self>) -> Calling<'s, Identity>;
}
