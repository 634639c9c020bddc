//! The latest pipelines of each kind: what a first connect asks for.
//!
//! Sources: GitLab's documentation, "Pipelines API". A list may be narrowed by `ref`, `source`,
//! `status` and `scope`; `ref` is a branch or a tag, and only the detail of a pipeline has `tag`.
//! So a tag that is called as the default branch is distinguished from it by reading details.
//!
//! The awkward case: a tag and another branch of one name. They are one kind here.

use super::children::CHILDREN;
use super::listed::{ListedBody, get, get_if_there, pipelines_path, readable};
use crate::domain::repo::Repository;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Dialect;
use crate::provider::gitlab::dialect::{GitlabDialect, Talk};
use crate::provider::gitlab::errors;
use crate::provider::latest::{Latest, latest};
use crate::provider::logs::ListedRun;
use crate::provider::part::encoded;
use std::collections::BTreeSet;

/// Recent pipelines that are looked at for the latest of each branch, and most of those.
const RECENT: u32 = 100;
const LATEST_MAX: usize = 30;
/// Most pipelines whose detail is read because they may be of a tag.
const DETAILS_MAX: usize = 20;
/// The source of the pipelines of branches and tags that were pushed.
const PUSH: &str = "push";
/// The sources that are looked for on the default branch however old.
const SOURCES: [&str; 2] = [PUSH, "schedule"];
/// The states that are asked for when a page has none that decides.
const DECIDING: [&str; 2] = ["failed", "success"];

/// What a pipeline is the latest of: ref, source, and whether it is known to be of a tag.
type Kind = (Option<String>, Option<String>, bool);

fn kind(pipeline: &ListedBody) -> Kind {
    let is_tag = pipeline.tag == Some(true);
    (pipeline.git_ref.clone(), pipeline.source.clone(), is_tag)
}

/// The pipelines of the lists that were read.
struct Search<'a> {
    repository: &'a Repository,
    all: Vec<ListedBody>,
    /// How many details may be read.
    details: usize,
}

impl Search<'_> {
    fn latest(&self) -> Latest<Kind> {
        let seen = |it: &ListedBody| (kind(it), it.id, it.run_status());
        latest(&self.all.iter().map(seen).collect::<Vec<_>>())
    }

    /// Reads a list. Returns whether it has another page.
    async fn list(&mut self, s: &mut Talk<'_>, path: &str) -> Result<bool, ProviderError> {
        let answer = get(s, path, self.repository).await?;
        let read: Vec<ListedBody> = errors::parse(&answer)?;
        let known: BTreeSet<u64> = self.all.iter().map(|it| it.id).collect();
        let is_new = |it: &ListedBody| !it.is_child() && !known.contains(&it.id);
        self.all.extend(read.into_iter().filter(is_new));
        Ok(GitlabDialect::has_next(&answer))
    }

    /// Whether a pipeline decides how the branch stands for this source. If it may be of a tag,
    /// its detail is read, and then that of the next one.
    async fn is_decided(
        &mut self,
        s: &mut Talk<'_>,
        (branch, source): (&str, &str),
    ) -> Result<bool, ProviderError> {
        let wanted = (Some(branch.to_owned()), Some(source.to_owned()), false);
        loop {
            let latest = self.latest();
            let Some((at, _)) = latest.deciding.get(&wanted) else {
                return Ok(false);
            };
            let (at, found) = (*at, &self.all[*at]);
            if source != PUSH || found.tag.is_some() || self.details == 0 {
                return Ok(true);
            }
            self.details -= 1;
            let path = format!("{}/{}", pipelines_path(self.repository), found.id);
            match get_if_there(s, &path, self.repository).await? {
                Some(answer) => {
                    let detail: ListedBody = errors::parse(&answer)?;
                    self.all[at].tag = Some(detail.tag == Some(true));
                }
                None => drop(self.all.remove(at)),
            }
        }
    }

    /// The latest ones; those of the default branch first, and among these those that decide: they
    /// are never left out.
    fn chosen(self) -> Vec<ListedBody> {
        let found = self.latest();
        let branch = self.repository.default_branch.as_deref();
        let deciding: BTreeSet<usize> = found.deciding.values().map(|(at, _)| *at).collect();
        let place = |at: &usize| {
            let pipeline = &self.all[*at];
            let is_of_it = branch.is_some() && pipeline.git_ref.as_deref() == branch;
            let is_first = is_of_it && deciding.contains(at);
            (!is_first, !is_of_it, u64::MAX - pipeline.id)
        };
        let mut chosen: Vec<usize> = found.chosen.into_iter().collect();
        chosen.sort_by_key(place);
        chosen.truncate(LATEST_MAX);
        chosen.into_iter().map(|at| self.all[at].clone()).collect()
    }
}

/// The children of these pipelines, of the last ones that were created; the lowest id first.
async fn children_of(
    s: &mut Talk<'_>,
    parents: &[ListedBody],
    repository: &Repository,
) -> Result<Vec<ListedBody>, ProviderError> {
    let path = format!(
        "{}?order_by=id&sort=desc&per_page={RECENT}&{CHILDREN}",
        pipelines_path(repository)
    );
    let answer = get(s, &path, repository).await?;
    let mut listed: Vec<ListedBody> = errors::parse(&answer)?;
    let commits: BTreeSet<_> = parents.iter().filter_map(|p| p.sha.as_deref()).collect();
    let is_of_them = |p: &ListedBody| p.sha.as_deref().is_some_and(|sha| commits.contains(sha));
    listed.retain(|pipeline| pipeline.is_child() && is_of_them(pipeline));
    listed.truncate(LATEST_MAX);
    listed.reverse();
    Ok(listed)
}

/// What lists of the default branch have beyond the recent pipelines, while it is not known how it
/// stands.
async fn on_branch(
    s: &mut Talk<'_>,
    search: &mut Search<'_>,
    (list, branch): (&str, &str),
) -> Result<(), ProviderError> {
    let on_it = format!("{list}&ref={}", encoded(branch));
    let finished = format!("{on_it}&scope=finished");
    let mut is_open = Vec::new();
    for source in SOURCES {
        if !search.is_decided(s, (branch, source)).await? {
            is_open.push(source);
        }
    }
    if is_open.is_empty() || !search.list(s, &finished).await? {
        return Ok(());
    }
    for source in is_open {
        let of_source = format!("source={source}");
        if search.is_decided(s, (branch, source)).await?
            || !search.list(s, &format!("{finished}&{of_source}")).await?
            || search.is_decided(s, (branch, source)).await?
        {
            continue;
        }
        for status in DECIDING {
            let path = format!("{on_it}&{of_source}&status={status}");
            search.list(s, &path).await?;
        }
    }
    Ok(())
}

pub(in crate::provider::gitlab) async fn of_each_branch(
    s: &mut Talk<'_>,
    repository: &Repository,
) -> Result<Vec<ListedRun>, ProviderError> {
    let mut search = Search {
        repository,
        all: Vec::new(),
        details: DETAILS_MAX,
    };
    let list = format!(
        "{}?order_by=id&sort=desc&per_page={RECENT}",
        pipelines_path(repository)
    );
    let has_more = search.list(s, &list).await?;
    if let Some(branch) = repository.default_branch.as_deref() {
        if has_more {
            on_branch(s, &mut search, (&list, branch)).await?;
        }
        // The last one may be of a tag.
        search.is_decided(s, (branch, PUSH)).await?;
    }
    let mut chosen = search.chosen();
    let mut children = children_of(s, &chosen, repository).await?;
    // A child is in the place that its parent has.
    chosen.append(&mut children);
    Ok(readable(&chosen, (None, s.now())))
}
