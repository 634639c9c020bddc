//! Who is connected, and who has to go when there are too many.
//!
//! Nobody is turned away at the door, because a delivery knocks like everybody else. When there is
//! no room, the connection that does the least for anybody makes some: one whose client does not
//! read, then one that idles, then one that has said nothing yet, the longest such first. A
//! delivery that is under way never has to go.

use crate::domain::net::{Network, PeerKey};
use futures_util::task::AtomicWaker;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a connection does, in the order in which they have to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Doing {
    /// Its client does not read what it asked for.
    Stalled,
    /// It was answered, and is kept open.
    Idle,
    /// It has not asked for anything yet.
    Fresh,
    /// It waits for, or reads, the answer to an API call.
    Asking,
    /// It brings a delivery.
    Delivering,
}

impl Doing {
    const ALL: [Self; 5] = [
        Self::Stalled,
        Self::Idle,
        Self::Fresh,
        Self::Asking,
        Self::Delivering,
    ];

    fn of(number: u8) -> Self {
        Self::ALL
            .into_iter()
            .find(|doing| *doing as u8 == number)
            .unwrap_or(Self::Asking)
    }
}

/// A connection, as the others see it.
#[derive(Debug)]
pub(super) struct Member {
    peer: PeerKey,
    is_proxy: bool,
    doing: AtomicU8,
    /// Milliseconds since the server began.
    since: AtomicU64,
    is_out: AtomicBool,
    waker: AtomicWaker,
    began: Instant,
}

impl Member {
    /// Says what it does from now on.
    pub(super) fn is_doing(&self, doing: Doing) {
        if self.doing.swap(doing as u8, Ordering::Relaxed) != doing as u8 {
            let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.since.store(ms, Ordering::Relaxed);
        }
    }

    /// What it does.
    pub(super) fn doing(&self) -> Doing {
        Doing::of(self.doing.load(Ordering::Relaxed))
    }

    /// Whether it has to go. If not, this task is woken when it has to.
    pub(super) fn has_to_go(&self, waker: &std::task::Waker) -> bool {
        self.waker.register(waker);
        self.is_out.load(Ordering::Acquire)
    }

    fn put_out(&self) {
        self.is_out.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Its place in the order of those who have to go; `None` when it need not.
    fn place(&self) -> Option<(bool, Doing, u64)> {
        let doing = self.doing();
        let since = self.since.load(Ordering::Relaxed);
        (doing != Doing::Delivering).then_some((self.is_proxy, doing, since))
    }
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// In all.
    pub(super) total: usize,
    /// From one address (of IPv6, from one network of 64 bits).
    pub(super) per_peer: usize,
    /// Those for which the latter does not count.
    pub(super) proxies: Vec<Network>,
}

/// All connections of a server.
#[derive(Debug)]
pub(super) struct Peers {
    limits: Limits,
    began: Instant,
    members: Mutex<HashMap<PeerKey, Vec<Arc<Member>>>>,
}

type Members = HashMap<PeerKey, Vec<Arc<Member>>>;

impl Peers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            began: Instant::now(),
            members: Mutex::default(),
        }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in. `None` when there is no room and nobody who could make some.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let peer = PeerKey::of(address);
        let is_proxy = self.limits.proxies.iter().any(|net| net.holds(address));
        let mut members = self.members();
        let own = members.get(&peer).map_or(0, Vec::len);
        if !is_proxy && own >= self.limits.per_peer {
            let worst = worst_of(members.get(&peer).into_iter().flatten())?;
            put_out(&mut members, &worst);
        }
        let total: usize = members.values().map(Vec::len).sum();
        if total >= self.limits.total {
            let worst = worst_of(members.values().flatten())?;
            put_out(&mut members, &worst);
        }
        let member = Arc::new(Member {
            peer,
            is_proxy,
            doing: AtomicU8::new(Doing::Asking as u8),
            since: AtomicU64::new(0),
            is_out: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            began: self.began,
        });
        member.is_doing(Doing::Fresh);
        members.entry(peer).or_default().push(Arc::clone(&member));
        let peers = Arc::clone(self);
        Some(Seat { member, peers })
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.members().values().map(Vec::len).sum()
    }
}

