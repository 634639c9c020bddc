//! `hookherd completions SHELL`.

use super::Cli;
use clap::CommandFactory;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args) {
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "hookherd",
        &mut std::io::stdout(),
    );
}
