//! Signing in, and the ways to abuse it: each attack on a sign-in (T20) and each leak of one (T21).

use super::provider::CLIENT_SECRET;
use super::stage::{Person, Stage};
use super::wire::{self, Reply};
use crate::domain::secret::OauthSecret;
use crate::provider::oauth::{GrantFailure, Grants};
use crate::store::Read;
use parking_lot::Mutex;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// A sign-in that a browser began: the cookie it got, and where it was sent.
struct Browser {
    cookie: String,
    authorize_url: String,
}

fn begin(api: &Stage, who: &Person, query: &str) -> Browser {
    let line = format!("GET /api/v2/oauth/github/authorize{query}");
    let reply = api.call(Some(who), &line, None);
    assert_eq!(reply.status, 303, "{reply:?}");
    let set = reply.header("set-cookie").unwrap();
    Browser {
        cookie: set.split(';').next().unwrap().to_owned(),
        authorize_url: reply.header("location").unwrap().to_owned(),
    }
}

/// The browser follows the provider's redirect to us.
fn come_back(api: &Stage, back: &Url, cookie: Option<&str>) -> Reply {
    let line = format!("GET {}?{}", back.path(), back.query().unwrap_or_default());
    let headers: Vec<(&str, &str)> = cookie.map(|c| ("Cookie", c)).into_iter().collect();
    wire::send(api.at, &line, &headers, None)
}

fn credentials(api: &Stage, who: &Person) -> usize {
    api.store.credentials(who.user).ready().unwrap().len()
}

/// Nothing came of it, for anybody.
#[track_caller]
fn nothing_was_stored(api: &Stage) {
    assert_eq!(credentials(api, &api.owner), 1, "the one of the stage");
    assert_eq!(credentials(api, &api.foreign), 0);
    assert_eq!(credentials(api, &api.admin), 0);
}

#[test]
fn signing_in_ends_at_a_clean_address_with_a_credential_of_whoever_began() {
    let api = Stage::new();
    let browser = begin(&api, &api.foreign, "");
    let back = api.provider.agree(&browser.authorize_url);
    let reply = come_back(&api, &back, Some(&browser.cookie));
    assert_eq!(reply.status, 303, "{reply:?}");
    let location = reply.header("location").unwrap();
    assert_eq!(location, "http://127.0.0.1:8080/api/v2/oauth/github/done");
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    assert!(!format!("{reply:?}").contains("canary"), "{reply:?}");
    assert_eq!(credentials(&api, &api.foreign), 1);
    assert_eq!(credentials(&api, &api.owner), 1);
    let done = wire::send(api.at, "GET /api/v2/oauth/github/done", &[], None);
    assert_eq!(done.status, 200);

    let list = api
        .call(Some(&api.foreign), "GET /api/v2/credentials", None)
        .json();
    assert_eq!(list["items"][0]["kind"], "oauth");
    assert!(list["items"][0]["expires_at"].is_string());
}

#[test]
fn a_program_gets_the_page_instead_of_a_redirect() {
    let api = Stage::new();
    let line = "GET /api/v2/oauth/github/authorize?format=json&next=/connections";
    let reply = api.call(Some(&api.owner), line, None);
    assert_eq!(reply.status, 200);
    let url = reply.json()["authorize_url"].as_str().unwrap().to_owned();
    let cookie = reply
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let back = api.provider.agree(&url);
    let reply = come_back(&api, &back, Some(&cookie));
    assert_eq!(reply.header("location"), Some("/connections"));
}

#[test]
fn a_state_is_good_once() {
    let api = Stage::new();
    let browser = begin(&api, &api.foreign, "");
    let back = api.provider.agree(&browser.authorize_url);
    assert_eq!(come_back(&api, &back, Some(&browser.cookie)).status, 303);
    let again = come_back(&api, &back, Some(&browser.cookie));
    again.is(400, "oauth_state");
    // Nor with a new code.
    let fresh = api.provider.agree(&browser.authorize_url);
    come_back(&api, &fresh, Some(&browser.cookie)).is(400, "oauth_state");
    assert_eq!(credentials(&api, &api.foreign), 1);
}

