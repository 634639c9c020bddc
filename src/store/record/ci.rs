//! The frozen mirrors of what is known of CI: runs, tracks, notes of places, incidents.

mod older;

use super::wire::{Wire, codes, frozen, mirror, mirror_enum};
use crate::domain::id::{ConnectionId, IncidentId, RunId, UserId};
use crate::domain::incident::care::{Care, Deed, Logged};
use crate::domain::incident::track::flapping::{State, Trend};
use crate::domain::incident::track::{Closed, End, Forgotten, Point, PointKind, Track, TrackKey};
use crate::domain::incident::{
    Affected, CiFailure, Incident, IncidentSource, IncidentStatus, Resolution, Severity, Subject,
};
use crate::domain::lane::children::Likeness;
use crate::domain::lane::place::{EndedAt, Note, NoteKey, Reach};
use crate::domain::lane::second::Ranked;
use crate::domain::lane::{Code, Lane, Place};
use crate::domain::repo::{FullName, Instance, RepositoryId};
use crate::domain::rule::Reopening;
use crate::domain::run::{
    BranchKind, Conclusion, FailedJob, Family, Position, Run, RunFacts, RunStatus, Suite,
};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mirror_enum!(CodeV2 of Code { Own, Fork(RepositoryId), ForkNamed(String), Unreported });

/// The kinds of lanes that have no parent.
#[derive(Clone, Copy)]
enum LaneKind {
    Push,
    Tag,
    Schedule,
    Dispatch,
    PullRequest,
    PullRequestFrom,
    Queue,
    Other,
    Commit,
}
codes!(LaneKind {
    0 = Push, 1 = Tag, 2 = Schedule, 3 = Dispatch, 4 = PullRequest, 5 = PullRequestFrom,
    6 = Queue, 7 = Other, 8 = Commit,
});

// A lane, flat: what does not belong to its kind is empty, and its children stand in `chain`,
// the outermost last.
frozen!(LaneV2 {
    kind: u8,
    trigger: String,
    code: CodeV2,
    name: String,
    number: u64,
    chain: Vec<(Option<u64>, u32)>,
});

impl LaneV2 {
    fn leaf(kind: LaneKind, trigger: &str, code: &Code, name: &str, number: u64) -> Self {
        Self {
            kind: kind.to_wire(),
            trigger: trigger.to_owned(),
            code: code.to_wire(),
            name: name.to_owned(),
            number,
            chain: Vec::new(),
        }
    }
}

impl Wire for Lane {
    type Plain = LaneV2;

    fn to_wire(&self) -> LaneV2 {
        use LaneKind as Kind;
        let own = &Code::Own;
        match self {
            Self::Push { code, branch } => LaneV2::leaf(Kind::Push, "", code, branch, 0),
            Self::Tag { name } => LaneV2::leaf(Kind::Tag, "", own, name, 0),
            Self::Schedule { branch } => LaneV2::leaf(Kind::Schedule, "", own, branch, 0),
            Self::Dispatch { branch } => LaneV2::leaf(Kind::Dispatch, "", own, branch, 0),
            Self::PullRequest { trigger, number } => {
                LaneV2::leaf(Kind::PullRequest, trigger, own, "", *number)
            }
            Self::PullRequestFrom {
                trigger,
                code,
                branch,
            } => LaneV2::leaf(Kind::PullRequestFrom, trigger, code, branch, 0),
            Self::Queue {
                trigger,
                base,
                number,
            } => LaneV2::leaf(Kind::Queue, trigger, own, base, *number),
            Self::Other {
                trigger,
                code,
                branch,
            } => LaneV2::leaf(Kind::Other, trigger, code, branch, 0),
            Self::Commit { trigger, code, sha } => {
                LaneV2::leaf(Kind::Commit, trigger, code, sha, 0)
            }
            Self::Child {
                parent,
                project,
                nth,
            } => {
                let mut plain = parent.to_wire();
                plain.chain.push((project.map(|id| id.0), *nth));
                plain
            }
        }
    }

