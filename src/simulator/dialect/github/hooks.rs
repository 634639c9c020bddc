//! Hooks and their deliveries, with the traps that the real ones have.

use super::answer::{Answer, empty, error, invalid, number, ok, page};
use super::operation::{Asked, Operation};
use crate::simulator::dialect::answer::{Said, value_of};
use crate::simulator::payload::github as payload;
use crate::simulator::state::github::{Attempt, Hook, Job, Refusal, State, words_of};
use serde_json::{Value, json};

/// What a hook may be given. Anything else is refused.
const FIELDS: [&str; 6] = [
    "name",
    "config",
    "events",
    "active",
    "add_events",
    "remove_events",
];

fn plain(answer: Answer) -> (Answer, Vec<Job>) {
    (answer, Vec::new())
}

pub(super) fn act(state: &mut State, repository: u64, asked: &Asked<'_>) -> (Answer, Vec<Job>) {
    // Without the right to administer the repository, the answer is 404.
    if !state.repositories[&repository]
        .admins
        .contains(&asked.login)
    {
        return plain(error(404, "Not Found"));
    }
    let reads = matches!(
        asked.operation,
        Operation::ListHooks
            | Operation::GetHook
            | Operation::GetConfig
            | Operation::ListDeliveries
            | Operation::GetDelivery
    );
    if state.repositories[&repository].is_archived && !reads {
        let words = "Repository was archived so is read-only.";
        return plain(error(403, words));
    }
    if asked.operation == Operation::ListHooks {
        let hooks = &state.repositories[&repository].hooks;
        let all = hooks
            .values()
            .map(|hook| payload::hook(state, repository, hook))
            .collect();
        let name = &state.repositories[&repository].full_name;
        let base = format!("{}/repos/{name}/hooks", state.api_url());
        return plain(page(all, asked.query, &base));
    }
    if asked.operation == Operation::CreateHook {
        return create(state, repository, &asked.body);
    }
    let id = asked.rest.get(1).and_then(|id| id.parse().ok());
    let hook = id
        .and_then(|id| state.repositories[&repository].hooks.get(&id))
        .cloned();
    let Some(hook) = hook else {
        return plain(error(404, "Not Found"));
    };
    of_one(state, repository, hook, asked)
}

fn of_one(state: &mut State, id: u64, hook: Hook, asked: &Asked<'_>) -> (Answer, Vec<Job>) {
    match asked.operation {
        Operation::GetHook => plain(ok(200, payload::hook(state, id, &hook))),
        Operation::GetConfig => {
            let config = payload::hook(state, id, &hook)["config"].clone();
            plain(ok(200, config))
        }
        Operation::UpdateHook => plain(update(state, id, hook, &asked.body)),
        Operation::UpdateConfig => plain(update_config(state, id, hook, &asked.body)),
        Operation::DeleteHook => {
            if let Some(repository) = state.repositories.get_mut(&id) {
                repository.hooks.remove(&hook.id);
            }
            plain(empty(204))
        }
        Operation::PingHook => {
            let job = ping(state, id, &hook);
            (empty(204), vec![job])
        }
        // Without the wish for pushes nothing is sent, and nothing is said.
        Operation::TestHook => (empty(204), test(state, id, &hook).into_iter().collect()),
        Operation::ListDeliveries => plain(list_deliveries(state, &hook, asked.query)),
        Operation::GetDelivery => plain(delivery(state, &hook, asked.rest.get(3))),
        Operation::Redeliver => {
            let name = state.repositories[&id].full_name.clone();
            let delivery = asked.rest.get(3).and_then(|id| id.parse().ok());
            match delivery.and_then(|delivery| state.redelivery(&name, delivery)) {
                Some(job) => (ok(202, json!({})), vec![job]),
                None => plain(error(404, "Not Found")),
            }
        }
        Operation::User
        | Operation::Repositories
        | Operation::RateLimit
        | Operation::Versions
        | Operation::Repository
        | Operation::ListHooks
        | Operation::CreateHook
        | Operation::Installations
        | Operation::Installation
        | Operation::InstallationToken
        | Operation::App
        | Operation::Account
        | Operation::InstallationRepositories
        | Operation::ListRuns
        | Operation::GetRun
        | Operation::GetRunAttempt
        | Operation::ListJobs
        | Operation::ListAttemptJobs
        | Operation::JobLog
        | Operation::Compare
        | Operation::ListCommits
        | Operation::CommitPulls
        | Operation::ListWorkflows
        | Operation::ListWorkflowRuns
        | Operation::Unknown => plain(error(404, "Not Found")),
    }
}

