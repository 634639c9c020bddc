//! The command line: one file a command.
//!
//! `serve`, `demo`, `simulate`, `keygen`, `store`, `completions`, `man` and `openapi` work by
//! themselves, and `doctor` as far as it can; every other command talks to a running daemon
//! through its API: the address and the token are said, set (`HOOKHERD_URL`, `HOOKHERD_TOKEN`) or
//! saved (`hookherd auth login`). Exit status: 0 done, 1 failed, 2 usage;
//! of `serve` also 78, when nothing but a person can help.

pub(crate) use failed::Failed;

use action::Action;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use failed::{CommandResult, Exit};
use session::Session;
use std::path::PathBuf;
use std::process::ExitCode;

mod access;
mod action;
mod address;
mod apply;
mod auth;
mod bulk;
mod client;
mod commands;
mod completions;
mod confirm;
mod connect;
mod connections;
mod credential;
mod deliveries;
mod demo;
mod disconnect;
mod doctor;
mod each;
mod failed;
mod forward;
mod gaps;
mod help;
mod history;
mod incidents;
mod keygen;
mod list;
mod login;
mod man;
mod moment;
mod notifications;
mod openapi;
mod operations;
mod output;
mod progress;
mod provider;
mod reference;
mod replace;
mod report;
mod repositories;
mod rules;
mod runs;
mod saved;
mod serve;
mod session;
mod simulate;
mod sinks;
mod stats;
mod store;
mod token;
mod user;

/// Heading of the options that say whom a command talks to.
const DAEMON: &str = "Daemon connection";
/// Place of the options that every command has: behind its own.
const LAST: usize = 900;

/// Manages webhooks for you: creates, verifies, stores, monitors and repairs the
/// webhooks of your repositories, and turns failing CI into incidents.
#[derive(Debug, Parser)]
#[command(name = "hookherd", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
struct Global {
    /// Print JSON instead of text, errors included.
    #[arg(long, global = true, display_order = LAST)]
    json: bool,
    /// Configuration file (TOML). Environment variables override it.
    // An empty variable is as good as none; clap's parser of paths would refuse it.
    #[arg(long, global = true, value_name = "FILE", env = "HOOKHERD_CONFIG")]
    #[arg(display_order = LAST, hide_env_values = true)]
    #[arg(value_parser = OsStringValueParser::new().map(PathBuf::from))]
    config: Option<PathBuf>,
    /// The daemon's address. Default: `HOOKHERD_URL`, the saved login, `http://127.0.0.1:8080`.
    #[arg(long, global = true, value_name = "URL", help_heading = DAEMON)]
    url: Option<String>,
    /// File with an API token. Default: `HOOKHERD_TOKEN`, `HOOKHERD_TOKEN_FILE`, the saved login.
    #[arg(long, global = true, value_name = "FILE", help_heading = DAEMON)]
    token_file: Option<PathBuf>,
    /// When to use colours: auto, always or never.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        display_order = LAST
    )]
    color: output::Color,
}

// In this order the help lists them: to try it, to set it up, to work with it, to repair it.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show what Hookherd does, on this machine: no account, no network.
    Demo(demo::Args),
    /// Run the daemon.
    Serve(serve::Args),
    /// Check the installation: configuration, keys, store, providers, tokens, public address.
    Doctor(Box<doctor::Args>),
    /// Save, show or remove the daemon's address and an API token.
    #[command(subcommand)]
    Auth(auth::Auth),
    /// Show the user of the API token in use.
    Whoami,
    /// Add, list or remove users (admin).
    #[command(subcommand)]
    User(user::User),
    /// Create, list or revoke API tokens of the daemon.
    #[command(subcommand)]
    Token(token::Token),
    /// Add, list, share or remove tokens of providers, and installations of a GitHub App.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Sign in with a provider: shows a code and waits until you enter it there.
    Login(login::Args),
    /// List the repositories that your credentials can access at a provider.
    Repositories(repositories::Args),
    /// Connect a repository.
    Connect(connect::Args),
    /// Disconnect a repository and delete its webhook.
    Disconnect(disconnect::Args),
    /// List connections, or show one.
    Connections(connections::ListArgs),
    /// List, acknowledge or resolve incidents.
    Incidents(incidents::Args),
    /// Add, list, test, change or remove sinks: where you are notified of incidents.
    #[command(subcommand)]
    Sinks(sinks::Sinks),
    /// Show, set or try your rules: who is notified of what, how soon, how often.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// List notifications, or send one again.
    Notifications(notifications::Args),
    /// List, follow, show or replay deliveries.
    Deliveries(Box<deliveries::Args>),
    /// Send a connection's deliveries on to a receiver on this machine, to develop against.
    Forward(Box<forward::Args>),
    /// List workflow runs and pipelines, or show one.
    Runs(runs::Args),
    /// Show what broke in a time, how long it was red, what is flaky, what took longest to resolve.
    Report(report::Args),
    /// Show totals: connections, incidents, deliveries.
    #[command(visible_alias = "status")]
    Stats,
    /// Remove webhooks that others made, once a connection's own is proven to work.
    ReplaceExisting(replace::Args),
    /// Check and repair a connection's webhook now; ends a suspension.
    Check(action::Args),
    /// Request a test delivery from the provider.
    Ping(action::Args),
    /// Pause a connection: deliveries are stored, but not processed.
    Pause(connections::OneArgs),
    /// Resume a paused or suspended connection.
    Resume(connections::OneArgs),
    /// Delete a connection's webhook and create a new one.
    Recreate(action::Args),
    /// Rotate a connection's webhook secret; the old one is accepted until it is proven unused.
    RotateSecret(action::Args),
    /// List what happened to a connection's webhook, how that is known, and what was done.
    History(history::Args),
    /// Compare the provider's delivery log with what is stored, and recover what is missing.
    Reconcile(action::Args),
    /// List times in which deliveries were missed, and what was recovered.
    Gaps(gaps::Args),
    /// List or show commands that were asked of connections, and their outcomes.
    #[command(subcommand)]
    Commands(commands::Commands),
    /// Do something with many connections at once.
    Bulk(bulk::Args),
    /// Make the connections what a file says, after showing what would change.
    Apply(apply::Args),
    /// Write the connections to a file for `apply`.
    Export(apply::ExportArgs),
    /// List, show, follow or cancel operations on many connections.
    #[command(subcommand)]
    Operations(operations::Operations),
    /// Print a new master key.
    Keygen,
    /// Verify, export or import a store.
    Store(store::Args),
    /// Run a simulated GitHub and GitLab.
    Simulate(simulate::Args),
    #[command(about = "Print the OpenAPI document")]
    Openapi,
    /// Print a completion script for a shell.
    Completions(completions::Args),
    /// Print the manual page, or write one for each command.
    Man(man::Args),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    // What is written is for its owner alone: stores, exports, saved logins.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let matches = help::with_examples(Cli::command()).try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return misused(&error),
    };
    let as_json = cli.global.json;
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => failed.report(as_json),
    }
}

