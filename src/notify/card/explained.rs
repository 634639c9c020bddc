//! What the provider says about a failure, in a line each.

use super::bounded::{FACT_BYTES_MAX, bounded};
use crate::domain::explanation::{Explained, ExplainedJob};
use crate::domain::suspects;

/// Jobs whose steps are named, and people.
const JOBS_MAX: usize = 3;
const PEOPLE_MAX: usize = 3;
/// Longest name of a job, a step or a person, in bytes.
const NAME_BYTES_MAX: usize = 60;

/// The steps that failed, each with its job.
pub(super) fn steps(explained: &Explained) -> Option<String> {
    let jobs = explained.jobs.as_ref().ok()?;
    let step = |job: &ExplainedJob| {
        let step = bounded(job.steps.first()?, NAME_BYTES_MAX)?;
        let job = bounded(&job.name, NAME_BYTES_MAX)?;
        Some(format!("{job}: {step}"))
    };
    let all: Vec<String> = jobs.iter().filter_map(step).take(JOBS_MAX).collect();
    bounded(&all.join("; "), FACT_BYTES_MAX)
}

/// How many commits came since the last run that passed, and whose they are.
pub(super) fn since(explained: &Explained) -> Option<String> {
    let range = explained.range.as_ref().ok()?;
    let (count, more) = (range.commits.len(), if range.has_more { "+" } else { "" });
    let commits = if count == 1 && !range.has_more {
        "commit"
    } else {
        "commits"
    };
    let suspects = suspects::of(&range.commits);
    let names = suspects.iter().filter_map(|suspect| suspect.author);
    let names = names.filter_map(|name| bounded(name, NAME_BYTES_MAX));
    let mut names: Vec<String> = names.take(PEOPLE_MAX).collect();
    if suspects.len() > PEOPLE_MAX {
        names.push("others".to_owned());
    }
    let by = if names.is_empty() { "" } else { " by " };
    let text = format!("{count}{more} {commits}{by}{}", names.join(", "));
    bounded(&text, FACT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::explanation::{ExplainedCommit, Unread, samples::explained};

    #[test]
    fn steps_are_named_with_their_jobs() {
        let mut it = explained();
        assert_eq!(steps(&it).as_deref(), Some("unit: Run make test"));
        if let Ok(jobs) = &mut it.jobs {
            let without = ExplainedJob {
                steps: Vec::new(),
                ..jobs[0].clone()
            };
            let many = vec![jobs[0].clone(); 4];
            *jobs = [without].into_iter().chain(many).collect();
        }
        let unit = "unit: Run make test";
        assert_eq!(steps(&it), Some([unit; 3].join("; ")));
        it.jobs = Err(Unread::NoJobs);
        assert_eq!(steps(&it), None);
    }

    #[test]
    fn commits_since_the_last_pass_have_a_number_and_names() {
        let mut it = explained();
        assert_eq!(since(&it).as_deref(), Some("2 commits by ann"));
        let commit = |n: u64| ExplainedCommit {
            sha: n.to_string(),
            title: String::new(),
            author_id: Some(n),
            author: (n > 0).then(|| format!("user {n}")),
        };
        let mut of = |commits: Vec<ExplainedCommit>, has_more| {
            if let Ok(range) = &mut it.range {
                (range.commits, range.has_more) = (commits, has_more);
            }
            since(&it).unwrap()
        };
        assert_eq!(of(vec![commit(0)], false), "1 commit");
        assert_eq!(of(vec![commit(1)], false), "1 commit by user 1");
        assert_eq!(
            of((1..=50).map(commit).collect(), true),
            "50+ commits by user 1, user 2, user 3, others"
        );
        assert_eq!(of(Vec::new(), false), "0 commits");
        it.range = Err(Unread::NoPassedRun);
        assert_eq!(since(&it), None);
    }
}
