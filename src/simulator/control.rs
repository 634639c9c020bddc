//! The providers of a simulator from outside: handles for this process, `/_sim` for another one.

mod github;
mod gitlab;
mod oauth;
mod remote;

pub use github::GithubHandle;
pub use gitlab::GitlabHandle;
pub(super) use remote::register;
