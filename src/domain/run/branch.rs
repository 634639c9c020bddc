//! What the branch of a run is to its repository.

use crate::domain::lane::{Code, Lane};

named! {
    /// What the branch of a run is to its repository.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum BranchKind {
        /// Not known; also a tag, and a branch whose name looks like a version.
        Unknown = "unknown",
        /// Another branch, or code that is not merged yet.
        Other = "other",
        /// A protected branch.
        Protected = "protected",
        /// The default branch.
        Default = "default",
    }
}

/// What the provider reports of the branches of a repository.
#[derive(Clone, Copy, Debug, Default)]
pub struct Branches<'a> {
    /// The name of the default branch.
    pub default: Option<&'a str>,
    /// The branch of the run is protected. GitHub does not report it; GitLab does with
    /// `protected_ref`, which older versions lack.
    pub is_protected: bool,
}

impl BranchKind {
    /// The kind of the branch of a run in this lane.
    pub fn of(lane: &Lane, code: &Code, branch: Option<&str>, branches: Branches<'_>) -> Self {
        match lane {
            Lane::PullRequest { .. } | Lane::PullRequestFrom { .. } | Lane::Queue { .. } => {
                return Self::Other;
            }
            Lane::Tag { .. } => return Self::Unknown,
            Lane::Child { parent, .. } => return Self::of(parent, code, branch, branches),
            Lane::Push { .. }
            | Lane::Schedule { .. }
            | Lane::Dispatch { .. }
            | Lane::Other { .. }
            | Lane::Commit { .. } => {}
        }
        match code {
            Code::Own => {}
            Code::Fork(_) | Code::ForkNamed(_) => return Self::Other,
            Code::Unreported => return Self::Unknown,
        }
        let (Some(branch), Some(default)) = (branch, branches.default) else {
            return Self::Unknown;
        };
        if branch == default {
            Self::Default
        } else if branches.is_protected {
            Self::Protected
        } else if is_version(branch) {
            Self::Unknown
        } else {
            Self::Other
        }
    }
}

/// Whether a name looks like a version: `v1.2.3`, `release-2.0`, `support/1.x`. GitHub does not say
/// of most runs whether a branch or a tag was pushed.
fn is_version(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let last = last.strip_prefix("release").unwrap_or(last);
    let last = last.trim_start_matches(['-', '_', 'v', 'V']);
    let digits = last.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = digits.strip_prefix(['-', '_']);
    let is_end = digits.is_empty()
        || digits.starts_with('.')
        || rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    digits.len() < last.len() && is_end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::repo::RepositoryId;

    #[test]
    fn names_that_look_like_versions_do_and_others_do_not() {
        let versions = "v1.2.3 1.2 release-2.0 release/1.x release_3 support/1.x V2 v1 2024-06 \
                        releases/v4 release/2024.1";
        for name in versions.split_whitespace() {
            assert!(is_version(name), "{name}");
        }
        let others = "main fix-1.2 dependabot/npm_and_yarn/lodash-4.17.21 renovate/node-22.x \
                      release 123-fix-login 2nd-try v vault 123abc feature/v-next ";
        for name in others.split_whitespace() {
            assert!(!is_version(name), "{name}");
        }
        assert!(!is_version("") && !is_version("x/"));
    }

    /// The kind of a branch of the repository itself, whose default branch is `main`.
    fn pushed(branch: &str, is_protected: bool) -> BranchKind {
        let lane = Lane::of_branch("push", branch.into());
        let default = Some("main");
        let branches = Branches {
            default,
            is_protected,
        };
        BranchKind::of(&lane, &Code::Own, Some(branch), branches)
    }

    #[test]
    fn the_default_and_the_protected_branches_are_told_apart_from_others() {
        for (branch, is_protected, expected) in [
            ("main", false, BranchKind::Default),
            ("main", true, BranchKind::Default),
            ("fix", false, BranchKind::Other),
            ("fix", true, BranchKind::Protected),
            ("v1.2", false, BranchKind::Unknown),
            ("v1.2", true, BranchKind::Protected),
            (
                "gh-readonly-queue/main/pr-7-0123abc",
                false,
                BranchKind::Other,
            ),
        ] {
            assert_eq!(pushed(branch, is_protected), expected, "{branch}");
        }
    }

    #[test]
    fn what_is_not_known_is_unknown_and_what_is_not_merged_is_of_no_branch() {
        let known = Branches {
            default: Some("main"),
            is_protected: true,
        };
        let push = Lane::of_branch("push", "main".into());
        let kind =
            |lane: &Lane, code: &Code, branches| BranchKind::of(lane, code, Some("main"), branches);
        let unknown = kind(&push, &Code::Own, Branches::default());
        assert_eq!(unknown, BranchKind::Unknown);
        assert_eq!(
            BranchKind::of(&push, &Code::Own, None, known),
            BranchKind::Unknown
        );
        assert_eq!(kind(&push, &Code::Unreported, known), BranchKind::Unknown);
        let fork = Code::Fork(RepositoryId(9));
        assert_eq!(kind(&push, &fork, known), BranchKind::Other);
        let name = "main".into();
        let tag = Lane::Tag { name };
        assert_eq!(kind(&tag, &Code::Own, known), BranchKind::Unknown);
        let trigger = "pull_request".into();
        let pull = Lane::PullRequest { trigger, number: 7 };
        assert_eq!(kind(&pull, &Code::Own, known), BranchKind::Other);
    }
}
