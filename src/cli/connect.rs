//! `hookherd connect PROVIDER OWNER/REPO`, or many at once after a plan.

mod many;
mod plan;

use super::client::Client;
use super::session::Session;
use super::{Failed, Outcome};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// `github` or `gitlab`.
    provider: String,
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
    /// The repository, as OWNER/NAME; for GitLab groups may nest.
    #[arg(conflicts_with_all = ["all", "org", "matching", "yes", "dry_run"])]
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
    /// An event to subscribe to; may be given more than once. Default: all that tells of CI,
    /// deployments, names, pushes and proposed changes.
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<String>,
    /// The provider's host, when there is more than one.
    #[arg(long)]
    host: Option<String>,
    /// The stored credential to use. Default: your newest that fits.
    #[arg(long, value_name = "ID")]
    credential: Option<String>,
    /// Connect without creating a webhook yet: the connection starts paused.
    #[arg(long)]
    no_webhook: bool,
}

pub(super) fn run(args: &Args, session: &Session) -> Outcome {
    let client = session.client()?;
    let Some(repository) = &args.which.repository else {
        return many::run(&client.in_bulk(), args, session.printer);
    };
    let answer = connect(&client, args, repository, args.how.host.as_deref())?;
    session.printer.words(&answer, &words(&answer));
    Ok(())
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
        "provider": args.provider,
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
    let text = |pointer: &str| connection.pointer(pointer).and_then(Value::as_str);
    let [name, id, status] =
        ["/repository_full_name", "/id", "/webhook_status"].map(|p| text(p).unwrap_or("-"));
    let mut words = format!("connected {name} as {id}; webhook {status}");
    if let Some(message) = text("/last_error/message") {
        words.push_str(": ");
        words.push_str(message);
    }
    words
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
}
