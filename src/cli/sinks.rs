//! `hookherd sinks`: where you are notified.

use super::access::secret_of;
use super::address::route;
use super::client::Client;
use super::failed::{CommandResult, Failed};
use super::list::{Listing, Part};
use super::output::{Column, Printer, text_of};
use super::session::Session;
use crate::domain::id::SinkId;
use crate::domain::sink::SinkKind;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Sinks {
    /// Add a sink. Its address is read from standard input or a file, never from the command line.
    Add {
        /// Its kind. `webhook` is any receiver of Standard Webhooks.
        #[arg(value_parser = SinkKind::ALL.map(SinkKind::as_str))]
        kind: String,
        /// A name for it.
        name: String,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        wants: Wants,
    },
    /// Change a sink.
    Edit {
        /// Its name or id.
        sink: String,
        /// Another name.
        #[arg(long, value_name = "TEXT")]
        name: Option<String>,
        /// Read another address from standard input.
        #[arg(long)]
        address: bool,
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        wants: Wants,
    },
    /// List sinks. Their addresses and keys are not shown.
    List {
        #[command(flatten)]
        part: Part,
    },
    /// Show a sink.
    Show {
        /// Its name or id.
        sink: String,
    },
    /// Send a sample to a sink and show the answer.
    Test {
        /// Its name or id.
        sink: String,
    },
    /// Stop notifying a sink for a while.
    Pause {
        /// Its name or id.
        sink: String,
    },
    /// Notify a sink again that is paused or disabled.
    Resume {
        /// Its name or id.
        sink: String,
    },
    /// Remove a sink. What waits for it is not sent.
    Remove {
        /// Its name or id.
        sink: String,
    },
}

/// Where secrets are read from.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Read the address from this file.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Read the key from this file: the one that signs what a `webhook` is sent (generated and
    /// printed when left out), the token for `ntfy`, `gotify`, `slack_bot`,
    /// `telegram`, `matrix` or `github_issue`, the password for `email`, the integration key of
    /// `pagerduty`, or a token or `user:password` for the proxy before an `alertmanager`.
    #[arg(long, value_name = "FILE")]
    secret_from: Option<PathBuf>,
}

/// What a sink is sent.
#[derive(Debug, clap::Args)]
pub(super) struct Wants {
    /// Whether it is notified of resolved incidents, too: true or false.
    #[arg(long, value_name = "BOOL")]
    resolved: Option<bool>,
    /// Only incidents of this severity or a higher one: warning, error or critical.
    #[arg(long, value_parser = ["warning", "error", "critical"])]
    severity: Option<String>,
    /// Template of the title of its messages. An empty text removes it.
    #[arg(long, value_name = "TEMPLATE")]
    title_template: Option<String>,
    /// Template of the text of its messages. An empty text removes it.
    #[arg(long, value_name = "TEMPLATE")]
    text_template: Option<String>,
    /// How often it gets a digest of what broke.
    #[arg(long, value_parser = ["daily", "weekly", "never"])]
    digest: Option<String>,
    /// The day of a weekly digest; monday without.
    #[arg(long, value_name = "DAY", requires = "digest")]
    digest_day: Option<String>,
    /// The time of the digest; 09:00 without.
    #[arg(long, value_name = "TIME", requires = "digest")]
    digest_at: Option<String>,
    /// The time zone of the digest, such as Europe/Berlin; UTC without.
    #[arg(long, value_name = "ZONE", requires = "digest")]
    digest_zone: Option<String>,
    /// Send the digest also when there is nothing to say.
    #[arg(long, requires = "digest")]
    digest_empty: bool,
}

/// How sinks are listed.
const LISTING: Listing = Listing::of("sinks").with(&[
    Column::id("ID", "/id"),
    Column::text("NAME", "/name"),
    Column::text("KIND", "/kind"),
    Column::text("HOST", "/host"),
    Column::status("STATE", "/state"),
    Column::text("REASON", "/disabled_reason"),
    Column::text("SEVERITY", "/severity").optional(),
    Column::time("CREATED", "/created_at").optional(),
]);

impl Wants {
    fn into(&self, body: &mut Value) {
        if let Some(resolved) = self.resolved {
            body["resolved"] = resolved.into();
        }
        if let Some(severity) = &self.severity {
            body["severity"] = severity.as_str().into();
        }
        if let Some(template) = &self.title_template {
            body["title_template"] = template.as_str().into();
        }
        if let Some(template) = &self.text_template {
            body["text_template"] = template.as_str().into();
        }
        if let Some(every) = &self.digest {
            let digest = &mut body["digest"];
            digest["every"] = every.as_str().into();
            for (name, value) in [
                ("day", &self.digest_day),
                ("at", &self.digest_at),
                ("time_zone", &self.digest_zone),
            ] {
                if let Some(value) = value {
                    digest[name] = value.as_str().into();
                }
            }
            if self.digest_empty {
                digest["empty"] = true.into();
            }
        }
    }
}

impl Target {
    /// Reads what was named, and the address from standard input if `asks`.
    fn into(&self, body: &mut Value, asks: bool) -> Result<(), Failed> {
        if let Some(url) = secret_of("Address of the sink", self.from.as_deref(), asks)? {
            body["url"] = url.as_str().into();
        }
        if let Some(secret) = secret_of("Key", self.secret_from.as_deref(), false)? {
            body["secret"] = secret.as_str().into();
        }
        Ok(())
    }
}

