//! Signing in with GitHub, and its Apps.

use super::*;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use reqwest::{Method, Response};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const BACK: &str = "http://127.0.0.1:9/back";
const VERIFIER: &str = "a-verifier-that-is-at-least-forty-three-characters-long";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// A key for these tests and nothing else.
const KEY: &str = include_str!("app_key.pem");

struct Lab {
    simulator: Simulator,
    http: reqwest::Client,
}

impl Lab {
    fn new() -> Self {
        let (simulator, http) = start();
        let github = simulator.github();
        github.add_user("ann");
        github.add_repository("ann/app", "ann");
        github.add_application("app", Some("s3cret"), BACK);
        github.sign_in(Some("ann"));
        Self { simulator, http }
    }

    fn github(&self) -> GithubHandle {
        self.simulator.github()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/login/{path}", self.simulator.web_url());
        let request = self.http.post(url).header("accept", "application/json");
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200, "errors, too");
        answer.json().await.unwrap()
    }

    async fn authorize(&self, more: &str) -> Vec<(String, String)> {
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(VERIFIER));
        let url = format!(
            "{}/login/oauth/authorize?client_id=app&state=st4te&scope=repo%20read:org\
             &code_challenge={challenge}&code_challenge_method=S256{more}",
            self.simulator.web_url()
        );
        let answer = self.http.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let to = answer.headers()["location"].to_str().unwrap();
        let to = url::Url::parse(to).unwrap();
        assert!(to.as_str().starts_with(BACK), "{to}");
        to.query_pairs().into_owned().collect()
    }

    async fn redeem(&self, verifier: &str) -> Value {
        let pairs = self.authorize("").await;
        assert_eq!(pairs[1], ("state".into(), "st4te".into()));
        let body = json!({
            "client_id": "app", "client_secret": "s3cret", "code": pairs[0].1,
            "code_verifier": verifier,
        });
        self.post("oauth/access_token", body).await
    }

    async fn ask(&self, method: Method, token: &str, path: &str, body: Value) -> Response {
        let url = format!("{}/{path}", self.simulator.api_url());
        let request = self.http.request(method, url).bearer_auth(token);
        request.json(&body).send().await.unwrap()
    }

    async fn status(&self, token: &Value, path: &str) -> u16 {
        let token = token.as_str().unwrap();
        let answer = self.ask(Method::GET, token, path, Value::Null).await;
        answer.status().as_u16()
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_errors_come_as_if_all_were_well() {
    let lab = Lab::new();
    assert_eq!(
        lab.redeem("another").await["error"],
        "bad_verification_code"
    );
    let grant = lab.redeem(VERIFIER).await;
    assert!(grant["access_token"].as_str().unwrap().starts_with("gho_"));
    assert_eq!(
        (&grant["scope"], grant.get("expires_in")),
        (&json!("repo,read:org"), None)
    );
    assert_eq!(lab.status(&grant["access_token"], "user").await, 200);
    let token = grant["access_token"].as_str().unwrap();
    let me = lab.ask(Method::GET, token, "user", Value::Null).await;
    assert_eq!(me.headers()["x-oauth-scopes"], "repo, read:org");
    let code = lab.authorize("").await[0].1.clone();
    let body = json!({ "client_id": "app", "client_secret": "wrong", "code": code });
    let wrong = lab.post("oauth/access_token", body).await;
    assert_eq!(wrong["error"], "incorrect_client_credentials");
    let elsewhere = lab
        .authorize("&redirect_uri=http%3A%2F%2Fevil.example%2F")
        .await;
    assert_eq!(elsewhere[0].1, "redirect_uri_mismatch");
    let below = lab
        .authorize("&redirect_uri=http%3A%2F%2F127.0.0.1%3A9%2Fback%2Fhere")
        .await;
    assert_eq!(below[0].0, "code");
    lab.github().advance_clock(Duration::from_mins(11));
    let late = json!({
        "client_id": "app", "client_secret": "s3cret", "code": code, "code_verifier": VERIFIER,
    });
    assert_eq!(
        lab.post("oauth/access_token", late.clone()).await["error"],
        "bad_verification_code"
    );
    let url = format!("{}/login/oauth/access_token", lab.simulator.web_url());
    let form = lab
        .http
        .post(url)
        .json(&late)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        form.starts_with("error=bad_verification_code&"),
        "a form for who asks nothing: {form}"
    );
}

