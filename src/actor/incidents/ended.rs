//! Ends without a pass: a branch is deleted, a pull request closed, a queue moves on.

use super::fold::Fold;
use super::mark::mark;
use crate::domain::delivery::{Outcome, Source};
use crate::domain::id::{IncidentId, RunId};
use crate::domain::incident::Resolution;
use crate::domain::incident::track::{Shift, TrackKey};
use crate::domain::lane::place::{Ended, EndedAt, Reach};
use crate::domain::lane::{Lane, Place};
use crate::domain::rule::Verdict;
use crate::domain::run::{Conclusion, RunEvent, RunStatus, Twin};
use crate::domain::time::Timestamp;
use crate::store::ReadError;

/// Where the runs of an event run, in all ways in which that can end.
fn places(event: &RunEvent) -> Vec<Place> {
    let mut places = Place::of(event.family, &event.facts);
    if event.twin == Twin::OfRun {
        places.push(Place::Suites(event.facts.lane.to_key()));
    }
    // Who sits where is known for as long as one of them fails.
    if let Lane::Child {
        parent, project, ..
    } = &event.facts.lane
    {
        places.push(Place::Children {
            lane: parent.to_key(),
            project: *project,
        });
    }
    places
}

impl Fold<'_> {
    /// Records the end of a place. `received_at` counts when the event has no time.
    pub(in crate::actor) async fn end(
        &mut self,
        ended: &Ended,
        received_at: Timestamp,
        source: Source,
    ) -> Result<Outcome, ReadError> {
        let at = EndedAt {
            at: ended.at.unwrap_or(received_at),
            reach: Reach::Begun,
        };
        for place in &ended.places {
            self.end_place(place, at, ended.why, source).await?;
        }
        Ok(Outcome::Recorded)
    }

    async fn end_place(
        &mut self,
        place: &Place,
        at: EndedAt,
        why: Resolution,
        source: Source,
    ) -> Result<(), ReadError> {
        let note = self.note(place.clone()).await?;
        if !note.end(at, why) {
            return Ok(());
        }
        let mut tracks = note.tracks.clone();
        self.touch(place, true).await?;
        // Open incidents of version 0.1 are in no note.
        tracks.extend(self.records.open_tracks(place).await?);
        for key in tracks {
            let shift = self.end_track(&key, at, why).await?;
            self.follow(&shift, &key, source).await?;
        }
        Ok(())
    }

    async fn end_track(
        &mut self,
        key: &TrackKey,
        at: EndedAt,
        why: Resolution,
    ) -> Result<Shift, ReadError> {
        let generate = || IncidentId::generate(self.ports.clock.now_for_id(), &*self.ports.entropy);
        let track = self.records.track(key).await?;
        let shift = track.record.end(at, why, generate);
        track.is_changed |= shift.is_new;
        Ok(shift)
    }

    /// Before a failure is added: its track gets the ends so far, and its places get the track.
    /// Returns the effect of each.
    pub(super) async fn learn_ends(
        &mut self,
        event: &RunEvent,
        verdict: Verdict,
        key: &TrackKey,
    ) -> Result<Vec<Shift>, ReadError> {
        let mut shifts = Vec::new();
        if verdict == Verdict::Passed {
            return Ok(shifts);
        }
        for place in places(event) {
            let note = self.note(place.clone()).await?;
            let is_news = note.add_track(key);
            let ends = note.ends.clone();
            self.touch(&place, is_news).await?;
            for (at, why) in ends {
                shifts.push(self.end_track(key, at, why).await?);
            }
        }
        Ok(shifts)
    }

    /// The meaning of a run for others: a merge queue that continues has dropped the entries that
    /// had failed before. And because a suite of Actions does not name its workflow, a suite that
    /// passed resolves those of earlier commits in its lane, never another of its own.
    pub(super) async fn move_on(
        &mut self,
        event: &RunEvent,
        run: RunId,
        source: Source,
    ) -> Result<(), ReadError> {
        if event.position.number == 0 {
            return Ok(());
        }
        if let Lane::Queue { base, .. } = &event.facts.lane {
            let at = EndedAt {
                at: event.began_at,
                reach: Reach::DecidedBut(mark(event)),
            };
            let place = Place::Queue(base.clone());
            self.end_place(&place, at, Resolution::LeftQueue, source)
                .await?;
        }
        let has_passed = event.status == RunStatus::Completed(Conclusion::Success);
        if event.twin == Twin::OfRun && has_passed {
            let at = EndedAt {
                at: event.began_at,
                reach: Reach::BegunBut(mark(event)),
            };
            let place = Place::Suites(event.facts.lane.to_key());
            self.end_place(&place, at, Resolution::Passed(run), source)
                .await?;
        }
        Ok(())
    }
}
