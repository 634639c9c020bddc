//! The addresses of sinks are sealed again when a master key was added.

use super::*;
use crate::domain::sink::SinkKind;
use crate::outbox::NewSink;
use crate::seal::ring::{KeyRing, MasterKey};

#[tokio::test(start_paused = true)]
async fn an_address_opens_with_the_new_key_alone_and_only_as_its_own() {
    let mut world = World::new().await;
    let chance = Seeded::default();
    let (old, new) = (MasterKey::generate(&chance), MasterKey::generate(&chance));
    let ring = |keys: &[MasterKey]| -> Arc<dyn Seal> {
        Arc::new(KeyRing::new(keys, Arc::new(Seeded::default())).unwrap())
    };
    let tools = |seal| Tools {
        seal,
        ..world.tools()
    };
    let wish = NewSink {
        owner: ANN,
        name: "mail".into(),
        kind: SinkKind::Webhook,
        wish: Wish::default(),
        wants: Wants::default(),
        templates: crate::domain::sink::template::Templates::default(),
        digest: None,
        most: 50,
    };
    let before = Notifier::new(tools(ring(std::slice::from_ref(&old))), Settings::default());
    let (mail, _) = before.add(wish).await.unwrap();
    let both = tools(ring(&[new.clone(), old]));
    Notifier::new(both, Settings::default())
        .reseal()
        .await
        .unwrap();
    let resealed = world.store.sink(mail.id).ready().unwrap().unwrap();
    let only_new = tools(ring(&[new]));
    assert_eq!(*only_new.target(&resealed).unwrap().plain, b"target");
    assert!(only_new.target(&mail).is_err(), "it had the old key");
    let elsewhere = Sink {
        host: "evil.example".into(),
        ..resealed
    };
    assert!(
        only_new.target(&elsewhere).is_err(),
        "it is bound to its host"
    );
    world.kill();
}
