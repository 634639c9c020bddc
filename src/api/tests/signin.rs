//! Signing in, and the ways to abuse it: each attack on a sign-in (T20) and each leak of one (T21).

use super::provider::CLIENT_SECRET;
use super::stage::{Person, Stage, oauth_client};
use super::wire::{self, Reply};
use crate::api::signin::challenge;
use crate::domain::secret::OauthSecret;
use crate::provider::oauth::{GrantFailure, Grants};
use crate::store::Read;
use parking_lot::Mutex;
use std::io::Write;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// A sign-in that a browser began: the cookie it got, and where the provider sends it back to.
struct Browser {
    cookie: String,
    back: Url,
}

fn cookie_of(reply: &Reply) -> String {
    let set = reply.header("set-cookie").unwrap();
    set.split(';').next().unwrap().to_owned()
}

fn begin(api: &Stage, who: &Person) -> Browser {
    let reply = who.get("oauth/github/authorize");
    assert_eq!(reply.status, 303, "{reply:?}");
    Browser {
        cookie: cookie_of(&reply),
        back: api.provider.agree(reply.header("location").unwrap()),
    }
}

/// A parameter of an address.
fn of(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(n, _)| n == name);
    found.unwrap().1.into_owned()
}

/// An address with other parameters.
fn with(url: &Url, pairs: &[(&str, &str)]) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs);
    url
}

/// The browser follows the provider's redirect to us.
fn come_back(api: &Stage, back: &Url, cookie: Option<&str>) -> Reply {
    let line = format!("GET {}?{}", back.path(), back.query().unwrap_or_default());
    let headers: Vec<(&str, &str)> = cookie.map(|c| ("Cookie", c)).into_iter().collect();
    wire::send(api.at, &line, &headers, None)
}

impl Browser {
    fn comes_back(&self, api: &Stage) -> Reply {
        come_back(api, &self.back, Some(&self.cookie))
    }
}

fn credentials(api: &Stage, who: &Person) -> usize {
    api.store.credentials(who.user).ready().unwrap().len()
}

#[track_caller]
fn nothing_was_stored(api: &Stage) {
    let of = |who| credentials(api, who);
    let all = (of(&api.owner), of(&api.foreign), of(&api.admin));
    assert_eq!(all, (1, 0, 0), "the one of the stage");
}

#[test]
fn signing_in_ends_at_a_clean_address_with_a_credential_of_the_one_who_began() {
    let api = Stage::new();
    let reply = begin(&api, &api.foreign).comes_back(&api);
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
    let list = api.foreign.show("credentials");
    assert_eq!(list["items"][0]["kind"], "oauth");
    assert!(list["items"][0]["expires_at"].is_string());
}

#[test]
fn a_program_gets_the_page_instead_of_a_redirect() {
    let api = Stage::new();
    let path = "oauth/github/authorize?format=json&next=/connections";
    let reply = api.owner.get(path);
    assert_eq!(reply.status, 200);
    let back = api.provider.agree(&reply.text("authorize_url"));
    let reply = come_back(&api, &back, Some(&cookie_of(&reply)));
    assert_eq!(reply.header("location"), Some("/connections"));
}

#[test]
fn a_state_is_good_once() {
    let api = Stage::new();
    let page = api.foreign.get("oauth/github/authorize");
    let url = page.header("location").unwrap();
    let cookie = cookie_of(&page);
    let back = api.provider.agree(url);
    assert_eq!(come_back(&api, &back, Some(&cookie)).status, 303);
    // Nor with a new code.
    for back in [back, api.provider.agree(url)] {
        come_back(&api, &back, Some(&cookie)).is(400, "oauth_state");
    }
    assert_eq!(credentials(&api, &api.foreign), 1);
}

#[test]
fn a_state_expires_after_ten_minutes() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner);
    api.clock.advance(Duration::from_mins(10));
    browser.comes_back(&api).is(400, "oauth_state");
    nothing_was_stored(&api);
}

#[test]
fn a_sign_in_that_another_browser_began_is_refused_and_ended() {
    let api = Stage::new();
    // The attacker begins, and has the victim's browser finish: without a cookie, with one of a
    // sign-in of the victim's own, and with a forged value under the right name.
    for cookie in ["", "victim's", "forged"] {
        let attackers = begin(&api, &api.foreign);
        let victims = begin(&api, &api.owner);
        let name = attackers.cookie.split('=').next().unwrap();
        let cookie = match cookie {
            "" => None,
            "forged" => Some(format!("{name}=forged")),
            _ => Some(victims.cookie.clone()),
        };
        come_back(&api, &attackers.back, cookie.as_deref()).is(400, "oauth_state");
        // And the right cookie comes too late: the state was shown around.
        attackers.comes_back(&api).is(400, "oauth_state");
    }
    nothing_was_stored(&api);
}

#[test]
fn made_up_missing_and_doubled_states_are_all_alike() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner);
    let (path, query) = (browser.back.path(), browser.back.query().unwrap());
    let state = of(&browser.back, "state");
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
    assert_eq!(browser.comes_back(&api).status, 303);
}

#[test]
fn a_code_of_another_sign_in_cannot_be_slipped_in() {
    let api = Stage::new();
    // The attacker's code was made for the attacker's challenge.
    let attackers = begin(&api, &api.foreign);
    let victims = begin(&api, &api.owner);
    let (code, state) = (of(&attackers.back, "code"), of(&victims.back, "state"));
    let back = with(&victims.back, &[("code", &code), ("state", &state)]);
    let reply = come_back(&api, &back, Some(&victims.cookie));
    reply.is(422, "oauth_refused");
    nothing_was_stored(&api);
}

