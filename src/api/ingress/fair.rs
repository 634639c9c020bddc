//! A number of things that many share: who holds much of them waits for those who hold little.
//!
//! A hook may hold twice as much as is left, and a user three times as much with all hooks; so
//! something is always left for others, however many are greedy. Who holds nothing is given what
//! there is. Of those who wait, who holds least has the next turn, and then who had none for
//! long. Where others wait, a body that arrives too slowly to be complete in time makes room: see
//! [`Progress`].

use crate::api::progress::Progress;
use crate::domain::id::{ConnectionId, UserId};
use crate::domain::net::PeerKey;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What a user may hold with all hooks, and one hook or address, in parts of what is left.
const PARTS_OF_USER: usize = 3;
const PARTS_OF_ONE: usize = 2;
/// How often those who wait look for bodies that have begun to lag, and how often that is done at
/// most for all of them.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOOKS_APART: Duration = Duration::from_millis(50);
/// How long a request that does not wait gives cut-off bodies to leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// For whom something is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::api) enum Who {
    /// A user.
    User(UserId),
    /// All who send from an address; all together where it is not known.
    Peer(Option<PeerKey>),
}

/// Whose account something is held on: of a user one for each hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::api) struct Account {
    pub(in crate::api) who: Who,
    pub(in crate::api) hook: Option<ConnectionId>,
}

impl Account {
    /// The account of a user for what is of no hook.
    pub(in crate::api) fn of(who: Who) -> Self {
        Self { who, hook: None }
    }
}

/// Why something is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Not {
    /// There is not so much.
    There,
    /// The account holds its share.
    Fair,
}

/// What is held, or waited for.
#[derive(Clone, Debug)]
struct Claim {
    account: Account,
    size: usize,
    progress: Arc<Progress>,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    claim: Claim,
    turn: Arc<Notify>,
}

/// What one holds and waits for. Is forgotten when that is nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    held: usize,
    waiting: usize,
    /// Which of all turns they had last.
    last: u64,
}

#[derive(Debug, Default)]
struct Inner {
    free: usize,
    by_who: HashMap<Who, Tally>,
    by_account: HashMap<Account, Tally>,
    holders: HashMap<u64, Claim>,
    waiters: Vec<Waiter>,
    next: u64,
    turns: u64,
    looked: Option<Instant>,
}

impl Inner {
    fn tallies(&self, account: &Account) -> (Tally, Tally) {
        let who = self.by_who.get(&account.who).copied();
        let own = self.by_account.get(account).copied();
        (who.unwrap_or_default(), own.unwrap_or_default())
    }

    /// The place of one who waits: who holds least comes first, and then who had no turn for long.
    fn place(&self, waiter: &Waiter) -> (usize, u64, usize, u64, u64) {
        let (who, own) = self.tallies(&waiter.claim.account);
        (who.held, who.last, own.held, own.last, waiter.id)
    }

    fn may(&self, claim: &Claim) -> Result<(), Not> {
        let left = self.free.checked_sub(claim.size).ok_or(Not::There)?;
        let fits = |held, parts| held == 0 || held + claim.size <= left.saturating_mul(parts);
        let (who, own) = self.tallies(&claim.account);
        let is_fair = fits(who.held, PARTS_OF_USER) && fits(own.held, PARTS_OF_ONE);
        is_fair.then_some(()).ok_or(Not::Fair)
    }

    /// Something changes for an account.
    fn book(&mut self, account: Account, change: impl Fn(&mut Tally)) {
        let is_nothing = |tally: &Tally| tally.held == 0 && tally.waiting == 0;
        let who = self.by_who.entry(account.who).or_default();
        change(who);
        if is_nothing(who) {
            self.by_who.remove(&account.who);
        }
        let own = self.by_account.entry(account).or_default();
        change(own);
        if is_nothing(own) {
            self.by_account.remove(&account);
        }
    }

    /// The number of a new claim.
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn hold(&mut self, id: u64, claim: Claim) {
        let (size, turn) = (claim.size, self.turns);
        self.turns += 1;
        self.free -= size;
        self.book(claim.account, |tally| {
            tally.held += size;
            tally.last = turn;
        });
        self.holders.insert(id, claim);
    }

    /// Takes back what was given, or the place among those who wait.
    fn leave(&mut self, id: u64) {
        if let Some(at) = self.waiters.iter().position(|waiter| waiter.id == id) {
            let waiter = self.waiters.remove(at);
            self.book(waiter.claim.account, |tally| tally.waiting -= 1);
        }
        if let Some(holder) = self.holders.remove(&id) {
            self.free += holder.size;
            self.book(holder.account, |tally| tally.held -= holder.size);
        }
    }

    /// Gives those who wait what they may have. Who may have something that is not there yet is
    /// not overtaken.
    fn settle(&mut self) {
        loop {
            let mut order: Vec<usize> = (0..self.waiters.len()).collect();
            order.sort_by_cached_key(|at| self.place(&self.waiters[*at]));
            let mut next = None;
            for at in order {
                match self.may(&self.waiters[at].claim) {
                    Ok(()) => {
                        next = Some(at);
                        break;
                    }
                    Err(Not::There) => break,
                    Err(Not::Fair) => {}
                }
            }
            let Some(at) = next else { return };
            let Waiter { id, claim, turn } = self.waiters.remove(at);
            let account = claim.account;
            self.hold(id, claim);
            self.book(account, |tally| tally.waiting -= 1);
            turn.notify_one();
        }
    }

