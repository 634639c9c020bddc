//! Deliveries that are followed: each when it arrives and when it is processed, the caller's own
//! and no others', with a beginning and an end.

use super::stage::{CANARY, Person, Stage, settings};
use super::wire;
use crate::api::Settings;
use crate::domain::delivery::{DeliveryState, Outcome};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::store::{Change, Read as _};
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A stream of events.
struct Stream {
    socket: TcpStream,
    seen: String,
}

impl Stream {
    fn open(who: &Person, query: &str, last: Option<&str>) -> Self {
        let mut socket = wire::open(who.at);
        let last = last
            .map(|id| format!("Last-Event-ID: {id}\r\n"))
            .unwrap_or_default();
        let head = format!(
            "GET /api/v2/deliveries/stream{query} HTTP/1.1\r\nHost: x\r\n\
             Connection: close\r\nAuthorization: {}\r\n{last}\r\n",
            who.bearer()
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut stream = Self {
            socket,
            seen: String::new(),
        };
        stream.read_until(|seen| seen.contains("retry: 1000"));
        stream
    }

    fn read_until(&mut self, is_there: impl Fn(&str) -> bool) {
        let mut some = [0; 4096];
        while !is_there(&self.seen) {
            let n = self.socket.read(&mut some).expect("an event in time");
            assert!(n > 0, "it ended: {}", self.seen);
            self.seen += &String::from_utf8_lossy(&some[..n]);
        }
    }

    /// All that comes until the server ends the stream.
    fn rest(mut self) -> Vec<Value> {
        match self.socket.read_to_string(&mut self.seen) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        self.events()
    }

    fn events(&self) -> Vec<Value> {
        let data = self
            .seen
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.map(|json| serde_json::from_str(json).unwrap())
            .collect()
    }

    /// The provider's ids and the states of what has come.
    fn told(&self) -> Vec<(String, String)> {
        told(&self.events())
    }

    /// Waits for so many events.
    fn wait_for(&mut self, count: usize) -> Vec<(String, String)> {
        // Each ends with an empty line of its own.
        self.read_until(|seen| seen.matches("}\n\n").count() >= count);
        self.told()
    }
}

fn told(events: &[Value]) -> Vec<(String, String)> {
    let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
    let both = |event| (text(event, "provider_delivery_id"), text(event, "state"));
    events.iter().map(both).collect()
}

fn pair(id: &str, state: &str) -> (String, String) {
    (id.to_owned(), state.to_owned())
}

/// A delivery arrives, as ingress and its actor make it known.
fn arrive(api: &Stage, id: &str) -> DeliveryId {
    let reply = api.deliver(id, "push", format!("{{\"id\":\"{id}\"}}").as_bytes());
    api.connections.changes.send_replace(());
    reply.delivery_id()
}

fn process(api: &Stage, id: DeliveryId, outcome: Outcome) {
    let mut delivery = api.store.delivery(id).ready().unwrap().unwrap();
    let at = Timestamp(1);
    delivery.state = DeliveryState::Processed { at, outcome };
    api.commit(vec![Change::progress(delivery)]);
    api.connections.changes.send_replace(());
}

#[test]
fn a_delivery_is_told_when_it_arrives_and_when_it_is_processed() {
    let api = Stage::new();
    let mut own = Stream::open(&api.owner, "", None);
    let mut done = Stream::open(&api.owner, "?outcome=recorded", None);
    let mut foreign = Stream::open(&api.foreign, "", None);
    let first = arrive(&api, "a");
    assert_eq!(own.wait_for(1), [pair("a", "received")]);
    process(&api, first, Outcome::Recorded);
    assert_eq!(own.wait_for(2)[1..], [pair("a", "processed")]);
    let second = arrive(&api, "b");
    process(&api, second, Outcome::Ignored);
    let third = arrive(&api, "c");
    process(&api, third, Outcome::Recorded);
    // What only processing tells is known in time, however long it takes.
    assert_eq!(
        done.wait_for(2),
        [pair("a", "processed"), pair("c", "processed")]
    );
    own.read_until(|seen| {
        seen.contains("\"recorded\"") && seen.matches(&third.to_string()).count() >= 2
    });
    let of = |id: &str| own.told().into_iter().filter(|(it, _)| it == id).count();
    assert!(of("b") <= 2 && of("c") <= 2, "{:?}", own.told());

    // The repository of the other user's is theirs.
    let theirs = api.also_connected();
    api.connections.changes.send_replace(());
    let secret = api.connections.secret_of(theirs.id);
    let signature = crate::provider::signature::github_sign(&secret, b"{}");
    let path = format!("/api/v2/webhooks/github/{}", theirs.hook_key);
    let more = [("X-Hub-Signature-256", signature.as_str())];
    let reply = api.deliver_to(&path, "theirs", "push", &more, b"{}");
    assert_eq!(reply.status, 202, "{reply:?}");
    api.connections.changes.send_replace(());
    assert_eq!(foreign.wait_for(1), [pair("theirs", "received")]);
}

#[test]
fn a_stream_begins_where_it_is_asked_to() {
    let api = Stage::new();
    for n in 0..150 {
        arrive(&api, &format!("n{n}"));
    }
    let stored = Stream::open(&api.owner, "?live=false", None).rest();
    assert_eq!(
        stored.len(),
        151,
        "the seeded one, too, and over more than a page"
    );
    let ids: Vec<&str> = stored.iter().map(|e| e["id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted(), "the oldest first");
    let foreign = Stream::open(&api.foreign, "?live=false", None);
    assert!(!foreign.seen.contains(CANARY) && foreign.rest().is_empty());

    // Again after the last: what came since, and at most a few seconds more.
    let last = ids[150];
    let before = api.clock.clone();
    before.advance(std::time::Duration::from_mins(1));
    arrive(&api, "later");
    let resumed = Stream::open(&api.owner, "", Some(last)).wait_for_last("later");
    assert!(
        resumed
            .iter()
            .all(|event| event["provider_delivery_id"] != "seeded")
    );
    let since = stored[100]["received_at"].as_str().unwrap();
    let part = Stream::open(&api.owner, &format!("?live=false&since={since}"), None).rest();
    assert!((50..=52).contains(&part.len()), "{}", part.len());
    for (query, last, code) in [
        ("?connection_id=con_01kb5c6q3t8v9w0x1y2z3a4b5c", None, "404"),
        ("?limit=3", None, "400"),
        ("?live=maybe", None, "400"),
        ("", Some("x"), "400"),
    ] {
        let headers: Vec<(&str, &str)> = last.map(|id| ("Last-Event-ID", id)).into_iter().collect();
        let bearer = api.owner.bearer();
        let headers: Vec<(&str, &str)> = headers
            .into_iter()
            .chain([("Authorization", bearer.as_str())])
            .collect();
        let line = format!("GET /api/v2/deliveries/stream{query}");
        let reply = wire::send(api.at, &line, &headers, None);
        assert_eq!(reply.status.to_string(), code, "{query}: {reply:?}");
    }
}

impl Stream {
    /// The events up to the one with this id of the provider's.
    fn wait_for_last(mut self, id: &str) -> Vec<Value> {
        self.read_until(|seen| seen.contains(&format!("\"{id}\"")) && seen.ends_with("\n\n\r\n"));
        self.events()
    }
}

#[test]
fn streams_are_bounded_and_end_when_the_server_stops() {
    let api = Stage::new();
    let mut held: Vec<Stream> = Vec::new();
    let refused = loop {
        let line = "GET /api/v2/deliveries/stream";
        let reply = api.owner.call(line, None);
        if reply.status != 200 {
            break reply;
        }
        held.push(Stream::open(&api.owner, "", None));
        assert!(held.len() < 100, "without a bound");
    };
    assert!(
        refused.status == 503 || refused.status == 429,
        "{refused:?}"
    );
    assert!(held.len() >= 4, "{}", held.len());
    let others = Stream::open(&api.foreign, "", None);
    let stopped = api.stop();
    assert!(others.rest().is_empty());
    for stream in held {
        assert!(stream.rest().is_empty());
    }
    stopped();
}

/// While there is nothing to tell, and until the API token is revoked: then the stream is broken
/// off, and does not end as if all had been told.
#[test]
fn a_stream_shows_that_it_is_alive_and_is_broken_off_with_its_token() {
    let api = Stage::with(Settings {
        stream_alive_every: Duration::from_millis(50),
        ..settings()
    });
    let mut stream = Stream::open(&api.owner, "", None);
    stream.read_until(|seen| seen.matches(": alive\n\n").count() >= 2);
    assert_eq!(stream.told(), []);
    let all = api.store.all_tokens().ready().unwrap();
    let own = all.iter().filter(|token| token.user == api.owner.user);
    api.commit(own.map(|token| Change::DeleteToken(token.id)).collect());
    let mut rest = Vec::new();
    // The end, or a reset.
    let _ = stream.socket.read_to_end(&mut rest);
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(!rest.ends_with("0\r\n\r\n"), "it ended well: {rest}");
    assert_eq!(api.owner.get("deliveries/stream").status, 401);
}
