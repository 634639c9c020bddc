//! `hookherd keygen`.

use super::Outcome;
use super::output::Printer;
use crate::app::SystemEntropy;
use crate::seal::ring::MasterKey;
use serde_json::json;

pub(super) fn run(printer: Printer) -> Outcome {
    let key = MasterKey::generate(&SystemEntropy).to_text();
    printer.words(&json!({ "key": *key }), &key);
    Ok(())
}
