//! HTTP shared by all providers: one client per installation, limits on time and size, redirects,
//! conditional reads. Independent of dialects: the provider's own `errors.rs` decides what a status
//! means.

mod tail;

use super::budget::{Budget, Pace, TokenKey};
use super::cache::{Cache, Kept};
use super::egress::Egress;
use super::outside::{Carried, Lost, Outside};
use super::queue::Away;
use super::unreached::Unreached;
use crate::domain::errand::Errand;
use crate::domain::secret::ProviderToken;
use bytes::{Bytes, BytesMut};
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use std::sync::Arc;
use std::time::Duration;
pub(super) use tail::{Tail, Tailed};

/// Longest answer read: a page of 100 repositories is about 600 KiB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Most redirects followed for one request.
const REDIRECTS_MAX: usize = 3;

/// The settings of an installation's client.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The API URL, such as `https://api.github.com`.
    pub api_url: Url,
    /// Our user agent.
    pub user_agent: String,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest time for one request, from connecting to the last byte of the answer.
    pub call_timeout: Duration,
    /// Most concurrent requests: half of them for one user, four for one token.
    pub at_once_max: usize,
    /// Pause between two writes with one token; GitHub asks for at least a second.
    pub write_pause: Duration,
    /// First wait before an idempotent request is repeated; it doubles, with jitter.
    pub retry_wait: Duration,
    /// PEM certificates of authorities to trust in addition to the system's, for an installation
    /// with a private one.
    pub ca_pem: Option<Vec<u8>>,
    /// The proxy; `None` for direct calls.
    pub proxy: Option<Egress>,
    /// A simulation in place of the network; `None` for sockets.
    pub outside: Option<Arc<dyn Outside>>,
}

impl HttpConfig {
    /// The default settings for the API at `api_url`.
    pub fn new(api_url: Url) -> Self {
        Self {
            api_url,
            user_agent: concat!("hookherd/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(15),
            at_once_max: 16,
            write_pause: Duration::from_secs(1),
            retry_wait: Duration::from_millis(250),
            ca_pem: None,
            proxy: None,
            outside: None,
        }
    }
}

/// Settings from which no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Not an http or https URL without query and fragment.
    #[error("the API URL must be http or https, with a host and without user, query and fragment")]
    BadUrl,
    /// The certificates cannot be read.
    #[error("the file of certificate authorities holds no certificates in PEM")]
    BadCertificates,
    /// The client cannot be set up: usually, the machine has no certificate authorities.
    #[error("cannot set up HTTPS: {0}. Check that CA certificates are installed on this machine")]
    NoClient(reqwest::Error),
}

/// One request, complete. Cannot be printed, because of its body.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) token: &'a ProviderToken,
    /// The token whose budget it uses.
    pub(super) key: TokenKey,
    /// The user and the purpose.
    pub(super) errand: Errand,
    /// Whether it only finds out whether the provider answers.
    pub(super) is_probe: bool,
    /// JSON to send; it may hold a hook secret.
    pub(super) body: Option<Vec<u8>>,
    /// Reads only what does not have this tag; the answer is 304 otherwise.
    pub(super) unless: Option<&'a str>,
}

impl Request<'_> {
    pub(super) fn writes(&self) -> bool {
        self.method != Method::GET
    }
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Its URL, after redirects.
    pub(super) url: Url,
}

impl Answer {
    /// A header, when it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Whether a `Link` header has a next page. Its URL is ignored: we build it ourselves.
    pub(super) fn links_to_next(&self) -> bool {
        self.next_link().is_some()
    }

    /// The URL of the next page in a `Link` header.
    fn next_link(&self) -> Option<&str> {
        let links = self.header("link").unwrap_or_default();
        let is_next = |p: &str| matches!(p.trim(), "rel=\"next\"" | "rel=next");
        let mut links = links.split(',').filter_map(|link| link.split_once('>'));
        let next = links.find(|(_, parameters)| parameters.split(';').any(is_next));
        next.map(|(url, _)| url.trim().trim_start_matches('<'))
    }

