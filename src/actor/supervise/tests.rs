//! Panics of actors, and what becomes of everybody else.

use super::*;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts in a "store" (an atomic) and in memory; reloads on restart.
struct Counting {
    stored: Arc<AtomicU64>,
    count: u64,
    reloads_that_panic: Arc<AtomicUsize>,
}

use std::sync::Arc;

impl Actor for Counting {
    type Context = Context<Self>;
}

impl actix::Supervised for Counting {
    fn restarting(&mut self, _: &mut Context<Self>) {
        let left = self.reloads_that_panic.load(Ordering::SeqCst);
        if left > 0 {
            self.reloads_that_panic.store(left - 1, Ordering::SeqCst);
            panic!("the reload panics");
        }
        self.count = self.stored.load(Ordering::SeqCst);
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
enum Ask {
    Add,
    Count,
    Panic,
    PanicInFuture,
    PanicInTimer,
    Stop,
}

impl Handler<Ask> for Counting {
    type Result = u64;
    fn handle(&mut self, ask: Ask, ctx: &mut Context<Self>) -> u64 {
        match ask {
            Ask::Add => self.count = self.stored.fetch_add(1, Ordering::SeqCst) + 1,
            Ask::Count => {}
            Ask::Panic => {
                self.count = 999;
                panic!("asked to");
            }
            Ask::PanicInFuture => drop(ctx.spawn(async { panic!("asked to") }.into_actor(self))),
            Ask::PanicInTimer => {
                ctx.run_later(Duration::from_millis(1), |_, _| panic!("asked to"));
            }
            Ask::Stop => ctx.stop(),
        }
        self.count
    }
}

#[derive(Clone, Default)]
struct Exits(Arc<Mutex<Vec<Exit>>>);

impl Exits {
    fn all(&self) -> Vec<Exit> {
        self.0.lock().clone()
    }

    async fn wait_for(&self, count: usize) {
        for _ in 0..10_000 {
            if self.all().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("only {:?}", self.all());
    }
}

fn spawn(policy: Policy, exits: &Exits, reloads_that_panic: usize) -> Addr<Counting> {
    let stored = Arc::new(AtomicU64::new(0));
    let reloads = Arc::new(AtomicUsize::new(reloads_that_panic));
    let exits = exits.clone();
    start(
        &Arbiter::current(),
        policy,
        move || Counting {
            stored,
            count: 0,
            reloads_that_panic: reloads,
        },
        move |exit| exits.0.lock().push(exit),
    )
}

fn quick() -> Policy {
    Policy {
        backoff: Duration::from_millis(2),
        ..Policy::default()
    }
}

#[actix::test]
async fn a_panic_in_one_of_a_thousand_costs_nobody_else_anything() {
    let exits = Exits::default();
    let actors: Vec<_> = (0..1000).map(|_| spawn(quick(), &exits, 0)).collect();
    for actor in &actors {
        assert_eq!(actor.send(Ask::Add).await.unwrap(), 1);
    }
    let in_hand = actors[500].send(Ask::Panic);
    let queued: Vec<_> = (0..5).map(|_| actors[500].send(Ask::Add)).collect();
    assert!(
        in_hand.await.is_err(),
        "the sender of the message in hand is told"
    );
    for (n, actor) in actors.iter().enumerate().filter(|(n, _)| *n != 500) {
        assert_eq!(actor.send(Ask::Add).await.unwrap(), 2, "actor {n}");
    }
    for (n, answer) in queued.into_iter().enumerate() {
        assert_eq!(
            answer.await.unwrap(),
            2 + n as u64,
            "queued messages survive"
        );
    }
    assert_eq!(
        actors[500].send(Ask::Count).await.unwrap(),
        6,
        "and the state was reloaded"
    );
    assert_eq!(exits.all(), [Exit::Panicked]);
}

#[actix::test]
async fn panics_in_futures_timers_and_reloads_are_survived_too() {
    let exits = Exits::default();
    let actor = spawn(quick(), &exits, 0);
    assert_eq!(actor.send(Ask::Add).await.unwrap(), 1);
    for (n, ask) in [Ask::PanicInFuture, Ask::PanicInTimer]
        .into_iter()
        .enumerate()
    {
        let _ = actor.send(ask).await;
        exits.wait_for(n + 1).await;
        assert_eq!(actor.send(Ask::Count).await.unwrap(), 1);
    }
    let exits = Exits::default();
    let actor = spawn(quick(), &exits, 2);
    let _ = actor.send(Ask::Panic).await;
    assert_eq!(actor.send(Ask::Count).await.unwrap(), 0);
    assert_eq!(exits.all(), [Exit::Panicked; 3]);
}

#[actix::test]
async fn an_actor_that_keeps_panicking_is_given_up() {
    let exits = Exits::default();
    let policy = Policy {
        panics_max: 3,
        ..quick()
    };
    let (actor, other) = (
        spawn(policy, &exits, 0),
        spawn(policy, &Exits::default(), 0),
    );
    for n in 0..4 {
        let _ = actor.send(Ask::Panic).await;
        exits.wait_for(n + 1).await;
    }
    assert_eq!(exits.all()[3], Exit::GaveUp);
    assert!(actor.send(Ask::Count).await.is_err());
    assert_eq!(other.send(Ask::Add).await.unwrap(), 1);
}

#[actix::test]
async fn a_stop_is_final_and_told() {
    let exits = Exits::default();
    let actor = spawn(quick(), &exits, 0);
    let _ = actor.send(Ask::Stop).await;
    exits.wait_for(1).await;
    assert_eq!(exits.all(), [Exit::Finished]);
}
