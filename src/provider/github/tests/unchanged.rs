//! Checks that only ask whether the hooks have changed.

use super::*;
use crate::domain::connection;
use crate::domain::repo::Instance;
use crate::domain::time::{Clock, Timestamp};
use crate::provider::Checked;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

/// A clock that a test moves.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A server with a list of hooks and its tag, and a client.
struct Scene {
    server: Server,
    github: Github,
    clock: Arc<Hands>,
    listed: Arc<Mutex<(Value, String)>>,
}

impl Scene {
    async fn set() -> Self {
        let listed = Arc::new(Mutex::new((json!([hook(7, URL)]), "\"1\"".to_owned())));
        let shown = Arc::clone(&listed);
        let server = serving(move |seen| {
            let (hooks, tag) = shown.lock().clone();
            if seen.path != LIST {
                return answer(404, &json!({}));
            }
            let is_known = seen.head.contains(&format!("if-none-match: {tag}\r\n"));
            if is_known {
                return Reply::Answer(304, format!("etag: {tag}\r\n"), String::new());
            }
            with(200, &[("etag", &tag)], &hooks)
        })
        .await;
        let clock = Arc::new(Hands(AtomicI64::new(1_700_000_000_000)));
        let github = client(&server, &clock, &access().instance);
        Self {
            server,
            github,
            clock,
            listed,
        }
    }

    /// A check, and how many requests it took.
    async fn check(
        &self,
        (access, target, spec): (&Access, &Target, &HookSpec),
        seen: Option<&connection::Seen>,
    ) -> (Checked, usize) {
        let before = self.server.seen().len();
        let hook = HookId(7);
        let checked = self.github.check(access, target, hook, spec, seen).await;
        (checked.unwrap(), self.server.seen().len() - before)
    }

    async fn usual(&self, seen: Option<&connection::Seen>) -> (Checked, usize) {
        self.check((&access(), &target(), &spec()), seen).await
    }