    fn from_wire(plain: LaneV2) -> Option<Self> {
        let (trigger, name, number) = (plain.trigger, plain.name, plain.number);
        let code = Code::from_wire(plain.code)?;
        let leaf = match LaneKind::from_wire(plain.kind)? {
            LaneKind::Push => Self::Push { code, branch: name },
            LaneKind::Tag => Self::Tag { name },
            LaneKind::Schedule => Self::Schedule { branch: name },
            LaneKind::Dispatch => Self::Dispatch { branch: name },
            LaneKind::PullRequest => Self::PullRequest { trigger, number },
            LaneKind::PullRequestFrom => Self::PullRequestFrom {
                trigger,
                code,
                branch: name,
            },
            LaneKind::Queue => Self::Queue {
                trigger,
                base: name,
                number,
            },
            LaneKind::Other => Self::Other {
                trigger,
                code,
                branch: name,
            },
            LaneKind::Commit => Self::Commit {
                trigger,
                code,
                sha: name,
            },
        };
        let chain = plain.chain.into_iter();
        Some(chain.fold(leaf, |parent, (project, nth)| Self::Child {
            parent: Box::new(parent),
            project: project.map(RepositoryId),
            nth,
        }))
    }
}

codes!(BranchKind { 0 = Unknown, 1 = Other, 2 = Protected, 3 = Default });
mirror!(RunFactsV3 of RunFacts {
    workflow_key: String,
    workflow_name: String,
    lane: Lane,
    code: Code,
    head: Option<String>,
    branch: Option<String>,
    commit_sha: String,
    commit_message: Option<String>,
    author: Option<String>,
    trigger: String,
    url: Option<String>,
    branch_kind: BranchKind,
});
mirror!(SuiteV2 of Suite { id: u64, track: Option<Box<TrackKey>> });
mirror!(RunV3 of Run {
    id: RunId,
    connection: ConnectionId,
    owner: UserId,
    family: Family,
    provider_run_id: u64,
    position: Position,
    status: RunStatus,
    updated_at: Timestamp,
    suite: Option<Suite>,
    failed_jobs: BTreeMap<(u32, u64), FailedJob>,
    facts: RunFacts,
    first_seen_at: Timestamp,
});

mirror!(TrackKeyV2 of TrackKey {
    connection: ConnectionId,
    family: Family,
    workflow: String,
    lane: Lane,
});
mirror_enum!(ResolutionV2 of Resolution {
    Passed(RunId),
    ByHand,
    Recovered,
    Disconnected,
    Superseded,
    BranchDeleted,
    TagDeleted,
    PullRequestClosed,
    Merged,
    LeftQueue,
    Mirrored,
    Joined,
    // Incidents have this since their version 5.
    Replaced,
});
mirror_enum!(PointKindV2 of PointKind {
    Passed,
    Failed { incident: IncidentId, closed: Option<Closed> },
});
mirror!(ClosedV2 of Closed { at: Timestamp, why: Resolution });
mirror!(EndV1 of End { position: Position, at: Timestamp, conclusion: Conclusion });
frozen!(ReopeningV1 {
    within_s: u64,
    when_flapping: bool,
});
impl Wire for Reopening {
    type Plain = ReopeningV1;
    fn to_wire(&self) -> ReopeningV1 {
        ReopeningV1 {
            within_s: self.within.as_secs(),
            when_flapping: self.when_flapping,
        }
    }
    fn from_wire(plain: ReopeningV1) -> Option<Self> {
        Some(Self {
            within: Duration::from_secs(plain.within_s),
            when_flapping: plain.when_flapping,
        })
    }
}
mirror!(PointV3 of Point {
    run: RunId,
    began: Timestamp,
    mark: u64,
    reopening: Reopening,
    kind: PointKind,
});
mirror!(StateV1 of State { has_failed: Option<bool>, changes: u32, is_flapping: bool });
mirror!(TrendV1 of Trend { before: State, now: State, last: Option<Position> });
mirror!(ForgottenV1 of Forgotten {
    incident: IncidentId,
    occurrences: u32,
    first_seen_at: Timestamp,
});
mirror_enum!(ReachV2 of Reach { Begun, BegunBut(u64), DecidedBut(u64) });
mirror!(EndedAtV2 of EndedAt { at: Timestamp, reach: Reach });
mirror!(TrackV3 of Track {
    key: TrackKey,
    points: BTreeMap<End, Point>,
    starts: BTreeSet<Position>,
    ends: BTreeMap<EndedAt, Resolution>,
    floor: Option<End>,
    forgotten: Option<Forgotten>,
    trend: Trend,
});