#[test]
fn a_state_is_over_after_ten_minutes() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let back = api.provider.agree(&browser.authorize_url);
    api.clock.advance(Duration::from_mins(10));
    come_back(&api, &back, Some(&browser.cookie)).is(400, "oauth_state");
    nothing_was_stored(&api);
}

#[test]
fn a_sign_in_that_another_browser_began_is_refused_and_over() {
    let api = Stage::new();
    // The attacker begins, and has the victim's browser finish: without a cookie, and with one
    // of a sign-in of the victim's own.
    for with_a_cookie in [false, true] {
        let attackers = begin(&api, &api.foreign, "");
        let victims = begin(&api, &api.owner, "");
        let back = api.provider.agree(&attackers.authorize_url);
        let cookie = with_a_cookie.then_some(victims.cookie.as_str());
        come_back(&api, &back, cookie).is(400, "oauth_state");
        // And the right cookie comes too late: the state was shown around.
        come_back(&api, &back, Some(&attackers.cookie)).is(400, "oauth_state");
    }
    nothing_was_stored(&api);
}

#[test]
fn the_cookies_value_counts_and_not_only_its_name() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let back = api.provider.agree(&browser.authorize_url);
    let name = browser.cookie.split('=').next().unwrap();
    come_back(&api, &back, Some(&format!("{name}=forged"))).is(400, "oauth_state");
    nothing_was_stored(&api);
}

#[test]
fn made_up_missing_and_doubled_states_are_all_alike() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let back = api.provider.agree(&browser.authorize_url);
    let (path, query) = (back.path(), back.query().unwrap());
    let state = back
        .query_pairs()
        .find(|(n, _)| n == "state")
        .unwrap()
        .1
        .into_owned();
    for query in [
        String::new(),
        "code=x".into(),
        "code=x&state=".into(),
        "code=x&state=made-up".into(),
        format!("code=x&state={}", "A".repeat(43)),
        format!("{query}&state={state}"),
        format!("{query}&code=other"),
    ] {
        let line = format!("GET {path}?{query}");
        let cookie = [("Cookie", browser.cookie.as_str())];
        wire::send(api.at, &line, &cookie, None).is(400, "oauth_state");
    }
    nothing_was_stored(&api);
    assert_eq!(come_back(&api, &back, Some(&browser.cookie)).status, 303);
}

#[test]
fn a_code_of_another_sign_in_cannot_be_slipped_in() {
    let api = Stage::new();
    // The attacker's code was made for the attacker's challenge.
    let attackers = begin(&api, &api.foreign, "");
    let theirs = api.provider.agree(&attackers.authorize_url);
    let code = theirs
        .query_pairs()
        .find(|(n, _)| n == "code")
        .unwrap()
        .1
        .into_owned();
    let victims = begin(&api, &api.owner, "");
    let mut back = api.provider.agree(&victims.authorize_url);
    let state = back
        .query_pairs()
        .find(|(n, _)| n == "state")
        .unwrap()
        .1
        .into_owned();
    back.query_pairs_mut()
        .clear()
        .append_pair("code", &code)
        .append_pair("state", &state);
    let reply = come_back(&api, &back, Some(&victims.cookie));
    reply.is(422, "oauth_refused");
    nothing_was_stored(&api);
}

