//! Digests: what each kind of sink is sent, as files to read (`UPDATE_MESSAGES=1` writes them), and
//! that no name in them acts.

use super::mail::{check_lines, readable};
use super::markup::templated::checked;
use super::messages::body;
use super::texts::texts;
use crate::domain::id::{ConnectionId, IncidentId, NotificationId};
use crate::domain::report::{Broken, Culprit, Repaired, Report, Slow};
use crate::domain::sink::SinkKind;
use crate::domain::time::Timestamp;
use crate::notify::outbound::Request;
use crate::notify::{
    DigestMessage, discord, email, gotify, matrix, mattermost, ntfy, slack, slack_bot, teams,
    telegram, webhook,
};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

fn culprit(repository: &str, what: &str, branch: Option<&str>) -> Culprit {
    Culprit {
        repository: Some(repository.to_owned()),
        what: what.to_owned(),
        branch: branch.map(str::to_owned),
    }
}

/// A digest of a day, in which these names stand.
pub(super) fn digest(repository: &str, what: &str, branch: &str) -> DigestMessage {
    let until = Timestamp(1_700_042_400_000);
    let broken = |branch, flaky, unresolved| Broken {
        culprit: culprit(repository, what, branch),
        incidents: 2,
        flaky,
        unresolved,
        red: HOUR * 30,
    };
    let slow = Slow {
        incident: IncidentId::from_u128(1),
        culprit: culprit(repository, what, Some(branch)),
        took: Duration::from_secs(3_725),
    };
    let repaired = Repaired {
        connection: ConnectionId::from_u128(2),
        repository: repository.to_owned(),
        repairs: 1,
        last_at: until.minus(HOUR),
    };
    DigestMessage {
        id: NotificationId::from_u128(5),
        at: until,
        report: Report {
            since: until.minus(HOUR * 24),
            until,
            opened: 3,
            resolved: 2,
            unresolved: 1,
            flaky: 1,
            median: Some(HOUR),
            broken: vec![broken(Some(branch), 0, 1), broken(None, 0, 0)],
            flaking: vec![broken(Some(branch), 1, 0)],
            slowest: vec![slow],
            repaired: vec![repaired],
        },
        is_partial: false,
        time_zone: "Europe/Berlin".to_owned(),
    }
}

fn request(kind: SinkKind, digest: &DigestMessage) -> Option<Request> {
    let card = digest.card();
    match kind {
        SinkKind::Webhook
        | SinkKind::Email
        | SinkKind::Pagerduty
        | SinkKind::Alertmanager
        | SinkKind::GithubIssue => None,
        SinkKind::SlackBot => Some(slack_bot::whole("C1", &card)),
        SinkKind::Slack => Some(slack::posting(&card)),
        SinkKind::Mattermost => Some(mattermost::posting(&card)),
        SinkKind::Discord => Some(discord::report(digest)),
        SinkKind::Teams => Some(teams::posting(&card)),
        SinkKind::Ntfy => Some(ntfy::posting("topic", &card, "ntf_5")),
        SinkKind::Gotify => Some(gotify::posting(&card)),
        SinkKind::Telegram => Some(telegram::whole("-5", &card)),
        SinkKind::Matrix => Some(matrix::whole("!ops:example.org", digest.id, &card)),
    }
}

fn shown(kind: SinkKind, digest: &DigestMessage) -> Option<String> {
    let pretty = |body: &Value| serde_json::to_string_pretty(body).unwrap() + "\n";
    if kind == SinkKind::Email {
        return Some(readable(&email::sample_digest(digest)));
    }
    if kind == SinkKind::Webhook {
        let body = webhook::report(digest);
        return Some(pretty(&serde_json::from_slice(&body).unwrap()));
    }
    request(kind, digest).map(|request| pretty(&body(&request)))
}

#[test]
fn each_kind_sends_the_digest_of_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/messages");
    let (mut other, mut seen) = (String::new(), 0);
    for kind in SinkKind::ALL {
        let digest = digest("octo/app", "build", "main");
        let Some(actual) = shown(kind, &digest) else {
            assert!(!kind.takes_digest(), "{}", kind.as_str());
            continue;
        };
        assert!(kind.takes_digest(), "{}", kind.as_str());
        let form = if kind == SinkKind::Email {
            "txt"
        } else {
            "json"
        };
        let file = format!("{}-digest.{form}", kind.as_str());
        if std::env::var_os("UPDATE_MESSAGES").is_some() {
            std::fs::write(folder.join(&file), &actual).unwrap();
        }
        let expected = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
        if actual != expected {
            other = format!("{other}=== {file}\n{actual}");
        }
        seen += 1;
    }
    assert!(other.is_empty(), "these files should read\n{other}");
    assert_eq!(seen, SinkKind::ALL.len() - 3);
}

#[test]
fn no_name_in_a_digest_acts() {
    let mut seen = 0;
    for text in texts() {
        let all = [
            digest(&text, "build", "main"),
            digest("octo/app", &text, "main"),
            digest("octo/app", "build", &text),
            digest(&text, &text, &text),
        ];
        for digest in all {
            for kind in SinkKind::ALL {
                let Some(request) = request(kind, &digest) else {
                    continue;
                };
                let body = body(&request);
                let shown: String = text.chars().take(60).collect();
                checked(kind, &body).unwrap_or_else(|why| {
                    panic!("{}: {why}: {shown:?} in {body:#}", kind.as_str())
                });
                seen += 1;
            }
            check_lines(&email::sample_digest(&digest), true).unwrap();
        }
    }
    assert!(seen > 5_000, "{seen}");
}

/// A digest is short, however much there is.
#[test]
fn a_digest_is_short_whatever_there_is_to_say() {
    let long = "\u{e9}".repeat(5_000);
    let mut digest = digest(&long, &long, &long);
    digest.report.broken = vec![digest.report.broken[0].clone(); 20];
    digest.report.slowest = vec![digest.report.slowest[0].clone(); 20];
    digest.is_partial = true;
    let lines = digest.card().text.unwrap();
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(
        bytes <= 1_204 && lines.last().is_some_and(|line| line == "\u{2026}"),
        "{bytes}"
    );
    assert!(webhook::report(&digest).len() > bytes);
}
