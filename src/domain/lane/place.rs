//! Places: the targets of runs, which can disappear, so that no pass is expected any more.
//!
//! A branch is deleted, a pull request is closed, an entry leaves a merge queue: the failures of
//! runs that began before are resolved. Time and reason are stored by place, because an end may
//! arrive before the failures that it resolves.

use super::children::{CHILDREN_MAX, Likeness, Seats, seat};
use super::second::Second;
use super::{Code, Lane};
use crate::domain::id::ConnectionId;
use crate::domain::incident::Resolution;
use crate::domain::incident::track::TrackKey;
use crate::domain::repo::RepositoryId;
use crate::domain::run::{Family, RunFacts};
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Most ends of a place that are stored; the newest stay.
pub const ENDS_MAX: usize = 16;
/// Most tracks of a place that are stored.
pub const TRACKS_MAX: usize = 512;

/// The target of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A branch of the connection's own repository.
    Branch(String),
    /// A tag of it.
    Tag(String),
    /// A pull or merge request of it.
    PullRequest(u64),
    /// The source of a pull request without a known number.
    Head {
        /// The owner of the branch.
        code: Code,
        /// Its name.
        branch: String,
    },
    /// A commit without a known branch.
    Commit(String),
    /// An entry of a merge queue, by its pull or merge request.
    Entry(u64),
    /// The merge queue into a branch.
    Queue(String),
    /// GitHub Actions' check suites in a lane, by the lane's key.
    Suites(String),
    /// A pipeline that has children.
    Pipeline {
        /// Its project, when that is another one.
        project: Option<RepositoryId>,
        /// Its id.
        id: u64,
    },
    /// The children of a lane's pipelines.
    Children {
        /// The lane's key.
        lane: String,
        /// The project of those pipelines, when that is another one.
        project: Option<RepositoryId>,
    },
    /// A second, since 1970, with commits.
    Second(u64),
}

impl Place {
    /// The place as one text, different for different places. It is stored, like
    /// [`Lane::to_key`].
    pub fn to_key(&self) -> String {
        let join = super::joined;
        match self {
            Self::Branch(name) => join(&["branch", name]),
            Self::Tag(name) => join(&["tag", name]),
            Self::PullRequest(number) => join(&["pull", &number.to_string()]),
            Self::Head { code, branch } => join(&["head", &code.to_key(), branch]),
            Self::Commit(sha) => join(&["commit", sha]),
            Self::Entry(number) => join(&["entry", &number.to_string()]),
            Self::Queue(base) => join(&["queue", base]),
            Self::Suites(lane) => join(&["suites", lane]),
            Self::Pipeline { project, id } => {
                let project = project.map(|id| id.0.to_string()).unwrap_or_default();
                join(&["pipeline", &project, &id.to_string()])
            }
            Self::Children { lane, project } => {
                let project = project.map(|id| id.0.to_string()).unwrap_or_default();
                join(&["children", &project, lane])
            }
            Self::Second(second) => join(&["second", &second.to_string()]),
        }
    }

    /// The places of runs with these facts.
    pub fn of(family: Family, facts: &RunFacts) -> Vec<Self> {
        let mut places = Self::of_lane(family, &facts.lane);
        // A run with a number also has a branch, which may be deleted.
        if facts.lane.number().is_some() {
            let branch = facts.own_branch().map(ToOwned::to_owned);
            places.extend(branch.map(Self::Branch));
        }
        places.sort();
        places.dedup();
        places
    }

