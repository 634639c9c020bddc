//! What version 0.1 wrote, and the steps up from it. Never change a mirror or a step.
//!
//! It knew a track by workflow and branch alone: that is the lane of pushes to the branch, so that
//! a later pass there still resolves what was open. See [`Lane::from_v1`].

mod track;

use super::super::codec::{Record, RecordError, plain, second_versions};
use super::super::kinds::{FailedJobV1, PositionV1, RunStatusV1, SubjectV3};
use super::super::wire::{Wire, frozen};
use super::{
    AffectedV1, CiFailureV2, CodeV2, EndedAtV2, LaneV2, ResolutionV2, SuiteV2, TrackKeyV2,
};
use crate::domain::id::{ConnectionId, CredentialId};
use crate::domain::incident::care::Care;
use crate::domain::incident::track::TrackKey;
use crate::domain::incident::{CiFailure, Incident, Resolution, Subject};
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::lane::{Code, Lane, Place};
use crate::domain::run::{BranchKind, Family, Run, RunFacts};
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};

frozen!(RunFactsV1 {
    workflow_key: String,
    workflow_name: String,
    branch: Option<String>,
    commit_sha: String,
    commit_message: Option<String>,
    author: Option<String>,
    trigger: String,
    url: Option<String>,
});
frozen!(RunV1 {
    id: u128,
    connection: u128,
    owner: u128,
    family: u8,
    provider_run_id: u64,
    position: PositionV1,
    status: RunStatusV1,
    updated_at: i64,
    failed_jobs: Vec<((u32, u64), FailedJobV1)>,
    facts: RunFactsV1,
    first_seen_at: i64,
});
frozen!(RunFactsV2 {
    workflow_key: String,
    workflow_name: String,
    lane: LaneV2,
    code: CodeV2,
    head: Option<String>,
    branch: Option<String>,
    commit_sha: String,
    commit_message: Option<String>,
    author: Option<String>,
    trigger: String,
    url: Option<String>,
});
frozen!(RunV2 {
    id: u128,
    connection: u128,
    owner: u128,
    family: u8,
    provider_run_id: u64,
    position: PositionV1,
    status: RunStatusV1,
    updated_at: i64,
    suite: Option<SuiteV2>,
    failed_jobs: Vec<((u32, u64), FailedJobV1)>,
    facts: RunFactsV2,
    first_seen_at: i64,
});
frozen!(TrackKeyV1 {
    connection: u128,
    workflow_key: String,
    branch: String
});

#[derive(Serialize, Deserialize)]
pub(in crate::store) enum ResolutionV1 {
    Passed { inner: u128 },
    ByHand,
    Recovered,
    Disconnected,
    Superseded,
}

frozen!(CiFailureV1 {
    run: u128,
    family: u8,
    track: TrackKeyV1,
    workflow_name: String,
    branch: Option<String>,
    commit_sha: String,
    commit_message: Option<String>,
    author: Option<String>,
    url: Option<String>,
    failed_jobs: Vec<FailedJobV1>,
});
frozen!(IncidentV1 {
    id: u128,
    owner: u128,
    subject: SubjectV1,
    status: u8,
    severity: u8,
    source: u8,
    failure_type: String,
    title: String,
    ci: Option<CiFailureV1>,
    occurrences: u32,
    first_seen_at: i64,
    last_seen_at: i64,
    acknowledged_at: Option<i64>,
    resolved_at: Option<i64>,
    resolution: Option<ResolutionV1>,
});

frozen!(IncidentV2 {
    id: u128,
    owner: u128,
    subject: SubjectV1,
    repository: Option<String>,
    status: u8,
    severity: u8,
    source: u8,
    failure_type: String,
    title: String,
    ci: Option<CiFailureV2>,
    occurrences: u32,
    first_seen_at: i64,
    last_seen_at: i64,
    acknowledged_at: Option<i64>,
    resolved_at: Option<i64>,
    resolution: Option<ResolutionV2>,
});

