//! The parts of GitHub's payloads that we use, as borrowed types that accept any type.

use crate::provider::payload::wire;

wire! {
    /// The top of every payload, with the keys that distinguish the events.
    Body {
        action, zen, hook_id, git_ref = "ref", ref_type, before, after, master_branch, since,
        cache_location, deleted, number, state, context, id, sha, target_url, created_at,
        updated_at;
        review: Empty, comment: Empty, thread: Empty, deployment: Empty, pull_request: PullPart,
        merge_group: GroupPart, repository: RepositoryPart, workflow: WorkflowPart,
        workflow_run: RunPart, workflow_job: JobPart, check_suite: SuitePart, check_run: CheckPart,
        deployment_status: Empty, sender: ActorPart, commit: StatusCommitPart;
        [branches: BranchPart]
    }
    /// `repository`.
    RepositoryPart { id, full_name, default_branch, html_url, pushed_at }
    /// `pull_request` of its own event.
    PullPart { number, merged, closed_at, updated_at; head: EndPart, base: EndPart }
    /// The source and the target of a pull request.
    EndPart { git_ref = "ref", sha; repo: RepositoryPart }
    /// `merge_group`.
    GroupPart { head_ref }
    /// `workflow`.
    WorkflowPart { id, name, path }
    /// `workflow_run`.
    RunPart {
        id, workflow_id, name, path, display_title, run_number, run_attempt, event, status,
        conclusion, head_branch, head_sha, check_suite_id, html_url, created_at, run_started_at,
        updated_at;
        head_commit: CommitPart, head_repository: RepositoryPart, actor: ActorPart,
        triggering_actor: ActorPart; [pull_requests: PullPart]
    }
    /// `workflow_job`.
    JobPart {
        id, run_id, run_attempt, name, workflow_name, conclusion, head_branch, head_sha, created_at,
        started_at, completed_at
    }
    /// `check_suite`, and the one in a `check_run`.
    SuitePart {
        id, status, conclusion, head_branch, head_sha, created_at, updated_at;
        app: AppPart, head_commit: CommitPart; [pull_requests: PullPart]
    }
    /// `check_run`.
    CheckPart { id, name, conclusion; app: AppPart, check_suite: SuitePart }
    /// The app that checks belong to.
    AppPart { id, slug, name }
    /// `commit` of a status.
    StatusCommitPart { ; commit: GitCommitPart, author: ActorPart; [parents: HeadPart] }
    /// `commit.commit` of a status.
    GitCommitPart { message; author: PersonPart, committer: PersonPart }
    /// The author of a commit, and the time.
    PersonPart { date, name, username }
    /// One of the branches of a status' commit, with the commit that is its head.
    BranchPart { name; commit: HeadPart }
    /// The head of a branch, or the parent of a commit.
    HeadPart { sha }
    /// `workflow_run.head_commit`.
    CommitPart { message; author: PersonPart }
    /// `workflow_run.actor` and its like.
    ActorPart { login }
    /// An object of which only the presence matters.
    Empty { number }
    /// The repository of a delivery without a hook key.
    ClaimBody { ; repository: RepositoryPart }
}
