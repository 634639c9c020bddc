//! `hookherd forward`: sends the deliveries of a connection on to a receiver on this machine, as
//! they arrive or from the history.

use super::access::read_token_file;
use super::address::route;
use super::client::{Client, Recent};
use super::failed::{CommandResult, Failed};
use super::moment::Moment;
use super::output::{Printer, harmless_json, line, text_of};
use super::reference::find::find;
use super::session::Session;
use crate::app::Forwarding;
use crate::domain::repo::ProviderKind;
use data_encoding::BASE64;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// How long a receiver may take: as long as GitHub Enterprise Server waits for one.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The variable with the receiver's secret.
const SECRET: &str = "HOOKHERD_FORWARD_SECRET";
/// Headers of the original that belong to its connection and not to the delivery.
const NOT_SENT_ON: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The connection: OWNER/REPO, its URL, or an id.
    connection: String,
    /// Where to send its deliveries, such as `http://localhost:3000/hook`.
    #[arg(value_name = "URL")]
    receiver: Url,
    /// Only of this event, such as `workflow_run` or `Pipeline Hook`.
    #[arg(long)]
    event: Option<String>,
    /// Only with this action, such as `completed`.
    #[arg(long)]
    action: Option<String>,
    /// Begin with the stored deliveries since this time: `2h` for two hours ago, `2026-11-28`, or
    /// `2026-11-28T14:30:00Z`.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Continue after this delivery, where an earlier `forward` ended.
    #[arg(long, value_name = "ID", conflicts_with = "since")]
    after: Option<String>,
    /// End after the stored deliveries.
    #[arg(long)]
    no_follow: bool,
    /// File with the secret that signs what is sent on. Default: `HOOKHERD_FORWARD_SECRET`, or a
    /// new one, which is shown.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// What a delivery was when it came.
#[derive(Deserialize)]
struct Original<'a> {
    headers: Option<BTreeMap<String, String>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    payload_base64: Option<String>,
}

/// Sends deliveries on.
struct Sender<'a> {
    client: &'a Client,
    http: reqwest::Client,
    url: &'a Url,
    provider: ProviderKind,
    secret: Forwarding,
}

pub(super) fn run(args: &Args, session: &Session) -> CommandResult {
    if !matches!(args.receiver.scheme(), "http" | "https") {
        return Err(Failed::new(
            "the receiver's URL must begin with http:// or https://",
        ));
    }
    let client = session.client()?;
    let found = find(&client, &args.connection)?;
    let provider = super::provider::parse(text_of(&found.connection, "/provider"));
    let provider = provider.map_err(Failed::new)?;
    let (secret, is_new) = secret(args)?;
    let printer = session.printer;
    introduce(&secret, is_new, provider, printer);
    let sender = Sender {
        client: &client,
        http: receiver()?,
        url: &args.receiver,
        provider,
        secret,
    };
    let now = OffsetDateTime::now_utc();
    let since = args.since.map(|moment| moment.before(now));
    let mut stream = client.stream(&[
        ("connection_id", Some(found.id.as_str())),
        ("event", args.event.as_deref()),
        ("since", since.as_deref()),
        ("after", args.after.as_deref()),
        ("live", args.no_follow.then_some("false")),
    ])?;
    let mut sent = Sent::default();
    while let Some(delivery) = stream.next()? {
        // The action of one that is not processed yet is not known: it comes again.
        let action = delivery["action"].as_str();
        if args
            .action
            .as_deref()
            .is_some_and(|wanted| action != Some(wanted))
        {
            continue;
        }
        let id = text_of(&delivery, "/id").to_owned();
        if !sent.ids.is_new(&id) {
            continue;
        }
        let Some(outcome) = stream.persist(|| sender.send(&id))? else {
            break;
        };
        sent.count(&outcome);
        report(&delivery, &outcome, printer);
        sent.last = Some(id);
    }
    sent.conclude(printer);
    Ok(())
}

/// The secret that signs, and whether it is new.
fn secret(args: &Args) -> Result<(Forwarding, bool), Failed> {
    let text = match &args.secret_file {
        Some(path) => Some(read_token_file(path)?),
        None => super::access::variable(SECRET).map(zeroize::Zeroizing::new),
    };
    match text {
        None => Ok((Forwarding::generate(), true)),
        Some(text) => match Forwarding::new(&text) {
            Ok(secret) => Ok((secret, false)),
            Err(why) => Err(Failed::new(format!("the receiver's secret: {why}"))),
        },
    }
}

