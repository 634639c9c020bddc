//! Secrets seeded everywhere, and a search for them in everything that the product leaves behind.

mod oauth;
mod wiretap;

use super::cli::fake;
use super::scan::Canaries;
use super::stage::{REPOSITORY, Stage, files, master_key};
use hookherd::simulator::{Misbehaviour, Miscarriage, RunSpec};
use serde_json::{Value, json};
use std::time::Duration;

const ADMIN_CANARY: &str = "hhk_canary-admin-0123456789-abcdef";
/// What a client or a provider sends that was never meant for us.
const STRAY: [(&str, &str); 9] = [
    ("encoded secret header", "canary-x-github-encoded-secret"),
    (
        "authorization of a delivery",
        "canary-authorization-of-delivery",
    ),
    ("cookie of a delivery", "canary-cookie-of-a-delivery"),
    ("token in a query", "canary-access-token-in-a-query"),
    ("token in a path", "canary-token-in-a-path-0123"),
    ("token in bad JSON", "ghp_canary-in-malformed-json"),
    ("refused provider token", "ghp_canaryRefusedByTheProvider"),
    ("address of a sink", "canary-address-of-a-sink"),
    (
        "key in the address of a sink",
        "canary-key-in-the-address-of-a-sink",
    ),
];

fn stray(name: &str) -> &'static str {
    let found = STRAY.iter().find(|(known, _)| *known == name);
    found.expect("it is in the list").1
}

/// Sinks of other kinds: the kind, the part of the address after the server, and the key. That of
/// Telegram is a part of the path that is called.
const SINKS: [(&str, &str, &str); 5] = [
    (
        "github_issue",
        "/repos/octo/app",
        "github_pat_canary_of_a_repository_0123456789",
    ),
    (
        "slack_bot",
        "/api/C0123456789",
        "xoxb-1234-canary-of-a-slack-bot-AbCdEf",
    ),
    (
        "telegram",
        "/-1001234567890",
        "110201543:canary-of-a-bot-AAHdqTcvCH1v",
    ),
    (
        "matrix",
        "/!ops:example.org",
        "syt_canary_of_a_matrix_user_0123456789",
    ),
    (
        "email",
        "?to=ann@example.org",
        "canary-of-a-mailbox-0123456789",
    ),
];

fn sink_path() -> String {
    let (path, key) = (
        stray("address of a sink"),
        stray("key in the address of a sink"),
    );
    format!("/services/{path}?key={key}")
}

struct Story {
    stage: Stage,
    canaries: Canaries,
    /// A user's API token.
    ann: String,
    connection: String,
    /// Where a receiver is that repeats the address it is called with.
    receiver: String,
    /// Those of [`SINKS`], which repeat their keys.
    others: [String; SINKS.len()],
    provider_tokens: Vec<String>,
}

impl Story {
    fn begin() -> (Self, super::stage::Daemon) {
        let mut stage = Stage::new();
        stage.set("HOOKHERD_ADMIN_TOKEN", ADMIN_CANARY);
        stage.set("HOOKHERD__LOG__LEVEL", "trace");
        let path = sink_path();
        let repeats = fake::http(500, "", &format!("Cannot POST {path}"));
        let (receiver, _) = fake::server(vec![repeats]);
        let (_, address) = receiver.split_once("://").unwrap();
        let others = SINKS.map(|(.., key)| {
            let repeats = format!("Cannot call /bot{key}/sendMessage with {key}");
            fake::server(vec![fake::http(500, "", &repeats)]).0
        });
        let allowed = others.iter().map(|url| &url["http://".len()..]);
        let allowed: Vec<&str> = allowed.chain([address]).collect();
        stage.set("HOOKHERD__SINKS__ALLOW", &allowed.join(", "));
        stage.set("HOOKHERD__SINKS__DELAY", "0s");
        let daemon = stage.start();
        let mut canaries = Canaries::default();
        canaries.add("admin token", ADMIN_CANARY);
        for number in [1, 2] {
            canaries.add("master key", &master_key(number));
        }
        for (name, canary) in STRAY {
            canaries.add(name, canary);
        }
        let new = r#"{"name":"ann"}"#;
        let ann = stage.ask_in_secret(ADMIN_CANARY, "POST /api/v2/users", Some(new));
        let ann = ann.field("token");
        canaries.add("a user's first token", &ann);
        let another = stage.ask_in_secret(&ann, "POST /api/v2/tokens", Some("{}"));
        canaries.add("a user's second token", &another.field("token"));
        stage.set("HOOKHERD_TOKEN", &ann);
        (
            Self {
                stage,
                canaries,
                ann,
                connection: String::new(),
                receiver,
                others,
                provider_tokens: Vec::new(),
            },
            daemon,
        )
    }

