//! The document of rules, as it is shown and set.

use crate::api::error::{Answer, Problem};
use crate::api::extract::Json;
use crate::api::me::Me;
use crate::api::reply::ok;
use crate::api::resources::clock::{clock, minutes};
use crate::api::schema::Passes;
use crate::domain::id::{ConnectionId, OwnerId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::rulebook::check::BadRules;
use crate::domain::rulebook::quiet::{Day, QuietHours as Quiet, Span as QuietSpan, zone_named};
use crate::domain::rulebook::{self as book, About, REMIND_DEFAULT, Remind, Rulebook};
use crate::domain::run::Conclusion;
use crate::outbox::NewRules;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use utoipa::ToSchema;

/// All rules of a user. Each setting is taken from the first rule that applies and has it.
#[expect(clippy::struct_field_names, reason = "the names are those in JSON")]
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Rules {
    /// Version of the document; 0 when there was none. A request that has one is refused unless the
    /// stored document has it, too. One without replaces whatever is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Times at which sinks are not disturbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<QuietHours>,
    /// The rules, in order.
    #[serde(default)]
    #[schema(max_items = 100)]
    rules: Vec<Rule>,
    /// Which ends of runs open incidents: of each connection, the first entry that is about it.
    /// Without one, it is as the operator has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    opening: Vec<Opening>,
}

/// Times at which sinks are not disturbed. What is open when they end is sent then.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct QuietHours {
    /// IANA time zone.
    #[schema(max_length = 100, example = "Europe/Berlin")]
    time_zone: String,
    /// The times, by the clock of the zone.
    #[schema(min_items = 1, max_items = 20)]
    spans: Vec<Span>,
    /// Least severity that is sent at any time; `critical` when left out.
    #[schema(value_type = Option<Passes>)]
    passes: Option<String>,
}

/// A span of quiet hours.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Span {
    /// Days on which it begins; every day when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Day>, max_items = 7)]
    days: Vec<String>,
    /// When it begins.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "22:00")]
    from: String,
    /// When it ends; not later than `from` means on the next day.
    #[schema(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$", example = "07:00")]
    to: String,
}

/// A rule.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Name of the rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(max_length = 100)]
    name: String,
    /// Conditions. All must hold.
    #[serde(default)]
    when: When,
    /// Settings.
    then: Then,
}

/// Conditions of a rule. Of each list, one entry has to fit; an empty one is no condition.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct When {
    /// What the incident is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<About>)]
    about: Option<String>,
    /// Repositories: names or patterns with `*` and `?`, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    repositories: Vec<String>,
    /// Connections.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50, value_type = Vec<ConnectionId>)]
    connections: Vec<String>,
    /// Branches and tags of the repository itself, not of forks: names or patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    branches: Vec<String>,
    /// Names of workflows, or patterns, in any case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    workflows: Vec<String>,
    /// Triggers, such as `push` or `schedule`, or patterns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    triggers: Vec<String>,
    /// Kinds of failures: the `failure_type` of incidents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    failures: Vec<String>,
    /// Severities, as they are after all rules that set one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50, value_type = Vec<Severity>)]
    severities: Vec<String>,
}

/// Which ends of the runs of some connections open incidents. Applies to runs that are reported
/// from now on.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct Opening {
    /// Repositories: names or patterns, in any case; all when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    repositories: Vec<String>,
    /// Connections; all when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50, value_type = Vec<ConnectionId>)]
    connections: Vec<String>,
    /// Conclusions that count as failures; none opens an incident if the list is empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50, value_type = Option<Vec<Conclusion>>)]
    conclusions: Option<Vec<String>>,
    /// Branches that count: names or patterns.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50)]
    branches: Option<Vec<String>>,
    /// Branches that do not count even if they fit `branches`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50)]
    ignored_branches: Option<Vec<String>>,
    /// Names of workflows that count, or patterns, in any case; all when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    workflows: Vec<String>,
    /// Triggers that count, or patterns; all when left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 50)]
    triggers: Vec<String>,
}

/// Settings of a rule; at least one.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Then {
    /// Severity of the incident. Not together with `when.severities`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Severity>)]
    severity: Option<String>,
    /// Sinks that are notified; none if the list is empty. Without any rule about it, all are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 50, value_type = Option<Vec<SinkId>>)]
    sinks: Option<Vec<String>>,
    /// An incident that is resolved within this time is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 86_400)]
    delay_seconds: Option<u32>,
    /// Whether sinks are reminded of an open incident that no user acknowledges.
    #[serde(skip_serializing_if = "Option::is_none")]
    remind: Option<bool>,
    /// Interval of reminders; 14400, which is 4 hours, when left out. Not together with `remind`
    /// set to false.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 300, maximum = 604_800)]
    remind_seconds: Option<u32>,
    /// Whether quiet hours are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet_hours: Option<bool>,
}

