//! What will not do in a document of rules.

use super::opening::{OPENING_MAX, Opening};
use super::quiet::{DAY_MINUTES, Day, QuietHours, SPANS_MAX, zone_named};
use super::{
    DELAY_MAX, ENTRIES_MAX, NAME_CHARS_MAX, PATTERNS_MAX, REMIND_MAX, REMIND_MIN, RULES_MAX,
    Remind, Rule, Rulebook, Then, When,
};
use crate::domain::id::SinkId;
use crate::domain::incident::health::HealthKind;
use crate::domain::pattern::{BadPattern, Pattern};
use crate::domain::run::Conclusion;
use crate::domain::text::clean;

/// What will not do, and where: `rules[3].when.branches`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadRules {
    /// The field.
    pub field: String,
    /// Why, for people.
    pub why: String,
}

fn bad(field: impl Into<String>, why: impl Into<String>) -> BadRules {
    BadRules {
        field: field.into(),
        why: why.into(),
    }
}

fn at_most(field: &str, count: usize, most: usize) -> Result<(), BadRules> {
    if count <= most {
        return Ok(());
    }
    Err(bad(field, format!("at most {most} entries, got {count}")))
}

type Parse = fn(&str) -> Result<Pattern, BadPattern>;

fn check_patterns(field: &str, texts: &[String], parse: Parse) -> Result<(), BadRules> {
    at_most(field, texts.len(), ENTRIES_MAX)?;
    for text in texts {
        parse(text).map_err(|why| bad(field, why.to_string()))?;
    }
    Ok(())
}

fn check_opening(at: &str, rule: &Opening) -> Result<(), BadRules> {
    let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let lists: [(&str, Vec<String>, Parse); 5] = [
        ("repositories", rule.repositories.clone(), Pattern::any_case),
        ("branches", list(&rule.branches), Pattern::exact_case),
        (
            "ignored_branches",
            list(&rule.ignored_branches),
            Pattern::exact_case,
        ),
        ("workflows", rule.workflows.clone(), Pattern::any_case),
        ("triggers", rule.triggers.clone(), Pattern::exact_case),
    ];
    for (name, texts, parse) in lists {
        check_patterns(&format!("{at}.{name}"), &texts, parse)?;
    }
    at_most(
        &format!("{at}.connections"),
        rule.connections.len(),
        ENTRIES_MAX,
    )?;
    let field = format!("{at}.conclusions");
    let conclusions = rule.conclusions.as_deref().unwrap_or_default();
    at_most(&field, conclusions.len(), ENTRIES_MAX)?;
    if conclusions.contains(&Conclusion::Success) {
        return Err(bad(
            field,
            "the conclusion success cannot count as a failure",
        ));
    }
    Ok(())
}

fn check_when(at: &str, when: &When) -> Result<(), BadRules> {
    let lists: [(&str, &[String], Parse); 4] = [
        ("repositories", &when.repositories, Pattern::any_case),
        ("branches", &when.branches, Pattern::exact_case),
        ("workflows", &when.workflows, Pattern::any_case),
        ("triggers", &when.triggers, Pattern::exact_case),
    ];
    for (name, texts, parse) in lists {
        check_patterns(&format!("{at}.when.{name}"), texts, parse)?;
    }
    at_most(
        &format!("{at}.when.connections"),
        when.connections.len(),
        ENTRIES_MAX,
    )?;
    let field = format!("{at}.when.failures");
    at_most(&field, when.failures.len(), ENTRIES_MAX)?;
    let is_failure = |name: &str| {
        let conclusion = Conclusion::from_name(name).filter(|it| *it != Conclusion::Success);
        conclusion.is_some() || HealthKind::from_name(name).is_some()
    };
    if when.failures.iter().any(|name| !is_failure(name)) {
        let conclusions = Conclusion::ALL
            .into_iter()
            .filter(|it| *it != Conclusion::Success);
        let names = conclusions.map(Conclusion::as_str);
        let all: Vec<&str> = names
            .chain(HealthKind::ALL.map(HealthKind::as_str))
            .collect();
        return Err(bad(field, format!("expected any of {}", all.join(", "))));
    }
    at_most(
        &format!("{at}.when.severities"),
        when.severities.len(),
        ENTRIES_MAX,
    )
}

