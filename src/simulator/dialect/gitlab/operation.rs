//! What is asked for, and what a token needs for it.

use crate::simulator::dialect::operation::operations;
use actix_web::http::Method;

operations! {
    User "gitlab.user";
    TokenSelf "gitlab.token_self";
    Version "gitlab.version";
    Projects "gitlab.projects";
    Group "gitlab.group";
    Users "gitlab.users";
    NamespaceExists "gitlab.namespace_exists";
    Project "gitlab.project";
    ListHooks "gitlab.list_hooks";
    CreateHook "gitlab.create_hook";
    GetHook "gitlab.get_hook";
    UpdateHook "gitlab.update_hook";
    DeleteHook "gitlab.delete_hook";
    TestHook "gitlab.test_hook";
    ListEvents "gitlab.list_events";
    Resend "gitlab.resend";
    ListPipelines "gitlab.list_pipelines";
    GetPipeline "gitlab.get_pipeline";
    PipelineJobs "gitlab.pipeline_jobs";
    PipelineBridges "gitlab.pipeline_bridges";
    PipelineVariables "gitlab.pipeline_variables";
    MergeRequest "gitlab.merge_request";
    JobTrace "gitlab.job_trace";
    GetBranch "gitlab.get_branch";
    ListCommits "gitlab.list_commits";
    GetCommit "gitlab.get_commit";
    CommitRequests "gitlab.commit_merge_requests";
    Unknown "gitlab.unknown";
}

impl Operation {
    /// Any of these scopes is enough; none is needed when there are none.
    pub(super) const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::TokenSelf | Self::Unknown => &[],
            Self::User | Self::Users => &["api", "read_api", "read_user"],
            Self::Version
            | Self::Projects
            | Self::Group
            | Self::NamespaceExists
            | Self::Project
            | Self::ListHooks
            | Self::GetHook
            | Self::ListPipelines
            | Self::GetPipeline
            | Self::PipelineJobs
            | Self::PipelineBridges
            | Self::PipelineVariables
            | Self::MergeRequest
            | Self::JobTrace
            | Self::GetBranch
            | Self::ListCommits
            | Self::GetCommit
            | Self::CommitRequests
            | Self::ListEvents => &["api", "read_api"],
            Self::CreateHook
            | Self::UpdateHook
            | Self::DeleteHook
            | Self::TestHook
            | Self::Resend => &["api"],
        }
    }

    pub(super) fn of(method: &Method, parts: &[String]) -> Self {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match (method.as_str(), parts.as_slice()) {
            ("GET", ["user"]) => Self::User,
            ("GET", ["personal_access_tokens", "self"]) => Self::TokenSelf,
            ("GET", ["version" | "metadata"]) => Self::Version,
            ("GET", ["projects"]) => Self::Projects,
            ("GET", ["groups", _]) => Self::Group,
            ("GET", ["users"]) => Self::Users,
            ("GET", ["namespaces", _, "exists"]) => Self::NamespaceExists,
            ("GET", ["projects", _]) => Self::Project,
            ("GET", ["projects", _, "hooks"]) => Self::ListHooks,
            ("POST", ["projects", _, "hooks"]) => Self::CreateHook,
            ("GET", ["projects", _, "hooks", _]) => Self::GetHook,
            ("PUT", ["projects", _, "hooks", _]) => Self::UpdateHook,
            ("DELETE", ["projects", _, "hooks", _]) => Self::DeleteHook,
            ("POST", ["projects", _, "hooks", _, "test", _]) => Self::TestHook,
            ("GET", ["projects", _, "hooks", _, "events"]) => Self::ListEvents,
            ("POST", ["projects", _, "hooks", _, "events", _, "resend"]) => Self::Resend,
            ("GET", ["projects", _, "pipelines"]) => Self::ListPipelines,
            ("GET", ["projects", _, "pipelines", _]) => Self::GetPipeline,
            ("GET", ["projects", _, "pipelines", _, "jobs"]) => Self::PipelineJobs,
            ("GET", ["projects", _, "pipelines", _, "bridges"]) => Self::PipelineBridges,
            ("GET", ["projects", _, "pipelines", _, "variables"]) => Self::PipelineVariables,
            ("GET", ["projects", _, "merge_requests", _]) => Self::MergeRequest,
            ("GET", ["projects", _, "jobs", _, "trace"]) => Self::JobTrace,
            ("GET", ["projects", _, "repository", "branches", _]) => Self::GetBranch,
            ("GET", ["projects", _, "repository", "commits"]) => Self::ListCommits,
            ("GET", ["projects", _, "repository", "commits", _]) => Self::GetCommit,
            ("GET", ["projects", _, "repository", "commits", _, "merge_requests"]) => {
                Self::CommitRequests
            }
            _ => Self::Unknown,
        }
    }
}
