//! Which of the caller's connections is meant.

use super::{Place, Reference};
use crate::cli::address::route;
use crate::cli::client::{Client, List};
use crate::cli::failed::Failed;
use crate::cli::output::text_of;
use serde_json::Value;

/// Connections searched for names that resemble an unknown one.
const NEAR_SEARCHED_MAX: usize = 5_000;
/// Names that a long path is cut to, at most.
const NAMES_TRIED_MAX: usize = 20;
/// Names that are proposed.
const NEAR_MAX: usize = 3;
/// How much two names must have in common to be proposed, between 0 and 1.
const NEAR_MIN: f64 = 0.80;

/// A connection that was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Found {
    /// Its id.
    pub(in crate::cli) id: String,
    /// Its repository.
    pub(in crate::cli) name: String,
    /// All that the daemon says of it.
    pub(in crate::cli) connection: Value,
}

impl Found {
    fn of(connection: Value) -> Self {
        Self {
            id: text_of(&connection, "/id").to_owned(),
            name: text_of(&connection, "/repository_full_name").to_owned(),
            connection,
        }
    }
}

/// The id of a connection that may have been named.
pub(in crate::cli) fn id_of(client: &Client, text: Option<&str>) -> Result<Option<String>, Failed> {
    let found = text.map(|text| find(client, text)).transpose()?;
    Ok(found.map(|found| found.id))
}

/// The connection that a text names.
pub(in crate::cli) fn find(client: &Client, text: &str) -> Result<Found, Failed> {
    let place = match Reference::parse(text) {
        Ok(Reference::Id(id)) => {
            let connection = client.get(&route(&["repositories", "connections", &id])?)?;
            return Ok(Found::of(connection));
        }
        Ok(Reference::Repository(place)) => place,
        // A name without its owner: the candidates are listed.
        Err(_) if !text.trim().is_empty() && !text.contains(['/', ':']) => {
            let place = Place {
                host: None,
                path: text.trim().to_owned(),
                has_tail: false,
            };
            return Err(none(client, text, &place)?);
        }
        Err(failed) => return Err(failed),
    };
    let candidates = named(client, &place)?;
    match candidates.as_slice() {
        [] => Err(none(client, text, &place)?),
        [one] => Ok(Found::of(one.clone())),
        many => {
            let words = format!("several connections match `{}`: use an id", text.trim());
            Err(among(Failed::new(words).coded("ambiguous"), many))
        }
    }
}

/// The failure with connections that may have been meant.
fn among(failed: Failed, connections: &[Value]) -> Failed {
    let fields = ["id", "provider", "host", "repository_full_name"];
    let item = |connection: &Value| -> Value {
        let pairs = fields
            .iter()
            .map(|name| ((*name).to_owned(), connection[*name].clone()));
        Value::Object(pairs.collect())
    };
    let line = |connection: &Value| {
        let [id, provider, host, name] = fields.map(|f| connection[f].as_str().unwrap_or("-"));
        format!("{id}  {provider}  {host}  {name}")
    };
    let items = connections.iter().map(item).collect();
    let lines = connections.iter().map(line).collect();
    failed.among("candidates", items, lines)
}

/// Whether a connection is at the host that was named. Ports are often left out, and SSH has one
/// of its own.
fn is_at(connection: &Value, host: &str) -> bool {
    let at = connection["host"].as_str().unwrap_or_default();
    let without_port = |host: &str| -> String {
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
            Some(_) | None => host.to_owned(),
        }
    };
    at == host || (!host.contains(':') && without_port(at) == host)
}

/// The connections with the longest of the names that may be meant.
fn named(client: &Client, place: &Place) -> Result<Vec<Value>, Failed> {
    let names = place.names();
    for name in &names[names.len().saturating_sub(NAMES_TRIED_MAX)..] {
        let filters = [("repository", Some(*name))];
        let mut found = client.every("repositories/connections", "connections", &filters)?;
        // Nothing is done to a connection because of what an answer was asked for: names and
        // hosts are compared here.
        found.retain(|connection| {
            let is_named = text_of(connection, "/repository_full_name").eq_ignore_ascii_case(name);
            is_named
                && place
                    .host
                    .as_ref()
                    .is_none_or(|host| is_at(connection, host))
        });
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(Vec::new())
}

/// How much alike two names are: the same name below another owner is nearly the same.
fn likeness(asked: &str, name: &str) -> f64 {
    let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let (asked, name) = (asked.to_ascii_lowercase(), name.to_ascii_lowercase());
    let whole = strsim::jaro_winkler(&asked, &name);
    let ends = strsim::jaro_winkler(&last(&asked), &last(&name));
    // Two short names have much in common by chance.
    if ends >= 0.95 || strsim::damerau_levenshtein(&asked, &name) <= 2 {
        whole.max(NEAR_MIN + ends / 10.0)
    } else {
        whole * 0.85
    }
}

/// Nothing is named so: the words, and what is named nearly so.
fn none(client: &Client, text: &str, place: &Place) -> Result<Failed, Failed> {
    let mut near: Vec<(f64, Value)> = Vec::new();
    let list = List::of_connections(&[], NEAR_SEARCHED_MAX);
    client.pages(&list, |items| {
        for item in items {
            let name = text_of(&item, "/repository_full_name");
            let likeness = likeness(place.names().last().unwrap_or(&""), name);
            if likeness >= NEAR_MIN {
                near.push((likeness, item));
            }
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.truncate(NEAR_MAX);
    })?;
    let near: Vec<Value> = near.into_iter().map(|(_, item)| item).collect();
    let at = place.host.as_ref().map(|host| format!(" at {host}"));
    let at = at.unwrap_or_default();
    let words = format!("no connection to `{}`{at}", text.trim());
    let failed = Failed::new(if near.is_empty() {
        format!("{words}: name one as OWNER/REPO, see `hookherd connections`")
    } else {
        format!("{words}; did you mean:")
    });
    let failed = failed.coded("not_connected");
    Ok(if near.is_empty() {
        failed.among("candidates", Vec::new(), Vec::new())
    } else {
        among(failed, &near)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hosts_are_compared_with_the_port_where_it_was_named() {
        let at = |host: &str| json!({ "host": host });
        assert!(is_at(&at("git.corp:8443"), "git.corp:8443"));
        assert!(is_at(&at("git.corp:8443"), "git.corp"));
        assert!(!is_at(&at("git.corp:8443"), "git.corp:9443"));
        assert!(!is_at(&at("git.corp"), "git.corp:8443"));
        assert!(!is_at(&at("gitlab.com"), "github.com"));
    }

    #[test]
    fn near_names_are_proposed_and_others_are_not() {
        for (asked, name) in [
            ("octo/ap", "octo/app"),
            ("octo/app", "acme/app"),
            ("app", "octo/app"),
            ("otco/app", "octo/app"),
        ] {
            assert!(likeness(asked, name) >= NEAR_MIN, "{asked} {name}");
        }
        for (asked, name) in [
            ("octo/app", "acme/website"),
            ("octo/app", "octo/billing-service"),
        ] {
            assert!(
                likeness(asked, name) < NEAR_MIN,
                "{asked} {name}: {}",
                likeness(asked, name)
            );
        }
    }
}
