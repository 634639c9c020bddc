//! GitHub's own payload examples, signed by GitHub's own library: what `corpus.mjs` wrote.

use crate::tools;
use hookherd::domain::secret::HookSecret;
use hookherd::provider::HeaderLookup;
use std::fs;

/// What `corpus.mjs` signed with.
pub(crate) const SECRET: &str = "interop-secret-of-forty-characters-or-so";

/// The folders of the package: github.com and the releases of GitHub Enterprise Server.
pub(crate) const SOURCES: [&str; 6] = [
    "api.github.com",
    "ghes-31",
    "ghes-32",
    "ghes-33",
    "ghes-34",
    "ghes-35",
];

/// One example.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Example {
    /// The folder it comes from.
    pub(crate) source: String,
    /// The event's name.
    pub(crate) event: String,
    /// Its place among the examples of that event.
    pub(crate) number: usize,
    /// The body, as it would be sent.
    pub(crate) body: String,
    /// The `X-Hub-Signature-256` that `@octokit/webhooks-methods` made for it.
    pub(crate) signature: String,
}

impl Example {
    /// What to call it when a test fails.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}#{}", self.source, self.event, self.number)
    }

    /// The headers that GitHub would send with it.
    pub(crate) fn headers(&self) -> Headers {
        Headers(vec![
            ("x-github-event", self.event.clone()),
            ("x-github-delivery", self.name()),
            ("x-hub-signature-256", self.signature.clone()),
        ])
    }
}

/// The secret that all of them are signed with.
pub(crate) fn secret() -> HookSecret {
    HookSecret::new(SECRET.to_owned()).expect("it is long enough")
}

/// All examples.
pub(crate) fn examples() -> Vec<Example> {
    tools::require();
    let text = fs::read_to_string(tools::out_dir().join("corpus.jsonl")).expect("setup.sh ran");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("corpus.mjs writes JSON"))
        .collect()
}

/// Headers of a request.
#[derive(Debug)]
pub(crate) struct Headers(pub(crate) Vec<(&'static str, String)>);

impl HeaderLookup for Headers {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A seed for chance, made of a text: the same in every run and on every machine.
pub(crate) fn seed(text: &str) -> u64 {
    u64::from(crc32fast::hash(text.as_bytes()))
}
