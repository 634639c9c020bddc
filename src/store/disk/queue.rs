//! What waits to be committed, and what is committed next.
//!
//! In the order in which it came, but for large deliveries: they have a line of their own, and a
//! turn in every other group at most. A write of many megabytes takes its time; so whatever else
//! comes waits behind one of them, not behind all. Nothing that waits was acknowledged yet.

use super::answer::{Answerer, tell};
use crate::store::{Batch, CommitError, Priority};
use std::collections::VecDeque;

/// Most bytes that wait to be committed; beyond, batches are refused as overload.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most batches that wait.
const BATCHES_MAX: usize = 65_536;
/// Most batches in a group.
const GROUP_BATCHES_MAX: usize = 1024;
/// Most bytes in a group, except that one batch may be larger by itself.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A group of so many was one of many senders, and the next one waits for more.
const BUSY_BATCHES: usize = 5;
/// So many wait for no more.
const ENOUGH_BATCHES: usize = 64;
/// A delivery of more bytes than this is a large one.
const LARGE_BYTES: usize = 1024 * 1024;

/// A batch that waits, and who waits for it.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) batch: Batch,
    pub(super) payload: Vec<u8>,
    pub(super) answer: Answerer,
}

impl Submission {
    fn is_large(&self) -> bool {
        self.batch.priority == Priority::Ingress && self.payload.len() > LARGE_BYTES
    }
}

/// What waits to be committed.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Submission>,
    large: VecDeque<Submission>,
    bytes: usize,
    is_closed: bool,
    /// Whether the committer waits for more than there is.
    pub(super) is_gathering: bool,
    /// Batches in the last group.
    had_batches: usize,
    /// Whether the last group was one of large deliveries.
    had_large: bool,
}

impl Queue {
    /// Queues a batch, or answers why not.
    pub(super) fn push(&mut self, submission: Submission) {
        let bytes = self.bytes.saturating_add(submission.payload.len());
        let is_full = self.len() >= BATCHES_MAX || bytes > BYTES_MAX;
        if self.is_closed || is_full {
            let error = if self.is_closed {
                CommitError::Closed
            } else {
                CommitError::Overloaded
            };
            tell([submission.answer.give(Err(error))]);
            return;
        }
        self.bytes = bytes;
        if submission.is_large() {
            self.large.push_back(submission);
        } else {
            self.waiting.push_back(submission);
        }
    }

    /// How many batches wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.large.len()
    }

    /// Whether a group may wait for more: while there are many senders. A sync costs the same for
    /// any number, and one that is alone does not wait.
    pub(super) fn may_gather(&self) -> bool {
        self.had_batches >= BUSY_BATCHES && !self.is_enough()
    }

    /// Whether a committer that waits is to be woken.
    pub(super) fn is_due(&self) -> bool {
        !self.is_gathering || self.is_enough()
    }

    fn is_enough(&self) -> bool {
        self.is_closed || self.len() >= ENOUGH_BATCHES
    }

    /// Nothing more is taken in.
    pub(super) const fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// The next group; empty when nothing waits.
    pub(super) fn next_group(&mut self) -> Vec<Submission> {
        let is_for_large = !self.large.is_empty() && (self.waiting.is_empty() || !self.had_large);
        let line = if is_for_large {
            &mut self.large
        } else {
            &mut self.waiting
        };
        let (mut group, mut bytes) = (Vec::new(), 0);
        while let Some(next) = line.front() {
            let would_be = bytes + next.payload.len();
            if group.len() == GROUP_BATCHES_MAX || (bytes > 0 && would_be > GROUP_BYTES_MAX) {
                break;
            }
            bytes = would_be;
            group.extend(line.pop_front());
        }
        self.bytes -= bytes;
        self.had_large = is_for_large;
        self.had_batches = group.len();
        group
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Answer, answer};
    use super::*;

    fn push(queue: &mut Queue, priority: Priority, bytes: usize) -> Answer {
        let (answer, receiver) = answer();
        queue.push(Submission {
            batch: Batch {
                priority,
                guards: Vec::new(),
                changes: Vec::new(),
            },
            payload: vec![0; bytes],
            answer,
        });
        receiver
    }

    fn sizes(group: &[Submission]) -> Vec<usize> {
        group.iter().map(|s| s.payload.len()).collect()
    }

    const LARGE: usize = 25 * LARGE_BYTES;

    #[test]
    fn a_small_batch_waits_behind_one_large_delivery_at_most() {
        let mut queue = Queue::default();
        for _ in 0..3 {
            push(&mut queue, Priority::Ingress, LARGE);
        }
        for bytes in [1, 2, 3] {
            push(&mut queue, Priority::Ingress, bytes);
        }
        assert_eq!(sizes(&queue.next_group()), [LARGE]);
        assert_eq!(sizes(&queue.next_group()), [1, 2, 3]);
        push(&mut queue, Priority::Internal, 4);
        assert_eq!(
            sizes(&queue.next_group()),
            [LARGE],
            "nor do large ones wait for ever"
        );
        push(&mut queue, Priority::Internal, 5);
        assert_eq!(sizes(&queue.next_group()), [4, 5]);
        assert_eq!(sizes(&queue.next_group()), [LARGE]);
        assert_eq!(sizes(&queue.next_group()), [0; 0]);
        assert_eq!((queue.len(), queue.bytes), (0, 0));
    }

    #[test]
    fn what_is_our_own_keeps_its_order_whatever_its_size() {
        let mut queue = Queue::default();
        for bytes in [1, LARGE, 2] {
            push(&mut queue, Priority::Internal, bytes);
        }
        let groups = [queue.next_group(), queue.next_group(), queue.next_group()];
        assert_eq!(
            groups.map(|group| sizes(&group)),
            [vec![1], vec![LARGE], vec![2]]
        );
    }

    #[test]
    fn a_group_waits_for_more_only_while_there_are_many_senders() {
        let mut queue = Queue::default();
        let some = |queue: &mut Queue, count: usize| {
            for _ in 0..count {
                push(queue, Priority::Ingress, 1);
            }
        };
        for (waiting, may_gather) in [
            (1, false),
            (BUSY_BATCHES - 1, false),
            (BUSY_BATCHES, false),
            (1, true),
            (BUSY_BATCHES, false),
            (ENOUGH_BATCHES - 1, true),
            (ENOUGH_BATCHES, false),
        ] {
            some(&mut queue, waiting);
            assert_eq!(queue.may_gather(), may_gather, "{waiting}");
            assert!(queue.is_due(), "nobody gathers");
            queue.is_gathering = true;
            assert_eq!(queue.is_due(), waiting >= ENOUGH_BATCHES);
            queue.is_gathering = false;
            queue.next_group();
        }
        some(&mut queue, 1);
        queue.is_gathering = true;
        assert!(queue.may_gather() && !queue.is_due());
        queue.close();
        assert!(!queue.may_gather() && queue.is_due());
    }

    #[test]
    fn there_is_a_bound_and_an_end() {
        let mut queue = Queue::default();
        for _ in 0..10 {
            push(&mut queue, Priority::Ingress, LARGE);
        }
        let refused = push(&mut queue, Priority::Internal, LARGE);
        assert_eq!(refused.wait(), Err(CommitError::Overloaded));
        queue.close();
        let refused = push(&mut queue, Priority::Internal, 1);
        assert_eq!(refused.wait(), Err(CommitError::Closed));
        assert!(queue.is_closed() && queue.len() == 10);
    }
}
