//! `hookherd doctor --orphans`: webhooks that no connection keeps, listed, removed or adopted.

use crate::app::doctor::Verdict;
use crate::cli::address::{query, route};
use crate::cli::client::Client;
use crate::cli::confirm::agree;
use crate::cli::connections::webhook;
use crate::cli::failed::{CommandResult, Failed};
use crate::cli::output::{Column, text_of};
use crate::cli::session::Session;
use crate::domain::repo::ProviderKind;
use crate::domain::standing::Standing;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How webhooks are listed.
const COLUMNS: [Column; 6] = [
    Column::text("REPOSITORY", "/repository_full_name"),
    Column::id("WEBHOOK", "/webhook_id"),
    Column::text("STANDING", "/standing"),
    Column::text("DELIVERS TO", "/webhook_url"),
    Column::text("LAST ANSWER", "/last_answer_status").optional(),
    Column::text("EVENTS", "/webhook_events").optional(),
];
/// Repositories in a part of the search.
const PART: &str = "25";
/// How often the progress is said.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// What is not looked at, said with each result.
const NOT_LOOKED_AT: &str = "webhooks of organisations, groups and apps are not looked at";

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Search your repositories for webhooks that no connection keeps.
    #[arg(long)]
    pub(in crate::cli) orphans: bool,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Debug, clap::Args)]
struct Wanted {
    /// Search at this provider only.
    #[arg(long, value_parser = crate::cli::provider::parse, requires = "orphans")]
    provider: Option<ProviderKind>,
    /// Search at this host only.
    #[arg(long, requires = "orphans")]
    host: Option<String>,
    /// Search this repository only.
    #[arg(long, value_name = "OWNER/REPO", requires_all = ["orphans", "provider"])]
    repository: Option<String>,
    /// Search only the repositories that are connected.
    #[arg(long, requires = "orphans")]
    connected_only: bool,
    /// Remove these: ids of webhooks as they are listed, or a standing such as `orphan`.
    #[arg(
        long,
        value_name = "WEBHOOK",
        value_delimiter = ',',
        requires = "orphans"
    )]
    remove: Vec<String>,
    /// Adopt these: their repositories are connected, and the webhooks become Hookherd's in place.
    #[arg(
        long,
        value_name = "WEBHOOK",
        value_delimiter = ',',
        requires = "orphans"
    )]
    #[arg(conflicts_with = "remove")]
    adopt: Vec<String>,
    /// Also remove or adopt what another server may use: its last delivery was answered.
    #[arg(long, requires = "orphans")]
    even_if_answered: bool,
    /// Do it without asking.
    #[arg(long, requires = "orphans")]
    yes: bool,
    /// Continue a search that stopped, from the place that it named.
    #[arg(long, value_name = "PLACE", requires_all = ["orphans", "provider"])]
    from: Option<String>,
}

/// What a search has found.
#[derive(Default)]
struct Search {
    hooks: Vec<Value>,
    unread: Vec<Value>,
    read: u64,
    /// Where it stopped, and why.
    stopped: Option<(Place, Failed)>,
}

/// An installation, and a place in the search through it.
struct Place {
    provider: String,
    host: String,
    cursor: Option<String>,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?.in_bulk();
    let wanted = &args.wanted;
    let mut search = Search::default();
    for (provider, host) in installations(&client, wanted)? {
        let place = Place {
            provider,
            host,
            cursor: wanted.from.clone(),
        };
        search.walk(&client, wanted, place, session)?;
        if search.stopped.is_some() {
            break;
        }
    }
    let deed = if wanted.adopt.is_empty() {
        Deed::Remove
    } else {
        Deed::Adopt
    };
    let chosen = chosen(&search.hooks, &[&wanted.remove[..], &wanted.adopt].concat())?;
    if chosen.is_empty() || !session.printer.json {
        search.show(session);
    }
    let removed = if chosen.is_empty() {
        Ok(())
    } else {
        carry_out(deed, &client, wanted, &chosen, session)
    };
    match search.stopped {
        Some((place, failed)) => {
            let at = place.cursor.unwrap_or_else(|| "start".to_owned());
            let (provider, host) = (place.provider, place.host);
            Err(failed.and(&format!(
                "The search stopped: continue with `hookherd doctor --orphans --provider \
                 {provider} --host {host} --from {at}`"
            )))
        }
        None => removed,
    }
}

