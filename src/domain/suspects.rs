//! Who may have broken it: the authors of the commits since the last run that passed.

use super::explanation::ExplainedCommit;

/// An author of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect<'a> {
    /// The provider's id of the author's account.
    pub author_id: Option<u64>,
    /// The author, for people.
    pub author: Option<&'a str>,
    /// How many of the commits are theirs.
    pub commits: usize,
}

/// The authors of these commits, who has most of them first. They are one author by the provider's
/// id of the account; by their name only where there is no id, and then with no one who has one.
pub fn of(commits: &[ExplainedCommit]) -> Vec<Suspect<'_>> {
    let mut all: Vec<Suspect<'_>> = Vec::new();
    for commit in commits {
        let (author_id, author) = (commit.author_id, commit.author.as_deref());
        let is_theirs = |it: &&mut Suspect<'_>| match (author_id, it.author_id) {
            (Some(id), Some(of)) => id == of,
            (None, None) => author == it.author,
            (Some(_), None) | (None, Some(_)) => false,
        };
        match all.iter_mut().find(is_theirs) {
            Some(known) => known.commits += 1,
            None => all.push(Suspect {
                author_id,
                author,
                commits: 1,
            }),
        }
    }
    // Those with as many stay in the order of their latest commits.
    all.sort_by_key(|suspect| std::cmp::Reverse(suspect.commits));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_one_by_the_providers_id_and_never_by_a_name_that_one_with_an_id_has() {
        let commit = |author_id, author: Option<&str>| ExplainedCommit {
            sha: String::new(),
            title: String::new(),
            author_id,
            author: author.map(str::to_owned),
        };
        let commits = [
            commit(None, Some("ann")),
            commit(Some(1), Some("ann")),
            commit(Some(2), Some("ann")),
            commit(Some(1), Some("renamed")),
            commit(None, None),
            commit(None, Some("ann")),
            commit(Some(1), Some("ann")),
        ];
        let found = of(&commits);
        let seen: Vec<_> = found
            .iter()
            .map(|it| (it.author_id, it.author, it.commits))
            .collect();
        assert_eq!(
            seen,
            [
                (Some(1), Some("ann"), 3),
                (None, Some("ann"), 2),
                (Some(2), Some("ann"), 1),
                (None, None, 1),
            ]
        );
        assert_eq!(of(&[]), []);
    }
}