    /// Puts bodies out that lag, until one who waits would have room; whether that is so. Those of
    /// the greediest go first, and of these the slowest. Who holds their share has to make room
    /// themselves.
    fn press(&mut self, id: u64, now: Instant) -> bool {
        let Some(waiter) = self.waiters.iter().find(|waiter| waiter.id == id) else {
            return true;
        };
        let (who, size) = (waiter.claim.account.who, waiter.claim.size);
        let may_be = |holder: &Claim| size > self.free || holder.account.who == who;
        let holders = || self.holders.values().filter(|holder| may_be(holder));
        let leaving: usize = holders()
            .filter(|holder| holder.progress.is_out())
            .map(|holder| holder.size)
            .sum();
        let mut needed = match size.checked_sub(self.free) {
            Some(0) | None => size,
            Some(more) => more,
        }
        .saturating_sub(leaving);
        let mut laggards: Vec<(usize, u64, &Claim)> = holders()
            .filter(|holder| !holder.progress.is_out())
            .filter_map(|holder| {
                let lags = holder.progress.lags_for(now)?;
                Some((self.tallies(&holder.account).0.held, lags, holder))
            })
            .collect();
        laggards.sort_by_key(|(held, lags, _)| std::cmp::Reverse((*held, *lags)));
        for (_, _, holder) in laggards {
            if needed == 0 {
                break;
            }
            holder.progress.put_out();
            needed = needed.saturating_sub(holder.size);
        }
        needed == 0
    }
}

/// What is shared.
#[derive(Debug)]
pub(super) struct Pool {
    total: usize,
    inner: Mutex<Inner>,
}

/// So much of a pool, until this is dropped.
#[derive(Debug)]
pub(in crate::api) struct Share {
    pool: Arc<Pool>,
    id: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.leave(self.id);
    }
}

impl Pool {
    pub(super) fn new(total: usize) -> Arc<Self> {
        let inner = Inner {
            free: total,
            turns: 1,
            ..Inner::default()
        };
        let inner = Mutex::new(inner);
        Arc::new(Self { total, inner })
    }

    fn leave(&self, id: u64) {
        let mut inner = self.inner.lock();
        inner.leave(id);
        inner.settle();
    }

    /// So much of it, when it is one's turn: until then at most. `None`: only if there is room
    /// now, or others who lag make some.
    pub(super) async fn take(
        self: &Arc<Self>,
        account: Account,
        size: usize,
        progress: &Arc<Progress>,
        until: Option<Instant>,
    ) -> Option<Share> {
        if size > self.total {
            return None;
        }
        let claim = Claim {
            account,
            size,
            progress: Arc::clone(progress),
        };
        let claim = match self.at_once(claim) {
            Ok(share) => return Some(share),
            Err(claim) => claim,
        };
        let (share, turn) = self.queue(claim);
        let waits = until.unwrap_or_else(|| Instant::now() + LEAVE_WITHIN);
        loop {
            if self.has_turn(&share) {
                return Some(share);
            }
            let now = Instant::now();
            let is_made = self.look(&share, now, until.is_none());
            if now >= waits || (until.is_none() && !is_made) {
                return None;
            }
            // Whichever comes first is looked at in the same way.
            let _ = timeout_at(waits.min(now + LOOK_EVERY), turn.notified()).await;
        }
    }

    /// So much of it, where no other waits, as is mostly so.
    fn at_once(self: &Arc<Self>, claim: Claim) -> Result<Share, Claim> {
        let mut inner = self.inner.lock();
        if !inner.waiters.is_empty() || inner.may(&claim).is_err() {
            return Err(claim);
        }
        let (id, pool) = (inner.number(), Arc::clone(self));
        inner.hold(id, claim);
        Ok(Share { pool, id })
    }

    /// Queues up, and has its turn at once where that may be.
    fn queue(self: &Arc<Self>, claim: Claim) -> (Share, Arc<Notify>) {
        let mut inner = self.inner.lock();
        let (id, pool) = (inner.number(), Arc::clone(self));
        let turn = Arc::new(Notify::new());
        inner.book(claim.account, |tally| tally.waiting += 1);
        inner.waiters.push(Waiter {
            id,
            claim,
            turn: Arc::clone(&turn),
        });
        inner.settle();
        (Share { pool, id }, turn)
    }

    fn has_turn(&self, share: &Share) -> bool {
        self.inner.lock().holders.contains_key(&share.id)
    }

    /// Looks for who could make room; whether enough will be there.
    fn look(&self, share: &Share, now: Instant, is_urgent: bool) -> bool {
        let mut inner = self.inner.lock();
        let is_soon = |looked: Instant| now.saturating_duration_since(looked) < LOOKS_APART;
        if !is_urgent && inner.looked.is_some_and(is_soon) {
            return false;
        }
        inner.looked = Some(now);
        inner.press(share.id, now)
    }

