//! Random histories over every key that there is, told by the providers' own events through the
//! real dialects, and an oracle that knows which failure each pass mends, and what ends without
//! one.
//!
//! The oracle reads the history in the order of time, with a table of its own of who is mended by
//! whom. It knows nothing of tracks, positions or the order of arrival.

pub(super) mod github;
pub(super) mod gitlab;

use crate::domain::event::Event;
use crate::domain::incident::{Incident, Resolution};
use crate::domain::run::Family;
use crate::domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// 2026-11-28T10:00:00Z in seconds.
const TEN: i64 = 1_795_860_000;
/// Seconds from one act to the next.
const STEP: i64 = 60;

/// Seconds since ten as RFC 3339.
pub(super) fn clock(seconds: i64) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    let at = time::OffsetDateTime::from_unix_timestamp(TEN + seconds).unwrap();
    at.format(format).unwrap()
}

pub(super) fn moment(seconds: i64) -> Timestamp {
    Timestamp((TEN + seconds) * 1000)
}

/// What is told of a history.
#[derive(Clone, Debug)]
pub(super) struct Tell {
    pub(super) event: Event,
    /// When it would have arrived.
    pub(super) at: Timestamp,
    /// What must be told, and before all else: a child is in its parent's lane, as that was told.
    pub(super) is_first: bool,
}

/// What happens, in the order of time.
#[derive(Clone, Debug)]
pub(super) enum Fact {
    /// An attempt ended; `passed` is `None` for what is no verdict.
    Decided {
        lane: String,
        places: Vec<String>,
        began: i64,
        passed: Option<bool>,
    },
    /// A place is over.
    Over(String, Resolution),
    /// The merge queue tries this entry.
    Tries(String),
}

impl Fact {
    pub(super) fn branch_deleted(branch: &str) -> Self {
        Self::Over(format!("branch {branch}"), Resolution::BranchDeleted)
    }

    pub(super) fn tag_deleted() -> Self {
        Self::Over("tag v1".into(), Resolution::TagDeleted)
    }

    /// A pull or merge request is closed.
    pub(super) fn closed(number: u64, is_merged: bool) -> Self {
        let why = if is_merged {
            Resolution::Merged
        } else {
            Resolution::PullRequestClosed
        };
        Self::Over(format!("pull {number}"), why)
    }
}

/// When the `nth` act begins, and when it ends: a slow one only after the next.
pub(super) fn times(nth: usize, is_slow: bool) -> (i64, i64) {
    let began = i64::try_from(nth).unwrap() * STEP;
    let lasts = if is_slow { STEP + STEP / 2 } else { STEP / 3 };
    (began, began + lasts)
}

