//! Inbound: GitLab's deliveries. Pure; nothing of a body is trusted before it is verified.
//!
//! A pipeline keeps its number when it is retried and has no attempt counter. So the time stands
//! for the attempt, as whole seconds from the pipeline's creation to the moment of the event, plus
//! one: when the pipeline ended, if it has; else the latest moment at which it or one of its jobs
//! was created, started or finished. A retry creates new jobs later, so its number is higher than
//! all before; the same delivery always has the same number.

mod ended;
mod lanes;

use super::payload::{AttributesPart, Body, BuildPart, ClaimBody, ProjectPart};
use super::wire::EVENTS;
use crate::domain::delivery::{EVENT_NAME_BYTES_MAX, PROVIDER_DELIVERY_ID_BYTES_MAX, Payload};
use crate::domain::event::{Decoded, Event};
use crate::domain::id::Entropy;
use crate::domain::repo::{FullName, RepositoryId};
use crate::domain::run::{
    Conclusion, FAILED_JOBS_MAX, FailedJob, Family, Position, RunEvent, RunFacts, RunStatus, Twin,
};
use crate::domain::secret::{HookSecret, Proof};
use crate::domain::time::Timestamp;
use crate::provider::inbound::guarded;
use crate::provider::payload::{
    COMMIT_BYTES_MAX, Loose, TITLE_BYTES_MAX, WORD_BYTES_MAX, any_moment, clean_of, first_line,
    header, kept, object, read, unidentified, web_url,
};
use crate::provider::signature::{SigningKey, gitlab_token_verifies, standard_verifies};
use crate::provider::{
    Claim, Decode, DecodeError, HeaderLookup, Inbound, Proven, Verified, VerifyError,
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The headers that are kept. An allow-list, because one of GitLab's holds the token.
pub(super) const HEADERS_KEPT: [&str; 9] = [
    "x-gitlab-event",
    "x-gitlab-instance",
    "x-gitlab-event-uuid",
    "x-gitlab-webhook-uuid",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "user-agent",
    "content-type",
];
/// Largest difference between the time of a signature and ours: that of Standard Webhooks'
/// libraries.
const TIME_TOLERANCE: Duration = Duration::from_mins(5);
/// The event of a pipeline.
pub(super) const PIPELINE_EVENT: &str = "Pipeline Hook";
/// Names of the hook's events with an effect, and the kind that the body must have.
const KINDS: [(&str, &str); 6] = [
    (PIPELINE_EVENT, "pipeline"),
    ("Job Hook", "build"),
    ("Merge Request Hook", "merge_request"),
    ("Push Hook", "push"),
    ("Tag Push Hook", "tag_push"),
    ("Deployment Hook", "deployment"),
];

/// Events of CI, and of ends without a pass: merge requests that are merged or closed, branches and
/// tags that are deleted.
const EVENTS_DEFAULT: [&str; 4] = [
    "pipeline_events",
    "merge_requests_events",
    "push_events",
    "tag_push_events",
];

/// GitLab's dialect of deliveries.
#[derive(Debug)]
pub struct GitlabDecode {
    /// A random secret: verified against when there is none, so that refusing an unknown project
    /// takes as long as a known one.
    nobodys: HookSecret,
}

impl GitlabDecode {
    /// A dialect whose stand-in secret comes from `entropy`.
    pub fn new(entropy: &dyn Entropy) -> Self {
        Self {
            nobodys: HookSecret::generate(entropy),
        }
    }
}

/// Whether one of `secrets` made this. Both proofs are always tried, whichever counts: the time
/// must not reveal what is known about the hook.
fn proven_by(inbound: Inbound<'_>, secrets: &[HookSecret], proof: Proof) -> Option<usize> {
    let given = |name| inbound.headers.get(name);
    let keys: Vec<SigningKey> = secrets.iter().map(SigningKey::of_gitlab).collect();
    let signed = standard_verifies(
        &keys,
        given("webhook-id").unwrap_or_default(),
        given("webhook-timestamp").unwrap_or_default(),
        inbound.body,
        given("webhook-signature").unwrap_or_default(),
    );
    let token = gitlab_token_verifies(secrets, given("x-gitlab-token").unwrap_or_default());
    if must_sign(inbound, proof) {
        signed
    } else {
        token
    }
}

/// Whether only a signature is accepted. While it is unknown how the hook authenticates, a delivery
/// with a signature is verified by it.
fn must_sign(inbound: Inbound<'_>, proof: Proof) -> bool {
    match proof {
        Proof::Signature => true,
        Proof::Token => false,
        Proof::Unknown => inbound.headers.get("webhook-signature").is_some(),
    }
}

/// Whether the signed time is too far from the arrival. Without a signature the time is not
/// trusted.
fn is_stale(inbound: Inbound<'_>, proof: Proof) -> bool {
    let signed_at = || -> Option<Timestamp> {
        let seconds: i64 = inbound.headers.get("webhook-timestamp")?.parse().ok()?;
        Some(Timestamp(seconds.checked_mul(1000)?))
    };
    must_sign(inbound, proof)
        && signed_at().is_none_or(|at| {
            let apart = at
                .since(inbound.received_at)
                .max(inbound.received_at.since(at));
            apart > TIME_TOLERANCE
        })
}

/// What identifies this delivery: GitLab's id, which is the same for redeliveries. Before GitLab
/// 17.4 there is none: then the SHA-256 of the body.
fn delivery_id(headers: &dyn HeaderLookup, body: &[u8]) -> String {
    let given = |name| header(headers, name, PROVIDER_DELIVERY_ID_BYTES_MAX, false).ok();
    given("webhook-id")
        .or_else(|| given("idempotency-key"))
        .map_or_else(
            || format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(body))),
            str::to_owned,
        )
}

