//! The order of commits of one second.
//!
//! A status has its commit's date, to the second, and its parents. Of two commits of one second the
//! parent comes first; if neither is a parent of the other, the one with the older status does: the
//! provider numbers statuses in order of creation. Each keeps its first rank.

use std::collections::BTreeMap;

/// Bits of a rank.
pub const RANK_BITS: u32 = 20;
/// Most commits of one second that are ordered.
const COMMITS_MAX: usize = 128;
/// Most parents that are read: more than two are rare.
const PARENTS_MAX: usize = 8;

/// A commit, as in a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The first 60 bits of its hash.
    pub name: u64,
    /// Those of its parents.
    pub parents: Vec<u64>,
    /// The number of the status; greater ones were created later.
    pub status: u64,
    /// Its time, in seconds since 1970.
    pub second: u64,
}

/// The known facts of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// Its rank.
    pub rank: u32,
    /// Its parents.
    pub parents: Vec<u64>,
    /// The smallest number of its statuses.
    pub status: u64,
}

/// The commits of a second, by name.
pub type Second = BTreeMap<u64, Ranked>;

/// The rank of a commit that is alone in its second.
pub const fn own_rank(name: u64) -> u32 {
    (name >> (60 - RANK_BITS)) as u32 & ((1 << RANK_BITS) - 1)
}

/// The rank of a commit, and whether something changed. `known` is the rank that it had before this
/// was stored.
pub fn rank(second: &mut Second, commit: &Commit, known: Option<u32>) -> (u32, bool) {
    if let Some(ranked) = second.get_mut(&commit.name) {
        let is_news = commit.status < ranked.status;
        ranked.status = ranked.status.min(commit.status);
        return (ranked.rank, is_news);
    }
    let rank = known.unwrap_or_else(|| place(second, commit));
    if second.len() >= COMMITS_MAX {
        return (rank, false);
    }
    let mut parents = commit.parents.clone();
    parents.truncate(PARENTS_MAX);
    let status = commit.status;
    let ranked = Ranked {
        rank,
        parents,
        status,
    };
    second.insert(commit.name, ranked);
    (rank, true)
}

fn is_before(name: u64, ranked: &Ranked, commit: &Commit) -> bool {
    if commit.parents.contains(&name) {
        true
    } else if ranked.parents.contains(&commit.name) {
        false
    } else {
        ranked.status < commit.status
    }
}

/// Between those before and those after it. Parents take precedence: a child is after its parent,
/// whatever else would be between.
fn place(second: &Second, commit: &Commit) -> u32 {
    let mut ranks: Vec<_> = second.iter().collect();
    ranks.sort_by_key(|(_, ranked)| ranked.rank);
    // The first that is after it: by parents if known, else by number.
    let parent = ranks
        .iter()
        .rposition(|(name, _)| commit.parents.contains(name));
    let child = ranks
        .iter()
        .position(|(_, ranked)| ranked.parents.contains(&commit.name));
    let by_number = ranks
        .iter()
        .position(|(name, ranked)| !is_before(**name, ranked, commit))
        .unwrap_or(ranks.len());
    let least = parent.map_or(0, |at| at + 1);
    let most = child.unwrap_or(ranks.len()).max(least);
    let at = by_number.clamp(least, most);
    let low = at
        .checked_sub(1)
        .map_or(0, |before| ranks[before].1.rank + 1);
    let high = ranks.get(at).map_or(1 << RANK_BITS, |(_, next)| next.rank);
    let own = own_rank(commit.name);
    if (low..high).contains(&own) {
        return own;
    }
    // No number is left only after many insertions between two commits.
    low + high.saturating_sub(low) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commit(name: u64, parents: &[u64], status: u64) -> Commit {
        Commit {
            name,
            parents: parents.to_vec(),
            status,
            second: 7,
        }
    }

    #[test]
    fn alone_a_commit_has_the_rank_of_its_hash() {
        let name = 0xabcde << 40;
        assert_eq!(own_rank(name), 0xabcde);
        let mut second = Second::new();
        assert_eq!(
            rank(&mut second, &commit(name, &[], 5), None),
            (0xabcde, true)
        );
        assert_eq!(
            rank(&mut second, &commit(name, &[], 6), None),
            (0xabcde, false)
        );
        let other = commit(1, &[], 9);
        assert_eq!(
            rank(&mut second, &other, Some(3)),
            (3, true),
            "known before"
        );
    }

    proptest! {
        /// A chain of commits, of some of which nothing is told before the others, in any order:
        /// each is after its parent.
        #[test]
        fn whoever_follows_on_another_is_after_it(
            names in prop::collection::hash_set(1..1_u64 << 60, 2..6),
            order in Just((0..5_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let names: Vec<_> = names.into_iter().collect();
            let mut second = Second::new();
            let mut ranks = BTreeMap::new();
            for nth in order.into_iter().filter(|nth| *nth < names.len()) {
                let parents: Vec<_> = nth.checked_sub(1).map(|n| names[n]).into_iter().collect();
                // The numbers agree.
                let reported = commit(names[nth], &parents, 100 + nth as u64);
                ranks.insert(nth, rank(&mut second, &reported, None).0);
            }
            let ranks: Vec<_> = ranks.into_values().collect();
            prop_assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
        }

        /// Of two, the parent is first, whatever the numbers are.
        #[test]
        fn the_parent_is_first_whatever_the_numbers_say(
            (a, b) in (1..1_u64 << 60, 1..1_u64 << 60), numbers in (1..9_u64, 1..9_u64),
            is_child_first: bool,
        ) {
            prop_assume!(a != b);
            let both = [commit(a, &[], numbers.0), commit(b, &[a], numbers.1)];
            let mut second = Second::new();
            let mut of = |nth: usize| rank(&mut second, &both[nth], None).0;
            let (parent, child) = if is_child_first {
                let child = of(1);
                (of(0), child)
            } else {
                (of(0), of(1))
            };
            prop_assert!(parent < child);
        }
    }
}
