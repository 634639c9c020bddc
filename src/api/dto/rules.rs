//! What rules would do, in JSON.

use crate::domain::id::SinkId;
use crate::domain::incident::Severity;
use crate::domain::rulebook::decide::{Condition, Decision, Setting};
use crate::domain::sink;
use crate::domain::time::Timestamp;
use std::time::Duration;

/// What rules would do with an incident.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Why there is no incident.
    pub no_incident: Option<String>,
    /// The sink that the incident is about.
    pub about: Option<SinkId>,
    /// The severity.
    pub severity: Severity,
    /// What is resolved within this time is not sent.
    pub delay: Duration,
    /// Until when it would wait.
    pub quiet_until: Option<Timestamp>,
    /// Of each rule, the first condition that does not hold.
    pub mismatches: Vec<Option<Condition>>,
    /// The names of the rules.
    pub names: Vec<String>,
    /// What the rules decide.
    pub decision: Decision,
    /// All sinks of the user.
    pub sinks: Vec<sink::Sink>,
}

/// The number of a rule, counted from 1.
fn number<T>(setting: Option<&Setting<T>>) -> Option<usize> {
    setting.map(|setting| setting.rule + 1)
}

/// Why a sink would not be notified.
fn why_not(tested: &Tested, sink: &sink::Sink) -> Option<String> {
    if let Some(why) = &tested.no_incident {
        return Some(why.clone());
    }
    if !tested.decision.includes(sink.id) {
        let rule = number(tested.decision.sinks.as_ref()).unwrap_or_default();
        return Some(format!("rule {rule} names other sinks"));
    }
    if tested.about == Some(sink.id) {
        return Some("the incident is about this sink: the others are notified".to_owned());
    }
    match sink.state {
        sink::SinkState::Enabled => {}
        sink::SinkState::Paused => return Some("the sink is paused".to_owned()),
        sink::SinkState::Disabled { .. } => {
            return Some(
                "the sink is disabled: it is notified when it is enabled again".to_owned(),
            );
        }
    }
    if tested.severity < sink.wants.severity {
        let least = sink.wants.severity.as_str();
        return Some(format!("the sink is notified from severity {least}"));
    }
    None
}

shapes! {
    /// What rules would do.
    TestedRules(tested: &Tested) {
        /// Why there would be no incident; null when there would be one.
        no_incident: Option<String> = tested.no_incident.clone(),
        /// The rules, in order.
        rules: Vec<TestedRule> = tested.mismatches.iter().zip(&tested.names).enumerate()
            .map(|(nth, (mismatch, name))| TestedRule::of(nth, *mismatch, name)).collect(),
        /// Severity of the incident.
        severity: Severity = tested.severity,
        /// Number of the rule that sets it; null when no rule does.
        severity_rule: Option<usize> = number(tested.decision.severity.as_ref()),
        /// The sinks, and whether they would be notified.
        sinks: Vec<TestedRoute> = tested.sinks.iter()
            .map(|sink| TestedRoute::of(sink, why_not(tested, sink))).collect(),
        /// Number of the rule that names them.
        sinks_rule: Option<usize> = number(tested.decision.sinks.as_ref()),
        /// An incident that is resolved within this time is not sent.
        delay_seconds: u64 = tested.delay.as_secs(),
        /// Number of the rule that sets it.
        delay_rule: Option<usize> = number(tested.decision.delay.as_ref()),
        /// Interval of reminders; null without any.
        remind_seconds: Option<u64> = tested.decision.remind_every().map(|every| every.as_secs()),
        /// Number of the rule that sets it.
        remind_rule: Option<usize> = number(tested.decision.remind.as_ref()),
        /// Until when it would wait now, because of quiet hours.
        quiet_until: Option<Timestamp> = tested.quiet_until,
        /// Number of the rule that says whether they are kept.
        quiet_hours_rule: Option<usize> = number(tested.decision.quiet.as_ref()),
    }

    /// A rule, and whether it applies.
    TestedRule(nth: usize, mismatch: Option<Condition>, name: &str) {
        /// Number of the rule, from 1.
        number: usize = nth + 1,
        /// Name of the rule.
        name: String = name.to_owned(),
        /// Whether it applies.
        applies: bool = mismatch.is_none(),
        /// First condition that does not hold.
        mismatch: Option<Condition> = mismatch,
    }

    /// A sink, and whether it would be notified.
    TestedRoute(sink: &sink::Sink, why_not: Option<String>) {
        /// Id of the sink.
        id: SinkId = sink.id,
        /// Name of the sink.
        name: String = sink.name.clone(),
        /// Whether it would be notified.
        notified: bool = why_not.is_none(),
        /// Why not.
        reason: Option<String> = why_not.clone(),
    }
}
