//! The client of one GitHub installation.

use super::dialect::{GithubDialect, PACE};
use crate::domain::repo::Instance;
use crate::domain::time::Clock;
use crate::provider::client::Client;
use crate::provider::http::{HttpConfig, HttpError, literal};
use std::sync::Arc;

/// The client of one GitHub installation.
pub type Github = Client<GithubDialect>;

impl Github {
    /// A client of the installation whose API is at `config.api_url`: `https://api.github.com`, or
    /// `https://HOST/api/v3` for GitHub Enterprise Server.
    pub fn new(
        config: &HttpConfig,
        clock: Arc<dyn Clock>,
        instance: &Instance,
    ) -> Result<Self, HttpError> {
        let headers = [
            // The second is for servers that use plain JSON.
            literal(
                "accept",
                "application/vnd.github+json, application/json;q=0.9",
            ),
            literal("x-github-api-version", "2022-11-28"),
        ];
        let headers = headers.into_iter().collect();
        let dialect = (GithubDialect, PACE);
        Self::speaking(dialect, config, headers, clock, instance)
    }
}
