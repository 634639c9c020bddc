//! Small inputs with their right values, drawn from kinds of faults that people reported of tools
//! like this: real bodies, through everything that a delivery passes. For each there are further
//! ones of its kind.

mod ends;
mod github;
mod gitlab;
mod names;
mod severity;
mod sources;
mod texts;

use super::fakes::{ANN, Farm};
use crate::domain::connection::Connection;
use crate::domain::delivery::Outcome;
use crate::domain::incident::{Incident, Resolution};
use serde_json::Value;

/// A connection to which things are told.
struct Scene {
    farm: Farm,
    connection: Connection,
}

impl Scene {
    async fn set() -> Self {
        let (farm, connection) = Farm::connected().await;
        Self { farm, connection }
    }

    /// Tells of an event in whatever bytes.
    async fn tell_raw(&self, event: &str, body: &[u8]) -> Outcome {
        let id = self.farm.deliver_as(&self.connection, event, body).await;
        self.farm.outcome(id).await
    }

    async fn tell(&self, event: &str, body: &Value) -> Outcome {
        self.tell_raw(event, body.to_string().as_bytes()).await
    }

    fn incidents(&self) -> Vec<Incident> {
        let mut incidents = self.farm.incidents(ANN);
        incidents.sort_by_key(|incident| incident.first_seen_at);
        incidents
    }

    /// The titles of what goes on.
    fn open(&self) -> Vec<String> {
        let incidents = self.incidents().into_iter();
        let open = incidents.filter(|incident| incident.resolution.is_none());
        open.map(|incident| incident.title).collect()
    }

    /// How everything ended.
    fn ends(&self) -> Vec<Option<Resolution>> {
        let incidents = self.incidents().into_iter();
        incidents.map(|incident| incident.resolution).collect()
    }
}

/// Events in an order, and what is open after each: titles without what all begin with.
async fn story(events: &[(&str, Value, &[&str])]) -> Scene {
    let scene = Scene::set().await;
    for (nth, (event, body, open)) in events.iter().enumerate() {
        scene.tell(event, body).await;
        let titles = scene.open();
        let titles: Vec<_> = titles
            .iter()
            .map(|title| title.trim_start_matches("CI failed: "))
            .collect();
        assert_eq!(titles, *open, "after event {nth}: {body}");
    }
    scene
}
