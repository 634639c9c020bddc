//! The latest runs of each kind: what a first connect asks for.
//!
//! Sources: GitHub's API description, "List workflow runs for a repository" and "List workflow runs
//! for a workflow". Both take `branch`, `event` and `status`, which may be a conclusion, too; both
//! list the newest first. `branch` is the name of the head branch, also of a fork's: a list by it
//! has pull requests from a fork's branch of this name, and pushes of a tag. What has the event
//! `push` or `schedule` is the repository's own: a fork's runs of these are in the fork ("Events
//! that trigger workflows").

use super::listed::{Listed, get, latest_of, listed, read_runs, runs_path};
use super::place::PER_PAGE;
use crate::domain::lane::Lane;
use crate::domain::repo::Repository;
use crate::domain::run::Conclusion;
use crate::provider::access::ProviderError;
use crate::provider::github::dialect::Talk;
use crate::provider::github::errors;
use crate::provider::logs::ListedRun;
use crate::provider::part::encoded;
use serde::Deserialize;
use std::collections::HashSet;

/// Most workflows that are asked one by one.
const WORKFLOWS_MAX: usize = 50;
/// Runs of a page of one workflow.
const OF_WORKFLOW: usize = 20;
/// The conclusions that are asked for when a page has none that decides. `startup_failure` is not
/// among those that can be asked for.
const DECIDING: [Conclusion; 3] = [
    Conclusion::Success,
    Conclusion::Failure,
    Conclusion::TimedOut,
];

/// A page of workflows.
#[derive(Deserialize)]
struct WorkflowsBody {
    workflows: Vec<WorkflowBody>,
}

#[derive(Deserialize)]
struct WorkflowBody {
    id: u64,
    state: Option<String>,
}

/// The workflows of a repository.
struct Workflows {
    active: Vec<u64>,
    inactive: Vec<u64>,
    /// Whether there are no others.
    are_all: bool,
}

impl Workflows {
    /// Whether a run of this workflow may pass and resolve a failure: it is not disabled, nor is
    /// its file deleted.
    fn may_pass(&self, run: &Listed) -> bool {
        let key = run.kind.as_ref().map(|(key, _)| key.as_str());
        let has = |ids: &[u64]| ids.iter().any(|id| Some(id.to_string().as_str()) == key);
        has(&self.active) || !(self.are_all || has(&self.inactive))
    }
}

/// The latest runs of the lists that were read.
struct Search<'a> {
    repository: &'a Repository,
    runs: Vec<Listed>,
    /// Once they are known, the runs of others are left out.
    workflows: Option<Workflows>,
}

impl Search<'_> {
    /// Reads a list and keeps what is the latest of its kind. Returns whether it has another page.
    async fn list(&mut self, s: &mut Talk<'_>, path: &str) -> Result<bool, ProviderError> {
        let answer = get(s, path, self.repository).await?;
        let mut read = read_runs(&answer, self.repository)?;
        if let Some(workflows) = &self.workflows {
            read.retain(|run| workflows.may_pass(run));
        }
        let ids: HashSet<u64> = read.iter().map(|run| run.head.id).collect();
        self.runs.retain(|run| !ids.contains(&run.head.id));
        self.runs.extend(read);
        let chosen = latest_of(&self.runs).chosen;
        let mut at = 0..;
        self.runs
            .retain(|_| at.next().is_some_and(|at| chosen.contains(&at)));
        Ok(answer.links_to_next())
    }

    /// Whether a run decides how this lane of the workflow stands.
    fn is_decided(&self, workflow: u64, lane: &Lane) -> bool {
        let kind = Some((workflow.to_string(), lane.clone()));
        latest_of(&self.runs).deciding.contains_key(&kind)
    }

    /// Whether there is a run of the workflow on this branch of ours.
    fn has_run_on(&self, branch: &str, workflow: u64) -> bool {
        let workflow = workflow.to_string();
        self.runs.iter().any(|run| {
            let key = run.kind.as_ref().map(|(key, _)| key);
            key == Some(&workflow) && run.own_branch.as_deref() == Some(branch)
        })
    }
}

