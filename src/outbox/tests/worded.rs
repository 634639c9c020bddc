//! Messages in the words of their sink's templates.

use super::*;
use crate::domain::sink::SinkKind;
use crate::domain::sink::template::{TemplateEdit, Templates};
use crate::outbox::{DeskError, Edit};

async fn put(world: &World, kind: SinkKind, title: &str) {
    let sink = Sink {
        kind,
        templates: Templates {
            title: Some(title.to_owned()),
            text: None,
        },
        ..samples::sink(CHAT)
    };
    world.commit(vec![Change::PutSink(Box::new(sink))]).await;
}

fn titled(title: &str) -> Edit {
    Edit {
        templates: TemplateEdit {
            title: Some(title.to_owned()),
            text: None,
        },
        ..Edit::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_and_its_heartbeats_have_the_words_of_the_sinks_templates() {
    let world = World::new().await;
    put(&world, SinkKind::Alertmanager, "{{ kind }}: {{ title }}").await;
    world.open(1).await;
    let has_beaten = |world: &World| !world.sink.beats.lock().is_empty();
    world.until(has_beaten).await;
    let expected = Some("opened: CI failed");
    assert_eq!(world.heard()[0].title.as_deref(), expected);
    assert_eq!(world.sink.beats.lock()[0].titles[0].as_deref(), expected);
}

/// A version with other checks may have stored it.
#[tokio::test(start_paused = true)]
async fn a_template_that_fails_when_a_message_is_sent_loses_no_message() {
    let world = World::new().await;
    put(&world, SinkKind::Slack, "{{ gone }}").await;
    world.open(1).await;
    world.until(|world| world.states() == ["sent"]).await;
    assert_eq!(world.heard()[0].title, None);
    let tested = world.desk().test(CHAT).await.unwrap();
    let why = tested.template_error.unwrap();
    assert!(
        why.starts_with("title_template: line 1: undefined value"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn templates_are_checked_when_they_are_set_and_used_from_then_on() {
    let world = World::new().await;
    put(&world, SinkKind::Slack, "{{ gone }}").await;
    // What is wrong already is in the way of no other change.
    let rename = Edit {
        name: Some("other".to_owned()),
        ..Edit::default()
    };
    world.desk().edit(CHAT, rename).await.unwrap();
    let before = world.stored_sink();
    let refused = world
        .desk()
        .edit(CHAT, titled("{{ title"))
        .await
        .unwrap_err();
    assert!(matches!(refused, DeskError::Unfit(why) if why.field == "title_template"));
    assert_eq!(world.stored_sink(), before);
    world
        .desk()
        .edit(CHAT, titled("{{ severity }}"))
        .await
        .unwrap();
    world.open(1).await;
    world.until(|world| world.states() == ["sent"]).await;
    assert_eq!(world.heard()[0].title.as_deref(), Some("error"));
    world.desk().edit(CHAT, titled("")).await.unwrap();
    assert_eq!(world.stored_sink().templates, Templates::default());
}
