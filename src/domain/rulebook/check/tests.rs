//! What will not do in rules, by a table.

use super::*;
use crate::domain::incident::Severity;
use crate::domain::rulebook::quiet::{Day, Span};
use crate::domain::samples;

fn good() -> Rulebook {
    samples::rulebook(samples::ANN)
}

type Change = fn(&mut Rulebook);

#[test]
fn what_will_not_do_is_named_with_its_place() {
    let sinks = [SinkId::from_u128(5)];
    assert_eq!(good().check(&sinks), Ok(()));
    let table: [(&str, &str, Change); 16] = [
        ("rules", "at most 100", |book| {
            book.rules = vec![Rule::default(); 101];
        }),
        ("rules[0].name", "visible", |book| {
            book.rules[0].name = "a\nb".into();
        }),
        ("rules[0].name", "100", |book| {
            book.rules[0].name = "x".repeat(101);
        }),
        ("rules[1].then", "at least one", |book| {
            book.rules[1].then = Then::default();
        }),
        ("rules[0].when.branches", "pattern", |book| {
            book.rules[0].when.branches = vec!["[".into()];
        }),
        ("rules[0].when.repositories", "at most 50", |book| {
            book.rules[0].when.repositories = vec!["a/b".into(); 51];
        }),
        ("rules[0].when.workflows", "1 to 256", |book| {
            book.rules[0].when.workflows = vec!["x".repeat(257)];
        }),
        ("rules[0].when.triggers", "1 to 256", |book| {
            book.rules[0].when.triggers = vec![String::new()];
        }),
        ("rules[0].when.failures", "timed_out", |book| {
            book.rules[0].when.failures = vec!["success".into()];
        }),
        ("rules[0].then.severity", "cannot set a severity", |book| {
            book.rules[0].then.severity = Some(Severity::Critical);
        }),
        ("rules[0].then.sinks", "you have no sink snk_", |book| {
            book.rules[0].then.sinks = Some(vec![SinkId::from_u128(6)]);
        }),
        ("rules[0].then.delay_seconds", "24 hours", |book| {
            book.rules[0].then.delay = Some(86_401);
        }),
        ("rules[0].then.remind_seconds", "5 minutes", |book| {
            book.rules[0].then.remind = Some(Remind::Every(299));
        }),
        ("rules[0].then.remind_seconds", "7 days", |book| {
            book.rules[0].then.remind = Some(Remind::Every(604_801));
        }),
        ("quiet_hours.time_zone", "IANA", |book| {
            book.quiet.as_mut().unwrap().time_zone = "Berlin".into();
        }),
        ("quiet_hours.spans", "at least one", |book| {
            book.quiet.as_mut().unwrap().spans = Vec::new();
        }),
    ];
    for (field, why, change) in table {
        let mut book = good();
        change(&mut book);
        let bad = book.check(&sinks).unwrap_err();
        assert_eq!(bad.field, field);
        assert!(bad.why.contains(why), "{field}: {}", bad.why);
    }
}

#[test]
fn bounds_hold_for_all_rules_together() {
    let mut book = good();
    let sinks = [SinkId::from_u128(5)];
    book.rules[0].when.branches = vec!["main".into(); 50];
    book.rules = vec![book.rules[0].clone(); 9];
    assert_eq!(book.check(&sinks), Ok(()));
    book.rules.push(book.rules[0].clone());
    let bad = book.check(&sinks).unwrap_err();
    assert!(bad.to_string().contains("at most 500"), "{bad}");
    let span = Span {
        days: Vec::new(),
        from: 0,
        to: 1440,
    };
    let mut book = good();
    book.quiet.as_mut().unwrap().spans = vec![span.clone()];
    assert_eq!(book.check(&sinks).unwrap_err().field, "quiet_hours.spans");
    let days = vec![Day::Monday; 8];
    book.quiet.as_mut().unwrap().spans = vec![Span {
        days,
        ..span.clone()
    }];
    let bad = book.check(&sinks).unwrap_err();
    assert_eq!(bad.field, "quiet_hours.spans[0].days");
    book.quiet.as_mut().unwrap().spans = vec![Span { to: 1, ..span }; 21];
    assert_eq!(book.check(&sinks).unwrap_err().field, "quiet_hours.spans");
}