mirror_enum!(PlaceV2 of Place {
    Branch(String),
    Tag(String),
    PullRequest(u64),
    Head { code: Code, branch: String },
    Commit(String),
    Entry(u64),
    Queue(String),
    Suites(String),
    Pipeline { project: Option<RepositoryId>, id: u64 },
    Children { lane: String, project: Option<RepositoryId> },
    Second(u64),
});
mirror!(NoteKeyV2 of NoteKey { connection: ConnectionId, place: Place });
mirror!(RankedV2 of Ranked { rank: u32, parents: Vec<u64>, status: u64 });
frozen!(LikenessV2 {
    jobs: Vec<u32>,
    variables: Vec<(u32, u32)>,
});
impl Wire for Likeness {
    type Plain = LikenessV2;
    fn to_wire(&self) -> LikenessV2 {
        LikenessV2 {
            jobs: self.jobs().to_wire(),
            variables: self.variables().to_wire(),
        }
    }
    fn from_wire(plain: LikenessV2) -> Option<Self> {
        let jobs = Wire::from_wire(plain.jobs)?;
        Some(Self::from_parts(jobs, Wire::from_wire(plain.variables)?))
    }
}
mirror!(NoteV2 of Note {
    key: NoteKey,
    ends: BTreeMap<EndedAt, Resolution>,
    tracks: BTreeSet<TrackKey>,
    children: BTreeMap<u64, u32>,
    seats: Vec<Likeness>,
    commits: BTreeMap<u64, Ranked>,
    touched_at: Timestamp,
});

mirror!(CiFailureV2 of CiFailure {
    run: RunId,
    family: Family,
    track: TrackKey,
    workflow_name: String,
    head: Option<String>,
    branch: Option<String>,
    trigger: String,
    commit_sha: String,
    commit_message: Option<String>,
    author: Option<String>,
    url: Option<String>,
    failed_jobs: Vec<FailedJob>,
});
mirror!(AffectedV1 of Affected { instance: Instance, connections: u32 });
mirror_enum!(DeedV1 of Deed {
    Acknowledged,
    Assigned(UserId),
    Unassigned,
    Muted(Timestamp),
    Unmuted,
    Noted(String),
    Resolved(Resolution),
    Reopened,
    Corrected(Resolution),
    Worsened(Severity),
});
mirror!(LoggedV1 of Logged { at: Timestamp, by: Option<UserId>, what: Deed });
mirror!(CareV1 of Care {
    assignee: Option<UserId>,
    muted_until: Option<Timestamp>,
    log: Vec<Logged>,
});
mirror!(IncidentV5 of Incident {
    id: IncidentId,
    owner: UserId,
    subject: Subject,
    repository: Option<FullName>,
    status: IncidentStatus,
    severity: Severity,
    source: IncidentSource,
    failure_type: String,
    title: String,
    ci: Option<CiFailure>,
    affected: Option<Affected>,
    occurrences: u32,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
    acknowledged_at: Option<Timestamp>,
    resolved_at: Option<Timestamp>,
    resolution: Option<Resolution>,
    is_flaky: bool,
    is_flapping: bool,
    care: Care,
});

#[cfg(test)]
mod tests;
