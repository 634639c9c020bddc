//! The command line: one file a command.
//!
//! `serve`, `demo`, `simulate`, `keygen`, `store`, `completions` and `openapi` work by
//! themselves, and `doctor` as far as it can; every other command talks to a running daemon
//! through its API, with the address in `HOOKHERD_URL` and a token in `HOOKHERD_TOKEN`. Exit
//! status: 0 done, 1 failed, 2 usage; of `serve` also 78, when nothing but a person can help.

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

mod client;
mod completions;
mod connect;
mod connections;
mod credential;
mod deliveries;
mod demo;
mod disconnect;
mod doctor;
mod incidents;
mod keygen;
mod login;
mod openapi;
mod output;
mod serve;
mod simulate;
mod store;
mod token;
mod user;

/// Takes webhook settings off your hands: creates, verifies, stores, watches and repairs the
/// webhooks of your repositories, and turns failing CI into incidents.
#[derive(Debug, Parser)]
#[command(name = "hookherd", version, propagate_version = true)]
pub struct Cli {
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// Configuration file (TOML). Environment variables override it.
    #[arg(long, global = true, value_name = "FILE", env = "HOOKHERD_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve,
    /// Play the main job on this machine: no account, no network.
    Demo(demo::Args),
    /// Run a simulated GitHub and GitLab.
    Simulate(simulate::Args),
    /// Connect a repository.
    Connect(connect::Args),
    /// Disconnect a repository and delete its webhook.
    Disconnect(disconnect::Args),
    /// Pause a connection: deliveries are stored, nothing follows from them.
    Pause(connections::IdArgs),
    /// Resume a paused or suspended connection.
    Resume(connections::IdArgs),
    /// List connections, or show one.
    Connections(connections::ListArgs),
    /// List, acknowledge or resolve incidents.
    Incidents(incidents::Args),
    /// List, show or replay deliveries.
    Deliveries(deliveries::Args),
    /// Sign in with a provider: shows a code, and waits until you typed it in there.
    Login(login::Args),
    /// Add a provider token or an App's installation; list, share or remove the stored ones.
    #[command(subcommand)]
    Credential(credential::Credential),
    /// Add a user (admin).
    #[command(subcommand)]
    User(user::User),
    /// Create an API token.
    #[command(subcommand)]
    Token(token::Token),
    /// Look for what is missing: configuration, keys, store, providers, tokens, public address.
    Doctor,
    /// Verify, export or import a store.
    Store(store::Args),
    /// Print a new master key.
    Keygen,
    /// Print the `OpenAPI` document.
    Openapi,
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Why a command failed; printed as one line on standard error.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome = Result<(), Failed>;

/// How a process ends that failed. What clap says of wrong usage is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It may go better another time.
    Failed,
    /// `EX_CONFIG` of `sysexits.h`: it fails in the same way until a person mends something, so
    /// that nobody should start it again (`RestartPreventExitStatus=78` in the unit).
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Failed => Self::FAILURE,
            Exit::Configuration => Self::from(78),
        }
    }
}

/// A failure, and the status with which it ends the process.
#[derive(Debug)]
struct Ended {
    why: Failed,
    exit: Exit,
}

impl From<Failed> for Ended {
    fn from(why: Failed) -> Self {
        let exit = Exit::Failed;
        Self { why, exit }
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ended { why, exit }) => {
            output::complain(&why.0);
            exit.into()
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Ended> {
    let printer = output::Printer { json: cli.json };
    let outcome = match cli.command {
        Command::Serve => return serve::run(cli.config.as_deref()),
        Command::Demo(args) => demo::run(&args, printer),
        Command::Doctor => doctor::run(cli.config.as_deref(), printer),
        Command::Store(args) => store::run(&args, cli.config.as_deref(), printer),
        Command::Simulate(args) => simulate::run(&args, printer),
        Command::Keygen => {
            keygen::run(printer);
            Ok(())
        }
        Command::Openapi => openapi::run(),
        Command::Connect(args) => connect::run(&args, printer),
        Command::Disconnect(args) => disconnect::run(&args, printer),
        Command::Pause(args) => connections::set_enabled(&args, false, printer),
        Command::Resume(args) => connections::set_enabled(&args, true, printer),
        Command::Connections(args) => connections::list(&args, printer),
        Command::Incidents(args) => incidents::run(&args, printer),
        Command::Deliveries(args) => deliveries::run(&args, printer),
        Command::Login(args) => login::run(&args, printer),
        Command::Credential(command) => credential::run(&command, printer),
        Command::User(command) => user::run(&command, printer),
        Command::Token(command) => token::run(&command, printer),
        Command::Completions(args) => {
            completions::run(&args);
            Ok(())
        }
    };
    Ok(outcome?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
