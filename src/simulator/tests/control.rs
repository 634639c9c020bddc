//! What those in another process can do, below `/_sim`.

use super::receiver::Receiver;
use super::*;
use serde_json::{Value, json};

struct Remote {
    simulator: Simulator,
    http: reqwest::Client,
}

impl Remote {
    fn new() -> Self {
        let (simulator, http) = start();
        Self { simulator, http }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.simulator.api_url());
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/_sim/{path}", self.simulator.api_url());
        json_of(self.http.get(url).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_gitlab_can_be_played_from_afar() {
    let (remote, receiver) = (Remote::new(), Receiver::start());
    let token = remote.post("gitlab/users", json!({ "login": "ann" })).await["token"].clone();
    let project = json!({ "path": "g/sub/app", "owner": "ann" });
    let id = remote.post("gitlab/projects", project).await["id"].clone();
    let url = format!("{}/projects/{id}/hooks", remote.simulator.gitlab_api_url());
    let create = remote.http.post(url).bearer_auth(token.as_str().unwrap());
    let hook = json!({ "url": receiver.url("a"), "pipeline_events": true, "token": "t" });
    assert_eq!(create.json(&hook).send().await.unwrap().status(), 201);
    remote
        .post(
            "gitlab/settings",
            json!({ "version": [18, 0], "auto_disabling": true }),
        )
        .await;
    receiver.answers(500);
    let jobs = json!([{ "name": "lint", "status": "failed", "may_fail": true }]);
    let pipeline = json!({ "project": "g/sub/app", "id": 31, "status": "failed", "jobs": jobs });
    remote.post("gitlab/pipelines", pipeline).await;
    remote
        .post("gitlab/push", json!({ "project": "g/sub/app" }))
        .await;
    let quiet = || assert!(remote.simulator.wait_quiet(Duration::from_secs(10)));
    quiet();
    let hooks = remote.get("gitlab/hooks?project=g/sub/app").await;
    assert_eq!(hooks[0]["token"], "t");
    assert_eq!(hooks[0]["failures"], 4);
    assert_eq!(hooks[0]["alert_status"], "temporarily_disabled");
    remote.post("clock", json!({ "advance_s": 62 })).await;
    receiver.answers(200);
    let retry = json!({ "project": "g/sub/app", "id": 31, "status": "success" });
    remote.post("gitlab/retries", retry).await;
    quiet();
    let all = remote.get("gitlab/deliveries?project=g/sub/app").await;
    assert_eq!(all.as_array().unwrap().len(), 6);
    assert_eq!(all[5]["event"], "Pipeline Hook");
    assert_eq!(all[5]["status"], 200);
    let user = receiver.seen()[0].header("user-agent").map(str::to_owned);
    assert_eq!(user.as_deref(), Some("GitLab/18.0.0"));
    let role = json!({ "login": "ann", "project": "g/sub/app", "access_level": 30 });
    remote.post("gitlab/roles", role).await;
    let fault = json!({ "operation": "gitlab.user", "fault": "fail_before", "number": 502 });
    remote.post("faults", fault).await;
    let url = format!("{}/user", remote.simulator.gitlab_api_url());
    let asked = remote.http.get(url).bearer_auth(token.as_str().unwrap());
    assert_eq!(asked.send().await.unwrap().status(), 502);
    for (path, body) in [
        (
            "faults",
            json!({ "operation": "user", "fault": "nonsense" }),
        ),
        ("nonsense", json!({})),
        ("gitlab/push", json!({ "repository": "g/sub/app" })),
        (
            "oauth/devices",
            json!({ "provider": "gitlab", "user_code": "none" }),
        ),
    ] {
        let url = format!("{}/_sim/{path}", remote.simulator.api_url());
        let answer = remote.http.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{path}");
    }
    assert_eq!(remote.get("requests").await["gitlab.user"], 1);
}

#[tokio::test]
async fn people_sign_in_from_afar() {
    let remote = Remote::new();
    remote.post("users", json!({ "login": "ann" })).await;
    remote
        .post(
            "repositories",
            json!({ "full_name": "ann/app", "owner": "ann" }),
        )
        .await;
    for (provider, path) in [
        ("github", "login/oauth/authorize"),
        ("gitlab", "oauth/authorize"),
    ] {
        let application = json!({
            "provider": provider, "client_id": "app", "client_secret": "s",
            "redirect_uri": "http://127.0.0.1:9/back",
        });
        remote.post("oauth/applications", application).await;
        let who = json!({ "provider": provider, "login": "ann" });
        remote.post("oauth/sign_in", who).await;
        let base = remote.simulator.web_url();
        let url = format!("{base}/{path}?client_id=app&response_type=code&state=s");
        let sent = remote.http.get(url).send().await.unwrap();
        let to = sent.headers()["location"].to_str().unwrap().to_owned();
        assert!(to.starts_with("http://127.0.0.1:9/back?code="), "{to}");
    }
    let url = format!("{}/login/device/code", remote.simulator.web_url());
    let request = remote.http.post(url).header("accept", "application/json");
    let device = request
        .json(&json!({ "client_id": "app" }))
        .send()
        .await
        .unwrap();
    let device: Value = device.json().await.unwrap();
    let decision = json!({
        "provider": "github", "user_code": device["user_code"], "login": "ann",
    });
    remote.post("oauth/devices", decision).await;
    let app = json!({
        "id": 7, "slug": "hookherd", "public_key": include_str!("app_key_public.pem"),
        "account": "ann", "repositories": ["ann/app"],
    });
    assert!(remote.post("oauth/apps", app).await["id"].is_u64());
}