async fn workflows(s: &mut Talk<'_>, repository: &Repository) -> Result<Workflows, ProviderError> {
    let full_name = &repository.full_name;
    let path = format!("repos/{full_name}/actions/workflows?per_page=100");
    let answer = get(s, &path, repository).await?;
    let all: WorkflowsBody = errors::parse(&answer)?;
    let is_active = |w: &WorkflowBody| w.state.as_deref().is_none_or(|state| state == "active");
    let (active, inactive): (Vec<_>, Vec<_>) = all.workflows.into_iter().partition(is_active);
    let ids = |all: Vec<WorkflowBody>| all.into_iter().map(|workflow| workflow.id).collect();
    Ok(Workflows {
        active: ids(active),
        inactive: ids(inactive),
        are_all: !answer.links_to_next(),
    })
}

/// The latest runs among the newest ones. If these are not all, the pushes and schedules on the
/// default branch follow, as two lists, and of each workflow of which the lists do not say how it
/// stands, lists of its own.
///
/// The awkward case: what has another trigger (`workflow_dispatch`, `release`) is looked for only
/// among the newest runs, and among those of a workflow that has no others on the branch.
pub(in crate::provider::github) async fn of_each_workflow(
    s: &mut Talk<'_>,
    repository: &Repository,
) -> Result<Vec<ListedRun>, ProviderError> {
    let mut search = Search {
        repository,
        runs: Vec::new(),
        workflows: None,
    };
    let base = runs_path(repository);
    let has_more = search
        .list(s, &format!("{base}?per_page={PER_PAGE}"))
        .await?;
    if let (true, Some(branch)) = (has_more, repository.default_branch.as_deref()) {
        on_branch(s, &mut search, branch).await?;
    }
    Ok(listed(&search.runs, (None, s.now())))
}

async fn on_branch(
    s: &mut Talk<'_>,
    search: &mut Search<'_>,
    branch: &str,
) -> Result<(), ProviderError> {
    let known = workflows(s, search.repository).await?;
    let workflows = known.active.clone();
    search.workflows = Some(known);
    let on_it = format!("branch={}", encoded(branch));
    let base = runs_path(search.repository);
    let lanes = [
        ("push", Lane::of_branch("push", branch.to_owned())),
        (
            "schedule",
            Lane::Schedule {
                branch: branch.to_owned(),
            },
        ),
    ];
    let mut open = Vec::new();
    for (event, lane) in lanes {
        let all_are_decided = workflows.iter().all(|id| search.is_decided(*id, &lane));
        let path = format!("{base}?per_page={PER_PAGE}&status=completed&event={event}&{on_it}");
        if !all_are_decided && search.list(s, &path).await? {
            open.push((event, lane));
        }
    }
    let mut asked = 0;
    for workflow in workflows {
        if asked == WORKFLOWS_MAX {
            break;
        }
        let lanes = open
            .iter()
            .filter(|(_, lane)| !search.is_decided(workflow, lane));
        let events: Vec<_> = lanes.collect();
        if events.is_empty() && search.has_run_on(branch, workflow) {
            continue;
        }
        asked += 1;
        of_workflow(s, search, (workflow, branch), &events).await?;
    }
    Ok(())
}

/// At most four lists for each event, and one more.
async fn of_workflow(
    s: &mut Talk<'_>,
    search: &mut Search<'_>,
    (workflow, branch): (u64, &str),
    events: &[&(&str, Lane)],
) -> Result<(), ProviderError> {
    let (full_name, on_it) = (&search.repository.full_name, encoded(branch));
    let base = format!(
        "repos/{full_name}/actions/workflows/{workflow}/runs?per_page={OF_WORKFLOW}&branch={on_it}"
    );
    for (event, lane) in events {
        let path = format!("{base}&event={event}&status");
        let has_more = search.list(s, &format!("{path}=completed")).await?;
        if !has_more || search.is_decided(workflow, lane) {
            continue;
        }
        for conclusion in DECIDING {
            let path = format!("{path}={}", conclusion.as_str());
            search.list(s, &path).await?;
        }
    }
    if !search.has_run_on(branch, workflow) {
        search.list(s, &format!("{base}&status=completed")).await?;
    }
    Ok(())
}
