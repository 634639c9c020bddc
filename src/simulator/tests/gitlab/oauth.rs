//! Signing in with GitLab.

use super::*;
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

const BACK: &str = "http://127.0.0.1:9/back";
const VERIFIER: &str = "a-verifier-that-is-at-least-forty-three-characters-long";

impl Lab {
    fn with_application() -> Self {
        let lab = Self::new();
        lab.gitlab().add_application("app", Some("s3cret"), BACK);
        lab.gitlab().sign_in(Some("ann"));
        lab
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let url = format!("{}/oauth/{path}", self.simulator.web_url());
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        let body = pairs.extend_pairs(form).finish();
        let kind = "application/x-www-form-urlencoded";
        let request = self.http.post(url).header("content-type", kind);
        request.body(body).send().await.unwrap()
    }

    /// What the browser is sent back with.
    async fn authorize(&self, more: &str) -> Vec<(String, String)> {
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
        let url = format!(
            "{}/oauth/authorize?client_id=app&response_type=code&state=st4te&scope=api\
             &code_challenge={challenge}&code_challenge_method=S256{more}",
            self.simulator.web_url()
        );
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let to = url::Url::parse(header(&answer, "location")).unwrap();
        assert!(to.as_str().starts_with(BACK), "{to}");
        to.query_pairs().into_owned().collect()
    }

    async fn code(&self) -> String {
        let pairs = self.authorize("").await;
        assert_eq!(pairs[1], ("state".into(), "st4te".into()));
        pairs[0].1.clone()
    }

