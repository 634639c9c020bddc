//! What people do with incidents beside acknowledging and resolving them, and their timelines.

use super::incidents::act;
use crate::api::dto;
use crate::api::error::{Answer, Code, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::Moment;
use crate::api::reply::ok;
use crate::api::schema::NoteText;
use crate::domain::id::IncidentId;
use crate::domain::incident::care::{Act, MUTE_MAX, NOTE_CHARS_MAX, Tending};
use crate::domain::incident::timeline::timeline;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use serde::Deserialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Shortest mute.
const MUTE_MIN: Duration = Duration::from_mins(1);

/// Whom to assign an incident to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Assignment {
    /// Name or id of a user who may see the incident. Null, or left out: of no user any more.
    #[schema(max_length = 64, example = "ann")]
    user: Option<String>,
}

/// Until when to mute an incident: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Mute {
    /// From now on for so long: 1 minute to 30 days.
    #[schema(
        pattern = "^([1-9][0-9]{0,3}m|([1-9][0-9]?|[1-6][0-9]{2})h|([1-9]|[12][0-9]|30)d)$",
        example = "4h"
    )]
    r#for: Option<String>,
    /// Until this time, in at most 30 days.
    until: Option<Moment>,
}

/// A note.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Note {
    /// Up to 1000 characters in one line.
    #[schema(value_type = NoteText)]
    text: String,
}

/// Assign an incident
///
/// To a user who may see it. While objects belong to single users, that is its owner.
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/assign", request_body = Assignment,
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn assign(
    me: Me,
    Path(id): Path<IncidentId>,
    Json(asked): Json<Assignment>,
) -> Answer {
    let incident = me.owned().incident(id).await?;
    let to = match asked.user {
        Some(name) => Some(me.owned().assignee(&incident, &name).await?),
        None => None,
    };
    act(&me, id, Act::Tend(Tending::Assign(to))).await
}

/// The end of a mute.
fn end_of(asked: &Mute, now: Timestamp) -> Result<Timestamp, Problem> {
    let why = "expected a time from 1m to 30d, such as 4h";
    match (&asked.r#for, &asked.until) {
        (Some(text), None) => {
            let time = humantime::parse_duration(text.trim()).ok();
            let time = time.filter(|time| (MUTE_MIN..=MUTE_MAX).contains(time));
            let time = time.ok_or_else(|| Problem::invalid("for", why))?;
            Ok(now.plus(time))
        }
        (None, Some(Moment(until))) => {
            let is_ahead = *until > now && *until <= now.plus(MUTE_MAX);
            let why = "until: expected a time within the next 30 days.";
            is_ahead
                .then_some(*until)
                .ok_or_else(|| Problem::new(Code::TimeUnfit, why))
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(Problem::invalid("for", "expected one of `for` and `until`"))
        }
    }
}

/// Mute an incident
///
/// Until then no notification of it is sent. What has changed meanwhile is sent when the mute ends,
/// if it still matters: an incident that is still open, or the end of one that a sink shows as
/// open.
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/mute", request_body = Mute,
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn mute(
    me: Me,
    Path(id): Path<IncidentId>,
    Json(asked): Json<Mute>,
) -> Answer {
    me.owned().incident(id).await?;
    let until = end_of(&asked, me.now())?;
    act(&me, id, Act::Tend(Tending::Mute(until))).await
}

/// Unmute an incident
///
/// What has waited for the end of the mute is sent now.
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/unmute",
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn unmute(me: Me, Path(id): Path<IncidentId>) -> Answer {
    act(&me, id, Act::Tend(Tending::Unmute)).await
}

/// The text of a note, cleaned.
fn text_of(text: &str) -> Result<String, Problem> {
    let why = || Problem::invalid("text", "expected 1 to 1000 visible characters");
    if text.chars().count() > NOTE_CHARS_MAX {
        return Err(why());
    }
    clean(text, NOTE_CHARS_MAX * 4).ok_or_else(why)
}

/// Add a note to an incident
///
/// It is an entry of the timeline. An incident has at most 20 notes.
///
/// 202 when the request is stored, but not carried out after ten seconds: its command stays
/// pending.
#[utoipa::path(
    post, path = "/api/v2/incidents/{id}/notes", request_body = Note,
    responses((status = 200, body = dto::Incident), (status = 202, body = dto::Command))
)]
pub(in crate::api) async fn note(
    me: Me,
    Path(id): Path<IncidentId>,
    Json(asked): Json<Note>,
) -> Answer {
    me.owned().incident(id).await?;
    let text = text_of(&asked.text)?;
    act(&me, id, Act::Tend(Tending::Note(text))).await
}

/// List what happened to an incident
///
/// All of it in one answer, oldest first. Failures and passes have the times of the provider, the
/// rest has ours. The newest 50 failures have entries of their own; older ones share one.
#[utoipa::path(
    get, path = "/api/v2/incidents/{id}/timeline",
    responses((status = 200, body = dto::Timeline))
)]
pub(in crate::api) async fn list(me: Me, Path(id): Path<IncidentId>) -> Answer {
    let owned = me.owned();
    let incident = owned.incident(id).await?;
    let track = owned.track_of(&incident).await?;
    let entries = timeline(&incident, track.as_ref());
    let users = entries.iter().flat_map(|entry| [entry.by, entry.assignee]);
    let names = owned.user_names(users.flatten()).await?;
    ok(&dto::Timeline::of(&entries, &names))
}
