//! Our client, set up for a tool on loopback.

use hookherd::domain::errand::Errand;
use hookherd::domain::id::UserId;
use hookherd::domain::repo::{FullName, Instance, ProviderKind};
use hookherd::domain::secret::{HookSecret, ProviderToken};
use hookherd::domain::time::{Clock, Timestamp};
use hookherd::provider::github::Github;
use hookherd::provider::http::HttpConfig;
use hookherd::provider::{Access, HookSpec, Target};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
        Timestamp(0).plus(since)
    }
}

/// Our client of the API at `url`, as in production but for the pause between writes.
pub(crate) fn github(url: &str) -> Github {
    let mut config = HttpConfig::new(url.parse().expect("tools have plain URLs"));
    config.write_pause = Duration::ZERO;
    Github::new(&config, Arc::new(WallClock), &instance()).expect("a client")
}

fn instance() -> Instance {
    Instance {
        provider: ProviderKind::Github,
        host: "github.com".parse().expect("it is a host"),
    }
}

pub(crate) fn access(token: &str) -> Access {
    Access {
        instance: instance(),
        token: ProviderToken::new(token.to_owned()).expect("it is a token"),
        errand: Errand::of_person(UserId::from_u128(1)),
        is_probe: false,
    }
}

/// The repository of this name, whose id is not known yet.
pub(crate) fn target(full_name: &str) -> Target {
    Target {
        repository: None,
        full_name: full_name.parse::<FullName>().expect("it is a name"),
    }
}

/// The path of a URL, by which a hook is ours.
pub(crate) fn mark(url: &str) -> String {
    let url: reqwest::Url = url.parse().expect("a URL");
    url.path().to_owned()
}

/// A hook of ours at `url`, with the default events.
pub(crate) fn spec(url: &str, secret: &str) -> HookSpec {
    HookSpec {
        url: url.to_owned(),
        mark: mark(url),
        events: ["pull_request", "push", "workflow_run"]
            .map(str::to_owned)
            .into(),
        secret: HookSecret::new(secret.to_owned()).expect("it is long enough"),
        former_events: Vec::new(),
        takes: None,
        revision: 1,
    }
}

/// A client that is none of ours, for what a person or another program would ask.
pub(crate) fn plain() -> reqwest::Client {
    // An error means that it was installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Shorter than any server keeps a connection: tests compute for seconds between requests.
    let client = reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(1));
    client.build().expect("a client")
}
