//! Parts that several events share.

use super::super::payload::{ActorPart, CommitPart, PersonPart};
use crate::domain::event::Event;
use crate::domain::run::{Conclusion, RunEvent, RunStatus};
use crate::provider::inbound::DecodeError;
use crate::provider::payload::{Loose, Object, WORD_BYTES_MAX, clean_of, first_line};
use std::borrow::Cow;

/// The start of a form body.
const FORM_PREFIX: &[u8] = b"payload=";

/// The JSON in a body. A form is recognised by its start: the content type is not signed.
pub(super) fn unfold(body: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    if !body.starts_with(FORM_PREFIX) {
        return Ok(Cow::Borrowed(body));
    }
    let mut payloads = url::form_urlencoded::parse(body).filter(|(name, _)| name == "payload");
    match (payloads.next(), payloads.next()) {
        (Some((_, json)), None) => Ok(Cow::Owned(json.into_owned().into_bytes())),
        (Some(_) | None, _) => Err(DecodeError("the form has two payloads".into())),
    }
}

pub(super) fn of_run(run: RunEvent) -> Event {
    Event::Run(Box::new(run))
}

/// Attempts count from 1; older servers do not report them.
pub(super) fn attempt(number: &Loose<'_>) -> u32 {
    let attempt = number.number().unwrap_or(1).max(1);
    u32::try_from(attempt).unwrap_or(u32::MAX)
}

pub(super) fn subject(commit: &Object<CommitPart<'_>>) -> Option<String> {
    first_line(&commit.0.as_ref()?.message)
}

pub(super) fn login(actor: &Object<ActorPart<'_>>) -> Option<String> {
    clean_of(&actor.0.as_ref()?.login, WORD_BYTES_MAX)
}

/// Who wrote a commit.
pub(super) fn author(commit: &Object<CommitPart<'_>>) -> Option<String> {
    person(&commit.0.as_ref()?.author)
}

pub(super) fn person(person: &Object<PersonPart<'_>>) -> Option<String> {
    let person = person.0.as_ref()?;
    clean_of(&person.username, WORD_BYTES_MAX).or_else(|| clean_of(&person.name, WORD_BYTES_MAX))
}

/// A job with this conclusion failed. GitHub does not report whether it was allowed to.
pub(super) fn is_failed(conclusion: &Loose<'_>) -> bool {
    matches!(
        conclusion.text(),
        Some("failure" | "timed_out" | "startup_failure")
    )
}

/// The conclusion decides. Without one the status does, and the action only without a status:
/// GitHub's own examples contain a `completed` action with the status `queued`.
pub(super) fn status(
    conclusion: &Loose<'_>,
    status: &Loose<'_>,
    action: Option<&str>,
) -> RunStatus {
    status_of(conclusion.text(), status.text(), action)
}

/// The same, of words.
pub(in crate::provider::github) fn status_of(
    conclusion: Option<&str>,
    status: Option<&str>,
    action: Option<&str>,
) -> RunStatus {
    if let Some(conclusion) = conclusion.filter(|text| !text.trim().is_empty()) {
        return RunStatus::Completed(
            Conclusion::from_name(conclusion).unwrap_or(Conclusion::Unknown),
        );
    }
    let named = |name: &str| match name {
        "completed" => Some(RunStatus::Completed(Conclusion::Unknown)),
        "in_progress" => Some(RunStatus::InProgress),
        "requested" | "queued" | "pending" | "waiting" => Some(RunStatus::Queued),
        _ => None,
    };
    status
        .and_then(named)
        .or_else(|| action.and_then(named))
        .unwrap_or(RunStatus::Queued)
}