/// The installations for which the user has a credential, and which are wanted.
fn installations(client: &Client, wanted: &Wanted) -> Result<Vec<(String, String)>, Failed> {
    let credentials = client.every("credentials", "items", &[])?;
    let all = credentials.iter().map(|credential| {
        let part = |name| text_of(credential, name).to_owned();
        (part("/provider"), part("/host"))
    });
    let provider = wanted.provider.map(ProviderKind::as_str);
    let is_wanted = |(at, host): &(String, String)| {
        provider.is_none_or(|provider| provider == at)
            && wanted
                .host
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(host))
    };
    let found: BTreeSet<_> = all.filter(is_wanted).collect();
    if found.is_empty() {
        let words =
            "you have no credential for it: add one with `hookherd credential add PROVIDER`";
        return Err(Failed::new(words).coded("no_credential"));
    }
    if wanted.from.is_some() && found.len() > 1 {
        let words = "--from belongs to one installation: name it with --host";
        return Err(Failed::new(words).coded("usage"));
    }
    Ok(found.into_iter().collect())
}

impl Search {
    /// Reads one part after the other. What stops it is kept, with the place.
    fn walk(
        &mut self,
        client: &Client,
        wanted: &Wanted,
        mut place: Place,
        session: &Session,
    ) -> Result<(), Failed> {
        let path = route(&["hooks", &place.provider])?;
        let mut said = Instant::now();
        loop {
            let only = wanted.connected_only.then_some("true");
            let pairs = [
                ("limit", Some(PART)),
                ("host", Some(place.host.as_str())),
                ("cursor", place.cursor.as_deref()),
                ("repository", wanted.repository.as_deref()),
                ("connected_only", only),
            ];
            let part = match client.get(&format!("{path}{}", query(&pairs))) {
                Ok(part) => part,
                Err(failed) if failed.is_hopeless() => {
                    self.stopped = Some((place, failed));
                    return Ok(());
                }
                Err(failed) => return Err(failed),
            };
            let host = &place.host;
            let items = |name: &str| part[name].as_array().cloned().unwrap_or_default();
            let at = |mut item: Value| {
                item["provider"] = json!(place.provider);
                item["host"] = json!(host);
                item
            };
            for hook in items("items").into_iter().map(at) {
                // Two credentials may reach one repository.
                if !self.hooks.iter().any(|known| is_same(known, &hook)) {
                    self.hooks.push(hook);
                }
            }
            self.unread.extend(items("unread").into_iter().map(at));
            self.read += part["repositories_read"].as_u64().unwrap_or(0);
            let Some(next) = part["next_cursor"].as_str() else {
                return Ok(());
            };
            place.cursor = Some(next.to_owned());
            if !session.printer.json && said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                let (read, found) = (self.read, self.hooks.len());
                let words = format!("{read} repositories read, {found} webhooks found");
                session.printer.beside(&words);
            }
        }
    }

    fn show(&self, session: &Session) {
        let is_complete = self.stopped.is_none();
        let report = json!({
            "hooks": self.hooks, "unread": self.unread, "repositories_read": self.read,
            "is_complete": is_complete,
        });
        session.printer.table(&report, "hooks", &COLUMNS);
        if session.printer.json {
            return;
        }
        let standings: BTreeSet<&str> =
            self.hooks.iter().map(|h| text_of(h, "/standing")).collect();
        for standing in standings.into_iter().filter_map(Standing::from_name) {
            let (name, meaning) = (standing.as_str(), standing.meaning());
            session.printer.beside(&format!("{name}: {meaning}"));
        }
        let (read, unread) = (self.read, self.unread.len());
        let words = format!("{read} repositories read, {unread} not; {NOT_LOOKED_AT}");
        session.printer.beside(&words);
        for one in &self.unread {
            let name = text_of(one, "/repository_full_name");
            let why = text_of(one, "/message");
            let warning = Verdict::Warning.as_str();
            session
                .printer
                .beside(&format!("{warning}: {name} was not read: {why}"));
        }
    }
}

fn is_same(one: &Value, other: &Value) -> bool {
    let parts = ["/provider", "/host", "/webhook_id"];
    parts
        .iter()
        .all(|part| text_of(one, part) == text_of(other, part))
}

/// The webhooks that were named, by their ids or by what they are.
fn chosen(hooks: &[Value], names: &[String]) -> Result<Vec<Value>, Failed> {
    let mut chosen: Vec<Value> = Vec::new();
    for name in names {
        let by_standing = Standing::from_name(name);
        let fits = |hook: &&Value| match by_standing {
            Some(standing) => text_of(hook, "/standing") == standing.as_str(),
            None => text_of(hook, "/webhook_id") == name,
        };
        let found: Vec<&Value> = hooks.iter().filter(fits).collect();
        if by_standing.is_none() && found.len() != 1 {
            let words = if found.is_empty() {
                format!("no webhook {name} was found: nothing was changed")
            } else {
                format!("several webhooks have the id {name}: use --provider and --host")
            };
            return Err(Failed::new(words).coded("not_found"));
        }
        if let Some(bad) = found.iter().find(|hook| hook["may_be_taken"] != true) {
            let words = format!(
                "webhook {} is left alone: {}",
                text_of(bad, "/webhook_id"),
                text_of(bad, "/meaning")
            );
            return Err(Failed::new(words).coded("hook_not_free"));
        }
        for hook in found {
            if !chosen.iter().any(|known| is_same(known, hook)) {
                chosen.push(hook.clone());
            }
        }
    }
    Ok(chosen)
}

