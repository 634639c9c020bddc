//! The sink `github_issue` with the emulator of GitHub, and prism in between, which reads along:
//! an incident from its beginning to its end and back.

use crate::tools::Tool;
use hookherd::domain::id::{ConnectionId, Entropy, IncidentId, NotificationId, OwnerId, RunId};
use hookherd::domain::incident::care::Care;
use hookherd::domain::incident::{
    Incident, IncidentSource, IncidentStatus, Resolution, Severity, Subject,
};
use hookherd::domain::net::allowed::Allowed;
use hookherd::domain::notification::NotificationKind;
use hookherd::domain::sink::SinkKind;
use hookherd::domain::time::Timestamp;
use hookherd::notify::{Deliver, Message, Outbound, Receipt, Settings, Sinks, Target, Wish, Words};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The token and the repository of `emulate.seed.yaml`.
const TOKEN: &str = "interop-token-of-octocat";
const REPOSITORY: &str = "octocat/hello-world";

#[derive(Debug)]
struct Ones;

impl Entropy for Ones {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = now.expect("the clock is set").as_millis();
    Timestamp(i64::try_from(ms).expect("it fits"))
}

/// What is sent about the incident that began now.
struct Story {
    sinks: Sinks,
    target: Target,
    incident: Incident,
}

impl Story {
    fn begin(url: &str) -> Self {
        let place = url.strip_prefix("http://").expect("it has no TLS");
        let allowed = Allowed::new(vec![place.parse().expect("an address")]);
        let outbound = Outbound::new(Settings::new(allowed)).expect("settings");
        let sinks = Sinks::new(outbound);
        let wish = Wish {
            url: Some(format!("{url}/repos/{REPOSITORY}?label=ci%20alarm")),
            secret: Some(TOKEN.to_owned()),
        };
        let kind = SinkKind::GithubIssue;
        let prepared = sinks.prepare(kind, &wish, &Ones).expect("a fit sink");
        let plain = prepared.plain;
        let begun = now();
        let incident = Incident {
            id: IncidentId::generate(begun, &Ones),
            owner: OwnerId::generate(begun, &Ones),
            subject: Subject::Connection(ConnectionId::generate(begun, &Ones)),
            repository: REPOSITORY.parse().ok(),
            status: IncidentStatus::Open,
            severity: Severity::Error,
            source: IncidentSource::Webhook,
            failure_type: "failure".to_owned(),
            title: "CI failed: `build` by @octocat, see #1".to_owned(),
            ci: None,
            affected: None,
            occurrences: 1,
            first_seen_at: begun,
            last_seen_at: begun,
            acknowledged_at: None,
            resolved_at: None,
            resolution: None,
            is_flaky: false,
            is_flapping: false,
            care: Care::default(),
        };
        Self {
            sinks,
            target: Target { kind, plain },
            incident,
        }
    }

    /// Sends a message, whose number makes its id, until the sink has accepted it.
    async fn send(&self, n: u128, kind: NotificationKind, shown_as: Option<&str>) -> String {
        let first = NotificationId::generate(self.incident.first_seen_at, &Ones);
        let mut incident = self.incident.clone();
        if kind == NotificationKind::Resolved {
            incident.status = IncidentStatus::Resolved;
            incident.resolved_at = Some(now());
            incident.resolution = Some(Resolution::Passed(RunId::generate(now(), &Ones)));
        }
        let message = Message {
            id: NotificationId::from_u128(first.as_u128() + n),
            kind,
            incident,
            explained: None,
            episode: 1,
            at: now(),
            expires_at: now().plus(Duration::from_mins(4)),
            shown_as: shown_as.map(str::to_owned),
            words: Words::default(),
        };
        match self.sinks.deliver(&self.target, &message).await {
            Receipt::Accepted { message: Some(id) } => id,
            other => panic!("{other:?}"),
        }
    }
}

async fn ask(emulate: &Tool, path: &str) -> Value {
    let url = format!("{}/repos/{REPOSITORY}/{path}", emulate.url());
    let ask = crate::client::plain().request(Method::GET, url);
    let ask = ask.bearer_auth(TOKEN).header("user-agent", "interop");
    let answer = ask.send().await.expect("an answer");
    let text = answer.text().await.expect("a text");
    serde_json::from_str(&text).expect("JSON")
}

#[actix_web::test]
async fn an_incident_is_one_issue_at_an_emulator_that_nobody_here_wrote() {
    let emulate = Tool::emulate("emulate-issues");
    let prism = Tool::prism_proxy("prism-issues", emulate.url());
    let story = Story::begin(prism.url());

    assert_eq!(story.send(0, NotificationKind::Opened, None).await, "1");
    // The same again, as after an answer that was lost; and with the number lost, too.
    assert_eq!(story.send(0, NotificationKind::Opened, None).await, "1");
    assert_eq!(story.send(1, NotificationKind::Worse, None).await, "1");
    assert_eq!(story.send(1, NotificationKind::Worse, Some("1")).await, "1");
    let issues = ask(&emulate, "issues?state=all").await;
    assert_eq!(issues.as_array().map(Vec::len), Some(1), "{issues}");
    assert_eq!(issues[0]["labels"][0]["name"], "ci alarm");
    assert_eq!(issues[0]["state"], "open");
    let title = issues[0]["title"].as_str().expect("a title");
    assert!(
        title.starts_with("CI failed") && !title.contains("@o"),
        "{title}"
    );

    assert_eq!(
        story.send(2, NotificationKind::Resolved, Some("1")).await,
        "1"
    );
    let issue = ask(&emulate, "issues/1").await;
    let ended = [&issue["state"], &issue["state_reason"], &issue["comments"]];
    assert_eq!(ended, [&json!("closed"), &json!("completed"), &json!(2)]);
    assert_eq!(
        story.send(3, NotificationKind::Reopened, Some("1")).await,
        "1"
    );
    let issue = ask(&emulate, "issues/1").await;
    let again = [&issue["state"], &issue["state_reason"], &issue["comments"]];
    assert_eq!(again, [&json!("open"), &json!("reopened"), &json!(3)]);

    // The issue of another number is not there: it is found by its mark.
    assert_eq!(
        story.send(4, NotificationKind::Reopened, Some("77")).await,
        "1"
    );
    let all = ask(&emulate, "issues?state=all").await;
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");

    let unfit = prism.violations();
    let is_asked = |line: &&String| line.starts_with("request");
    let asked: Vec<&String> = unfit.iter().filter(is_asked).collect();
    assert!(asked.is_empty(), "{asked:?}");
}