/// The value with this name; the problem lists all names.
fn named<T: Copy>(
    field: &str,
    text: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
        Problem::invalid(field, format!("expected one of {}", names.join(", ")))
    })
}

fn severity(field: &str, text: &str) -> Result<Severity, Problem> {
    named(field, text, &Severity::ALL, Severity::as_str)
}

fn ids<T: FromStr>(field: &str, texts: &[String], what: &str) -> Result<Vec<T>, Problem> {
    let bad = || Problem::invalid(field, format!("expected ids of {what}"));
    let parsed = texts.iter().map(|text| text.parse().map_err(|_| bad()));
    parsed.collect()
}

impl QuietHours {
    fn read(&self) -> Result<Quiet, Problem> {
        let mut spans = Vec::new();
        for (nth, span) in self.spans.iter().enumerate() {
            let at = format!("quiet_hours.spans[{nth}]");
            let day = |text: &String| named(&format!("{at}.days"), text, &Day::ALL, Day::as_str);
            let time = |name: &str, text: &str| {
                let why = "expected a time of the day, such as 22:00";
                minutes(text).ok_or_else(|| Problem::invalid(&format!("{at}.{name}"), why))
            };
            spans.push(QuietSpan {
                days: span.days.iter().map(day).collect::<Result<_, _>>()?,
                from: time("from", &span.from)?,
                to: time("to", &span.to)?,
            });
        }
        let passes = match &self.passes {
            None => Some(Severity::Critical),
            Some(text) => {
                let all = Passes::ALL;
                let name = named("quiet_hours.passes", text, &all, Passes::as_str)?;
                Severity::from_name(name.as_str())
            }
        };
        // What is no zone is refused with the rest of the document.
        let time_zone = zone_named(&self.time_zone).unwrap_or_else(|| self.time_zone.clone());
        Ok(Quiet {
            time_zone,
            spans,
            passes,
        })
    }

    fn of(quiet: &Quiet) -> Self {
        let span = |it: &QuietSpan| Span {
            days: it.days.iter().map(|day| day.as_str().to_owned()).collect(),
            from: clock(it.from),
            to: clock(it.to),
        };
        Self {
            time_zone: quiet.time_zone.clone(),
            spans: quiet.spans.iter().map(span).collect(),
            passes: Some(quiet.passes.map_or("none", Severity::as_str).to_owned()),
        }
    }
}

impl When {
    fn read(&self, at: &str) -> Result<book::When, Problem> {
        let field = |name: &str| format!("{at}.when.{name}");
        let about = |text: &String| named(&field("about"), text, &About::ALL, About::as_str);
        let severities = self.severities.iter();
        let severities = severities.map(|text| severity(&field("severities"), text));
        Ok(book::When {
            about: self.about.as_ref().map(about).transpose()?,
            repositories: self.repositories.clone(),
            connections: ids(&field("connections"), &self.connections, "connections")?,
            branches: self.branches.clone(),
            workflows: self.workflows.clone(),
            triggers: self.triggers.clone(),
            failures: self.failures.clone(),
            severities: severities.collect::<Result<_, _>>()?,
        })
    }

    fn of(when: &book::When) -> Self {
        Self {
            about: when.about.map(|about| about.as_str().to_owned()),
            repositories: when.repositories.clone(),
            connections: when
                .connections
                .iter()
                .map(ConnectionId::to_string)
                .collect(),
            branches: when.branches.clone(),
            workflows: when.workflows.clone(),
            triggers: when.triggers.clone(),
            failures: when.failures.clone(),
            severities: when
                .severities
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
        }
    }
}

impl Opening {
    fn read(&self, at: &str) -> Result<book::opening::Opening, Problem> {
        let field = |name: &str| format!("{at}.{name}");
        let conclusion = |text: &String| {
            named(
                &field("conclusions"),
                text,
                &Conclusion::ALL,
                Conclusion::as_str,
            )
        };
        let all = |texts: &Vec<String>| texts.iter().map(conclusion).collect();
        Ok(book::opening::Opening {
            repositories: self.repositories.clone(),
            connections: ids(&field("connections"), &self.connections, "connections")?,
            conclusions: self.conclusions.as_ref().map(all).transpose()?,
            branches: self.branches.clone(),
            ignored_branches: self.ignored_branches.clone(),
            workflows: self.workflows.clone(),
            triggers: self.triggers.clone(),
        })
    }

