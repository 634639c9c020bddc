//! What is the same for all attempts of a run.

use super::branch::BranchKind;
use crate::domain::incident::Severity;
use crate::domain::lane::{Code, Lane};

/// The facts that are the same for all attempts of a run, as last reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunFacts {
    /// The provider's id of the workflow, or its path: what makes two runs "the same workflow".
    pub workflow_key: String,
    /// Its name, for people.
    pub workflow_name: String,
    /// Whose code it was and what kind of run.
    pub lane: Lane,
    /// Whose code it was.
    pub code: Code,
    /// The name of the repository of the code, when it is another one and known.
    pub head: Option<String>,
    /// Its branch, of any repository; `None` when the provider does not report it (some runs from
    /// forks).
    pub branch: Option<String>,
    /// Its commit.
    pub commit_sha: String,
    /// First line of the commit message, or the title shown by the provider.
    pub commit_message: Option<String>,
    /// Login of the user who triggered it. Display only: never used for access.
    pub author: Option<String>,
    /// The trigger, such as `push` or `schedule`.
    pub trigger: String,
    /// Page of the run for people. Shown, never fetched.
    pub url: Option<String>,
    /// What its branch is to the repository.
    pub branch_kind: BranchKind,
}

impl RunFacts {
    /// The branch, when it is one of the connection's own repository.
    pub fn own_branch(&self) -> Option<&str> {
        self.branch.as_deref().filter(|_| self.code == Code::Own)
    }

    /// How severe a failure is, unless a rule says otherwise: one of a branch beside the default
    /// and the protected ones concerns the person who works there.
    pub const fn severity(&self) -> Severity {
        match self.branch_kind {
            BranchKind::Unknown | BranchKind::Default | BranchKind::Protected => Severity::Error,
            BranchKind::Other => Severity::Warning,
        }
    }
}