/// Reports what is wrong with the command line; or shows the help or the version, when that was
/// asked for.
fn misused(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|word| word == "--json");
    if error.use_stderr() && wants_json {
        let words = error.to_string();
        let words = words
            .trim_start_matches("error: ")
            .trim()
            .replace('\n', " ");
        let usage = Failed::new(words).coded("usage");
        return usage.exit(Exit::Usage).report(true);
    }
    // There is no other place to report a failure of this.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        ExitCode::SUCCESS
    }
}

fn dispatch(cli: Cli) -> CommandResult {
    let global = cli.global;
    let printer = output::Printer::new(global.json, global.color);
    let said = access::Said {
        url: global.url,
        token_file: global.token_file,
    };
    let session = &Session::new(printer, said);
    let config = global.config.as_deref();
    match cli.command {
        Command::Serve(args) => serve::run(&args, config),
        Command::Demo(args) => demo::run(&args, printer),
        Command::Doctor(args) => doctor::run(&args, config, session),
        Command::Store(args) => store::run(&args, config, printer),
        Command::Simulate(args) => simulate::run(&args, printer),
        Command::Keygen => {
            keygen::run(printer);
            Ok(())
        }
        Command::Openapi => openapi::run(),
        Command::Connect(args) => connect::run(&args, session),
        Command::Disconnect(args) => disconnect::run(&args, session),
        Command::Pause(args) => connections::set_enabled(&args, false, session),
        Command::Resume(args) => connections::set_enabled(&args, true, session),
        Command::ReplaceExisting(args) => replace::run(&args, session),
        Command::Check(args) => action::run(&args, Action::Check, session),
        Command::Ping(args) => action::run(&args, Action::Ping, session),
        Command::Recreate(args) => action::run(&args, Action::Recreate, session),
        Command::RotateSecret(args) => action::run(&args, Action::RotateSecret, session),
        Command::Reconcile(args) => action::run(&args, Action::Reconcile, session),
        Command::Gaps(args) => gaps::run(&args, session),
        Command::Commands(command) => commands::run(&command, session),
        Command::History(args) => history::run(&args, session),
        Command::Bulk(args) => bulk::run(&args, session),
        Command::Apply(args) => apply::run(&args, session),
        Command::Export(args) => apply::export(&args, session),
        Command::Operations(command) => operations::run(&command, session),
        Command::Connections(args) => connections::list(&args, session),
        Command::Incidents(args) => incidents::run(&args, session),
        Command::Sinks(command) => sinks::run(&command, session),
        Command::Rules(command) => rules::run(&command, session),
        Command::Notifications(args) => notifications::run(&args, session),
        Command::Deliveries(args) => deliveries::run(&args, session),
        Command::Forward(args) => forward::run(&args, session),
        Command::Auth(command) => auth::run(&command, session),
        Command::Whoami => auth::whoami(session),
        Command::Repositories(args) => repositories::run(&args, session),
        Command::Runs(args) => runs::run(&args, session),
        Command::Report(args) => report::run(&args, session),
        Command::Stats => stats::run(session),
        Command::Login(args) => login::run(&args, session),
        Command::Credential(command) => credential::run(&command, session),
        Command::User(command) => user::run(&command, session),
        Command::Token(command) => token::run(&command, session),
        Command::Completions(args) => {
            completions::run(&args, Cli::command());
            Ok(())
        }
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_usage_is_told_apart_from_failure() {
        let error = Cli::try_parse_from(["hookherd", "connect", "github"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
