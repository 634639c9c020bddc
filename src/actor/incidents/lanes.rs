//! The lane of a run.
//!
//! A run stays in its first lane: later events of the same run may have less data (a closed pull
//! request is left out of `pull_requests`, a deleted fork is null). A child pipeline is in its
//! parent's lane, with the number of its seat.

use super::fold::Fold;
use crate::domain::lane::place::{Note, NoteKey};
use crate::domain::lane::second::{self, RANK_BITS};
use crate::domain::lane::{Lane, Place};
use crate::domain::run::{Family, Parent, RunEvent};
use crate::store::ReadError;

impl Fold<'_> {
    /// The event with the lane that its run is in.
    pub(super) async fn in_its_lane(&mut self, event: &RunEvent) -> Result<RunEvent, ReadError> {
        let mut event = event.clone();
        if event.position.number == 0 {
            return Ok(event);
        }
        if let Some(known) = self.records.reported_run(&event).await?
            && known.record.family == event.family
            && known.record.position.number != 0
        {
            let facts = &known.record.facts;
            event.facts.lane = facts.lane.clone();
            event.facts.code = facts.code.clone();
            // The key is the lane's; what is shown may still be learned.
            event.facts.head = event.facts.head.or_else(|| facts.head.clone());
            event.facts.branch = event.facts.branch.or_else(|| facts.branch.clone());
            return Ok(event);
        }
        if let Some(parent) = &event.parent {
            event.facts.lane = self.child_lane(parent, event.facts.lane).await?;
        }
        Ok(event)
    }

    /// The event with the number that its commit has among those of its second.
    pub(super) async fn in_its_second(&mut self, event: &RunEvent) -> Result<RunEvent, ReadError> {
        let mut event = event.clone();
        let Some(commit) = event.commit.take() else {
            return Ok(event);
        };
        let known = self.records.reported_run(&event).await?;
        let known = known.map(|held| held.record.position.number);
        let of_known = known.filter(|number| number >> RANK_BITS == commit.second);
        let of_known = of_known.and_then(|number| u32::try_from(number % (1 << RANK_BITS)).ok());
        let place = Place::Second(commit.second);
        let note = self.note(place.clone()).await?;
        let (rank, is_news) = second::rank(&mut note.commits, &commit, of_known);
        self.touch(&place, is_news).await?;
        event.position.number = commit.second << RANK_BITS | u64::from(rank);
        Ok(event)
    }

    /// The lane of a child; its own data counts when nothing is known of its parent.
    async fn child_lane(&mut self, parent: &Parent, reported: Lane) -> Result<Lane, ReadError> {
        let of_parent = match parent.project {
            None => self
                .records
                .run_by(Family::Pipelines, parent.pipeline)
                .await?
                .map(|held| held.record.facts.lane.clone()),
            Some(_) => None,
        };
        let project = parent.project;
        let lane = of_parent.unwrap_or(reported);
        let of_lane = Place::Children {
            lane: lane.to_key(),
            project,
        };
        let of_parent = Place::Pipeline {
            project,
            id: parent.pipeline,
        };
        let mut seats = std::mem::take(&mut self.note(of_lane.clone()).await?.seats);
        let note = self.note(of_parent.clone()).await?;
        let (nth, is_news) = note.child(parent.job, &parent.like, &mut seats);
        self.note(of_lane.clone()).await?.seats = seats;
        self.touch(&of_parent, is_news).await?;
        self.touch(&of_lane, is_news).await?;
        Ok(Lane::Child {
            parent: Box::new(lane),
            project,
            nth,
        })
    }

    /// The note of a place.
    pub(super) async fn note(&mut self, place: Place) -> Result<&mut Note, ReadError> {
        let connection = self.connection.id;
        let held = self.records.note(&NoteKey { connection, place }).await?;
        Ok(&mut held.record)
    }

    /// Stores a note, if it has changed.
    pub(super) async fn touch(&mut self, place: &Place, is_news: bool) -> Result<(), ReadError> {
        if is_news {
            let (now, connection) = (self.ports.now(), self.connection.id);
            let place = place.clone();
            let held = self.records.note(&NoteKey { connection, place }).await?;
            held.record.touched_at = now;
            held.is_changed = true;
        }
        Ok(())
    }
}