/// The event of a body by its own kind; `None` when that kind has no effect. The header with the
/// event's name is not signed.
fn event_of(body: &Body<'_>) -> Option<&'static str> {
    let kind = body.object_kind.text()?;
    let known = KINDS.iter().find(|(_, known)| *known == kind);
    known.map(|(name, _)| *name)
}

/// The event of a body, named as it is stored; `None` when it has no effect or cannot be read.
pub(super) fn event_name(json: &[u8]) -> Option<&'static str> {
    let mut room = Vec::new();
    let (body, _): (Body<'_>, _) = read(json, &mut room).ok()?;
    event_of(&body)
}

/// When a delivery was sent, as its headers tell it.
fn sent_at(headers: &[(String, String)]) -> Option<Timestamp> {
    let (_, seconds) = headers
        .iter()
        .find(|(name, _)| name == "webhook-timestamp")?;
    let seconds: i64 = seconds.parse().ok()?;
    seconds.checked_mul(1000).map(Timestamp)
}

impl Decode for GitlabDecode {
    fn prove(
        &self,
        inbound: Inbound<'_>,
        secrets: &[HookSecret],
        proof: Proof,
    ) -> Result<Proven, VerifyError> {
        let headers = inbound.headers;
        let event = header(headers, "x-gitlab-event", EVENT_NAME_BYTES_MAX, true)?;
        let tried = if secrets.is_empty() {
            std::slice::from_ref(&self.nobodys)
        } else {
            secrets
        };
        let secret = proven_by(inbound, tried, proof).filter(|_| !secrets.is_empty());
        let secret = secret.ok_or(VerifyError::BadSignature)?;
        Ok(Proven {
            secret,
            provider_delivery_id: delivery_id(headers, inbound.body),
            named: event.to_owned(),
            is_stale: is_stale(inbound, proof),
        })
    }

    fn describe(&self, inbound: Inbound<'_>, proven: Proven) -> Verified {
        let headers = kept(inbound.headers, &HEADERS_KEPT);
        let read = guarded(|| {
            let mut room = Vec::new();
            let (body, is_repaired) = read(inbound.body, &mut room).ok()?;
            let event = event_of(&body).unwrap_or(&proven.named);
            let decoded = interpret(event, &body, sent_at(&headers), is_repaired);
            Some((event.to_owned(), decoded.ok()))
        });
        let (event, decoded) = read.unzip();
        let decoded = decoded.flatten();
        Verified {
            provider_delivery_id: proven.provider_delivery_id,
            event: event.unwrap_or(proven.named),
            // A test delivery is an ordinary event.
            is_ping: false,
            is_stale: proven.is_stale,
            headers,
            decoded,
        }
    }

    fn claim(&self, inbound: Inbound<'_>) -> Option<Claim> {
        let body: ClaimBody<'_> = object(inbound.body)?.ok()?;
        let project = body.project.0?;
        match project.id.number() {
            Some(id) => Some(Claim::Repository(RepositoryId(id))),
            None => full_name(&project).map(Claim::Name),
        }
    }

    fn decode(&self, event: &str, payload: &Payload) -> Result<Decoded, DecodeError> {
        let mut room = Vec::new();
        let (body, is_repaired) = read(&payload.body, &mut room)?;
        interpret(event, &body, sent_at(&payload.headers), is_repaired)
    }

    fn is_known_event(&self, event: &str) -> bool {
        KINDS.iter().any(|(name, _)| *name == event)
    }

    fn default_events(&self) -> &'static [&'static str] {
        &EVENTS_DEFAULT
    }

    fn is_event_name(&self, name: &str) -> bool {
        EVENTS.contains(&name)
    }
}

