//! Prometheus Alertmanager, by its API v2:
//! <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>.
//!
//! The labels of an alert are its identity. What they were is stored with the incident, so an alert
//! keeps them until its end, also when a repository or a workflow gets another name. When an
//! incident becomes more severe, its alert gets another severity, by which it may be routed: then
//! the former one ends in the same request.
//!
//! An alert ends by itself unless it is sent again: see [`request_again`]. Alertmanager has no
//! access control of its own; a key is for the proxy before it.

use super::card::Card;
use super::deliver::{Lasting, Message, Prepared, Receipt, Unfit, Wish};
use super::escape::{unlinked, unmentioned};
use super::outbound::{Outbound, Request};
use super::stored::{Stored, entered, sealed, token, unfit};
use super::verdict::{Said, sent};
use crate::domain::incident::{Incident, Subject};
use crate::domain::notification::NotificationKind;
use crate::domain::time::Timestamp;
use data_encoding::BASE64;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The path of alerts.
const PATH: &str = "api/v2/alerts";

/// Names and values of labels.
type Labels = BTreeMap<String, String>;

/// The last alert about an incident, as it is stored with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Alert {
    labels: Labels,
    /// In milliseconds since the Unix epoch, as the next one.
    starts_at: i64,
    /// Its end, when the incident was resolved.
    ends_at: Option<i64>,
}

