//! What the provider says about an incident's failure.

use super::stage::{Stage, settings};
use crate::api::Settings;
use crate::domain::connection::LastError;
use crate::domain::error_code::ErrorCode;
use crate::domain::explanation::{self, Explanation, ExplanationState, Unread};
use crate::domain::tests::samples;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, Credential};
use crate::store::{Change, Read};
use serde_json::{Value, json};

impl Stage {
    /// Stores this explanation of the incident, and returns what is shown of it.
    fn explained(&self, of: Explanation) -> Value {
        let incident = self.store.incident(self.incident).ready().unwrap().unwrap();
        let explanation = Explanation {
            incident: incident.id,
            connection: self.connection.id,
            run: incident.ci.unwrap().run,
            ..of
        };
        self.commit(vec![Change::PutExplanation(Box::new(explanation))]);
        self.shown()
    }

    fn shown(&self) -> Value {
        let shown = self.owner.show(format!("incidents/{}", self.incident));
        shown["explanation"].clone()
    }
}

#[test]
fn an_incident_is_shown_with_its_explanation_to_its_owner_only() {
    let api = Stage::new();
    assert_eq!(api.shown(), Value::Null);
    let shown = api.explained(explanation::samples::explanation(1, 1));
    assert_eq!(shown["state"], "explained");
    let job = &shown["failed_jobs"][0];
    assert_eq!(job["steps"], json!(["Run make test"]));
    assert_eq!(job["log"], "make: *** [test] Error 1\n");
    assert_eq!(
        (&job["log_is_cut"], &job["log_missing"]),
        (&json!(true), &Value::Null)
    );
    let page = format!("https://github.com/{}", api.connection.full_name);
    assert_eq!(job["url"], format!("{page}/actions/runs/9001/job/11"));
    let sha = format!("{:040x}", 5);
    assert_eq!(
        shown["commit"],
        json!({
            "sha": sha, "title": "Add the cache", "author": "ann", "author_id": "4001",
            "url": format!("{page}/commit/{sha}"),
        })
    );
    assert_eq!(shown["pull_request"]["url"], format!("{page}/pull/17"));
    let passed = &shown["last_passed"];
    assert_eq!(passed["url"], format!("{page}/actions/runs/900001"));
    assert_eq!(shown["commits"].as_array().map(Vec::len), Some(2));
    let mut ann = json!({
        "author": "ann", "author_id": "4001", "user_id": null, "user": null, "commits": 2,
    });
    assert_eq!(shown["suspects"], json!([ann]), "a login says nothing");
    let theirs = |owner| Credential {
        account: Account {
            id: 4001,
            login: "renamed".into(),
        },
        ..samples::credential(4001, owner)
    };
    api.commit(vec![Change::PutCredential(theirs(api.foreign.user))]);
    assert_eq!(
        api.shown()["suspects"],
        json!([ann]),
        "others are not shown"
    );
    let owner = api.owner.user;
    api.commit(vec![Change::PutCredential(theirs(owner))]);
    ann["user_id"] = json!(owner.to_string());
    ann["user"] = api.owner.show("whoami")["name"].clone();
    assert_eq!(api.shown()["suspects"], json!([ann]));
    for who in [&api.foreign, &api.admin] {
        who.get(format!("incidents/{}", api.incident))
            .is(404, "not_found");
    }
    let listed = api.owner.show("incidents");
    assert!(listed["items"][0].get("explanation").is_none(), "{listed}");
}

#[test]
fn what_is_missing_has_its_reason_and_is_no_error() {
    let api = Stage::new();
    let mut lacking = explanation::samples::explanation(1, 1);
    let explained = lacking.explained.as_mut().unwrap();
    explained.jobs.as_mut().unwrap()[0].log = Err(Unread::Gone);
    explained.commit = Err(Unread::Failed);
    explained.request = Err(Unread::NotFound);
    explained.range = Err(Unread::NoPassedRun);
    let shown = api.explained(lacking);
    let job = &shown["failed_jobs"][0];
    assert_eq!(
        (&job["log"], &job["log_missing"]),
        (&Value::Null, &json!("gone"))
    );
    assert_eq!(shown["commit_missing"], "failed");
    assert_eq!(shown["pull_request_missing"], "not_found");
    assert_eq!(shown["commits_missing"], "no_passed_run");
    assert_eq!(
        (&shown["commits"], &shown["suspects"]),
        (&json!([]), &json!([]))
    );
    let error = LastError {
        code: ErrorCode::NoAccess,
        message: "No access.".into(),
        at: Timestamp(7),
    };
    let failed = Explanation {
        state: ExplanationState::Failed {
            error: error.clone(),
        },
        explained: None,
        ..explanation::samples::explanation(1, 1)
    };
    let shown = api.explained(failed);
    assert_eq!(
        (&shown["state"], &shown["error"]["code"]),
        (&json!("failed"), &json!("no_access"))
    );
    let pending = Explanation {
        state: ExplanationState::Pending {
            tries: 2,
            due_at: Timestamp(60_000),
            error: Some(error),
        },
        explained: None,
        ..explanation::samples::explanation(1, 1)
    };
    let shown = api.explained(pending);
    assert_eq!(
        (&shown["state"], &shown["due_at"]),
        (&json!("pending"), &json!("1970-01-01T00:01:00.000Z"))
    );
    assert_eq!(shown["failed_jobs"], json!([]));
}

#[test]
fn excerpts_that_are_switched_off_are_not_shown_either() {
    let api = Stage::with(Settings {
        log_excerpts: false,
        ..settings()
    });
    let shown = api.explained(explanation::samples::explanation(1, 1));
    let job = &shown["failed_jobs"][0];
    assert_eq!(
        (&job["log"], &job["log_missing"]),
        (&Value::Null, &json!("off"))
    );
    assert_eq!(job["steps"], json!(["Run make test"]));
}

#[test]
fn no_page_is_named_that_cannot_be_built() {
    let api = Stage::new();
    let mut odd = explanation::samples::explanation(1, 1);
    let explained = odd.explained.as_mut().unwrap();
    explained.commit.as_mut().unwrap().sha = "main".into();
    let shown = api.explained(odd);
    assert_eq!(shown["commit"]["url"], Value::Null);
    // The connection is forgotten with its explanations; what an older run says has no page.
    let run = api.store.incident(api.incident).ready().unwrap().unwrap();
    api.commit(vec![Change::ForgetRun(run.ci.unwrap().run)]);
    let shown = api.shown();
    assert_eq!(shown["failed_jobs"][0]["url"], Value::Null);
    api.commit(vec![Change::DeleteConnection(api.connection.id)]);
    assert_eq!(api.shown(), Value::Null);
}
