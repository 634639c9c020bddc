//! What was found, and how bad it is.

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub what: String,
    /// Whether it will do.
    pub verdict: Verdict,
    /// What was found, and what to do about it.
    pub words: String,
}

/// Whether a thing will do; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Yes.
    Good,
    /// Yes, with a limitation.
    Warning,
    /// No.
    Bad,
}

impl Verdict {
    /// The name used in output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "FAILED",
        }
    }
}

impl Finding {
    /// A finding about a thing.
    pub fn new(what: impl Into<String>, verdict: Verdict, words: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            verdict,
            words: words.into(),
        }
    }
}
