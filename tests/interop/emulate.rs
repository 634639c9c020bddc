//! A stateful third-party emulator of GitHub: a hook's whole life at it, with the real
//! deliveries that it signs and sends.

use crate::client::{access, github, spec, target};
use crate::daemon::{ADMIN, Stage};
use crate::tools::Tool;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use hookherd::domain::delivery::Payload;
use hookherd::domain::event::Event;
use hookherd::domain::id::{Entropy, HookId};
use hookherd::domain::secret::Proof;
use hookherd::domain::time::Timestamp;
use hookherd::provider::github::GithubDecode;
use hookherd::provider::{CheckReport, Decode, HeaderLookup, HookSpec, Hooks, Inbound};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The token and the repository of `emulate.seed.yaml`.
const TOKEN: &str = "interop-token-of-octocat";
const REPOSITORY: &str = "octocat/hello-world";
/// Longest wait for a delivery that was asked for.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(20);

/// A delivery as it arrived.
#[derive(Debug)]
struct Arrived {
    headers: Vec<(String, String)>,
    body: web::Bytes,
}

impl HeaderLookup for Arrived {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Arrived {
    /// Verifies it with the hook's secret, and says its event's name and what it means.
    fn open(&self, spec: &HookSpec) -> (String, Event) {
        let dialect = GithubDecode::new(&Zeros);
        let inbound = Inbound {
            headers: self,
            body: &self.body,
            received_at: Timestamp(0),
        };
        let secrets = std::slice::from_ref(&spec.secret);
        let verified = dialect.verify(inbound, secrets, Proof::Unknown);
        let event = verified.expect("the emulator signs").event().to_owned();
        let body = self.body.clone();
        let payload = Payload {
            headers: Vec::new(),
            body,
        };
        let decoded = dialect.decode(&event, &payload).expect("it is JSON");
        (event, decoded.event)
    }
}

#[derive(Debug)]
struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

/// Takes deliveries and hands them to the test.
struct Receiver {
    url: String,
    arrived: UnboundedReceiver<Arrived>,
    server: ServerHandle,
}

async fn take(
    request: HttpRequest,
    body: web::Bytes,
    arrived: web::Data<UnboundedSender<Arrived>>,
) -> HttpResponse {
    let headers = request.headers().iter();
    let text = |value: &actix_web::http::header::HeaderValue| value.to_str().map(str::to_owned);
    let headers = headers
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value).ok()?)))
        .collect();
    arrived
        .send(Arrived { headers, body })
        .expect("the test listens");
    HttpResponse::Accepted().finish()
}

