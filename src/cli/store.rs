//! `hookherd store`: verify, export, import. The daemon must not be running on the directory.

use super::output::Printer;
use super::{Failed, Outcome};
use crate::app::store_tools;
use crate::config::Config;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The data directory. Default: the configured one.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Read everything, and say what is damaged.
    Verify,
    /// Write everything to a new file. Secrets stay sealed.
    Export {
        /// The file.
        file: PathBuf,
    },
    /// Make a store in an empty directory out of an export.
    Import {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(args: &Args, config: Option<&Path>, printer: Printer) -> Outcome {
    let dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => Config::load(config)?.server.data_dir,
    };
    match &args.action {
        Action::Verify => verify(&dir, printer),
        Action::Export { file } => {
            let records = store_tools::export(&dir, file)?;
            let words = format!("{records} records written to {}", file.display());
            printer.words(&json!({ "records": records }), &words);
            Ok(())
        }
        Action::Import { file } => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let records = runtime.block_on(store_tools::import(file, &dir))?;
            let words = format!("{records} records imported into {}", dir.display());
            printer.words(&json!({ "records": records }), &words);
            Ok(())
        }
    }
}

fn verify(dir: &Path, printer: Printer) -> Outcome {
    let v = store_tools::verify(dir)?;
    let damage: Vec<_> = v
        .damage
        .iter()
        .map(|d| json!({ "segment": d.segment, "from": d.from, "to": d.to }))
        .collect();
    let answer = json!({
        "sound": v.is_sound(), "batches": v.batches, "deliveries": v.deliveries,
        "payloads_lost": v.payloads_lost, "unreadable": v.unreadable,
        "torn_bytes": v.torn_bytes, "damage": damage,
    });
    printer.record(&answer);
    if v.is_sound() {
        Ok(())
    } else {
        Err(Failed("the store is damaged".into()))
    }
}
