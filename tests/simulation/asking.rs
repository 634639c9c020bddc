//! What users of the daemon ask for.

use crate::daemon::instance;
use crate::model::{Answer, Wish};
use crate::world::World;
use hookherd::actor::{Asking, CommandError, ConnectError, ConnectRequest, Connections};
use hookherd::domain::command::CommandKind;
use hookherd::domain::connection::Connection;
use hookherd::domain::repo::ProviderKind;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a user waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// A user asks for something, and waits a while for the answer.
    pub fn ask_something(&self) {
        let all = self.connections();
        if all.is_empty() || self.chance.one_in(4) {
            let (place, person) = (
                self.chance.index(self.places.len()),
                self.chance.index(self.people.len()),
            );
            return self.connect(place, person);
        }
        let connection = self.chance.pick(&all);
        let kind = match self.chance.below(16) {
            0 | 1 => CommandKind::SetEnabled(self.chance.one_in(2)),
            2 => CommandKind::SetEnabled(true),
            3 => CommandKind::Disconnect {
                delete_hook: !self.chance.one_in(4),
            },
            4 | 5 => CommandKind::RotateSecret,
            6 => CommandKind::Recreate,
            7 => CommandKind::Ping,
            8 | 9 => CommandKind::Reconcile,
            10 => self.other_events(connection),
            _ => CommandKind::Check,
        };
        self.ask(connection, kind);
    }

    fn other_events(&self, connection: &Connection) -> CommandKind {
        let events: &[&str] = match (connection.instance.provider, self.chance.one_in(2)) {
            (ProviderKind::Github, true) => &["push", "workflow_run"],
            (ProviderKind::Github, false) => &["pull_request", "push", "workflow_run"],
            (ProviderKind::Gitlab, true) => &["pipeline_events", "push_events"],
            (ProviderKind::Gitlab, false) => &["merge_requests_events", "pipeline_events"],
        };
        CommandKind::SetEvents(events.iter().map(|event| (*event).to_owned()).collect())
    }

    /// The request to connect a repository.
    pub fn request(&self, nth: usize, person: usize) -> ConnectRequest {
        let place = &self.places[nth];
        let events: &[&str] = match place.provider {
            ProviderKind::Github => &["push", "workflow_run"],
            ProviderKind::Gitlab => &["pipeline_events", "push_events"],
        };
        ConnectRequest {
            owner: self.people[person].id,
            provider: place.provider,
            host: Some(instance(place.provider).host),
            full_name: place.name.parse().unwrap(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            setup_webhook: true,
            credential: None,
            adopts: None,
            replaces: None,
        }
    }

    pub fn connect(&self, nth: usize, person: usize) {
        let Some(actors) = self.actors() else {
            return;
        };
        let (place, who) = (self.places[nth].clone(), &self.people[person]);
        let pair = (nth, person);
        if !self.model.borrow_mut().unclear.insert(pair) {
            return;
        }
        let request = self.request(nth, person);
        self.note(format!("{} connects {}", who.login, place.name));
        let (model, book) = (Rc::clone(&self.model), Rc::clone(&self.book));
        let truth = Arc::clone(&self.truth);
        actix::spawn(async move {
            let asking = tokio::time::timeout(PATIENCE, actors.connect(request)).await;
            let at = truth.elapsed();
            let shown = match &asking {
                Ok(Ok(connection)) => format!("{}", connection.id),
                Ok(Err(error)) => format!("{error}"),
                Err(_) => "no answer".to_owned(),
            };
            let line = format!("{:10.3}   connected: {shown}", at.as_secs_f64());
            book.lines.borrow_mut().push(line);
            let mut model = model.borrow_mut();
            match asking {
                Ok(Ok(connection)) => {
                    model.unclear.remove(&pair);
                    model.connected.insert(pair);
                    let wish = Wish {
                        is_active: BTreeSet::from([true]),
                        active_since: at,
                    };
                    // A wish that is there was made since it was stored, before this answer.
                    model.wishes.entry(connection.id).or_insert(wish);
                }
                Ok(Err(ConnectError::AlreadyConnected(_))) => {
                    model.unclear.remove(&pair);
                    model.connected.insert(pair);
                }
                Ok(Err(ConnectError::NoCredential | ConnectError::NoSuchRepository)) => {
                    model.unclear.remove(&pair);
                }
                // It may have been stored.
                Ok(Err(_)) | Err(_) => {}
            }
        });
    }

    pub fn ask(&self, connection: &Connection, kind: CommandKind) {
        let Some(actors) = self.actors() else {
            return;
        };
        let (id, owner) = (connection.id, connection.owner);
        let place = self.place_of(connection);
        let person = self.people.iter().position(|person| person.id == owner);
        let pair = place.zip(person);
        self.note(format!("{id}: {}", kind.as_str()));
        self.model
            .borrow_mut()
            .asked(connection, pair, &kind, self.truth.elapsed());
        let asking = Asking {
            connection: id,
            owner,
            asked_by: owner,
            kind: kind.clone(),
        };
        let (model, book) = (Rc::clone(&self.model), Rc::clone(&self.book));
        let truth = Arc::clone(&self.truth);
        actix::spawn(async move {
            let asking = async {
                if let CommandKind::Disconnect { .. } = kind {
                    let within = Duration::from_secs(5);
                    actors.disconnect(asking, within).await.map(drop)
                } else {
                    actors.ask(asking).await.map(drop)
                }
            };
            let asked = tokio::time::timeout(PATIENCE, asking).await;
            let at = truth.elapsed();
            let (shown, answer) = match &asked {
                Ok(Ok(())) => ("done or stored".to_owned(), Answer::Taken),
                Ok(Err(error)) => {
                    let is_refused = matches!(
                        error,
                        CommandError::NoSuchConnection | CommandError::NotNow(_)
                    );
                    let answer = if is_refused {
                        Answer::Refused
                    } else {
                        Answer::Unknown
                    };
                    (error.to_string(), answer)
                }
                Err(_) => ("no answer".to_owned(), Answer::Unknown),
            };
            let (at_s, name) = (at.as_secs_f64(), kind.as_str());
            let line = format!("{at_s:10.3}   {id}: {name} {shown}");
            book.lines.borrow_mut().push(line);
            model.borrow_mut().answered(id, pair, &kind, answer, at);
        });
    }
}
