//! The order of calls to an installation. Pure: the time is an argument, and nothing waits here.
//! Calls are queued by owner; the owner with the fewest running calls is next, then the one that
//! has waited for a turn the longest.
//!
//! The most urgent priority goes first, but each has a share, so that checks are delayed by users'
//! requests and never starve.

use super::gate::Gate;
use super::meter::Cost;
use super::ticket::{Left, Shape, Ticket, TokenKey};
use crate::domain::errand::Priority;
use crate::domain::id::UserId;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Longest wait in the queue. A call that would wait longer is refused with the time, so that a
/// backlog waits in the store and not in open calls.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);
/// From this many tokens on, those without restrictions are dropped.
const TOKENS_MAX: usize = 4096;

/// Identifies a queued or running call.
pub(super) type Number = u64;

/// Why a call is not made, and when to retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// The provider's limit for the token: no calls for this time.
    Limited(Duration),
    /// Too many calls are queued.
    Busy(Duration),
}

/// The next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This call starts.
    Go(Number),
    /// Nothing before this moment, unless something changes.
    LookAgain(Instant),
    /// Nothing until something changes.
    Rest,
}

/// The queued calls of one owner and priority.
#[derive(Debug)]
struct Line {
    owner: UserId,
    tickets: VecDeque<(Number, Ticket)>,
}

/// The queued calls of one priority. The front has waited for a turn the longest.
#[derive(Debug, Default)]
struct Class {
    /// The service received so far: the least is next.
    pass: u64,
    lines: VecDeque<Line>,
}

/// The cost of one call of a priority: shares are 128 : 32 : 8 : 2 : 1.
const fn stride(priority: Priority) -> u64 {
    match priority {
        Priority::Person => 1,
        Priority::Repair => 4,
        Priority::Recovery => 16,
        Priority::Check => 64,
        Priority::Explain => 128,
    }
}

/// The calls of one installation.
#[derive(Debug)]
pub(super) struct Queue {
    shape: Shape,
    gates: HashMap<TokenKey, Gate>,
    classes: BTreeMap<Priority, Class>,
    running: HashMap<Number, Ticket>,
    /// Running calls by owner; without owners that have none.
    at_work: HashMap<UserId, usize>,
    waiting: usize,
    /// The service of the class that was served last.
    pass: u64,
    last: Number,
}

