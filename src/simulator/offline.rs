//! A provider without sockets and without a clock of its own, for simulations in virtual time.

use super::control::{GithubHandle, GitlabHandle};
use super::dialect;
use super::faults::Faults;
use super::shared::Shared;
use super::transport::{Sent, Transport};
use crate::domain::time::Clock;
use actix_web::body::to_bytes;
use actix_web::http::{Method, Uri};
use actix_web::test::TestRequest;
use actix_web::web;
use bytes::Bytes;
use std::future::pending;
use std::sync::Arc;

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its body.
    pub body: Bytes,
}

/// A simulated GitHub and GitLab that are called in this process. Their deliveries wait until the
/// simulated network takes them.
#[derive(Clone)]
pub struct Offline(Arc<Shared>);

impl std::fmt::Debug for Offline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Offline").finish_non_exhaustive()
    }
}

impl Offline {
    /// One whose time is that of a clock. `url` is where it is said to listen.
    pub fn new(clock: Arc<dyn Clock>, url: &str) -> Self {
        let shared = Shared::offline(clock);
        shared.ground.listens_on(url.to_owned());
        Self(Arc::new(shared))
    }

    /// Its GitHub.
    pub fn github(&self) -> GithubHandle {
        GithubHandle(Arc::clone(&self.0))
    }

    /// Its GitLab.
    pub fn gitlab(&self) -> GitlabHandle {
        GitlabHandle(Arc::clone(&self.0))
    }

    /// What it does wrong on demand.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Answers a request for a path with its query. `None`: the connection broke in the middle of
    /// the answer. Never resolves, or late, when it does not answer.
    pub async fn answer(
        &self,
        (method, path): (&str, &str),
        headers: &[(String, Vec<u8>)],
        body: Bytes,
    ) -> Option<Answered> {
        let method = method.parse::<Method>().ok()?;
        let uri = path.parse::<Uri>().ok()?;
        let mut request = TestRequest::default().method(method).uri(&uri.to_string());
        for (name, value) in headers {
            request = request.append_header((name.as_str(), value.as_slice()));
        }
        let shared = web::Data::from(Arc::clone(&self.0));
        let response = dialect::handle(shared, request.to_http_request(), body).await;
        let status = response.status().as_u16();
        let pair = |(name, value): (
            &actix_web::http::header::HeaderName,
            &actix_web::http::header::HeaderValue,
        )| { (name.as_str().to_owned(), value.as_bytes().to_vec()) };
        let headers = response.headers().iter().map(pair).collect();
        let body = to_bytes(response.into_body()).await.ok()?;
        Some(Answered {
            status,
            headers,
            body,
        })
    }

    /// The next delivery that it sends, once there is one.
    pub async fn next_sent(&self) -> Sent {
        match &self.0.transport {
            Transport::Handed(handed) => handed.next().await,
            Transport::Sockets(_) => pending().await,
        }
    }
}