#[test]
fn a_code_is_worth_nothing_without_its_verifier_and_redirect() {
    let api = Stage::new();
    let back = "http://127.0.0.1:8080/api/v2/oauth/github/callback";
    let elsewhere = "http://127.0.0.1:8080/api/v2/oauth/github/callback/";
    for (verifier, redirect) in [("wrong", back), ("-", back), ("right", elsewhere)] {
        let client = oauth_client(&api.provider);
        let page = client.authorize_url("s", &challenge("right"), back);
        let code = of(&api.provider.agree(page.as_str()), "code");
        let code = OauthSecret::new(code).unwrap();
        let verifier = OauthSecret::new(verifier.into()).unwrap();
        let refused = actix_web::rt::System::new()
            .block_on(client.exchange(&code, &verifier, redirect))
            .unwrap_err();
        let expected = [GrantFailure::Refused, GrantFailure::Misconfigured];
        assert!(expected.contains(&refused.failure), "{refused:?}");
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
        let reply = api.owner.get(format!("oauth/github/authorize?next={next}"));
        reply.is(400, "bad_query");
    }
}

#[test]
fn the_state_of_one_provider_is_none_of_another() {
    let api = Stage::new();
    let other = |change: &dyn Fn(&mut Url)| {
        let mut browser = begin(&api, &api.owner);
        change(&mut browser.back);
        browser.comes_back(&api)
    };
    let issuer = |url: &mut Url, name: &str| {
        url.query_pairs_mut().append_pair("iss", name);
    };
    other(&|back| back.set_path("/api/v2/oauth/gitlab/callback")).is(400, "oauth_state");
    other(&|back| issuer(back, "https://evil.example")).is(400, "oauth_state");
    nothing_was_stored(&api);
    let own = other(&|back| issuer(back, api.provider.url.as_str()));
    assert_eq!(own.status, 303);
}

#[test]
fn a_user_who_denies_access_gets_an_error() {
    let api = Stage::new();
    let browser = begin(&api, &api.owner);
    let pairs = [
        ("error", "access_denied"),
        ("error_description", "canary <script>"),
        ("state", &*of(&browser.back, "state")),
    ];
    let back = with(&browser.back, &pairs);
    let reply = come_back(&api, &back, Some(&browser.cookie));
    reply.is(403, "oauth_denied");
    assert!(!reply.body.contains("canary"));
    nothing_was_stored(&api);
}

#[test]
fn a_device_is_asked_for_by_its_user_only_and_not_too_often() {
    let api = Stage::new();
    let path = format!("oauth/github/device/{}", api.device);
    let device = |who: &Person| who.post(&path, "");
    let answers = ["authorization_pending", "slow_down"];
    api.provider.answers_devices(&answers);
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
    let other = format!("oauth/gitlab/device/{}", api.device);
    api.owner.post(other, "").is(404, "not_found");
    let connected = device(&api.owner).json();
    assert_eq!(connected["status"], "connected");
    assert_eq!(connected["credential"]["kind"], "oauth");
    assert_eq!(credentials(&api, &api.owner), 2);
    device(&api.owner).is(404, "not_found");
}

#[test]
fn a_device_that_is_denied_or_too_late_is_forgotten() {
    for (word, status, code) in [
        ("access_denied", 403, "oauth_denied"),
        ("expired_token", 410, "oauth_expired"),
    ] {
        let api = Stage::new();
        api.provider.answers_devices(&[word]);
        api.clock.advance(Duration::from_secs(6));
        let path = format!("oauth/github/device/{}", api.device);
        api.owner.post(&path, "").is(status, code);
        api.owner.post(&path, "").is(404, "not_found");
        nothing_was_stored(&api);
    }
}

#[test]
fn what_is_not_configured_is_answered_as_such() {
    let api = Stage::new();
    let gitlab = api.owner.get("oauth/gitlab/authorize");
    gitlab.is(422, "unknown_provider");
    let unknown = api.owner.get("oauth/bitbucket/authorize");
    unknown.is(404, "not_found");
    let installation = r#"{"provider":"github","installation":"77"}"#;
    let refused = api.admin.post("credentials", installation);
    refused.is(422, "oauth_not_configured");
    let both = r#"{"provider":"github","token":"t","installation":"7"}"#;
    for bad in [r#"{"provider":"github"}"#, both] {
        api.admin.post("credentials", bad).is(400, "bad_json");
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
    assert_eq!(begin(&api, &api.owner).comes_back(&api).status, 303);
    let browser = begin(&api, &api.owner);
    let state = of(&browser.back, "state");
    let pairs = [("code", "canary-code-wrong"), ("state", &state)];
    let bad = with(&browser.back, &pairs);
    come_back(&api, &bad, Some(&browser.cookie)).is(422, "oauth_refused");
    tracing::info!("the log is written to");
    let text = String::from_utf8_lossy(&log.0.lock()).into_owned();
    assert!(text.contains("the log is written to"));
    let cookie = browser.cookie.split('=').nth(1).unwrap();
    let tokens = ["canary-code", "canary-access", "canary-refresh"];
    for secret in tokens.into_iter().chain([CLIENT_SECRET, &state, cookie]) {
        assert!(!text.contains(secret), "{secret} was logged");
    }
}

#[test]
fn sharing_is_its_owners_choice() {
    let api = Stage::new();
    let path = format!("credentials/{}", api.credential);
    let share = |who: &Person| who.patch(&path, r#"{"is_shared":true}"#);
    share(&api.foreign).is(404, "not_found");
    share(&api.admin).is(404, "not_found");
    assert_eq!(share(&api.owner).json()["is_shared"], true);
    // To no other user it is there, shared or not.
    let list = api.foreign.show("credentials");
    assert_eq!(list["items"].as_array().unwrap().len(), 0);
    api.foreign.delete(&path).is(404, "not_found");
}