    /// A parameter of the URL of the next page. Only that: we build the URL ourselves.
    pub(super) fn next_parameter(&self, name: &str) -> Option<String> {
        let next = self.url.join(self.next_link()?).ok()?;
        let mut pairs = next.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// Whether it is a web page: no API answers with one.
    pub(super) fn is_page(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        let start = self.body.trim_ascii_start();
        let begins = |with: &[u8]| {
            let start = start.get(..with.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(with))
        };
        kind.to_ascii_lowercase().contains("text/html")
            || begins(b"<!doctype html")
            || begins(b"<html")
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// No turn in the queue. Nothing was sent.
    Away(Away),
    /// No connection. Nothing was sent.
    Unreached(Unreached),
    /// Timed out. It may have been carried out.
    TimedOut,
    /// The connection broke. It may have been carried out.
    Cut,
    /// Over the size limit. It may have been carried out.
    TooLong,
    /// Redirected to another origin, or in a loop. Not followed.
    BadRedirect,
}

/// A URL that paths can be joined to. Errors when it has parts that a base must not have.
pub(super) fn base(url: &Url) -> Result<Url, HttpError> {
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_plain {
        return Err(HttpError::BadUrl);
    }
    let mut base = url.clone();
    let path = format!("{}/", url.path().trim_end_matches('/'));
    base.set_path(&path);
    Ok(base)
}

/// Host and port of a URL, for people.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port();
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A client without redirects, retries and proxies except the configured one.
pub(super) fn client(config: &HttpConfig) -> Result<reqwest::Client, HttpError> {
    // An error means that a provider is already installed: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .connect_timeout(config.connect_timeout);
    if let Some(pem) = &config.ca_pem {
        let certificates =
            reqwest::Certificate::from_pem_bundle(pem).map_err(|_| HttpError::BadCertificates)?;
        if certificates.is_empty() {
            return Err(HttpError::BadCertificates);
        }
        client = client.tls_certs_merge(certificates);
    }
    if let Some(proxy) = &config.proxy {
        client = proxy.apply(client).map_err(HttpError::NoClient)?;
    }
    client.build().map_err(HttpError::NoClient)
}

/// How requests leave.
#[derive(Debug)]
enum Wire {
    Sockets(reqwest::Client),
    Outside(Arc<dyn Outside>),
}

/// The client of one installation.
#[derive(Debug)]
pub(super) struct Http {
    wire: Wire,
    base: Url,
    call_timeout: Duration,
    headers: HeaderMap,
    pub(super) budget: Arc<Budget>,
    pace: Pace,
    cache: Cache,
}

impl Http {
    /// A client that sends `headers` with every request.
    pub(super) fn new(
        config: &HttpConfig,
        mut headers: HeaderMap,
        pace: Pace,
    ) -> Result<Self, HttpError> {
        let user_agent = HeaderValue::from_str(&config.user_agent)
            .unwrap_or(HeaderValue::from_static("hookherd"));
        headers.insert(header::USER_AGENT, user_agent);
        let (at_once, pause) = (config.at_once_max, config.write_pause);
        let budget = Budget::new(at_once, pause, pace.limits);
        Ok(Self {
            base: base(&config.api_url)?,
            wire: match &config.outside {
                Some(outside) => Wire::Outside(Arc::clone(outside)),
                None => Wire::Sockets(client(config)?),
            },
            call_timeout: config.call_timeout,
            headers,
            budget: Arc::new(budget),
            pace,
            cache: Cache::default(),
        })
    }

    /// The URL of an API path such as `repos/o/r/hooks?per_page=100`, which comes from our own
    /// code and validated names.
    pub(super) fn url(&self, path: &str) -> Url {
        let joined = self.base.join(path);
        joined.expect("paths are made of literals, numbers and validated repository names")
    }

    /// Whether a URL belongs to the API to which the token may be sent: its origin, and below its
    /// path.
    fn is_ours(&self, url: &Url) -> bool {
        url.origin() == self.base.origin() && url.path().starts_with(self.base.path())
    }

    /// Host and port of the API, for people.
    pub(super) fn place(&self) -> String {
        place(&self.base)
    }

    /// Sends a request and follows up to three redirects within the API, with the same method and
    /// body: a POST that became a GET would report a false success.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Answer, NoAnswer> {
        let key = request.key;
        let mut url = request.url.clone();
        for hop in 0..=REDIRECTS_MAX {
            // Checked here for every caller: no token is sent elsewhere.
            if !self.is_ours(&url) {
                return Err(NoAnswer::BadRedirect);
            }
            let writes = request.writes() && hop == 0;
            let cost = (self.pace.cost)(&request.method, url.path());
            let admitted = self.budget.admit(request.errand, key, writes, cost);
            let permit = admitted.await.map_err(NoAnswer::Away)?;
            let sending = self.send_once(&request, &url, key);
            let answer = tokio::time::timeout(self.call_timeout, sending)
                .await
                .map_err(|_| NoAnswer::TimedOut)??;
            drop(permit);
            if !matches!(answer.status.as_u16(), 301 | 302 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.header("location").ok_or(NoAnswer::BadRedirect)?;
            url = url.join(location).map_err(|_| NoAnswer::BadRedirect)?;
        }
        Err(NoAnswer::BadRedirect)
    }

    /// A number that is uniform over all of `u64`.
    pub(super) fn chance(&self) -> u64 {
        match &self.wire {
            Wire::Sockets(_) => rand::random(),
            Wire::Outside(outside) => outside.chance(),
        }
    }

    async fn exchange(&self, request: reqwest::Request, url: &Url) -> Result<Answer, NoAnswer> {
        let outside = match &self.wire {
            Wire::Outside(outside) => outside,
            Wire::Sockets(client) => {
                let response = client.execute(request).await;
                return read(response.map_err(|e| no_answer(&e))?).await;
            }
        };
        let carried = outside.carry(request).await.map_err(|lost| match lost {
            Lost::Unreached => NoAnswer::Unreached(Unreached::Refused),
            Lost::Cut => NoAnswer::Cut,
        })?;
        let Carried {
            status,
            headers,
            body,
        } = carried;
        Ok(Answer {
            status,
            headers,
            body,
            url: url.clone(),
        })
    }

    async fn send_once(
        &self,
        request: &Request<'_>,
        url: &Url,
        key: TokenKey,
    ) -> Result<Answer, NoAnswer> {
        let kept = if request.writes() || request.unless.is_some() {
            None
        } else {
            self.cache.get(key, url)
        };
        let mut outgoing = reqwest::Request::new(request.method.clone(), url.clone());
        *outgoing.headers_mut() = self.headers.clone();
        let headers = outgoing.headers_mut();
        headers.insert(header::AUTHORIZATION, bearer(request.token));
        let unless = request.unless.map(HeaderValue::from_str);
        if let Some(Ok(tag)) = unless {
            headers.insert(header::IF_NONE_MATCH, tag);
        } else if let Some(kept) = &kept {
            headers.insert(header::IF_NONE_MATCH, kept.etag.clone());
        }
        if let Some(body) = &request.body {
            let json = HeaderValue::from_static("application/json");
            headers.insert(header::CONTENT_TYPE, json);
            *outgoing.body_mut() = Some(body.clone().into());
        }
        let answer = self.exchange(outgoing, url).await?;
        match kept {
            Some(kept) if answer.status == StatusCode::NOT_MODIFIED => {
                Ok(revive(kept, answer.headers, url))
            }
            Some(_) | None => {
                if !request.writes() && answer.status == StatusCode::OK {
                    self.cache.keep(key, url, &answer.headers, &answer.body);
                }
                Ok(answer)
            }
        }
    }
}

/// The stored answer for "not modified". The rate limit headers are the new ones.
fn revive(kept: Kept, mut headers: HeaderMap, url: &Url) -> Answer {
    if let Some(link) = kept.link {
        headers.insert(header::LINK, link);
    }
    headers.entry(header::ETAG).or_insert(kept.etag);
    Answer {
        status: StatusCode::OK,
        headers,
        body: kept.body,
        url: url.clone(),
    }
}

pub(super) async fn read(mut response: reqwest::Response) -> Result<Answer, NoAnswer> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| no_answer(&e))? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(NoAnswer::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        url: response.url().clone(),
        body: body.freeze(),
    })
}

fn bearer(token: &ProviderToken) -> HeaderValue {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .expect("a token consists of visible ASCII characters");
    value.set_sensitive(true);
    value
}

pub(super) fn no_answer(error: &reqwest::Error) -> NoAnswer {
    if error.is_connect() {
        NoAnswer::Unreached(Unreached::of(error))
    } else if error.is_timeout() {
        NoAnswer::TimedOut
    } else {
        NoAnswer::Cut
    }
}

/// A header of the dialect, from literals.
pub(super) fn literal(name: &'static str, value: &'static str) -> (HeaderName, HeaderValue) {
    (
        HeaderName::from_static(name),
        HeaderValue::from_static(value),
    )
}
