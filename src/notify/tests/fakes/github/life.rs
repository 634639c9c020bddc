//! Issues through the lives of their incidents, with answers that are lost.

use super::super::life::{bear, life, live, sample};
use super::*;
use crate::domain::id::IncidentId;

#[tokio::test]
async fn an_incident_is_one_issue_that_is_commented_on_closed_and_opened_again() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    assert_eq!(sink.accepted(&message()).await, "1");
    let looks = "GET /issues";
    assert_eq!(fake.asked(), [looks, looks, "POST /issues"]);
    let issue = &fake.issues()[0];
    assert_eq!(issue.labels, ["hookherd"]);
    assert_eq!(issue.title, "CI failed: build on main");
    assert!(
        issue
            .body
            .contains("Failed step: test (linux): Run make test")
    );
    assert!(!issue.is_closed && issue.comments.is_empty());

    let kind = NotificationKind::Worse;
    assert_eq!(
        sink.accepted(&next(6, &Message { kind, ..message() }, "1"))
            .await,
        "1"
    );
    let (reads, writes) = ("GET /issues/1/comments", "POST /issues/1/comments");
    assert_eq!(fake.asked(), [reads, writes]);
    assert_eq!(sink.accepted(&next(7, &resolved(), "1")).await, "1");
    assert_eq!(fake.asked(), [reads, writes, "PATCH /issues/1"]);
    let issue = &fake.issues()[0];
    assert!(issue.is_closed && issue.comments.len() == 2, "{issue:?}");
    assert!(issue.comments[0].contains("**More severe**"));
    assert!(issue.comments[1].contains("Resolution: a later run passed"));
    assert_eq!(sink.accepted(&reopened(8, "1")).await, "1");
    let issues = fake.issues();
    assert!(!issues[0].is_closed && issues[0].comments.len() == 3);
    assert_eq!(issues.len(), 1);
}

/// A person closes the issue; what is no end and no beginning does not open it again.
#[tokio::test]
async fn an_issue_that_a_person_closes_stays_closed_while_its_incident_is_open() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    sink.accepted(&message()).await;
    fake.change(|state| state.issues[0].is_closed = true);
    for (n, kind) in [
        (6, NotificationKind::Worse),
        (7, NotificationKind::Reminded),
    ] {
        sink.accepted(&next(n, &Message { kind, ..message() }, "1"))
            .await;
    }
    assert!(fake.issues()[0].is_closed);
    sink.accepted(&reopened(8, "1")).await;
    assert!(!fake.issues()[0].is_closed);
}

#[tokio::test]
async fn a_lost_answer_never_makes_a_second_issue_or_comment() {
    for may_push in [true, false] {
        let fake = Fake::default();
        fake.change(|state| state.may_push = may_push);
        let server = fake.serve().await;
        let sink = at(&server);
        fake.change(|state| state.drops = vec![("POST", NO_ANSWER)]);
        let receipt = sink.sent(&message()).await;
        assert!(matches!(receipt, Receipt::Unsure { .. }), "{receipt:?}");
        // Others came meanwhile, and the issue has a label only if the token may set it.
        let many = (0..45).map(|_| Issue::new("Something else", &["hookherd"]));
        fake.change(|state| state.issues.extend(many));
        assert_eq!(sink.accepted(&message()).await, "1", "{may_push}");
        assert_eq!(fake.issues().len(), 46);
        assert_eq!(fake.issues()[0].comments, Vec::<String>::new());

        let end = next(6, &resolved(), "1");
        for method in ["POST", "PATCH"] {
            fake.change(|state| state.drops = vec![(method, NO_ANSWER)]);
            let receipt = sink.sent(&end).await;
            assert!(matches!(receipt, Receipt::Unsure { .. }), "{receipt:?}");
        }
        assert_eq!(sink.accepted(&end).await, "1");
        let issue = &fake.issues()[0];
        assert_eq!((issue.comments.len(), issue.is_closed), (1, true));
    }
}

/// What was written is done when its status says so; what was to be read changed nothing.
#[tokio::test]
async fn half_an_answer_is_enough_for_what_was_written_and_not_for_what_was_read() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    for lost in [NO_ANSWER, HALF_AN_ANSWER] {
        fake.change(|state| state.drops = vec![("GET", lost)]);
        let receipt = sink.sent(&message()).await;
        assert!(matches!(receipt, Receipt::Later { .. }), "{receipt:?}");
    }
    assert_eq!(fake.issues(), []);
    // The number is in the other half.
    fake.change(|state| state.drops = vec![("POST", HALF_AN_ANSWER)]);
    let receipt = sink.sent(&message()).await;
    assert_eq!(receipt, Receipt::Accepted { message: None });
    let halves = ["POST", "PATCH"].map(|method| (method, HALF_AN_ANSWER));
    fake.change(|state| state.drops = halves.to_vec());
    let end = Message {
        id: NotificationId::from_u128(6),
        ..unknown(&resolved())
    };
    assert_eq!(sink.accepted(&end).await, "1");
    let issues = fake.issues();
    assert!(issues.len() == 1 && issues[0].is_closed && issues[0].comments.len() == 1);
}