impl Alert {
    fn read(text: Option<&String>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    fn to_text(&self) -> String {
        serde_json::to_string(self).expect("labels are JSON")
    }

    /// The alert as it is sent.
    fn posted(&self, card: &Card, ends_at: Timestamp) -> Value {
        let mut alert = json!({
            "labels": self.labels,
            "annotations": {
                "summary": unlinked(&card.title),
                "description": card.lines(unlinked).join("\n"),
            },
            // An alert that ends before it starts is refused.
            "startsAt": Timestamp(self.starts_at).min(ends_at),
            "endsAt": ends_at,
        });
        if let Some(link) = card.link.as_ref().filter(|link| is_well_escaped(link)) {
            alert["generatorURL"] = link.as_str().into();
        }
        alert
    }
}

/// Whether a parser accepts the URL that minds what follows each `%`.
fn is_well_escaped(url: &str) -> bool {
    let is_hex = |two: &str| two.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = url.split('%').skip(1);
    parts.all(|part| part.get(..2).is_some_and(is_hex))
}

pub(super) fn prepare(outbound: &Outbound, wish: &Wish) -> Result<Prepared, Unfit> {
    let (url, destination) = entered(outbound, wish)?;
    if url.contains('?') || url.trim_end_matches('/').ends_with(PATH) {
        let why = "expected the address of the server only, with its path prefix if it has one, as \
                   in https://prometheus.example/alertmanager";
        return Err(unfit("url", why));
    }
    let secrets = match token(wish)? {
        None => Vec::new(),
        Some(key) => match key.split_once(':') {
            None => vec![key.to_string()],
            Some((user, password)) => vec![user.to_owned(), password.to_owned()],
        },
    };
    Ok(Stored { url, secrets }.prepared(&destination))
}

/// The header for a bearer token, or for a user and a password.
fn authorization(secrets: &[String]) -> Result<Option<HeaderValue>, Receipt> {
    let text = match secrets {
        [] => return Ok(None),
        [token] => format!("Bearer {token}"),
        [user, password] => {
            let both = BASE64.encode(format!("{user}:{password}").as_bytes());
            format!("Basic {both}")
        }
        _ => return Err(sealed()),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| sealed())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The name by which alerts are grouped: what kind of thing has failed.
const fn name(incident: &Incident) -> &'static str {
    match (&incident.ci, incident.subject) {
        (Some(_), _) => "HookherdCiFailed",
        (None, Subject::Connection(_)) => "HookherdWebhookFailed",
        (None, Subject::Credential(_)) => "HookherdCredentialFailed",
        (None, Subject::Provider(_)) => "HookherdProviderUnavailable",
        (None, Subject::Sink(_)) => "HookherdSinkFailed",
        (None, Subject::Server) => "HookherdServerTrouble",
    }
}

/// Routes compare labels, so what cannot act in them stays as it is.
fn labels(incident: &Incident, card: &Card) -> Labels {
    let of_facts = ["Repository", "Workflow", "Branch"].into_iter();
    let of_facts = of_facts.filter_map(|label| {
        let fact = card.facts.iter().find(|fact| fact.label == label)?;
        Some((label.to_ascii_lowercase(), unmentioned(&fact.value)))
    });
    let own = [
        ("alertname", name(incident).to_owned()),
        ("incident", incident.id.to_string()),
        ("severity", incident.severity.as_str().to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    of_facts.chain(own).collect()
}

/// The end of an alert that ends now. One that is ahead of Alertmanager's clock, if only by a
/// moment, changes nothing there, as long as a later one is known.
fn ended(now: Timestamp) -> Timestamp {
    const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);
    now.minus(CLOCKS_DIFFER_BY)
}

/// The alert of a message, after the one that is stored.
fn next(message: &Message, card: &Card, last: Option<&Alert>) -> Alert {
    let incident = &message.incident;
    let firing = last.filter(|last| last.ends_at.is_none());
    let begun = match message.kind {
        NotificationKind::Reopened => incident.last_seen_at,
        NotificationKind::Opened
        | NotificationKind::Flapping
        | NotificationKind::Worse
        | NotificationKind::Reminded
        | NotificationKind::Resolved
        | NotificationKind::Digest => incident.first_seen_at,
    };
    let is_end = message.kind == NotificationKind::Resolved;
    let ends_at = ended(message.at).0;
    let labels = match firing.filter(|_| is_end) {
        Some(firing) => firing.labels.clone(),
        None => labels(incident, card),
    };
    Alert {
        labels,
        starts_at: firing.map_or(begun.min(message.at).0, |firing| firing.starts_at),
        ends_at: is_end.then_some(ends_at),
    }
}

fn posting(alerts: Vec<Value>) -> Request {
    let segments = PATH.split('/').map(str::to_owned).collect();
    Request {
        segments,
        ..Request::json(Method::POST, &Value::Array(alerts))
    }
}

/// The alerts of a message, and what is stored of them.
pub(super) fn request(message: &Message) -> (Request, String) {
    let card = Card::of(message);
    let last = Alert::read(message.shown_as.as_ref());
    let alert = next(message, &card, last.as_ref());
    let ends_at = alert.ends_at.map_or(message.expires_at, Timestamp);
    let mut alerts = vec![alert.posted(&card, ends_at)];
    let other = last.filter(|last| last.ends_at.is_none() && last.labels != alert.labels);
    alerts.extend(other.map(|other| other.posted(&card, ended(message.at))));
    (posting(alerts), alert.to_text())
}

/// The alerts of incidents that last, with their ends moved to `expires_at`; and once more those of
/// incidents that were resolved. `None` when there are none.
pub(super) fn request_again(all: &[Lasting], expires_at: Timestamp) -> Option<Request> {
    let again = |it: &Lasting| {
        let card = Card::about(it.kind(), &it.incident, it.explained.as_ref()).worded(&it.words);
        let alert = match Alert::read(it.shown_as.as_ref()) {
            Some(alert) => alert,
            // It may not be there at all: its answer was lost.
            None if it.is_resolved => return None,
            None => Alert {
                labels: labels(&it.incident, &card),
                starts_at: it.incident.first_seen_at.0,
                ends_at: None,
            },
        };
        match (it.is_resolved, alert.ends_at) {
            (true, Some(ends_at)) => Some(alert.posted(&card, Timestamp(ends_at))),
            (false, None) => Some(alert.posted(&card, expires_at)),
            (true, None) | (false, Some(_)) => None,
        }
    };
    let alerts: Vec<Value> = all.iter().filter_map(again).collect();
    (!alerts.is_empty()).then(|| posting(alerts))
}

/// What an answer means.
fn receipt(said: &Said) -> Receipt {
    match said.status {
        400 | 413 | 422 => said.rejected(),
        _ => said.usual(),
    }
}

async fn post(outbound: &Outbound, plain: &[u8], mut request: Request) -> Receipt {
    let (to, stored) = match Stored::aimed(outbound, plain) {
        Ok(aimed) => aimed,
        Err(receipt) => return receipt,
    };
    match authorization(&stored.secrets) {
        Ok(Some(key)) => {
            request.headers.insert(AUTHORIZATION, key);
        }
        Ok(None) => {}
        Err(receipt) => return receipt,
    }
    sent(outbound, &to, &stored, request, receipt).await
}

pub(super) async fn deliver(outbound: &Outbound, plain: &[u8], message: &Message) -> Receipt {
    let (request, alert) = request(message);
    match post(outbound, plain, request).await {
        Receipt::Accepted { .. } => Receipt::Accepted {
            message: Some(alert),
        },
        other => other,
    }
}

/// Sends the alerts of incidents again.
pub(super) async fn repeat(
    outbound: &Outbound,
    plain: &[u8],
    all: &[Lasting],
    expires_at: Timestamp,
) -> Receipt {
    match request_again(all, expires_at) {
        Some(request) => post(outbound, plain, request).await,
        None => Receipt::Accepted { message: None },
    }
}

#[cfg(test)]
mod tests;