#[test]
fn a_code_is_worth_nothing_without_its_verifier_and_redirect() {
    let api = Stage::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.unwrap();
    let back = "http://127.0.0.1:8080/api/v2/oauth/github/callback";
    let elsewhere = "http://127.0.0.1:8080/api/v2/oauth/github/callback/";
    for (verifier, redirect) in [("wrong", back), ("-", back), ("right", elsewhere)] {
        let client = super::stage::oauth_client(&api.provider);
        let challenge = crate::api::signin::challenge("right");
        let page = client.authorize_url("s", &challenge, back);
        let agreed = api.provider.agree(page.as_str());
        let code = agreed
            .query_pairs()
            .find(|(n, _)| n == "code")
            .unwrap()
            .1
            .into_owned();
        let code = OauthSecret::new(code).unwrap();
        let verifier = OauthSecret::new(verifier.into()).unwrap();
        let refused = runtime.block_on(client.exchange(&code, &verifier, redirect));
        let failure = refused.unwrap_err().failure;
        assert!(matches!(
            failure,
            GrantFailure::Refused | GrantFailure::Misconfigured
        ));
    }
    // Without any verifier: our client cannot be made to send that.
    assert!(OauthSecret::new(String::new()).is_err());
}

#[test]
fn nobody_is_sent_elsewhere_afterwards() {
    let api = Stage::new();
    for next in [
        "//evil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "https://evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "/%09/evil.example",
        "/%0A/evil.example",
        "evil.example",
        "",
    ] {
        let line = format!("GET /api/v2/oauth/github/authorize?next={next}");
        api.call(Some(&api.owner), &line, None).is(400, "bad_query");
    }
}

#[test]
fn the_state_of_one_provider_is_none_of_another() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let mut back = api.provider.agree(&browser.authorize_url);
    back.set_path("/api/v2/oauth/gitlab/callback");
    come_back(&api, &back, Some(&browser.cookie)).is(400, "oauth_state");

    let browser = begin(&api, &api.owner, "");
    let mut back = api.provider.agree(&browser.authorize_url);
    back.query_pairs_mut()
        .append_pair("iss", "https://evil.example");
    come_back(&api, &back, Some(&browser.cookie)).is(400, "oauth_state");
    nothing_was_stored(&api);

    let browser = begin(&api, &api.owner, "");
    let mut back = api.provider.agree(&browser.authorize_url);
    let own = api.provider.url.as_str().to_owned();
    back.query_pairs_mut().append_pair("iss", &own);
    assert_eq!(come_back(&api, &back, Some(&browser.cookie)).status, 303);
}

#[test]
fn a_user_who_denies_access_gets_an_error() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let mut back = api.provider.agree(&browser.authorize_url);
    let state = back
        .query_pairs()
        .find(|(n, _)| n == "state")
        .unwrap()
        .1
        .into_owned();
    back.query_pairs_mut()
        .clear()
        .append_pair("error", "access_denied")
        .append_pair("error_description", "canary <script>")
        .append_pair("state", &state);
    let reply = come_back(&api, &back, Some(&browser.cookie));
    reply.is(403, "oauth_denied");
    assert!(!reply.body.contains("canary"));
    nothing_was_stored(&api);
}

#[test]
fn a_device_is_asked_for_by_its_user_only_and_not_too_often() {
    let api = Stage::new();
    let device = |who: &Person| {
        let line = format!("POST /api/v2/oauth/github/device/{}", api.device);
        api.call(Some(who), &line, None)
    };
    api.provider
        .tells_devices(&["authorization_pending", "slow_down"]);
    device(&api.foreign).is(404, "not_found");
    device(&api.admin).is(404, "not_found");
    // Too early: it is not passed on.
    assert_eq!(device(&api.owner).json()["status"], "pending");
    assert_eq!(api.provider.polls(), 0);
    api.clock.advance(Duration::from_secs(6));
    assert_eq!(device(&api.owner).json()["interval"], 5);
    assert_eq!(device(&api.owner).json()["interval"], 5);
    assert_eq!(api.provider.polls(), 1);
    api.clock.advance(Duration::from_secs(6));
    assert_eq!(device(&api.owner).json()["interval"], 10, "slower");
    api.clock.advance(Duration::from_secs(11));
    let other = format!("POST /api/v2/oauth/gitlab/device/{}", api.device);
    api.call(Some(&api.owner), &other, None)
        .is(404, "not_found");
    let connected = device(&api.owner).json();
    assert_eq!(connected["status"], "connected");
    assert_eq!(connected["credential"]["kind"], "oauth");
    assert_eq!(credentials(&api, &api.owner), 2);
    device(&api.owner).is(404, "not_found");
}