impl Receiver {
    fn start() -> Self {
        let (sender, arrived) = unbounded_channel();
        let sender = web::Data::new(sender);
        let app = move || {
            App::new()
                .app_data(sender.clone())
                .default_service(web::to(take))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server
            .bind(("127.0.0.1", 0))
            .expect("loopback has free ports");
        let url = format!("http://{}/api/v2/webhooks/github/key", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            url,
            arrived,
            server: handle,
        }
    }

    async fn next(&mut self) -> Arrived {
        let next = tokio::time::timeout(DELIVERY_TIME_MAX, self.arrived.recv()).await;
        next.expect("a delivery in time")
            .expect("the receiver runs")
    }
}

/// Asks the emulator something that our client never asks.
async fn ask(emulate: &Tool, method: Method, path: &str, body: &Value) -> Value {
    let url = format!("{}/repos/{REPOSITORY}/{path}", emulate.url());
    let client = crate::client::plain();
    let ask = client.request(method, url).bearer_auth(TOKEN);
    let ask = ask.header("user-agent", "interop").body(body.to_string());
    let answer = ask.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let text = answer.text().await.expect("a text");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn hooks(emulate: &Tool) -> Vec<Value> {
    let hooks = ask(emulate, Method::GET, "hooks", &json!({})).await;
    hooks.as_array().expect("a list").clone()
}

#[actix_web::test]
async fn a_hooks_whole_life_at_an_emulator_that_nobody_here_wrote() {
    let emulate = Tool::emulate("emulate");
    let mut receiver = Receiver::start();
    let github = github(emulate.url());
    let (access, target) = (access(TOKEN), target(REPOSITORY));
    let mut spec = spec(&receiver.url, "the-first-secret-of-forty-characters-xxx");

    let who = github.identity(&access).await.expect("user");
    assert_eq!(who.account.login, "octocat");
    let made = github
        .ensure(&access, &target, None, &spec)
        .await
        .expect("create");
    assert!(made.created);
    let again = github
        .ensure(&access, &target, None, &spec)
        .await
        .expect("adopt");
    assert_eq!((again.hook, again.created), (made.hook, false));
    assert_eq!(hooks(&emulate).await.len(), 1);

    github
        .ping(&access, &target, made.hook)
        .await
        .expect("ping");
    let pong = Event::Pong {
        hook: Some(made.hook),
    };
    assert_eq!(receiver.next().await.open(&spec), ("ping".into(), pong));

    push(&emulate, "try.txt").await;
    let pushed = receiver.next().await.open(&spec);
    assert_eq!(pushed, ("push".into(), Event::Recorded));

    // GitHub shows a mask where a secret is set, the emulator shows nothing: to us that is drift.
    let drifted = |fields| CheckReport::Drifted {
        fields,
        former_address: None,
    };
    let report = github.check(&access, &target, made.hook, &spec, None).await;
    assert_eq!(report.expect("check").report, drifted(vec!["secret"]));
    vandalise(&emulate, made.hook).await;
    let report = github.check(&access, &target, made.hook, &spec, None).await;
    let fields = vec!["active", "events", "secret"];
    assert_eq!(report.expect("check").report, drifted(fields));

    spec.secret = crate::client::spec(
        "http://x.invalid/x",
        "the-second-secret-of-forty-characters-xx",
    )
    .secret;
    github
        .repair(&access, &target, made.hook, &spec)
        .await
        .expect("repair");
    github
        .ping(&access, &target, made.hook)
        .await
        .expect("ping");
    receiver.next().await.open(&spec);

    github
        .delete(&access, &target, None, &spec.mark)
        .await
        .expect("delete");
    assert_eq!(hooks(&emulate).await, Vec::<Value>::new());
    github
        .delete(&access, &target, None, &spec.mark)
        .await
        .expect("delete what is gone");
    let missing = github.check(&access, &target, made.hook, &spec, None).await;
    assert_eq!(missing.expect("check").report, CheckReport::Missing);
    receiver.server.stop(false).await;
}

/// Changes the hook's settings as a person might.
async fn vandalise(emulate: &Tool, hook: HookId) {
    let change = json!({"active": false, "events": ["issues"]});
    ask(
        emulate,
        Method::PATCH,
        &format!("hooks/{}", hook.0),
        &change,
    )
    .await;
}

/// The same with the whole daemon, and prism in between, which reads along: connect, ping, a real
/// delivery, other events, a check, a new hook, disconnect.
#[test]
fn the_main_job_with_the_daemon() {
    let emulate = Tool::emulate("emulate-daemon");
    let prism = Tool::prism_proxy("prism-daemon", emulate.url());
    let (stage, daemon) = Stage::with_github(prism.url(), TOKEN);
    let id = stage.connect(REPOSITORY);
    let path = format!("repositories/connections/{id}");
    let made = stage.runtime.block_on(only_hook(&emulate));

    stage.must(&format!("POST {path}/ping"));
    stage.runtime.block_on(push(&emulate, "first.txt"));
    arrives(&stage, &id, &[("ping", "pong"), ("push", "recorded")]);

    let events = json!({"webhook_events": ["push"]});
    stage.call(ADMIN, &format!("PATCH {path}"), &events);
    let has_events = |hooks: &[Value]| hooks[0]["events"] == json!(["push"]);
    until(&stage, &emulate, has_events);
    stage.runtime.block_on(vandalise(&emulate, HookId(made)));
    stage.must(&format!("POST {path}/check"));
    until(&stage, &emulate, has_events);
    stage.must(&format!("POST {path}/recreate"));
    let is_another = |hooks: &[Value]| hooks.len() == 1 && hooks[0]["id"] != made;
    until(&stage, &emulate, is_another);
    stage.wait_for_status(ADMIN, &id, "active");
    stage.runtime.block_on(push(&emulate, "second.txt"));
    let both = format!("deliveries?connection_id={id}");
    let pushes = |page: &Value| {
        let items = page["items"].as_array()?.iter();
        (items.filter(|d| d["outcome"] == "recorded").count() == 2).then_some(())
    };
    stage.wait_for(&both, "second push", pushes);

    let gone = stage.must(&format!("DELETE {path}?delete_webhook=true"));
    assert_eq!(gone["success"], true, "{gone}");
    until(&stage, &emulate, <[Value]>::is_empty);
    stage.end(daemon);
    let unfit: BTreeSet<_> = prism.violations().into_iter().collect();
    let own: BTreeSet<_> = EMULATES_OWN.map(str::to_owned).into();
    assert!(unfit.is_subset(&own), "{unfit:?}");
}

/// What emulate's answers lack, as far as they are asked for. Nothing that the daemon asked is
/// among it. Its log of deliveries has no payloads, and no route to have one sent again.
const EMULATES_OWN: [&str; 9] = [
    "response Unable to match the returned status code with those defined in the document: \
     202,400,422",
    "response.body Response body must have required property 'installation_id'",
    "response.body Response body must have required property 'repository_id'",
    "response.body Response body must have required property 'request'",
    "response.body Response body must have required property 'response'",
    "response.body.0 Response body property 0 must have required property 'installation_id'",
    "response.body.0 Response body property 0 must have required property 'repository_id'",
    "response.body Response body must have required property 'network_count'",
    "response.body Response body must have required property 'subscribers_count'",
];

async fn only_hook(emulate: &Tool) -> u64 {
    let hooks = hooks(emulate).await;
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    hooks[0]["id"].as_u64().expect("an id")
}

async fn push(emulate: &Tool, name: &str) {
    let file = json!({"message": name, "content": "aGVsbG8=", "branch": "main"});
    ask(emulate, Method::PUT, &format!("contents/{name}"), &file).await;
}

/// Waits for deliveries of these events with these outcomes.
fn arrives(stage: &Stage, connection: &str, wanted: &[(&str, &str)]) {
    let deliveries = format!("deliveries?connection_id={connection}");
    for (event, outcome) in wanted {
        let stored = |page: &Value| {
            let mut items = page["items"].as_array()?.iter();
            let found = items.find(|d| d["event"] == *event && d["outcome"] == *outcome);
            found.map(|_| ())
        };
        stage.wait_for(&deliveries, event, stored);
    }
}

/// Waits until the emulator's hooks are so.
fn until(stage: &Stage, emulate: &Tool, is_so: impl Fn(&[Value]) -> bool) {
    stage.wait_until("the hooks", || {
        is_so(&stage.runtime.block_on(hooks(emulate)))
    });
}
