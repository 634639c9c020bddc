//! Tracks as older versions wrote them.

use super::super::super::codec::{Record, RecordError, plain};
use super::super::super::kinds::PositionV1;
use super::super::super::wire::{Wire, frozen};
use super::super::{EndV1, EndedAtV2, ForgottenV1, PointKindV2, ResolutionV2, TrackKeyV2};
use super::{ResolutionV1, TrackKeyV1, resolution, track_key};
use crate::domain::incident::track::flapping::Trend;
use crate::domain::incident::track::{Closed, End, Point, PointKind, Track};
use crate::domain::rule::Reopening;
use crate::domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
pub(in crate::store) enum PointKindV1 {
    Passed,
    Failed {
        incident: u128,
        closed: Option<ClosedV1>,
    },
}

frozen!(ClosedV1 {
    at: i64,
    why: ResolutionV1
});
frozen!(PointV1 {
    run: u128,
    kind: PointKindV1
});
frozen!(TrackV1 {
    key: TrackKeyV1,
    points: Vec<(EndV1, PointV1)>,
    floor: Option<EndV1>,
    forgotten: Option<ForgottenV1>,
});
frozen!(PointV2 {
    run: u128,
    began: i64,
    mark: u64,
    kind: PointKindV2,
});
frozen!(TrackV2 {
    key: TrackKeyV2,
    points: Vec<(EndV1, PointV2)>,
    starts: Vec<PositionV1>,
    ends: Vec<(EndedAtV2, ResolutionV2)>,
    floor: Option<EndV1>,
    forgotten: Option<ForgottenV1>,
});

fn closed(v1: &ClosedV1) -> Option<Closed> {
    Some(Closed {
        at: Timestamp(v1.at),
        why: resolution(&v1.why)?,
    })
}

fn kind(v1: PointKindV1) -> Option<PointKind> {
    Some(match v1 {
        PointKindV1::Passed => PointKind::Passed,
        PointKindV1::Failed {
            incident,
            closed: by,
        } => PointKind::Failed {
            incident: Wire::from_wire(incident)?,
            closed: match by {
                Some(by) => Some(closed(&by)?),
                None => None,
            },
        },
    })
}

fn track(v1: TrackV1) -> Option<Track> {
    let mut points = BTreeMap::new();
    for (end, point) in v1.points {
        let end: End = Wire::from_wire(end)?;
        let point = Point {
            run: Wire::from_wire(point.run)?,
            // It was begun before it ended; when exactly was not kept.
            began: end.at,
            mark: 0,
            reopening: Reopening::default(),
            kind: kind(point.kind)?,
        };
        points.insert(end, point);
    }
    Some(Track {
        key: track_key(v1.key)?,
        points,
        starts: BTreeSet::new(),
        ends: BTreeMap::new(),
        floor: Wire::from_wire(v1.floor)?,
        forgotten: Wire::from_wire(v1.forgotten)?,
        trend: Trend::default(),
    })
}

/// A track as version 2 wrote it: before incidents were opened again after a pass.
fn track_v2(v2: TrackV2) -> Option<Track> {
    let mut points = BTreeMap::new();
    for (end, point) in v2.points {
        let point = Point {
            run: Wire::from_wire(point.run)?,
            began: Timestamp(point.began),
            mark: point.mark,
            reopening: Reopening::default(),
            kind: Wire::from_wire(point.kind)?,
        };
        points.insert(Wire::from_wire(end)?, point);
    }
    Some(Track {
        key: Wire::from_wire(v2.key)?,
        points,
        starts: Wire::from_wire(v2.starts)?,
        ends: Wire::from_wire(v2.ends)?,
        floor: Wire::from_wire(v2.floor)?,
        forgotten: Wire::from_wire(v2.forgotten)?,
        trend: Trend::default(),
    })
}

impl Record for Track {
    const VERSION: u8 = 3;
    const KIND: &'static str = "track";

    fn from_older(version: u8, bytes: &[u8]) -> Result<Self, RecordError> {
        let track = match version {
            1 => track(plain(bytes)?),
            2 => track_v2(plain(bytes)?),
            _ => None,
        };
        track.ok_or(RecordError::Damaged)
    }
}