/// The body must have the fields of its event: without a signature the name is not protected.
///
/// `sent_at` is the time at which GitLab sent it, by its own clock: some events have no other time.
fn interpret(
    event: &str,
    body: &Body<'_>,
    sent_at: Option<Timestamp>,
    is_repaired: bool,
) -> Result<Decoded, DecodeError> {
    let project = body.project.0.as_ref();
    let id = project.and_then(|p| p.id.number());
    let attributes = body.object_attributes.0.as_ref();
    let kind = KINDS.iter().find(|(name, _)| *name == event);
    let kind = kind.map(|(_, kind)| *kind);
    let is_kind = kind.is_some() && body.object_kind.text() == kind;
    let happened = match kind {
        Some("pipeline") if is_kind => attributes
            .and_then(|pipeline| run_event(pipeline, body))
            .map_or_else(
                || unidentified(is_repaired),
                |run| Ok(Event::Run(Box::new(run))),
            )?,
        Some("merge_request") if is_kind => ended::by_merge_request(body),
        Some("push" | "tag_push") if is_kind => ended::by_push(body, sent_at),
        Some(_) if is_kind => Event::Recorded,
        Some(_) | None => Event::Ignored,
    };
    let words = [
        attributes.map(|a| &a.action),
        attributes.map(|a| &a.status),
        Some(&body.build_status),
        Some(&body.status),
    ];
    Ok(Decoded {
        repository: id.or_else(|| body.project_id.number()).map(RepositoryId),
        full_name: project.and_then(full_name),
        action: words
            .into_iter()
            .flatten()
            .find_map(|word| clean_of(word, WORD_BYTES_MAX)),
        event: happened,
    })
}

fn full_name(project: &ProjectPart<'_>) -> Option<FullName> {
    project.path_with_namespace.text()?.parse().ok()
}

/// `None` when a pipeline cannot be identified.
fn run_event(pipeline: &AttributesPart<'_>, body: &Body<'_>) -> Option<RunEvent> {
    let id = pipeline.id.number()?;
    let status = status(&pipeline.status);
    let at = moment(pipeline, &body.builds.0, status);
    let code = lanes::whose(body);
    let name = clean_of(&pipeline.name, TITLE_BYTES_MAX);
    let commit = body.commit.0.as_ref();
    let message = commit.and_then(|commit| {
        let title = || clean_of(&commit.title, TITLE_BYTES_MAX);
        first_line(&commit.message).or_else(title)
    });
    let failed = status == RunStatus::Completed(Conclusion::Failure);
    let (lane, branch) = (
        lanes::of_pipeline(pipeline, &code, body),
        lanes::branch(pipeline, body),
    );
    Some(RunEvent {
        provider_run_id: id,
        position: Position {
            number: id,
            attempt: attempt(pipeline, at),
        },
        status,
        updated_at: at.unwrap_or_default(),
        began_at: began_at(pipeline, &body.builds.0)
            .or(at)
            .unwrap_or_default(),
        family: Family::Pipelines,
        twin: Twin::None,
        parent: lanes::parent(id, body),
        commit: None,
        failed_jobs: if failed {
            failed_jobs(&body.builds.0)
        } else {
            Vec::new()
        },
        facts: RunFacts {
            workflow_name: name.unwrap_or_else(|| lanes::name(pipeline, body).to_owned()),
            workflow_key: lanes::workflow_key(pipeline, body),
            branch_kind: lanes::branch_kind((&lane, &code), branch.as_deref(), (pipeline, body)),
            lane,
            code,
            head: None,
            branch,
            commit_sha: clean_of(&pipeline.sha, COMMIT_BYTES_MAX).unwrap_or_default(),
            commit_message: message,
            author: author(body),
            trigger: clean_of(&pipeline.source, WORD_BYTES_MAX).unwrap_or_default(),
            url: web_url(&pipeline.url).or_else(|| page(id, body)),
        },
    })
}

