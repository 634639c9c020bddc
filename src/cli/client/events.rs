//! Server-sent events of the daemon, over breaks of the connection.

use super::{Client, answer, reach};
use crate::cli::address::query;
use crate::cli::failed::Failed;
use crate::cli::output::beside;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The daemon shows every 15 s that a stream is alive.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// A stream has no end: only silence ends it.
const NO_TIMEOUT: Duration = Duration::from_hours(24 * 365);
/// First and longest wait before the daemon is asked again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Longest line of an event.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Events that are remembered: after a break, the last ones may come again.
const KNOWN_MAX: usize = 10_000;

/// A stream of deliveries.
pub(in crate::cli) struct Stream<'c> {
    client: &'c Client,
    filters: Vec<(String, String)>,
    interrupt: Signal,
    open: Option<Open>,
    last: Option<String>,
    known: Recent,
    has_end: bool,
    wait: Duration,
}

/// A connection to the daemon.
struct Open {
    answer: Response,
    lines: Lines,
}

/// What became of waiting for the next event.
enum Next {
    Event(Value),
    Ended,
    Broken(Failed),
    Interrupted,
}

impl Client {
    /// Follows deliveries. The filters are those of the API.
    pub(in crate::cli) fn stream(
        &self,
        filters: &[(&str, Option<&str>)],
    ) -> Result<Stream<'_>, Failed> {
        let given =
            |(name, value): &(&str, Option<&str>)| Some(((*name).to_owned(), (*value)?.to_owned()));
        let interrupt = self
            .runtime
            .block_on(async { signal(SignalKind::interrupt()) })?;
        let mut stream = Stream {
            client: self,
            filters: filters.iter().filter_map(given).collect(),
            interrupt,
            open: None,
            last: None,
            known: Recent::default(),
            has_end: filters.contains(&("live", Some("false"))),
            wait: RETRY.0,
        };
        // What is wrong from the start is not tried again.
        stream.open = Some(stream.connect()?);
        Ok(stream)
    }
}

impl Stream<'_> {
    /// The next delivery, when it arrives; each state of one is given once. `None` when the person
    /// in front wants no more, with Ctrl-C. A connection that breaks is made again, as often as it
    /// takes.
    pub(in crate::cli) fn next(&mut self) -> Result<Option<Value>, Failed> {
        loop {
            let Some(open) = &mut self.open else {
                if self.pause() {
                    return Ok(None);
                }
                match self.connect() {
                    Ok(open) => self.open = Some(open),
                    Err(failed) if may_pass(&failed) => {}
                    Err(failed) => return Err(failed),
                }
                continue;
            };
            let interrupt = &mut self.interrupt;
            let next = self.client.runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => Next::Interrupted,
                    event = open.next(self.client) => event,
                }
            });
            match next {
                Next::Interrupted => return Ok(None),
                Next::Ended if self.has_end => return Ok(None),
                Next::Event(event) => {
                    self.wait = RETRY.0;
                    if self.is_news(&event) {
                        return Ok(Some(event));
                    }
                }
                Next::Ended => self.start_again(&Failed::new("the daemon ended the stream")),
                Next::Broken(why) => self.start_again(&why),
            }
        }
    }

    fn start_again(&mut self, why: &Failed) {
        beside(&format!("{why}; connecting again"));
        let seen = self.open.take().and_then(|open| open.lines.last);
        self.last = seen.or(self.last.take());
    }

    /// Asks the daemon for something that belongs to a delivery, as often as it takes. `None` when
    /// Ctrl-C came first.
    pub(in crate::cli) fn persist<T>(
        &mut self,
        ask: impl Fn() -> Result<T, Failed>,
    ) -> Result<Option<T>, Failed> {
        loop {
            match ask() {
                Ok(answer) => return Ok(Some(answer)),
                Err(failed) if may_pass(&failed) => beside(&format!("{failed}; asking again")),
                Err(failed) => return Err(failed),
            }
            if self.pause() {
                return Ok(None);
            }
        }
    }

    /// Waits, longer each time until an event arrives. Returns whether Ctrl-C came first.
    fn pause(&mut self) -> bool {
        let wait = self.wait;
        self.wait = (wait * 2).min(RETRY.1);
        let interrupt = &mut self.interrupt;
        self.client.runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                () = tokio::time::sleep(wait) => false,
            }
        })
    }

    fn connect(&self) -> Result<Open, Failed> {
        let client = self.client;
        let mut pairs: Vec<(&str, Option<&str>)> = Vec::new();
        for (name, value) in &self.filters {
            // Where the stream continues is further than where it began.
            if self.last.is_none() || !matches!(name.as_str(), "since" | "after") {
                pairs.push((name, Some(value)));
            }
        }
        let path = format!("deliveries/stream{}", query(&pairs));
        let mut request = client
            .http
            .request(Method::GET, client.address.route(&path));
        request = request.bearer_auth(&*client.token).timeout(NO_TIMEOUT);
        if let Some(last) = &self.last {
            request = request.header("Last-Event-ID", last);
        }
        client.runtime.block_on(async {
            let lost = |error| reach::why(&error, &client.address, &client.named_by);
            let sent = tokio::time::timeout(SILENCE_MAX, request.send()).await;
            let answer = sent.map_err(|_| Failed::new("the daemon does not answer"))?;
            let answer = answer.map_err(lost)?;
            if answer.status() != StatusCode::OK {
                let read = answer::Answer::read(answer).await;
                let read = read.map_err(|_| Failed::new("the daemon's answer is not readable"))?;
                return Err(match read.value(&client.address) {
                    Err(failed) => failed,
                    Ok(_) => Failed::new("the daemon has no such stream: is it older?"),
                });
            }
            let lines = Lines::default();
            Ok(Open { answer, lines })
        })
    }

    /// Whether an event was not given before.
    fn is_news(&mut self, event: &Value) -> bool {
        let text = |field: &str| event[field].as_str().unwrap_or_default();
        let key = format!("{} {}", text("id"), text("processed_at"));
        self.known.is_new(&key)
    }
}

