//! How long providers keep their logs.

use crate::domain::repo::{Instance, ProviderKind};
use std::time::Duration;

/// How long a provider keeps its log.
///
/// Source: 3 days at github.com and GitHub Enterprise Cloud, 7 days at GitHub Enterprise Server
/// (its documentation of redeliveries) and GitLab's API.
pub(super) fn window(instance: &Instance) -> Duration {
    let host = instance.host.as_str();
    let is_cloud = host == "github.com" || host.ends_with(".ghe.com");
    match instance.provider {
        ProviderKind::Github if is_cloud => Duration::from_hours(3 * 24),
        ProviderKind::Github | ProviderKind::Gitlab => Duration::from_hours(7 * 24),
    }
}
