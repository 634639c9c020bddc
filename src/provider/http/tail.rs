//! The end of a long text, such as the log of a job. It is read to its end, and only the end is
//! kept.
//!
//! GitHub answers with a redirect to a storage service of its own, which needs no token: that one
//! redirect is followed to any host that the provider names, without the token. Who may name it is
//! the provider alone, at the address that the operator has configured; no payload can.

use super::{Answer, Http, NoAnswer, Request, Wire, bearer, no_answer};
use crate::domain::explanation::{Part, Unread};
use crate::domain::secret::ProviderToken;
use crate::provider::outside::Lost;
use crate::provider::unreached::Unreached;
use crate::provider::unread::unread;
use bytes::Bytes;
use reqwest::header::{self, HeaderMap};
use reqwest::{Method, StatusCode, Url};

/// What is kept.
const TAIL_BYTES: usize = 128 * 1024;
/// Longest text that is read: GitHub's logs have no limit, GitLab's 100 MiB by default.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// What is read of an answer that is no text.
const REASON_BYTES_MAX: usize = 64 * 1024;

/// The end of a text.
#[derive(Clone, Debug, Default)]
pub(in crate::provider) struct Tail {
    pub(in crate::provider) bytes: Vec<u8>,
    /// Whether there is more before it.
    pub(in crate::provider) is_cut: bool,
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        // Seldom, for each time moves all that is kept.
        if self.bytes.len() > 2 * TAIL_BYTES {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let surplus = self.bytes.len().saturating_sub(TAIL_BYTES);
        self.bytes.drain(..surplus);
        self.is_cut |= surplus > 0;
    }
}

/// What an answer with a text is.
#[derive(Debug)]
pub(in crate::provider) enum Tailed {
    /// The end of the text; or why the service to which the provider leads does not give it.
    Text(Part<Tail>),
    /// Another answer of the provider, with the beginning of its body.
    Other(Answer),
}

/// An answer whose body is still to be read.
struct Open {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

enum Body {
    Whole(Bytes),
    Coming(reqwest::Response),
}

impl Open {
    async fn tail(self) -> Result<Tail, NoAnswer> {
        let (mut tail, mut length) = (Tail::default(), 0);
        match self.body {
            Body::Whole(bytes) => tail.push(&bytes),
            Body::Coming(mut response) => {
                while let Some(chunk) = response.chunk().await.map_err(|e| no_answer(&e))? {
                    length += chunk.len();
                    if length > TEXT_BYTES_MAX {
                        return Err(NoAnswer::TooLong);
                    }
                    tail.push(&chunk);
                }
            }
        }
        tail.trim();
        Ok(tail)
    }

    /// The beginning of the body, which is no text that was asked for: it says why.
    async fn beginning(self) -> Bytes {
        let mut read = Vec::new();
        match self.body {
            Body::Whole(bytes) => read.extend_from_slice(&bytes),
            Body::Coming(mut response) => {
                while read.len() < REASON_BYTES_MAX
                    && let Ok(Some(chunk)) = response.chunk().await
                {
                    read.extend_from_slice(&chunk);
                }
            }
        }
        read.truncate(REASON_BYTES_MAX);
        read.into()
    }