/// One line about a webhook.
fn line(hook: &Value) -> String {
    let part = |name| text_of(hook, name);
    let status = hook["last_answer_status"].as_u64();
    let answered = status
        .map(|status| format!(", last answer {status}"))
        .unwrap_or_default();
    format!(
        "{} of {}: {}, {}{answered}",
        part("/webhook_id"),
        part("/repository_full_name"),
        part("/webhook_url"),
        part("/meaning"),
    )
}

/// What is done with the chosen webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Remove,
    Adopt,
}

impl Deed {
    /// The last part of the route.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Remove => "remove",
            Self::Adopt => "adopt",
        }
    }

    fn question(self, count: usize) -> String {
        match self {
            Self::Remove => {
                format!("Delete {count} webhooks at the provider? This cannot be undone.")
            }
            Self::Adopt => format!(
                "Adopt {count} webhooks? They get another URL and secret; who received them before \
                 gets nothing more."
            ),
        }
    }

    const fn instead(self) -> &'static str {
        match self {
            Self::Remove => "use --yes to delete these webhooks",
            Self::Adopt => "use --yes to adopt these webhooks",
        }
    }

    fn done(self, answer: &Value) -> String {
        match self {
            Self::Remove => text_of(answer, "/outcome").to_owned(),
            Self::Adopt => format!("adopted as {}; {}", text_of(answer, "/id"), webhook(answer)),
        }
    }
}

/// Does it one by one. One that fails does not keep the others from their turn.
fn carry_out(
    deed: Deed,
    client: &Client,
    wanted: &Wanted,
    hooks: &[Value],
    session: &Session,
) -> CommandResult {
    let count = hooks.len();
    for hook in hooks {
        session.printer.beside(&line(hook));
    }
    if !wanted.yes && !agree(&deed.question(count), deed.instead())? {
        return Err(Failed::new("nothing was changed"));
    }
    let (mut results, mut failures) = (Vec::new(), 0);
    for hook in hooks {
        let body = json!({
            "host": hook["host"],
            "repository_full_name": hook["repository_full_name"],
            "webhook_id": hook["webhook_id"],
            "fingerprint": hook["fingerprint"],
            "even_if_answered": wanted.even_if_answered,
        });
        let path = route(&["hooks", text_of(hook, "/provider"), deed.as_str()])?;
        let id = text_of(hook, "/webhook_id");
        match client.call(Method::POST, &path, Some(&body)) {
            Ok(answer) => {
                let words = format!("{id}: {}", deed.done(&answer));
                results.push((answer, words));
            }
            Err(failed) => {
                failures += 1;
                let code = failed.code().unwrap_or("failed").to_owned();
                let answer = json!({ "webhook_id": id, "outcome": "failed", "code": code });
                results.push((answer, format!("{id}: {failed}")));
            }
        }
    }
    if session.printer.json {
        let results: Vec<Value> = results.into_iter().map(|(answer, _)| answer).collect();
        session.printer.words(&json!({ "results": results }), "");
    } else {
        for (_, words) in &results {
            session.printer.say(words);
        }
    }
    if failures == 0 {
        return Ok(());
    }
    let words = format!("{failures} of {count} webhooks failed: see above");
    Err(Failed::new(words).coded("failed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(id: &str, standing: Standing, host: &str) -> Value {
        json!({
            "provider": "github", "host": host, "webhook_id": id, "standing": standing.as_str(),
            "meaning": standing.meaning(), "may_be_taken": standing.may_be_taken(),
        })
    }

    #[test]
    fn webhooks_are_named_by_id_or_by_what_they_are_and_nothing_else_is_touched() {
        let hooks = [
            hook("1", Standing::Orphan, "github.com"),
            hook("2", Standing::SameReceiver, "github.com"),
            hook("3", Standing::SameEvents, "github.com"),
            hook("1", Standing::Orphan, "ghe.example"),
        ];
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(&hooks, &names).map(|found| found.len())
        };
        assert_eq!(of(&[]).unwrap(), 0);
        assert_eq!(of(&["2"]).unwrap(), 1);
        assert_eq!(of(&["orphan"]).unwrap(), 2);
        assert_eq!(of(&["orphan", "2", "2", "same_receiver"]).unwrap(), 3);
        assert_eq!(of(&["misplaced"]).unwrap(), 0);
        for (names, code) in [
            (["1"], "not_found"),
            (["7"], "not_found"),
            (["all"], "not_found"),
            (["3"], "hook_not_free"),
            (["same_events"], "hook_not_free"),
        ] {
            assert_eq!(of(&names).unwrap_err().code(), Some(code), "{names:?}");
        }
    }
}
