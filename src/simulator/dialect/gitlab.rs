//! GitLab's REST API below `/api/v4`, as far as projects and their hooks go.

mod answer;
mod asked;
mod code;
mod events;
mod hooks;
pub(super) mod oauth;
mod operation;
mod people;
mod pipelines;
mod projects;
mod spaces;

use super::answer::Answer;
use super::params::Params;
use super::wrong;
use crate::simulator::sender;
use crate::simulator::shared::Shared;
use crate::simulator::state::gitlab::{State, TokenKind};
use actix_web::{HttpRequest, HttpResponse};
use answer::{Gitlab, error, insufficient_scope, invalid_token, too_many, unauthorized};
use asked::{Asked, Step, bearer, header};
use operation::Operation;
use std::sync::Arc;

/// What was asked in this minute, and how much may be; nothing where that is unbounded.
type Budget = Option<(u32, u32)>;

/// A part of a path without its escapes.
fn decoded(part: &str) -> String {
    // A plus is a plus in a path.
    let pair = format!("part={}", part.replace('+', "%2B").replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Answers any request of the API.
pub(super) async fn handle(
    shared: &Arc<Shared>,
    request: &HttpRequest,
    body: &[u8],
) -> HttpResponse {
    let path = request.uri().path();
    let path = path.strip_prefix("/api/v4").unwrap_or(path);
    let parts: Vec<String> = path
        .split('/')
        .filter(|p| !p.is_empty())
        .map(decoded)
        .collect();
    let operation = Operation::of(request.method(), &parts);
    let host = wrong::host_of(request);
    let voice = Gitlab(shared.ground.wall_now_s());
    let fault = match wrong::before(shared, operation.name(), &host, &voice).await {
        Ok(fault) => fault,
        Err(refused) => return refused,
    };
    let begun = begin(&mut shared.gitlab(), request, operation, &parts, body);
    let (step, budget) = match begun {
        Ok(begun) => begun,
        Err(refused) => (Step::Say(refused), Budget::default()),
    };
    let answer = match step {
        Step::Say(answer) => answer,
        Step::Send(job, say) => {
            let outcome = sender::deliver(shared, &(*job).into()).await;
            say(&outcome)
        }
    };
    let answer = with_rate(answer, budget, voice.0);
    if let Some(failed) = wrong::after(fault, &voice, &answer).await {
        return failed;
    }
    answer.into_tagged_response(known(request))
}

/// The tag of what the client has already.
fn known(request: &HttpRequest) -> Option<&str> {
    request.headers().get("if-none-match")?.to_str().ok()
}

fn begin(
    state: &mut State,
    request: &HttpRequest,
    operation: Operation,
    parts: &[String],
    body: &[u8],
) -> Result<(Step, Budget), Answer> {
    let (token, login) = check(state, request, operation)?;
    let count = state.count_request(&login);
    let limit = state.requests_per_minute;
    let budget = limit.map(|limit| (count, limit));
    if limit.is_some_and(|limit| count > limit) {
        return Ok((Step::Say(too_many(state.ground.wall_now_s(), 60)), budget));
    }
    let query = request.query_string();
    let step = match Params::of_request(request, body) {
        Err(refused) => Step::Say(refused),
        Ok(params) => {
            let rest = parts.get(2..).unwrap_or_default();
            let asked = Asked {
                operation,
                rest,
                params,
                query,
                login,
                token,
            };
            act(state, &asked, parts)
        }
    };
    Ok((step, budget))
}

/// With what is left of the minute's requests.
fn with_rate(answer: Answer, budget: Budget, now_s: u64) -> Answer {
    let Some((count, limit)) = budget else {
        return answer;
    };
    let remaining = limit.saturating_sub(count);
    if answer.has("ratelimit-remaining") {
        return answer.with("ratelimit-limit", limit.to_string());
    }
    answer
        .with("ratelimit-limit", limit.to_string())
        .with("ratelimit-name", "throttle_authenticated_api".into())
        .with("ratelimit-observed", count.to_string())
        .with("ratelimit-remaining", remaining.to_string())
        .with("ratelimit-reset", ((now_s / 60 + 1) * 60).to_string())
}

/// What every request must have; the token and the login that it stands for.
fn check(
    state: &State,
    request: &HttpRequest,
    operation: Operation,
) -> Result<(String, String), Answer> {
    let private = header(request, "private-token");
    let text = private
        .or_else(|| bearer(request))
        .ok_or_else(unauthorized)?;
    let token = state.tokens.get(text).ok_or_else(unauthorized)?;
    if private.is_some() && token.kind == TokenKind::Oauth {
        return Err(unauthorized());
    }
    if token.is_revoked {
        let words = "Token was revoked. You have to re-authorize from the user.";
        return Err(invalid_token(words));
    }
    if token.expires_at_s.is_some_and(|at_s| at_s <= state.now_s()) {
        let words = "Token is expired. You can either do re-authorization or token refresh.";
        return Err(invalid_token(words));
    }
    let wanted = operation.scopes();
    let may = wanted.is_empty() || token.scopes.iter().any(|s| wanted.contains(&s.as_str()));
    if !may {
        return Err(insufficient_scope(&wanted.join(" ")));
    }
    Ok((text.to_owned(), token.login.clone()))
}

/// What the path names.
fn named(parts: &[String]) -> &str {
    parts.get(1).map_or("", String::as_str)
}

fn act(state: &mut State, asked: &Asked<'_>, parts: &[String]) -> Step {
    match asked.operation {
        Operation::User => Step::Say(people::user(state, &asked.login)),
        Operation::TokenSelf => Step::Say(people::token(state, &asked.token)),
        Operation::Version => Step::Say(people::version(state)),
        Operation::Projects => Step::Say(projects::list(state, asked)),
        Operation::Group => Step::Say(spaces::group(state, asked, named(parts))),
        Operation::Users => Step::Say(spaces::users(state, asked)),
        Operation::NamespaceExists => Step::Say(spaces::exists(state, named(parts))),
        Operation::Unknown => Step::Say(error(404, "404 Not Found")),
        Operation::ListPipelines
        | Operation::GetPipeline
        | Operation::PipelineJobs
        | Operation::PipelineBridges
        | Operation::PipelineVariables
        | Operation::JobTrace
        | Operation::GetBranch
        | Operation::ListCommits
        | Operation::GetCommit
        | Operation::CommitRequests
        | Operation::MergeRequest => Step::Say(match projects::find(state, asked, named(parts)) {
            Ok(id) => pipelines::act(state, id, asked),
            Err(answer) => answer,
        }),
        Operation::Project
        | Operation::ListHooks
        | Operation::CreateHook
        | Operation::GetHook
        | Operation::UpdateHook
        | Operation::DeleteHook
        | Operation::TestHook
        | Operation::ListEvents
        | Operation::Resend => match projects::find(state, asked, named(parts)) {
            Err(answer) => Step::Say(answer),
            Ok(id) if asked.operation == Operation::Project => {
                Step::Say(projects::show(state, id, &asked.login))
            }
            Ok(id) => hooks::act(state, id, asked),
        },
    }
}
