//! `hookherd keygen`.

use super::Outcome;
use super::output::Printer;
use crate::app::new_master_key;
use serde_json::json;

pub(super) fn run(printer: Printer) -> Outcome {
    let key = new_master_key();
    printer.words(&json!({ "key": *key }), &key);
    Ok(())
}