pub(super) fn run(command: &Sinks, session: &Session) -> CommandResult {
    let (client, printer) = (session.client()?, session.printer);
    match command {
        Sinks::Add {
            kind,
            name,
            target,
            wants,
        } => {
            let mut body = json!({ "kind": kind, "name": name });
            target.into(&mut body, true)?;
            wants.into(&mut body);
            let answer = client.call(Method::POST, "sinks", Some(&body))?;
            let (id, host) = (text_of(&answer, "/id"), text_of(&answer, "/host"));
            said(printer, &answer, &format!("added {id} at {host}"));
        }
        Sinks::Edit {
            sink,
            name,
            address,
            target,
            wants,
        } => {
            let mut body = json!({});
            if let Some(name) = name {
                body["name"] = name.as_str().into();
            }
            target.into(&mut body, *address)?;
            wants.into(&mut body);
            let answer = patch(&client, sink, &body)?;
            said(
                printer,
                &answer,
                &format!("changed {}", text_of(&answer, "/id")),
            );
        }
        Sinks::List { part } => LISTING.show(session, &client, "sinks", &[], part)?,
        Sinks::Show { sink } => {
            let id = id_of(&client, sink)?;
            printer.record(&client.get(&route(&["sinks", &id])?)?);
        }
        Sinks::Test { sink } => test(&client, sink, printer)?,
        Sinks::Pause { sink } => {
            let answer = patch(&client, sink, &json!({ "is_enabled": false }))?;
            said(
                printer,
                &answer,
                &format!("paused {}", text_of(&answer, "/id")),
            );
        }
        Sinks::Resume { sink } => {
            let answer = patch(&client, sink, &json!({ "is_enabled": true }))?;
            said(
                printer,
                &answer,
                &format!("resumed {}", text_of(&answer, "/id")),
            );
        }
        Sinks::Remove { sink } => {
            let id = id_of(&client, sink)?;
            let answer = client.call(Method::DELETE, &route(&["sinks", &id])?, None)?;
            printer.words(&answer, &format!("removed {id}"));
        }
    }
    Ok(())
}

fn patch(client: &Client, sink: &str, body: &Value) -> Result<Value, Failed> {
    let id = id_of(client, sink)?;
    client.call(Method::PATCH, &route(&["sinks", &id])?, Some(body))
}

/// What was done; and a key that was generated, which is shown once.
fn said(printer: Printer, answer: &Value, words: &str) {
    printer.words(answer, &with_key(answer, words));
}

fn with_key(answer: &Value, words: &str) -> String {
    match answer["secret"].as_str() {
        Some(key) => format!("{words}\nkey for the receiver, shown only once: {key}"),
        None => words.to_owned(),
    }
}

/// That a sample was accepted, and what not of it.
fn accepted(answer: &Value) -> String {
    let took = &answer["took_ms"];
    let mut words = match answer["template_error"].as_str() {
        None => format!("accepted in {took} ms"),
        Some(why) => format!("accepted in {took} ms, with the usual words: {why}"),
    };
    if let Some(refused) = answer["refused"].as_str() {
        words = format!("{words}\nnot for all: {refused}");
    }
    words
}

/// A refusal by the sink is a failure of the command.
fn test(client: &Client, sink: &str, printer: Printer) -> CommandResult {
    let id = id_of(client, sink)?;
    let path = route(&["sinks", &id, "test"])?;
    let answer = client.call(Method::POST, &path, None)?;
    if answer["accepted"] == true {
        printer.words(&answer, &accepted(&answer));
        return Ok(());
    }
    let why = text_of(&answer, "/error");
    Err(Failed::new(format!("not accepted: {why}")).coded("sink_refused"))
}

/// The id of the one sink that is meant, by its id or its name.
pub(super) fn id_of(client: &Client, text: &str) -> Result<String, Failed> {
    if text.parse::<SinkId>().is_ok() {
        return Ok(text.to_owned());
    }
    let sinks = client.every("sinks", "items", &[])?;
    let named: Vec<&Value> = sinks.iter().filter(|sink| sink["name"] == text).collect();
    match named[..] {
        [one] => Ok(text_of(one, "/id").to_owned()),
        [] => {
            let words = format!("no sink `{text}`; see `hookherd sinks list`");
            Err(Failed::new(words).coded("not_found"))
        }
        _ => {
            let lines = named.iter().map(|one| text_of(one, "/id").to_owned());
            let items = named.iter().map(|one| one["id"].clone()).collect();
            let words = format!("several sinks are called `{text}`: use an id");
            let failed = Failed::new(words).coded("ambiguous");
            Err(failed.among("candidates", items, lines.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_shown_where_one_was_generated() {
        let mut answer = json!({ "id": "snk_1", "secret": null });
        assert_eq!(with_key(&answer, "paused snk_1"), "paused snk_1");
        answer["secret"] = "whsec_x".into();
        let words = "added snk_1\nkey for the receiver, shown only once: whsec_x";
        assert_eq!(with_key(&answer, "added snk_1"), words);
    }

    #[test]
    fn a_sample_that_some_recipients_refuse_says_who() {
        let mut answer = json!({ "accepted": true, "took_ms": 7, "refused": null });
        assert_eq!(accepted(&answer), "accepted in 7 ms");
        answer["refused"] = "Refused recipients: bob@example.org (550: no such user).".into();
        assert_eq!(
            accepted(&answer),
            "accepted in 7 ms\nnot for all: Refused recipients: bob@example.org (550: no such \
             user)."
        );
    }
}
