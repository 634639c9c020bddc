//! The clients that are connected, and which connection is closed when there are too many.
//!
//! A new connection is not refused, because it may bring a delivery. When there is no room, the
//! least useful one is closed: one whose client does not read, then one whose delivery arrives too
//! slowly to be complete in time, then an idle one, then one that has sent nothing yet, the longest
//! such first. One with any other delivery is never closed.
//!
//! A provider sends from few addresses, and may send hundreds of deliveries at once. So one address
//! may have a few times its number for a moment, as long as the last of them have come just now.

use crate::api::progress::Progress;
use crate::domain::net::{Network, PeerKey};
use crate::telemetry::{Limit, limit_reached};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a connection does, in the order in which they are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doing {
    /// Its client does not read what it asked for.
    Stalled,
    /// It brings a delivery too slowly. Is never set, only found.
    Lagging,
    /// It was answered, and is kept open.
    Idle,
    /// It has not asked for anything yet.
    Fresh,
    /// It waits for, or reads, the answer to an API call.
    Asking,
    /// It brings a delivery.
    Delivering,
}

#[derive(Debug)]
struct State {
    doing: Doing,
    since: Instant,
    /// That of the body of its request.
    progress: Arc<Progress>,
}

/// A connection, as the others see it.
#[derive(Debug)]
pub(super) struct Member {
    peer: PeerKey,
    is_proxy: bool,
    state: Mutex<State>,
    is_out: AtomicBool,
    waker: AtomicWaker,
}

/// Times that one address may have its number, in a burst.
const BURST: usize = 4;
/// For so long a new connection may be one of a burst: its head is on the way.
const YOUNG: Duration = Duration::from_secs(2);

impl Member {
    /// A request begins.
    pub(super) fn begins(&self, doing: Doing) {
        if doing == Doing::Delivering {
            self.state.lock().progress = Arc::default();
        }
        self.is_doing(doing);
    }

    /// The progress of the body of its request.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.state.lock().progress)
    }

    /// Sets what it does from now on.
    pub(super) fn is_doing(&self, doing: Doing) {
        let mut state = self.state.lock();
        if state.doing != doing {
            (state.doing, state.since) = (doing, Instant::now());
        }
    }

    /// What it does.
    pub(super) fn doing(&self) -> Doing {
        self.state.lock().doing
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

    /// Its place in the order in which connections are closed; `None` when it is not.
    fn place(&self) -> Option<(Doing, Instant)> {
        let state = self.state.lock();
        let doing = match state.doing {
            Doing::Delivering => {
                state.progress.lags_for(tokio::time::Instant::now())?;
                Doing::Lagging
            }
            other => other,
        };
        Some((doing, state.since))
    }

    /// Whether it has just come, and sent nothing yet.
    fn is_young(&self) -> bool {
        let state = self.state.lock();
        state.doing == Doing::Fresh && state.since.elapsed() < YOUNG
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
    members: Mutex<HashMap<PeerKey, Vec<Arc<Member>>>>,
}

type Members = HashMap<PeerKey, Vec<Arc<Member>>>;

impl Peers {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            members: Mutex::default(),
        }
    }

    /// Admits a connection. `None` when there is no room and no other one that may be closed.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let peer = PeerKey::of(address);
        let is_proxy = self.limits.proxies.iter().any(|net| net.holds(address));
        let mut members = self.members.lock();
        let share = self.limits.per_peer;
        let own = members.get(&peer).map_or(0, Vec::len);
        if !is_proxy && own >= share {
            let is_burst = own < share.saturating_mul(BURST);
            let of_peer = members.get(&peer).into_iter().flatten();
            let may_go = of_peer.filter(|member| !is_burst || !member.is_young());
            match worst_of(may_go.map(|member| (false, member))) {
                Some(worst) => {
                    limit_reached(Limit::ConnectionsPerAddress);
                    put_out(&mut members, &worst);
                }
                None if is_burst => {}
                None => return refused(),
            }
        }
        let total: usize = members.values().map(Vec::len).sum();
        if total >= self.limits.total {
            // Of those who have more than their share first.
            let all = members.values().flat_map(|of_peer| {
                let is_fair = of_peer.len() <= share;
                of_peer.iter().map(move |member| (is_fair, member))
            });
            let Some(worst) = worst_of(all) else {
                return refused();
            };
            limit_reached(Limit::Connections);
            put_out(&mut members, &worst);
        }
        let member = Arc::new(Member {
            peer,
            is_proxy,
            state: Mutex::new(State {
                doing: Doing::Fresh,
                since: Instant::now(),
                progress: Arc::default(),
            }),
            is_out: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        });
        members.entry(peer).or_default().push(Arc::clone(&member));
        let peers = Arc::clone(self);
        Some(Seat { member, peers })
    }

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.members.lock().values().map(Vec::len).sum()
    }
}

