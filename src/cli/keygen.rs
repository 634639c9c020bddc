//! `hookherd keygen`.

use super::output::Printer;
use crate::app::new_master_key;
use serde_json::json;

pub(super) fn run(printer: Printer) {
    let key = new_master_key();
    printer.words(&json!({ "key": *key }), &key);
}
