//! Many sinks of one owner that never answer, beside one that works.

use super::*;

/// Sinks that never answer.
const HANGING: u128 = 40;
const MAIL: SinkId = SinkId::from_u128(1_000);

/// All sinks but one take the time of a timeout, and then there was no answer.
#[derive(Default)]
struct Crowd(Mutex<Vec<(IncidentId, Instant)>>);

impl Deliver for Crowd {
    fn prepare(&self, _: SinkKind, _: &Wish, _: &dyn Entropy) -> Result<Prepared, Unfit> {
        unreachable!("none is added")
    }

    fn deliver<'a>(&'a self, to: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt> {
        Box::pin(async move {
            if **to.plain == *b"mail" {
                let heard = (message.incident.id, Instant::now());
                self.0.lock().push(heard);
                return Receipt::Accepted { message: None };
            }
            tokio::time::sleep(Duration::from_secs(15)).await;
            let why = "no answer".to_owned();
            Receipt::Unsure { why }
        })
    }

    fn digest<'a>(&'a self, _: &'a Target, _: &'a DigestMessage) -> BoxFuture<'a, Receipt> {
        unreachable!("none is due")
    }

    fn repeat<'a>(
        &'a self,
        _: &'a Target,
        _: &'a [Lasting],
        _: Timestamp,
    ) -> BoxFuture<'a, Receipt> {
        unreachable!("none forgets")
    }
}

#[tokio::test(start_paused = true)]
async fn many_sinks_that_never_answer_do_not_delay_one_that_works() {
    let mut world = World::new().await;
    world.kill();
    for n in 0..HANGING {
        let sink = samples::sink(SinkId::from_u128(100 + n));
        world.commit(vec![Change::PutSink(Box::new(sink))]).await;
    }
    let mail = Sink {
        target: Sealed(b"mail".to_vec()),
        ..samples::sink(MAIL)
    };
    let only_chat = Change::DeleteSink(CHAT);
    world
        .commit(vec![Change::PutSink(Box::new(mail)), only_chat])
        .await;
    let crowd = Arc::new(Crowd::default());
    let tools = Tools {
        deliver: Arc::clone(&crowd) as _,
        ..world.tools()
    };
    let notifier = Notifier::new(tools, world.settings.clone());
    notifier.start();
    world.notifier = Some(notifier);
    // Until each has failed, it is not known which.
    world.open(0).await;
    world.passes(Duration::from_mins(3)).await;
    let mut waits = Vec::new();
    for n in 1..=100 {
        let begun = Instant::now();
        let incident = world.open(n).await;
        world.passes(Duration::from_secs(17)).await;
        let heard = crowd.0.lock().clone();
        let came = heard.iter().find(|(id, _)| *id == incident.id);
        waits.push(came.map_or(Duration::MAX, |(_, at)| *at - begun));
    }
    waits.sort_unstable();
    assert!(waits[98] < MOMENT, "{waits:?}");
}
