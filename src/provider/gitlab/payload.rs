//! The parts of GitLab's payloads that we use, as borrowed types that accept any type.

use crate::provider::payload::wire;

wire! {
    /// The top of every payload, with the keys that distinguish the events.
    Body {
        object_kind, project_id, git_ref = "ref", after, user_username, build_status, status;
        object_attributes: AttributesPart, project: ProjectPart, merge_request: MergeRequestPart,
        user: UserPart, commit: CommitPart, source_pipeline: SourcePart; [builds: BuildPart]
    }
    /// `project`.
    ProjectPart { id, path_with_namespace, web_url, default_branch }
    /// `object_attributes` of a pipeline or a merge request.
    AttributesPart {
        id, name, git_ref = "ref", tag, sha, source, status, action, created_at, started_at,
        finished_at, url, iid, source_branch, source_project_id, updated_at,
        protected_ref;
        last_commit: LastCommitPart; [variables: VariablePart]
    }
    /// One of `variables` of a pipeline.
    VariablePart { key, value }
    /// `last_commit` of a merge request.
    LastCommitPart { id }
    /// `merge_request` of a pipeline.
    MergeRequestPart { iid, source_branch, source_project_id, target_branch }
    /// `user`.
    UserPart { username, name }
    /// `commit` of a pipeline.
    CommitPart { message, title; author: AuthorPart }
    /// The author of a commit.
    AuthorPart { name }
    /// One of `builds`.
    BuildPart {
        id, stage, name, status, created_at, started_at, finished_at, failure_reason, allow_failure
    }
    /// `source_pipeline`: the pipeline that started this one.
    SourcePart { pipeline_id, job_id; project: ProjectPart }
    /// The project of a delivery without a hook key.
    ClaimBody { ; project: ProjectPart }
}