    fn pass(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    fn changes(&self, hooks: Value) {
        *self.listed.lock() = (hooks, "\"2\"".to_owned());
    }
}

/// A client that has no answers in memory, as after a restart.
fn client(server: &Server, clock: &Arc<Hands>, instance: &Instance) -> Github {
    Github::new(
        &swift(&server.url),
        Arc::clone(clock) as Arc<dyn Clock>,
        instance,
    )
    .unwrap()
}

#[tokio::test]
async fn a_check_of_what_did_not_change_is_one_conditional_request_also_after_a_restart() {
    let mut scene = Scene::set().await;
    let (first, requests) = scene.usual(None).await;
    assert_eq!((first.report, requests), (CheckReport::Intact, 2));
    let seen = first.seen.expect("it has a tag");
    for _ in 0..3 {
        scene.github = client(&scene.server, &scene.clock, &access().instance);
        scene.pass(Duration::from_hours(5));
        let (again, requests) = scene.usual(Some(&seen)).await;
        assert_eq!((&again.report, requests), (&CheckReport::Intact, 1));
        assert_eq!((again.repository, again.seen), (None, Some(seen.clone())));
        let asked = scene.server.seen().pop().unwrap();
        assert_eq!(asked.line(), format!("GET {LIST}"));
        assert!(asked.head.contains("if-none-match: \"1\""));
    }
}

#[tokio::test]
async fn drift_and_loss_are_found_as_ever() {
    let scene = Scene::set().await;
    let seen = scene.usual(None).await.0.seen;
    let mut off = hook(7, URL);
    off["active"] = json!(false);
    scene.changes(json!([off]));
    let (found, _) = scene.usual(seen.as_ref()).await;
    assert_eq!((found.report, found.seen), (drifted(&["active"]), None));
    scene.changes(json!([hook(7, URL), hook(8, URL)]));
    let (found, _) = scene.usual(seen.as_ref()).await;
    assert_eq!((found.report, found.seen), (drifted(&["copies"]), None));
    scene.changes(json!([]));
    let (found, _) = scene.usual(seen.as_ref()).await;
    assert_eq!((found.report, found.seen), (CheckReport::Missing, None));
}

#[tokio::test]
async fn a_tag_proves_nothing_about_anything_else_and_nothing_after_a_day() {
    let scene = Scene::set().await;
    let seen = scene.usual(None).await.0.seen.unwrap();
    let complete = |found: (Checked, usize)| found.0.repository.is_some() && found.1 >= 2;
    let (right, there, wanted) = (access(), target(), spec());
    assert!(!complete(scene.usual(Some(&seen)).await));

    // Other settings, another address, another revision.
    for change in [
        |spec: &mut HookSpec| spec.events.push("release".into()),
        |spec: &mut HookSpec| spec.url = format!("https://new.example{MARK}"),
        |spec: &mut HookSpec| spec.revision = 2,
    ] {
        let mut other = wanted.clone();
        change(&mut other);
        let found = scene.check((&right, &there, &other), Some(&seen)).await;
        assert!(complete(found));
    }
    // Another token, and a repository whose number is not known.
    let other = scripted::access(ProviderKind::Github, "ghp_another");
    let found = scene.check((&other, &there, &wanted), Some(&seen)).await;
    assert!(complete(found));
    let unknown = Target {
        repository: None,
        ..there.clone()
    };
    let found = scene.check((&right, &unknown, &wanted), Some(&seen)).await;
    assert!(complete(found));
    // Another hook than the one that was seen.
    let checking = scene
        .github
        .check(&right, &there, HookId(9), &wanted, Some(&seen));
    assert_eq!(checking.await.unwrap().report, CheckReport::Missing);
    // Time, also one that went back.
    scene.pass(Duration::from_hours(24));
    assert!(complete(scene.usual(Some(&seen)).await));
    let back = connection::Seen {
        at: Timestamp(seen.at.0 + 1_000_000_000_000),
        ..seen
    };
    assert!(complete(scene.usual(Some(&back)).await));
}

#[tokio::test]
async fn another_name_is_noticed_though_the_list_is_the_same() {
    let moved = "/repos/new/name/hooks?per_page=100";
    let is_renamed = Arc::new(AtomicBool::new(false));
    let renamed = Arc::clone(&is_renamed);
    let server = Server::start(move |seen| {
        let is_known = seen.head.contains("if-none-match: \"1\"");
        match (seen.line().as_str(), renamed.load(Ordering::SeqCst)) {
            ("GET /repos/o/r", false) => answer(200, &repo()),
            ("GET /repos/o/r", true) => with(301, &[("location", "/repositories/1")], &json!({})),
            ("GET /repositories/1", _) => answer(200, &json!({"id": 1, "full_name": "new/name"})),
            ("GET /repos/o/r/hooks?per_page=100", true) => {
                with(301, &[("location", moved)], &json!({}))
            }
            // The same list has the same tag.
            (_, _) if is_known => Reply::Answer(304, String::new(), String::new()),
            (_, _) => with(200, &[("etag", "\"1\"")], &json!([hook(7, URL)])),
        }
    })
    .await;
    let (github, right, there, wanted) = (github(&server), access(), target(), spec());
    let check = async |seen| {
        let checking = github.check(&right, &there, HookId(7), &wanted, seen);
        checking.await.unwrap()
    };
    let seen = check(None).await.seen.unwrap();
    assert_eq!(check(Some(&seen)).await.repository, None);
    is_renamed.store(true, Ordering::SeqCst);
    let checked = check(Some(&seen)).await;
    assert_eq!(checked.report, CheckReport::Intact);
    let name = checked.repository.map(|found| found.full_name.to_string());
    assert_eq!(name.as_deref(), Some("new/name"));
}

#[tokio::test]
async fn a_list_of_several_pages_or_without_a_tag_is_read_every_time() {
    let next = "<https://h/x?page=2>; rel=\"next\"";
    let server = serving(move |seen| {
        if seen.path.ends_with("&page=2") {
            answer(200, &json!([hook(7, URL)]))
        } else {
            with(200, &[("etag", "\"1\""), ("link", next)], &json!([]))
        }
    })
    .await;
    let seen = github(&server)
        .check(&access(), &target(), HookId(7), &spec(), None)
        .await;
    assert_eq!(seen.unwrap().seen, None);
    let server = listing(json!([hook(7, URL)])).await;
    let seen = github(&server)
        .check(&access(), &target(), HookId(7), &spec(), None)
        .await;
    assert_eq!(seen.unwrap().seen, None);
}
