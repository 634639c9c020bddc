//! A bounded place for things that expire soon.

use crate::domain::id::UserId;
use crate::domain::time::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;

/// Most things of one user; the oldest gives way.
pub(super) const PER_USER_MAX: usize = 10;
/// Most things of all users. A user takes [`PER_USER_MAX`] at most, so this needs a thousand.
pub(super) const TOTAL_MAX: usize = 10_000;

/// There is no room until something expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) struct Full;

#[derive(Debug)]
struct Entry<T> {
    user: UserId,
    until: Timestamp,
    thing: T,
}

/// Things by key, each of one user and for a time.
#[derive(Debug)]
pub(super) struct Shelf<T>(Mutex<HashMap<[u8; 32], Entry<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Shelf<T> {
    pub(super) fn put(
        &self,
        user: UserId,
        key: [u8; 32],
        thing: T,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), Full> {
        let mut entries = self.0.lock();
        entries.retain(|_, entry| entry.until > now);
        let of_user = entries.iter().filter(|(_, entry)| entry.user == user);
        let of_user: Vec<(Timestamp, [u8; 32])> =
            of_user.map(|(key, entry)| (entry.until, *key)).collect();
        if of_user.len() >= PER_USER_MAX
            && let Some((_, oldest)) = of_user.iter().min()
        {
            entries.remove(oldest);
        }
        if entries.len() >= TOTAL_MAX {
            return Err(Full);
        }
        entries.insert(key, Entry { user, until, thing });
        Ok(())
    }

    pub(super) fn take_all_of(&self, user: UserId) {
        self.0.lock().retain(|_, entry| entry.user != user);
    }

    pub(super) fn take(&self, key: &[u8; 32], now: Timestamp) -> Option<(UserId, T)> {
        let entry = self.0.lock().remove(key)?;
        (entry.until > now).then_some((entry.user, entry.thing))
    }
}

impl<T: Clone> Shelf<T> {
    pub(super) fn get(&self, key: &[u8; 32], now: Timestamp) -> Option<(UserId, T)> {
        let entries = self.0.lock();
        let entry = entries.get(key).filter(|entry| entry.until > now)?;
        Some((entry.user, entry.thing.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: UserId = UserId::from_u128(1);

    fn key(n: usize) -> [u8; 32] {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    #[test]
    fn a_thing_is_taken_once_and_in_time() {
        let shelf = Shelf::default();
        shelf
            .put(ANN, key(1), "x", Timestamp(10), Timestamp(0))
            .unwrap();
        assert_eq!(shelf.get(&key(1), Timestamp(9)), Some((ANN, "x")));
        assert_eq!(shelf.get(&key(1), Timestamp(10)), None);
        assert_eq!(shelf.take(&key(1), Timestamp(9)), Some((ANN, "x")));
        assert_eq!(shelf.take(&key(1), Timestamp(9)), None);
        shelf
            .put(ANN, key(2), "y", Timestamp(10), Timestamp(0))
            .unwrap();
        assert_eq!(shelf.take(&key(2), Timestamp(10)), None, "too late");
        assert_eq!(shelf.take(&key(2), Timestamp(0)), None, "and gone");
    }

    #[test]
    fn nobody_crowds_out_others_and_there_is_an_end() {
        let shelf = Shelf::default();
        let until = |n: usize| Timestamp(1_000_000 + i64::try_from(n).unwrap());
        for n in 0..PER_USER_MAX + 3 {
            shelf.put(ANN, key(n), n, until(n), Timestamp(0)).unwrap();
        }
        assert_eq!(shelf.0.lock().len(), PER_USER_MAX);
        assert_eq!(
            shelf.get(&key(2), Timestamp(0)),
            None,
            "the oldest gave way"
        );
        let is_room = |n: usize| {
            let user = UserId::from_u128(n as u128);
            shelf.put(user, key(n), n, until(0), Timestamp(0)).is_ok()
        };
        assert_eq!(
            (1000..100_000).take_while(|n| is_room(*n)).count(),
            TOTAL_MAX - PER_USER_MAX
        );
        assert_eq!(shelf.0.lock().len(), TOTAL_MAX);
        let late = until(PER_USER_MAX + 5);
        shelf
            .put(
                ANN,
                key(0),
                0,
                late.plus(std::time::Duration::from_secs(1)),
                late,
            )
            .unwrap();
        assert_eq!(shelf.0.lock().len(), 1, "what is over makes room");
    }
}