/// What an incident has to say: the words for its lane, how often, when first and last, and how
/// and when it ended.
pub(super) type Reading = (
    String,
    u32,
    [Timestamp; 2],
    Option<(&'static str, Timestamp)>,
);

#[derive(Debug)]
struct Open {
    occurrences: u32,
    seen: [i64; 2],
    places: BTreeSet<String>,
}

/// An incident that is over, and whether another failure may still belong to it.
#[derive(Debug)]
struct Over {
    open: Open,
    at: i64,
    why: &'static str,
}

/// What the incidents have to say, by a plain reading of what happened.
pub(super) fn expected(mut facts: Vec<(i64, Fact)>) -> Vec<Reading> {
    facts.sort_by_key(|(at, _)| *at);
    let mut reader = Reader::default();
    for (at, fact) in facts {
        match fact {
            Fact::Decided { passed: None, .. } => {}
            Fact::Decided {
                lane,
                passed: Some(true),
                ..
            } => reader.passed(&lane, at),
            Fact::Decided {
                lane,
                places,
                began,
                passed: Some(false),
            } => reader.failed(&lane, &places, began, at),
            Fact::Over(place, why) => reader.over(place, why.as_str(), at),
            Fact::Tries(entry) => reader.tries(&entry, at),
        }
    }
    reader.finish()
}

/// What goes on and what is over by lane, and what has ended by place.
#[derive(Default)]
struct Reader {
    open: BTreeMap<String, Open>,
    over: BTreeMap<String, Over>,
    ends: BTreeMap<String, Vec<(i64, &'static str)>>,
    readings: Vec<Reading>,
}

impl Reader {
    fn read(&mut self, lane: &str, open: &Open, end: Option<(&'static str, i64)>) {
        let end = end.map(|(why, at)| (why, moment(at)));
        let seen = open.seen.map(moment);
        self.readings
            .push((lane.to_owned(), open.occurrences, seen, end));
    }

    /// Nothing more can belong to what is over here.
    fn let_go(&mut self, lane: &str) {
        if let Some(over) = self.over.remove(lane) {
            self.read(lane, &over.open, Some((over.why, over.at)));
        }
    }

    fn passed(&mut self, lane: &str, at: i64) {
        if let Some(mended) = self.open.remove(lane) {
            self.read(lane, &mended, Some(("passed", at)));
        }
        self.let_go(lane);
    }

    fn failed(&mut self, lane: &str, places: &[String], began: i64, at: i64) {
        let first = || Open {
            occurrences: 1,
            seen: [at, at],
            places: places.iter().cloned().collect(),
        };
        let count = |open: &mut Open| {
            open.occurrences += 1;
            open.seen[1] = at;
        };
        // It was under way when what it ran for ended.
        let ends = places.iter().filter_map(|place| self.ends.get(place));
        let ended = ends.flatten().filter(|(end, _)| *end >= began).min();
        let Some((end, why)) = ended.copied() else {
            if let Some(open) = self.open.get_mut(lane) {
                return count(open);
            }
            self.let_go(lane);
            self.open.insert(lane.to_owned(), first());
            return;
        };
        let same = self.over.get_mut(lane).filter(|over| over.at == end);
        if let Some(over) = same {
            return count(&mut over.open);
        }
        self.let_go(lane);
        let (open, at) = (first(), end);
        self.over.insert(lane.to_owned(), Over { open, at, why });
    }

    fn over(&mut self, place: String, why: &'static str, at: i64) {
        for lane in self.open.keys().cloned().collect::<Vec<_>>() {
            if self.open[&lane].places.contains(&place) {
                let open = self.open.remove(&lane).expect("it is there");
                self.let_go(&lane);
                self.over.insert(lane, Over { open, at, why });
            }
        }
        self.ends.entry(place).or_default().push((at, why));
    }

    fn tries(&mut self, entry: &str, at: i64) {
        let is_other = |open: &Open| {
            let mut entries = open.places.iter().filter(|p| p.starts_with("entry "));
            entries.any(|other| other != entry)
        };
        for lane in self.open.keys().cloned().collect::<Vec<_>>() {
            if is_other(&self.open[&lane]) {
                let left = self.open.remove(&lane).expect("it is there");
                self.read(&lane, &left, Some(("left_queue", at)));
            }
        }
    }

    fn finish(mut self) -> Vec<Reading> {
        for (lane, open) in std::mem::take(&mut self.open) {
            self.read(&lane, &open, None);
        }
        for lane in self.over.keys().cloned().collect::<Vec<_>>() {
            self.let_go(&lane);
        }
        self.readings.sort();
        self.readings
    }
}

/// What the incidents say.
pub(super) fn told(incidents: &[Incident]) -> Vec<Reading> {
    let counts = |incident: &&Incident| {
        let ci = incident.ci.as_ref().expect("all are about CI");
        // What a suite of Actions told before its run: the run tells it now.
        !(ci.family == Family::Checks && ci.track.workflow.starts_with("15368/"))
    };
    let mut readings: Vec<Reading> = incidents
        .iter()
        .filter(counts)
        .map(|incident| {
            let title = incident.title.trim_start_matches("CI failed: ");
            // The number of a child's seat comes from the order in which they are told of.
            let title = match title.split_once(" (child pipeline ") {
                Some((parent, _)) => {
                    let jobs = &incident.ci.as_ref().expect("as above").failed_jobs;
                    let which = jobs[0].reason.as_deref().unwrap_or_default();
                    format!("{parent} (child {which})")
                }
                None => title.to_owned(),
            };
            let end = incident.resolution.as_ref().map(Resolution::as_str);
            (
                title,
                incident.occurrences,
                [incident.first_seen_at, incident.last_seen_at],
                end.zip(incident.resolved_at),
            )
        })
        .collect();
    readings.sort();
    readings
}