#[tokio::test]
async fn tokens_expire_where_that_is_switched_on_and_a_refresh_rotates_both() {
    let lab = Lab::new();
    lab.github().set_expiring_tokens(true);
    let first = lab.redeem(VERIFIER).await;
    assert!(first["access_token"].as_str().unwrap().starts_with("ghu_"));
    assert_eq!(first["expires_in"], 28800);
    let refresh = async |token: &Value| {
        let body = json!({
            "grant_type": "refresh_token", "client_id": "app", "client_secret": "s3cret",
            "refresh_token": token,
        });
        lab.post("oauth/access_token", body).await
    };
    let second = refresh(&first["refresh_token"]).await;
    assert_eq!(lab.status(&first["access_token"], "user").await, 401);
    assert_eq!(lab.status(&second["access_token"], "user").await, 200);
    assert_eq!(
        refresh(&first["refresh_token"]).await["error"],
        "bad_refresh_token"
    );
    lab.github().advance_clock(Duration::from_hours(8));
    assert_eq!(lab.status(&second["access_token"], "user").await, 401);
    let third = refresh(&second["refresh_token"]).await;
    lab.github()
        .revoke_grant(third["access_token"].as_str().unwrap());
    assert_eq!(
        refresh(&third["refresh_token"]).await["error"],
        "bad_refresh_token"
    );
    let fourth = lab.redeem(VERIFIER).await;
    lab.github().advance_clock(Duration::from_hours(185 * 24));
    assert_eq!(
        refresh(&fourth["refresh_token"]).await["error"],
        "bad_refresh_token"
    );
}

#[tokio::test]
async fn a_device_waits_until_somebody_decides() {
    let lab = Lab::new();
    let begin = async || {
        let body = json!({ "client_id": "app", "scope": "repo" });
        lab.post("device/code", body).await
    };
    let poll = async |device: &Value| {
        let body = json!({
            "grant_type": DEVICE_GRANT, "client_id": "app", "device_code": device["device_code"],
        });
        lab.post("oauth/access_token", body).await
    };
    let device = begin().await;
    assert_eq!(device["expires_in"], 900);
    assert_eq!(device["interval"], 5);
    assert_eq!(device["user_code"].as_str().unwrap().len(), 9);
    assert_eq!(poll(&device).await["error"], "authorization_pending");
    let slow = poll(&device).await;
    assert_eq!(slow["error"], "slow_down");
    assert_eq!(slow["interval"], 10);
    let github = lab.github();
    assert!(github.approve_device(device["user_code"].as_str().unwrap(), "ann"));
    github.advance_clock(Duration::from_secs(10));
    let grant = poll(&device).await;
    assert_eq!(lab.status(&grant["access_token"], "user").await, 200);
    assert_eq!(poll(&device).await["error"], "incorrect_device_code");
    let denied = begin().await;
    assert!(github.deny_device(denied["user_code"].as_str().unwrap()));
    assert_eq!(poll(&denied).await["error"], "access_denied");
    let late = begin().await;
    github.advance_clock(Duration::from_mins(16));
    assert_eq!(poll(&late).await["error"], "expired_token");
}

