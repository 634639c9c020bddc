//! Child pipelines, and the jobs that started them.
//!
//! Sources: GitLab's documentation, "Pipelines API" (a list has children only with
//! `source=parent_pipeline`) and "Jobs API" (the trigger jobs of a pipeline are its `bridges`, each
//! with its `downstream_pipeline`). A child does not say who its parent is: it is one of the
//! pipelines of the same commit, and its trigger jobs tell.

use super::listed::{ListedBody, get, get_if_there, pipelines_path};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::dialect::{Asked, Dialect};
use crate::provider::gitlab::dialect::{GitlabDialect, Talk};
use crate::provider::gitlab::errors;
use serde::Deserialize;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Most pipelines of a commit whose trigger jobs are read for a child, and most children of it.
const PARENTS_MAX: usize = 50;
/// Most pages of the trigger jobs of a pipeline: 1,000, as many as GitLab lets one start.
const TRIGGER_PAGES_MAX: u32 = 10;

/// A trigger job.
#[derive(Debug, Deserialize)]
struct BridgeBody {
    id: u64,
    downstream_pipeline: Option<DownstreamBody>,
}

#[derive(Debug, Deserialize)]
struct DownstreamBody {
    id: u64,
}

/// The job that started a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Trigger {
    pipeline: u64,
    job: u64,
}

/// What is known of children and parents while some pipelines are read.
#[derive(Debug, Default)]
pub(in crate::provider) struct Families {
    /// Of each child the job that started it.
    triggers: BTreeMap<u64, Trigger>,
    /// The pipelines whose trigger jobs were read.
    read: BTreeSet<u64>,
    of_commit: BTreeMap<String, OfCommit>,
}

/// The pipelines of a commit: those that are no children, then the children; of each kind the
/// latest first.
type OfCommit = BTreeSet<(bool, Reverse<u64>)>;

impl Families {
    /// What the event of a child says of its parent; `None` when it is not known.
    pub(super) async fn source(
        &mut self,
        s: &mut Talk<'_>,
        child: &ListedBody,
        repository: &Repository,
    ) -> Result<Option<Value>, ProviderError> {
        let trigger = self.trigger_of(s, child, repository).await?;
        Ok(trigger.map(|Trigger { pipeline, job }| {
            json!({ "project": { "id": repository.id.0 }, "pipeline_id": pipeline, "job_id": job })
        }))
    }

    async fn trigger_of(
        &mut self,
        s: &mut Talk<'_>,
        child: &ListedBody,
        repository: &Repository,
    ) -> Result<Option<Trigger>, ProviderError> {
        let Some(sha) = child.sha.as_deref().filter(|sha| is_hash(sha)) else {
            return Ok(None);
        };
        let all = self.pipelines_of(s, sha, repository).await?;
        // A parent is older than its child, and most often no child itself: between the two may be
        // many children of the same parent.
        for is_child in [false, true] {
            let of_kind = all.iter().filter(|(kind, _)| *kind == is_child);
            let older = of_kind.map(|(_, Reverse(id))| *id);
            let older: Vec<u64> = older.filter(|id| *id < child.id).collect();
            let may_start = |id: &u64| {
                let by = self.triggers.get(id).map(|by| by.pipeline);
                by.is_none_or(|by| all.contains(&(false, Reverse(by))))
            };
            // The child of a child starts none.
            let parents: Vec<u64> = older.into_iter().filter(may_start).collect();
            for parent in parents.into_iter().take(PARENTS_MAX) {
                if let Some(trigger) = self.triggers.get(&child.id) {
                    return Ok(Some(*trigger));
                }
                self.read_triggers(s, parent, repository).await?;
            }
        }
        Ok(self.triggers.get(&child.id).copied())
    }

    /// The pipelines of a commit, with the children among them: they may have children, too.
    async fn pipelines_of(
        &mut self,
        s: &mut Talk<'_>,
        sha: &str,
        repository: &Repository,
    ) -> Result<OfCommit, ProviderError> {
        if let Some(known) = self.of_commit.get(sha) {
            return Ok(known.clone());
        }
        let list = format!("{}?sha={sha}&per_page=100", pipelines_path(repository));
        let mut all = OfCommit::new();
        for path in [list.clone(), format!("{list}&{CHILDREN}")] {
            let answer = get(s, &path, repository).await?;
            let listed: Vec<ListedBody> = errors::parse(&answer)?;
            all.extend(listed.iter().map(|it| (it.is_child(), Reverse(it.id))));
        }
        self.of_commit.insert(sha.to_owned(), all.clone());
        Ok(all)
    }

    async fn read_triggers(
        &mut self,
        s: &mut Talk<'_>,
        parent: u64,
        repository: &Repository,
    ) -> Result<(), ProviderError> {
        if !self.read.insert(parent) {
            return Ok(());
        }
        let path = format!(
            "{}/{parent}/bridges?per_page=100",
            pipelines_path(repository)
        );
        for page in 1..=TRIGGER_PAGES_MAX {
            let path = format!("{path}&page={page}");
            let Some(answer) = get_if_there(s, &path, repository).await? else {
                break;
            };
            let bridges: Vec<BridgeBody> = errors::parse(&answer)?;
            for bridge in bridges {
                let Some(child) = bridge.downstream_pipeline else {
                    continue;
                };
                let (pipeline, job) = (parent, bridge.id);
                self.triggers.insert(child.id, Trigger { pipeline, job });
            }
            if !GitlabDialect::has_next(&answer) {
                break;
            }
        }
        Ok(())
    }
}

/// What a list is asked for that is to have children only.
pub(super) const CHILDREN: &str = "source=parent_pipeline";

/// A hash is put into a path: nothing else than its digits is.
fn is_hash(sha: &str) -> bool {
    (40..=64).contains(&sha.len()) && sha.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The variables of a pipeline, as its event lists them: what they tell apart are children of one
/// job. None for those who may not read them.
pub(super) async fn variables(
    s: &mut Talk<'_>,
    pipeline: u64,
    repository: &Repository,
) -> Result<Value, ProviderError> {
    let path = format!("{}/{pipeline}/variables", pipelines_path(repository));
    let answer = s.get(s.url(&path)).await?;
    match answer.status.as_u16() {
        200 => errors::parse(&answer),
        403 | 404 => Ok(json!([])),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
}
