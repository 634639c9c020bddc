//! Hooks of a project, with the traps that the real ones have.

use super::answer::{error, page, refused, too_often};
use super::asked::{Asked, Step};
use super::events;
use super::operation::Operation;
use crate::simulator::dialect::answer::{Answer, empty, ok};
use crate::simulator::dialect::params::Params;
use crate::simulator::payload::gitlab::{api_time, push};
use crate::simulator::sender::key_of;
use crate::simulator::state::gitlab::{EVENTS, Event, Hook, MAINTAINER, State};
use crate::simulator::transport::Outcome;
use serde_json::{Value, json};

/// Flags that a hook has had only since a version.
const FLAGS_SINCE: [(&str, u16, u16); 3] = [
    ("resource_access_token_events", 16, 10),
    ("resource_deploy_token_events", 18, 6),
    ("milestone_events", 17, 7),
];

fn say(answer: Answer) -> Step {
    Step::Say(answer)
}

pub(super) fn act(state: &mut State, project: u64, asked: &Asked<'_>) -> Step {
    let members = &state.projects[&project].members;
    let level = members.get(&asked.login).copied().unwrap_or(0);
    if level < MAINTAINER {
        return say(error(403, "403 Forbidden"));
    }
    if asked.operation == Operation::ListHooks {
        return say(list(state, project, asked));
    }
    if asked.operation == Operation::CreateHook {
        return say(create(state, project, &asked.params));
    }
    let id: Option<u64> = asked.rest.get(1).and_then(|id| id.parse().ok());
    let Some(id) = id else {
        return say(refused(400, "hook_id is invalid"));
    };
    let Some(hook) = state.projects[&project].hooks.get(&id).cloned() else {
        return say(error(404, "404 Not found"));
    };
    of_one(state, project, hook, asked)
}

fn of_one(state: &mut State, project: u64, hook: Hook, asked: &Asked<'_>) -> Step {
    match asked.operation {
        Operation::GetHook => say(ok(200, shown(state, project, &hook))),
        Operation::UpdateHook => say(update(state, project, hook, &asked.params)),
        Operation::DeleteHook => {
            if let Some(project) = state.projects.get_mut(&project) {
                project.hooks.remove(&hook.id);
            }
            say(empty(204))
        }
        Operation::TestHook if state.is_since(16, 11) => test(state, project, &hook, asked),
        Operation::ListEvents if state.is_since(17, 3) => {
            say(events::list(state, project, &hook, asked))
        }
        Operation::Resend if state.is_since(17, 4) => events::resend(state, project, &hook, asked),
        Operation::TestHook
        | Operation::ListEvents
        | Operation::Resend
        | Operation::User
        | Operation::TokenSelf
        | Operation::Version
        | Operation::Projects
        | Operation::Group
        | Operation::Users
        | Operation::NamespaceExists
        | Operation::Project
        | Operation::ListHooks
        | Operation::CreateHook
        | Operation::ListPipelines
        | Operation::GetPipeline
        | Operation::PipelineJobs
        | Operation::PipelineBridges
        | Operation::JobTrace
        | Operation::GetBranch
        | Operation::ListCommits
        | Operation::GetCommit
        | Operation::CommitRequests
        | Operation::PipelineVariables
        | Operation::MergeRequest
        | Operation::Unknown => say(error(404, "404 Not Found")),
    }
}

fn list(state: &State, project: u64, asked: &Asked<'_>) -> Answer {
    let hooks = state.projects[&project].hooks.values();
    let all = hooks.map(|hook| shown(state, project, hook)).collect();
    let url = format!("{}/api/v4/projects/{project}/hooks", state.ground.url());
    page(all, asked.query, &url)
}

/// A hook as the API shows it: without its secrets.
fn shown(state: &State, project: u64, hook: &Hook) -> Value {
    let keys = hook.custom_headers.keys().map(|key| json!({ "key": key }));
    let mut value = json!({
        "id": hook.id, "url": hook.url, "name": hook.name, "description": hook.description,
        "created_at": api_time(hook.created_at_s), "project_id": project,
        "enable_ssl_verification": hook.verifies_tls, "repository_update_events": false,
        "push_events_branch_filter": hook.branch_filter,
        "branch_filter_strategy": hook.branch_filter_strategy,
        "custom_webhook_template": hook.template, "url_variables": [],
        "custom_headers": keys.collect::<Vec<_>>(),
        "alert_status": state.alert(hook).name(),
        "disabled_until": hook.disabled_until_s.map(api_time),
    });
    for (flag, is_on) in &hook.flags {
        if has_flag(state, flag) {
            value[*flag] = json!(is_on);
        }
    }
    if state.is_since(19, 0) {
        value["token_present"] = json!(hook.token.is_some());
        value["signing_token_present"] = json!(hook.signing_token.is_some());
    }
    value
}

