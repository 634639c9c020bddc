//! What is asked for on the command line, and the request for one repository.

use crate::app::default_events;
use crate::cli::client::Client;
use crate::cli::connections::webhook;
use crate::cli::failed::Failed;
use crate::cli::output::text_of;
use crate::domain::repo::ProviderKind;
use reqwest::Method;
use serde_json::{Value, json};

/// The arguments in the order in which they are taken; made by hand, for a group comes first in
/// what is made for us.
const USAGE: &str = "hookherd connect [OPTIONS] <PROVIDER> <OWNER/REPO>
       hookherd connect [OPTIONS] <PROVIDER> <--all|--org <NAME>|--match <GLOB>>";

#[derive(Debug, clap::Args)]
#[command(override_usage = USAGE)]
pub(in crate::cli) struct Args {
    /// `github` or `gitlab`.
    #[arg(value_parser = crate::cli::provider::parse)]
    pub(super) provider: ProviderKind,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) how: How,
}

/// One repository, or many with a plan.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("chosen").required(true).multiple(true)
    .args(["repository", "all", "org", "matching"]))]
pub(super) struct Which {
    /// The repository, or a URL of it; for GitLab groups may nest.
    #[arg(
        value_name = "OWNER/REPO",
        conflicts_with_all = ["all", "org", "matching", "yes", "dry_run"],
    )]
    pub(super) repository: Option<String>,
    /// Every repository that your credential can reach and manage. A plan is shown first.
    #[arg(long, conflicts_with_all = ["org", "matching"])]
    pub(super) all: bool,
    /// Those of this organisation, user or group, subgroups included.
    #[arg(long, value_name = "NAME")]
    pub(super) org: Option<String>,
    /// Those whose full name matches, such as `acme/*-service`.
    #[arg(long = "match", value_name = "GLOB")]
    pub(super) matching: Option<String>,
    /// Carry the plan out without asking.
    #[arg(long)]
    pub(super) yes: bool,
    /// Show the plan and do nothing.
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
}

/// What holds for each of them.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    #[arg(long = "event", value_name = "EVENT", help = events_help())]
    pub(super) events: Vec<String>,
    /// The provider's host, if several are configured.
    #[arg(long)]
    pub(super) host: Option<String>,
    /// The credential to use. Default: your newest one for this provider.
    #[arg(long, value_name = "ID")]
    pub(super) credential: Option<String>,
    /// Start paused: connect without creating a webhook yet.
    #[arg(long)]
    pub(super) no_webhook: bool,
    /// Remove webhooks that others made for this server, or whose URL matches the pattern, once the
    /// new one is proven to work.
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", conflicts_with = "no_webhook")]
    pub(super) replace_existing: Option<String>,
}

fn events_help() -> String {
    let of = |kind| default_events(kind).join(", ");
    format!(
        "Event to subscribe to; can be repeated. Default for GitHub: {}; for GitLab: {}",
        of(ProviderKind::Github),
        of(ProviderKind::Gitlab)
    )
}

/// Connects one repository, at this host.
pub(super) fn connect(
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
    match args.how.replace_existing.as_deref() {
        None => {}
        Some("") => body["replace_existing"] = json!(true),
        Some(pattern) => body["replace_existing"] = json!(pattern),
    }
    if let Some(credential) = &args.how.credential {
        body["credential_id"] = json!(credential);
    }
    body
}

/// A connection in one line.
pub(super) fn words(connection: &Value) -> String {
    let (name, id) = (
        text_of(connection, "/repository_full_name"),
        text_of(connection, "/id"),
    );
    let mut words = format!("connected {name} as {id}; {}", webhook(connection));
    let others = existing(connection);
    if others.is_empty() {
        return words;
    }
    let (count, them) = (others.len(), others.join(", "));
    let more = if connection["replaces_existing"] == true {
        format!("\n{count} other webhooks are removed once a delivery has arrived: {them}")
    } else {
        format!(
            "\n{count} webhooks that others made for this server are there, too: {them}\nto \
             replace them: hookherd replace-existing {name}"
        )
    };
    words.push_str(&more);
    words
}

/// The webhooks of others that are still there.
fn existing(connection: &Value) -> Vec<String> {
    let all = connection["existing_webhooks"].as_array();
    let all = all.into_iter().flatten();
    let is_there = |it: &&Value| matches!(text_of(it, "/state"), "found" | "removing" | "refused");
    let words = |it: &Value| {
        let (id, url) = (text_of(it, "/webhook_id"), text_of(it, "/webhook_url"));
        format!("{id} ({url})")
    };
    all.filter(is_there).map(words).collect()
}

#[cfg(test)]
#[derive(Debug, clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

#[cfg(test)]
impl Args {
    /// As given on a command line, its first word included.
    pub(super) fn of(line: &str) -> Self {
        <Line as clap::Parser>::parse_from(line.split(' ')).args
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn what_was_listed_at_a_host_is_connected_there() {
        let many = Args::of("connect gitlab --all --yes --event push_events");
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
        let one = Args::of("connect gitlab g/s/p");
        assert_eq!(wish(&one, "g/s/p", None).get("host"), None);
        assert_eq!(wish(&one, "g/s/p", None).get("replace_existing"), None);
        for (words, asked) in [
            ("--replace-existing", json!(true)),
            (
                "--replace-existing=https://old.example/*",
                json!("https://old.example/*"),
            ),
        ] {
            let args = Args::of(&format!("connect github {words} o/r"));
            assert_eq!(wish(&args, "o/r", None)["replace_existing"], asked);
        }
    }

    #[test]
    fn the_arguments_are_shown_in_the_order_in_which_they_are_taken() {
        let usage = Line::command().render_long_help().to_string();
        let (provider, repository) = (usage.find("<PROVIDER>"), usage.find("<OWNER/REPO>"));
        assert!(provider.is_some() && provider < repository, "{usage}");
    }

    #[test]
    fn the_help_names_the_default_events_of_both_providers() {
        let help = Line::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for kind in ProviderKind::ALL {
            let events = default_events(kind).join(", ");
            assert!(help.contains(&events), "{events}: {help}");
        }
    }
}