/// Where the address was entered again, the number is not known any more.
#[tokio::test]
async fn an_issue_whose_number_is_not_known_is_found_by_its_mark() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    sink.accepted(&message()).await;
    // Texts that quote the mark, and are no issue of ours.
    let quote = fake.issues()[0].body.clone();
    let mut pull = Issue::new(&quote, &["hookherd"]);
    pull.is_pull = true;
    let other = Issue::new(&quote, &["hookherd"]);
    fake.change(|state| state.issues.extend([pull, other]));
    let end = Message {
        id: NotificationId::from_u128(6),
        ..unknown(&resolved())
    };
    assert_eq!(sink.accepted(&end).await, "1");
    assert!(fake.issues()[0].is_closed);
    assert_eq!(fake.issues()[0].comments.len(), 1);
    // One that was closed, and whose beginning is sent again, is open again.
    assert_eq!(sink.accepted(&message()).await, "1");
    assert!(!fake.issues()[0].is_closed);
    assert!(fake.issues().iter().all(|issue| issue.comments.len() < 2));
}

#[tokio::test]
async fn an_issue_that_is_gone_is_opened_again_unless_its_incident_is_resolved() {
    for status in [301, 404, 410] {
        let fake = Fake::default();
        let server = fake.serve().await;
        let sink = at(&server);
        sink.accepted(&message()).await;
        fake.change(|state| state.issues[0].gone = Some(status));
        let end = sink.sent(&next(6, &resolved(), "1")).await;
        assert_eq!(end, Receipt::Accepted { message: None });
        assert_eq!(fake.issues().len(), 1);
        assert_eq!(sink.accepted(&reopened(7, "1")).await, "2", "{status}");
        assert!(fake.issues()[1].body.contains("**Reopened**"));
        // Its own beginning is no comment on it.
        assert_eq!(sink.accepted(&reopened(7, "1")).await, "2");
        assert!(fake.issues()[1].comments.is_empty() && fake.issues().len() == 2);
    }
}

/// Issues that were commented on lately may be much older.
#[tokio::test]
async fn issues_that_are_older_than_the_incident_are_not_read() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let mut older = Issue::new("Something else", &["hookherd"]);
    older.created_at = "2023-11-14T20:00:00Z".to_owned();
    fake.change(|state| state.issues = vec![older; 1000]);
    let mut message = message();
    message.incident.id = IncidentId::first_at(message.incident.first_seen_at);
    assert_eq!(at(&server).accepted(&message).await, "1001");
    assert_eq!(fake.asked().len(), 3);
    // The clocks may be apart.
    fake.change(|state| state.issues[1000].created_at = "2023-11-14T21:30:00Z".to_owned());
    assert_eq!(at(&server).accepted(&message).await, "1001");
    assert_eq!(fake.asked(), ["GET /issues"]);
}

/// A page of long issues is more than what is read of other answers.
#[tokio::test]
async fn a_page_of_long_issues_is_read_and_one_without_an_end_makes_no_issue() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    sink.accepted(&message()).await;
    let long = Issue::new(&"x".repeat(65_536), &["hookherd"]);
    fake.change(|state| state.issues.extend(vec![long; 30]));
    assert_eq!(sink.accepted(&message()).await, "1");
    let endless = Issue::new(&"x".repeat(200_000), &["hookherd"]);
    fake.change(|state| state.issues.extend(vec![endless; 20]));
    let receipt = sink.sent(&message()).await;
    let Receipt::Later { why, .. } = receipt else {
        panic!("{receipt:?}");
    };
    assert!(why.contains("cannot be read"), "{why}");
    assert_eq!(fake.issues().len(), 51);
}

/// The times of the fake's issues follow that of the sample.
#[test]
fn the_issues_are_younger_than_the_incident() {
    assert_eq!(
        message().incident.first_seen_at,
        Timestamp(1_700_000_000_000)
    );
}

#[tokio::test]
async fn a_whole_life_is_one_issue_with_a_comment_for_each_news() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let sink = at(&server);
    let shown = live(&sink, life()).await;
    assert!(
        shown.iter().all(|it| it.as_deref() == Some("1")),
        "{shown:?}"
    );
    let issues = fake.issues();
    let comments = &issues[0].comments;
    let words = [
        "Still open",
        "More severe",
        "Resolved",
        "Reopened",
        "Flapping",
        "Resolved",
    ];
    assert_eq!(comments.len(), words.len());
    for (comment, word) in comments.iter().zip(words) {
        assert!(comment.contains(&format!("**{word}**")), "{comment}");
    }
    assert!(issues[0].is_closed);
    assert_eq!(sink.accepted(&sample()).await, "2");
}

/// It has no digests.
#[tokio::test]
async fn hostile_and_long_texts_and_templates_are_issues_within_the_limits() {
    let fake = Fake::default();
    let server = fake.serve().await;
    let (digests, incidents) = bear(&at(&server), usize::MAX).await;
    let issues = fake.issues();
    assert_eq!((digests, issues.len()), (0, incidents));
    for issue in issues {
        assert!(issue.is_closed && issue.comments.len() == 1, "{issue:?}");
        let texts = [&issue.body, &issue.comments[0]];
        // What a stranger has written stands in a block of code.
        let outside = texts.iter().flat_map(|text| outside_of_fences(text));
        let is_link = |line: &&str| line.starts_with("[Open the run](https://github.com/octo/app/");
        for line in outside.filter(|line| !is_link(line)) {
            assert!(!line.contains('@') && !line.contains("evil"), "{line}");
        }
    }
}

/// The lines of a text that are no code.
fn outside_of_fences(text: &str) -> Vec<&str> {
    let (mut fence, mut outside) = (None::<&str>, Vec::new());
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            None if ticks >= 3 => {
                assert_eq!(&line[ticks..], "text", "a block that is not ours");
                fence = Some(&line[..ticks]);
            }
            None => outside.push(line),
            Some(open) if ticks >= open.len() && ticks == line.len() => fence = None,
            Some(_) => {}
        }
    }
    assert_eq!(fence, None, "a block without an end");
    outside
}
