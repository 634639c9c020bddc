//! The stage of these tests: the binary with a simulated provider, and everything that was heard.

#[path = "../support/stage.rs"]
mod shared;

pub(crate) use shared::{ADMIN, Answer, Daemon, Stage, master_key};

use hookherd::provider::signature::github_sign;
use reqwest::Method;
use serde_json::{Value, json};
use shared::PATIENCE;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository that most stories are about.
pub(crate) const REPOSITORY: &str = "octo/app";

impl Answer {
    /// The value of a field that must be there, as text.
    pub(crate) fn field(&self, name: &str) -> String {
        let value = self.json[name].as_str();
        value
            .unwrap_or_else(|| panic!("{name} in {self:?}"))
            .to_owned()
    }

    /// What stands between this, which ends in a quotation mark, and the next one.
    pub(crate) fn quoted_after(&self, mark: &str) -> Option<String> {
        let (_, rest) = self.text.split_once(mark)?;
        rest.split('"').next().map(str::to_owned)
    }
}

impl Stage {
    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("data")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.program(&[], words)
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_with(words, "")
    }

    /// Runs a command to its end, with this on its standard input.
    pub(crate) fn run_with(&self, words: &[&str], input: &str) -> Output {
        let mut command = self.command(words);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may have closed it.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let complained = String::from_utf8_lossy(&output.stderr);
        let heard = Answer {
            status: 0,
            text: format!("{said}{complained}"),
            json: Value::Null,
        };
        self.heard.lock().push((words.join(" "), heard));
        output
    }

    /// Asks for what is shown once: a token of the caller's.
    pub(crate) fn ask_in_secret(&self, token: &str, line: &str, body: Option<&str>) -> Answer {
        let answer = self.try_ask(token, line, body);
        answer.unwrap_or_else(|| panic!("{line}: no answer: {}", self.end_of_log()))
    }

    /// A request to another server, such as the provider: the status of the answer.
    pub(crate) fn post_elsewhere(&self, url: &str, token: &str, body: &Value) -> u16 {
        let request = self.request(Method::POST, url);
        let request = request.bearer_auth(token).json(body);
        self.send(request).expect("an answer").status
    }

    /// What is found at a URL that is not the daemon's own.
    pub(crate) fn get_elsewhere(&self, url: &str) -> Answer {
        let request = self.request(Method::GET, url);
        self.send(request).expect("an answer")
    }

    /// A browser with this cookie looks at a page, and does not follow where it leads.
    pub(crate) fn browse_in_secret(&self, url: &str, cookie: &str) -> Answer {
        let browser = reqwest::Client::builder()
            .timeout(PATIENCE)
            .user_agent("browser")
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        let browser = browser.build().unwrap();
        let _inside = self.runtime.enter();
        let request = browser.get(url).header("cookie", cookie);
        self.send(request).expect("an answer")
    }

    /// Keeps an answer among what was heard.
    pub(crate) fn hear(&self, asked: &str, answer: &Answer) {
        let heard = (asked.to_owned(), answer.clone());
        self.heard.lock().push(heard);
    }

    /// A delivery to a hook, with these headers besides the usual ones.
    pub(crate) fn deliver(
        &self,
        url: &str,
        secret: &str,
        id: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let body = json!({ "after": id }).to_string();
        let secret = hookherd::domain::secret::HookSecret::new(secret.to_owned()).unwrap();
        let signature = github_sign(&secret, body.as_bytes());
        let mut request = self.request(Method::POST, url).body(body);
        for (name, value) in more.iter().copied().chain([
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-github-delivery", id),
            ("x-hub-signature-256", signature.as_str()),
        ]) {
            request = request.header(name, value);
        }
        let answer = self.send(request).expect("an answer");
        self.hear(url, &answer);
        answer
    }

    /// A new user of the daemon, by name: the API token.
    pub(crate) fn add_user(&self, name: &str) -> String {
        let body = json!({ "name": name }).to_string();
        let answer = self.ask_in_secret(ADMIN, "POST /api/v2/users", Some(&body));
        answer.field("token")
    }

    /// A new user of a daemon that runs, and GitHub's `octo`, who has the repository: the tokens.
    pub(crate) fn ann_and_octo(&self) -> (String, String) {
        let (ann, github) = (self.add_user("ann"), self.simulator.github());
        let token = github.add_user("octo");
        github.add_repository(REPOSITORY, "octo");
        (ann, token)
    }

    /// The same, with the repository connected and its webhook working: the user's token, and the
    /// connection.
    pub(crate) fn ann_connected(&self) -> (String, String) {
        let (ann, token) = self.ann_and_octo();
        let id = self.connect(&ann, &token, REPOSITORY);
        self.wait_for_status(&ann, &id, "active");
        (ann, id)
    }

    /// Adds a credential for an account of GitHub's, and connects a repository: its id.
    pub(crate) fn connect(&self, token: &str, provider_token: &str, repository: &str) -> String {
        self.add_credential(token, "github", provider_token);
        let wish = json!({ "repository_full_name": repository });
        let answer = self.call(token, "POST /api/v2/repositories/connect", &wish);
        answer.field("id")
    }

    /// Everything that was answered or printed so far.
    pub(crate) fn heard(&self) -> Vec<(String, Answer)> {
        self.heard.lock().clone()
    }
}

/// All files below a directory, with what is in them.
pub(crate) fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(path).unwrap());
        }
    }
    found
}
