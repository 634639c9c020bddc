//! What an App asks: where it is installed, and for a token there.

use super::answer::{Answer, error, ok, page};
use super::operation::{Asked, Operation};
use crate::simulator::payload::github as payload;
use crate::simulator::state::github::{Installation, State, proven as proven_app};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn permissions() -> Value {
    json!({ "metadata": "read", "actions": "read", "repository_hooks": "write" })
}

fn shown(state: &State, installation: &Installation) -> Value {
    let id = installation.id;
    let slug = state
        .apps
        .get(&installation.app)
        .map(|app| app.slug.clone());
    let url = format!("{}/app/installations/{id}", state.api_url());
    json!({
        "id": id, "account": state.user_json(&installation.account), "app_id": installation.app,
        "app_slug": slug, "target_type": "User", "repository_selection": "selected",
        "permissions": permissions(), "events": [], "single_file_name": null,
        "target_id": state.users.get(&installation.account),
        "access_tokens_url": format!("{url}/access_tokens"), "html_url": url,
        "repositories_url": format!("{}/installation/repositories", state.api_url()),
        "created_at": payload::time(1_700_000_000), "updated_at": payload::time(1_700_000_000),
        "suspended_by": null, "suspended_at": null,
    })
}

/// The App itself.
fn itself(state: &State, id: u64) -> Value {
    let slug = state.apps.get(&id).map(|app| app.slug.clone());
    json!({
        "id": id, "slug": slug, "node_id": "A_1", "client_id": format!("Iv1.{id}"), "name": slug,
        "owner": state.user_json("github"), "description": null,
        "external_url": state.api_url(), "html_url": state.api_url(),
        "created_at": payload::time(1_700_000_000), "updated_at": payload::time(1_700_000_000),
        "permissions": permissions(), "events": [],
    })
}

/// Answers an App that proves itself with a JSON web token.
pub(super) fn proven(
    state: &mut State,
    operation: Operation,
    proof: &str,
    segments: &[&str],
    query: &str,
    body: &Value,
) -> Answer {
    let app = match proven_app(&state.apps, proof, state.ground.wall_now_s()) {
        Ok(app) => app.id,
        Err(words) => return error(401, words),
    };
    if operation == Operation::App {
        return ok(200, itself(state, app));
    }
    if operation == Operation::Installations {
        let ours = state.installations.values().filter(|i| i.app == app);
        let all = ours
            .map(|installation| shown(state, installation))
            .collect();
        let base = format!("{}/app/installations", state.api_url());
        return page(all, query, &base);
    }
    let id: Option<u64> = segments.get(2).and_then(|id| id.parse().ok());
    let found = id
        .and_then(|id| state.installations.get(&id))
        .filter(|i| i.app == app);
    match found.cloned() {
        Some(installation) if operation == Operation::Installation => {
            ok(200, shown(state, &installation))
        }
        Some(installation) => token(state, &installation, body),
        None => error(404, "Not Found"),
    }
}

fn token(state: &mut State, installation: &Installation, body: &Value) -> Answer {
    let wanted = body["repository_ids"].as_array();
    let wanted = wanted.map(|ids| {
        ids.iter()
            .filter_map(Value::as_u64)
            .collect::<BTreeSet<_>>()
    });
    let reach = wanted.unwrap_or_else(|| installation.repositories.clone());
    if !reach.is_subset(&installation.repositories) {
        let words = "There is at least one repository that does not exist or is not accessible \
                     to the parent installation.";
        return error(422, words);
    }
    let (token, expires_at_s) = state.installation_token(installation, reach);
    let body = json!({
        "token": token, "expires_at": payload::time(expires_at_s),
        "permissions": permissions(), "repository_selection": "selected",
    });
    ok(201, body)
}

/// The repositories that the token of an installation reaches.
pub(super) fn repositories(state: &State, asked: &Asked<'_>) -> Answer {
    let Some(reach) = &asked.reach else {
        return error(
            403,
            "You must authenticate with an installation access token",
        );
    };
    let all = reach
        .iter()
        .map(|id| payload::repository(state, *id, &asked.login))
        .collect();
    let base = format!("{}/installation/repositories", state.api_url());
    let mut answer = page(all, asked.query, &base);
    answer.wrap("repositories", reach.len());
    answer
}
