//! `hookherd man`.

use super::failed::CommandResult;
use super::help;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory to write one page for each command to. Default: print the main page.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args, command: clap::Command) -> CommandResult {
    let command = help::with_examples(command);
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(command, dir)?,
        None => clap_mangen::Man::new(command).render(&mut std::io::stdout())?,
    }
    Ok(())
}