fn ping(state: &mut State, repository: u64, hook: &Hook) -> Job {
    let body = payload::ping(state, repository, hook);
    state.ping(repository, hook, &body)
}

/// The latest push once more.
fn test(state: &mut State, repository: u64, hook: &Hook) -> Option<Job> {
    let body = payload::push(state, &state.repositories[&repository].full_name);
    state.test(repository, hook, &body)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value
        .as_array()?
        .iter()
        .map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// A number or a text, as a text.
fn loose(value: &Value) -> Option<String> {
    value
        .as_str()
        .map(str::to_owned)
        .or_else(|| value.as_u64().map(|number| number.to_string()))
}

fn check_fields(body: &Value) -> Result<(), Answer> {
    let Some(fields) = body.as_object() else {
        return Err(error(400, "Problems parsing JSON"));
    };
    let unknown = fields.keys().find(|key| !FIELDS.contains(&key.as_str()));
    match unknown {
        Some(key) => Err(error(
            422,
            &format!("Invalid request.\n\n\"{key}\" is not permitted."),
        )),
        None => Ok(()),
    }
}

fn create(state: &mut State, repository: u64, body: &Value) -> (Answer, Vec<Job>) {
    if let Err(answer) = check_fields(body) {
        return plain(answer);
    }
    let config = &body["config"];
    let Some(url) = config["url"].as_str() else {
        return plain(invalid("custom", "Config must contain URL for webhooks"));
    };
    if body.get("name").is_some_and(|name| name != "web") {
        return plain(invalid("custom", "Name must be web"));
    }
    let hook = Hook {
        id: 0,
        url: url.to_owned(),
        content_type: config["content_type"].as_str().unwrap_or("form").to_owned(),
        insecure_ssl: loose(&config["insecure_ssl"]).unwrap_or_else(|| "0".into()),
        secret: config["secret"]
            .as_str()
            .filter(|s| !s.is_empty())
            .map(str::to_owned),
        events: texts(&body["events"]).unwrap_or_else(|| vec!["push".into()]),
        is_active: body["active"].as_bool().unwrap_or(true),
        created_at_s: 0,
        updated_at_s: 0,
        last_response: None,
    };
    match state.create_hook(repository, hook) {
        Ok(hook) => {
            let shown = payload::hook(state, repository, &hook);
            let url = shown["url"].as_str().unwrap_or_default().to_owned();
            let job = ping(state, repository, &hook);
            (ok(201, shown).with("location", url), vec![job])
        }
        Err(Refusal::Exists) => plain(invalid("custom", "Hook already exists on this repository")),
        Err(Refusal::TooMany) => {
            let words = "The \"push\" event cannot have more than 20 hooks";
            plain(invalid("custom", words))
        }
    }
}

fn update(state: &mut State, repository: u64, mut hook: Hook, body: &Value) -> Answer {
    if let Err(answer) = check_fields(body) {
        return answer;
    }
    if let Some(config) = body.get("config") {
        // The trap: what is left out is taken away, the secret first of all.
        hook.secret = config["secret"]
            .as_str()
            .filter(|s| !s.is_empty())
            .map(str::to_owned);
        hook.url = config["url"].as_str().unwrap_or(&hook.url).to_owned();
        hook.content_type = config["content_type"].as_str().unwrap_or("form").to_owned();
        hook.insecure_ssl = loose(&config["insecure_ssl"]).unwrap_or_else(|| "0".into());
    }
    if let Some(events) = texts(&body["events"]) {
        hook.events = events;
    }
    for event in texts(&body["add_events"]).unwrap_or_default() {
        if !hook.events.contains(&event) {
            hook.events.push(event);
        }
    }
    let removed = texts(&body["remove_events"]).unwrap_or_default();
    hook.events.retain(|event| !removed.contains(event));
    hook.is_active = body["active"].as_bool().unwrap_or(true);
    keep(state, repository, hook)
}

/// Unlike the update of the whole hook, this one changes only what is named.
fn update_config(state: &mut State, repository: u64, mut hook: Hook, body: &Value) -> Answer {
    if let Some(secret) = body["secret"].as_str() {
        hook.secret = Some(secret.to_owned());
    }
    hook.url = body["url"].as_str().unwrap_or(&hook.url).to_owned();
    hook.content_type = body["content_type"]
        .as_str()
        .unwrap_or(&hook.content_type)
        .to_owned();
    hook.insecure_ssl = loose(&body["insecure_ssl"]).unwrap_or(hook.insecure_ssl);
    let mut answer = keep(state, repository, hook);
    // Asked for the settings, it answers with the settings.
    if let Said::Json(shown) = &mut answer.said
        && answer.status == 200
    {
        *shown = shown["config"].take();
    }
    answer
}

fn keep(state: &mut State, id: u64, mut hook: Hook) -> Answer {
    hook.updated_at_s = state.now_s();
    let overlaps = |other: &&Hook| {
        other.id != hook.id
            && other.url == hook.url
            && other.events.iter().any(|event| hook.events.contains(event))
    };
    if state.repositories[&id]
        .hooks
        .values()
        .any(|other| overlaps(&other))
    {
        return invalid("custom", "Hook already exists on this repository");
    }
    let shown = payload::hook(state, id, &hook);
    if let Some(repository) = state.repositories.get_mut(&id) {
        repository.hooks.insert(hook.id, hook);
    }
    ok(200, shown)
}

fn item(attempt: &Attempt) -> Value {
    let action = Some(&attempt.action).filter(|action| !action.is_empty());
    json!({
        "id": attempt.view.id, "guid": attempt.view.guid, "event": attempt.view.event,
        "delivered_at": payload::time(attempt.at_s), "redelivery": attempt.is_redelivery,
        "duration": 0.1, "status": words_of(attempt.view.status),
        "status_code": attempt.view.status.unwrap_or(0), "action": action,
        "installation_id": null, "repository_id": attempt.repository, "throttled_at": null,
    })
}

fn list_deliveries(state: &State, hook: &Hook, query: &str) -> Answer {
    let per_page = number(query, "per_page").unwrap_or(30).clamp(1, 100);
    // A cursor is opaque, and stays at its place when more is logged.
    let cursor = value_of(query, "cursor");
    let before = cursor
        .as_deref()
        .map(|c| c.strip_prefix("v1_")?.parse::<u64>().ok());
    if before == Some(None) {
        return error(422, "Invalid cursor");
    }
    let before = before.flatten().unwrap_or(u64::MAX);
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let wanted = pairs
        .iter()
        .find(|(name, _)| name == "status")
        .map(|(_, value)| value.as_ref());
    let fits = |attempt: &&Attempt| match (wanted, attempt.view.status) {
        (None, _) => true,
        (Some("failure"), Some(status)) => (400..600).contains(&status),
        (Some("success"), Some(status)) => (200..400).contains(&status),
        (Some(_), _) => false,
    };
    let log = state.log(hook.id).into_iter().filter(fits);
    let all: Vec<&Attempt> = log.filter(|attempt| attempt.view.id < before).collect();
    let shown = all.get(..per_page).unwrap_or(&all);
    let items = shown.iter().map(|attempt| item(attempt)).collect();
    let answer = ok(200, Value::Array(items));
    let Some(last) = shown.last().filter(|_| shown.len() < all.len()) else {
        return answer;
    };
    let repository = state
        .repositories
        .values()
        .find(|r| r.hooks.contains_key(&hook.id));
    let name = repository.map_or("", |r| r.full_name.as_str());
    let url = format!(
        "{}/repos/{name}/hooks/{}/deliveries",
        state.api_url(),
        hook.id
    );
    answer.with(
        "link",
        format!(
            "<{url}?per_page={per_page}&cursor=v1_{}>; rel=\"next\"",
            last.view.id
        ),
    )
}

fn delivery(state: &State, hook: &Hook, id: Option<&&str>) -> Answer {
    let id: Option<u64> = id.and_then(|id| id.parse().ok());
    let found = state
        .log(hook.id)
        .into_iter()
        .find(|attempt| Some(attempt.view.id) == id);
    let Some(attempt) = found else {
        return error(404, "Not Found");
    };
    let mut value = item(attempt);
    value["url"] = json!(hook.url);
    value["request"] = json!({
        "headers": {
            "Accept": "*/*", "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/51e1d3a", "X-GitHub-Delivery": attempt.view.guid,
            "X-GitHub-Event": attempt.view.event, "X-GitHub-Hook-ID": hook.id.to_string(),
            "X-GitHub-Hook-Installation-Target-ID": attempt.repository.to_string(),
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            "X-Hub-Signature-256": format!("sha256={}", "0".repeat(64)),
        },
        "payload": Some(&attempt.body).filter(|_| state.keeps_payloads),
    });
    value["response"] = json!({ "headers": {}, "payload": attempt.view.answer });
    ok(200, value)
}