    /// A token at the provider that works.
    fn provider_token(&mut self) -> String {
        let token = self.stage.simulator.github().add_user("octocanary");
        self.canaries.add("provider token", &token);
        self.provider_tokens.push(token.clone());
        token
    }

    fn note_hook_secret(&mut self) -> (String, String) {
        let hooks = || self.stage.simulator.github().hooks(REPOSITORY);
        // While a hook is recreated there is none.
        self.stage.wait_until("a hook", || !hooks().is_empty());
        let hook = hooks().remove(0);
        let secret = hook.secret.expect("ours always have one");
        self.canaries.add("hook secret", &secret);
        (hook.url, secret)
    }

    fn ask(&self, line: &str, body: Option<&str>) -> u16 {
        self.stage.ask(&self.ann, line, body).status
    }

    fn connect(&mut self) {
        let token = self.provider_token();
        self.stage
            .simulator
            .github()
            .add_repository(REPOSITORY, "octocanary");
        self.connection = self.stage.connect(&self.ann, &token, REPOSITORY);
        self.stage
            .wait_for_status(&self.ann, &self.connection, "active");
    }

    fn act(&self, action: &str) {
        let id = &self.connection;
        let line = format!("POST /api/v2/repositories/connections/{id}/{action}");
        assert_eq!(self.ask(&line, None), 202, "{action}");
    }

    /// A sink that fails, and says with which address.
    fn add_sink(&mut self) {
        let url = format!("{}{}", self.receiver, sink_path());
        let body = json!({ "kind": "webhook", "name": "chat", "url": url }).to_string();
        let line = "POST /api/v2/sinks";
        let sink = self.stage.ask_in_secret(&self.ann, line, Some(&body));
        self.canaries.add("key of a sink", &sink.field("secret"));
        let line = format!("POST /api/v2/sinks/{}/test", sink.field("id"));
        let tested = self.stage.ask(&self.ann, &line, None);
        assert_eq!(tested.json["accepted"], false, "{tested:?}");
        for ((kind, path, secret), server) in SINKS.into_iter().zip(&self.others) {
            self.canaries.add(kind, secret);
            let url = match kind {
                // No mail server: it does not speak TLS.
                "email" => server.replace("http://", "smtps://ci%40example.org@") + path,
                _ => format!("{server}{path}"),
            };
            let body = json!({ "kind": kind, "name": kind, "url": url, "secret": secret });
            let line = "POST /api/v2/sinks";
            let sink = self.stage.ask(&self.ann, line, Some(&body.to_string()));
            assert_eq!(sink.status, 201, "{sink:?}");
            let line = format!("POST /api/v2/sinks/{}/test", sink.field("id"));
            let tested = self.stage.ask(&self.ann, &line, None);
            assert_eq!(tested.json["accepted"], false, "{tested:?}");
        }
        let foreign = url.replace("http://", "ftp://");
        let body = json!({ "kind": "webhook", "name": "chat", "url": foreign }).to_string();
        assert_eq!(self.ask("POST /api/v2/sinks", Some(&body)), 422);
    }

