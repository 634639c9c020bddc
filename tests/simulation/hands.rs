//! Scenarios 8, 10 and 11 of the list of reliability scenarios: people delete hooks, change their
//! secrets and their settings at the provider, behind the daemon's back.

use crate::daemon::CHECK_EVERY;
use crate::scene::Scene;
use crate::virtually;
use hookherd::actor::{Asking, Connections};
use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::WebhookStatus;
use hookherd::domain::error_code::ErrorCode;
use hookherd::domain::history::{EntryKind, Evidence, Reaction};
use hookherd::domain::incident::{Incident, IncidentStatus};
use hookherd::domain::repo::ProviderKind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);
/// Signs like one of GitLab's, and like any of GitHub's.
const THEIRS: &str = "whsec_dGhpcyBzZWNyZXQgaXMgbm90IG9uZSBvZiBvdXJzISE=";

impl Scene {
    async fn asks(&self, kind: CommandKind) {
        let connection = self.stored().expect("it is connected");
        let actors = self.world.actors().expect("the daemon runs");
        let asking = Asking {
            connection: connection.id,
            owner: connection.owner,
            asked_by: connection.owner,
            kind,
        };
        actors.ask(asking).await.expect("it is accepted");
    }

    /// The incident about the hook, if there is one.
    fn about_the_hook(&self) -> Option<Incident> {
        let is_it = |it: &Incident| it.failure_type == "hook_suspended";
        self.incidents().into_iter().find(is_it)
    }

    /// A person deletes the hook, and the daemon notices it.
    async fn loses_its_hook(&mut self) {
        let (hook, lost) = (self.hooks()[0].id, self.told(EntryKind::Lost));
        self.delete_by_hand(hook);
        self.until("it is noticed", |it| it.told(EntryKind::Lost) > lost)
            .await;
    }

    /// It was noticed, and recreated once.
    async fn is_recreated(&mut self, times: u32) {
        let made = self.made();
        self.loses_its_hook().await;
        self.ends_with_one_hook().await;
        assert_eq!(self.made(), made + 1);
        let told = [EntryKind::Lost, EntryKind::Recreated].map(|kind| self.told(kind));
        assert_eq!(told, [times, times], "{:?}", self.history());
    }
}

async fn is_deleted_three_times(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    for times in 1..=2 {
        scene.is_recreated(times).await;
        assert!(scene.about_the_hook().is_none());
        scene.world.pass(8 * HOUR).await;
    }
    let made = scene.made();
    scene.loses_its_hook().await;
    let begun = scene.now();
    scene.world.pass(48 * HOUR).await;
    // It waits for a person.
    assert_eq!((scene.hooks().len(), scene.made()), (0, made));
    assert!(scene.writes(begun).is_empty(), "{:?}", scene.writes(begun));
    let stored = scene.stored().expect("it stays");
    assert_eq!(stored.webhook_status(), WebhookStatus::Suspended);
    let suspended = scene.history().into_iter();
    let mut suspended = suspended.filter(|it| it.kind == EntryKind::Suspended);
    let entry = suspended.next().expect("it is in the history");
    let code = entry.code.expect("it says why");
    assert_eq!(code.as_str(), "hook_deleted_repeatedly");
    assert_eq!(entry.reaction, Reaction::AskUser);
    let incident = scene.about_the_hook().expect("it is told");
    assert_eq!(
        (incident.status, incident.occurrences),
        (IncidentStatus::Open, 1)
    );
    let step = "Resume when it is allowed to stay.";
    assert!(incident.title.ends_with(step), "{}", incident.title);
    // The person takes the step.
    scene.asks(CommandKind::SetEnabled(true)).await;
    scene.ends_with_one_hook().await;
    assert_eq!(scene.made(), made + 1);
    let resolved = scene.about_the_hook().expect("it is kept");
    assert_eq!(resolved.status, IncidentStatus::Resolved);
}

#[test]
fn scenario_08_a_hook_deleted_by_hand_is_recreated_and_the_third_time_in_a_day_a_person_is_asked() {
    for provider in ProviderKind::ALL {
        virtually(|| is_deleted_three_times(provider));
    }
}

#[test]
fn scenario_08_a_hook_that_is_deleted_less_often_is_recreated_each_time() {
    for provider in ProviderKind::ALL {
        virtually(|| async move {
            let mut scene = Scene::connected(provider).await;
            for times in 1..=6 {
                scene.is_recreated(times).await;
                scene.world.pass(13 * HOUR).await;
            }
            assert!(scene.about_the_hook().is_none());
        });
    }
}

/// The hook with these settings, except for some.
fn settings(provider: ProviderKind, url: &str, other: &Value) -> Value {
    let mut body = match provider {
        // What is not named of `config` goes.
        ProviderKind::Github => json!({ "config": {
            "url": url, "content_type": "json", "insecure_ssl": "0", "secret": THEIRS,
        }}),
        ProviderKind::Gitlab => json!({ "url": url }),
    };
    for (name, value) in other.as_object().expect("an object") {
        let is_top = body.get(name).is_some() || ["active", "events"].contains(&name.as_str());
        match body.get_mut("config") {
            Some(config) if !is_top => config[name] = value.clone(),
            Some(_) | None => body[name] = value.clone(),
        }
    }
    body
}