fn check_then(at: &str, then: &Then) -> Result<(), BadRules> {
    if let Some(sinks) = &then.sinks {
        at_most(&format!("{at}.then.sinks"), sinks.len(), ENTRIES_MAX)?;
    }
    let delay_max = DELAY_MAX.as_secs();
    if then.delay.is_some_and(|delay| u64::from(delay) > delay_max) {
        let why = format!("at most {delay_max}, which is 24 hours");
        return Err(bad(format!("{at}.then.delay_seconds"), why));
    }
    if let Some(Remind::Every(seconds)) = then.remind {
        let (least, most) = (REMIND_MIN.as_secs(), REMIND_MAX.as_secs());
        if !(least..=most).contains(&u64::from(seconds)) {
            let why = format!("from {least} to {most}: 5 minutes to 7 days");
            return Err(bad(format!("{at}.then.remind_seconds"), why));
        }
    }
    Ok(())
}

fn check_rule(at: &str, rule: &Rule) -> Result<(), BadRules> {
    let name = &rule.name;
    let is_short = name.chars().count() <= NAME_CHARS_MAX;
    if !name.is_empty() && (!is_short || clean(name, NAME_CHARS_MAX * 4).as_ref() != Some(name)) {
        let why = format!("expected up to {NAME_CHARS_MAX} visible characters");
        return Err(bad(format!("{at}.name"), why));
    }
    check_when(at, &rule.when)?;
    check_then(at, &rule.then)?;
    if rule.then == Then::default() {
        return Err(bad(
            format!("{at}.then"),
            "a rule needs at least one setting",
        ));
    }
    if rule.then.severity.is_some() && !rule.when.severities.is_empty() {
        let why = "a rule with `when.severities` cannot set a severity: it is decided before \
                   `severities` is looked at";
        return Err(bad(format!("{at}.then.severity"), why));
    }
    Ok(())
}

fn check_quiet(quiet: &QuietHours) -> Result<(), BadRules> {
    if zone_named(&quiet.time_zone).is_none() {
        let why = "expected the name of an IANA time zone, such as Europe/Berlin";
        return Err(bad("quiet_hours.time_zone", why));
    }
    if quiet.spans.is_empty() {
        return Err(bad("quiet_hours.spans", "expected at least one span"));
    }
    at_most("quiet_hours.spans", quiet.spans.len(), SPANS_MAX)?;
    for (nth, span) in quiet.spans.iter().enumerate() {
        let field = format!("quiet_hours.spans[{nth}].days");
        at_most(&field, span.days.len(), Day::ALL.len())?;
    }
    let is_time = |minutes: u16| minutes < DAY_MINUTES;
    let are_times = quiet
        .spans
        .iter()
        .all(|it| is_time(it.from) && is_time(it.to));
    if are_times {
        return Ok(());
    }
    Err(bad(
        "quiet_hours.spans",
        "expected times from 00:00 to 23:59",
    ))
}

impl Rulebook {
    /// Whether all of it will do. Sinks that are named must be among `sinks`.
    pub fn check(&self, sinks: &[SinkId]) -> Result<(), BadRules> {
        at_most("rules", self.rules.len(), RULES_MAX)?;
        at_most("opening", self.opening.len(), OPENING_MAX)?;
        let mut patterns = 0;
        for (nth, rule) in self.opening.iter().enumerate() {
            check_opening(&format!("opening[{nth}]"), rule)?;
            let branches = rule.branches.iter().chain(&rule.ignored_branches).flatten();
            let others = [&rule.repositories, &rule.workflows, &rule.triggers];
            patterns += branches.count() + others.iter().map(|list| list.len()).sum::<usize>();
        }
        for (nth, rule) in self.rules.iter().enumerate() {
            let at = format!("rules[{nth}]");
            check_rule(&at, rule)?;
            let named = rule.then.sinks.iter().flatten();
            if let Some(missing) = named.into_iter().find(|id| !sinks.contains(id)) {
                return Err(bad(
                    format!("{at}.then.sinks"),
                    format!("you have no sink {missing}"),
                ));
            }
            let when = &rule.when;
            let lists = [
                &when.repositories,
                &when.branches,
                &when.workflows,
                &when.triggers,
            ];
            patterns += lists.iter().map(|list| list.len()).sum::<usize>();
        }
        at_most("rules: patterns in all", patterns, PATTERNS_MAX)?;
        self.quiet.as_ref().map_or(Ok(()), check_quiet)
    }
}

#[cfg(test)]
mod tests;