    fn of(rule: &book::opening::Opening) -> Self {
        let names = |all: &Vec<Conclusion>| all.iter().map(|it| it.as_str().to_owned()).collect();
        Self {
            repositories: rule.repositories.clone(),
            connections: rule
                .connections
                .iter()
                .map(ConnectionId::to_string)
                .collect(),
            conclusions: rule.conclusions.as_ref().map(names),
            branches: rule.branches.clone(),
            ignored_branches: rule.ignored_branches.clone(),
            workflows: rule.workflows.clone(),
            triggers: rule.triggers.clone(),
        }
    }
}

impl Then {
    fn read(&self, at: &str) -> Result<book::Then, Problem> {
        let field = |name: &str| format!("{at}.then.{name}");
        let of_sinks = |texts: &Vec<String>| ids(&field("sinks"), texts, "sinks");
        let remind = match (self.remind, self.remind_seconds) {
            (Some(false), Some(_)) => {
                let why = "expected no interval together with `remind` set to false".to_owned();
                let field = field("remind_seconds");
                return Err(BadRules { field, why }.into());
            }
            (Some(false), None) => Some(Remind::Never),
            (_, Some(seconds)) => Some(Remind::Every(seconds)),
            (Some(true), None) => {
                let seconds = u32::try_from(REMIND_DEFAULT.as_secs()).unwrap_or(u32::MAX);
                Some(Remind::Every(seconds))
            }
            (None, None) => None,
        };
        let severe = |text: &String| severity(&field("severity"), text);
        Ok(book::Then {
            severity: self.severity.as_ref().map(severe).transpose()?,
            sinks: self.sinks.as_ref().map(of_sinks).transpose()?,
            delay: self.delay_seconds,
            remind,
            quiet: self.quiet_hours,
        })
    }

    fn of(then: &book::Then) -> Self {
        let (remind, remind_seconds) = match then.remind {
            None => (None, None),
            Some(Remind::Never) => (Some(false), None),
            Some(Remind::Every(seconds)) => (Some(true), Some(seconds)),
        };
        let names = |sinks: &Vec<SinkId>| sinks.iter().map(SinkId::to_string).collect();
        Self {
            severity: then.severity.map(|it| it.as_str().to_owned()),
            sinks: then.sinks.as_ref().map(names),
            delay_seconds: then.delay,
            remind,
            remind_seconds,
            quiet_hours: then.quiet,
        }
    }
}

impl Rules {
    /// The rules of an owner that are written here.
    pub(super) fn read(&self, owner: OwnerId) -> Result<NewRules, Problem> {
        let mut rules = Vec::new();
        for (nth, rule) in self.rules.iter().enumerate() {
            let at = format!("rules[{nth}]");
            rules.push(book::Rule {
                name: rule.name.clone(),
                when: rule.when.read(&at)?,
                then: rule.then.read(&at)?,
            });
        }
        let opening = self.opening.iter().enumerate();
        let opening = opening.map(|(nth, rule)| rule.read(&format!("opening[{nth}]")));
        let quiet = self.quiet_hours.as_ref().map(QuietHours::read);
        Ok(NewRules {
            opening: opening.collect::<Result<_, _>>()?,
            owner,
            replaces: self.version,
            quiet: quiet.transpose()?,
            rules,
        })
    }

    fn of(book: Option<&Rulebook>) -> Self {
        let rule = |rule: &book::Rule| Rule {
            name: rule.name.clone(),
            when: When::of(&rule.when),
            then: Then::of(&rule.then),
        };
        let rules = book.iter().flat_map(|book| &book.rules).map(rule);
        Self {
            version: Some(book.map_or(0, |book| book.version)),
            quiet_hours: book
                .and_then(|book| book.quiet.as_ref())
                .map(QuietHours::of),
            rules: rules.collect(),
            opening: book
                .iter()
                .flat_map(|book| &book.opening)
                .map(Opening::of)
                .collect(),
        }
    }
}

/// Get your rules
#[utoipa::path(get, path = "/api/v2/rules", responses((status = 200, body = Rules)))]
pub(in crate::api) async fn show(me: Me) -> Answer {
    let book = me.owned().rulebook().await?;
    ok(&Rules::of(book.as_ref()))
}

/// Set your rules
///
/// Replaces all of them. They apply to what is planned from now on: incidents that are opened,
/// opened again, or become more severe.
#[utoipa::path(
    put, path = "/api/v2/rules", request_body = Rules,
    responses((status = 200, body = Rules))
)]
pub(in crate::api) async fn set(me: Me, Json(asked): Json<Rules>) -> Answer {
    let new = asked.read(me.caller.user)?;
    let book = me.notifying.set_rules(new).await?;
    ok(&Rules::of(Some(&book)))
}
