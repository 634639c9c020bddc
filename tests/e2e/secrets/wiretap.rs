//! The wire between the daemon and its provider. Everything passes, and whatever is secret is
//! noted. On demand the provider's answers about tokens are errors that quote what was asked.

use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use url::form_urlencoded;

/// The names of secret values, in forms, queries and JSON.
const SECRET: [&str; 10] = [
    "access_token",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "refresh_token",
    "secret",
    "signing_token",
    "state",
    "token",
];
/// Shorter values are masks and words.
const BYTES_MIN: usize = 16;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// The error that stands in a quoting answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// Nothing is quoted.
    No,
    /// What was asked is itself the name of the error.
    AsError,
    /// The grant has ended; the request is the description.
    AsDescription,
}

struct Wire {
    simulator: String,
    own: String,
    heard: Mutex<BTreeSet<(String, String)>>,
    quoting: Mutex<Quoting>,
    quoted: AtomicU32,
}

/// A wire, until the test ends.
pub(super) struct Wiretap(Arc<Wire>);

impl Wiretap {
    /// A wire to the simulator at this address.
    pub(super) fn new(simulator: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().to_string();
        assert_eq!(
            own.len(),
            simulator.len(),
            "addresses are exchanged in place"
        );
        let wire = Arc::new(Wire {
            simulator: simulator.to_owned(),
            own,
            heard: Mutex::default(),
            quoting: Mutex::new(Quoting::No),
            quoted: AtomicU32::new(0),
        });
        let shared = Arc::clone(&wire);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let wire = Arc::clone(&shared);
                // A caller that goes away in the middle is none of our business.
                std::thread::spawn(move || drop(wire.carry(stream)));
            }
        });
        Self(wire)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.own)
    }

    /// From now on, answers about tokens are of this kind.
    pub(super) fn quote(&self, quoting: Quoting) {
        *self.0.quoting.lock() = quoting;
    }

    /// How many answers quoted.
    pub(super) fn quoted(&self) -> u32 {
        self.0.quoted.load(Ordering::SeqCst)
    }

    /// The secrets that passed, by name.
    pub(super) fn heard(&self) -> BTreeSet<(String, String)> {
        self.0.heard.lock().clone()
    }
}

fn read_request(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let end = bytes
            .windows(END_OF_HEAD.len())
            .position(|w| w == END_OF_HEAD);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let body = bytes[end + END_OF_HEAD.len()..].to_vec();
            let length = header(&head, "content-length").unwrap_or_default();
            if body.len() >= length.parse().unwrap_or(0) {
                return Ok((head, body));
            }
        }
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let pairs = head.lines().filter_map(|line| line.split_once(':'));
    let mut found = pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name));
    found.next().map(|(_, value)| value.trim())
}

impl Wire {
    fn carry(&self, mut caller: TcpStream) -> io::Result<()> {
        let (head, body) = read_request(&mut caller)?;
        self.note_head(&head);
        self.note_body(&body);
        let is_about_tokens = head.starts_with("POST /login/oauth/access_token")
            || head.starts_with("POST /oauth/token");
        let quoting = *self.quoting.lock();
        if is_about_tokens && quoting != Quoting::No {
            let answer = quotation(quoting, &head, &body);
            caller.write_all(answer.as_bytes())?;
            self.quoted.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        let answer = self.pass_on(&head, &body)?;
        caller.write_all(&answer)
    }

    /// Asks the simulator, whose address becomes ours in its answer.
    fn pass_on(&self, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut simulator = TcpStream::connect(&self.simulator)?;
        let (line, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let head = format!("{line}\r\nconnection: close\r\n{rest}\r\n\r\n");
        simulator.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        simulator.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).replace(&self.simulator, &self.own);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        self.note_head(head);
        self.note_body(body.as_bytes());
        Ok(answer.into_bytes())
    }

    fn note(&self, name: &str, value: &str) {
        if value.len() >= BYTES_MIN {
            let secret = (name.to_owned(), value.to_owned());
            self.heard.lock().insert(secret);
        }
    }

    fn note_pairs(&self, pairs: &[u8]) {
        for (name, value) in form_urlencoded::parse(pairs) {
            if SECRET.contains(&&*name) {
                self.note(&name, &value);
            }
        }
    }

    /// What stands in the path, in the place of the next step, and in the authorization.
    fn note_head(&self, head: &str) {
        let path = head.split(' ').nth(1);
        for url in path.into_iter().chain(header(head, "location")) {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            self.note_pairs(query.as_bytes());
        }
        let proof = header(head, "authorization").and_then(|text| text.split_once(' '));
        self.note("authorization", proof.map_or("", |(_, proof)| proof));
    }

    fn note_body(&self, body: &[u8]) {
        match serde_json::from_slice(body) {
            Ok(value) => self.note_json(&value),
            Err(_) => self.note_pairs(body),
        }
    }

    fn note_json(&self, value: &Value) {
        let fields = value.as_object().into_iter().flatten();
        for (name, value) in fields {
            if SECRET.contains(&name.as_str()) {
                self.note(name, value.as_str().unwrap_or_default());
            }
            self.note_json(value);
        }
        let items = value.as_array().into_iter().flatten();
        items.for_each(|item| self.note_json(item));
    }
}

/// An error that repeats what was asked, in head and body.
fn quotation(quoting: Quoting, head: &str, body: &[u8]) -> String {
    let asked = String::from_utf8_lossy(body);
    let error = match quoting {
        Quoting::No | Quoting::AsError => &*asked,
        Quoting::AsDescription => "invalid_grant",
    };
    let body = json!({ "error": error, "error_description": asked, "request": head });
    let (body, length) = (body.to_string(), body.to_string().len());
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-asked: {asked}\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}