    /// Deliveries as they should be, and as they should not.
    fn deliver(&mut self) {
        let (url, secret) = self.note_hook_secret();
        let bearer = format!("Bearer {}", stray("authorization of a delivery"));
        let more = [
            ("x-github-encoded-secret", stray("encoded secret header")),
            ("authorization", bearer.as_str()),
            ("cookie", stray("cookie of a delivery")),
        ];
        let accepted = self.stage.deliver(&url, &secret, "canary-1", &more);
        assert!(accepted.status < 300, "{accepted:?}");
        let refused = self.stage.deliver(&url, &"0".repeat(64), "canary-2", &more);
        assert_eq!(refused.status, 401, "{refused:?}");
        let astray = format!("{url}/{}", stray("token in a path"));
        self.stage.deliver(&astray, &secret, "canary-3", &more);
        let keyless = self.stage.url("/api/v2/webhooks/github?token=");
        let keyless = format!("{keyless}{}", stray("token in a query"));
        self.stage.deliver(&keyless, &secret, "canary-4", &more);
        let (simulator, github) = (&self.stage.simulator, self.stage.simulator.github());
        simulator.faults().next_delivery(Miscarriage::ShaOneOnly);
        simulator.faults().next_delivery(Miscarriage::WrongSecret);
        for number in 1..=4 {
            github.play_run(REPOSITORY, &RunSpec::new(number, "failure"));
        }
        github.push(REPOSITORY);
        assert!(simulator.wait_quiet(Duration::from_secs(20)));
    }