/// The first that has to go.
fn worst_of<'a>(members: impl Iterator<Item = &'a Arc<Member>>) -> Option<Arc<Member>> {
    let placed = members.filter_map(|member| Some((member.place()?, member)));
    let first = placed.min_by_key(|(place, _)| *place);
    first.map(|(_, member)| Arc::clone(member))
}

fn remove(members: &mut Members, member: &Arc<Member>) {
    if let Some(own) = members.get_mut(&member.peer) {
        own.retain(|other| !Arc::ptr_eq(other, member));
        if own.is_empty() {
            members.remove(&member.peer);
        }
    }
}

fn put_out(members: &mut Members, member: &Arc<Member>) {
    remove(members, member);
    member.put_out();
}

/// A connection's place, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) member: Arc<Member>,
    peers: Arc<Peers>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        remove(&mut self.peers.members(), &self.member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn peers(total: usize, per_peer: usize) -> Arc<Peers> {
        Arc::new(Peers::new(Limits {
            total,
            per_peer,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
        }))
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_out(seat: &Seat) -> bool {
        seat.member.has_to_go(Waker::noop())
    }

    #[test]
    fn the_one_that_does_least_makes_room_and_a_delivery_never() {
        let peers = peers(100, 5);
        let seat = |doing| {
            let seat = peers.admit(at("192.0.2.1")).unwrap();
            seat.member.is_doing(doing);
            seat
        };
        let delivering = seat(Doing::Delivering);
        let others: Vec<Seat> = [Doing::Asking, Doing::Fresh, Doing::Idle, Doing::Stalled]
            .map(seat)
            .into();
        for left in (0..4).rev() {
            let new = seat(Doing::Delivering);
            let out: Vec<bool> = others.iter().map(is_out).collect();
            assert_eq!(out, [left < 1, left < 2, left < 3, left < 4]);
            assert_eq!(peers.len(), 5);
            std::mem::forget(new);
        }
        assert!(
            peers.admit(at("192.0.2.1")).is_none(),
            "all bring deliveries"
        );
        assert!(
            peers.admit(at("192.0.2.2")).is_some(),
            "another peer is let in"
        );
        assert!(!is_out(&delivering));
    }

    #[test]
    fn one_network_counts_as_one_peer_and_a_proxy_as_many() {
        let peers = peers(100, 2);
        let first = peers.admit(at("2001:db8::1")).unwrap();
        let _second = peers.admit(at("2001:db8::2")).unwrap();
        let _third = peers.admit(at("2001:db8::3")).unwrap();
        assert!(is_out(&first), "three of one network of 64 bits");
        let proxied: Vec<_> = (0..50)
            .map(|_| peers.admit(at("10.1.2.3")).unwrap())
            .collect();
        assert!(!proxied.iter().any(is_out));
    }

    #[test]
    fn when_all_are_too_many_a_strangers_goes_before_a_proxys() {
        let peers = peers(3, 3);
        let proxied = peers.admit(at("10.0.0.1")).unwrap();
        proxied.member.is_doing(Doing::Stalled);
        let stranger = peers.admit(at("192.0.2.1")).unwrap();
        stranger.member.is_doing(Doing::Asking);
        let other = peers.admit(at("10.0.0.1")).unwrap();
        let new = peers.admit(at("192.0.2.9")).unwrap();
        assert!(is_out(&stranger) && !is_out(&proxied) && !is_out(&other));
        drop(new);
        assert_eq!(peers.len(), 2);
        drop((proxied, stranger, other));
        assert_eq!(peers.len(), 0);
    }
}
