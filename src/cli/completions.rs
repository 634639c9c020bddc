//! `hookherd completions SHELL`.

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

/// Prints the script for this command line.
pub(super) fn run(args: &Args, mut command: clap::Command) {
    clap_complete::generate(args.shell, &mut command, "hookherd", &mut std::io::stdout());
}
