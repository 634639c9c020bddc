//! The providers of a simulator, as the owner of the machine that they run on could change them.

mod github;
mod gitlab;
mod oauth;

pub use github::GithubHandle;
pub use gitlab::GitlabHandle;
