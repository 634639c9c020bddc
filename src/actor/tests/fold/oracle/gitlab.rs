//! Histories at GitLab.

use super::{Fact, Tell, clock, moment, times};
use crate::domain::delivery::Payload;
use crate::domain::samples::Same;
use crate::provider::Decode;
use crate::provider::gitlab::GitlabDecode;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Why a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Push(&'static str),
    Tag,
    Schedule,
    Web,
    Api,
    /// Of a merge request, by number, from a project of this id.
    MergeRequest(u64, u64),
}

/// A child pipeline: which one of the three that a parent may have, and how it ends.
type Child = (usize, &'static str);

/// The files of two of them are the same, and what they are given is not.
const SERVICES: [&str; 3] = ["a", "b", "c"];
const JOBS: [[&str; 2]; 3] = [["build", "test"], ["build", "test"], ["deploy", "notify"]];

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    /// A pipeline with one or two ends (it is retried), and with children.
    Run {
        kind: Kind,
        ends: Vec<&'static str>,
        children: Vec<Child>,
        is_slow: bool,
    },
    DeleteBranch(&'static str),
    DeleteTag,
    Close(u64, bool),
}

#[derive(Clone, Debug)]
pub(in super::super) struct Story(Vec<Act>);

fn any_act() -> impl Strategy<Value = Act> {
    let branch = prop::sample::select(vec!["main", "topic"]);
    let kind = prop_oneof![
        3 => branch.clone().prop_map(Kind::Push),
        1 => Just(Kind::Tag),
        1 => Just(Kind::Schedule),
        1 => Just(Kind::Web),
        1 => Just(Kind::Api),
        3 => (1..3_u64, 700..702_u64)
            .prop_map(|(iid, project)| Kind::MergeRequest(iid, project)),
    ];
    let end = prop::sample::select(vec!["failed", "failed", "success", "canceled"]);
    let ends = prop::collection::vec(end.clone(), 1..3);
    // Some of them, in any order: a parent may have them by turns, and they begin side by side.
    let which = Just(vec![0, 1, 2]).prop_shuffle();
    let children = (which, prop::collection::vec(end, 0..4))
        .prop_map(|(which, ends)| which.into_iter().zip(ends).collect());
    prop_oneof![
        10 => (kind, ends, children, any::<bool>()).prop_map(|(kind, ends, children, is_slow)| {
            Act::Run { kind, ends, children, is_slow }
        }),
        1 => branch.prop_map(Act::DeleteBranch),
        1 => Just(Act::DeleteTag),
        1 => (1..3_u64, any::<bool>()).prop_map(|(iid, merged)| Act::Close(iid, merged)),
    ]
}

pub(in super::super) fn any_story() -> impl Strategy<Value = Story> {
    prop::collection::vec(any_act(), 1..10).prop_map(Story)
}

fn decode(name: &str, mut body: Value, at: i64) -> Tell {
    body["project"] = json!({"id": 380, "path_with_namespace": "g/p"});
    let payload = Payload {
        headers: vec![(
            "webhook-timestamp".into(),
            (moment(at).0 / 1000).to_string(),
        )],
        body: body.to_string().into(),
    };
    let decoded = GitlabDecode::new(&Same(9)).decode(name, &payload);
    Tell {
        event: decoded.unwrap().event,
        at: moment(at),
        is_first: false,
    }
}

impl Kind {
    fn words(self) -> String {
        match self {
            Self::Push(branch) => branch.to_owned(),
            Self::Tag => "tag v1".into(),
            Self::Schedule => "main (schedule)".into(),
            Self::Web => "main (manual)".into(),
            Self::Api => "main (api)".into(),
            Self::MergeRequest(iid, _) => format!("!{iid}"),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Push(_) | Self::Web | Self::Api => "Pipeline",
            Self::Tag => "Tag pipeline",
            Self::Schedule => "Scheduled pipeline",
            Self::MergeRequest(..) => "Merge request pipeline",
        }
    }

    fn places(self) -> Vec<String> {
        match self {
            Self::Push(branch) => vec![format!("branch {branch}")],
            Self::Tag => vec!["tag v1".into()],
            Self::Schedule | Self::Web | Self::Api => vec!["branch main".into()],
            Self::MergeRequest(iid, _) => vec![format!("pull {iid}")],
        }
    }

    const fn ref_name(self) -> &'static str {
        match self {
            Self::Push(branch) => branch,
            Self::Tag => "v1",
            Self::Schedule | Self::Web | Self::Api => "main",
            Self::MergeRequest(..) => "patch",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::Push(_) | Self::Tag => "push",
            Self::Schedule => "schedule",
            Self::Web => "web",
            Self::Api => "api",
            Self::MergeRequest(..) => "merge_request_event",
        }
    }

    /// A pipeline of this kind.
    fn body(self, id: u64, status: &str, began: i64, ended: Option<i64>) -> Value {
        let mut body = json!({
            "object_kind": "pipeline",
            "object_attributes": {
                "id": id, "ref": self.ref_name(), "tag": self == Self::Tag,
                "source": self.source(), "status": status, "created_at": clock(began),
                "finished_at": ended.map(clock),
            },
            "builds": []
        });
        if let Self::MergeRequest(iid, project) = self {
            body["merge_request"] = json!({
                "iid": iid, "source_branch": "patch", "source_project_id": project,
                "target_branch": "main"
            });
        }
        body
    }
}