/// Who triggered it, else the author of the commit.
fn author(body: &Body<'_>) -> Option<String> {
    let user = body.user.0.as_ref();
    let word = |text: &Loose<'_>| clean_of(text, WORD_BYTES_MAX);
    let writer = || word(&body.commit.0.as_ref()?.author.0.as_ref()?.name);
    user.and_then(|user| word(&user.username))
        .or_else(writer)
        .or_else(|| user.and_then(|user| word(&user.name)))
        .or_else(|| word(&body.user_username))
}

/// The page of a pipeline, for versions that do not report it.
fn page(id: u64, body: &Body<'_>) -> Option<String> {
    let project = web_url(&body.project.0.as_ref()?.web_url)?;
    Some(format!("{project}/-/pipelines/{id}"))
}

/// Unfinished and unknown states have no conclusion.
fn status(status: &Loose<'_>) -> RunStatus {
    status_of(status.text().unwrap_or_default())
}

/// A pipeline's progress by GitLab's word for it.
pub(super) fn status_of(word: &str) -> RunStatus {
    match word {
        "success" => RunStatus::Completed(Conclusion::Success),
        "failed" => RunStatus::Completed(Conclusion::Failure),
        "canceled" => RunStatus::Completed(Conclusion::Cancelled),
        "skipped" => RunStatus::Completed(Conclusion::Skipped),
        "running" | "canceling" => RunStatus::InProgress,
        _ => RunStatus::Queued,
    }
}

/// The moment of the event: see the top of this file.
fn moment(
    pipeline: &AttributesPart<'_>,
    builds: &[BuildPart<'_>],
    status: RunStatus,
) -> Option<Timestamp> {
    let ended = || any_moment(&pipeline.finished_at);
    if let (RunStatus::Completed(_), Some(at)) = (status, ended()) {
        return Some(at);
    }
    let own = [&pipeline.created_at, &pipeline.started_at];
    let jobs = builds
        .iter()
        .flat_map(|job| [&job.created_at, &job.started_at, &job.finished_at]);
    own.into_iter()
        .chain(jobs)
        .filter_map(any_moment)
        .chain(ended())
        .max()
}

/// When the failed jobs began. A pipeline that is retried keeps its creation time, and earlier ends
/// (of a merge request that was reopened) do not concern jobs that were created later.
fn began_at(pipeline: &AttributesPart<'_>, builds: &[BuildPart<'_>]) -> Option<Timestamp> {
    let failed = builds.iter().filter(|job| is_failed(job));
    let retried = failed.filter_map(|job| any_moment(&job.created_at)).max();
    any_moment(&pipeline.created_at).max(retried)
}

fn attempt(pipeline: &AttributesPart<'_>, at: Option<Timestamp>) -> u32 {
    let created = any_moment(&pipeline.created_at);
    let age = created.zip(at).map(|(created, at)| at.since(created));
    let seconds = age.unwrap_or_default().as_secs();
    u32::try_from(seconds).unwrap_or(u32::MAX).saturating_add(1)
}

fn is_failed(job: &BuildPart<'_>) -> bool {
    job.status.text() == Some("failed") && !job.allow_failure.is_true()
}

/// The failed jobs, without those that were allowed to fail. Of a retried job GitLab shows only the
/// last try.
fn failed_jobs(builds: &[BuildPart<'_>]) -> Vec<FailedJob> {
    builds
        .iter()
        .filter(|job| is_failed(job))
        .filter_map(|job| {
            Some(FailedJob {
                id: job.id.number()?,
                name: clean_of(&job.name, TITLE_BYTES_MAX)?,
                stage: clean_of(&job.stage, TITLE_BYTES_MAX),
                reason: clean_of(&job.failure_reason, WORD_BYTES_MAX),
            })
        })
        .take(FAILED_JOBS_MAX)
        .collect()
}

#[cfg(test)]
mod tests;
