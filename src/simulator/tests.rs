//! The simulator keeps to what the providers really do, over a socket.

use super::*;

mod control;
mod github;
mod github_events;
mod github_oauth;
mod gitlab;
mod receiver;

/// A simulator, and a client of HTTP that follows nowhere.
fn start() -> (Simulator, reqwest::Client) {
    let simulator = Simulator::start(&SimulatorConfig::default()).unwrap();
    let http = reqwest::Client::builder().user_agent("tests").no_proxy();
    let http = http.redirect(reqwest::redirect::Policy::none());
    (simulator, http.build().unwrap())
}

async fn json_of(response: reqwest::Response) -> serde_json::Value {
    response.json().await.unwrap()
}
