//! The providers of a simulator from outside: handles for this process, `/_sim` for another one.

mod faults;
mod github;
mod gitlab;
mod oauth;

pub use github::GithubHandle;
pub use gitlab::GitlabHandle;

use super::Shared;
use actix_web::web::{Data, ServiceConfig};

type Sim = Data<Shared>;

pub(super) fn register(config: &mut ServiceConfig) {
    faults::register(config);
    github::register(config);
    gitlab::register(config);
    oauth::register(config);
}
