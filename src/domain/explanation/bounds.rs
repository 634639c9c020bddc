//! How large an explanation may become: about 60 KB, and most have a tenth of that.

use super::{Explained, ExplainedCommit, ExplainedJob, ExplainedRange, ExplainedRequest};
use crate::domain::excerpt::mask;
use crate::domain::text::clean;

/// Most jobs that are explained, of those that failed.
pub const JOBS_MAX: usize = 10;
/// Most steps of a job that are named.
pub const STEPS_MAX: usize = 5;
/// Most commits of a range that are named, the latest.
pub const COMMITS_MAX: usize = 50;
/// Longest title of a commit or a request, and name of a job or a step, in bytes.
const TITLE_BYTES_MAX: usize = 200;
/// Longest name of a person, in bytes.
const PERSON_BYTES_MAX: usize = 100;
/// Longest id of a commit, in bytes.
const SHA_BYTES_MAX: usize = 64;

/// A text for display, without what has the form of a secret: a step may be named by its command.
fn title(text: &str) -> String {
    let masked = clean(text, TITLE_BYTES_MAX * 2).map(|text| mask(&text));
    let cut = masked.and_then(|text| clean(&text, TITLE_BYTES_MAX));
    cut.unwrap_or_default()
}

fn person(name: Option<String>) -> Option<String> {
    name.and_then(|name| clean(&name, PERSON_BYTES_MAX))
}

impl ExplainedJob {
    fn bounded(self) -> Self {
        let steps = self.steps.iter().take(STEPS_MAX).map(|name| title(name));
        Self {
            name: title(&self.name),
            steps: steps.filter(|name| !name.is_empty()).collect(),
            ..self
        }
    }
}

impl ExplainedCommit {
    fn bounded(self) -> Self {
        Self {
            sha: clean(&self.sha, SHA_BYTES_MAX).unwrap_or_default(),
            title: title(&self.title),
            author: person(self.author),
            ..self
        }
    }
}

impl ExplainedRequest {
    fn bounded(self) -> Self {
        Self {
            title: title(&self.title),
            author: person(self.author),
            ..self
        }
    }
}

impl ExplainedRange {
    fn bounded(self) -> Self {
        let has_more = self.has_more || self.commits.len() > COMMITS_MAX;
        let commits = self.commits.into_iter().take(COMMITS_MAX);
        Self {
            base: clean(&self.base, SHA_BYTES_MAX).unwrap_or_default(),
            commits: commits.map(ExplainedCommit::bounded).collect(),
            has_more,
            ..self
        }
    }
}

impl Explained {
    /// The same within the bounds, with all texts fit for display. Excerpts have bounds of their
    /// own.
    #[must_use]
    pub fn bounded(self) -> Self {
        let jobs = |all: Vec<ExplainedJob>| {
            let jobs = all.into_iter().take(JOBS_MAX);
            jobs.map(ExplainedJob::bounded).collect()
        };
        Self {
            jobs: self.jobs.map(jobs),
            commit: self.commit.map(ExplainedCommit::bounded),
            request: self.request.map(ExplainedRequest::bounded),
            range: self.range.map(ExplainedRange::bounded),
        }
    }
}