    async fn redeem(&self, code: &str, verifier: &str) -> Response {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("client_secret", "s3cret"),
            ("code", code),
            ("code_verifier", verifier),
            ("redirect_uri", BACK),
        ];
        self.post("token", &form).await
    }

    async fn refresh(&self, refresh: &Value) -> Response {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", "app"),
            ("client_secret", "s3cret"),
            ("refresh_token", refresh.as_str().unwrap()),
            ("redirect_uri", BACK),
        ];
        self.post("token", &form).await
    }

    async fn user(&self, token: &Value) -> u16 {
        let url = format!("{}/user", self.simulator.gitlab_api_url());
        let request = self.http.get(url).bearer_auth(token.as_str().unwrap());
        request.send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_code_is_good_once_for_ten_minutes_and_for_its_verifier_only() {
    let lab = Lab::with_application();
    let code = lab.code().await;
    let wrong = lab.redeem(&code, "another-verifier").await;
    assert_eq!(wrong.status(), 400);
    assert_eq!(json_of(wrong).await["error"], "invalid_grant");
    assert_eq!(
        lab.redeem(&code, VERIFIER).await.status(),
        400,
        "it is spent"
    );
    let code = lab.code().await;
    let grant = json_of(lab.redeem(&code, VERIFIER).await).await;
    assert_eq!(grant["token_type"], "Bearer");
    assert_eq!(grant["expires_in"], 7200);
    assert_eq!(lab.user(&grant["access_token"]).await, 200);
    assert_eq!(lab.redeem(&code, VERIFIER).await.status(), 400);
    let code = lab.code().await;
    lab.gitlab().advance_clock(Duration::from_mins(11));
    assert_eq!(lab.redeem(&code, VERIFIER).await.status(), 400, "too late");
    lab.gitlab().sign_in(None);
    assert_eq!(lab.authorize("").await[0].1, "access_denied");
    let url = format!(
        "{}/oauth/authorize?client_id=app&redirect_uri=http%3A%2F%2Fevil.example",
        lab.simulator.web_url()
    );
    assert_eq!(lab.http.get(url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_refresh_kills_both_old_tokens_and_two_hours_are_the_end() {
    let lab = Lab::with_application();
    let first = json_of(lab.redeem(&lab.code().await, VERIFIER).await).await;
    lab.gitlab().advance_clock(Duration::from_hours(2));
    assert_eq!(lab.user(&first["access_token"]).await, 401);
    let second = json_of(lab.refresh(&first["refresh_token"]).await).await;
    assert_eq!(lab.user(&second["access_token"]).await, 200);
    let again = lab.refresh(&first["refresh_token"]).await;
    assert_eq!(
        (
            again.status().as_u16(),
            json_of(again).await["error"].clone()
        ),
        (400, json!("invalid_grant"))
    );
    let third = json_of(lab.refresh(&second["refresh_token"]).await).await;
    assert_eq!(
        lab.user(&second["access_token"]).await,
        401,
        "although its time was not over"
    );
    let info = format!("{}/oauth/token/info", lab.simulator.web_url());
    let info = lab
        .http
        .get(info)
        .bearer_auth(third["access_token"].as_str().unwrap());
    let info = json_of(info.send().await.unwrap()).await;
    assert_eq!(info["scope"], json!(["api"]));
    let form = [
        ("client_id", "app"),
        ("client_secret", "s3cret"),
        ("token", third["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(lab.post("revoke", &form).await.status(), 200);
    assert_eq!(lab.user(&third["access_token"]).await, 401);
    assert_eq!(lab.refresh(&third["refresh_token"]).await.status(), 400);
    let own = lab.get("personal_access_tokens/self").await;
    assert_eq!(own.status(), 200, "other tokens are none of its business");
}

#[tokio::test]
async fn a_refresh_whose_answer_is_lost_leaves_nothing_that_works() {
    let lab = Lab::with_application();
    let first = json_of(lab.redeem(&lab.code().await, VERIFIER).await).await;
    let faults = lab.simulator.faults();
    faults.next("gitlab.token_by_refresh", Misbehaviour::ActThenFail(502));
    assert_eq!(lab.refresh(&first["refresh_token"]).await.status(), 502);
    assert_eq!(lab.user(&first["access_token"]).await, 401);
    assert_eq!(lab.refresh(&first["refresh_token"]).await.status(), 400);
    assert_eq!(lab.simulator.requests("gitlab.token_by_refresh"), 2);
    let second = json_of(lab.redeem(&lab.code().await, VERIFIER).await).await;
    faults.next("gitlab.token_by_refresh", Misbehaviour::FailBefore(503));
    assert_eq!(lab.refresh(&second["refresh_token"]).await.status(), 503);
    assert_eq!(
        lab.refresh(&second["refresh_token"]).await.status(),
        200,
        "it had done nothing"
    );
    lab.gitlab()
        .revoke_grant(second["access_token"].as_str().unwrap());
    assert_eq!(lab.user(&second["access_token"]).await, 401);
}

#[tokio::test]
async fn a_device_waits_until_somebody_decides() {
    let lab = Lab::with_application();
    lab.gitlab().add_application("cli", None, BACK);
    let device = json_of(lab.post("authorize_device", &[("client_id", "cli")]).await).await;
    assert_eq!(device["expires_in"], 300);
    assert_eq!(device["interval"], 5);
    let poll = async |device: &Value| {
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("client_id", "cli"),
            ("device_code", device["device_code"].as_str().unwrap()),
        ];
        json_of(lab.post("token", &form).await).await
    };
    assert_eq!(poll(&device).await["error"], "authorization_pending");
    assert_eq!(poll(&device).await["error"], "slow_down");
    let user_code = device["user_code"].as_str().unwrap();
    assert!(lab.gitlab().approve_device(user_code, "ann"));
    lab.gitlab().advance_clock(Duration::from_secs(11));
    let grant = poll(&device).await;
    assert_eq!(lab.user(&grant["access_token"]).await, 200);
    lab.gitlab().advance_clock(Duration::from_secs(11));
    assert_eq!(poll(&device).await["error"], "invalid_grant", "once");
    let other = json_of(lab.post("authorize_device", &[("client_id", "cli")]).await).await;
    assert!(
        lab.gitlab()
            .deny_device(other["user_code"].as_str().unwrap())
    );
    assert_eq!(poll(&other).await["error"], "access_denied");
    lab.gitlab().advance_clock(Duration::from_mins(6));
    assert_eq!(poll(&other).await["error"], "expired_token");
    assert!(!lab.gitlab().approve_device("NONE-SUCH", "ann"));
}
