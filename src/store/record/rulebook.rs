//! The frozen mirrors of the rules of an owner.

use super::codec::Record;
use super::wire::{Wire, codes, mirror, mirror_enum};
use crate::domain::id::{ConnectionId, OwnerId, SinkId};
use crate::domain::incident::Severity;
use crate::domain::rulebook::opening::Opening;
use crate::domain::rulebook::quiet::{Day, QuietHours, Span};
use crate::domain::rulebook::{About, Remind, Rule, Rulebook, Then, When};
use crate::domain::run::Conclusion;
use crate::domain::time::Timestamp;

codes!(About { 0 = Ci, 1 = Health });
codes!(Day {
    0 = Monday, 1 = Tuesday, 2 = Wednesday, 3 = Thursday, 4 = Friday, 5 = Saturday, 6 = Sunday,
});
mirror_enum!(RemindV1 of Remind { Never, Every(u32) });
mirror!(WhenV1 of When {
    about: Option<About>,
    repositories: Vec<String>,
    connections: Vec<ConnectionId>,
    branches: Vec<String>,
    workflows: Vec<String>,
    triggers: Vec<String>,
    failures: Vec<String>,
    severities: Vec<Severity>,
});
mirror!(ThenV1 of Then {
    severity: Option<Severity>,
    sinks: Option<Vec<SinkId>>,
    delay: Option<u32>,
    remind: Option<Remind>,
    quiet: Option<bool>,
});
mirror!(RuleV1 of Rule { name: String, when: When, then: Then });
mirror!(SpanV1 of Span { days: Vec<Day>, from: u16, to: u16 });
mirror!(QuietHoursV1 of QuietHours {
    time_zone: String,
    spans: Vec<Span>,
    passes: Option<Severity>,
});
mirror!(OpeningV1 of Opening {
    repositories: Vec<String>,
    connections: Vec<ConnectionId>,
    conclusions: Option<Vec<Conclusion>>,
    branches: Option<Vec<String>>,
    ignored_branches: Option<Vec<String>>,
    workflows: Vec<String>,
    triggers: Vec<String>,
});
mirror!(RulebookV1 of Rulebook {
    owner: OwnerId,
    version: u64,
    changed_at: Timestamp,
    quiet: Option<QuietHours>,
    rules: Vec<Rule>,
    opening: Vec<Opening>,
});

impl Record for Rulebook {
    const VERSION: u8 = 1;
    const KIND: &'static str = "rules of an owner";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn rules_come_back() {
        round(vec![Remind::Never, Remind::Every(u32::MAX)]);
        round(About::ALL.to_vec());
        round(Day::ALL.to_vec());
        let book = samples::rulebook(samples::ANN);
        let empty = Rulebook {
            quiet: None,
            rules: Vec::new(),
            opening: Vec::new(),
            ..book.clone()
        };
        round(vec![book, empty]);
    }
}
