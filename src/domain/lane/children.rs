//! The identity of a pipeline's children.
//!
//! A child's event does not name the job that started it. Its content identifies it: its jobs, and
//! its variables. So the children of a lane have *seats*, and a child of a later parent takes the
//! seat of the most similar child, of those that no other child of its own parent has. Of equally
//! similar seats it is the first: children with the same content are distinguished by the order of
//! arrival only.

use std::collections::{BTreeMap, BTreeSet};

/// Most jobs, and most variables, that are compared; those with the smallest hashes, which are
/// always the same.
pub const LIKENESS_MAX: usize = 64;
/// Most children of a pipeline, and most seats of a lane.
pub const CHILDREN_MAX: usize = 256;

/// The content of a child, by hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Likeness {
    /// Its jobs, by stage and name.
    jobs: BTreeSet<u32>,
    /// Its variables: name and value.
    variables: BTreeMap<u32, u32>,
}

impl Likeness {
    /// Of these jobs and variables.
    pub fn new(
        jobs: impl IntoIterator<Item = u32>,
        variables: impl IntoIterator<Item = (u32, u32)>,
    ) -> Self {
        let mut all = Self {
            jobs: jobs.into_iter().collect(),
            variables: variables.into_iter().collect(),
        };
        while all.jobs.len() > LIKENESS_MAX {
            all.jobs.pop_last();
        }
        while all.variables.len() > LIKENESS_MAX {
            all.variables.pop_last();
        }
        all
    }

    /// From its parts, as stored.
    pub const fn from_parts(jobs: BTreeSet<u32>, variables: BTreeMap<u32, u32>) -> Self {
        Self { jobs, variables }
    }

    /// Its jobs, as they are stored.
    pub const fn jobs(&self) -> &BTreeSet<u32> {
        &self.jobs
    }

    /// Its variables, as they are stored.
    pub const fn variables(&self) -> &BTreeMap<u32, u32> {
        &self.variables
    }

    /// The similarity of two; `None` when they are not the same child. Jobs come and go with the
    /// changed files, so half of the smaller number must match; and half of the variables of both
    /// must be the same.
    fn fits(&self, other: &Self) -> Option<(usize, usize)> {
        let jobs = self.jobs.intersection(&other.jobs).count();
        if jobs * 2 < self.jobs.len().min(other.jobs.len()) {
            return None;
        }
        let both = |name: &&u32| other.variables.contains_key(*name);
        let shared = self.variables.keys().filter(both).count();
        let is_same = |(name, value): &(&u32, &u32)| other.variables.get(*name) == Some(*value);
        let same = self.variables.iter().filter(is_same).count();
        if same * 2 < shared {
            return None;
        }
        let all = self.jobs.union(&other.jobs).count();
        let share = (jobs * 1000).checked_div(all).unwrap_or(1000);
        let given = (same * 1000).checked_div(shared).unwrap_or(1000);
        Some((share + given, same))
    }
}

/// The seats of a lane's children, by number.
pub type Seats = Vec<Likeness>;

/// The seat of a new child: one that `taken` does not hold. `None` when there are too many.
pub fn seat(seats: &mut Seats, child: &Likeness, taken: &BTreeSet<u32>) -> Option<u32> {
    let mut best: Option<((usize, usize), usize)> = None;
    for (nth, known) in seats.iter().enumerate() {
        let is_free = u32::try_from(nth).is_ok_and(|nth| !taken.contains(&nth));
        if let Some(fit) = child.fits(known).filter(|_| is_free)
            && best.is_none_or(|(most, _)| fit > most)
        {
            best = Some((fit, nth));
        }
    }
    let nth = if let Some((_, nth)) = best {
        seats[nth] = child.clone();
        nth
    } else if seats.len() < CHILDREN_MAX {
        seats.push(child.clone());
        seats.len() - 1
    } else {
        return None;
    };
    u32::try_from(nth).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(jobs: &[u32], variables: &[(u32, u32)]) -> Likeness {
        Likeness::new(jobs.iter().copied(), variables.iter().copied())
    }

    /// The seats of the children of one parent, in order of arrival.
    fn sit(seats: &mut Seats, children: &[&Likeness]) -> Vec<u32> {
        let mut taken = BTreeSet::new();
        let mut found = Vec::new();
        for child in children {
            let nth = seat(seats, child, &taken).unwrap();
            taken.insert(nth);
            found.push(nth);
        }
        found
    }

    #[test]
    fn each_child_has_its_seat_whichever_come_and_in_whatever_order() {
        let (a, b, c) = (
            like(&[1, 2], &[]),
            like(&[3, 4, 5], &[]),
            like(&[1, 6, 7], &[]),
        );
        let mut seats = Seats::new();
        assert_eq!(sit(&mut seats, &[&a, &b]), [0, 1]);
        assert_eq!(sit(&mut seats, &[&b]), [1], "the other was left out");
        assert_eq!(sit(&mut seats, &[&b, &a]), [1, 0]);
        // A new one with a job of another name has a new seat.
        let c_first = sit(&mut seats, &[&c, &b, &a]);
        assert_eq!(
            c_first,
            [0, 1, 2],
            "half of what it is made of is the other's"
        );
        let mut seats = vec![like(&[1, 2, 8], &[]), b.clone()];
        assert_eq!(sit(&mut seats, &[&c, &b]), [2, 1]);
    }

    #[test]
    fn a_child_that_gains_or_loses_jobs_keeps_its_seat() {
        let mut seats = Seats::new();
        assert_eq!(sit(&mut seats, &[&like(&[1, 2, 3, 4], &[])]), [0]);
        assert_eq!(sit(&mut seats, &[&like(&[2, 3], &[])]), [0]);
        assert_eq!(sit(&mut seats, &[&like(&[2, 3, 9], &[])]), [0]);
        assert_eq!(sit(&mut seats, &[&like(&[], &[])]), [0], "nothing is told");
    }

    #[test]
    fn children_of_one_file_are_told_apart_by_what_they_are_given() {
        let of = |service: u32, version: u32| like(&[1, 2], &[(50, service), (51, version)]);
        let mut seats = Seats::new();
        assert_eq!(sit(&mut seats, &[&of(1, 100), &of(2, 100)]), [0, 1]);
        assert_eq!(sit(&mut seats, &[&of(2, 101)]), [1]);
        assert_eq!(sit(&mut seats, &[&of(2, 102), &of(1, 102)]), [1, 0]);
        let alone = like(&[1, 2], &[(50, 3)]);
        assert_eq!(sit(&mut seats, &[&alone]), [2], "nobody's seat");
    }

    #[test]
    fn seats_are_bounded_and_what_is_compared_is() {
        let mut seats = Seats::new();
        for n in 0..u32::try_from(CHILDREN_MAX).unwrap() {
            assert_eq!(
                seat(&mut seats, &like(&[n], &[]), &BTreeSet::new()),
                Some(n)
            );
        }
        let one_more = like(&[9999], &[]);
        assert_eq!(seat(&mut seats, &one_more, &BTreeSet::new()), None);
        let many = Likeness::new(0..1000, (0..1000).map(|n| (n, n)));
        assert_eq!(many.jobs().len(), LIKENESS_MAX);
        assert_eq!(many.variables().len(), LIKENESS_MAX);
    }
}
