//! `hookherd store`: verify, export, import. A daemon may run on a directory that is exported.

use super::failed::{CommandResult, Failed};
use super::output::Printer;
use crate::app::store_tools;
use crate::config::Config;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory. Default: the configured one.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read everything and report damage.
    Verify,
    /// Write everything to a new file, also while the daemon runs. Secrets stay sealed.
    Export {
        /// The file.
        file: PathBuf,
    },
    /// Create a store in an empty directory from an export.
    Import {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(args: &Args, config: Option<&Path>, printer: Printer) -> CommandResult {
    let dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => Config::load(config)?.server.data_dir,
    };
    match &args.action {
        Action::Verify => verify(&dir, printer),
        Action::Export { file } => {
            let done = store_tools::export(&dir, file)?;
            let words = format!("{} bytes written to {}", done.bytes, file.display());
            let damaged = done.damage.len();
            let answer = json!({
                "bytes": done.bytes, "damaged": damaged, "missing": done.missing,
            });
            printer.words(&answer, &words);
            if damaged == 0 && done.missing.is_empty() {
                return Ok(());
            }
            Err(Failed::new(
                "the store is damaged; the export lacks what is lost",
            ))
        }
        Action::Import { file } => {
            let found = store_tools::import(file, &dir)?;
            show(&found, printer)
        }
    }
}

fn verify(dir: &Path, printer: Printer) -> CommandResult {
    show(&store_tools::verify(dir)?, printer)
}

fn show(v: &store_tools::Verification, printer: Printer) -> CommandResult {
    let damage: Vec<_> = v
        .damage
        .iter()
        .map(|d| json!({ "segment": d.segment, "from": d.from, "to": d.to }))
        .collect();
    let answer = json!({
        "sound": v.is_sound(), "batches": v.batches, "deliveries": v.deliveries,
        "payloads_lost": v.payloads_missing, "unreadable": v.unreadable,
        "torn_bytes": v.torn_bytes, "damage": damage, "missing": v.missing, "harmed": v.harmed,
        "view": match v.view {
            store_tools::ViewState::Agrees => "agrees",
            store_tools::ViewState::Unused => "unused",
            store_tools::ViewState::Harmed => "harmed",
            store_tools::ViewState::Differs => "differs",
        },
    });
    printer.record(&answer);
    if v.is_sound() {
        Ok(())
    } else {
        Err(Failed::new("the store is damaged"))
    }
}
