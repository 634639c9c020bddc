//! The API as the commands use it: one request, one JSON answer, errors in words.

mod answer;
mod events;
mod reach;

pub(super) use answer::refusal;
pub(super) use events::Recent;

use super::access::{self, Access};
use super::address::{Address, query};
use super::failed::Failed;
use super::output::beside;
use answer::Answer;
use reqwest::{Method, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest wait for an answer: the longest thing that the API waits for itself is a hook's
/// creation, a few seconds.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that a daemon which asks to wait is obeyed for one request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same within long work, where a person watches a bar.
const PATIENCE_IN_BULK: Duration = Duration::from_mins(10);
/// Items on a page: the most that the API gives.
const PAGE_MAX: usize = 100;
/// Pages of a list that are read at most: a list of a hundred thousand repositories fits.
const PAGES_MAX: usize = 2000;

/// Names a file of certificate authorities to trust instead of the system's.
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// A client of a running daemon.
pub(super) struct Client {
    address: Address,
    /// Where the address was named, for messages.
    named_by: String,
    token: Zeroizing<String>,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    patience: Duration,
}

/// Looks at the file of certificate authorities that is set: one that cannot be used is passed
/// over in silence by what reads it, and then the daemon's certificate would be blamed.
fn check_authorities() -> Result<(), Failed> {
    let Some(path) = access::variable(AUTHORITIES) else {
        return Ok(());
    };
    let failed = |why: String| Failed::new(format!("{AUTHORITIES}: {why}")).coded("ssl_cert_file");
    let bytes = std::fs::read(&path).map_err(|why| failed(format!("cannot read {path}: {why}")))?;
    let is_there = CertificateDer::pem_slice_iter(&bytes).any(|found| found.is_ok());
    if is_there {
        Ok(())
    } else {
        Err(failed(format!("{path} contains no PEM certificate")))
    }
}

/// Ctrl-C, from now on: it no longer ends the process.
pub(super) struct Interrupts(tokio::signal::unix::Signal);

impl Interrupts {
    pub(super) fn new(client: &Client) -> Result<Self, Failed> {
        let _within = client.runtime.enter();
        let kind = tokio::signal::unix::SignalKind::interrupt();
        Ok(Self(tokio::signal::unix::signal(kind)?))
    }

    /// Waits. Returns whether the user pressed Ctrl-C, also since the last time.
    pub(super) fn during(&mut self, client: &Client, wait: Duration) -> bool {
        client.runtime.block_on(async {
            tokio::select! {
                _ = self.0.recv() => true,
                () = tokio::time::sleep(wait) => false,
            }
        })
    }
}

impl Client {
    /// A client for a daemon.
    pub(super) fn new(access: Access) -> Result<Self, Failed> {
        // Only the first installation in a process counts; any later one is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect would turn a `POST` into a `GET`, and take the token along.
        let mut http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("hookherd/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none());
        if access.address.is_loopback() {
            http = http.no_proxy();
        }
        if access.address.is_https() {
            check_authorities()?;
        }
        Ok(Self {
            named_by: access.address_from.to_string(),
            address: access.address,
            token: access.token,
            http: http.build()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            patience: PATIENCE,
        })
    }

    /// The same client for long work: it waits longer where the daemon asks to wait.
    pub(super) fn in_bulk(self) -> Self {
        Self {
            patience: PATIENCE_IN_BULK,
            ..self
        }
    }

    /// Sends a request and returns the JSON answer; an error answer becomes its own words. A
    /// daemon that asks to wait is obeyed for a while.
    #[expect(clippy::needless_pass_by_value, reason = "callers name a constant")]
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failed> {
        let answer = self.patiently(&method, path, body)?;
        answer.value(&self.address).map(|(_, value)| value)
    }

    /// `GET`, and the JSON as the daemon wrote it: every digit of its numbers is kept.
    pub(super) fn text(&self, path: &str) -> Result<String, Failed> {
        let answer = self.patiently(&Method::GET, path, None)?;
        answer.value(&self.address)?;
        Ok(answer.text)
    }

    /// Sends a request and returns the answer, whatever it says.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failed> {
        self.once(method, path, body)?.json(&self.address)
    }

    fn patiently(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failed> {
        let mut left = self.patience;
        loop {
            let answer = self.once(method.clone(), path, body)?;
            let Some(wait) = answer.wait.filter(|wait| *wait <= left) else {
                return Ok(answer);
            };
            left -= wait;
            let seconds = wait.as_secs();
            let why = answer
                .code()
                .unwrap_or_else(|| answer.status.as_u16().to_string());
            beside(&format!(
                "the daemon asks to retry after {seconds} s ({why})"
            ));
            self.pause(wait);
        }
    }

    fn once(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failed> {
        let url = self.address.route(path);
        let mut request = self.http.request(method, &url);
        request = request.bearer_auth(&*self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let unreachable =
                |error: reqwest::Error| reach::why(&error, &self.address, &self.named_by);
            let answer = request.send().await.map_err(unreachable)?;
            Answer::read(answer).await.map_err(|error| match error {
                answer::Unread::Lost(error) => unreachable(error),
                answer::Unread::TooLong => Failed::new("the daemon's response is too large"),
            })
        })
    }

    /// Waits for something else than the daemon.
    pub(super) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Waits.
    pub(super) fn pause(&self, wait: Duration) {
        // Within the runtime: a timer cannot be made outside of one.
        self.runtime
            .block_on(async { tokio::time::sleep(wait).await });
    }

    /// `GET` without a body.
    pub(super) fn get(&self, path: &str) -> Result<Value, Failed> {
        self.call(Method::GET, path, None)
    }

    /// Reads a list page by page, at most so many items, beginning at a cursor. Returns the last
    /// page without its items: with `next_cursor`, when there is more.
    pub(super) fn pages(
        &self,
        list: &List<'_>,
        mut each: impl FnMut(Vec<Value>),
    ) -> Result<Value, Failed> {
        let mut left = list.limit;
        let mut cursor = list.cursor.map(str::to_owned);
        for _ in 0..PAGES_MAX {
            let limit = left.min(PAGE_MAX).to_string();
            let mut pairs = vec![
                ("limit", Some(limit.as_str())),
                ("cursor", cursor.as_deref()),
            ];
            pairs.extend(list.filters);
            let mut page = self.get(&format!("{}{}", list.path, query(&pairs)))?;
            let items = page.get_mut(list.field).map(Value::take);
            let Some(Value::Array(items)) = items else {
                return Err(Failed::new(format!(
                    "the daemon's list has no {}",
                    list.field
                )));
            };
            left = left.saturating_sub(items.len());
            each(items);
            match page["next_cursor"].as_str() {
                Some(next) if left > 0 && cursor.as_deref() != Some(next) => {
                    cursor = Some(next.to_owned());
                }
                Some(_) | None => return Ok(page),
            }
        }
        Err(Failed::new(format!("the list {} does not end", list.path)))
    }

    /// All of a list, up to a hundred thousand items or more.
    pub(super) fn every(
        &self,
        path: &str,
        field: &'static str,
        filters: &[(&str, Option<&str>)],
    ) -> Result<Vec<Value>, Failed> {
        let mut all = Vec::new();
        let list = List {
            path,
            field,
            filters,
            cursor: None,
            limit: PAGE_MAX * PAGES_MAX,
        };
        self.pages(&list, |mut items| all.append(&mut items))?;
        Ok(all)
    }
}

/// A list of the API's, or the part of it that is wanted.
pub(super) struct List<'a> {
    pub(super) path: &'a str,
    /// What the items are called in the answer.
    pub(super) field: &'static str,
    pub(super) filters: &'a [(&'a str, Option<&'a str>)],
    pub(super) cursor: Option<&'a str>,
    /// Most items wanted.
    pub(super) limit: usize,
}

impl<'a> List<'a> {
    /// The first of the connections that fit.
    pub(super) const fn of_connections(
        filters: &'a [(&'a str, Option<&'a str>)],
        limit: usize,
    ) -> Self {
        Self {
            path: "repositories/connections",
            field: "connections",
            filters,
            cursor: None,
            limit,
        }
    }
}
