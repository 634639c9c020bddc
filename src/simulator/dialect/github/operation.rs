//! What is asked for.

use crate::simulator::dialect::operation::operations;
use actix_web::http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

operations! {
    User "user";
    Account "account";
    Repositories "repositories";
    RateLimit "rate_limit";
    Versions "versions";
    Repository "repository";
    ListHooks "list_hooks";
    CreateHook "create_hook";
    GetHook "get_hook";
    UpdateHook "update_hook";
    DeleteHook "delete_hook";
    GetConfig "get_config";
    UpdateConfig "update_config";
    PingHook "ping_hook";
    TestHook "test_hook";
    ListDeliveries "list_deliveries";
    GetDelivery "get_delivery";
    Redeliver "redeliver";
    ListRuns "list_runs";
    GetRun "get_run";
    GetRunAttempt "get_run_attempt";
    ListJobs "list_jobs";
    ListAttemptJobs "list_attempt_jobs";
    JobLog "job_log";
    Compare "compare";
    ListCommits "list_commits";
    CommitPulls "commit_pulls";
    ListWorkflows "list_workflows";
    ListWorkflowRuns "list_workflow_runs";
    App "app";
    Installations "app_installations";
    Installation "app_installation";
    InstallationToken "installation_token";
    InstallationRepositories "installation_repositories";
    Unknown "unknown";
}

impl Operation {
    /// Whether it is asked for with an App's proof instead of a token.
    pub(super) const fn is_of_an_app(self) -> bool {
        matches!(
            self,
            Self::App | Self::Installations | Self::Installation | Self::InstallationToken
        )
    }

    fn of(method: &Method, rest: &[&str]) -> Self {
        match (method.as_str(), rest) {
            ("GET", []) => Self::Repository,
            ("GET", ["hooks"]) => Self::ListHooks,
            ("POST", ["hooks"]) => Self::CreateHook,
            ("GET", ["hooks", _]) => Self::GetHook,
            ("PATCH", ["hooks", _]) => Self::UpdateHook,
            ("DELETE", ["hooks", _]) => Self::DeleteHook,
            ("GET", ["hooks", _, "config"]) => Self::GetConfig,
            ("PATCH", ["hooks", _, "config"]) => Self::UpdateConfig,
            ("POST", ["hooks", _, "pings"]) => Self::PingHook,
            ("POST", ["hooks", _, "tests"]) => Self::TestHook,
            ("GET", ["hooks", _, "deliveries"]) => Self::ListDeliveries,
            ("GET", ["hooks", _, "deliveries", _]) => Self::GetDelivery,
            ("POST", ["hooks", _, "deliveries", _, "attempts"]) => Self::Redeliver,
            ("GET", ["actions", "runs"]) => Self::ListRuns,
            ("GET", ["actions", "runs", _]) => Self::GetRun,
            ("GET", ["actions", "runs", _, "attempts", _]) => Self::GetRunAttempt,
            ("GET", ["actions", "runs", _, "jobs"]) => Self::ListJobs,
            ("GET", ["actions", "runs", _, "attempts", _, "jobs"]) => Self::ListAttemptJobs,
            ("GET", ["actions", "jobs", _, "logs"]) => Self::JobLog,
            ("GET", ["compare", _]) => Self::Compare,
            ("GET", ["commits"]) => Self::ListCommits,
            ("GET", ["commits", _, "pulls"]) => Self::CommitPulls,
            ("GET", ["actions", "workflows"]) => Self::ListWorkflows,
            ("GET", ["actions", "workflows", _, "runs"]) => Self::ListWorkflowRuns,
            _ => Self::Unknown,
        }
    }
}

/// A request, taken apart.
pub(super) struct Asked<'a> {
    pub(super) operation: Operation,
    /// What the path says of the repository, when it is about one.
    pub(super) place: Place<'a>,
    /// The path behind the repository.
    pub(super) rest: Vec<&'a str>,
    pub(super) query: &'a str,
    pub(super) body: Value,
    pub(super) login: String,
    pub(super) token: String,
    /// The repositories that an installation's token reaches.
    pub(super) reach: Option<BTreeSet<u64>>,
}

#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    None,
    Named(&'a str, &'a str),
    Numbered(&'a str),
}

/// What a request asks for, of which repository, and the path behind that.
pub(super) fn parse<'a>(
    method: &Method,
    segments: &[&'a str],
) -> (Operation, Place<'a>, Vec<&'a str>) {
    let operation = match segments {
        ["repos", owner, name, rest @ ..] => {
            let place = Place::Named(owner, name);
            return (Operation::of(method, rest), place, rest.to_vec());
        }
        ["repositories", id, rest @ ..] => {
            let place = Place::Numbered(id);
            return (Operation::of(method, rest), place, rest.to_vec());
        }
        ["users", login] => return (Operation::Account, Place::None, vec![login]),
        ["user"] => Operation::User,
        ["user", "repos"] => Operation::Repositories,
        ["rate_limit"] => Operation::RateLimit,
        ["versions"] => Operation::Versions,
        ["installation", "repositories"] => Operation::InstallationRepositories,
        ["app"] => Operation::App,
        ["app", "installations"] => Operation::Installations,
        ["app", "installations", _] if method == Method::GET => Operation::Installation,
        ["app", "installations", _, "access_tokens"] if method == Method::POST => {
            Operation::InstallationToken
        }
        _ => Operation::Unknown,
    };
    (operation, Place::None, Vec::new())
}
