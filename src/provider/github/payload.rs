//! The parts of GitHub's payloads that we use, as borrowed types that never believe a type.

use crate::provider::payload::{Loose, Object, wire};

wire! {
    /// The top of every payload, with the keys that tell the events apart.
    Body {
        action: Loose<'a>,
        zen: Loose<'a>,
        hook_id: Loose<'a>,
        git_ref = "ref": Loose<'a>,
        pull_request: Object<Empty<'a>>,
        repository: Object<RepositoryPart<'a>>,
        workflow: Object<WorkflowPart<'a>>,
        workflow_run: Object<RunPart<'a>>,
    }
    /// `repository`.
    RepositoryPart { id: Loose<'a>, full_name: Loose<'a> }
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
        html_url: Loose<'a>,
        actor: Object<ActorPart<'a>>,
        triggering_actor: Object<ActorPart<'a>>,
        created_at: Loose<'a>,
        run_started_at: Loose<'a>,
        updated_at: Loose<'a>,
    }
    /// `workflow_run.head_commit`.
    CommitPart { message: Loose<'a> }
    /// `workflow_run.actor` and its like.
    ActorPart { login: Loose<'a> }
    /// An object of which only the presence counts.
    Empty { number: Loose<'a> }
    /// What a delivery without a hook key says about where it belongs.
    ClaimBody { repository: Object<RepositoryPart<'a>> }
}
