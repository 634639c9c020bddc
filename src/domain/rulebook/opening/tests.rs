//! Which ends of runs open incidents, by tables.

use super::*;
use crate::domain::rulebook::Rulebook;
use crate::domain::samples;

fn facts(branch: &str, workflow: &str, trigger: &str) -> RunFacts {
    RunFacts {
        branch: Some(branch.to_owned()),
        workflow_name: workflow.to_owned(),
        trigger: trigger.to_owned(),
        ..samples::facts()
    }
}

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn what_a_rule_does_not_say_is_as_the_operator_has_it() {
    let operator = Rules::new(
        &["failure".into()],
        &["main".into(), "release/*".into()],
        &["release/old".into()],
    );
    let operator = operator.unwrap();
    let branches = Opening {
        branches: Some(texts(&["topic/*"])),
        ..Opening::default()
    };
    let all_branches = Opening {
        branches: Some(texts(&["*"])),
        ignored_branches: Some(Vec::new()),
        ..Opening::default()
    };
    let conclusions = Opening {
        conclusions: Some(vec![Conclusion::Cancelled]),
        ..Opening::default()
    };
    let nothing = Opening {
        conclusions: Some(Vec::new()),
        ..Opening::default()
    };
    let (failed, passed) = (Some(Verdict::Failed), Some(Verdict::Passed));
    let table = [
        (Opening::default(), "main", Conclusion::Failure, failed),
        (Opening::default(), "topic/x", Conclusion::Failure, None),
        (branches.clone(), "topic/x", Conclusion::Failure, failed),
        (branches.clone(), "topic/x", Conclusion::TimedOut, None),
        (branches, "main", Conclusion::Failure, None),
        (
            all_branches.clone(),
            "release/old",
            Conclusion::Failure,
            failed,
        ),
        (all_branches, "x", Conclusion::Success, passed),
        (conclusions.clone(), "main", Conclusion::Cancelled, failed),
        (conclusions.clone(), "main", Conclusion::Failure, None),
        (
            conclusions.clone(),
            "release/old",
            Conclusion::Cancelled,
            None,
        ),
        (conclusions, "main", Conclusion::Success, passed),
        (nothing.clone(), "main", Conclusion::Failure, None),
        (nothing, "main", Conclusion::Success, passed),
    ];
    for (rule, branch, conclusion, expected) in table {
        let verdict =
            Opens::new(&rule).verdict(&operator, conclusion, &facts(branch, "CI", "push"));
        assert_eq!(verdict, expected, "{rule:?} {branch} {conclusion:?}");
        if rule == Opening::default() {
            assert_eq!(operator.verdict(conclusion, Some(branch)), expected);
        }
    }
}

#[test]
fn workflows_and_triggers_are_chosen_by_patterns() {
    let rule = Opening {
        workflows: texts(&["ci*", "Release"]),
        triggers: texts(&["push", "schedule"]),
        ..Opening::default()
    };
    let opens = Opens::new(&rule);
    for (workflow, trigger, counts) in [
        ("CI tests", "push", true),
        ("release", "schedule", true),
        ("Lint", "push", false),
        ("CI", "pull_request", false),
    ] {
        let facts = facts("main", workflow, trigger);
        let verdict = opens.verdict(&Rules::default(), Conclusion::Failure, &facts);
        assert_eq!(verdict.is_some(), counts, "{workflow} {trigger}");
        let passed = opens.verdict(&Rules::default(), Conclusion::Success, &facts);
        assert_eq!(passed.is_some(), counts, "{workflow} {trigger}");
    }
}

#[test]
fn the_first_rule_about_a_connection_counts() {
    let of = |repositories: &[&str], connections: &[u128]| Opening {
        repositories: texts(repositories),
        connections: connections
            .iter()
            .copied()
            .map(ConnectionId::from_u128)
            .collect(),
        ..Opening::default()
    };
    let book = Rulebook {
        opening: vec![of(&[], &[7]), of(&["octo/*"], &[]), of(&[], &[])],
        ..samples::rulebook(samples::ANN)
    };
    let place = |connection, name: &str| {
        let connection = ConnectionId::from_u128(connection);
        let found = book.opening_of(connection, &name.parse().unwrap());
        found.map(|(nth, _)| nth)
    };
    assert_eq!(place(7, "octo/app"), Some(0));
    assert_eq!(place(8, "Octo/App"), Some(1));
    assert_eq!(place(8, "acme/app"), Some(2));
    let none = Rulebook {
        opening: vec![of(&["octo/app"], &[7])],
        ..book.clone()
    };
    assert!(
        none.opening_of(ConnectionId::from_u128(8), &"octo/app".parse().unwrap())
            .is_none()
    );
    assert!(
        none.opening_of(ConnectionId::from_u128(7), &"octo/x".parse().unwrap())
            .is_none()
    );
}
