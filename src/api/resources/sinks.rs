//! Sinks: where users are notified. Their addresses and keys are encrypted, and never shown again.

use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::{Json, Path};
use crate::api::me::Me;
use crate::api::query::{Limit, Query};
use crate::api::quota::Owned;
use crate::api::reply::{json, ok};
use crate::api::resources::clock::minutes;
use crate::api::schema::ShownName;
use crate::domain::id::SinkId;
use crate::domain::incident::Severity;
use crate::domain::rulebook::quiet::{Day, zone_named};
use crate::domain::sink::digest::{Every, Schedule};
use crate::domain::sink::template::{TemplateEdit, Templates};
use crate::domain::sink::{NAME_CHARS_MAX, Sink, SinkKind, Wants};
use crate::domain::text::clean;
use crate::notify::Wish;
use crate::outbox::{Edit, NewSink as Adding};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A sink to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct NewSink {
    /// Name of the sink: up to 100 visible characters, without blanks at the ends.
    #[schema(value_type = ShownName)]
    name: String,
    /// Kind of the sink.
    #[schema(value_type = SinkKind)]
    kind: String,
    /// Address that is called, in the form of its kind: see `docs/notifications.md`. It is
    /// encrypted and never shown again.
    #[schema(
        max_length = 2048,
        example = "https://hooks.example.com/services/T0/B0/x"
    )]
    url: Option<String>,
    /// Key. `webhook`: the one that signs what is sent, `whsec_` and the base64 of 24 to 64 bytes,
    /// generated when left out. `gotify`: the token of an application. `ntfy`: an access token, if
    /// the topic needs one. `pagerduty`: the integration key. `alertmanager`: what a proxy before
    /// it asks for, if there is one: a bearer token, or `user:password`. `email`: the password of
    /// the user. `slack_bot`, `telegram`: the token of a bot. `matrix`: an access token.
    /// `github_issue`: a token that may write issues. Other kinds have none.
    #[schema(max_length = 2048)]
    secret: Option<String>,
    /// Whether it is notified of resolved incidents.
    #[schema(default = true)]
    resolved: Option<bool>,
    /// Least severity of the incidents that it is notified of; all when left out.
    #[schema(value_type = Option<Severity>)]
    severity: Option<String>,
    /// Template of the title of its messages: see "Templates" in `docs/notifications.md`. Not for
    /// `webhook`.
    #[schema(max_length = 500, example = "{{ repository }}: {{ title }}")]
    title_template: Option<String>,
    /// Template of the text of its messages. Not for `webhook` and `pagerduty`.
    #[schema(max_length = 2000)]
    text_template: Option<String>,
    /// When it gets a digest; never when left out. Not for `pagerduty` and `alertmanager`.
    digest: Option<DigestSchedule>,
}

/// When a sink gets a digest: the report of what broke since the last one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DigestSchedule {
    /// How often: `daily`, `weekly` or `never`.
    #[schema(pattern = "^(daily|weekly|never)$", example = "daily")]
    every: String,
    /// Day of a weekly digest; Monday when left out.
    #[schema(value_type = Option<Day>)]
    day: Option<String>,
    /// Time of the day; 09:00 when left out.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "09:00")]
    at: Option<String>,
    /// Time zone, by IANA; UTC when left out.
    #[schema(max_length = 100, example = "Europe/Berlin")]
    time_zone: Option<String>,
    /// Whether it is sent also when there is nothing to say.
    #[schema(default = false)]
    empty: Option<bool>,
}

impl DigestSchedule {
    /// `None` for none.
    fn read(&self) -> Result<Option<Schedule>, Problem> {
        const NINE: &str = "09:00";
        let every = Every::from_name(&self.every);
        if every.is_none() && self.every != "never" {
            let why = "expected one of daily, weekly, never";
            return Err(Problem::invalid("digest.every", why));
        }
        let day = match &self.day {
            None => Day::Monday,
            Some(text) => Day::from_name(text).ok_or_else(|| {
                let all = Day::ALL.map(Day::as_str).join(", ");
                Problem::invalid("digest.day", format!("expected one of {all}"))
            })?,
        };
        let at = self.at.as_deref().unwrap_or(NINE);
        let minute = minutes(at).ok_or_else(|| {
            let why = "expected a time of the day, such as 09:00";
            Problem::invalid("digest.at", why)
        })?;
        // What is no zone is refused with the kind of the sink in view.
        let zone = self.time_zone.as_deref().unwrap_or("UTC");
        let time_zone = zone_named(zone).unwrap_or_else(|| zone.to_owned());
        Ok(every.map(|every| Schedule {
            every,
            day,
            minute,
            time_zone,
            sends_empty: self.empty.unwrap_or(false),
        }))
    }
}

/// What to change of a sink.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SinkPatch {
    /// Name of the sink.
    #[schema(value_type = Option<ShownName>)]
    name: Option<String>,
    /// Another address. It needs its key, too; for `webhook`, one is generated when left out.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Key for the new address.
    #[schema(max_length = 2048)]
    secret: Option<String>,
    /// Whether it is notified of resolved incidents.
    resolved: Option<bool>,
    /// Least severity of the incidents that it is notified of.
    #[schema(value_type = Option<Severity>)]
    severity: Option<String>,
    /// Template of the title of its messages; an empty one removes it.
    #[schema(max_length = 500)]
    title_template: Option<String>,
    /// Template of the text of its messages; an empty one removes it.
    #[schema(max_length = 2000)]
    text_template: Option<String>,
    /// When it gets a digest.
    digest: Option<DigestSchedule>,
    /// Whether it is used. `true` also enables one that was disabled.
    is_enabled: Option<bool>,
}

