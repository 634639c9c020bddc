//! Inbound: GitHub's deliveries. Pure; nothing of a body is trusted before its signature is
//! verified.

mod checks;
mod ended;
mod jobs;
mod lanes;
mod marks;
mod parts;
mod statuses;

pub(super) use parts::status_of;

use super::payload::{Body, ClaimBody, RepositoryPart, RunPart, WorkflowPart};
use crate::domain::delivery::{EVENT_NAME_BYTES_MAX, PROVIDER_DELIVERY_ID_BYTES_MAX, Payload};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::{Entropy, HookId};
use crate::domain::repo::{FullName, RepositoryId};
use crate::domain::run::{Family, Position, RunEvent, RunFacts, Twin};
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::time::Timestamp;
use crate::provider::inbound::guarded;
use crate::provider::payload::{
    BRANCH_BYTES_MAX, COMMIT_BYTES_MAX, Loose, TITLE_BYTES_MAX, WORD_BYTES_MAX, clean, clean_of,
    header, kept, moment, name as named, name_of, object, read, unidentified, web_url,
};
use crate::provider::signature::github_verifies;
use crate::provider::{Claim, Decode, DecodeError, Inbound, Proven, Verified, VerifyError};
use parts::{attempt, author, login, of_run, status, subject, unfold};

/// The headers that are kept. An allow-list, because GitHub once put hook secrets into a header
/// by mistake (`X-Github-Encoded-Secret`, 2025).
pub(super) const HEADERS_KEPT: [&str; 9] = [
    "x-github-event",
    "x-github-delivery",
    "x-github-hook-id",
    "x-github-hook-installation-target-id",
    "x-github-hook-installation-target-type",
    "x-github-enterprise-version",
    "x-github-enterprise-host",
    "user-agent",
    "content-type",
];
/// Stands for all events of the provider.
const ALL_EVENTS: &str = "*";

/// The events that have an effect or are kept as history.
const EVENTS_KNOWN: [&str; 13] = [
    "check_run",
    "check_suite",
    "delete",
    "deployment_status",
    "merge_group",
    "meta",
    "ping",
    "pull_request",
    "push",
    "repository",
    "status",
    "workflow_job",
    "workflow_run",
];

/// Events of all kinds of CI, of ends without a pass (a deleted branch, a closed pull request), of
/// deployments and of renames; and what users expect in a history.
const EVENTS_DEFAULT: [&str; 10] = [
    "check_run",
    "check_suite",
    "delete",
    "deployment_status",
    "pull_request",
    "push",
    "repository",
    "status",
    "workflow_job",
    "workflow_run",
];

/// Actions on a repository after which no check is needed.
const REPOSITORY_ACTIONS: [&str; 6] = [
    "archived",
    "created",
    "edited",
    "privatized",
    "publicized",
    "unarchived",
];

/// GitHub's dialect of deliveries.
#[derive(Debug)]
pub struct GithubDecode {
    /// A random secret: verified against when there is none, so that refusing an unknown repository
    /// takes as long as a known one.
    nobodys: HookSecret,
}

impl GithubDecode {
    /// A dialect whose stand-in secret comes from `entropy`.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self {
            nobodys: HookSecret::generate(entropy),
        }
    }
}

impl Decode for GithubDecode {
    /// GitHub has one way to sign: how the hook authenticates does not matter.
    fn prove(
        &self,
        inbound: Inbound<'_>,
        secrets: &[HookSecret],
        _: Proof,
    ) -> Result<Proven, VerifyError> {
        let headers = inbound.headers;
        let event = header(headers, "x-github-event", EVENT_NAME_BYTES_MAX, false)?;
        let id_max = PROVIDER_DELIVERY_ID_BYTES_MAX;
        let id = header(headers, "x-github-delivery", id_max, false)?;
        // Only SHA-256: the SHA-1 header that GitHub also sends is ignored.
        let signature = inbound
            .headers
            .get("x-hub-signature-256")
            .ok_or(VerifyError::BadSignature)?;
        let tried = if secrets.is_empty() {
            std::slice::from_ref(&self.nobodys)
        } else {
            secrets
        };
        let fits = github_verifies(tried, inbound.body, signature);
        let secret = fits.filter(|_| !secrets.is_empty());
        let secret = secret.ok_or(VerifyError::BadSignature)?;
        Ok(Proven {
            secret,
            provider_delivery_id: id.to_owned(),
            named: event.to_owned(),
            is_stale: false,
        })
    }