/// The requests to the provider that a suspicion causes, in order.
fn is_of_inquiry(method: &str, path: &str) -> Option<&'static str> {
    let is_test = path.ends_with("/pings") || path.contains("/test/");
    match method {
        "POST" if is_test => Some("ping"),
        "PATCH" | "PUT" => Some("write"),
        "POST" | "DELETE" => Some("other"),
        _ => None,
    }
}

async fn has_another_secret(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let url = scene.hooks()[0].url.clone();
    let (ours, begun) = (scene.hooks()[0].secret.clone(), scene.now());
    let other = match provider {
        ProviderKind::Github => json!({ "secret": THEIRS }),
        ProviderKind::Gitlab => json!({ "token": THEIRS, "signing_token": THEIRS }),
    };
    scene.edits(&settings(provider, &url, &other)).await;
    assert_ne!(scene.hooks()[0].secret, ours);
    let accepted = scene.world.network.accepted.borrow().len();
    // What is signed with the other secret is refused, until ours is back.
    let mut answers = Vec::new();
    for number in 1.. {
        answers.extend(scene.delivers(number).await);
        if scene.hooks()[0].secret == ours {
            break;
        }
        let now = scene.world.network.accepted.borrow().len();
        assert_eq!(now, accepted, "none of it is accepted");
        assert!(scene.incidents().is_empty());
        scene.world.pass(Duration::from_secs(5)).await;
    }
    let refused = answers.iter().filter(|it| [401, 403].contains(*it)).count();
    assert!((3..100).contains(&refused), "{answers:?}");
    let inquiry = scene.requests(begun);
    let inquiry = inquiry
        .iter()
        .filter_map(|it| is_of_inquiry(&it.method, &it.path));
    let inquiry: Vec<_> = inquiry.collect();
    println!("{provider}: {refused} refused, {inquiry:?}");
    assert_eq!(inquiry, ["ping", "write"], "a ping is tried first");
    assert_eq!(scene.told(EntryKind::Rewritten), 1, "{:?}", scene.history());
    // It signs with ours again, and what was refused is recovered.
    scene.ends_with_one_hook().await;
    scene.world.pass(HOUR).await;
    let after = scene.delivers(5000).await;
    assert!(!after.is_empty());
    assert!(after.iter().all(|it| (200..300).contains(it)), "{after:?}");
    assert!(!scene.incidents().is_empty());
}

#[test]
fn scenario_10_a_secret_changed_by_hand_is_never_accepted_and_tested_by_ping_and_written_again() {
    for provider in ProviderKind::ALL {
        virtually(|| has_another_secret(provider));
    }
}

/// A setting that a person changes: its name in the history, and what it is changed to.
type Setting = (&'static str, Value);

fn changes(provider: ProviderKind) -> Vec<Setting> {
    match provider {
        ProviderKind::Github => vec![
            ("content_type", json!("form")),
            ("insecure_ssl", json!("1")),
            ("active", json!(false)),
            ("events", json!(["push"])),
        ],
        ProviderKind::Gitlab => vec![
            ("enable_ssl_verification", json!(false)),
            ("pipeline_events", json!(false)),
            ("job_events", json!(true)),
            ("push_events_branch_filter", json!("release/*")),
            ("signing_token", json!("")),
        ],
    }
}

async fn is_changed_in_each_way(provider: ProviderKind) {
    let mut scene = Scene::connected(provider).await;
    let (hook, changes) = (scene.hooks()[0].clone(), changes(provider));
    for which in 1..1_u32 << changes.len() {
        let of_bit = (0..)
            .zip(&changes)
            .filter(|(bit, _)| which & (1 << bit) != 0);
        let chosen: Vec<&Setting> = of_bit.map(|(_, change)| change).collect();
        let names: BTreeSet<&str> = chosen.iter().map(|(name, _)| *name).collect();
        let other = chosen
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let body = settings(provider, &hook.url, &other.collect());
        let begun = scene.now();
        scene.edits(&body).await;
        scene.world.pass(2 * CHECK_EVERY).await;
        let complaints = scene.world.complaints_of_hooks();
        assert!(complaints.is_empty(), "{names:?}: {complaints:?}");
        assert_eq!((scene.hooks().len(), scene.hooks()[0].id), (1, hook.id));
        // One write, and both what was found and what was done are reported.
        assert_eq!(
            scene.writes(begun).len(),
            1,
            "{names:?}: {:?}",
            scene.writes(begun)
        );
        let history = scene.history();
        let [.., drifted, repaired] = &history[..] else {
            panic!("{history:?}");
        };
        let kinds = (
            drifted.kind,
            drifted.evidence,
            drifted.reaction,
            repaired.kind,
        );
        let (drift, repair) = (EntryKind::Drifted, EntryKind::Repaired);
        assert_eq!(kinds, (drift, Evidence::Check, Reaction::Repair, repair));
        let told: BTreeSet<&str> = drifted.fields.iter().map(String::as_str).collect();
        assert_eq!(told, names);
        let is_unverified =
            names.contains("insecure_ssl") || names.contains("enable_ssl_verification");
        let alarm = drifted.code.map(ErrorCode::as_str);
        assert_eq!(
            alarm,
            is_unverified.then_some("tls_not_verified"),
            "{drifted:?}"
        );
    }
}

#[test]
fn scenario_11_each_combination_of_changed_settings_is_restored_and_unverified_tls_is_said() {
    for provider in ProviderKind::ALL {
        virtually(|| is_changed_in_each_way(provider));
    }
}