fn has_flag(state: &State, flag: &str) -> bool {
    let since = FLAGS_SINCE.iter().find(|(name, _, _)| *name == flag);
    since.is_none_or(|(_, major, minor)| state.is_since(*major, *minor))
}

fn create(state: &mut State, project: u64, params: &Params) -> Answer {
    let Some(url) = params.text("url") else {
        return refused(400, "url is missing");
    };
    let mut hook = Hook::new(url);
    if let Err(answer) = change(state, &mut hook, params) {
        return answer;
    }
    match state.create_hook(project, hook) {
        Some(hook) => ok(201, shown(state, project, &hook)),
        None => refused(422, "Maximum number of project hooks (100) exceeded"),
    }
}

fn update(state: &mut State, project: u64, mut hook: Hook, params: &Params) -> Answer {
    let Some(url) = params.text("url") else {
        return refused(400, "url is missing");
    };
    if url != hook.url {
        // The trap: a request that moves a hook must repeat its secrets, or give new ones.
        hook.url = url;
        hook.token = None;
        hook.signing_token = None;
    }
    if let Err(answer) = change(state, &mut hook, params) {
        return answer;
    }
    let shown = shown(state, project, &hook);
    if let Some(project) = state.projects.get_mut(&project) {
        project.hooks.insert(hook.id, hook);
    }
    ok(200, shown)
}

/// Changes what is named, and nothing else.
fn change(state: &State, hook: &mut Hook, params: &Params) -> Result<(), Answer> {
    if !is_url(&hook.url) {
        return Err(refused(422, "Invalid url given"));
    }
    for event in EVENTS.iter().filter(|event| has_flag(state, event.flag)) {
        if let Some(is_on) = params.flag(event.flag)? {
            hook.flags.insert(event.flag, is_on);
        }
    }
    if let Some(verifies) = params.flag("enable_ssl_verification")? {
        hook.verifies_tls = verifies;
    }
    let text = |name: &str, old: &mut Option<String>| {
        if params.has(name) {
            *old = params.text(name);
        }
    };
    text("name", &mut hook.name);
    text("description", &mut hook.description);
    text("token", &mut hook.token);
    text("push_events_branch_filter", &mut hook.branch_filter);
    text("custom_webhook_template", &mut hook.template);
    hook.custom_headers.extend(params.pairs("custom_headers"));
    if hook
        .token
        .as_ref()
        .is_some_and(|token| token.contains('\n'))
    {
        return Err(refused(422, "Token is invalid"));
    }
    match params.text("branch_filter_strategy").as_deref() {
        None => {}
        Some(strategy @ ("wildcard" | "all_branches")) => {
            hook.branch_filter_strategy = strategy.to_owned();
        }
        // Regular expressions are not played here.
        Some(_) => return Err(refused(422, "Invalid branch filter given")),
    }
    // Before 19.0 the word is unknown, and ignored without an error.
    if state.is_since(19, 0) && params.has("signing_token") {
        let token = params.text("signing_token");
        if token
            .as_deref()
            .is_some_and(|token| key_of(token).is_none())
        {
            return Err(refused(422, "Signing token is invalid"));
        }
        hook.signing_token = token;
    }
    Ok(())
}

fn is_url(text: &str) -> bool {
    let parsed = url::Url::parse(text);
    parsed.is_ok_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host())
}

/// A delivery on demand. Comes also to a hook that is off, and can bring it back.
fn test(state: &mut State, project: u64, hook: &Hook, asked: &Asked<'_>) -> Step {
    let flag = asked.rest.get(3).map_or("", String::as_str);
    let Some(event) = Event::of_test(flag) else {
        return say(refused(400, "trigger does not have a valid value"));
    };
    if !state.may("test", &asked.login, project) {
        return say(too_often());
    }
    let of = &state.projects[&project];
    let body = match flag {
        "push_events" | "tag_push_events" if of.is_empty => None,
        "push_events" => Some(push(state, of, "refs/heads/main")),
        "tag_push_events" => Some(push(state, of, "refs/tags/v1.0.0")),
        other => of.samples.get(other).cloned(),
    };
    let Some(body) = body else {
        return say(error(422, event.lacks()));
    };
    match state.job(project, hook, event, &body, None) {
        Some(job) => Step::Send(Box::new(job), tested),
        None => say(error(422, "Request payload too large")),
    }
}

/// The answer to a test. A refusal is in the receiver's words.
fn tested(outcome: &Outcome) -> Answer {
    match outcome.status {
        Some(200..=299) => error(201, "201 Created"),
        Some(_) => error(422, &outcome.text),
        None => error(422, "Failed to open TCP connection"),
    }
}
