//! How far long work is: a bar with what is left on a terminal, lines with numbers elsewhere.

use super::output::{Printer, printable};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::Cell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What the bar shows.
const TEMPLATE: &str = "{bar:30} {pos} of {len}, {per_sec}, {eta} left";
/// How often the bar is redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(500);
/// How often a number is said where there is no terminal.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The progress of so many steps.
pub(super) struct Progress {
    /// `None` where there is no terminal.
    bar: Option<ProgressBar>,
    printer: Printer,
    count: usize,
    done: Cell<usize>,
    /// When a number was said last.
    said: Cell<Instant>,
}

impl Progress {
    /// Nothing is done yet. The bar is drawn on standard error, and never between JSON.
    pub(super) fn new(count: usize, printer: Printer) -> Self {
        let is_watched = !printer.json && std::io::stderr().is_terminal();
        let bar = is_watched.then(|| {
            let bar = ProgressBar::new(u64::try_from(count).unwrap_or(u64::MAX));
            let style = ProgressStyle::with_template(TEMPLATE);
            bar.set_style(style.expect("the template is a constant that a test has drawn"));
            bar.enable_steady_tick(TICK);
            bar
        });
        Self {
            bar,
            printer,
            count,
            done: Cell::new(0),
            said: Cell::new(Instant::now()),
        }
    }

    /// A line about the step that was done.
    pub(super) fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) if self.printer.is_terminal() => bar.suspend(|| self.printer.say(words)),
            Some(bar) => {
                self.printer.say(words);
                bar.tick();
            }
            None => {
                let number = self.done.get() + 1;
                let words = format!("{} of {}: {words}", number, self.count);
                self.printer.say(&printable(&words));
            }
        }
    }

    /// One more is done.
    pub(super) fn step(&self) {
        self.done.set(self.done.get() + 1);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// So many are done. Without a terminal that is said at most every [`SAY_EVERY`].
    pub(super) fn reach(&self, done: usize) {
        let is_news = self.done.replace(done) != done;
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        } else if is_news && self.said.get().elapsed() >= SAY_EVERY {
            self.said.set(Instant::now());
            self.printer.beside(&format!("{done} of {}", self.count));
        }
    }

    /// All is done, or nothing more will be.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_can_be_drawn() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
