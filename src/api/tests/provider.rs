//! A provider to sign in with, on a socket: it checks what a real one checks.

use data_encoding::BASE64URL_NOPAD;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use url::Url;

pub(super) const CLIENT_ID: &str = "our-client";
pub(super) const CLIENT_SECRET: &str = "canary-client-secret";

/// A code that a user agreed to.
struct Agreed {
    challenge: String,
    redirect_uri: String,
}

#[derive(Default)]
struct Inside {
    codes: HashMap<String, Agreed>,
    next: usize,
    /// What is said to devices, in turn; then that they are granted.
    devices: VecDeque<&'static str>,
    polls: usize,
}

/// The provider. Its thread ends with the process.
pub(super) struct StubProvider {
    pub(super) url: Url,
    inside: Arc<Mutex<Inside>>,
}

type Form = HashMap<String, String>;

impl StubProvider {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url: Url = format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let (own, state) = (url.clone(), Arc::clone(&inside));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, &own, &state);
            }
        });
        Self { url, inside }
    }

    /// A user's browser came to this page, and the user agreed: where the provider sends it, as a
    /// path with code and state.
    pub(super) fn agree(&self, authorize_url: &str) -> Url {
        let url: Url = authorize_url.parse().unwrap();
        assert_eq!(url.origin(), self.url.origin());
        let asked: Form = url.query_pairs().into_owned().collect();
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut inside = self.inside.lock();
        inside.next += 1;
        let code = format!("canary-code-{}", inside.next);
        let agreed = Agreed {
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
        };
        inside.codes.insert(code.clone(), agreed);
        let mut back: Url = asked["redirect_uri"].parse().unwrap();
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &asked["state"]);
        back
    }

    pub(super) fn answers_devices(&self, words: &[&'static str]) {
        self.inside.lock().devices.extend(words);
    }

    pub(super) fn polls(&self) -> usize {
        self.inside.lock().polls
    }
}

fn answer(mut stream: TcpStream, own: &Url, inside: &Mutex<Inside>) -> std::io::Result<()> {
    let (path, form) = read(&mut stream)?;
    let mut inside = inside.lock();
    let body = match path.as_str() {
        "/login/oauth/access_token" if form.contains_key("device_code") => {
            inside.polls += 1;
            match inside.devices.pop_front() {
                Some(error) => refusal(error),
                None => tokens(),
            }
        }
        "/login/oauth/access_token" => exchange(&mut inside, &form),
        "/login/device/code" => format!(
            r#"{{"device_code":"canary-device-code","user_code":"ABCD-1234","interval":5,
            "expires_in":900,"verification_uri":"{own}login/device"}}"#
        ),
        other => panic!("{other}"),
    };
    let length = body.len();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes())
}

fn refusal(error: &str) -> String {
    format!(r#"{{"error":"{error}","error_description":"canary"}}"#)
}

fn tokens() -> String {
    r#"{"access_token":"canary-access","refresh_token":"canary-refresh","expires_in":7200}"#.into()
}

/// What RFC 6749 and 7636 ask of a token endpoint.
fn exchange(inside: &mut Inside, form: &Form) -> String {
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if (get("client_id"), get("client_secret")) != (CLIENT_ID, CLIENT_SECRET) {
        return refusal("incorrect_client_credentials");
    }
    // A code is used up by its first presentation.
    let Some(agreed) = inside.codes.remove(get("code")) else {
        return refusal("bad_verification_code");
    };
    if get("redirect_uri") != agreed.redirect_uri {
        return refusal("redirect_uri_mismatch");
    }
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(get("code_verifier").as_bytes()));
    if challenge != agreed.challenge {
        return refusal("bad_verification_code");
    }
    tokens()
}

fn read(stream: &mut TcpStream) -> std::io::Result<(String, Form)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |n| n.parse().unwrap()) {
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let form = url::form_urlencoded::parse(body.as_bytes());
                return Ok((path, form.into_owned().collect()));
            }
        }
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&chunk[..n]),
        }
    }
}
