//! The last lines of a failing job's log, for people: without colours, times and the clean-up after
//! the failure, with secrets masked, and short.
//!
//! What providers mask stays masked (`***`, `[MASKED]`). What they do not know to be a secret is
//! masked by its form: see [`mask()`]. No form finds all secrets, so an excerpt is shown to those
//! who may see the incident, and sent to no sink.

mod ansi;
mod mask;

use super::text::clean;
use ansi::plain;
pub use mask::mask;

/// Most lines of an excerpt.
pub const LINES_MAX: usize = 40;
/// Most bytes of a line, and of all.
const LINE_BYTES_MAX: usize = 400;
const BYTES_MAX: usize = 6 * 1024;
/// Blanks at the beginning of a line that are kept.
const INDENT_MAX: usize = 40;

named! {
    /// Whose form a log has.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum LogForm {
        /// GitHub Actions: a time before each line, commands of the runner such as `##[error]`.
        Actions = "actions",
        /// GitLab's runner: sections, and colours.
        Gitlab = "gitlab",
    }
}

/// The end of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// The lines, each ended by a line feed.
    pub text: String,
    /// Whether the log has lines before these.
    pub is_cut: bool,
}

impl Excerpt {
    /// The excerpt of the end of a log; `is_cut` when the log has more before it. `None` when
    /// nothing visible is left.
    pub fn of(log: &[u8], form: LogForm, is_cut: bool) -> Option<Self> {
        let text = String::from_utf8_lossy(log);
        // A carriage return overwrites the line: the last text stays. A mark of GitLab's does not
        // count, wherever the line has its time.
        let lines = match form {
            LogForm::Actions => of_actions(text.lines().map(plain)),
            LogForm::Gitlab => {
                let lines = text.lines().map(without_stream);
                of_gitlab(lines.map(plain))
            }
        };
        let masked = mask(&lines.join("\n"));
        let shown: Vec<String> = masked.lines().filter_map(shown).collect();
        let (mut bytes, mut first) = (0, shown.len());
        for (at, line) in shown.iter().enumerate().rev().take(LINES_MAX) {
            bytes += line.len() + 1;
            if bytes > BYTES_MAX {
                break;
            }
            first = at;
        }
        let kept = &shown[first..];
        if kept.is_empty() {
            return None;
        }
        let mut text = kept.join("\n");
        text.push('\n');
        let is_cut = is_cut || first > 0;
        Some(Self { text, is_cut })
    }
}

/// A line as it is shown; `None` for an empty one.
fn shown(line: &str) -> Option<String> {
    let rest = line.trim_start_matches([' ', '\t']);
    let indent = (line.len() - rest.len()).min(INDENT_MAX);
    let rest = clean(rest, LINE_BYTES_MAX)?;
    Some(" ".repeat(indent) + &rest)
}

/// Without the time that stands before each line, in the form of RFC 3339 in UTC.
fn without_time(line: &str) -> &str {
    let line = line.trim_start_matches('\u{feff}');
    let Some((time, rest)) = line.split_once('Z') else {
        return line;
    };
    let is_time = (19..=32).contains(&time.len())
        && time.as_bytes()[10] == b'T'
        && time
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"-:.T".contains(&byte));
    if is_time {
        rest.strip_prefix(' ').unwrap_or(rest)
    } else {
        line
    }
}

/// The lines up to the last error that the runner reports: what follows is its clean-up. The
/// runner's commands are words.
///
/// Source: the runner's commands for its output (`actions/runner`), seen in logs of public
/// repositories.
fn of_actions(lines: impl Iterator<Item = String>) -> Vec<String> {
    let (mut all, mut end) = (Vec::new(), None);
    for line in lines {
        let line = without_time(&line);
        let (command, rest) = match line.strip_prefix("##[").and_then(|it| it.split_once(']')) {
            Some((command, rest)) => (Some(command), rest),
            None => (None, line),
        };
        match command {
            Some("endgroup") => {}
            Some("error") => {
                all.push(format!("Error: {rest}"));
                end = Some(all.len());
            }
            Some("warning") => all.push(format!("Warning: {rest}")),
            Some(_) | None => all.push(rest.to_owned()),
        }
    }
    all.truncate(end.unwrap_or(all.len()));
    all
}

/// The sections in which the job's own commands run.
const OWN_SECTIONS: [&str; 2] = ["step_script", "build_script"];

/// The lines of the job's own commands, and the error at the end. A log whose end has none of their
/// sections is taken as it is.
///
/// Source: GitLab's documentation, "Job logs": `section_start:TIME:NAME` and
/// `section_end:TIME:NAME` surround what belongs to a section; a time and the stream may stand
/// before each line.
fn of_gitlab(lines: impl Iterator<Item = String>) -> Vec<String> {
    let (mut all, mut own, mut section) = (Vec::new(), Vec::new(), None::<String>);
    for line in lines {
        let mut rest = line.as_str();
        while let Some((is_start, name, after)) = marker(rest) {
            section = is_start.then(|| name.to_owned());
            rest = after;
        }
        if rest.trim().is_empty() {
            continue;
        }
        let is_own = match section.as_deref() {
            Some(name) => OWN_SECTIONS.contains(&name),
            None => rest.starts_with("ERROR:"),
        };
        if is_own {
            own.push(rest.to_owned());
        }
        all.push(rest.to_owned());
    }
    // An error alone is all that is left when the end of the log is the clean-up.
    if own.len() > 1 { own } else { all }
}

/// Without the time and the stream (`00O`, `01E+`) before a line.
fn without_stream(line: &str) -> &str {
    let rest = without_time(line);
    let bytes = rest.as_bytes();
    let is_stream = rest.len() != line.len()
        && bytes.len() >= 3
        && bytes[..2].iter().all(u8::is_ascii_hexdigit)
        && matches!(bytes[2], b'O' | b'E');
    if is_stream {
        rest[3..].trim_start_matches(['+', ' '])
    } else {
        rest
    }
}

/// A section's mark at the beginning of a text: whether it starts, its name, and what follows.
fn marker(text: &str) -> Option<(bool, &str, &str)> {
    let (is_start, rest) = match text.strip_prefix("section_start:") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("section_end:")?),
    };
    let (time, rest) = rest.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let (name, mut after) = rest.split_at(end);
    if let Some(options) = after.strip_prefix('[') {
        after = options.split_once(']')?.1;
    }
    let is_mark = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    is_mark.then_some((is_start, name, after.trim_start_matches('\r')))
}

#[cfg(test)]
mod tests;