frozen!(IncidentV3 {
    id: u128,
    owner: u128,
    subject: SubjectV3,
    repository: Option<String>,
    status: u8,
    severity: u8,
    source: u8,
    failure_type: String,
    title: String,
    ci: Option<CiFailureV2>,
    affected: Option<AffectedV1>,
    occurrences: u32,
    first_seen_at: i64,
    last_seen_at: i64,
    acknowledged_at: Option<i64>,
    resolved_at: Option<i64>,
    resolution: Option<ResolutionV2>,
});

/// What an incident was about before there were outages of providers.
#[derive(Serialize, Deserialize)]
pub(in crate::store) enum SubjectV1 {
    Connection { inner: u128 },
    Credential { inner: u128 },
}

const fn subject(v1: &SubjectV1) -> Subject {
    match v1 {
        SubjectV1::Connection { inner } => Subject::Connection(ConnectionId::from_u128(*inner)),
        SubjectV1::Credential { inner } => Subject::Credential(CredentialId::from_u128(*inner)),
    }
}

fn facts(v1: RunFactsV1, family: Family) -> RunFacts {
    let branch = v1.branch.clone().unwrap_or_default();
    RunFacts {
        lane: Lane::from_v1(family, &v1.workflow_key, branch),
        workflow_key: v1.workflow_key,
        workflow_name: v1.workflow_name,
        code: Code::Own,
        head: None,
        branch: v1.branch,
        commit_sha: v1.commit_sha,
        commit_message: v1.commit_message,
        author: v1.author,
        trigger: v1.trigger,
        url: v1.url,
        branch_kind: BranchKind::Unknown,
    }
}

fn run(v1: RunV1) -> Option<Run> {
    let family = Family::from_wire(v1.family)?;
    Some(Run {
        id: Wire::from_wire(v1.id)?,
        connection: Wire::from_wire(v1.connection)?,
        owner: Wire::from_wire(v1.owner)?,
        family,
        provider_run_id: v1.provider_run_id,
        position: Wire::from_wire(v1.position)?,
        status: Wire::from_wire(v1.status)?,
        updated_at: Timestamp(v1.updated_at),
        suite: None,
        failed_jobs: Wire::from_wire(v1.failed_jobs)?,
        facts: facts(v1.facts, family),
        first_seen_at: Timestamp(v1.first_seen_at),
    })
}

/// The workflow of a track began with its family's name.
fn track_key(v1: TrackKeyV1) -> Option<TrackKey> {
    let (family, workflow) = v1.workflow_key.split_once(':')?;
    let family = Family::ALL.into_iter().find(|f| f.as_str() == family)?;
    Some(TrackKey {
        connection: Wire::from_wire(v1.connection)?,
        family,
        workflow: workflow.to_owned(),
        lane: Lane::from_v1(family, workflow, v1.branch),
    })
}

fn resolution(v1: &ResolutionV1) -> Option<Resolution> {
    Some(match v1 {
        ResolutionV1::Passed { inner } => Resolution::Passed(Wire::from_wire(*inner)?),
        ResolutionV1::ByHand => Resolution::ByHand,
        ResolutionV1::Recovered => Resolution::Recovered,
        ResolutionV1::Disconnected => Resolution::Disconnected,
        ResolutionV1::Superseded => Resolution::Superseded,
    })
}

fn ci(v1: CiFailureV1) -> Option<CiFailure> {
    Some(CiFailure {
        run: Wire::from_wire(v1.run)?,
        family: Wire::from_wire(v1.family)?,
        track: track_key(v1.track)?,
        workflow_name: v1.workflow_name,
        head: None,
        branch: v1.branch,
        trigger: String::new(),
        commit_sha: v1.commit_sha,
        commit_message: v1.commit_message,
        author: v1.author,
        url: v1.url,
        failed_jobs: Wire::from_wire(v1.failed_jobs)?,
    })
}