/// A proof with these claims, signed by the key of the tests.
fn proof(claims: &Value) -> String {
    let digits: String = KEY.lines().filter(|line| !line.starts_with('-')).collect();
    let key = RsaKeyPair::from_pkcs8(&BASE64.decode(digits.as_bytes()).unwrap()).unwrap();
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!(
        "{}.{}",
        part(&json!({ "alg": "RS256", "typ": "JWT" })),
        part(claims)
    );
    let mut signature = vec![0; key.public().modulus_len()];
    let chance = SystemRandom::new();
    key.sign(
        &RSA_PKCS1_SHA256,
        &chance,
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}

/// A lab with an App on `ann/app`; the number of the installation, and what a good proof claims.
fn with_app() -> (Lab, u64, Value) {
    let lab = Lab::new();
    let github = lab.github();
    github.add_repository("ann/other", "ann");
    assert!(github.add_app(77, "hookherd", include_str!("app_key_public.pem")));
    let id = github.install_app(77, "ann", &["ann/app"]);
    let now_s = state::Ground::default().wall_now_s();
    (
        lab,
        id,
        json!({ "iat": now_s - 60, "exp": now_s + 500, "iss": "77" }),
    )
}

#[tokio::test]
async fn an_app_proves_itself_with_its_key_and_for_ten_minutes_at_most() {
    let (lab, id, good) = with_app();
    let now_s = state::Ground::default().wall_now_s();
    let list = lab
        .ask(Method::GET, &proof(&good), "app/installations", Value::Null)
        .await;
    let list: Value = list.json().await.unwrap();
    assert_eq!(list[0]["id"], id);
    assert_eq!(list[0]["account"]["login"], "ann");
    let path = format!("app/installations/{id}/access_tokens");
    for (name, value) in [
        ("exp", json!(now_s + 700)),
        ("exp", json!(now_s - 1)),
        ("iat", json!(now_s + 60)),
        ("iss", json!("79")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        let answer = lab.ask(Method::POST, &proof(&bad), &path, json!({})).await;
        assert_eq!(answer.status(), 401, "{bad}");
    }
    let forged = format!("{}A", proof(&good));
    assert_eq!(
        lab.ask(Method::POST, &forged, &path, json!({}))
            .await
            .status(),
        401
    );
    let github = lab.github();
    assert!(!github.add_app(78, "nonsense", "no key"));
    assert!(github.add_app(80, "again", include_str!("app_key_pkcs1.pem")));
    let other = json!({ "iat": now_s - 60, "exp": now_s + 500, "iss": 80 });
    let list = lab
        .ask(
            Method::GET,
            &proof(&other),
            "app/installations",
            Value::Null,
        )
        .await;
    assert_eq!(list.json::<Value>().await.unwrap(), json!([]));
}

#[tokio::test]
async fn the_token_of_an_installation_is_good_for_an_hour_and_its_repositories() {
    let (lab, id, good) = with_app();
    let github = lab.github();
    let path = format!("app/installations/{id}/access_tokens");
    let made = lab.ask(Method::POST, &proof(&good), &path, json!({})).await;
    assert_eq!(made.status(), 201);
    let token = made.json::<Value>().await.unwrap()["token"].clone();
    assert!(token.as_str().unwrap().starts_with("ghs_"));
    assert_eq!(lab.status(&token, "repos/ann/app/hooks").await, 200);
    assert_eq!(
        lab.status(&token, "repos/ann/other").await,
        404,
        "it is not installed there"
    );
    assert_eq!(lab.status(&token, "user").await, 403);
    let text = token.as_str().unwrap();
    let reach = lab
        .ask(Method::GET, text, "installation/repositories", Value::Null)
        .await;
    let reach: Value = reach.json().await.unwrap();
    assert_eq!(
        (
            &reach["total_count"],
            &reach["repositories"][0]["full_name"]
        ),
        (&json!(1), &json!("ann/app"))
    );
    let beyond = json!({ "repository_ids": [1] });
    assert_eq!(
        lab.ask(Method::POST, &proof(&good), &path, beyond)
            .await
            .status(),
        422
    );
    github.advance_clock(Duration::from_hours(1));
    assert_eq!(
        lab.status(&token, "repos/ann/app/hooks").await,
        401,
        "an hour is over"
    );
    let again = lab.ask(Method::POST, &proof(&good), &path, json!({})).await;
    let again = again.json::<Value>().await.unwrap()["token"].clone();
    github.uninstall_app(id);
    assert_eq!(lab.status(&again, "repos/ann/app/hooks").await, 401);
    assert_eq!(
        lab.ask(Method::POST, &proof(&good), &path, json!({}))
            .await
            .status(),
        404
    );
}
