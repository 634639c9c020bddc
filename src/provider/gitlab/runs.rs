//! GitLab's pipelines, found by listing them, as the events of their present state.
//!
//! Sources: GitLab's documentation, "Pipelines API", "Jobs API", "Merge requests API". What the
//! event `Pipeline Hook` has, and where it is here:
//!
//! - the pipeline: its detail; times with fractions of a second there, whole seconds in events. The
//!   decoder counts in seconds, so they are cut;
//! - its jobs: their list, for pipelines that failed or still run, and for children, which are
//!   distinguished by their jobs. Others need none;
//! - the commit: that of a job;
//! - the merge request: read by the number in the pipeline's ref;
//! - the default branch: that of the project. Whether another branch is protected: its own answer
//!   ("Branches API"), for a pipeline that failed;
//! - which pipeline started a child: the trigger jobs of its parent, see [`children`];
//! - which one started a downstream pipeline of another project: nowhere. Such pipelines are left
//!   out, because without its parent one would count as another workflow's run.

mod children;
mod latest;
mod listed;

use super::decode::PIPELINE_EVENT;
use super::dialect::{GitlabDialect, Talk};
use super::errors;
use crate::domain::delivery::Payload;
use crate::domain::repo::Repository;
use crate::domain::time::Timestamp;
use crate::provider::access::ProviderError;
use crate::provider::dialect::{Asked, Dialect};
use crate::provider::logs::{Found, RunsPage};
use crate::provider::part::encoded;
use crate::provider::payload::moment_of;
use crate::provider::reading::written;
use children::CHILDREN;
pub(in crate::provider) use children::Families;
pub(super) use latest::of_each_branch;
use listed::{ListedBody, get, get_if_there, pipelines_path, readable};
use serde_json::{Value, json};

/// Pipelines of a page.
const PER_PAGE: u32 = 100;
/// Most pages of the jobs of a pipeline: 2,000 jobs.
const JOB_PAGES_MAX: u32 = 20;
/// Highest page of a list.
const PAGE_MAX: u32 = 1_000_000;
/// The cursor of a page of children.
const CHILDREN_PAGE: &str = "children:";
/// The prefix of a ref that stands for a merge request.
const MERGE_REQUEST_REF: &str = "refs/merge-requests/";

/// A time in whole seconds, as events write it.
fn cut(time: &Value) -> Value {
    let at = time.as_str().and_then(moment_of);
    at.map_or(Value::Null, |at| Value::from(written(at)))
}

/// The jobs, as events list them, and the commit of one.
async fn jobs(
    s: &mut Talk<'_>,
    pipeline: u64,
    repository: &Repository,
) -> Result<(Vec<Value>, Value), ProviderError> {
    const KEPT: [&str; 6] = [
        "id",
        "stage",
        "name",
        "status",
        "failure_reason",
        "allow_failure",
    ];
    let path = format!(
        "{}/{pipeline}/jobs?per_page=100",
        pipelines_path(repository)
    );
    let (mut builds, mut commit) = (Vec::new(), Value::Null);
    for page in 1..=JOB_PAGES_MAX {
        let answer = get(s, &format!("{path}&page={page}"), repository).await?;
        let jobs: Vec<Value> = errors::parse(&answer)?;
        for job in jobs {
            let mut build = serde_json::Map::new();
            for name in KEPT {
                build.insert(name.to_owned(), job[name].clone());
            }
            for name in ["created_at", "started_at", "finished_at"] {
                build.insert(name.to_owned(), cut(&job[name]));
            }
            builds.push(Value::Object(build));
            if commit.is_null() && job["commit"].is_object() {
                let of = &job["commit"];
                commit = json!({
                    "id": of["id"], "title": of["title"], "message": of["message"],
                    "author": { "name": of["author_name"] },
                });
            }
        }
        if !GitlabDialect::has_next(&answer) {
            break;
        }
    }
    // In the order in which they were created, as events list them.
    builds.sort_by_key(|build: &Value| build["id"].as_u64());
    Ok((builds, commit))
}

/// The merge request of a pipeline, as events show it.
async fn merge_request(
    s: &mut Talk<'_>,
    git_ref: &str,
    repository: &Repository,
) -> Result<Value, ProviderError> {
    const KEPT: [&str; 6] = [
        "iid",
        "source_branch",
        "target_branch",
        "source_project_id",
        "target_project_id",
        "state",
    ];
    let number = git_ref.strip_prefix(MERGE_REQUEST_REF);
    let number = number.and_then(|rest| rest.split('/').next()?.parse::<u64>().ok());
    let Some(number) = number else {
        return Ok(Value::Null);
    };
    let path = format!("projects/{}/merge_requests/{number}", repository.id);
    let Some(answer) = get_if_there(s, &path, repository).await? else {
        return Ok(Value::Null);
    };
    let found: Value = errors::parse(&answer)?;
    let kept = KEPT
        .into_iter()
        .map(|name| (name.to_owned(), found[name].clone()));
    Ok(Value::Object(kept.collect()))
}