fn incident(v1: IncidentV1) -> Option<Incident> {
    Some(Incident {
        id: Wire::from_wire(v1.id)?,
        owner: Wire::from_wire(v1.owner)?,
        subject: subject(&v1.subject),
        repository: None,
        status: Wire::from_wire(v1.status)?,
        severity: Wire::from_wire(v1.severity)?,
        source: Wire::from_wire(v1.source)?,
        failure_type: v1.failure_type,
        title: v1.title,
        ci: match v1.ci {
            Some(v1) => Some(ci(v1)?),
            None => None,
        },
        affected: None,
        occurrences: v1.occurrences,
        first_seen_at: Timestamp(v1.first_seen_at),
        last_seen_at: Timestamp(v1.last_seen_at),
        acknowledged_at: Wire::from_wire(v1.acknowledged_at)?,
        resolved_at: Wire::from_wire(v1.resolved_at)?,
        resolution: match v1.resolution {
            Some(v1) => Some(resolution(&v1)?),
            None => None,
        },
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    })
}

#[derive(Serialize, Deserialize)]
pub(in crate::store) enum PlaceV1 {
    Branch { inner: String },
    Tag { inner: String },
    PullRequest { inner: u64 },
    Head { code: CodeV2, branch: String },
    Commit { inner: String },
    Entry { inner: u64 },
    Queue { inner: String },
    Suites { inner: String },
    Pipeline { project: Option<u64>, id: u64 },
}
frozen!(NoteKeyV1 {
    connection: u128,
    place: PlaceV1,
});
// The children were numbered in the order in which they were reported: so they keep their seats,
// and nothing is known of what they were made of.
frozen!(NoteV1 {
    key: NoteKeyV1,
    ends: Vec<(EndedAtV2, ResolutionV2)>,
    tracks: Vec<TrackKeyV2>,
    children: Vec<(u64, u32)>,
    touched_at: i64,
});

fn place(v1: PlaceV1) -> Option<Place> {
    Some(match v1 {
        PlaceV1::Branch { inner } => Place::Branch(inner),
        PlaceV1::Tag { inner } => Place::Tag(inner),
        PlaceV1::PullRequest { inner } => Place::PullRequest(inner),
        PlaceV1::Head { code, branch } => Place::Head {
            code: Wire::from_wire(code)?,
            branch,
        },
        PlaceV1::Commit { inner } => Place::Commit(inner),
        PlaceV1::Entry { inner } => Place::Entry(inner),
        PlaceV1::Queue { inner } => Place::Queue(inner),
        PlaceV1::Suites { inner } => Place::Suites(inner),
        PlaceV1::Pipeline { project, id } => Place::Pipeline {
            project: Wire::from_wire(project)?,
            id,
        },
    })
}

fn note_key(v1: NoteKeyV1) -> Option<NoteKey> {
    Some(NoteKey {
        connection: Wire::from_wire(v1.connection)?,
        place: place(v1.place)?,
    })
}

fn note(v1: NoteV1) -> Option<Note> {
    let key = note_key(v1.key)?;
    Some(Note {
        ends: Wire::from_wire(v1.ends)?,
        tracks: Wire::from_wire(v1.tracks)?,
        children: Wire::from_wire(v1.children)?,
        touched_at: Timestamp(v1.touched_at),
        ..Note::new(key)
    })
}

second_versions! {
    TrackKey = "track key" from track_key,
    Note = "note" from note,
    NoteKey = "note key" from note_key,
}

