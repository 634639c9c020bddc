//! The client of one GitLab installation.

use super::dialect::{GitlabDialect, PACE};
use crate::domain::repo::Instance;
use crate::domain::time::Clock;
use crate::provider::client::Client;
use crate::provider::http::{HttpConfig, HttpError, literal};
use std::sync::Arc;

/// The client of one GitLab installation.
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
