//! The same request for each of many things.

use super::failed::{CommandResult, Failed};
use super::list::Writer;
use super::output::Printer;
use super::progress::Progress;
use serde_json::{Value, json};

/// After so many failures in a row that say nothing of the thing, the rest is not tried.
const HOPELESS: usize = 3;

/// How the things, and what is done with them, are called.
pub(super) struct Words {
    /// The field with the name of a thing, in the result of one that failed.
    pub(super) field: &'static str,
    /// What was done: `3 connected, 1 failed`.
    pub(super) done: &'static str,
    /// The end of `1 of 4`.
    pub(super) failed: &'static str,
}

/// One after the other: providers ask for a pause between writes anyhow. One that fails does not
/// keep the others from their turn, unless it is the daemon that fails. `act` returns the answer,
/// and a line about it.
pub(super) fn each<T>(
    things: &[T],
    (words, printer): (&Words, Printer),
    name: impl Fn(&T) -> &str,
    act: impl Fn(&T) -> Result<(Value, String), Failed>,
) -> CommandResult {
    let progress = Progress::new(things.len(), printer);
    let mut writer = printer.json.then(Writer::default);
    let (mut done, mut failed, mut hopeless) = (0_usize, 0_usize, 0_usize);
    for thing in things {
        let (result, line) = match act(thing) {
            Ok(answer) => {
                (done, hopeless) = (done + 1, 0);
                answer
            }
            Err(why) => {
                failed += 1;
                hopeless = if why.is_hopeless() { hopeless + 1 } else { 0 };
                let name = name(thing);
                let mut result = json!({ "error": why.to_string() });
                result[words.field] = json!(name);
                (result, format!("failed {name}: {why}"))
            }
        };
        match &mut writer {
            Some(writer) => writer.item("results", &result),
            None => progress.say(&line),
        }
        progress.step();
        if hopeless == HOPELESS {
            break;
        }
    }
    progress.end();
    match writer {
        Some(writer) => writer.end("results", None),
        None => printer.say(&format!("{done} {}, {failed} failed", words.done)),
    }
    let (all, left) = (things.len(), things.len() - done - failed);
    match (failed, left) {
        (0, _) => Ok(()),
        (failed, 0) => Err(Failed::new(format!("{failed} of {all} {}", words.failed))),
        (_, left) => Err(Failed::new(format!("stopped: {left} of {all} not tried"))),
    }
}
