//! The parts of GitHub's payloads that we use, as borrowed types that accept any type.

use crate::provider::payload::{List, Loose, Object, wire};

wire! {
    /// The top of every payload, with the keys that distinguish the events.
    Body {
        action: Loose<'a>,
        zen: Loose<'a>,
        hook_id: Loose<'a>,
        git_ref = "ref": Loose<'a>,
        ref_type: Loose<'a>,
        before: Loose<'a>,
        after: Loose<'a>,
        master_branch: Loose<'a>,
        since: Loose<'a>,
        cache_location: Loose<'a>,
        review: Object<Empty<'a>>,
        comment: Object<Empty<'a>>,
        thread: Object<Empty<'a>>,
        deployment: Object<Empty<'a>>,
        deleted: Loose<'a>,
        number: Loose<'a>,
        pull_request: Object<PullPart<'a>>,
        merge_group: Object<GroupPart<'a>>,
        repository: Object<RepositoryPart<'a>>,
        workflow: Object<WorkflowPart<'a>>,
        workflow_run: Object<RunPart<'a>>,
        workflow_job: Object<JobPart<'a>>,
        check_suite: Object<SuitePart<'a>>,
        check_run: Object<CheckPart<'a>>,
        deployment_status: Object<Empty<'a>>,
        sender: Object<ActorPart<'a>>,
        state: Loose<'a>,
        context: Loose<'a>,
        id: Loose<'a>,
        sha: Loose<'a>,
        target_url: Loose<'a>,
        commit: Object<StatusCommitPart<'a>>,
        branches: List<BranchPart<'a>>,
        created_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `repository`.
    RepositoryPart {
        id: Loose<'a>,
        full_name: Loose<'a>,
        default_branch: Loose<'a>,
        html_url: Loose<'a>,
        pushed_at: Loose<'a>,
    }
    /// `pull_request` of its own event.
    PullPart {
        number: Loose<'a>,
        merged: Loose<'a>,
        closed_at: Loose<'a>,
        updated_at: Loose<'a>,
        head: Object<EndPart<'a>>,
        base: Object<EndPart<'a>>,
    }
    /// The source and the target of a pull request.
    EndPart {
        git_ref = "ref": Loose<'a>,
        sha: Loose<'a>,
        repo: Object<RepositoryPart<'a>>,
    }
    /// `merge_group`.
    GroupPart { head_ref: Loose<'a> }
    /// `workflow`.
    WorkflowPart { id: Loose<'a>, name: Loose<'a>, path: Loose<'a> }
    /// `workflow_run`.
    RunPart {
        id: Loose<'a>,
        workflow_id: Loose<'a>,
        name: Loose<'a>,
        path: Loose<'a>,
        display_title: Loose<'a>,
        run_number: Loose<'a>,
        run_attempt: Loose<'a>,
        event: Loose<'a>,
        status: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        head_commit: Object<CommitPart<'a>>,
        head_repository: Object<RepositoryPart<'a>>,
        pull_requests: List<PullPart<'a>>,
        check_suite_id: Loose<'a>,
        html_url: Loose<'a>,
        actor: Object<ActorPart<'a>>,
        triggering_actor: Object<ActorPart<'a>>,
        created_at: Loose<'a>,
        run_started_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `workflow_job`.
    JobPart {
        id: Loose<'a>,
        run_id: Loose<'a>,
        run_attempt: Loose<'a>,
        name: Loose<'a>,
        workflow_name: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        created_at: Loose<'a>,
        started_at: Loose<'a>,
        completed_at: Loose<'a>,
    }
    /// `check_suite`, and the one in a `check_run`.
    SuitePart {
        id: Loose<'a>,
        app: Object<AppPart<'a>>,
        status: Loose<'a>,
        conclusion: Loose<'a>,
        head_branch: Loose<'a>,
        head_sha: Loose<'a>,
        head_commit: Object<CommitPart<'a>>,
        pull_requests: List<PullPart<'a>>,
        created_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `check_run`.
    CheckPart {
        id: Loose<'a>,
        name: Loose<'a>,
        app: Object<AppPart<'a>>,
        conclusion: Loose<'a>,
        check_suite: Object<SuitePart<'a>>,
    }
    /// The app that checks belong to.
    AppPart { id: Loose<'a>, slug: Loose<'a>, name: Loose<'a> }
    /// `commit` of a status.
    StatusCommitPart {
        commit: Object<GitCommitPart<'a>>,
        author: Object<ActorPart<'a>>,
        parents: List<HeadPart<'a>>,
    }
    /// `commit.commit` of a status.
    GitCommitPart {
        message: Loose<'a>,
        author: Object<PersonPart<'a>>,
        committer: Object<PersonPart<'a>>,
    }
    /// The author of a commit, and the time.
    PersonPart { date: Loose<'a>, name: Loose<'a>, username: Loose<'a> }
    /// One of the branches of a status' commit, with the commit that is its head.
    BranchPart { name: Loose<'a>, commit: Object<HeadPart<'a>> }
    /// The head of a branch, or the parent of a commit.
    HeadPart { sha: Loose<'a> }
    /// `workflow_run.head_commit`.
    CommitPart { message: Loose<'a>, author: Object<PersonPart<'a>> }
    /// `workflow_run.actor` and its like.
    ActorPart { login: Loose<'a> }
    /// An object of which only the presence matters.
    Empty { number: Loose<'a> }
    /// The repository of a delivery without a hook key.
    ClaimBody { repository: Object<RepositoryPart<'a>> }
}
