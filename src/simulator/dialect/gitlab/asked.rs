//! What is asked, and what is to be done for it.

use super::operation::Operation;
use crate::simulator::dialect::answer::Answer;
use crate::simulator::dialect::params::Params;
use crate::simulator::state::gitlab::Job;
use crate::simulator::transport::Outcome;
use actix_web::HttpRequest;

/// A request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) operation: Operation,
    /// The parts of the path behind what says the project, decoded.
    pub(super) rest: &'a [String],
    pub(super) params: Params,
    pub(super) query: &'a str,
    pub(super) login: String,
    pub(super) token: String,
}

/// What is to be done next.
pub(super) enum Step {
    /// Nothing: this is the answer.
    Say(Answer),
    /// A delivery; the answer depends on what comes of it.
    Send(Box<Job>, fn(&Outcome) -> Answer),
}

pub(super) fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

pub(super) fn bearer(request: &HttpRequest) -> Option<&str> {
    header(request, "authorization")?.strip_prefix("Bearer ")
}
