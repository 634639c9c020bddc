//! Ends without a pass: deleted branches and tags, merged and closed merge requests.

use super::super::payload::Body;
use super::lanes::of_project;
use crate::domain::event::Event;
use crate::domain::incident::Resolution;
use crate::domain::lane::Place;
use crate::domain::lane::place::Ended;
use crate::domain::time::Timestamp;
use crate::provider::payload::{BRANCH_BYTES_MAX, any_moment, name, name_of};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// A push that deletes its ref leaves nothing: a hash of zeros. It has no time.
pub(super) fn by_push(body: &Body<'_>, sent_at: Option<Timestamp>) -> Event {
    let after = body.after.text().unwrap_or_default();
    let is_deletion = !after.is_empty() && after.bytes().all(|digit| digit == b'0');
    let git_ref = body.git_ref.text().unwrap_or_default();
    let named = |prefix: &str| name(git_ref.strip_prefix(prefix)?, BRANCH_BYTES_MAX);
    let branch = named(BRANCHES).map(|name| (Place::Branch(name), Resolution::BranchDeleted));
    // An event may lack whether the pipeline was for a tag: a tag with the name of the default
    // branch, which is never deleted, does not concern the branch.
    let project = body.project.0.as_ref();
    let default = project.and_then(|project| project.default_branch.text());
    let tag = named(TAGS).filter(|name| Some(name.as_str()) != default);
    let tag = tag.map(|name| (Place::Tag(name), Resolution::TagDeleted));
    match branch.or(tag).filter(|_| is_deletion) {
        Some((place, why)) => Event::Ended(Ended {
            places: vec![place],
            at: sent_at,
            why,
        }),
        None => Event::Recorded,
    }
}

pub(super) fn by_merge_request(body: &Body<'_>) -> Event {
    let Some(merge_request) = body.object_attributes.0.as_ref() else {
        return Event::Recorded;
    };
    let why = match merge_request.action.text() {
        Some("merge") => Resolution::Merged,
        Some("close") => Resolution::PullRequestClosed,
        Some(_) | None => return Event::Recorded,
    };
    let own = body.project.0.as_ref().and_then(|p| p.id.number());
    let code = of_project(merge_request.source_project_id.number(), own);
    let branch = name_of(&merge_request.source_branch, BRANCH_BYTES_MAX);
    let from = branch.map(|branch| Place::Head { code, branch });
    let number = merge_request.iid.number();
    Event::Ended(Ended {
        places: number
            .map(Place::PullRequest)
            .into_iter()
            .chain(from)
            .collect(),
        at: any_moment(&merge_request.updated_at),
        why,
    })
}
