//! The lane of a pipeline: see the table of ADR 14.

use super::super::payload::{AttributesPart, Body};
use crate::domain::lane::children::Likeness;
use crate::domain::lane::{Code, Lane};
use crate::domain::repo::RepositoryId;
use crate::domain::run::{BranchKind, Branches, Parent};
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, WORD_BYTES_MAX, clean_of, name_of,
};
use sha2::{Digest, Sha256};

/// The prefix of a ref that stands for a merge request.
const MERGE_REQUEST_REF: &str = "refs/merge-requests/";
/// Its suffix when it stands for the merge request's place in a merge train.
const TRAIN: &str = "/train";
/// The source of a merge request's pipeline.
const MERGE_REQUEST_EVENT: &str = "merge_request_event";
/// So many digits of a commit's hash are its short name.
const SHORT_HASH: usize = 8;
const EXTERNAL_PULL_REQUEST_EVENT: &str = "external_pull_request_event";

fn source<'a>(pipeline: &'a AttributesPart<'_>) -> &'a str {
    pipeline.source.text().unwrap_or_default()
}

fn is_child(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> bool {
    let by_source = matches!(source(pipeline), "parent_pipeline" | "pipeline");
    by_source || body.source_pipeline.0.is_some()
}

fn is_of_merge_request(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> bool {
    let by_source = [MERGE_REQUEST_EVENT, EXTERNAL_PULL_REQUEST_EVENT].contains(&source(pipeline));
    by_source || body.merge_request.0.is_some()
}

/// Whose code it was: that of a merge request may be of another project.
pub(super) fn whose(body: &Body<'_>) -> Code {
    let project = body.project.0.as_ref().and_then(|p| p.id.number());
    let own = project.or_else(|| body.project_id.number());
    let merge_request = body.merge_request.0.as_ref();
    of_project(
        merge_request.and_then(|m| m.source_project_id.number()),
        own,
    )
}

pub(super) fn of_project(source: Option<u64>, own: Option<u64>) -> Code {
    match source {
        Some(id) if own != Some(id) => Code::Fork(RepositoryId(id)),
        Some(_) | None => Code::Own,
    }
}

/// The lane; for a child that of its parent, as far as the child reports it.
pub(super) fn of_pipeline(pipeline: &AttributesPart<'_>, code: &Code, body: &Body<'_>) -> Lane {
    let code = code.clone();
    let trigger = match source(pipeline) {
        "parent_pipeline" | "pipeline" => String::new(),
        _ => clean_of(&pipeline.source, WORD_BYTES_MAX).unwrap_or_default(),
    };
    let branch = branch(pipeline, body);
    if is_of_merge_request(pipeline, body) {
        return of_merge_request(pipeline, code, branch, body);
    }
    let Some(branch) = branch else {
        let sha = clean_of(&pipeline.sha, COMMIT_BYTES_MAX).unwrap_or_default();
        return Lane::Commit { trigger, code, sha };
    };
    match trigger.as_str() {
        "schedule" => Lane::Schedule { branch },
        "web" => Lane::Dispatch { branch },
        "" | "push" if pipeline.tag.is_true() => Lane::Tag { name: branch },
        "" | "push" => Lane::Push { code, branch },
        _ => Lane::Other {
            trigger,
            code,
            branch,
        },
    }
}

/// What a branch is to the project. GitLab says in `protected_ref` that it is protected.
pub(super) fn branch_kind(
    (lane, code): (&Lane, &Code),
    branch: Option<&str>,
    (pipeline, body): (&AttributesPart<'_>, &Body<'_>),
) -> BranchKind {
    let project = body.project.0.as_ref();
    let branches = Branches {
        default: project.and_then(|it| it.default_branch.text()),
        is_protected: pipeline.protected_ref.is_true(),
    };
    // A tag may be called as a branch is.
    if pipeline.tag.is_true() {
        return BranchKind::Unknown;
    }
    BranchKind::of(lane, code, branch, branches)
}

fn of_merge_request(
    pipeline: &AttributesPart<'_>,
    code: Code,
    branch: Option<String>,
    body: &Body<'_>,
) -> Lane {
    let trigger = match source(pipeline) {
        EXTERNAL_PULL_REQUEST_EVENT => EXTERNAL_PULL_REQUEST_EVENT,
        _ => MERGE_REQUEST_EVENT,
    };
    let trigger = trigger.to_owned();
    let git_ref = pipeline.git_ref.text().unwrap_or_default();
    let of_ref = git_ref.strip_prefix(MERGE_REQUEST_REF);
    let of_ref = of_ref.and_then(|rest| rest.split('/').next()?.parse().ok());
    let merge_request = body.merge_request.0.as_ref();
    let number = merge_request.and_then(|m| m.iid.number()).or(of_ref);
    let base = merge_request.and_then(|m| name_of(&m.target_branch, BRANCH_BYTES_MAX));
    let sha = || clean_of(&pipeline.sha, COMMIT_BYTES_MAX).unwrap_or_default();
    match (number, branch) {
        (Some(number), _) if of_ref.is_some() && git_ref.ends_with(TRAIN) => Lane::Queue {
            trigger,
            base: base.unwrap_or_default(),
            number,
        },
        (Some(number), _) => Lane::PullRequest { trigger, number },
        (None, Some(branch)) => Lane::PullRequestFrom {
            trigger,
            code,
            branch,
        },
        (None, None) => {
            let sha = sha();
            Lane::Commit { trigger, code, sha }
        }
    }
}

/// The pipeline whose job started this one. If the job is not reported, the child stands for
/// itself: nothing else is known to be in its place.
pub(super) fn parent(id: u64, body: &Body<'_>) -> Option<Parent> {
    let source = body.source_pipeline.0.as_ref()?;
    let own = body.project.0.as_ref().and_then(|p| p.id.number());
    let project = source.project.0.as_ref().and_then(|p| p.id.number());
    let pipeline = source.pipeline_id.number()?;
    Some(Parent {
        project: project.filter(|id| own != Some(*id)).map(RepositoryId),
        pipeline,
        job: source.job_id.number().unwrap_or(id),
        like: like(pipeline, body),
    })
}

fn hash(parts: [&str; 2]) -> u32 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let digest = hash.finalize();
    let first = digest.first_chunk().copied();
    u32::from_be_bytes(first.expect("a digest is longer"))
}

/// The content of a child. All of its jobs exist from the beginning, and stay. Variables that name
/// its parent or its commit change each time.
fn like(parent: u64, body: &Body<'_>) -> Likeness {
    let pipeline = body.object_attributes.0.as_ref();
    let jobs = body.builds.0.iter().filter_map(|job| {
        let stage = job.stage.text().unwrap_or_default();
        Some(hash([stage, job.name.text()?]))
    });
    let parent = parent.to_string();
    let commit = pipeline.and_then(|pipeline| pipeline.sha.text()?.get(..SHORT_HASH));
    let is_of_this_one = |value: &str| {
        value.contains(&parent) || commit.is_some_and(|commit| value.contains(commit))
    };
    let variables = pipeline.map(|pipeline| &pipeline.variables.0);
    let variables = variables.into_iter().flatten().filter_map(|variable| {
        let value = variable
            .value
            .text()
            .filter(|value| !is_of_this_one(value))?;
        Some((hash([variable.key.text()?, ""]), hash([value, ""])))
    });
    Likeness::new(jobs, variables)
}

/// A project has one workflow; pipelines of one kind are it. These names are those of version 0.1,
/// and are in stored tracks.
pub(super) fn workflow_key(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> String {
    let key = match source(pipeline) {
        _ if is_child(pipeline, body) => "child",
        _ if is_of_merge_request(pipeline, body) => "merge_request",
        "schedule" => "schedule",
        "" | "push" if pipeline.tag.is_true() => "tag",
        "" | "push" => "branch",
        _ => "other",
    };
    key.to_owned()
}

/// The name of a pipeline without a name.
pub(super) fn name(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> &'static str {
    match source(pipeline) {
        _ if is_child(pipeline, body) => "Child pipeline",
        _ if is_of_merge_request(pipeline, body) => "Merge request pipeline",
        "schedule" => "Scheduled pipeline",
        _ if pipeline.tag.is_true() => "Tag pipeline",
        _ => "Pipeline",
    }
}

/// The branch or tag; of a merge request, the branch that is to be merged.
pub(super) fn branch(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> Option<String> {
    let git_ref = name_of(&pipeline.git_ref, BRANCH_BYTES_MAX);
    let stands_for_one = |name: &String| name.starts_with(MERGE_REQUEST_REF);
    let source = || {
        let merge_request = body.merge_request.0.as_ref()?;
        name_of(&merge_request.source_branch, BRANCH_BYTES_MAX)
    };
    match git_ref {
        Some(name) if stands_for_one(&name) => source().or(Some(name)),
        Some(name) => Some(name),
        None => source(),
    }
}
