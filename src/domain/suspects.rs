//! Who may have broken it: the authors of the commits since the last run that passed.

use super::explanation::ExplainedCommit;
use super::id::UserId;
use super::repo::Instance;
use super::user::{Credential, User};

/// A user, as an author of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The provider's id of an account that is the user's.
    pub account: u64,
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub name: String,
}

/// A user as an author at this installation of a provider: by the accounts of their credentials, as
/// the provider reported them. A token shows whose account it is, also after it has expired; an
/// installation of an App may be of another's account.
pub fn authors(user: &User, credentials: &[Credential], instance: &Instance) -> Vec<Author> {
    let theirs = credentials.iter().filter(|credential| {
        credential.owner == user.id
            && credential.instance == *instance
            && credential.grant.shows_the_account()
    });
    let author = |credential: &Credential| Author {
        account: credential.account.id,
        user: user.id,
        name: user.name.clone(),
    };
    theirs.map(author).collect()
}

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
    use crate::domain::grant::Grant;
    use crate::domain::tests::samples;
    use crate::domain::user::Account;

    #[test]
    fn a_user_is_the_author_with_the_account_of_a_token_of_theirs_at_the_same_installation() {
        let (ann, bob) = (UserId::from_u128(1), UserId::from_u128(2));
        let ann = samples::user(ann, "ann");
        let with = |id: u64, owner: UserId, login: &str| Credential {
            account: Account {
                id,
                login: login.to_owned(),
            },
            ..samples::credential(id.into(), owner)
        };
        let app = Credential {
            grant: Grant::App { installation: 9 },
            ..with(3, ann.id, "org")
        };
        let elsewhere = Credential {
            instance: Instance {
                host: "github.example.com".parse().unwrap(),
                ..samples::github()
            },
            ..with(4, ann.id, "ann")
        };
        let credentials = [
            with(1, ann.id, "ann-dev"),
            with(2, bob, "ann"),
            app,
            elsewhere,
            with(5, ann.id, "ann-bot"),
        ];
        let found = authors(&ann, &credentials, &samples::github());
        let accounts: Vec<_> = found.iter().map(|author| author.account).collect();
        assert_eq!(accounts, [1, 5]);
        assert!(found.iter().all(|it| it.user == ann.id && it.name == "ann"));
    }

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