fn name_of(text: String) -> Result<String, Problem> {
    let is_short = text.chars().count() <= NAME_CHARS_MAX;
    if is_short && clean(&text, NAME_CHARS_MAX * 4).as_ref() == Some(&text) {
        return Ok(text);
    }
    let why = format!("expected 1 to {NAME_CHARS_MAX} visible characters");
    Err(Problem::invalid("name", why))
}

fn severity_of(text: Option<&String>) -> Result<Option<Severity>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let found = Severity::from_name(text);
    let all = Severity::ALL.map(Severity::as_str).join(", ");
    let why = || Problem::invalid("severity", format!("expected one of {all}"));
    found.map(Some).ok_or_else(why)
}

fn kind_of(text: &str) -> Result<SinkKind, Problem> {
    let all = SinkKind::ALL.map(SinkKind::as_str).join(", ");
    let why = || Problem::invalid("kind", format!("expected one of {all}"));
    SinkKind::from_name(text).ok_or_else(why)
}

/// Add a sink
///
/// It is notified of the incidents that you own from now on. Send a sample with
/// `POST /api/v2/sinks/{id}/test`.
#[utoipa::path(
    post, path = "/api/v2/sinks", request_body = NewSink,
    responses((status = 201, body = dto::AddedSink))
)]
pub(in crate::api) async fn create(me: Me, Json(new): Json<NewSink>) -> Answer {
    let wants = Wants::default();
    let wants = Wants {
        resolved: new.resolved.unwrap_or(wants.resolved),
        severity: severity_of(new.severity.as_ref())?.unwrap_or(wants.severity),
    };
    let templates = TemplateEdit {
        title: new.title_template,
        text: new.text_template,
    };
    let adding = Adding {
        owner: me.caller.user,
        name: name_of(new.name)?,
        kind: kind_of(&new.kind)?,
        wish: Wish {
            url: new.url,
            secret: new.secret,
        },
        wants,
        templates: templates.apply(&Templates::default()),
        digest: new.digest.map_or(Ok(None), |digest| digest.read())?,
        // The store counts once more, for requests at the same time.
        most: me.counters.most_sinks(),
    };
    let have = me.owned().sinks().await?.len();
    me.counters.may_have_one_more(Owned::Sinks, have)?;
    let (sink, generated) = me.notifying.add(adding).await?;
    let generated = generated.as_deref().map(String::as_str);
    json(StatusCode::CREATED, &dto::AddedSink::of(&sink, generated))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct SinkQuery {
    limit: Option<Limit>,
    cursor: Option<SinkId>,
}

/// List sinks
#[utoipa::path(
    get, path = "/api/v2/sinks", params(SinkQuery),
    responses((status = 200, body = dto::List<dto::Sink>))
)]
pub(in crate::api) async fn list(me: Me, Query(asked): Query<SinkQuery>) -> Answer {
    let after = Limit::after(asked.limit, asked.cursor);
    let page = dto::cut(me.owned().sinks().await?, after, |sink| sink.id);
    ok(&dto::List::of(page, |sink: Sink| dto::Sink::of(&sink)))
}

/// Get a sink
#[utoipa::path(get, path = "/api/v2/sinks/{id}", responses((status = 200, body = dto::Sink)))]
pub(in crate::api) async fn one(me: Me, Path(id): Path<SinkId>) -> Answer {
    ok(&dto::Sink::of(&me.owned().sink(id).await?))
}

/// Change a sink
#[utoipa::path(
    patch, path = "/api/v2/sinks/{id}", request_body = SinkPatch,
    responses((status = 200, body = dto::AddedSink))
)]
pub(in crate::api) async fn patch(
    me: Me,
    Path(id): Path<SinkId>,
    Json(asked): Json<SinkPatch>,
) -> Answer {
    let own = me.owned().sink(id).await?;
    let wish = Wish {
        url: asked.url,
        secret: asked.secret,
    };
    let edit = Edit {
        name: asked.name.map(name_of).transpose()?,
        wish: (wish.url.is_some() || wish.secret.is_some()).then_some(wish),
        resolved: asked.resolved,
        severity: severity_of(asked.severity.as_ref())?,
        is_enabled: asked.is_enabled,
        digest: asked.digest.map(|digest| digest.read()).transpose()?,
        templates: TemplateEdit {
            title: asked.title_template,
            text: asked.text_template,
        },
    };
    let (sink, generated) = me.notifying.edit(own.id, edit).await?;
    let generated = generated.as_deref().map(String::as_str);
    ok(&dto::AddedSink::of(&sink, generated))
}

/// Remove a sink
///
/// What waits for it is not sent.
#[utoipa::path(delete, path = "/api/v2/sinks/{id}", responses((status = 204)))]
pub(in crate::api) async fn remove(me: Me, Path(id): Path<SinkId>) -> Answer {
    let own = me.owned().sink(id).await?;
    me.notifying.remove(own.id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Test a sink
///
/// Sends a sample message, also to a sink that is paused or disabled, and reports the answer.
#[utoipa::path(
    post, path = "/api/v2/sinks/{id}/test",
    responses((status = 200, body = dto::TestedSink))
)]
pub(in crate::api) async fn test(me: Me, Path(id): Path<SinkId>) -> Answer {
    let own = me.owned().sink(id).await?;
    ok(&dto::TestedSink::of(&me.notifying.test(own.id).await?))
}
