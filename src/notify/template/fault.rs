//! Why a template cannot be used.

use crate::domain::text::clean;
use minijinja::{Error, ErrorKind};

/// Longest reason, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TemplateError {
    /// The line, from 1.
    pub line: usize,
    /// Why, for the user who wrote it.
    pub why: String,
}

impl TemplateError {
    pub(super) fn new(line: usize, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { line, why }
    }

    /// For a name that stands for nothing.
    pub(super) fn unknown(line: usize, name: &str, known: &str) -> Self {
        let shown = clean(name, REASON_BYTES_MAX).unwrap_or_default();
        Self::new(line, format!("there is no `{shown}`; there are {known}"))
    }
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        let detail = error
            .detail()
            .and_then(|text| clean(text, REASON_BYTES_MAX));
        let kind = error.kind();
        let why = match (kind, detail) {
            (ErrorKind::OutOfFuel, _) => "it takes too many steps, or makes too long texts".into(),
            (_, Some(detail)) => format!("{kind}: {detail}"),
            (_, None) => kind.to_string(),
        };
        Self::new(error.line().unwrap_or(1), why)
    }
}
