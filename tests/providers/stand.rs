//! A provider to try our client on, with the hands of its owner and of other people in it.

use hookherd::app::{SystemClock, SystemEntropy};
use hookherd::domain::errand::Errand;
use hookherd::domain::id::UserId;
use hookherd::domain::repo::{Instance, ProviderKind};
use hookherd::domain::secret::{HookSecret, ProviderToken};
use hookherd::domain::time::Timestamp;
use hookherd::provider::github::{Github, GithubDecode};
use hookherd::provider::gitlab::{Gitlab, GitlabDecode};
use hookherd::provider::http::HttpConfig;
use hookherd::provider::{Access, Decode, Found, HookSpec, Hooks, ListedRun, Target};
use hookherd::simulator::{Simulator, SimulatorConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Each of these cases as a test of either provider.
#[macro_export]
macro_rules! both {
    ($($case:ident)*) => {
        mod github {
            $(#[actix_web::test]
            async fn $case() {
                super::$case($crate::stand::Stand::github()).await;
            })*
        }
        mod gitlab {
            $(#[actix_web::test]
            async fn $case() {
                super::$case($crate::stand::Stand::gitlab()).await;
            })*
        }
    };
}

/// Who has the repository.
const OWNER: &str = "ann";
/// Longest wait for one answer: short, because some never come.
const CALL_TIMEOUT: Duration = Duration::from_millis(700);
/// The same where all come, and some are large.
const PATIENT: Duration = Duration::from_secs(30);

/// A hook, as the simulator's owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) secrets: Vec<Option<String>>,
}

/// Settings that a person writes over ours, and the names of what is then found to differ.
pub(crate) type Drift = (Value, Vec<&'static str>);

/// A provider with one repository, and our client of it.
pub(crate) struct Stand {
    pub(crate) kind: ProviderKind,
    pub(crate) simulator: Simulator,
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) access: Access,
    pub(crate) target: Target,
    http: reqwest::Client,
    repository: u64,
}

/// A client that is none of ours. GitHub wants to know whose.
fn somebody() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().user_agent("somebody");
    client.build().expect("a client")
}

impl Stand {
    pub(crate) fn github() -> Self {
        Self::new(ProviderKind::Github, CALL_TIMEOUT)
    }

    /// The same with all the time that a large answer takes.
    pub(crate) fn patient_github() -> Self {
        Self::new(ProviderKind::Github, PATIENT)
    }

    pub(crate) fn gitlab() -> Self {
        Self::new(ProviderKind::Gitlab, CALL_TIMEOUT)
    }

    /// The same with all the time that a large answer takes.
    pub(crate) fn patient_gitlab() -> Self {
        Self::new(ProviderKind::Gitlab, PATIENT)
    }

    fn new(kind: ProviderKind, call_timeout: Duration) -> Self {
        let simulator = Simulator::start(&SimulatorConfig::default()).expect("a simulator");
        let (api_url, name) = match kind {
            ProviderKind::Github => (simulator.api_url(), "ann/app"),
            ProviderKind::Gitlab => (simulator.gitlab_api_url(), "group/sub/app"),
        };
        let (token, repository) = match kind {
            ProviderKind::Github => {
                let github = simulator.github();
                let token = github.add_user(OWNER);
                (token, github.add_repository(name, OWNER))
            }
            ProviderKind::Gitlab => {
                let gitlab = simulator.gitlab();
                let token = gitlab.add_user(OWNER);
                (token, gitlab.add_project(name, OWNER))
            }
        };
        let mut config = HttpConfig::new(api_url.parse().expect("a URL"));
        config.write_pause = Duration::ZERO;
        config.retry_wait = Duration::from_millis(1);
        config.call_timeout = call_timeout;
        let host = "provider.example".parse().expect("a host");
        let instance = Instance {
            provider: kind,
            host,
        };
        let clock = Arc::new(SystemClock);
        let hooks: Arc<dyn Hooks> = match kind {
            ProviderKind::Github => Arc::new(Github::new(&config, clock, &instance).expect("one")),
            ProviderKind::Gitlab => Arc::new(Gitlab::new(&config, clock, &instance).expect("one")),
        };
        Self {
            kind,
            hooks,
            access: Access {
                instance,
                token: ProviderToken::new(token).expect("a token"),
                errand: Errand::of_person(UserId::from_u128(1)),
                is_probe: false,
            },
            target: Target {
                repository: None,
                full_name: name.parse().expect("a name"),
            },
            simulator,
            http: somebody(),
            repository,
        }
    }

