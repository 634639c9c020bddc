//! `hookherd connect PROVIDER OWNER/REPO`, or many at once after a plan.

mod many;
mod plan;

use super::client::Client;
use super::connections::webhook;
use super::output::text_of;
use super::reference::{Place, Reference};
use super::session::Session;
use super::{CommandResult, Failed};
use crate::app::default_events;
use crate::domain::repo::ProviderKind;
use reqwest::Method;
use serde_json::{Value, json};

/// The arguments in the order in which they are taken; made by hand, for a group comes first in
/// what is made for us.
const USAGE: &str = "hookherd connect [OPTIONS] <PROVIDER> <OWNER/REPO>
       hookherd connect [OPTIONS] <PROVIDER> <--all|--org <NAME>|--match <GLOB>>";
#[derive(Debug, clap::Args)]
#[command(override_usage = USAGE)]
pub(super) struct Args {
    /// `github` or `gitlab`.
    #[arg(value_parser = super::provider::parse)]
    provider: ProviderKind,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
}

/// One repository, or many with a plan.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("chosen").required(true).multiple(true)
    .args(["repository", "all", "org", "matching"]))]
struct Which {
    /// The repository, or a URL of it; for GitLab groups may nest.
    #[arg(
        value_name = "OWNER/REPO",
        conflicts_with_all = ["all", "org", "matching", "yes", "dry_run"],
    )]
    repository: Option<String>,
    /// Every repository that your credential can reach and manage. A plan is shown first.
    #[arg(long, conflicts_with_all = ["org", "matching"])]
    all: bool,
    /// Those of this organisation, user or group, subgroups included.
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// Those whose full name matches, such as `acme/*-service`.
    #[arg(long = "match", value_name = "GLOB")]
    matching: Option<String>,
    /// Carry the plan out without asking.
    #[arg(long)]
    yes: bool,
    /// Show the plan and do nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
}

/// What holds for each of them.
#[derive(Debug, clap::Args)]
struct How {
    #[arg(long = "event", value_name = "EVENT", help = events_help())]
    events: Vec<String>,
    /// The provider's host, if several are configured.
    #[arg(long)]
    host: Option<String>,
    /// The credential to use. Default: your newest one for this provider.
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// Start paused: connect without creating a webhook yet.
    #[arg(long)]
    no_webhook: bool,
}

fn events_help() -> String {
    let of = |kind| default_events(kind).join(", ");
    format!(
        "Event to subscribe to; can be repeated. Default for GitHub: {}; for GitLab: {}",
        of(ProviderKind::Github),
        of(ProviderKind::Gitlab)
    )
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    let client = session.client()?;
    let Some(text) = &args.which.repository else {
        return many::run(&client.in_bulk(), args, session.printer);
    };
    let (name, host) = named(args, text)?;
    let answer = connect(&client, args, &name, host.as_deref())?;
    session.printer.words(&answer, &words(&answer));
    Ok(())
}

/// The name of the repository, and its host when one was named.
fn named(args: &Args, text: &str) -> Result<(String, Option<String>), Failed> {
    let place = match Reference::parse(text)? {
        Reference::Repository(place) => place,
        Reference::Id(id) => {
            let words = format!("{id} is already a connection: name a repository as OWNER/REPO");
            return Err(Failed::new(words).coded("bad_reference"));
        }
    };
    let Place { host, path, .. } = &place;
    let name = match args.provider {
        ProviderKind::Github => place.owner_and_name(),
        ProviderKind::Gitlab => path,
    };
    match (&args.how.host, host) {
        (Some(said), Some(found)) if !said.trim().eq_ignore_ascii_case(found) => {
            let words = format!("--host is {said}, but the URL has {found}: omit one of them");
            Err(Failed::new(words).coded("bad_reference"))
        }
        (Some(said), _) => Ok((name.to_owned(), Some(said.trim().to_owned()))),
        (None, found) => Ok((name.to_owned(), found.clone())),
    }
}

/// Connects one repository, at this host.
fn connect(
    client: &Client,
    args: &Args,
    repository: &str,
    host: Option<&str>,
) -> Result<Value, Failed> {
    let body = wish(args, repository, host);
    client.call(Method::POST, "repositories/connect", Some(&body))
}

fn wish(args: &Args, repository: &str, host: Option<&str>) -> Value {
    let mut body = json!({
        "provider": args.provider.as_str(),
        "repository_full_name": repository,
        "setup_webhook": !args.how.no_webhook,
    });
    if !args.how.events.is_empty() {
        body["webhook_events"] = json!(args.how.events);
    }
    if let Some(host) = host {
        body["host"] = json!(host);
    }
    if let Some(credential) = &args.how.credential {
        body["credential_id"] = json!(credential);
    }
    body
}

/// A connection in one line.
fn words(connection: &Value) -> String {
    let (name, id) = (
        text_of(connection, "/repository_full_name"),
        text_of(connection, "/id"),
    );
    format!("connected {name} as {id}; {}", webhook(connection))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_was_listed_at_a_host_is_connected_there() {
        let line = |text: &str| Line::parse_from(text.split(' ')).args;
        let many = line("connect gitlab --all --yes --event push_events");
        assert_eq!(
            wish(&many, "g/s/p", Some("git.corp.example")),
            json!({
                "provider": "gitlab",
                "repository_full_name": "g/s/p",
                "setup_webhook": true,
                "webhook_events": ["push_events"],
                "host": "git.corp.example",
            })
        );
        let one = line("connect gitlab g/s/p");
        assert_eq!(wish(&one, "g/s/p", None).get("host"), None);
    }

    #[test]
    fn a_url_names_repository_and_host() {
        let named = |words: &str| {
            let args = Line::parse_from(words.split(' ')).args;
            named(&args, args.which.repository.as_deref().unwrap())
        };
        let pair = |name: &str, host: Option<&str>| (name.to_owned(), host.map(str::to_owned));
        for (words, meant) in [
            ("connect github Octo/App.git/", pair("Octo/App", None)),
            (
                "connect github https://github.com/o/r/pulls",
                pair("o/r", Some("github.com")),
            ),
            (
                "connect gitlab git@gitlab.com:g/s/p.git",
                pair("g/s/p", Some("gitlab.com")),
            ),
            (
                "connect gitlab https://l.example/g/s/p/-/jobs",
                pair("g/s/p", Some("l.example")),
            ),
            (
                "connect gitlab g/s/p --host l.example",
                pair("g/s/p", Some("l.example")),
            ),
        ] {
            assert_eq!(named(words).unwrap(), meant, "{words}");
        }
        for words in [
            "connect github https://github.com/o/r --host ghe.example",
            "connect github con_01krjbjp8f0000000000000000",
            "connect github octo",
        ] {
            assert_eq!(
                named(words).unwrap_err().code(),
                Some("bad_reference"),
                "{words}"
            );
        }
    }

    #[test]
    fn the_arguments_are_shown_in_the_order_in_which_they_are_taken() {
        use clap::CommandFactory;
        let usage = Line::command().render_long_help().to_string();
        let (provider, repository) = (usage.find("<PROVIDER>"), usage.find("<OWNER/REPO>"));
        assert!(provider.is_some() && provider < repository, "{usage}");
    }

    #[test]
    fn the_help_names_the_default_events_of_both_providers() {
        use clap::CommandFactory;
        let help = Line::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for kind in ProviderKind::ALL {
            let events = default_events(kind).join(", ");
            assert!(help.contains(&events), "{events}: {help}");
        }
    }
}
