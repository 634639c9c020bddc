//! Lanes and their texts.

use super::*;
use proptest::prelude::*;

fn push(branch: &str) -> Lane {
    Lane::Push {
        code: Code::Own,
        branch: branch.into(),
    }
}

#[test]
fn the_branches_of_merge_queues_are_entries_and_what_only_looks_like_one_is_a_branch() {
    let queued = |base: &str, number| Lane::Queue {
        trigger: "merge_group".into(),
        base: base.into(),
        number,
    };
    let of = |branch: &str| Lane::of_branch("merge_group", branch.into());
    let sha = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    for base in ["main", "release/1.0", "pr-1/x"] {
        let branch = format!("gh-readonly-queue/{base}/pr-12-{sha}");
        assert_eq!(of(&branch), queued(base, 12));
    }
    for no in [
        "main",
        "gh-readonly-queue/pr-12-a",
        "gh-readonly-queue//pr-12-a",
        "gh-readonly-queue/main/pr--a",
        "gh-readonly-queue/main/pr-12-",
        "gh-readonly-queue/main/pr-12",
        "x/gh-readonly-queue/main/pr-12-a",
        "gh-readonly-queue/main/pr-99999999999999999999-a",
    ] {
        assert_eq!(of(no), push(no), "{no}");
    }
}

#[test]
fn people_are_told_which() {
    let fork = Code::Fork(RepositoryId(5));
    let from = |code: Code| Lane::PullRequestFrom {
        trigger: "pull_request".into(),
        code,
        branch: "main".into(),
    };
    let pull = |trigger: &str| Lane::PullRequest {
        trigger: trigger.into(),
        number: 12,
    };
    let child = Lane::Child {
        parent: Box::new(push("main")),
        project: None,
        nth: 1,
    };
    let table = [
        (push("main"), None, "main"),
        (pull("pull_request"), None, "#12"),
        (
            pull("pull_request_target"),
            None,
            "#12 (pull_request_target)",
        ),
        (
            from(fork.clone()),
            Some("x/r"),
            "fork x/main (pull request)",
        ),
        (from(fork), None, "fork 5/main (pull request)"),
        (from(Code::Own), None, "main (pull request)"),
        (child, None, "main (child pipeline 2)"),
    ];
    for (lane, head, words) in table {
        assert_eq!(lane.words(Family::Actions, head), words);
    }
    let merge_request = pull("merge_request_event");
    assert_eq!(merge_request.words(Family::Pipelines, None), "!12");
}

#[test]
fn stored_keys_do_not_change_by_accident() {
    assert_eq!(push("a|b\\c").to_key(), "push|own|a\\|b\\\\c|");
    let lane = Lane::Child {
        parent: Box::new(push("main")),
        project: Some(RepositoryId(7)),
        nth: 0,
    };
    assert_eq!(lane.to_key(), "child|push\\|own\\|main\\||7|0|");
    assert_eq!(
        Place::Pipeline {
            project: None,
            id: 31
        }
        .to_key(),
        "pipeline||31|",
        "places are keys, too"
    );
}

#[test]
fn an_end_counts_once_and_only_the_newest_are_kept() {
    let connection = crate::domain::id::ConnectionId::from_u128(1);
    let place = Place::Branch("main".into());
    let mut note = place::Note::new(place::NoteKey { connection, place });
    let end = |at| place::EndedAt {
        at: crate::domain::time::Timestamp(at),
        reach: place::Reach::Begun,
    };
    let why = crate::domain::incident::Resolution::BranchDeleted;
    assert!(note.end(end(5), why));
    assert!(!note.end(end(5), why));
    for at in 10..40 {
        note.end(end(at), why);
    }
    assert_eq!(note.ends.len(), place::ENDS_MAX);
    assert!(!note.end(end(6), why), "older than what is kept");
    let (mut seats, like) = (Vec::new(), children::Likeness::default());
    let mut child = |job| note.child(job, &like, &mut seats);
    assert_eq!(child(900), (0, true));
    assert_eq!(child(901), (1, true));
    assert_eq!(child(900), (0, false));
}

fn any_text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "a|b", "a\\", "|", "own|", "1"])
        .prop_map(ToOwned::to_owned)
}

fn any_code() -> impl Strategy<Value = Code> {
    prop_oneof![
        Just(Code::Own),
        (0..3_u64).prop_map(|id| Code::Fork(RepositoryId(id))),
        any_text().prop_map(Code::ForkNamed),
        Just(Code::Unreported),
    ]
}

pub(crate) fn any_lane() -> impl Strategy<Value = Lane> {
    let leaf = (0..9_u8, any_text(), any_text(), any_code(), 0..3_u64).prop_map(
        |(kind, trigger, branch, code, number)| match kind {
            0 => Lane::Push { code, branch },
            1 => Lane::Tag { name: branch },
            2 => Lane::Schedule { branch },
            3 => Lane::Dispatch { branch },
            4 => Lane::PullRequest { trigger, number },
            5 => Lane::PullRequestFrom {
                trigger,
                code,
                branch,
            },
            6 => Lane::Queue {
                trigger,
                base: branch,
                number,
            },
            7 => Lane::Other {
                trigger,
                code,
                branch,
            },
            _ => Lane::Commit {
                trigger,
                code,
                sha: branch,
            },
        },
    );
    leaf.prop_recursive(2, 4, 1, |inner| {
        (inner, prop::option::of(0..3_u64), 0..3_u32).prop_map(|(parent, project, nth)| {
            Lane::Child {
                parent: Box::new(parent),
                project: project.map(RepositoryId),
                nth,
            }
        })
    })
}

proptest! {
    #[test]
    fn different_lanes_have_different_keys(a in any_lane(), b in any_lane()) {
        prop_assert_eq!(a == b, a.to_key() == b.to_key());
    }
}