    /// How much of it is free.
    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.inner.lock().free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::progress::Track;

    fn account(user: u128, hook: u128) -> Account {
        Account {
            who: Who::User(UserId::from_u128(user)),
            hook: Some(ConnectionId::from_u128(hook)),
        }
    }

    async fn now(pool: &Arc<Pool>, account: Account, size: usize) -> Option<Share> {
        pool.take(account, size, &Arc::default(), None).await
    }

    async fn all(pool: &Arc<Pool>, account: Account) -> Vec<Share> {
        let mut held = Vec::new();
        while let Some(share) = now(pool, account, 1).await {
            held.push(share);
        }
        held
    }

    async fn until_so_many_wait(pool: &Pool, count: usize) {
        while pool.inner.lock().waiters.len() < count {
            tokio::task::yield_now().await;
        }
    }

    #[actix_web::test]
    async fn something_is_left_however_many_are_greedy() {
        let pool = Pool::new(1200);
        let mut held = vec![all(&pool, account(1, 1)).await];
        assert_eq!(held[0].len(), 800, "two thirds for a hook");
        held.push(all(&pool, account(1, 2)).await);
        held.push(all(&pool, account(1, 3)).await);
        assert!(pool.left() >= 300, "three quarters for a user");
        for user in 2..6 {
            held.push(all(&pool, account(user, user)).await);
            assert!(pool.left() > 0);
        }
        assert!(now(&pool, account(9, 9), 1).await.is_some());
        drop(held);
        let inner = pool.inner.lock();
        assert_eq!(inner.free, 1200);
        assert!(inner.by_who.is_empty() && inner.by_account.is_empty());
        assert!(inner.holders.is_empty() && inner.waiters.is_empty());
    }

    #[actix_web::test]
    async fn who_holds_nothing_is_given_what_there_is() {
        let pool = Pool::new(100);
        let first = now(&pool, account(1, 1), 100).await.unwrap();
        assert!(now(&pool, account(2, 2), 1).await.is_none());
        drop(first);
        assert!(now(&pool, account(1, 1), 101).await.is_none(), "never");
    }

    #[actix_web::test]
    async fn those_who_wait_have_their_turn_by_what_they_hold() {
        let pool = Pool::new(100);
        let mut greedy = vec![
            now(&pool, account(1, 1), 30).await.unwrap(),
            now(&pool, account(1, 2), 30).await.unwrap(),
        ];
        let wait = |user, hook, size| {
            let (pool, until) = (Arc::clone(&pool), Instant::now() + Duration::from_secs(20));
            actix_web::rt::spawn(async move {
                let progress = Arc::default();
                let taking = pool.take(account(user, hook), size, &progress, Some(until));
                taking.await
            })
        };
        let (more, modest) = (wait(1, 3, 45), wait(2, 2, 60));
        until_so_many_wait(&pool, 2).await;
        greedy.pop();
        let modest = modest.await.unwrap().expect("the one who held nothing");
        assert!(!more.is_finished());
        let again = wait(1, 4, 60);
        until_so_many_wait(&pool, 2).await;
        greedy.clear();
        let third = wait(3, 3, 90);
        until_so_many_wait(&pool, 3).await;
        drop(modest);
        assert!(third.await.unwrap().is_some(), "it had no turn yet");
        assert!(more.await.unwrap().is_some() && again.await.unwrap().is_some());
    }

    #[actix_web::test]
    async fn who_gives_up_waiting_holds_nothing() {
        let pool = Pool::new(100);
        let held = now(&pool, account(1, 1), 100).await.unwrap();
        let until = Instant::now() + Duration::from_millis(10);
        let progress = Arc::default();
        let waited = pool.take(account(2, 2), 100, &progress, Some(until));
        assert!(waited.await.is_none());
        drop(held);
        assert_eq!(pool.left(), 100);
    }

    #[actix_web::test]
    async fn a_body_that_lags_makes_room_when_it_is_needed_and_no_other_does() {
        let pool = Pool::new(100);
        let (slow, brisk) = (Arc::<Progress>::default(), Arc::<Progress>::default());
        slow.came(&Track::new(Duration::ZERO, Some(10)), 0);
        brisk.came(&Track::new(Duration::from_hours(1), Some(10)), 9);
        let slow_share = pool.take(account(1, 1), 50, &slow, None).await.unwrap();
        let _brisk_share = pool.take(account(2, 2), 30, &brisk, None).await.unwrap();
        assert!(now(&pool, account(3, 3), 20).await.is_some());
        assert!(!slow.is_out(), "nobody needed its room");
        let leaving = actix_web::rt::spawn({
            let slow = Arc::clone(&slow);
            async move {
                slow.out().await;
                drop(slow_share);
            }
        });
        assert!(now(&pool, account(3, 3), 60).await.is_some());
        assert!(slow.is_out() && !brisk.is_out());
        leaving.await.unwrap();
    }
}