fn verdict(status: &str) -> Option<bool> {
    match status {
        "success" => Some(true),
        "failed" => Some(false),
        _ => None,
    }
}

/// The id of a pipeline; those of its children follow it.
fn id(nth: usize) -> u64 {
    (1 + nth as u64) * 10
}

impl Story {
    fn times(&self, nth: usize) -> (i64, i64) {
        let is_slow = match (&self.0[nth], self.0.get(nth + 1)) {
            (Act::Run { .. }, Some(Act::Run { .. }) | None) => false,
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
                    ends,
                    children,
                    ..
                } => {
                    let mut decide = |lane, at, status: &str| {
                        let fact = Fact::Decided {
                            lane,
                            places: kind.places(),
                            began,
                            passed: verdict(status),
                        };
                        facts.push((at, fact));
                    };
                    for (nth, (which, status)) in (1..).zip(children) {
                        let (words, service) = (kind.words(), SERVICES[*which]);
                        let lane = format!("Child pipeline on {words} (child {service})");
                        decide(lane, ended + nth, status);
                    }
                    for (retry, status) in (0..).zip(ends) {
                        let lane = format!("{} on {}", kind.name(), kind.words());
                        decide(lane, ended + 4 + retry, status);
                    }
                }
                Act::DeleteBranch(branch) => facts.push((began, Fact::branch_deleted(branch))),
                Act::DeleteTag => facts.push((began, Fact::tag_deleted())),
                Act::Close(iid, is_merged) => {
                    facts.push((began, Fact::closed(*iid, *is_merged)));
                }
            }
        }
        facts
    }

    pub(in super::super) fn told(&self) -> Vec<Tell> {
        let mut told = Vec::new();
        for (nth, act) in self.0.iter().enumerate() {
            let (began, ended) = self.times(nth);
            let pushed = |kind: &str, git_ref: String| {
                let zeros = "0".repeat(40);
                json!({"object_kind": kind, "ref": git_ref, "after": zeros})
            };
            match act {
                Act::Run {
                    kind,
                    ends,
                    children,
                    ..
                } => pipelines(nth, *kind, (ends, children), (began, ended), &mut told),
                Act::DeleteBranch(branch) => {
                    let body = pushed("push", format!("refs/heads/{branch}"));
                    told.push(decode("Push Hook", body, began));
                }
                Act::DeleteTag => {
                    let body = pushed("tag_push", "refs/tags/v1".into());
                    told.push(decode("Tag Push Hook", body, began));
                }
                Act::Close(iid, is_merged) => {
                    let action = if *is_merged { "merge" } else { "close" };
                    let body = json!({
                        "object_kind": "merge_request",
                        "object_attributes": {
                            "iid": iid, "action": action, "updated_at": clock(began),
                            "source_branch": "elsewhere", "source_project_id": 799,
                        }
                    });
                    told.push(decode("Merge Request Hook", body, began));
                }
            }
        }
        told
    }
}

/// A pipeline's events and those of its children.
fn pipelines(
    nth: usize,
    kind: Kind,
    (ends, children): (&[&str], &[Child]),
    (began, ended): (i64, i64),
    told: &mut Vec<Tell>,
) {
    let parent = id(nth);
    told.push(Tell {
        is_first: true,
        ..decode(
            "Pipeline Hook",
            kind.body(parent, "running", began, None),
            began,
        )
    });
    let child_body = |which: usize, status: &str, at: Option<i64>| {
        let id = parent + 1 + which as u64;
        let mut body = kind.body(id, status, began, at);
        body["object_attributes"]["source"] = json!("parent_pipeline");
        body["object_attributes"]["variables"] = json!([
            {"key": "SERVICE", "value": SERVICES[which]},
            {"key": "PARENT", "value": parent.to_string()}
        ]);
        let jobs = (0..).zip(JOBS[which]).map(|(nth, name)| {
            let ended = if nth == 0 { status } else { "skipped" };
            json!({
                "id": id * 10 + nth, "name": name, "stage": "s", "status": ended,
                // What tells in this test whose failure it was.
                "failure_reason": SERVICES[which]
            })
        });
        body["builds"] = jobs.collect();
        body["source_pipeline"] = json!({
            "project": {"id": 380}, "pipeline_id": parent, "job_id": id * 100
        });
        body
    };
    for (which, _) in children {
        let body = child_body(*which, "running", None);
        told.push(decode("Pipeline Hook", body, began));
    }
    for (nth, (which, status)) in (1..).zip(children) {
        let at = ended + nth;
        told.push(decode(
            "Pipeline Hook",
            child_body(*which, status, Some(at)),
            at,
        ));
    }
    for (retry, status) in (0..).zip(ends) {
        let at = ended + 4 + retry;
        let body = kind.body(parent, status, began, Some(at));
        told.push(decode("Pipeline Hook", body, at));
    }
}
