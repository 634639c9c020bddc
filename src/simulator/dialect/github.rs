//! GitHub's REST API, as far as hooks go. Also below `/api/v3`, as an Enterprise Server has it.

mod answer;
mod apps;
pub(super) mod code;
mod hooks;
pub(super) mod oauth;
mod operation;
mod runs;
mod scope;

use super::wrong;
use crate::simulator::payload::github as payload;
use crate::simulator::sender;
use crate::simulator::shared::Shared;
use crate::simulator::state::github::{Job, RATE_LIMIT, RATE_WINDOW_S, State};
use actix_web::{HttpRequest, HttpResponse};
use answer::{Answer, Github, error, ok};
use operation::{Asked, Operation, Place, parse};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The API versions that are understood.
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// Answers any request of the API.
pub(super) async fn handle(
    shared: &Arc<Shared>,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let path = request
        .path()
        .strip_prefix("/api/v3")
        .unwrap_or(request.path());
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let (operation, place, rest) = parse(request.method(), &segments);
    let host = wrong::host_of(request);
    let voice = Github(shared.ground.wall_now_s());
    let fault = match wrong::before(shared, operation.name(), &host, &voice).await {
        Ok(fault) => fault,
        Err(refused) => return refused,
    };
    let (answer, jobs) = {
        let mut state = shared.github();
        let body = serde_json::from_slice(body).unwrap_or(Value::Null);
        let query = request.query_string();
        match check(&mut state, request, operation) {
            Err(refused) => (refused, Vec::new()),
            Ok(Caller::App(proof)) => {
                let state = &mut state;
                let said = apps::proven(state, operation, proof, &segments, query, &body);
                (said, Vec::new())
            }
            Ok(Caller::Token(login, reach)) => {
                let asked = Asked {
                    operation,
                    place,
                    rest,
                    query,
                    body,
                    login,
                    token: bearer(request).unwrap_or_default().to_owned(),
                    reach,
                };
                let (said, jobs) = act(&mut state, &asked);
                (scope::with_scopes(said, &state, &asked), jobs)
            }
        }
    };
    sender::send(shared, jobs);
    if let Some(failed) = wrong::after(fault, &voice, &answer).await {
        return failed;
    }
    let remaining = remaining(&shared.github(), request, operation);
    let known = request
        .headers()
        .get("if-none-match")
        .and_then(|tag| tag.to_str().ok());
    answer::with_rate(answer, remaining, voice.0).into_tagged_response(known)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get("authorization")?.to_str().ok()?;
    value
        .strip_prefix("Bearer ")
        .or_else(|| value.strip_prefix("token "))
}

/// The calls that are left, and for how many seconds. Without a known token it is the limit of an
/// address, 60 an hour; an App has as many as any token.
fn remaining(state: &State, request: &HttpRequest, operation: Operation) -> (u32, u64) {
    const OF_AN_ADDRESS: u32 = 60;
    let unknown = if operation.is_of_an_app() {
        RATE_LIMIT
    } else {
        OF_AN_ADDRESS
    };
    bearer(request)
        .and_then(|token| state.tokens.get(token))
        .map_or((unknown, RATE_WINDOW_S), |token| {
            let ends_in_s = token.resets_at_s.saturating_sub(state.now_s());
            (token.remaining, ends_in_s)
        })
}

/// Who asks.
enum Caller<'a> {
    /// An App, with what is to prove it.
    App(&'a str),
    /// Whom a token stands for, and what an installation's token reaches.
    Token(String, Option<BTreeSet<u64>>),
}

/// What every request must have; who asks.
fn check<'a>(
    state: &mut State,
    request: &'a HttpRequest,
    operation: Operation,
) -> Result<Caller<'a>, Answer> {
    if request.headers().get("user-agent").is_none() {
        return Err(error(403, "Request forbidden by administrative rules."));
    }
    let version = request
        .headers()
        .get("x-github-api-version")
        .and_then(|v| v.to_str().ok());
    if version.is_some_and(|version| !VERSIONS.contains(&version)) {
        return Err(error(410, "This API version is no longer supported"));
    }
    if operation.is_of_an_app() {
        let proof = bearer(request).ok_or_else(|| error(401, "Requires authentication"))?;
        return Ok(Caller::App(proof));
    }
    let now_s = state.now_s();
    let token = bearer(request).and_then(|token| state.tokens.get_mut(token));
    let token = token.filter(|token| token.expires_at_s.is_none_or(|at_s| at_s > now_s));
    let token = token.ok_or_else(|| error(401, "Bad credentials"))?;
    if !token.spend(now_s) {
        let reset_s = token.resets_at_s - now_s;
        return Err(answer::rate_limited(state.ground.wall_now_s(), reset_s));
    }
    let reach = token.installation.clone().map(|(_, reach)| reach);
    Ok(Caller::Token(token.login.clone(), reach))
}

