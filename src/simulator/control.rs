//! `/_sim`: what the handles can do, for those in another process.

mod faults;
mod github;
mod gitlab;
mod oauth;

use super::Shared;
use actix_web::web::{Data, ServiceConfig};

type Sim = Data<Shared>;

pub(super) fn register(config: &mut ServiceConfig) {
    faults::register(config);
    github::register(config);
    gitlab::register(config);
    oauth::register(config);
}
