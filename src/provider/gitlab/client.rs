//! One GitLab installation, as we call it.

use super::dialect::{GitlabDialect, PACE, Talk};
use super::{hooks, repos};
use crate::domain::id::HookId;
use crate::domain::repo::{Instance, Repository};
use crate::domain::time::Clock;
use crate::provider::client::Client;
use crate::provider::http::{HttpConfig, HttpError, literal};
use crate::provider::operations::{LookedUp, Operations};
use crate::provider::outbound::{Calling, Identity, Pinged, Target};
use std::sync::Arc;

/// One GitLab installation, as we call it.
pub type Gitlab = Client<GitlabDialect>;

impl Gitlab {
    /// A client of the installation whose API is at `config.api_url`, such as
    /// `https://gitlab.com/api/v4`.
    pub fn new(
        config: &HttpConfig,
        clock: Arc<dyn Clock>,
        instance: &Instance,
    ) -> Result<Self, HttpError> {
        let headers = [literal("accept", "application/json")];
        let headers = headers.into_iter().collect();
        let dialect = (GitlabDialect::default(), PACE);
        Self::speaking(dialect, config, headers, clock, instance)
    }
}

impl Operations for GitlabDialect {
    fn look_up<'s>(s: &'s mut Talk<'_>, target: &'s Target) -> Calling<'s, LookedUp> {
        Box::pin(repos::look_up(s, target))
    }

    fn ping<'s>(
        s: &'s mut Talk<'_>,
        repository: &'s Repository,
        hook: HookId,
    ) -> Calling<'s, Pinged> {
        Box::pin(hooks::ping(s, repository, hook))
    }

    fn owner<'s>(s: &'s mut Talk<'_>, name: &'s str) -> Calling<'s, ()> {
        Box::pin(repos::owner(s, name))
    }

    fn page<'s>(s: &'s mut Talk<'_>, page: u32) -> Calling<'s, (Vec<Repository>, bool)> {
        Box::pin(repos::page(s, page))
    }

    fn identity<'s>(s: &'s mut Talk<'_>) -> Calling<'s, Identity> {
        Box::pin(repos::identity(s))
    }
}