    /// Where a redirect leads, in an answer from this URL.
    fn leads_to(&self, from: &Url) -> Result<Url, NoAnswer> {
        let location = self.headers.get(header::LOCATION);
        let location = location.and_then(|it| it.to_str().ok());
        let to = location.and_then(|it| from.join(it).ok());
        let to = to.ok_or(NoAnswer::BadRedirect)?;
        // Never from HTTPS to plain HTTP, and nothing that is no web address.
        let is_web = to.scheme() == "https" || to.scheme() == from.scheme();
        let is_open = to.username().is_empty() && to.password().is_none();
        if is_web && is_open && to.has_host() {
            Ok(to)
        } else {
            Err(NoAnswer::BadRedirect)
        }
    }
}

impl Http {
    /// Reads the end of a text.
    pub(in crate::provider) async fn tail(
        &self,
        request: &Request<'_>,
    ) -> Result<Tailed, NoAnswer> {
        let cost = (self.pace.cost)(&Method::GET, request.url.path());
        let admitted = self.budget.admit(request.errand, request.key, false, cost);
        let permit = admitted.await.map_err(NoAnswer::Away)?;
        if !self.is_ours(&request.url) {
            return Err(NoAnswer::BadRedirect);
        }
        let asking = self.open(&request.url, Some(request.token));
        let asked = tokio::time::timeout(self.call_timeout, asking).await;
        let open = asked.map_err(|_| NoAnswer::TimedOut)??;
        let tailed = match open.status.as_u16() {
            200 => self.in_time(async { open.tail().await.map(Ok) }).await,
            301 | 302 | 303 | 307 | 308 => {
                let to = open.leads_to(&request.url)?;
                let elsewhere = async {
                    let open = self.open(&to, None).await?;
                    match open.status.as_u16() {
                        200 => open.tail().await.map(Ok),
                        status => Ok(Err(unread(status))),
                    }
                };
                self.in_time(elsewhere).await
            }
            _ => {
                let (status, headers) = (open.status, open.headers.clone());
                let body = tokio::time::timeout(self.call_timeout, open.beginning()).await;
                return Ok(Tailed::Other(Answer {
                    status,
                    headers,
                    body: body.unwrap_or_default(),
                    url: request.url.clone(),
                }));
            }
        };
        drop(permit);
        Ok(Tailed::Text(tailed))
    }

    /// A text that could be read, in the time of a call.
    async fn in_time(
        &self,
        reading: impl Future<Output = Result<Part<Tail>, NoAnswer>>,
    ) -> Part<Tail> {
        match tokio::time::timeout(self.call_timeout, reading).await {
            Ok(Ok(read)) => read,
            Ok(Err(NoAnswer::TooLong)) => Err(Unread::TooLong),
            Ok(Err(_)) | Err(_) => Err(Unread::Failed),
        }
    }

    async fn open(&self, url: &Url, token: Option<&ProviderToken>) -> Result<Open, NoAnswer> {
        let mut outgoing = reqwest::Request::new(Method::GET, url.clone());
        let headers = outgoing.headers_mut();
        if let Some(token) = token {
            headers.clone_from(&self.headers);
            headers.insert(header::AUTHORIZATION, bearer(token));
        } else if let Some(agent) = self.headers.get(header::USER_AGENT) {
            headers.insert(header::USER_AGENT, agent.clone());
        }
        match &self.wire {
            Wire::Sockets(client) => {
                let response = client.execute(outgoing).await.map_err(|e| no_answer(&e))?;
                Ok(Open {
                    status: response.status(),
                    headers: response.headers().clone(),
                    body: Body::Coming(response),
                })
            }
            Wire::Outside(outside) => {
                let carried = outside.carry(outgoing).await.map_err(|lost| match lost {
                    Lost::Unreached => NoAnswer::Unreached(Unreached::Refused),
                    Lost::Cut => NoAnswer::Cut,
                })?;
                Ok(Open {
                    status: carried.status,
                    headers: carried.headers,
                    body: Body::Whole(carried.body),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_kept() {
        let mut tail = Tail::default();
        for n in 0..100_000 {
            tail.push(format!("line {n}\n").as_bytes());
            assert!(tail.bytes.len() <= 2 * TAIL_BYTES + 20);
        }
        tail.trim();
        assert!(tail.is_cut && tail.bytes.len() == TAIL_BYTES);
        assert!(tail.bytes.ends_with(b"line 99999\n"));
        let mut short = Tail::default();
        short.push(b"one");
        short.trim();
        assert!(!short.is_cut && short.bytes == b"one");
    }

    #[test]
    fn a_redirect_leads_to_web_addresses_only_and_never_to_plain_http() {
        let leads = |from: &str, to: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, to.parse().unwrap());
            let open = Open {
                status: StatusCode::FOUND,
                headers,
                body: Body::Whole(Bytes::new()),
            };
            open.leads_to(&from.parse().unwrap()).is_ok()
        };
        assert!(leads(
            "https://api.github.com/x",
            "https://logs.example/x?sig=1"
        ));
        assert!(leads("https://ghes.example/api", "/_logs/1"));
        assert!(leads("http://127.0.0.1:1/x", "http://localhost:1/log"));
        for to in [
            "http://logs.example/x",
            "ftp://logs.example/x",
            "file:///etc/passwd",
            "https://ann:key@logs.example/x",
            "data:text/plain,x",
        ] {
            assert!(!leads("https://api.github.com/x", to), "{to}");
        }
    }
}
