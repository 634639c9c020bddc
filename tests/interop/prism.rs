//! GitHub's own `OpenAPI` description, enforced by prism.

use crate::client::{access, github, mark, spec, target};
use crate::tools::Tool;
use hookherd::domain::id::HookId;
use hookherd::provider::{CheckReport, Hooks};

/// The hook in GitHub's examples.
const EXAMPLE_HOOK: HookId = HookId(12_345_678);
const EXAMPLE_URL: &str = "https://example.com/webhook";
const SECRET: &str = "a-secret-of-forty-characters-or-so-xxxxx";

/// What did not fit, of what was asked.
fn refused(prism: &Tool) -> Vec<String> {
    let mut violations = prism.violations();
    violations.retain(|violation| violation.starts_with("request"));
    violations
}

/// Every operation of our client is asked of a server that is nothing but GitHub's description:
/// it refuses what the description does not allow, and answers with GitHub's own examples.
#[tokio::test]
async fn all_that_our_client_asks_fits_githubs_description_and_it_understands_the_answers() {
    let prism = Tool::prism_mock("prism-mock");
    let github = github(prism.url());
    let access = access("ghp_interop");
    let target = target("octocat/Hello-World");
    let ours = spec("https://hooks.example/api/v2/webhooks/github/key", SECRET);
    let theirs = spec(EXAMPLE_URL, SECRET);

    let who = github.identity(&access).await.expect("user");
    assert_eq!((who.account.login.as_str(), who.account.id), ("octocat", 1));
    let (reachable, more) = github.repositories(&access, 1).await.expect("repositories");
    assert_eq!(reachable[0].full_name.as_str(), "octocat/Hello-World");
    assert!(!more, "the example has no second page");
    let found = github
        .repository(&access, &target)
        .await
        .expect("repository");
    assert_eq!(found.expect("it is there").id.0, 1_296_269);

    let made = github
        .ensure(&access, &target, None, &ours)
        .await
        .expect("create");
    assert!(made.created);
    assert_eq!(made.hook, EXAMPLE_HOOK);
    let adopted = github
        .ensure(&access, &target, None, &theirs)
        .await
        .expect("adopt");
    assert!(!adopted.created);
    assert_eq!(adopted.hook, EXAMPLE_HOOK);

    let seen = github
        .check(&access, &target, EXAMPLE_HOOK, &theirs, None)
        .await
        .expect("check");
    // The example's hook has other events and no secret.
    let drift = CheckReport::Drifted {
        fields: vec!["events", "secret"],
        former_address: None,
    };
    assert_eq!(seen.report, drift);
    github
        .repair(&access, &target, EXAMPLE_HOOK, &theirs)
        .await
        .expect("repair");
    github
        .ping(&access, &target, EXAMPLE_HOOK)
        .await
        .expect("ping");
    // Prism lists its example for ever: that it was deleted is not believed.
    let deleted = github
        .delete(&access, &target, None, &mark(EXAMPLE_URL))
        .await;
    let error = deleted.expect_err("still listed");
    assert_eq!(error.code.as_str(), "bad_answer");

    let log = prism.log();
    assert_eq!(refused(&prism), Vec::<String>::new());
    for asked in ["get /user ", "post ", "patch ", "delete ", "/pings "] {
        assert!(log.contains(asked), "nobody asked {asked}:\n{log}");
    }
}

/// A repository that was renamed is asked for by its id, on the one path that `openapi.mjs` adds.
#[tokio::test]
async fn asking_by_id_fits_what_the_description_says_about_asking_by_name() {
    let prism = Tool::prism_mock("prism-by-id");
    let mut renamed = target("octocat/Hello-World");
    renamed.repository = Some(hookherd::domain::repo::RepositoryId(77));
    // The example has another id, so what comes of it does not matter here.
    let _ = github(prism.url())
        .repository(&access("ghp_interop"), &renamed)
        .await;
    let log = prism.log();
    assert!(log.contains("get /repositories/77 "), "{log}");
    assert_eq!(refused(&prism), Vec::<String>::new());
}

/// Without this, the tests above could pass because nothing is checked.
#[tokio::test]
async fn prism_does_refuse_what_the_description_does_not_allow() {
    let prism = Tool::prism_mock("prism-control");
    let url = format!("{}/repos/octocat/Hello-World/hooks", prism.url());
    let client = crate::client::plain();
    let ask = client.post(url).header("content-type", "application/json");
    let answer = ask
        .body(r#"{"events":"push"}"#)
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 422);
    assert_eq!(refused(&prism).len(), 1, "{}", prism.log());
}