/// Texts that were seen recently.
#[derive(Default)]
pub(in crate::cli) struct Recent {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Recent {
    /// Whether a text was not seen recently. From now on it was.
    pub(in crate::cli) fn is_new(&mut self, text: &str) -> bool {
        if !self.known.insert(text.to_owned()) {
            return false;
        }
        self.order.push_back(text.to_owned());
        if self.order.len() > KNOWN_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

/// Whether the daemon cannot be reached now, and not that it refuses.
fn may_pass(failed: &Failed) -> bool {
    failed.is_hopeless() && failed.code() != Some("unauthenticated")
}

impl Open {
    async fn next(&mut self, client: &Client) -> Next {
        loop {
            match self.lines.next() {
                Ok(Some(event)) => return Next::Event(event),
                Ok(None) => {}
                Err(why) => return Next::Broken(Failed::new(why)),
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.answer.chunk()).await;
            match chunk {
                Err(_) => return Next::Broken(Failed::new("the daemon is silent")),
                Ok(Ok(Some(chunk))) => self.lines.bytes.extend(chunk),
                Ok(Ok(None)) => return Next::Ended,
                Ok(Err(error)) => {
                    return Next::Broken(reach::why(&error, &client.address, &client.named_by));
                }
            }
        }
    }
}

/// The lines of a stream of events, as they arrive.
#[derive(Default)]
struct Lines {
    bytes: VecDeque<u8>,
    data: Option<String>,
    /// The id of the last event that was complete.
    last: Option<String>,
    id: Option<String>,
}

impl Lines {
    /// The next event that is complete.
    fn next(&mut self) -> Result<Option<Value>, &'static str> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    self.last = self.id.take().or(self.last.take());
                    let Some(data) = self.data.take() else {
                        continue;
                    };
                    let event = serde_json::from_str(&data);
                    return event.map(Some).map_err(|_| "an event is not JSON");
                }
                "data" => {
                    let data = self.data.get_or_insert_default();
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                "id" => self.id = Some(value.to_owned()),
                // Comments, and what this version does not know.
                _ => {}
            }
        }
        if self.bytes.len() > LINE_BYTES_MAX {
            return Err("an event has no end");
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_their_bytes_arrive() {
        let text = "retry: 1000\n\n: alive\n\nid: a\nevent: delivery\ndata: {\"n\":1}\n\n\
                    id: b\r\ndata: {\"n\":\r\ndata: 2}\r\n\r\ndata: {\"n\":3}\n";
        for size in [1, 2, 7, 1000] {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for part in text.as_bytes().chunks(size) {
                lines.bytes.extend(part);
                while let Some(event) = lines.next().unwrap() {
                    seen.push((event["n"].as_u64(), lines.last.clone()));
                }
            }
            let ids = [
                (Some(1), Some("a".to_owned())),
                (Some(2), Some("b".to_owned())),
            ];
            assert_eq!(seen, ids, "the third is not complete");
        }
        let mut endless = Lines::default();
        endless.bytes.extend(vec![b'x'; LINE_BYTES_MAX + 1]);
        assert!(endless.next().is_err());
        let mut wrong = Lines::default();
        wrong.bytes.extend(b"data: {\n\n");
        assert!(wrong.next().is_err());
    }
}