/// The first that has to go, of connections whose address has no more than its share, or more: a
/// proxy's after all others.
fn worst_of<'a>(members: impl Iterator<Item = (bool, &'a Arc<Member>)>) -> Option<Arc<Member>> {
    let placed = members.filter_map(|(is_fair, member)| {
        let is_proxy = member.is_proxy;
        Some(((is_proxy, is_proxy || is_fair, member.place()?), member))
    });
    let first = placed.min_by_key(|(place, _)| *place);
    first.map(|(_, member)| Arc::clone(member))
}

fn refused() -> Option<Seat> {
    limit_reached(Limit::ConnectionsAllBusy);
    None
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
        remove(&mut self.peers.members.lock(), &self.member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::progress::Track;
    use std::task::Waker;

    fn peers(total: usize, per_peer: usize) -> Arc<Peers> {
        Arc::new(Peers::new(Limits {
            total,
            per_peer,
            proxies: vec!["10.0.0.0/8".parse().unwrap()],
        }))
    }

    fn grow_old(seat: &Seat) {
        seat.member.state.lock().since -= 2 * YOUNG;
    }

    /// So many connections of one address.
    fn many(peers: &Arc<Peers>, from: &str, count: usize) -> Vec<Seat> {
        let admit = || peers.admit(at(from)).unwrap();
        std::iter::repeat_with(admit).take(count).collect()
    }

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_out(seat: &Seat) -> bool {
        seat.member.has_to_go(Waker::noop())
    }

    #[test]
    fn the_one_that_does_least_makes_room_and_a_delivery_never() {
        let peers = peers(100, 6);
        let seat = |doing| {
            let seat = peers.admit(at("192.0.2.1")).unwrap();
            seat.member.is_doing(doing);
            seat
        };
        let delivering = seat(Doing::Delivering);
        let others: Vec<Seat> = [
            Doing::Asking,
            Doing::Fresh,
            Doing::Idle,
            Doing::Stalled,
            Doing::Delivering,
        ]
        .map(seat)
        .into();
        others.iter().for_each(grow_old);
        let track = Track::new(Duration::ZERO, Some(10));
        others[4].member.progress().came(&track, 0);
        for left in (0..5).rev() {
            let new = seat(Doing::Delivering);
            let out: Vec<bool> = others.iter().map(is_out).collect();
            assert_eq!(out, [left < 1, left < 2, left < 3, left < 5, left < 4]);
            assert_eq!(peers.len(), 6);
            std::mem::forget(new);
        }
        assert!(!is_out(&delivering));
        // All of them bring deliveries: a burst may be four times as many, and no more.
        let admit = || peers.admit(at("192.0.2.1"));
        let burst: Vec<Seat> = (0..100)
            .map_while(|_| admit().inspect(|seat| seat.member.is_doing(Doing::Delivering)))
            .collect();
        assert_eq!(burst.len(), 18);
        assert!(peers.admit(at("192.0.2.2")).is_some(), "another peer");
        assert!(!is_out(&delivering) && !burst.iter().any(is_out));
    }

    #[test]
    fn of_a_burst_nobody_has_to_go_before_their_head_is_read() {
        let peers = peers(100, 5);
        let burst = many(&peers, "192.0.2.1", 20);
        assert!(!burst.iter().any(is_out));
        grow_old(&burst[7]);
        let _one_more = peers.admit(at("192.0.2.1")).unwrap();
        let out: Vec<usize> = (0..20).filter(|n| is_out(&burst[*n])).collect();
        assert_eq!(out, [7], "the burst is as large as one may be");
        let _and_one = peers.admit(at("192.0.2.1")).unwrap();
        assert_eq!(burst.iter().filter(|seat| is_out(seat)).count(), 2);
    }

    #[test]
    fn when_all_are_too_many_those_go_who_have_more_than_their_share() {
        let peers = peers(10, 2);
        let modest = peers.admit(at("192.0.2.2")).unwrap();
        modest.member.is_doing(Doing::Idle);
        let greedy = many(&peers, "192.0.2.1", 8);
        let _ninth = peers.admit(at("192.0.2.3")).unwrap();
        let _tenth = peers.admit(at("192.0.2.4")).unwrap();
        assert!(is_out(&greedy[0]) && !is_out(&modest));
    }

    #[test]
    fn one_network_counts_as_one_peer_and_a_proxy_as_many() {
        let peers = peers(100, 2);
        let first = peers.admit(at("2001:db8::1")).unwrap();
        let _second = peers.admit(at("2001:db8::2")).unwrap();
        grow_old(&first);
        let _third = peers.admit(at("2001:db8::3")).unwrap();
        assert!(is_out(&first), "three of one network of 64 bits");
        let proxied = many(&peers, "10.1.2.3", 50);
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