    fn describe(&self, inbound: Inbound<'_>, proven: Proven) -> Verified {
        let read = guarded(|| {
            let json = unfold(inbound.body).ok()?;
            let mut room = Vec::new();
            let (body, is_repaired): (Body<'_>, _) = read(&json, &mut room).ok()?;
            let event = body.event().unwrap_or(&proven.named);
            Some((event.to_owned(), interpret(event, &body, is_repaired).ok()))
        });
        let (event, decoded) = read.unzip();
        let decoded = decoded.flatten();
        let event = event.unwrap_or(proven.named);
        Verified {
            provider_delivery_id: proven.provider_delivery_id,
            is_ping: event == "ping",
            is_stale: proven.is_stale,
            headers: kept(inbound.headers, &HEADERS_KEPT),
            event,
            decoded,
        }
    }

    /// From the headers when they name a repository, else from the body. A form body is not parsed:
    /// GitHub always sends the headers, and decoding a form costs memory for unverified senders.
    fn claim(&self, inbound: Inbound<'_>) -> Option<Claim> {
        let kind = inbound
            .headers
            .get("x-github-hook-installation-target-type");
        let id = inbound.headers.get("x-github-hook-installation-target-id");
        if let (Some("repository"), Some(Ok(id))) = (kind, id.map(str::parse)) {
            return Some(Claim::Repository(RepositoryId(id)));
        }
        let body: ClaimBody<'_> = object(inbound.body)?.ok()?;
        let repository = body.repository.0?;
        match repository.id.number() {
            Some(id) => Some(Claim::Repository(RepositoryId(id))),
            None => repository.full_name.text()?.parse().ok().map(Claim::Name),
        }
    }

    fn decode(&self, event: &str, payload: &Payload) -> Result<Decoded, DecodeError> {
        let json = unfold(&payload.body)?;
        let mut room = Vec::new();
        let (body, is_repaired) = read(&json, &mut room)?;
        interpret(event, &body, is_repaired)
    }

    fn is_known_event(&self, event: &str) -> bool {
        EVENTS_KNOWN.contains(&event)
    }

    fn default_events(&self) -> &'static [&'static str] {
        &EVENTS_DEFAULT
    }

    /// GitHub adds events faster than a list could follow: only the form is checked.
    fn is_event_name(&self, name: &str) -> bool {
        name == ALL_EVENTS || name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    }
}

/// The body must have the fields of its event: the name is not signed, so an observer of a delivery
/// could send its body again under another name.
fn interpret(event: &str, body: &Body<'_>, is_repaired: bool) -> Result<Decoded, DecodeError> {
    let identified = |event: Option<Event>| event.map_or_else(|| unidentified(is_repaired), Ok);
    let repository = body.repository.0.as_ref();
    let event = match event {
        "ping" if body.zen.text().is_some() || body.hook_id.number().is_some() => Event::Pong {
            hook: body.hook_id.number().map(HookId),
        },
        "push" if body.git_ref.text().is_some() => ended::by_push(body),
        "delete" if body.git_ref.text().is_some() => ended::by_deletion(body),
        "pull_request" if body.pull_request.0.is_some() => ended::by_pull_request(body),
        "merge_group" if body.merge_group.0.is_some() => ended::by_merge_group(body),
        "deployment_status" if body.deployment_status.0.is_some() => Event::Recorded,
        "repository" if repository.is_some() => repository_event(body.action.text()),
        "meta" if body.action.text() == Some("deleted") && body.hook_id.number().is_some() => {
            Event::LookNow
        }
        "workflow_run" => identified(run_event(body).map(of_run))?,
        "workflow_job" => identified(jobs::event(body).map(of_run))?,
        "check_suite" => identified(checks::suite_event(body))?,
        "check_run" => identified(checks::run_event(body))?,
        "status" => identified(statuses::event(body).map(of_run))?,
        _ => Event::Ignored,
    };
    Ok(Decoded {
        repository: repository.and_then(|r| r.id.number()).map(RepositoryId),
        full_name: repository.and_then(full_name),
        action: body
            .action
            .text()
            .and_then(|action| clean(action, WORD_BYTES_MAX)),
        event,
    })
}

