//! What rules would do with an incident, or with a run, and why.

use super::document::Rules as Document;
use crate::api::dto;
use crate::api::error::{Answer, Problem};
use crate::api::extract::Json;
use crate::api::me::Me;
use crate::api::reply::ok;
use crate::domain::id::{IncidentId, RunId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::repo::FullName;
use crate::domain::rule::Verdict;
use crate::domain::rulebook::decide::Rules;
use crate::domain::rulebook::opening::Opens;
use crate::domain::rulebook::{About, Look, Rulebook};
use crate::domain::run::{Conclusion, Run, RunStatus};
use crate::domain::sink::Sink;
use serde::Deserialize;
use utoipa::ToSchema;

/// What to try rules with: an incident or a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RulesTest {
    /// An incident.
    #[schema(value_type = Option<IncidentId>)]
    incident_id: Option<String>,
    /// A run.
    #[schema(value_type = Option<RunId>)]
    run_id: Option<String>,
    /// Rules to try instead of the stored ones.
    rules: Option<Document>,
}

/// What rules look at, as texts of its own.
struct Subject {
    about: About,
    repository: Option<String>,
    connection: Option<crate::domain::id::ConnectionId>,
    branch: Option<String>,
    workflow: Option<String>,
    trigger: Option<String>,
    failure: String,
    severity: Severity,
    /// The sink that it is about.
    sink: Option<SinkId>,
    /// Why it opens no incident.
    no_incident: Option<String>,
}

impl Subject {
    fn look(&self) -> Look<'_> {
        Look {
            about: self.about,
            repository: self.repository.as_deref(),
            connection: self.connection,
            branch: self.branch.as_deref(),
            workflow: self.workflow.as_deref(),
            trigger: self.trigger.as_deref(),
            failure: &self.failure,
            severity: self.severity,
        }
    }
}

/// The parsed id; nothing has one that is none.
fn id<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found())
}

async fn of_incident(me: &Me, text: &str) -> Result<Subject, Problem> {
    let incident = me.owned().incident(id::<IncidentId>(text)?).await?;
    let look = incident.look();
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Ok(Subject {
        about: look.about,
        repository: owned(look.repository),
        connection: look.connection,
        branch: owned(look.branch),
        workflow: owned(look.workflow),
        trigger: owned(look.trigger),
        failure: look.failure.to_owned(),
        severity: look.severity,
        no_incident: None,
        sink: incident.subject.sink(),
    })
}

/// Why the end of a run opens no incident.
fn why_none(
    me: &Me,
    run: &Run,
    name: Option<&FullName>,
    book: Option<&Rulebook>,
) -> Option<String> {
    let RunStatus::Completed(conclusion) = run.status else {
        return Some("the run has not ended".to_owned());
    };
    let rules = &me.settings.incidents;
    let opening = book.zip(name);
    let opening = opening.and_then(|(book, name)| book.opening_of(run.connection, name));
    let verdict = match opening {
        Some((_, rule)) => Opens::new(rule).verdict(rules, conclusion, &run.facts),
        None => rules.verdict(conclusion, run.facts.own_branch()),
    };
    if verdict == Some(Verdict::Failed) {
        return None;
    }
    let by = match opening {
        Some((nth, _)) => format!("opening rule {}", nth + 1),
        None => "the operator's [incidents]".to_owned(),
    };
    let conclusion = conclusion.as_str();
    Some(format!(
        "{conclusion} of this workflow on this branch opens none, by {by}"
    ))
}

async fn of_run(me: &Me, run: Run, book: Option<&Rulebook>) -> Result<Subject, Problem> {
    let name = me.owned().full_name(run.connection).await?;
    let no_incident = why_none(me, &run, name.as_ref(), book);
    let branch = run.facts.own_branch().map(str::to_owned);
    let failure = run.status.conclusion().unwrap_or(Conclusion::Failure);
    Ok(Subject {
        about: About::Ci,
        repository: name.map(|name| name.as_str().to_owned()),
        connection: Some(run.connection),
        branch,
        workflow: Some(run.facts.workflow_name),
        trigger: Some(run.facts.trigger),
        failure: failure.as_str().to_owned(),
        severity: Severity::Error,
        no_incident,
        sink: None,
    })
}

/// The rules to try.
async fn book(
    me: &Me,
    document: Option<&Document>,
    sinks: &[Sink],
) -> Result<Option<Rulebook>, Problem> {
    let Some(document) = document else {
        return Ok(me.owned().rulebook().await?);
    };
    let book = document.read(me.caller.user)?.book(0, me.clock.now());
    let sinks: Vec<SinkId> = sinks.iter().map(|sink| sink.id).collect();
    book.check(&sinks)?;
    Ok(Some(book))
}

/// Try rules
///
/// Reports what the stored rules, or other ones, would do with an incident or a run if it happened
/// now, and why. Nothing is changed or sent.
#[utoipa::path(
    post, path = "/api/v2/rules/test", request_body = RulesTest,
    responses((status = 200, body = dto::TestedRules))
)]
pub(in crate::api) async fn test(me: Me, Json(asked): Json<RulesTest>) -> Answer {
    let sinks = me.owned().sinks().await?;
    let book = book(&me, asked.rules.as_ref(), &sinks).await?;
    let subject = match (&asked.incident_id, &asked.run_id) {
        (Some(incident), None) => of_incident(&me, incident).await?,
        (None, Some(run)) => {
            let run = me.owned().run(id::<RunId>(run)?).await?;
            of_run(&me, run, book.as_ref()).await?
        }
        (Some(_), Some(_)) | (None, None) => {
            let why = "expected either `incident_id` or `run_id`";
            return Err(Problem::invalid("incident_id", why));
        }
    };
    let rules = book.as_ref().map(Rules::new).unwrap_or_default();
    let look = subject.look();
    let decision = rules.decide(&look, |id| sinks.iter().any(|sink| sink.id == id));
    let severity = decision
        .severity
        .as_ref()
        .map_or(look.severity, |it| it.value);
    let quiet = rules.quiet().filter(|_| decision.keeps_quiet());
    let tested = dto::Tested {
        no_incident: subject.no_incident.clone(),
        about: subject.sink,
        severity,
        delay: decision
            .delay
            .as_ref()
            .map_or(me.settings.notify_delay, |it| it.value),
        quiet_until: quiet.and_then(|quiet| quiet.until(severity, me.clock.now())),
        mismatches: rules.mismatches(&look),
        names: book
            .iter()
            .flat_map(|book| &book.rules)
            .map(|rule| rule.name.clone())
            .collect(),
        decision,
        sinks,
    };
    ok(&dto::TestedRules::of(&tested))
}