/// Whether this is a branch beside the default one, and protected. One that is gone is not. `None`
/// when the credential may not see branches: then nothing is known of them.
async fn is_protected(
    s: &mut Talk<'_>,
    branch: Option<&str>,
    repository: &Repository,
) -> Result<Option<bool>, ProviderError> {
    let other = branch.filter(|_| branch != repository.default_branch.as_deref());
    // Git has no branches like `..`, which would be another path.
    let Some(branch) = other.filter(|name| !name.is_empty() && !name.starts_with('.')) else {
        return Ok(Some(false));
    };
    let (id, branch) = (repository.id, encoded(branch));
    let path = format!("projects/{id}/repository/branches/{branch}");
    let answer = s.get(s.url(&path)).await?;
    match answer.status.as_u16() {
        200 => {
            let found: Value = errors::parse(&answer)?;
            Ok(Some(found["protected"] == true))
        }
        404 => Ok(Some(false)),
        403 => Ok(None),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
}

/// The event of a pipeline's present state, which it has since a moment unless GitLab says more;
/// `None` when it was deleted, or it is not known which pipeline started it.
pub(super) async fn event(
    s: &mut Talk<'_>,
    (id, listed_at): (u64, Timestamp),
    repository: &Repository,
    families: &mut Families,
) -> Result<Option<Found>, ProviderError> {
    let path = format!("{}/{id}", pipelines_path(repository));
    let Some(answer) = get_if_there(s, &path, repository).await? else {
        return Ok(None);
    };
    let detail: Value = errors::parse(&answer)?;
    let listed: ListedBody = serde_json::from_value(detail.clone())
        .map_err(|_| errors::bad_answer("not the expected JSON"))?;
    if listed.is_downstream() {
        return Ok(None);
    }
    let (mut source, mut variables) = (Value::Null, json!([]));
    if listed.is_child() {
        match families.source(s, &listed, repository).await? {
            Some(found) => source = found,
            None => return Ok(None),
        }
        variables = children::variables(s, id, repository).await?;
    }
    let status = listed.status.clone().unwrap_or_default();
    let needs_jobs = !listed.is_over() || status == "failed" || listed.is_child();
    let (builds, commit) = if needs_jobs {
        jobs(s, id, repository).await?
    } else {
        (Vec::new(), Value::Null)
    };
    let git_ref = listed.git_ref.clone().unwrap_or_default();
    let merge_request = merge_request(s, &git_ref, repository).await?;
    let is_branch = status == "failed" && detail["tag"] != true && merge_request.is_null();
    let branch = is_branch.then_some(git_ref.as_str());
    let is_protected = is_protected(s, branch, repository).await?;
    let default_branch = repository.default_branch.as_ref();
    let time = |name: &str| moment_of(detail[name].as_str()?);
    let finished = time("finished_at").filter(|_| listed.is_over());
    let changed = finished.or_else(|| time("updated_at"));
    // Its id does not depend on the list in which it is found.
    let named = changed.or_else(|| time("created_at")).unwrap_or_default();
    let body = json!({
        "object_kind": "pipeline",
        "object_attributes": {
            "id": id, "iid": detail["iid"], "name": detail["name"], "ref": detail["ref"],
            "tag": detail["tag"], "sha": detail["sha"], "source": detail["source"],
            "status": status, "created_at": cut(&detail["created_at"]),
            "started_at": cut(&detail["started_at"]), "finished_at": cut(&detail["finished_at"]),
            "url": detail["web_url"], "variables": variables, "protected_ref": is_protected,
        },
        "merge_request": merge_request, "source_pipeline": source,
        "user": { "username": detail["user"]["username"], "name": detail["user"]["name"] },
        "project": {
            "id": repository.id.0, "path_with_namespace": repository.full_name.as_str(),
            "default_branch": default_branch.filter(|_| is_protected.is_some()),
        },
        "commit": commit, "builds": builds,
    });
    Ok(Some(Found {
        delivery_id: format!("found:pipeline:{id}:{}:{status}", named.0 / 1000),
        event: PIPELINE_EVENT.to_owned(),
        at: changed.unwrap_or(listed_at),
        payload: Payload {
            headers: vec![("x-gitlab-event".to_owned(), PIPELINE_EVENT.to_owned())],
            body: body.to_string().into(),
        },
    }))
}

/// By id: what is created or changed meanwhile pushes others to later pages, and nothing to earlier
/// ones. After the last page come those of children, the lowest id first: a child of a child comes
/// after its parent, whose lane it is in.
pub(super) async fn since(
    s: &mut Talk<'_>,
    repository: &Repository,
    since: Timestamp,
    cursor: Option<&str>,
) -> Result<RunsPage, ProviderError> {
    let of_children = cursor.and_then(|cursor| cursor.strip_prefix(CHILDREN_PAGE));
    let page = of_children.or(cursor).and_then(|page| page.parse().ok());
    let page: u32 = page
        .filter(|page| (1..=PAGE_MAX).contains(page))
        .unwrap_or(1);
    let which = match of_children {
        Some(_) => format!("sort=asc&{CHILDREN}"),
        None => "sort=desc".to_owned(),
    };
    let path = format!(
        "{}?updated_after={}&order_by=id&{which}&per_page={PER_PAGE}&page={page}",
        pipelines_path(repository),
        written(since)
    );
    let answer = get(s, &path, repository).await?;
    let mut listed: Vec<ListedBody> = errors::parse(&answer)?;
    // A version that does not know this source lists all others again.
    listed.retain(|pipeline| pipeline.is_child() == of_children.is_some());
    let next = match (of_children, GitlabDialect::has_next(&answer)) {
        (None, true) => Some((page + 1).to_string()),
        (None, false) => Some(format!("{CHILDREN_PAGE}1")),
        (Some(_), true) if !listed.is_empty() => Some(format!("{CHILDREN_PAGE}{}", page + 1)),
        (Some(_), _) => None,
    };
    Ok(RunsPage {
        runs: readable(&listed, (Some(since), s.now())),
        next,
    })
}

pub(super) async fn one(
    s: &mut Talk<'_>,
    repository: &Repository,
    run: u64,
) -> Result<Vec<Found>, ProviderError> {
    let now = s.now();
    let found = event(s, (run, now), repository, &mut Families::default()).await?;
    if found.is_none() {
        // Gone, or not for this token: the list shows which.
        let path = format!("{}?per_page=1", pipelines_path(repository));
        get(s, &path, repository).await?;
    }
    Ok(found.into_iter().collect())
}