/// A new name in a payload is not trusted: it could belong to another repository by now.
fn repository_event(action: Option<&str>) -> Event {
    match action {
        Some("renamed" | "transferred" | "deleted") => Event::LookNow,
        Some(action) if REPOSITORY_ACTIONS.contains(&action) => Event::Recorded,
        Some(_) | None => Event::Ignored,
    }
}

fn full_name(repository: &RepositoryPart<'_>) -> Option<FullName> {
    repository.full_name.text()?.parse().ok()
}

/// The run in the payload of a `workflow_run`; `None` as for such a delivery.
pub(super) fn run_in(json: &[u8]) -> Option<RunEvent> {
    let mut room = Vec::new();
    let (body, _): (Body<'_>, _) = read(json, &mut room).ok()?;
    run_event(&body)
}

/// `None` when a run cannot be identified or ordered.
fn run_event(body: &Body<'_>) -> Option<RunEvent> {
    let run = body.workflow_run.0.as_ref()?;
    let workflow = body.workflow.0.as_ref();
    let title = || clean_of(&run.display_title, TITLE_BYTES_MAX);
    let workflow_key = workflow_key(run, workflow)?;
    let code = lanes::whose(run, body);
    let lane = lanes::of_run(run, &code, body);
    let branch = name_of(&run.head_branch, BRANCH_BYTES_MAX);
    let name = clean_of(&run.name, TITLE_BYTES_MAX)
        .or_else(|| clean_of(&workflow?.name, TITLE_BYTES_MAX))
        .unwrap_or_else(|| workflow_key.clone());
    Some(RunEvent {
        provider_run_id: run.id.number()?,
        position: Position {
            number: run.run_number.number()?,
            attempt: attempt(&run.run_attempt),
        },
        status: status(&run.conclusion, &run.status, body.action.text()),
        updated_at: [&run.updated_at, &run.run_started_at, &run.created_at]
            .into_iter()
            .find_map(moment)
            .unwrap_or_default(),
        began_at: began_at(run),
        family: Family::Actions,
        twin: match run.check_suite_id.number() {
            Some(suite) => Twin::Suite(suite),
            None => Twin::None,
        },
        parent: None,
        commit: None,
        failed_jobs: Vec::new(),
        facts: RunFacts {
            workflow_key,
            workflow_name: name,
            branch_kind: lanes::branch_kind((&lane, &code), branch.as_deref(), body),
            lane,
            head: lanes::head_name(run, &code),
            code,
            branch,
            commit_sha: clean_of(&run.head_sha, COMMIT_BYTES_MAX).unwrap_or_default(),
            commit_message: subject(&run.head_commit).or_else(title),
            author: login(&run.triggering_actor)
                .or_else(|| login(&run.actor))
                .or_else(|| author(&run.head_commit))
                .or_else(|| login(&body.sender)),
            trigger: clean_of(&run.event, WORD_BYTES_MAX).unwrap_or_default(),
            url: web_url(&run.html_url),
        },
    })
}

/// When this attempt began: a run that is run again keeps its creation time, and earlier ends (of a
/// pull request that was reopened) do not concern the attempt.
fn began_at(run: &RunPart<'_>) -> Timestamp {
    let times = [&run.created_at, &run.run_started_at, &run.updated_at];
    let again = (attempt(&run.run_attempt) > 1).then_some(&run.run_started_at);
    let mut times = again.into_iter().chain(times).filter_map(moment);
    times.next().unwrap_or_default()
}

/// The workflow's id, else its path without the branch that reusable workflows append to it.
fn workflow_key(run: &RunPart<'_>, workflow: Option<&WorkflowPart<'_>>) -> Option<String> {
    let id = run.workflow_id.number();
    let path = |path: &Loose<'_>| {
        let path = path.text()?;
        let path = path.split_once('@').map_or(path, |(path, _)| path);
        named(path, TITLE_BYTES_MAX)
    };
    id.or_else(|| workflow?.id.number())
        .map(|id| id.to_string())
        .or_else(|| path(&run.path))
        .or_else(|| path(&workflow?.path))
}

#[cfg(test)]
mod tests;