impl Queue {
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            gates: HashMap::new(),
            classes: Priority::ALL.map(|p| (p, Class::default())).into(),
            running: HashMap::new(),
            at_work: HashMap::new(),
            waiting: 0,
            pass: 0,
            last: 0,
        }
    }

    fn gate(&mut self, now: Instant, token: TokenKey) -> &mut Gate {
        if self.gates.len() >= TOKENS_MAX {
            let limits = self.shape.limits;
            self.gates.retain(|_, gate| !gate.is_idle(now, limits));
        }
        self.gates.entry(token).or_insert_with(|| Gate::open(now))
    }

    /// Queues a call. Returns its number, and that of a less urgent one that was dropped for it. An
    /// error when it would wait too long; then nothing has changed.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        ticket: Ticket,
    ) -> Result<(Number, Option<Number>), Away> {
        let shape = self.shape;
        let gate = self.gate(now, ticket.token);
        if let Some(held) = gate.held(now) {
            return Err(Away::Limited(held));
        }
        let wait = gate.free_at(now, &shape, &ticket) - now;
        let before = gate.writes_before(&ticket);
        let wait = wait.saturating_add(shape.write_pause.saturating_mul(before));
        if wait > WAIT_MAX {
            return Err(Away::Limited(wait));
        }
        let displaced = self.make_room(&ticket)?;
        self.last += 1;
        let (number, served) = (self.last, self.pass);
        let owner = ticket.errand.owner;
        let class = self.class(ticket.errand.priority);
        if class.lines.is_empty() {
            class.pass = class.pass.max(served);
        }
        match class.lines.iter_mut().find(|line| line.owner == owner) {
            Some(line) => line.tickets.push_back((number, ticket)),
            None => class.lines.push_back(Line {
                owner,
                tickets: [(number, ticket)].into(),
            }),
        }
        self.waiting += 1;
        self.gate(now, ticket.token).entered(&ticket);
        Ok((number, displaced))
    }

    fn class(&mut self, priority: Priority) -> &mut Class {
        self.classes
            .get_mut(&priority)
            .expect("there is one of each")
    }

    /// Frees a place in a full queue: the newest of the least urgent is dropped.
    fn make_room(&mut self, ticket: &Ticket) -> Result<Option<Number>, Away> {
        let owner = ticket.errand.owner;
        let of_owner = |line: &&Line| line.owner == owner;
        let own = self.classes.values().flat_map(|class| &class.lines);
        let own: usize = own.filter(of_owner).map(|line| line.tickets.len()).sum();
        let is_full = self.waiting >= self.shape.waiting;
        if own < self.shape.waiting_per_owner && !is_full {
            return Ok(None);
        }
        let whose = (own >= self.shape.waiting_per_owner).then_some(owner);
        let less = self.classes.range(ticket.errand.priority..).rev();
        let less = less.filter(|(priority, _)| **priority > ticket.errand.priority);
        let lines = less.flat_map(|(_, class)| &class.lines);
        let fits = |line: &&Line| whose.is_none_or(|owner| line.owner == owner);
        // From the least urgent class that has any, the longest queue.
        let found = lines.filter(fits).filter_map(|line| {
            let (number, ticket) = line.tickets.back()?;
            Some((ticket.errand.priority, line.tickets.len(), *number))
        });
        let (_, _, number) = found.max().ok_or(Away::Busy(WAIT_MAX))?;
        self.leave(number);
        Ok(Some(number))
    }

    /// A call has ended, or was cancelled.
    pub(super) fn leave(&mut self, number: Number) {
        if let Some(ticket) = self.running.remove(&number) {
            let owner = ticket.errand.owner;
            let left = self.at_work.get(&owner).copied().unwrap_or_default();
            if left > 1 {
                self.at_work.insert(owner, left - 1);
            } else {
                self.at_work.remove(&owner);
            }
            if let Some(gate) = self.gates.get_mut(&ticket.token) {
                gate.running -= 1;
            }
            return;
        }
        for class in self.classes.values_mut() {
            for line in &mut class.lines {
                if let Some(at) = line.tickets.iter().position(|(n, _)| *n == number) {
                    let (_, ticket) = line.tickets.remove(at).expect("it was found there");
                    self.waiting -= 1;
                    if let Some(gate) = self.gates.get_mut(&ticket.token) {
                        gate.left(&ticket);
                    }
                    class.lines.retain(|line| !line.tickets.is_empty());
                    return;
                }
            }
        }
    }

    /// The next call, which counts as running from now on.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        if self.running.len() >= self.shape.at_once {
            return Next::Rest;
        }
        let awaited = |ticket: &&Ticket| ticket.errand.priority == Priority::Person;
        let awaited = self.running.values().filter(awaited).count();
        let is_for_people = self.running.len() - awaited >= self.shape.unawaited();
        let mut order: Vec<(u64, Priority)> = self
            .classes
            .iter()
            .filter(|(priority, _)| **priority == Priority::Person || !is_for_people)
            .map(|(priority, class)| (class.pass, *priority))
            .collect();
        order.sort_unstable();
        let mut again: Option<Instant> = None;
        for (pass, priority) in order {
            match self.pick(now, priority) {
                Ok((line, at)) => {
                    self.pass = pass;
                    return Next::Go(self.send(now, priority, line, at));
                }
                Err(None) => {}
                Err(Some(at)) => again = Some(again.map_or(at, |other| other.min(at))),
            }
        }
        again.map_or(Next::Rest, Next::LookAgain)
    }

    /// The place of the next call of a class; if there is none, the time at which there may be one.
    fn pick(&self, now: Instant, priority: Priority) -> Result<(usize, usize), Option<Instant>> {
        let mut found: Option<(usize, usize, usize)> = None;
        let mut again: Option<Instant> = None;
        for (place, line) in self.classes[&priority].lines.iter().enumerate() {
            let at_work = self.at_work.get(&line.owner).copied().unwrap_or_default();
            let is_worse = found.is_some_and(|(least, _, _)| least <= at_work);
            if is_worse || at_work >= self.shape.per_owner() {
                continue;
            }
            match self.pick_of(now, line) {
                Ok(at) => found = Some((at_work, place, at)),
                Err(at) => again = [again, at].into_iter().flatten().min(),
            }
            if found.is_some_and(|(least, _, _)| least == 0) {
                break;
            }
        }
        found.map(|(_, place, at)| (place, at)).ok_or(again)
    }

    /// The first call of a queue whose token may be used now.
    fn pick_of(&self, now: Instant, line: &Line) -> Result<usize, Option<Instant>> {
        let mut again: Option<Instant> = None;
        let mut seen: Option<(TokenKey, bool, Cost)> = None;
        for (at, (_, ticket)) in line.tickets.iter().enumerate() {
            let kind = (ticket.token, ticket.writes, ticket.cost);
            if seen == Some(kind) {
                continue;
            }
            seen = Some(kind);
            let Some(gate) = self.gates.get(&ticket.token) else {
                return Ok(at);
            };
            if gate.running >= self.shape.per_token {
                continue;
            }
            let free_at = gate.free_at(now, &self.shape, ticket);
            if free_at <= now {
                return Ok(at);
            }
            again = Some(again.map_or(free_at, |other| other.min(free_at)));
        }
        Err(again)
    }

    /// Moves a call from the queue to the running ones.
    fn send(&mut self, now: Instant, priority: Priority, line: usize, at: usize) -> Number {
        let class = self.class(priority);
        class.pass += stride(priority);
        let mut served = class.lines.remove(line).expect("it was picked there");
        let (number, ticket) = served.tickets.remove(at).expect("it was picked there");
        if !served.tickets.is_empty() {
            class.lines.push_back(served);
        }
        self.waiting -= 1;
        *self.at_work.entry(ticket.errand.owner).or_default() += 1;
        let shape = self.shape;
        self.gate(now, ticket.token).sent(now, &shape, &ticket);
        self.running.insert(number, ticket);
        number
    }

    /// Holds all calls with a token for `hold`. Returns the wait, and the queued calls that are
    /// refused.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        token: TokenKey,
        hold: Duration,
    ) -> (Duration, Vec<Number>) {
        let lasts = self.gate(now, token).hold(now, hold);
        let lines = self.classes.values().flat_map(|class| &class.lines);
        let tickets = lines.flat_map(|line| &line.tickets);
        let away = tickets.filter(|(_, ticket)| ticket.token == token);
        let away: Vec<Number> = away.map(|(number, _)| *number).collect();
        for number in &away {
            self.leave(*number);
        }
        (lasts, away)
    }

    /// Records what is left of the provider's window of a token.
    pub(super) fn note_remaining(&mut self, now: Instant, token: TokenKey, left: Left) {
        self.gate(now, token).note_remaining(now, left);
    }

    /// The error of a call that waited too long.
    pub(super) fn late(&mut self, now: Instant, ticket: &Ticket) -> Away {
        let shape = self.shape;
        let wait = self.gate(now, ticket.token).free_at(now, &shape, ticket) - now;
        if wait.is_zero() {
            Away::Busy(WAIT_MAX)
        } else {
            Away::Limited(wait)
        }
    }

    /// The number of queued calls.
    #[cfg(test)]
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