    /// The places of a lane alone.
    pub fn of_lane(family: Family, lane: &Lane) -> Vec<Self> {
        // GitHub does not report whether a tag or a branch was pushed.
        let by_name = |name: &String| vec![Self::Branch(name.clone()), Self::Tag(name.clone())];
        match lane {
            Lane::Push {
                code: Code::Own,
                branch,
            } if family == Family::Pipelines => vec![Self::Branch(branch.clone())],
            Lane::Tag { name } => vec![Self::Tag(name.clone())],
            Lane::Schedule { branch } | Lane::Dispatch { branch } => by_name(branch),
            Lane::Push { code, branch } | Lane::Other { code, branch, .. } => match code {
                Code::Own => by_name(branch),
                Code::Fork(_) | Code::ForkNamed(_) | Code::Unreported => {
                    vec![Self::Head {
                        code: code.clone(),
                        branch: branch.clone(),
                    }]
                }
            },
            Lane::PullRequest { number, .. } => vec![Self::PullRequest(*number)],
            Lane::PullRequestFrom { code, branch, .. } => {
                vec![Self::Head {
                    code: code.clone(),
                    branch: branch.clone(),
                }]
            }
            Lane::Queue { base, number, .. } => vec![
                Self::PullRequest(*number),
                Self::Entry(*number),
                Self::Queue(base.clone()),
            ],
            Lane::Commit { sha, .. } => vec![Self::Commit(sha.clone())],
            Lane::Child { parent, .. } => Self::of_lane(family, parent),
        }
    }
}

/// The reported end of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The places that end.
    pub places: Vec<Place>,
    /// The time by the provider's clock; `None` when the event has none.
    pub at: Option<Timestamp>,
    /// The reason.
    pub why: Resolution,
}

/// The end of a place, and its reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndedAt {
    /// The time by the provider's clock.
    pub at: Timestamp,
    /// The failures that it resolves.
    pub reach: Reach,
}

/// The failures that the end of a place resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Those of runs that began before it.
    Begun,
    /// The same, except those with this mark.
    BegunBut(u64),
    /// Those decided before it, except those with this mark.
    DecidedBut(u64),
}

/// The key of a note.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey {
    /// The connection.
    pub connection: ConnectionId,
    /// The place.
    pub place: Place,
}

/// The known facts of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Which place.
    pub key: NoteKey,
    /// When and why it ended; a place may begin again and end again.
    pub ends: BTreeMap<EndedAt, Resolution>,
    /// The tracks with failures of its runs.
    pub tracks: BTreeSet<TrackKey>,
    /// A pipeline's children by the job that started them, and their seats.
    pub children: BTreeMap<u64, u32>,
    /// The seats of a lane's children.
    pub seats: Seats,
    /// The commits of a second.
    pub commits: Second,
    /// When it last changed, by our clock.
    pub touched_at: Timestamp,
}

impl Note {
    /// Without any facts.
    pub fn new(key: NoteKey) -> Self {
        Self {
            key,
            ends: BTreeMap::new(),
            tracks: BTreeSet::new(),
            children: BTreeMap::new(),
            seats: Seats::new(),
            commits: Second::new(),
            touched_at: Timestamp(0),
        }
    }

    /// Adds an end. Returns whether it was new.
    pub fn end(&mut self, at: EndedAt, why: Resolution) -> bool {
        // Of two reasons for one moment the greater counts, in any order of arrival.
        let known = self.ends.get(&at);
        if known.is_some_and(|known| *known >= why) {
            return false;
        }
        self.ends.insert(at, why);
        while self.ends.len() > ENDS_MAX {
            self.ends.pop_first();
        }
        self.ends.contains_key(&at)
    }

    /// Adds a track with failures here. Returns whether it was new.
    pub fn add_track(&mut self, track: &TrackKey) -> bool {
        self.tracks.len() < TRACKS_MAX && self.tracks.insert(track.clone())
    }

    /// The number of the child that the job started, and whether it was new; `seats` are those of
    /// the lane. A child beyond the limit is none of the known ones: only its job identifies it.
    pub fn child(&mut self, job: u64, like: &Likeness, seats: &mut Seats) -> (u32, bool) {
        if let Some(nth) = self.children.get(&job) {
            return (*nth, false);
        }
        let taken = self.children.values().copied().collect();
        let has_room = self.children.len() < CHILDREN_MAX;
        let nth = has_room.then(|| seat(seats, like, &taken)).flatten();
        let Some(nth) = nth else {
            let distinct = u32::try_from(job % (1 << 31)).unwrap_or(0);
            return (distinct | 1 << 31, false);
        };
        self.children.insert(job, nth);
        (nth, true)
    }
}
