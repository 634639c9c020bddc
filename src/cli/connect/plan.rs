//! Which of many repositories to connect, and why not the others. Pure.

use crate::cli::failed::Failed;
use globset::{GlobBuilder, GlobMatcher};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Which repositories were asked for; all conditions must hold.
#[derive(Debug, Default)]
pub(super) struct Choice {
    owner: Option<String>,
    matching: Option<GlobMatcher>,
}

impl Choice {
    /// Those of an owner, or with a full name that a pattern matches. Case is ignored, as both
    /// providers do.
    pub(super) fn new(owner: Option<&str>, pattern: Option<&str>) -> Result<Self, Failed> {
        let matcher = |pattern: &str| {
            let glob = GlobBuilder::new(pattern).case_insensitive(true).build();
            let glob = glob.map_err(|e| Failed::new(format!("--match {pattern}: {}", e.kind())))?;
            Ok::<_, Failed>(glob.compile_matcher())
        };
        Ok(Self {
            owner: owner.map(str::to_ascii_lowercase),
            matching: pattern.map(matcher).transpose()?,
        })
    }

    fn fits(&self, full_name: &str) -> bool {
        let is_of = |owner: &String| {
            let name = full_name.to_ascii_lowercase();
            let rest = name.strip_prefix(owner.as_str());
            rest.is_some_and(|rest| rest.starts_with('/'))
        };
        self.owner.as_ref().is_none_or(is_of)
            && self
                .matching
                .as_ref()
                .is_none_or(|glob| glob.is_match(full_name))
    }
}

/// What is to become of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// Connect it.
    Connect,
    /// It is connected already.
    Connected,
    /// It is read-only: its hooks cannot be changed.
    Archived,
    /// The credential may not manage its hooks.
    NoRights,
}

impl Intent {
    /// The word in the plan.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connected => "already connected",
            Self::Archived => "skip: archived",
            Self::NoRights => "skip: no permission to manage its webhooks",
        }
    }
}

/// A line of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Where it is. Without it the daemon would choose a host, and perhaps not the listed one.
    pub(super) host: String,
    pub(super) full_name: String,
    pub(super) intent: Intent,
}

impl Planned {
    /// The line as it is printed.
    pub(super) fn to_json(&self) -> Value {
        json!({ "repository_full_name": self.full_name, "intent": self.intent.as_str() })
    }
}

/// What identifies a repository: its host, and the provider's id of it, or its name
/// while a connection does not know the id yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Id(String, String),
    Name(String, String),
}

/// The repository of a connection.
pub(super) fn of_connection(connection: &Value) -> Option<Identity> {
    let text = |name: &str| connection[name].as_str().map(str::to_owned);
    let host = text("host")?;
    Some(match text("repository_id") {
        Some(id) => Identity::Id(host, id),
        None => Identity::Name(host, text("repository_full_name")?.to_ascii_lowercase()),
    })
}

/// The plan, by name: each repository once, though a list that is read page by page may show one
/// twice.
pub(super) fn plan(
    repositories: &[Value],
    connected: &BTreeSet<Identity>,
    choice: &Choice,
) -> Vec<Planned> {
    let mut seen = BTreeSet::new();
    let mut plan: Vec<Planned> = repositories
        .iter()
        .filter_map(|repository| {
            let full_name = repository["full_name"].as_str()?;
            let host = repository["host"].as_str()?;
            let by_id = Identity::Id(host.to_owned(), repository["id"].as_str()?.to_owned());
            let by_name = Identity::Name(host.to_owned(), full_name.to_ascii_lowercase());
            let is_connected = connected.contains(&by_id) || connected.contains(&by_name);
            if !choice.fits(full_name) || !seen.insert(by_id) {
                return None;
            }
            let intent = if is_connected {
                Intent::Connected
            } else if repository["is_archived"] == true {
                Intent::Archived
            } else if repository["can_manage_hooks"] == false {
                Intent::NoRights
            } else {
                Intent::Connect
            };
            Some(Planned {
                host: host.to_owned(),
                full_name: full_name.to_owned(),
                intent,
            })
        })
        .collect();
    plan.sort_by(|a, b| a.full_name.cmp(&b.full_name));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(id: u64, full_name: &str) -> Value {
        json!({
            "id": id.to_string(), "host": "github.com", "full_name": full_name,
            "is_archived": false, "can_manage_hooks": true,
        })
    }

    fn names(choice: &Choice, of: &[&str]) -> Vec<String> {
        let all: Vec<Value> = (1..)
            .zip(of)
            .map(|(id, name)| repository(id, name))
            .collect();
        let plan = plan(&all, &BTreeSet::new(), choice);
        plan.into_iter().map(|planned| planned.full_name).collect()
    }

    #[test]
    fn owner_and_pattern_choose_together_and_ignore_case() {
        let all = [
            "acme/api",
            "Acme/web",
            "acme/group/api",
            "acmee/api",
            "other/acme",
        ];
        let choice = |owner, pattern| Choice::new(owner, pattern).unwrap();
        assert_eq!(names(&choice(None, None), &all).len(), 5);
        assert_eq!(
            names(&choice(Some("ACME"), None), &all),
            ["Acme/web", "acme/api", "acme/group/api"]
        );
        assert_eq!(
            names(&choice(None, Some("*/API")), &all),
            ["acme/api", "acme/group/api", "acmee/api"]
        );
        assert_eq!(
            names(&choice(Some("acme/group"), Some("*api")), &all),
            ["acme/group/api"]
        );
        assert!(Choice::new(None, Some("[")).is_err());
    }

    #[test]
    fn what_is_connected_archived_or_out_of_reach_is_left_alone() {
        let mut archived = repository(2, "o/old");
        archived["is_archived"] = json!(true);
        let mut foreign = repository(3, "o/foreign");
        foreign["can_manage_hooks"] = json!(false);
        let mut untold = repository(4, "o/untold");
        untold["can_manage_hooks"] = Value::Null;
        // The same number at another host is another repository.
        let connection = |host: &str, id: Value, name: &str| {
            let connection =
                json!({ "host": host, "repository_id": id, "repository_full_name": name });
            of_connection(&connection).unwrap()
        };
        let connected = BTreeSet::from([
            connection("ghe.example", json!("4"), "o/untold"),
            connection("github.com", json!("1"), "o/before"),
            connection("github.com", Value::Null, "O/Waits"),
        ]);
        let all = [
            repository(1, "o/renamed-since"),
            archived,
            foreign,
            untold.clone(),
            untold,
            repository(5, "o/waits"),
        ];
        let plan = plan(&all, &connected, &Choice::default());
        assert!(plan.iter().all(|p| p.host == "github.com"));
        let found: Vec<(&str, Intent)> = plan
            .iter()
            .map(|p| (p.full_name.as_str(), p.intent))
            .collect();
        assert_eq!(
            found,
            [
                ("o/foreign", Intent::NoRights),
                ("o/old", Intent::Archived),
                ("o/renamed-since", Intent::Connected),
                ("o/untold", Intent::Connect),
                ("o/waits", Intent::Connected),
            ]
        );
    }
}
