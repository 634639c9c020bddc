//! The parts of GitLab's payloads that we use, as borrowed types that accept any type.

use crate::provider::payload::{List, Loose, Object, wire};

wire! {
    /// The top of every payload, with the keys that distinguish the events.
    Body {
        object_kind: Loose<'a>,
        object_attributes: Object<AttributesPart<'a>>,
        project: Object<ProjectPart<'a>>,
        project_id: Loose<'a>,
        merge_request: Object<MergeRequestPart<'a>>,
        user: Object<UserPart<'a>>,
        commit: Object<CommitPart<'a>>,
        builds: List<BuildPart<'a>>,
        source_pipeline: Object<SourcePart<'a>>,
        git_ref = "ref": Loose<'a>,
        after: Loose<'a>,
        user_username: Loose<'a>,
        build_status: Loose<'a>,
        status: Loose<'a>,
    }
    /// `project`.
    ProjectPart {
        id: Loose<'a>,
        path_with_namespace: Loose<'a>,
        web_url: Loose<'a>,
        default_branch: Loose<'a>,
    }
    /// `object_attributes` of a pipeline or a merge request.
    AttributesPart {
        id: Loose<'a>,
        name: Loose<'a>,
        git_ref = "ref": Loose<'a>,
        tag: Loose<'a>,
        sha: Loose<'a>,
        source: Loose<'a>,
        status: Loose<'a>,
        action: Loose<'a>,
        created_at: Loose<'a>,
        started_at: Loose<'a>,
        finished_at: Loose<'a>,
        url: Loose<'a>,
        iid: Loose<'a>,
        source_branch: Loose<'a>,
        source_project_id: Loose<'a>,
        updated_at: Loose<'a>,
        last_commit: Object<LastCommitPart<'a>>,
        variables: List<VariablePart<'a>>,
    }
    /// One of `variables` of a pipeline.
    VariablePart { key: Loose<'a>, value: Loose<'a> }
    /// `last_commit` of a merge request.
    LastCommitPart { id: Loose<'a> }
    /// `merge_request` of a pipeline.
    MergeRequestPart {
        iid: Loose<'a>,
        source_branch: Loose<'a>,
        source_project_id: Loose<'a>,
        target_branch: Loose<'a>,
    }
    /// `user`.
    UserPart { username: Loose<'a>, name: Loose<'a> }
    /// `commit` of a pipeline.
    CommitPart { message: Loose<'a>, title: Loose<'a>, author: Object<AuthorPart<'a>> }
    /// The author of a commit.
    AuthorPart { name: Loose<'a> }
    /// One of `builds`.
    BuildPart {
        id: Loose<'a>,
        stage: Loose<'a>,
        name: Loose<'a>,
        status: Loose<'a>,
        created_at: Loose<'a>,
        started_at: Loose<'a>,
        finished_at: Loose<'a>,
        failure_reason: Loose<'a>,
        allow_failure: Loose<'a>,
    }
    /// `source_pipeline`: the pipeline that started this one.
    SourcePart { project: Object<ProjectPart<'a>>, pipeline_id: Loose<'a>, job_id: Loose<'a> }
    /// The project of a delivery without a hook key.
    ClaimBody { project: Object<ProjectPart<'a>> }
}
