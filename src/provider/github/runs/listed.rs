//! Runs as lists have them, and how they are read.

use crate::domain::delivery::Payload;
use crate::domain::lane::{Code, Lane};
use crate::domain::repo::Repository;
use crate::domain::rule::Verdict;
use crate::domain::run::{Family, RunStatus};
use crate::domain::time::Timestamp;
use crate::provider::access::ProviderError;
use crate::provider::dialect::Asked;
use crate::provider::github::decode::{run_in, status_of};
use crate::provider::github::dialect::Talk;
use crate::provider::github::errors;
use crate::provider::http::Answer;
use crate::provider::latest::{Latest, latest};
use crate::provider::logs::ListedRun;
use crate::provider::payload::moment_of;
use crate::provider::reading::changed_at;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A page of runs.
#[derive(Deserialize)]
struct RunsBody<'a> {
    #[serde(borrow)]
    workflow_runs: Vec<&'a RawValue>,
}

/// What is needed of a run to tell it from others.
#[derive(Debug, Deserialize)]
pub(super) struct RunHead {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) run_number: u64,
    pub(super) run_attempt: Option<u32>,
    pub(super) status: Option<String>,
    pub(super) conclusion: Option<String>,
    created_at: Option<String>,
    /// When the attempt began.
    run_started_at: Option<String>,
    updated_at: Option<String>,
    triggering_actor: Option<ActorBody>,
    actor: Option<ActorBody>,
}

/// A person or a bot.
#[derive(Debug, Deserialize)]
struct ActorBody {
    login: Option<String>,
}

/// What a run is the latest of: workflow and lane, see ADR 14. `None` for one that cannot be
/// decoded.
pub(super) type Kind = Option<(String, Lane)>;

impl RunHead {
    pub(super) fn is_over(&self) -> bool {
        self.conclusion
            .as_deref()
            .is_some_and(|word| !word.is_empty())
    }

    pub(super) fn run_status(&self) -> RunStatus {
        let words = (self.conclusion.as_deref(), self.status.as_deref());
        status_of(words.0, words.1, Some(self.action()))
    }

    /// The person or bot of the last attempt.
    pub(super) fn sender(&self) -> Option<&str> {
        let mut all = [&self.triggering_actor, &self.actor].into_iter().flatten();
        all.find_map(|actor| actor.login.as_deref())
    }

    pub(super) fn created_at(&self) -> Option<Timestamp> {
        moment_of(self.created_at.as_deref()?)
    }

    pub(super) fn updated_at(&self) -> Option<Timestamp> {
        moment_of(self.updated_at.as_deref()?)
    }

    /// When it changed, in a list since a moment that is read now. Each time may be missing.
    pub(super) fn at(&self, of_list: (Option<Timestamp>, Timestamp)) -> Timestamp {
        let began = self.run_started_at.as_deref().and_then(moment_of);
        let other = began.or_else(|| self.created_at());
        changed_at(self.updated_at(), other, of_list)
    }

    /// Whether it may have changed, or was created, since.
    pub(super) fn is_of(&self, since: Timestamp) -> bool {
        let is_since = |at| at >= since;
        self.updated_at().is_none_or(is_since) || self.created_at().is_some_and(is_since)
    }

    /// Whether this attempt began before. Then the attempts before it had ended.
    pub(super) fn began_before(&self, at: Timestamp) -> bool {
        let began = self.run_started_at.as_deref().and_then(moment_of);
        began.is_some_and(|began| began < at)
    }

    /// The action of the event that would tell of this state.
    pub(super) fn action(&self) -> &'static str {
        match self.status.as_deref() {
            _ if self.is_over() => "completed",
            Some("completed") => "completed",
            Some("in_progress") => "in_progress",
            Some(_) | None => "requested",
        }
    }
}

/// A run as it was listed.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) head: RunHead,
    json: Arc<str>,
    pub(super) kind: Kind,
    /// Its branch, if the code is the repository's own.
    pub(super) own_branch: Option<String>,
}

impl Listed {
    /// Its kind is that of the event that would tell of it.
    pub(super) fn read(json: &RawValue, repository: &Repository) -> Result<Self, ProviderError> {
        let head: RunHead = serde_json::from_str(json.get())
            .map_err(|_| errors::bad_answer("not the expected JSON"))?;
        let told = event("workflow_run", head.action(), json, &head, repository);
        let facts = run_in(&told.body).map(|run| run.facts);
        let own_branch = facts.as_ref().and_then(|facts| {
            let branch = facts.branch.clone();
            branch.filter(|_| facts.code == Code::Own)
        });
        Ok(Self {
            head,
            json: Arc::from(json.get()),
            kind: facts.map(|facts| (facts.workflow_key, facts.lane)),
            own_branch,
        })
    }
}

pub(super) fn read_runs(
    answer: &Answer,
    repository: &Repository,
) -> Result<Vec<Listed>, ProviderError> {
    let odd = |_| errors::bad_answer("not the expected JSON");
    let page: RunsBody<'_> = serde_json::from_slice(&answer.body).map_err(odd)?;
    let runs = page.workflow_runs.into_iter();
    runs.map(|json| Listed::read(json, repository)).collect()
}

/// The latest of these, by their kinds.
pub(super) fn latest_of(runs: &[Listed]) -> Latest<Kind> {
    let seen = |run: &Listed| (run.kind.clone(), run.head.run_number, run.head.run_status());
    latest(&runs.iter().map(seen).collect::<Vec<_>>())
}

/// The runs of a list since a moment that is read now. Each failed one that is the last of its kind
/// to decide among them is to be read with its jobs.
pub(super) fn listed(runs: &[Listed], of_list: (Option<Timestamp>, Timestamp)) -> Vec<ListedRun> {
    let deciding = latest_of(runs).deciding;
    let failed: Vec<usize> = deciding
        .into_values()
        .filter(|(_, verdict)| *verdict == Verdict::Failed)
        .map(|(at, _)| at)
        .collect();
    let named = |(at, Listed { head, json, .. }): (usize, &Listed)| ListedRun {
        id: head.id,
        family: Family::Actions,
        attempt: Some(head.run_attempt.unwrap_or(1)),
        status: head.run_status(),
        at: head.at(of_list),
        with_jobs: failed.contains(&at),
        item: Arc::clone(json),
    };
    runs.iter().enumerate().map(named).collect()
}

/// An event about a run or a job of this repository, from what the API says of it. The event's
/// name is that of its part, too.
pub(super) fn event(
    name: &str,
    action: &str,
    json: &RawValue,
    run: &RunHead,
    repository: &Repository,
) -> Payload {
    let about = serde_json::json!({
        "id": repository.id.0, "full_name": repository.full_name.as_str(),
        "default_branch": repository.default_branch,
    });
    let sender = serde_json::json!({ "login": run.sender() });
    let json = json.get();
    let body = format!(
        r#"{{"action":"{action}","{name}":{json},"repository":{about},"sender":{sender}}}"#
    );
    Payload {
        headers: vec![("x-github-event".to_owned(), name.to_owned())],
        body: body.into(),
    }
}

pub(super) fn runs_path(repository: &Repository) -> String {
    format!("repos/{}/actions/runs", repository.full_name)
}

pub(super) async fn get(
    s: &mut Talk<'_>,
    path: &str,
    repository: &Repository,
) -> Result<Answer, ProviderError> {
    let answer = s.get(s.url(path)).await?;
    match answer.status.as_u16() {
        200 => Ok(answer),
        _ => Err(errors::refusal(&answer, Asked::Runs(&repository.full_name))),
    }
}