#[test]
fn a_device_that_is_denied_or_too_late_is_over() {
    for (word, status, code) in [
        ("access_denied", 403, "oauth_denied"),
        ("expired_token", 410, "oauth_expired"),
    ] {
        let api = Stage::new();
        api.provider.tells_devices(&[word]);
        api.clock.advance(Duration::from_secs(6));
        let line = format!("POST /api/v2/oauth/github/device/{}", api.device);
        api.call(Some(&api.owner), &line, None).is(status, code);
        api.call(Some(&api.owner), &line, None).is(404, "not_found");
        nothing_was_stored(&api);
    }
}

#[test]
fn a_provider_without_a_client_says_so() {
    let api = Stage::new();
    let line = "GET /api/v2/oauth/gitlab/authorize";
    api.call(Some(&api.owner), line, None)
        .is(422, "unknown_provider");
    let line = "GET /api/v2/oauth/bitbucket/authorize";
    api.call(Some(&api.owner), line, None).is(404, "not_found");
}

#[test]
fn an_installation_of_the_app_is_for_admins() {
    let api = Stage::new();
    let line = "POST /api/v2/credentials";
    let body = Some(r#"{"provider":"github","installation":"77"}"#);
    api.call(Some(&api.owner), line, body).is(403, "forbidden");
    api.call(Some(&api.admin), line, body)
        .is(422, "oauth_not_configured");
    for bad in [
        r#"{"provider":"github"}"#,
        r#"{"provider":"github","token":"t","installation":"7"}"#,
    ] {
        api.call(Some(&api.admin), line, Some(bad))
            .is(400, "bad_json");
    }
}

/// Everything that is logged in this process, by whatever test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    });
    log.clone()
}

#[test]
fn no_log_holds_a_code_a_token_or_a_state() {
    let log = log();
    let api = Stage::new();
    let browser = begin(&api, &api.owner, "");
    let back = api.provider.agree(&browser.authorize_url);
    assert_eq!(come_back(&api, &back, Some(&browser.cookie)).status, 303);
    let browser = begin(&api, &api.owner, "");
    let mut bad = api.provider.agree(&browser.authorize_url);
    let state = bad
        .query_pairs()
        .find(|(n, _)| n == "state")
        .unwrap()
        .1
        .into_owned();
    bad.query_pairs_mut()
        .clear()
        .append_pair("code", "canary-code-wrong")
        .append_pair("state", &state);
    come_back(&api, &bad, Some(&browser.cookie)).is(422, "oauth_refused");
    tracing::info!("the log is written to");
    let text = String::from_utf8_lossy(&log.0.lock()).into_owned();
    assert!(text.contains("the log is written to"));
    let cookie = browser.cookie.split('=').nth(1).unwrap().to_owned();
    let forbidden = [
        "canary-code",
        "canary-access",
        "canary-refresh",
        CLIENT_SECRET,
        &state,
        &cookie,
    ];
    for secret in forbidden {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}

#[test]
fn sharing_is_its_owners_choice() {
    let api = Stage::new();
    let line = format!("PATCH /api/v2/credentials/{}", api.credential);
    let share = Some(r#"{"is_shared":true}"#);
    api.call(Some(&api.foreign), &line, share)
        .is(404, "not_found");
    api.call(Some(&api.admin), &line, share)
        .is(404, "not_found");
    let shared: Value = api.call(Some(&api.owner), &line, share).json();
    assert_eq!(shared["is_shared"], true);
    // To nobody else it is there, shared or not.
    let list = api
        .call(Some(&api.foreign), "GET /api/v2/credentials", None)
        .json();
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    let one = format!("DELETE /api/v2/credentials/{}", api.credential);
    api.call(Some(&api.foreign), &one, None)
        .is(404, "not_found");
}
