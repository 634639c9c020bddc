//! Why a command failed, and how it is reported: a line or more for a person, or JSON.

use super::output::{pretty, printable};
use serde_json::{Value, json};
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// How a process ends that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It may go better another time.
    Failed,
    /// The command line is not understood.
    Usage,
    /// `EX_CONFIG` of `sysexits.h`: it fails in the same way until a person corrects something, so
    /// that it should not be restarted (`RestartPreventExitStatus=78` in the unit).
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Failed => Self::FAILURE,
            Exit::Usage => Self::from(2),
            Exit::Configuration => Self::from(78),
        }
    }
}

/// The code of a failure that has no code of the API's.
const CODE_DEFAULT: &str = "failed";

/// Why a command failed; reported on standard error.
#[derive(Debug)]
pub(crate) struct Failed {
    words: String,
    code: Option<String>,
    http: Option<u16>,
    among: Option<(&'static str, Vec<Value>)>,
    lines: Vec<String>,
    exit: Exit,
}

/// What a command comes to.
pub(super) type CommandResult = Result<(), Failed>;

impl Failed {
    /// A failure in words; status 1.
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            code: None,
            http: None,
            among: None,
            lines: Vec::new(),
            exit: Exit::Failed,
        }
    }

    /// The same with a stable code.
    pub(super) fn coded(self, code: impl Into<String>) -> Self {
        Self {
            code: Some(code.into()),
            ..self
        }
    }

    /// The same with the HTTP status that the daemon answered with.
    pub(super) fn http(self, status: u16) -> Self {
        Self {
            http: Some(status),
            ..self
        }
    }

    /// The same with what might have been meant: as JSON under a name, and a line each.
    pub(super) fn among(self, name: &'static str, items: Vec<Value>, lines: Vec<String>) -> Self {
        Self {
            among: Some((name, items)),
            lines,
            ..self
        }
    }

    /// The same, ending the process in this way.
    pub(super) fn exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    /// The same with a further sentence, or a further part of one, which begins small.
    pub(super) fn and(self, more: &str) -> Self {
        let is_whole = self.words.ends_with(['.', '?', ':', ';']);
        let separator = match more.chars().next() {
            _ if is_whole => " ",
            Some(first) if first.is_uppercase() => ". ",
            Some(_) | None => "; ",
        };
        Self {
            words: format!("{}{separator}{more}", self.words),
            ..self
        }
    }

    /// The same in other words.
    pub(super) fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        Self {
            words: words(&self.words),
            ..self
        }
    }

    /// The stable code, when there is one.
    pub(super) fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The lines about what might have been meant.
    #[cfg(test)]
    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether it is the daemon, or the right to ask it, that failed: the next request fails, too.
    pub(super) fn is_hopeless(&self) -> bool {
        self.http
            .is_none_or(|status| matches!(status, 401 | 429 | 502..=504))
    }

    /// As one JSON object.
    fn to_json(&self) -> Value {
        let code = self.code.as_deref().unwrap_or(CODE_DEFAULT);
        let mut text = json!({ "code": code, "detail": self.words });
        if let Some(http) = self.http {
            text["status"] = json!(http);
        }
        if let Some((name, items)) = &self.among {
            text[*name] = json!(items);
        }
        text
    }

    /// Reports it on standard error, and returns how the process ends.
    pub(super) fn report(&self, as_json: bool) -> ExitCode {
        let mut text = if as_json {
            pretty(&self.to_json())
        } else {
            format!("hookherd: {}", printable(&self.to_string()))
        };
        if !as_json {
            for line in &self.lines {
                text.push_str("\n  ");
                text.push_str(&printable(line));
            }
        }
        let _ = writeln!(std::io::stderr(), "{text}");
        self.exit.into()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)?;
        match (&self.code, self.http) {
            (Some(code), Some(http)) => write!(f, " ({code}, HTTP {http})"),
            (None, Some(http)) => write!(f, " (HTTP {http})"),
            // A code of the command line's own says nothing that the words do not.
            (Some(_) | None, None) => Ok(()),
        }
    }
}

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_a_sentence_or_a_part_of_its_own() {
        let with = |words: &str, more: &str| Failed::new(words).and(more).to_string();
        assert_eq!(
            with("1 of 2 failed", "nothing was done"),
            "1 of 2 failed; nothing was done"
        );
        assert_eq!(
            with("No access.", "Try again in 3 s."),
            "No access. Try again in 3 s."
        );
        assert_eq!(
            with("no access", "Try again in 3 s."),
            "no access. Try again in 3 s."
        );
        assert_eq!(
            with("No access.", "nothing was done"),
            "No access. nothing was done"
        );
    }

    #[test]
    fn a_failure_is_told_with_its_code_and_what_might_have_been_meant() {
        let failed = Failed::new("no such connection")
            .coded("not_found")
            .http(404);
        assert_eq!(
            failed.to_string(),
            "no such connection (not_found, HTTP 404)"
        );
        let text = json!({"code": "not_found", "detail": "no such connection", "status": 404});
        assert_eq!(failed.to_json(), text);
        let failed = Failed::new("which?").among("candidates", vec![json!(1)], vec![]);
        assert_eq!(failed.to_string(), "which?");
        let text = json!({"code": "failed", "detail": "which?", "candidates": [1]});
        assert_eq!(failed.to_json(), text);
    }
}