    fn make_mistakes(&self) {
        let refused = json!({"provider": "github", "token": stray("refused provider token")});
        let refused = refused.to_string();
        assert_eq!(self.ask("POST /api/v2/credentials", Some(&refused)), 422);
        let output = self.stage.run_with(
            &["credential", "add", "github"],
            stray("refused provider token"),
        );
        assert_eq!(output.status.code(), Some(1));
        let bad = stray("token in bad JSON");
        for body in [
            format!(r#"{{"provider":"github","token":"{bad}"#),
            format!(r#"{{"provider":"github","token":["{bad}"]}}"#),
            format!(r#"{{"provider":"github","tokne":"{bad}"}}"#),
            format!(r#"{{"provider":"{bad}","token":"x"}}"#),
            format!(r#"{{"provider":"github","host":"{bad}","token":"x"}}"#),
            format!(r#"{{"provider":"github","token":"{bad} {bad}"}}"#),
            bad.to_owned(),
        ] {
            let status = self.ask("POST /api/v2/credentials", Some(&body));
            assert!((400..500).contains(&status), "{body}: {status}");
        }
        let (query, path) = (stray("token in a query"), stray("token in a path"));
        for line in [
            format!("GET /api/v2/whoami?access_token={query}"),
            format!("GET /api/v2/whoami?access_token={}", self.ann),
            format!("GET /api/v2/deliveries?limit={query}"),
            format!("GET /api/v2/deliveries?cursor={query}"),
            format!("GET /api/v2/deliveries/{path}"),
            format!("GET /api/v2/repositories/{path}"),
            format!("GET /{path}"),
        ] {
            let status = self.ask(&line, None);
            assert!((400..500).contains(&status), "{line}: {status}");
        }
        for token in [query, &format!("{} {}", self.ann, self.ann), "hhk_"] {
            assert_eq!(
                self.stage.ask(token, "GET /api/v2/whoami", None).status,
                401
            );
        }
    }

    /// The provider misbehaves in the middle of calls that carry secrets.
    fn have_trouble(&mut self) {
        for misbehaviour in [
            Misbehaviour::FailBefore(500),
            Misbehaviour::ActThenDrop,
            Misbehaviour::TruncatedJson,
            Misbehaviour::NotFoundForPermission,
        ] {
            for operation in ["update_hook", "create_hook", "list_hooks"] {
                self.stage.simulator.faults().next(operation, misbehaviour);
            }
            self.act("recreate");
            self.stage
                .wait_for_status(&self.ann, &self.connection, "active");
            self.stage.simulator.faults().clear();
            self.note_hook_secret();
        }
        let before = self.note_hook_secret().1;
        self.act("rotate-secret");
        let github = self.stage.simulator.github();
        self.stage.wait_until("the new secret", || {
            github
                .hooks(REPOSITORY)
                .iter()
                .all(|hook| hook.secret.as_ref() != Some(&before))
        });
        self.note_hook_secret();
    }

    /// All tokens at the provider become worthless, until there is a new one.
    fn lose_the_tokens(&mut self) {
        let github = self.stage.simulator.github();
        for token in self.provider_tokens.drain(..) {
            github.revoke_token(&token);
        }
        self.act("check");
        self.stage
            .wait_for_status(&self.ann, &self.connection, "suspended");
        let token = self.provider_token();
        let body = json!({ "provider": "github", "token": token }).to_string();
        assert_eq!(self.ask("POST /api/v2/credentials", Some(&body)), 201);
        self.stage
            .wait_for_status(&self.ann, &self.connection, "active");
    }

    /// Everything that can be asked for.
    fn look_around(&self) {
        for who in [self.ann.as_str(), ADMIN_CANARY] {
            for path in [
                "credentials",
                "repositories/connections",
                "repositories/github",
                "stats",
                "report",
                "whoami",
                "users",
                "openapi.json",
                "deliveries?limit=100",
                "incidents",
                "sinks",
                "notifications",
                "workflows/runs",
            ] {
                self.stage.ask(who, &format!("GET /api/v2/{path}"), None);
            }
            for path in ["/metrics", "/healthz", "/readyz"] {
                self.stage.ask(who, &format!("GET {path}"), None);
            }
        }
        for (list, each) in [
            ("deliveries?limit=100", "deliveries"),
            ("incidents", "incidents"),
            ("sinks", "sinks"),
            ("notifications", "notifications"),
            ("workflows/runs", "workflows/runs"),
        ] {
            let items = self.stage.list(&self.ann, list);
            assert!(!items.is_empty(), "{list}");
            for item in items {
                let id = item["id"].as_str().unwrap();
                self.stage
                    .call(&self.ann, &format!("GET /api/v2/{each}/{id}"), &Value::Null);
            }
        }
        for words in [
            &["connections"][..],
            &["connections", &self.connection],
            &["--json", "connections"],
            &["deliveries"],
            &["incidents"],
            &["credential", "list"],
        ] {
            assert!(self.stage.run(words).status.success(), "{words:?}");
        }
    }

    /// What is done while no daemon runs.
    fn use_tools(&mut self) {
        assert!(self.stage.run(&["store", "verify"]).status.success());
        assert!(
            self.stage
                .run(&["store", "export", "export"])
                .status
                .success()
        );
        for bad in [
            master_key(2),
            stray("token in a query").to_owned(),
            master_key(1) + "x",
        ] {
            self.stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &bad);
            assert_eq!(self.stage.run(&["serve"]).status.code(), Some(78));
        }
        self.stage.set("OAUTH_TOKEN_ENCRYPTION_KEY", &master_key(1));
    }
}

/// Searches everything that is there. `known` is no secret and stands in the log.
fn search(stage: &Stage, canaries: &Canaries, known: &str) {
    let mut places = files(&stage.data_dir());
    assert!(places.len() > 4, "{:?}", places.keys());
    for file in [stage.log(), stage.path("export")] {
        places.insert(file.clone(), std::fs::read(file).unwrap());
    }
    // What is no secret is found: the search sees what is there.
    let mut control = Canaries::default();
    control.add("id", known);
    assert_eq!(control.found_in(&places[&stage.log()]), ["id"]);
    for (place, bytes) in places {
        let found = canaries.found_in(&bytes);
        assert!(found.is_empty(), "{found:?} in {}", place.display());
    }
    let heard = stage.heard();
    assert!(heard.len() > 80, "{}", heard.len());
    for (asked, answer) in heard {
        let found = canaries.found_in(answer.text.as_bytes());
        assert!(
            found.is_empty(),
            "{found:?} in the answer to {asked}: {answer:?}"
        );
    }
}

#[test]
fn no_secret_stands_in_any_file_log_metric_or_answer() {
    let (mut story, daemon) = Story::begin();
    story.connect();
    story.add_sink();
    story.deliver();
    story.make_mistakes();
    story.have_trouble();
    story.lose_the_tokens();
    story.look_around();
    assert!(daemon.terminate().success());
    let pretty = std::fs::read_to_string(story.stage.log()).unwrap();
    assert!(
        pretty.contains("TRACE") && pretty.contains("webhook_created"),
        "{pretty}"
    );

    story.stage.set("HOOKHERD__LOG__FORMAT", "json");
    let daemon = story.stage.start();
    story.make_mistakes();
    story.look_around();
    assert!(daemon.terminate().success());
    story.use_tools();
    search(&story.stage, &story.canaries, &story.connection);
}