    pub(crate) fn decoder(&self) -> Box<dyn Decode> {
        match self.kind {
            ProviderKind::Github => Box::new(GithubDecode::new(&SystemEntropy)),
            ProviderKind::Gitlab => Box::new(GitlabDecode::new(&SystemEntropy)),
        }
    }

    /// The hook that is wanted, delivering to `url`.
    pub(crate) fn spec(&self, url: &str) -> HookSpec {
        let events = self.decoder().default_events().iter();
        let mut events: Vec<String> = events.map(|name| (*name).to_owned()).collect();
        events.sort_unstable();
        HookSpec {
            url: url.to_owned(),
            mark: mark(url),
            events,
            secret: HookSecret::new("s".repeat(64)).expect("long enough"),
            former_events: Vec::new(),
            takes: None,
            revision: 1,
        }
    }

    /// The target with the repository's number, as it is known after a first call.
    pub(crate) fn known(&self) -> Target {
        Target {
            repository: Some(hookherd::domain::repo::RepositoryId(self.repository)),
            ..self.target.clone()
        }
    }

    /// The simulator's name of an operation.
    /// Reads the runs of a list, ten at a time, as the reconciler does.
    pub(crate) async fn read(
        &self,
        target: &Target,
        listed: &[ListedRun],
        since: Option<Timestamp>,
    ) -> Vec<Found> {
        let (mut all, mut rest) = (Vec::new(), listed);
        while !rest.is_empty() {
            let some = &rest[..rest.len().min(10)];
            let read = self.hooks.read_runs(&self.access, target, some, since);
            let read = read.await.expect("they can be read");
            assert!((1..=some.len()).contains(&read.count));
            all.extend(read.found);
            rest = &rest[read.count..];
        }
        all
    }

    pub(crate) fn operation(&self, name: &str) -> String {
        match self.kind {
            ProviderKind::Github => name.to_owned(),
            ProviderKind::Gitlab => format!("gitlab.{name}"),
        }
    }

    fn name(&self) -> &str {
        self.target.full_name.as_str()
    }

    /// The hooks that are there.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen_at(self.name())
    }

    pub(crate) fn seen_at(&self, name: &str) -> Vec<Seen> {
        match self.kind {
            ProviderKind::Github => {
                let hooks = self.simulator.github().hooks(name).into_iter();
                let seen = hooks.map(|hook| Seen {
                    id: hook.id,
                    url: hook.url,
                    secrets: vec![hook.secret],
                });
                seen.collect()
            }
            ProviderKind::Gitlab => {
                let hooks = self.simulator.gitlab().hooks(name).into_iter();
                let seen = hooks.map(|hook| Seen {
                    id: hook.id,
                    url: hook.url,
                    secrets: vec![hook.token, hook.signing_token],
                });
                seen.collect()
            }
        }
    }

    pub(crate) fn delete_by_hand(&self, hook: u64) {
        let name = self.name();
        match self.kind {
            ProviderKind::Github => self.simulator.github().delete_hook_by_hand(name, hook),
            ProviderKind::Gitlab => self.simulator.gitlab().delete_hook_by_hand(name, hook),
        }
    }

    /// A person edits the URL of a hook on the settings page.
    pub(crate) fn edit_url(&self, hook: u64, url: &str) {
        let name = self.name();
        match self.kind {
            ProviderKind::Github => self
                .simulator
                .github()
                .edit_hook_url_by_hand(name, hook, url),
            ProviderKind::Gitlab => self
                .simulator
                .gitlab()
                .edit_hook_url_by_hand(name, hook, url),
        }
    }

    /// Takes the right to manage hooks from the owner, and leaves them to see the repository.
    pub(crate) fn demote(&self) {
        match self.kind {
            ProviderKind::Github => self.simulator.github().set_admin(OWNER, self.name(), false),
            ProviderKind::Gitlab => self.simulator.gitlab().set_role(OWNER, self.name(), 30),
        }
    }

    /// Gives it back.
    pub(crate) fn promote(&self) {
        match self.kind {
            ProviderKind::Github => self.simulator.github().set_admin(OWNER, self.name(), true),
            ProviderKind::Gitlab => self.simulator.gitlab().set_role(OWNER, self.name(), 50),
        }
    }

    pub(crate) fn revoke(&self) {
        let token = self.access.token.expose();
        match self.kind {
            ProviderKind::Github => self.simulator.github().revoke_token(token),
            ProviderKind::Gitlab => self.simulator.gitlab().revoke_token(token),
        }
    }

    /// The token expires so long from now, or at the beginning of that day.
    pub(crate) fn expire(&self, within: Duration) {
        let token = self.access.token.expose();
        match self.kind {
            ProviderKind::Github => self.simulator.github().expire_token(token, within),
            ProviderKind::Gitlab => self.simulator.gitlab().expire_token(token, within),
        }
    }

    pub(crate) fn archive(&self) {
        match self.kind {
            ProviderKind::Github => self.simulator.github().archive(self.name()),
            ProviderKind::Gitlab => self.simulator.gitlab().archive(self.name()),
        }
    }

    /// Moves the repository, and returns its new name.
    pub(crate) fn rename(&self) -> &'static str {
        match self.kind {
            ProviderKind::Github => {
                self.simulator.github().rename(self.name(), "ann/moved");
                "ann/moved"
            }
            ProviderKind::Gitlab => {
                let to = "other/place/moved";
                self.simulator.gitlab().rename(self.name(), to);
                to
            }
        }
    }

    /// Another person, with rights, writes at the hooks' place: `POST` makes one, else `hook` is
    /// written.
    pub(crate) async fn write(&self, hook: Option<u64>, body: &Value) -> u16 {
        let token = self.access.token.expose();
        let (base, method) = match self.kind {
            ProviderKind::Github => {
                let base = format!("{}/repos/{}/hooks", self.simulator.api_url(), self.name());
                (base, reqwest::Method::PATCH)
            }
            ProviderKind::Gitlab => {
                let api = self.simulator.gitlab_api_url();
                let base = format!("{api}/projects/{}/hooks", self.repository);
                (base, reqwest::Method::PUT)
            }
        };
        let request = match hook {
            None => self.http.post(base),
            Some(hook) => self.http.request(method, format!("{base}/{hook}")),
        };
        let answer = request.bearer_auth(token).json(body).send().await;
        answer.expect("the simulator answers").status().as_u16()
    }

    /// The body of a foreign hook at `url`, for an event that ours does not hear.
    pub(crate) fn foreign(&self, url: &str) -> Value {
        match self.kind {
            ProviderKind::Github => json!({
                "config": {"url": url, "content_type": "json"}, "events": ["issues"]
            }),
            ProviderKind::Gitlab => json!({"url": url, "issues_events": true}),
        }
    }

    /// How a hook at `url` can be made to differ, one setting after another.
    pub(crate) fn drifts(&self, url: &str) -> Vec<Drift> {
        match self.kind {
            ProviderKind::Github => github_drifts(url),
            ProviderKind::Gitlab => gitlab_drifts(url),
        }
    }
}

