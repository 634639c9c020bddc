//! `hookherd deliveries --follow`: a line for each delivery as it arrives, and once it is
//! processed.

use super::which::Which;
use crate::cli::client::Client;
use crate::cli::failed::CommandResult;
use crate::cli::output::{Printer, harmless_json, line, text_of};

pub(super) fn run(which: &Which, client: &Client, printer: Printer) -> CommandResult {
    let wanted = which.wanted(client)?;
    let mut stream = client.stream(&wanted.filters())?;
    if printer.is_terminal() {
        printer.beside("waiting for deliveries; Ctrl-C ends it");
    }
    while let Some(delivery) = stream.next()? {
        if printer.json {
            line(&harmless_json(&delivery.to_string()));
            continue;
        }
        let what = match delivery["action"].as_str() {
            Some(action) => format!("{} {action}", text_of(&delivery, "/event")),
            None => text_of(&delivery, "/event").to_owned(),
        };
        let state = delivery["outcome"].as_str().unwrap_or("received");
        printer.say(&format!(
            "{}  {}  {}  {what}  {state}",
            text_of(&delivery, "/received_at"),
            text_of(&delivery, "/id"),
            text_of(&delivery, "/repository_full_name"),
        ));
    }
    Ok(())
}