/// A run as version 2 wrote it: what its branch is to the repository was not known.
fn run_v2(v2: RunV2) -> Option<Run> {
    Some(Run {
        id: Wire::from_wire(v2.id)?,
        connection: Wire::from_wire(v2.connection)?,
        owner: Wire::from_wire(v2.owner)?,
        family: Wire::from_wire(v2.family)?,
        provider_run_id: v2.provider_run_id,
        position: Wire::from_wire(v2.position)?,
        status: Wire::from_wire(v2.status)?,
        updated_at: Timestamp(v2.updated_at),
        suite: Wire::from_wire(v2.suite)?,
        failed_jobs: Wire::from_wire(v2.failed_jobs)?,
        facts: RunFacts {
            workflow_key: v2.facts.workflow_key,
            workflow_name: v2.facts.workflow_name,
            lane: Wire::from_wire(v2.facts.lane)?,
            code: Wire::from_wire(v2.facts.code)?,
            head: v2.facts.head,
            branch: v2.facts.branch,
            commit_sha: v2.facts.commit_sha,
            commit_message: v2.facts.commit_message,
            author: v2.facts.author,
            trigger: v2.facts.trigger,
            url: v2.facts.url,
            branch_kind: BranchKind::Unknown,
        },
        first_seen_at: Timestamp(v2.first_seen_at),
    })
}

impl Record for Run {
    const VERSION: u8 = 3;
    const KIND: &'static str = "run";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let run = match version {
            1 => run(plain(bytes)?),
            2 => run_v2(plain(bytes)?),
            _ => None,
        };
        run.ok_or(RecordError::Damaged)
    }
}

/// An incident as version 2 wrote it: before there were outages of providers.
fn incident_v2(v2: IncidentV2) -> Option<Incident> {
    Some(Incident {
        id: Wire::from_wire(v2.id)?,
        owner: Wire::from_wire(v2.owner)?,
        subject: subject(&v2.subject),
        repository: Wire::from_wire(v2.repository)?,
        status: Wire::from_wire(v2.status)?,
        severity: Wire::from_wire(v2.severity)?,
        source: Wire::from_wire(v2.source)?,
        failure_type: v2.failure_type,
        title: v2.title,
        ci: Wire::from_wire(v2.ci)?,
        affected: None,
        occurrences: v2.occurrences,
        first_seen_at: Timestamp(v2.first_seen_at),
        last_seen_at: Timestamp(v2.last_seen_at),
        acknowledged_at: Wire::from_wire(v2.acknowledged_at)?,
        resolved_at: Wire::from_wire(v2.resolved_at)?,
        resolution: Wire::from_wire(v2.resolution)?,
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    })
}

/// An incident as version 3 wrote it: before people could do more than acknowledge and resolve it.
fn incident_v3(v3: IncidentV3) -> Option<Incident> {
    Some(Incident {
        id: Wire::from_wire(v3.id)?,
        owner: Wire::from_wire(v3.owner)?,
        subject: Wire::from_wire(v3.subject)?,
        repository: Wire::from_wire(v3.repository)?,
        status: Wire::from_wire(v3.status)?,
        severity: Wire::from_wire(v3.severity)?,
        source: Wire::from_wire(v3.source)?,
        failure_type: v3.failure_type,
        title: v3.title,
        ci: Wire::from_wire(v3.ci)?,
        affected: Wire::from_wire(v3.affected)?,
        occurrences: v3.occurrences,
        first_seen_at: Timestamp(v3.first_seen_at),
        last_seen_at: Timestamp(v3.last_seen_at),
        acknowledged_at: Wire::from_wire(v3.acknowledged_at)?,
        resolved_at: Wire::from_wire(v3.resolved_at)?,
        resolution: Wire::from_wire(v3.resolution)?,
        is_flaky: false,
        is_flapping: false,
        care: Care::default(),
    })
}

impl Record for Incident {
    const VERSION: u8 = 5;
    const KIND: &'static str = "incident";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let incident = match version {
            1 => incident(plain(bytes)?),
            2 => incident_v2(plain(bytes)?),
            3 => incident_v3(plain(bytes)?),
            // The same, with fewer kinds of subjects.
            4 => Self::from_wire(plain(bytes)?),
            _ => None,
        };
        incident.ok_or(RecordError::Damaged)
    }
}
