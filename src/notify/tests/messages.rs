//! What each kind of sink is sent, as files to read: `tests/fixtures/messages`.
//! `UPDATE_MESSAGES=1` writes them.

use super::samples::{flapping, message, resolved, templated};
use crate::domain::notification::NotificationKind;
use crate::domain::sink::SinkKind;
use crate::notify::card::Card;
use crate::notify::deliver::Message;
use crate::notify::outbound::Request;
use crate::notify::{
    alertmanager, discord, github_issue, gotify, matrix, mattermost, ntfy, pagerduty, slack,
    slack_bot, teams, telegram,
};
use serde_json::{Value, json};
use std::path::Path;

/// A key as those of `PagerDuty` look.
const ROUTING_KEY: &str = "R0000000000000000000000000000000";

/// The requests for a message, in order. None for webhooks, which are for programs, and for mails,
/// which are no requests.
pub(super) fn requests(kind: SinkKind, message: &Message) -> Vec<Request> {
    match kind {
        SinkKind::Webhook | SinkKind::Email => Vec::new(),
        SinkKind::Slack => vec![slack::request(message)],
        SinkKind::SlackBot => match &message.shown_as {
            None => vec![slack_bot::whole("C1H9RESGL", &Card::of(message))],
            Some(_) => vec![
                slack_bot::change(("C1H9RESGL", "1503435956.000247"), message),
                slack_bot::note(("C1H9RESGL", "1503435956.000247"), message),
            ],
        },
        SinkKind::Mattermost => vec![mattermost::request(message)],
        SinkKind::Discord => match &message.shown_as {
            None => vec![discord::whole(message)],
            Some(id) => vec![discord::change(message, id), discord::note(message)],
        },
        SinkKind::Teams => vec![teams::request(message)],
        SinkKind::Ntfy => vec![ntfy::request("topic", message)],
        SinkKind::Gotify => vec![gotify::request(message)],
        SinkKind::Pagerduty => vec![pagerduty::request(ROUTING_KEY, message)],
        SinkKind::Alertmanager => vec![alertmanager::request(message).0],
        SinkKind::Telegram => match &message.shown_as {
            None => vec![telegram::whole("-5", &Card::of(message))],
            Some(_) => vec![
                telegram::change("-5", message, 7),
                telegram::note("-5", message, 7),
            ],
        },
        SinkKind::GithubIssue if message.shown_as.is_none() => {
            vec![github_issue::new(message, "hookherd")]
        }
        SinkKind::GithubIssue => vec![
            github_issue::comment(message, 7),
            github_issue::state(message.kind != NotificationKind::Resolved, 7),
        ],
        SinkKind::Matrix => match &message.shown_as {
            None => vec![matrix::whole(
                "!ops:example.org",
                message.id,
                &Card::of(message),
            )],
            Some(_) => vec![
                matrix::change("!ops:example.org", message, "$first"),
                matrix::note("!ops:example.org", message, "$first"),
            ],
        },
    }
}

pub(super) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn shown(kind: SinkKind, message: &Message) -> String {
    if kind == SinkKind::Email {
        return super::mail::shown(message);
    }
    let requests = requests(kind, message);
    let requests = requests.iter().map(|request| {
        let query: Vec<String> = request
            .query
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        json!({
            "method": request.method.as_str(),
            "path": request.segments.join("/"),
            "query": query.join("&"),
            "body": body(request),
        })
    });
    let requests: Vec<Value> = requests.collect();
    serde_json::to_string_pretty(&requests).unwrap() + "\n"
}

#[test]
fn each_kind_sends_the_message_of_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/messages");
    let mut other = String::new();
    for kind in SinkKind::ALL {
        let messages = [
            ("opened", message()),
            ("flapping", flapping()),
            ("resolved", resolved()),
            ("templated", templated()),
        ];
        for (name, message) in messages {
            let actual = shown(kind, &message);
            let form = match kind {
                SinkKind::Email => "txt",
                _ => "json",
            };
            let file = format!("{}-{name}.{form}", kind.as_str());
            if std::env::var_os("UPDATE_MESSAGES").is_some() && kind != SinkKind::Webhook {
                std::fs::write(folder.join(&file), &actual).unwrap();
            }
            let expected = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
            if actual != expected && kind != SinkKind::Webhook {
                other = format!("{other}=== {file}\n{actual}");
            }
        }
    }
    assert!(other.is_empty(), "these files should read\n{other}");
}