/// The path of a URL, by which a hook is ours.
pub(crate) fn mark(url: &str) -> String {
    let url: reqwest::Url = url.parse().expect("a URL");
    url.path().to_owned()
}

fn github_drifts(url: &str) -> Vec<Drift> {
    let config = |changes: Value| {
        let mut config = json!({
            "url": url, "content_type": "json", "insecure_ssl": "0", "secret": "x".repeat(40)
        });
        for (name, value) in changes.as_object().expect("an object") {
            config[name] = value.clone();
        }
        json!({ "config": config })
    };
    let elsewhere = format!("{url}/elsewhere");
    vec![
        (json!({"active": false}), vec!["active"]),
        (json!({"events": ["push"]}), vec!["events"]),
        (config(json!({ "url": elsewhere })), vec!["url"]),
        (
            config(json!({"content_type": "form"})),
            vec!["content_type"],
        ),
        (config(json!({"insecure_ssl": "1"})), vec!["insecure_ssl"]),
        (
            json!({"config": {"url": url, "content_type": "json"}}),
            vec!["secret"],
        ),
    ]
}

fn gitlab_drifts(url: &str) -> Vec<Drift> {
    let elsewhere = format!("{url}/elsewhere");
    let with = |name: &str, value: Value| {
        let mut body = json!({ "url": url });
        body[name] = value;
        body
    };
    let filter = with("push_events_branch_filter", json!("release/*"));
    let strategy = with("branch_filter_strategy", json!("wildcard"));
    let tls = with("enable_ssl_verification", json!(false));
    vec![
        (
            with("pipeline_events", json!(false)),
            vec!["pipeline_events"],
        ),
        (with("job_events", json!(true)), vec!["job_events"]),
        (tls, vec!["enable_ssl_verification"]),
        (filter, vec!["push_events_branch_filter"]),
        (strategy, vec!["branch_filter_strategy"]),
        (
            with("custom_webhook_template", json!("{}")),
            vec!["custom_webhook_template"],
        ),
        (with("token", json!("")), vec!["token"]),
        (with("signing_token", json!("")), vec!["signing_token"]),
        // A request that moves a hook removes its secrets.
        (
            json!({ "url": elsewhere }),
            vec!["token", "signing_token", "url"],
        ),
    ]
}
