//! `hookherd check`, `ping`, `recreate`, `rotate-secret`, `reconcile`: request it, and wait for the
//! result.

use super::client::Client;
use super::commands;
use super::connections::{path, webhook};
use super::failed::{CommandResult, Failed};
use super::output::text_of;
use super::reference::find::{Found, find};
use super::session::Session;
use reqwest::Method;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Wait between two looks: the first, and the longest, to which it doubles.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
    /// Longest wait for the result, such as `2m`. Hookherd continues in the background.
    #[arg(long, value_name = "TIME", default_value = "20s")]
    #[arg(value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// Do not wait for the result.
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
}

/// What can be asked of a connection beside pausing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at the hook now.
    Check,
    /// Request a test delivery from the provider.
    Ping,
    /// Delete the hook and create a new one.
    Recreate,
    /// Give the hook a new secret.
    RotateSecret,
    /// Compare the provider's log with what is stored.
    Reconcile,
}

impl Action {
    /// The last part of the route.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Ping => "ping",
            Self::Recreate => "recreate",
            Self::RotateSecret => "rotate-secret",
            Self::Reconcile => "reconcile",
        }
    }

    /// What is said while it is under way.
    const fn begun(self) -> &'static str {
        match self {
            Self::Check => "check started",
            Self::Ping => "test delivery requested",
            Self::Recreate => "recreation started",
            Self::RotateSecret => {
                "secret rotation started; the old secret is accepted until proven unused"
            }
            Self::Reconcile => "reconcile started",
        }
    }

    /// What is said when it is done.
    const fn done(self) -> &'static str {
        match self {
            Self::Check => "webhook checked",
            Self::Ping => "test delivery received",
            Self::Recreate => "webhook recreated",
            Self::RotateSecret => {
                "webhook secret rotated; the old secret is accepted until proven unused"
            }
            Self::Reconcile => "delivery log compared",
        }
    }

    /// What changes in the connection when it is done. A new secret is written and seen at the
    /// provider in one go.
    const fn evidence(self) -> &'static str {
        match self {
            Self::Check | Self::RotateSecret => "/health/last_check_at",
            Self::Ping => "/webhook_last_delivery_at",
            Self::Recreate => "/webhook_id",
            Self::Reconcile => "/health/gaps/reconciled_at",
        }
    }

    /// Where the connection says why it failed.
    const fn error(self) -> &'static str {
        match self {
            Self::Check | Self::Ping | Self::Recreate | Self::RotateSecret => "/last_error",
            Self::Reconcile => "/health/gaps/last_error",
        }
    }

    /// What the connection says of the result.
    fn result(self, now: &Value) -> String {
        match self {
            Self::Check | Self::Ping | Self::Recreate | Self::RotateSecret => webhook(now),
            Self::Reconcile => recovered(now),
        }
    }
}

/// What was missed and recovered so far.
fn recovered(now: &Value) -> String {
    let number = |name: &str| now["health"]["gaps"]["totals"][name].as_u64().unwrap_or(0);
    let (missed, recovered) = (number("missed"), number("recovered"));
    let lost = number("unrecoverable");
    format!("{missed} missed in total, {recovered} recovered, {lost} unrecoverable")
}

/// The state of the connection at the end.
enum End {
    /// It is done.
    Done(Value),
    /// The provider refused it.
    Refused(Value),
    /// It is still in progress.
    Pending(Value),
}

/// Reads the connection until what was requested is done or refused, at most for this time.
fn wait(
    client: &Client,
    found: &Found,
    asked: &Value,
    action: Action,
    timeout: Duration,
) -> Result<End, Failed> {
    let (before, path) = (&found.connection, path(found, None)?);
    let (evidence, error) = (action.evidence(), action.error());
    let failed_at = format!("{error}/at");
    let mut now = asked.clone();
    let until = Instant::now() + timeout;
    let mut pause = LOOK.0;
    loop {
        let has_changed = |pointer| now.pointer(pointer) != before.pointer(pointer);
        let is_there = now.pointer(evidence).is_some_and(|value| !value.is_null());
        let has_failed = now.pointer(error).is_some_and(|error| !error.is_null());
        if has_failed && has_changed(&failed_at) {
            return Ok(End::Refused(now));
        }
        // What was found waits for a person, and nothing more is seen.
        let is_suspended = now["webhook_status"] == "suspended" && has_changed("/webhook_status");
        if (is_there && has_changed(evidence)) || is_suspended {
            return Ok(End::Done(now));
        }
        if Instant::now() + pause > until {
            return Ok(End::Pending(now));
        }
        client.pause(pause);
        pause = (pause * 2).min(LOOK.1);
        now = client.get(&path)?;
    }
}

pub(super) fn run(args: &Args, action: Action, session: &Session) -> CommandResult {
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let asked = client.call(Method::POST, &path(&found, Some(action.as_str()))?, None)?;
    let (name, id) = (&found.name, text_of(&asked, "/command/id"));
    let end = if args.no_wait {
        End::Pending(asked.clone())
    } else {
        wait(&client, &found, &asked, action, args.timeout)?
    };
    let (mut now, words) = match end {
        End::Done(now) => {
            let words = format!("{name}: {}; {}", action.done(), action.result(&now));
            (now, words)
        }
        End::Pending(now) => {
            let (begun, webhook) = (action.begun(), webhook(&now));
            let later = format!("to see the result later: hookherd commands show {id}");
            (now, format!("{name}: {begun}; {webhook}\n{later}"))
        }
        End::Refused(now) => {
            let code = text_of(&now, &format!("{}/code", action.error()));
            let why = match action {
                Action::Reconcile => text_of(&now, "/health/gaps/last_error/message").to_owned(),
                Action::Check | Action::Ping | Action::Recreate | Action::RotateSecret => {
                    webhook(&now)
                }
            };
            let words = format!("{name}: {} failed: {why} (command {id})", action.as_str());
            return Err(Failed::new(words).coded(code));
        }
    };
    if session.printer.json {
        now["command"] = commands::get(&client, id)?;
    }
    session.printer.words(&now, &words);
    Ok(())
}
