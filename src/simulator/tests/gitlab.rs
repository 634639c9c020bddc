//! What GitLab really does.

mod api;
mod ci;
mod delivery;
mod disabling;
mod hooks;
mod log;
mod oauth;

use super::receiver::Receiver;
use super::*;
use reqwest::{Method, Response};
use serde_json::{Value, json};

const PROJECT: &str = "group/sub/app";
/// A key of 32 bytes.
const SIGNING_TOKEN: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

struct Lab {
    simulator: Simulator,
    token: String,
    project: u64,
    http: reqwest::Client,
}

impl Lab {
    fn new() -> Self {
        let (simulator, http) = start();
        let token = simulator.gitlab().add_user("ann");
        let project = simulator.gitlab().add_project(PROJECT, "ann");
        Self {
            simulator,
            token,
            project,
            http,
        }
    }

    fn gitlab(&self) -> GitlabHandle {
        self.simulator.gitlab()
    }

    async fn ask_as(&self, token: &str, method: Method, path: &str, body: Value) -> Response {
        let url = format!("{}/{path}", self.simulator.gitlab_api_url());
        let request = self
            .http
            .request(method, url)
            .header("private-token", token);
        request.json(&body).send().await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Response {
        self.ask_as(&self.token, method, path, body).await
    }

    async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path, json!({})).await
    }

    /// A path below the hooks of the project.
    fn hooks(&self, rest: &str) -> String {
        format!("projects/{}/hooks{rest}", self.project)
    }

    async fn create(&self, body: Value) -> Value {
        let made = self.ask(Method::POST, &self.hooks(""), body).await;
        assert_eq!(made.status(), 201);
        json_of(made).await
    }

    async fn test(&self, hook: &Value, trigger: &str) -> Response {
        let path = self.hooks(&format!("/{}/test/{trigger}", hook["id"]));
        self.ask(Method::POST, &path, json!({})).await
    }

    fn settle(&self) {
        assert!(self.simulator.wait_quiet(Duration::from_secs(10)));
    }
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