/// The repository that is meant, or where it is now.
fn find(state: &State, place: Place<'_>, below: &str) -> Result<u64, Answer> {
    match place {
        Place::None => Err(error(404, "Not Found")),
        Place::Numbered(id) => {
            let id = id
                .parse()
                .ok()
                .filter(|id| state.repositories.contains_key(id));
            id.ok_or_else(|| error(404, "Not Found"))
        }
        Place::Named(owner, name) => {
            let full_name = format!("{owner}/{name}");
            if let Some(id) = state.find(&full_name) {
                return Ok(id);
            }
            match state.old_names.get(&full_name.to_ascii_lowercase()) {
                Some(id) => Err(answer::moved(&format!(
                    "{}/repositories/{id}{below}",
                    state.api_url()
                ))),
                None => Err(error(404, "Not Found")),
            }
        }
    }
}

/// The same, as far as the token reaches.
fn reached(state: &State, asked: &Asked<'_>) -> Result<u64, Answer> {
    // A redirect leads to the same place below the repository.
    let mut below = asked
        .rest
        .iter()
        .fold(String::new(), |path, part| path + "/" + part);
    if !asked.query.is_empty() {
        below = below + "?" + asked.query;
    }
    let id = find(state, asked.place, &below)?;
    let is_there = asked.reach.as_ref().is_none_or(|reach| reach.contains(&id));
    is_there
        .then_some(id)
        .ok_or_else(|| error(404, "Not Found"))
}

fn act(state: &mut State, asked: &Asked<'_>) -> (Answer, Vec<Job>) {
    let plain = |answer| (answer, Vec::new());
    let of_people = [Operation::User, Operation::Repositories];
    if asked.reach.is_some() && of_people.contains(&asked.operation) {
        return plain(error(403, "Resource not accessible by integration"));
    }
    match asked.operation {
        Operation::User => plain(ok(200, payload::account(state, &asked.login))),
        Operation::Account => {
            let login = asked.rest.first().copied().unwrap_or_default();
            plain(match state.owner(login) {
                Some(login) => ok(200, payload::account(state, &login)),
                None => error(404, "Not Found"),
            })
        }
        Operation::Repositories => {
            let ids = state.repositories.keys();
            let all = ids
                .map(|id| payload::repository(state, *id, &asked.login))
                .collect();
            let base = format!("{}/user/repos", state.api_url());
            plain(answer::page(all, asked.query, &base))
        }
        Operation::RateLimit => plain(ok(200, payload::rate_limit(state))),
        Operation::Versions => plain(ok(200, json!(VERSIONS))),
        Operation::InstallationRepositories => plain(apps::repositories(state, asked)),
        Operation::Unknown
        | Operation::App
        | Operation::Installations
        | Operation::Installation
        | Operation::InstallationToken => plain(error(404, "Not Found")),
        Operation::Repository => plain(match reached(state, asked) {
            Ok(id) => ok(200, payload::repository(state, id, &asked.login)),
            Err(answer) => answer,
        }),
        Operation::ListRuns
        | Operation::GetRun
        | Operation::GetRunAttempt
        | Operation::ListJobs
        | Operation::ListAttemptJobs
        | Operation::ListWorkflows
        | Operation::ListWorkflowRuns
        | Operation::JobLog
        | Operation::Compare
        | Operation::ListCommits
        | Operation::CommitPulls => plain(match reached(state, asked) {
            Ok(id) => runs::act(state, id, asked),
            Err(answer) => answer,
        }),
        Operation::ListHooks
        | Operation::CreateHook
        | Operation::GetHook
        | Operation::UpdateHook
        | Operation::DeleteHook
        | Operation::GetConfig
        | Operation::UpdateConfig
        | Operation::PingHook
        | Operation::TestHook
        | Operation::ListDeliveries
        | Operation::GetDelivery
        | Operation::Redeliver => match reached(state, asked) {
            // Without the scope there is nothing, as without the right.
            Ok(_) if !scope::suffices(state, asked) => plain(error(404, "Not Found")),
            Ok(id) => hooks::act(state, id, asked),
            Err(answer) => plain(answer),
        },
    }
}
