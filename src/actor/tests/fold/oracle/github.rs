//! Histories at GitHub.

mod status;

use super::{Fact, Tell, clock, moment, times};
use crate::domain::incident::Resolution;
use crate::domain::samples::{self, Same};
use crate::provider::Decode;
use crate::provider::github::GithubDecode;
use proptest::prelude::*;
use serde_json::{Value, json};
use status::status;

/// Whose code runs, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Push(&'static str),
    Tag,
    Schedule,
    Dispatch,
    Release,
    /// Of a pull request from our own `topic`.
    Pull(u64),
    Target(u64),
    /// Of a fork's pull request, whose number is not told.
    Fork(usize, &'static str),
    /// Of a fork that is gone.
    Gone(usize),
    Queue(u64),
    /// A status on the head of a branch, or on a fork's commit.
    Status(Result<&'static str, usize>),
    /// An app's suite, likewise.
    Suite(Result<&'static str, usize>),
}

const FORKS: [(u64, &str, &str); 2] = [(5555, "x/r", "x"), (6666, "y/r", "y")];
const COMMITS: [&str; 2] = [
    "cccccccccccccccccccccccccccccccccccccccc",
    "dddddddddddddddddddddddddddddddddddddddd",
];

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    Run {
        kind: Kind,
        workflow: u64,
        /// One conclusion an attempt; what is no workflow run has but the first.
        conclusions: Vec<&'static str>,
        /// It ends only after the next act.
        is_slow: bool,
    },
    DeleteBranch(&'static str),
    DeleteTag,
    Close(u64, bool),
    CloseFork(usize, &'static str, usize),
    Dequeue(u64),
}

#[derive(Clone, Debug)]
pub(in super::super) struct Story(Vec<Act>);

fn any_kind() -> impl Strategy<Value = Kind> {
    let branch = prop::sample::select(vec!["main", "topic"]);
    let pull = prop::sample::select(vec![12_u64, 13]);
    let place = prop_oneof![
        prop::sample::select(vec!["main", "topic"]).prop_map(Ok),
        (0..2_usize).prop_map(Err),
    ];
    prop_oneof![
        4 => branch.clone().prop_map(Kind::Push),
        1 => Just(Kind::Tag),
        1 => Just(Kind::Schedule),
        1 => Just(Kind::Dispatch),
        1 => Just(Kind::Release),
        2 => pull.clone().prop_map(Kind::Pull),
        1 => pull.clone().prop_map(Kind::Target),
        3 => (0..2_usize, branch).prop_map(|(fork, branch)| Kind::Fork(fork, branch)),
        1 => (0..2_usize).prop_map(Kind::Gone),
        3 => pull.prop_map(Kind::Queue),
        2 => place.clone().prop_map(Kind::Status),
        2 => place.prop_map(Kind::Suite),
    ]
}

fn any_act() -> impl Strategy<Value = Act> {
    let branch = prop::sample::select(vec!["main", "topic"]);
    let pull = prop::sample::select(vec![12_u64, 13]);
    let conclusion = prop::sample::select(vec!["failure", "failure", "success", "cancelled"]);
    let conclusions = prop::collection::vec(conclusion, 1..3);
    let run = (any_kind(), 77..79_u64, conclusions, any::<bool>());
    prop_oneof![
        12 => run.prop_map(|(kind, workflow, conclusions, is_slow)| {
            Act::Run { kind, workflow, conclusions, is_slow }
        }),
        1 => branch.clone().prop_map(Act::DeleteBranch),
        1 => Just(Act::DeleteTag),
        1 => (pull.clone(), any::<bool>()).prop_map(|(pull, merged)| Act::Close(pull, merged)),
        1 => (0..2_usize, branch, 0..2_usize)
            .prop_map(|(fork, branch, commit)| Act::CloseFork(fork, branch, commit)),
        1 => pull.prop_map(Act::Dequeue),
    ]
}

pub(in super::super) fn any_story() -> impl Strategy<Value = Story> {
    prop::collection::vec(any_act(), 1..14).prop_map(Story)
}

fn repository(at: i64) -> Value {
    json!({
        "id": 1001, "full_name": "o/r", "default_branch": "main",
        "pushed_at": moment(at).0 / 1000
    })
}

fn decode(name: &str, body: &Value, at: i64) -> Tell {
    let payload = samples::payload(body.to_string());
    let decoded = GithubDecode::new(&Same(9)).decode(name, &payload);
    Tell {
        event: decoded.unwrap().event,
        at: moment(at),
        is_first: false,
    }
}

impl Kind {
    /// What people are told of it.
    fn words(self) -> String {
        match self {
            Self::Push(branch) | Self::Status(Ok(branch)) | Self::Suite(Ok(branch)) => {
                branch.to_owned()
            }
            Self::Tag => "tag v1".into(),
            Self::Schedule => "main (schedule)".into(),
            Self::Dispatch => "main (manual)".into(),
            Self::Release => "v1 (release)".into(),
            Self::Pull(pull) => format!("#{pull}"),
            Self::Target(pull) => format!("#{pull} (pull_request_target)"),
            Self::Fork(fork, branch) => {
                format!("fork {}/{branch} (pull request)", FORKS[fork].2)
            }
            Self::Gone(commit) | Self::Status(Err(commit)) | Self::Suite(Err(commit)) => {
                format!("commit {}", &COMMITS[commit][..7])
            }
            Self::Queue(pull) => format!("#{pull} in the merge queue of main"),
        }
    }

    /// What it is over with.
    fn places(self) -> Vec<String> {
        match self {
            Self::Push(branch) | Self::Status(Ok(branch)) | Self::Suite(Ok(branch)) => {
                vec![format!("branch {branch}")]
            }
            Self::Tag | Self::Release => vec!["tag v1".into()],
            Self::Schedule | Self::Dispatch => vec!["branch main".into()],
            Self::Pull(pull) | Self::Target(pull) => {
                vec![format!("pull {pull}"), "branch topic".into()]
            }
            Self::Fork(fork, branch) => vec![format!("head {fork} {branch}")],
            Self::Gone(commit) | Self::Status(Err(commit)) | Self::Suite(Err(commit)) => {
                vec![format!("commit {commit}")]
            }
            Self::Queue(pull) => vec![format!("entry {pull}"), format!("pull {pull}")],
        }
    }

    const fn is_workflow(self) -> bool {
        !matches!(self, Self::Status(_) | Self::Suite(_))
    }

    fn name(self, workflow: u64) -> String {
        match self {
            Self::Status(_) => format!("context {workflow}"),
            Self::Suite(_) => format!("app {workflow}"),
            _ => format!("CI {workflow}"),
        }
    }

    /// What a workflow run says of it.
    fn fields(self, number: u64) -> Value {
        let own = json!({"id": 1001, "full_name": "o/r"});
        let of = |event: &str, branch: &str| {
            let own = own.clone();
            json!({"event": event, "head_branch": branch, "head_repository": own})
        };
        match self {
            Self::Push(branch) => of("push", branch),
            Self::Tag => {
                let mut fields = of("push", "v1");
                fields["path"] = json!(".github/workflows/ci.yml@refs/tags/v1");
                fields
            }
            Self::Schedule => of("schedule", "main"),
            Self::Dispatch => of("workflow_dispatch", "main"),
            Self::Release => of("release", "v1"),
            Self::Pull(pull) | Self::Target(pull) => {
                let event = match self {
                    Self::Pull(_) => "pull_request",
                    _ => "pull_request_target",
                };
                let mut fields = of(event, "topic");
                fields["pull_requests"] = json!([{"number": pull, "base": {"repo": {"id": 1001}}}]);
                fields
            }
            Self::Fork(fork, branch) => {
                let (id, name, _) = FORKS[fork];
                let mut fields = of("pull_request", branch);
                fields["head_repository"] = json!({"id": id, "full_name": name});
                fields
            }
            Self::Gone(commit) => {
                let mut fields = of("pull_request", "main");
                fields["head_repository"] = json!(null);
                fields["head_sha"] = json!(COMMITS[commit]);
                fields
            }
            Self::Queue(pull) => {
                let branch = format!("gh-readonly-queue/main/pr-{pull}-{number:040x}");
                of("merge_group", &branch)
            }
            Self::Status(_) | Self::Suite(_) => json!({}),
        }
    }
}

impl Story {
    /// When each act begins, and when it ends.
    fn times(&self, nth: usize) -> (i64, i64) {
        let is_slow = match (&self.0[nth], self.0.get(nth + 1)) {
            (Act::Run { kind, is_slow, .. }, Some(Act::Run { kind: next, .. })) => {
                *is_slow && next != kind
            }
            (Act::Run { is_slow, .. }, Some(_)) => *is_slow,
            (_, _) => false,
        };
        times(nth, is_slow)
    }

    pub(in super::super) fn facts(&self) -> Vec<(i64, Fact)> {
        let mut facts = Vec::new();
        for (nth, act) in self.0.iter().enumerate() {
            let (began, ended) = self.times(nth);
            match act {
                Act::Run {
                    kind,
                    workflow,
                    conclusions,
                    ..
                } => {
                    let lane = format!("{} on {}", kind.name(*workflow), kind.words());
                    if let Kind::Queue(pull) = kind {
                        facts.push((began, Fact::Tries(format!("entry {pull}"))));
                    }
                    let told = if kind.is_workflow() {
                        conclusions.len()
                    } else {
                        1
                    };
                    for (attempt, conclusion) in (0..).zip(&conclusions[..told]) {
                        let at = ended + attempt;
                        let passed = match *conclusion {
                            "success" => Some(true),
                            "failure" => Some(false),
                            // A status knows no such state: it is an error there.
                            _ if matches!(kind, Kind::Status(_)) => Some(false),
                            _ => None,
                        };
                        // A status is about what is there when it is posted.
                        let is_status = matches!(kind, Kind::Status(_));
                        let fact = Fact::Decided {
                            lane: lane.clone(),
                            places: kind.places(),
                            began: if is_status { at } else { began },
                            passed,
                        };
                        facts.push((at, fact));
                    }
                }
                Act::DeleteBranch(branch) => facts.push((began, Fact::branch_deleted(branch))),
                Act::DeleteTag => facts.push((began, Fact::tag_deleted())),
                Act::Close(pull, is_merged) => {
                    facts.push((began, Fact::closed(*pull, *is_merged)));
                }
                Act::CloseFork(fork, branch, commit) => {
                    for place in [format!("head {fork} {branch}"), format!("commit {commit}")] {
                        facts.push((began, Fact::Over(place, Resolution::PullRequestClosed)));
                    }
                }
                Act::Dequeue(pull) => {
                    let place = format!("entry {pull}");
                    facts.push((began, Fact::Over(place, Resolution::LeftQueue)));
                }
            }
        }
        facts
    }

    pub(in super::super) fn told(&self) -> Vec<Tell> {
        let mut told = Vec::new();
        for (nth, act) in self.0.iter().enumerate() {
            let (began, ended) = self.times(nth);
            match act {
                Act::Run {
                    kind,
                    workflow,
                    conclusions,
                    ..
                } => match kind {
                    Kind::Status(place) => {
                        status(
                            nth,
                            *place,
                            *workflow,
                            conclusions[0],
                            (began, ended),
                            &mut told,
                        );
                    }
                    Kind::Suite(place) => {
                        let app = json!({"id": workflow, "name": kind.name(*workflow)});
                        let times = (began, ended);
                        told.push(suite(suite_id(nth), &app, *place, conclusions[0], times));
                    }
                    _ => runs(
                        nth,
                        *kind,
                        *workflow,
                        conclusions,
                        (began, ended),
                        &mut told,
                    ),
                },
                Act::DeleteBranch(branch) => {
                    let body = json!({
                        "ref": format!("refs/heads/{branch}"), "deleted": true,
                        "repository": repository(began)
                    });
                    told.push(decode("push", &body, began));
                }
                Act::DeleteTag => {
                    let body = json!({
                        "ref": "v1", "ref_type": "tag", "repository": repository(began)
                    });
                    told.push(decode("delete", &body, began));
                }
                Act::Close(pull, is_merged) => {
                    let head = json!({"ref": "topic", "sha": "0", "repo": {"id": 1001}});
                    told.push(close(*pull, *is_merged, &head, began));
                }
                Act::CloseFork(fork, branch, commit) => {
                    let (id, name, _) = FORKS[*fork];
                    let head = json!({
                        "ref": branch, "sha": COMMITS[*commit],
                        "repo": {"id": id, "full_name": name}
                    });
                    told.push(close(20 + nth as u64, false, &head, began));
                }
                Act::Dequeue(pull) => {
                    let body = json!({
                        "action": "dequeued",
                        "pull_request": {"number": pull, "updated_at": clock(began)},
                        "repository": repository(began)
                    });
                    told.push(decode("pull_request", &body, began));
                }
            }
        }
        told
    }
}

fn close(pull: u64, is_merged: bool, head: &Value, at: i64) -> Tell {
    let body = json!({
        "action": "closed", "number": pull,
        "pull_request": {
            "number": pull, "merged": is_merged, "closed_at": clock(at), "head": head
        },
        "repository": repository(at)
    });
    decode("pull_request", &body, at)
}

fn suite_id(nth: usize) -> u64 {
    1_000 + nth as u64
}

/// A workflow run's events, and the suite that mirrors it.
fn runs(
    nth: usize,
    kind: Kind,
    workflow: u64,
    conclusions: &[&str],
    (began, ended): (i64, i64),
    told: &mut Vec<Tell>,
) {
    let number = 1 + nth as u64;
    for (attempt, conclusion) in (1..).zip(conclusions) {
        let at = ended + i64::from(attempt) - 1;
        let mut run = json!({
            "id": 9_000 + number, "workflow_id": workflow, "run_number": number,
            "run_attempt": attempt, "name": kind.name(workflow), "status": "completed",
            "conclusion": conclusion, "head_sha": format!("{number:040x}"),
            "check_suite_id": suite_id(nth), "created_at": clock(began), "updated_at": clock(at),
        });
        for (name, value) in kind.fields(number).as_object().unwrap() {
            run[name] = value.clone();
        }
        let body = json!({
            "action": "completed", "workflow_run": run, "repository": repository(at)
        });
        told.push(decode("workflow_run", &body, at));
        let app = json!({"id": 15368, "slug": "github-actions", "name": "GitHub Actions"});
        told.push(suite(
            suite_id(nth),
            &app,
            Ok("main"),
            conclusion,
            (began, at),
        ));
    }
}

fn suite(
    id: u64,
    app: &Value,
    place: Result<&str, usize>,
    conclusion: &str,
    (began, ended): (i64, i64),
) -> Tell {
    let sha = place.map_or_else(
        |commit| COMMITS[commit].to_owned(),
        |_| format!("{id:040x}"),
    );
    let body = json!({
        "action": "completed",
        "check_suite": {
            "id": id, "head_branch": place.ok(), "head_sha": sha, "status": "completed",
            "conclusion": conclusion, "created_at": clock(began), "updated_at": clock(ended),
            "app": app
        },
        "repository": repository(ended)
    });
    decode("check_suite", &body, ended)
}