/// What the receiver must know, if it cannot know it yet.
fn introduce(secret: &Forwarding, is_new: bool, provider: ProviderKind, printer: Printer) {
    if is_new {
        for (name, value) in secret.shown(provider) {
            printer.beside(&format!("{name} of the receiver: {}", *value));
        }
        printer.beside(&format!("to keep it, set {SECRET} or use --secret-file"));
    }
}

/// A client that sends to the receiver and nowhere else.
fn receiver() -> Result<reqwest::Client, Failed> {
    let http = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    Ok(http.build()?)
}

/// What the receiver made of a delivery.
struct Outcome {
    /// Its answer; `None` without one.
    status: Option<u16>,
    /// The reason that there is no answer.
    why: Option<String>,
    took: Duration,
}

impl Sender<'_> {
    /// Sends a delivery on, as it came. What the receiver makes of it is no error.
    fn send(&self, id: &str) -> Result<Outcome, Failed> {
        let text = self.client.text(&route(&["deliveries", id])?)?;
        let original: Original<'_> = serde_json::from_str(&text)?;
        let unreadable = || Failed::new(format!("the payload of {id} is not readable"));
        let body = match (original.payload, original.payload_base64) {
            (Some(json), _) => json.get().as_bytes().to_vec(),
            (None, Some(text)) => BASE64.decode(text.as_bytes()).map_err(|_| unreadable())?,
            (None, None) => {
                return Ok(Outcome {
                    status: None,
                    why: Some("its payload has expired".to_owned()),
                    took: Duration::ZERO,
                });
            }
        };
        let headers = self.headers(&original.headers.unwrap_or_default(), &body);
        let request = self.http.post(self.url.clone()).headers(headers).body(body);
        let began = Instant::now();
        // Within the runtime: the timer of the request cannot be made outside of one.
        let answer = self.client.wait(async { request.send().await });
        let took = began.elapsed();
        Ok(match answer {
            Ok(answer) => Outcome {
                status: Some(answer.status().as_u16()),
                why: None,
                took,
            },
            Err(error) => Outcome {
                status: None,
                why: Some(reason(&error)),
                took,
            },
        })
    }

    /// The headers that it came with, and the proof for the receiver.
    fn headers(&self, kept: &BTreeMap<String, String>, body: &[u8]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let proof = self.secret.proof(self.provider, kept, body);
        let own = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let own = own.filter(|(name, _)| !NOT_SENT_ON.contains(name));
        let proof = proof.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in own.chain(proof) {
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// Why there is no answer, in few words: the innermost error says most.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", TIMEOUT.as_secs());
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn report(delivery: &Value, outcome: &Outcome, printer: Printer) {
    if printer.json {
        return line(&harmless_json(
            &json!({
                "delivery_id": delivery["id"], "event": delivery["event"],
                "status": outcome.status, "error": outcome.why,
                "took_ms": u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX),
            })
            .to_string(),
        ));
    }
    let (event, id) = (text_of(delivery, "/event"), text_of(delivery, "/id"));
    let answer = match (outcome.status, &outcome.why) {
        (Some(status), _) => format!("{status} in {} ms", outcome.took.as_millis()),
        (None, why) => format!("failed: {}", why.as_deref().unwrap_or("no answer")),
    };
    printer.say(&format!("{id}  {event}  {answer}"));
}

/// What was sent on.
#[derive(Default)]
struct Sent {
    ids: Recent,
    taken: usize,
    refused: usize,
    last: Option<String>,
}

impl Sent {
    fn count(&mut self, outcome: &Outcome) {
        if outcome
            .status
            .is_some_and(|status| (200..300).contains(&status))
        {
            self.taken += 1;
        } else {
            self.refused += 1;
        }
    }

    fn conclude(&self, printer: Printer) {
        let mut words = format!("{} accepted, {} not", self.taken, self.refused);
        if let Some(last) = &self.last {
            words = format!("{words}; continue with --after {last}");
        }
        printer.beside(&words);
    }
}
