//! Requests to checked addresses.
//!
//! The order is what makes it safe: a name is looked up once, every address is checked, and the
//! client gets exactly these addresses for this request. There is no second look-up between the
//! check and the connection. An address in the URL never comes to a resolver and is checked before.

use super::answer::{Answer, BODY_BYTES_MAX};
use super::destination::Destination;
use super::error::AddressError;
use super::fault::SendError;
use super::host::{Host, Lookup};
use super::names::{Names, System};
use super::proxy::Proxy;
use super::tls;
use crate::domain::net::allowed::Allowed;
use bytes::Bytes;
use reqwest::Method;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Most addresses of a name that a client may try: a name could have thousands, of other people.
const ADDRESSES_MAX: usize = 8;

/// The settings of [`Outbound`].
pub struct Settings {
    /// The operator's allow list.
    pub allowed: Allowed,
    /// Longest time for looking up a name, and for connecting.
    pub connect_timeout: Duration,
    /// Longest time for a request, from the look-up to the last byte of the answer.
    pub total_timeout: Duration,
    /// Looks up names.
    pub names: Arc<dyn Names>,
    /// The proxy; `None` for direct calls.
    pub proxy: Option<Proxy>,
    /// PEM certificates of authorities to trust in addition to the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// The host at which we are reached: what mail servers are greeted with.
    pub name: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("allowed", &self.allowed)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The default settings with this allow list.
    pub fn new(allowed: Allowed) -> Self {
        Self {
            allowed,
            connect_timeout: Duration::from_secs(5),
            total_timeout: Duration::from_secs(15),
            names: Arc::new(System::default()),
            proxy: None,
            ca_pem: None,
            name: "localhost".to_owned(),
        }
    }
}

/// Settings from which no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The certificates cannot be read.
    #[error("the file of certificate authorities holds no certificates in PEM")]
    BadCertificates,
    /// The URL of the proxy cannot be used. It may hold a password.
    #[error("the URL of the proxy cannot be used")]
    BadProxy,
    /// The client cannot be set up: usually, the machine has no certificate authorities.
    #[error("cannot set up HTTPS: {0}. Check that CA certificates are installed on this machine")]
    NoClient(reqwest::Error),
    /// TLS cannot be set up for what is not HTTP.
    #[error("cannot set up TLS: {0}. Check that CA certificates are installed on this machine")]
    NoTls(rustls::Error),
}

/// A request to a destination. Its headers and body may hold secrets.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Headers. Values with secrets should be marked as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Segments appended to the path of the destination, escaped here.
    pub segments: Vec<String>,
    /// Pairs appended to the query of the destination, escaped here.
    pub query: Vec<(String, String)>,
    /// Most bytes of the answer that are read: 64 KiB, unless a kind reads more of it.
    pub answer_bytes_max: usize,
}

impl Request {
    /// A request to the destination itself.
    pub fn new(method: Method, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            headers,
            body: body.into(),
            segments: Vec::new(),
            query: Vec::new(),
            answer_bytes_max: BODY_BYTES_MAX,
        }
    }

    /// A request with JSON to the destination itself.
    pub fn json(method: Method, body: &serde_json::Value) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Self::new(method, headers, body.to_string())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A host with its checked addresses.
#[derive(Clone)]
struct Checked {
    name: String,
    addresses: Vec<SocketAddr>,
}

tokio::task_local! {
    /// The addresses of the request that this task is sending.
    static CHECKED: Checked;
}

/// Returns what was checked for this request, and nothing for any other name.
struct Pinned;

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let of_name = |checked: &Checked| {
            let is_it = checked.name == name.as_str();
            is_it.then(|| checked.addresses.clone())
        };
        let found = CHECKED.try_with(of_name).ok().flatten();
        let found = match found {
            Some(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
            None => Err("the name was not checked".into()),
        };
        Box::pin(std::future::ready(found))
    }
}

/// Sends requests to addresses that users have entered.
pub struct Outbound {
    direct: reqwest::Client,
    /// The proxy, and a client that uses it for everything.
    proxied: Option<(Proxy, reqwest::Client)>,
    tls: Arc<rustls::ClientConfig>,
    names: Arc<dyn Names>,
    allowed: Allowed,
    connect_timeout: Duration,
    total_timeout: Duration,
    name: String,
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Errors when no client can be made.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let direct = builder(&settings)?.dns_resolver(Pinned);
        let proxied = match &settings.proxy {
            None => None,
            Some(proxy) => {
                let by = proxy.as_reqwest().map_err(|_| SettingsError::BadProxy)?;
                let client = builder(&settings)?.proxy(by);
                let client = client.build().map_err(SettingsError::NoClient)?;
                Some((proxy.clone(), client))
            }
        };
        let more = tls::certificates(settings.ca_pem.as_deref().unwrap_or_default());
        let more = more.ok_or(SettingsError::BadCertificates)?;
        Ok(Self {
            direct: direct.build().map_err(SettingsError::NoClient)?,
            proxied,
            tls: tls::config(more).map_err(SettingsError::NoTls)?,
            names: settings.names,
            allowed: settings.allowed,
            connect_timeout: settings.connect_timeout,
            total_timeout: settings.total_timeout,
            name: settings.name,
        })
    }

    /// The host at which we are reached.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Longest time for one delivery.
    pub(super) const fn total_timeout(&self) -> Duration {
        self.total_timeout
    }

    /// TLS for what is not HTTP.
    pub(super) const fn tls(&self) -> &Arc<rustls::ClientConfig> {
        &self.tls
    }

    /// The operator's allow list, for [`Destination::parse`].
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// Sends a request and reads the answer, whatever its status. Nothing is retried and no
    /// redirect is followed.
    pub async fn send(&self, to: &Destination, request: Request) -> Result<Answer, SendError> {
        let ends = Instant::now() + self.total_timeout;
        let late = |_| SendError::TimedOut { place: to.place() };
        let bytes_max = request.answer_bytes_max;
        let begun = timeout_at(ends, self.begin(to, request)).await;
        let response = begun.map_err(late)??;
        let status = response.status().as_u16();
        match timeout_at(ends, Answer::read(response, bytes_max)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(SendError::Broken {
                place: to.place(),
                status: Some(status),
            }),
            Err(_) => Err(SendError::TooSlow {
                place: to.place(),
                status,
            }),
        }
    }

    async fn begin(
        &self,
        to: &Destination,
        request: Request,
    ) -> Result<reqwest::Response, SendError> {
        let mut outgoing =
            reqwest::Request::new(request.method, to.with(&request.segments, &request.query));
        *outgoing.headers_mut() = request.headers;
        *outgoing.body_mut() = Some(request.body.into());
        let by_proxy = self.proxied.as_ref();
        let sent = if let Some((_, client)) = by_proxy.filter(|(proxy, _)| proxy.is_for(&to.host)) {
            to.check_entered(&self.allowed, Lookup::Theirs)?;
            client.execute(outgoing).await
        } else {
            let addresses = self.checked(&to.host, to.port, to.public()).await;
            let addresses = addresses.map_err(|error| match error {
                SendError::Refused(error) => to.of_scheme(error).into(),
                other => other,
            })?;
            let name = to.host.to_string();
            let checked = Checked { name, addresses };
            CHECKED.scope(checked, self.direct.execute(outgoing)).await
        };
        sent.map_err(|error| SendError::of(&error, to.place()))
    }

    /// Whether a host that a user enters may be called, as far as this is known without a look-up:
    /// see [`Self::resolve`].
    pub(super) fn may_call(
        &self,
        host: &str,
        port: u16,
        permitted: &[u16],
    ) -> Result<(), AddressError> {
        let host = Host::parse(host).ok_or(AddressError::Host)?;
        host.check_entered(port, permitted, &self.allowed, Lookup::Ours)
    }

    /// A connection that is not HTTP, to one of the addresses of [`Self::resolve`].
    pub(super) async fn connect(
        &self,
        host: &str,
        port: u16,
        permitted: &[u16],
    ) -> Result<TcpStream, SendError> {
        for address in self.resolve(host, port, permitted).await? {
            let connected = timeout(self.connect_timeout, TcpStream::connect(address)).await;
            if let Ok(Ok(stream)) = connected {
                return Ok(stream);
            }
        }
        let place = format!("{host}:{port}");
        Err(SendError::Unreached { place })
    }

    /// The addresses of a host, all of them checked, for a connection that is not HTTP. `permitted`
    /// are the ports on which hosts of the internet may be called. Names and addresses are read as
    /// in a URL. Never through the proxy.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        permitted: &[u16],
    ) -> Result<Vec<SocketAddr>, SendError> {
        let host = Host::parse(host).ok_or(AddressError::Host)?;
        self.checked(&host, port, permitted).await
    }

    /// One address that may not be called refuses the host: which one a client uses is chance.
    async fn checked(
        &self,
        host: &Host,
        port: u16,
        public: &[u16],
    ) -> Result<Vec<SocketAddr>, SendError> {
        host.check_entered(port, public, &self.allowed, Lookup::Ours)?;
        let found = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let found = timeout(self.connect_timeout, self.names.addresses(name)).await;
                let found = found.ok().and_then(Result::ok).unwrap_or_default();
                if found.is_empty() {
                    let host = host.to_string();
                    return Err(SendError::NotResolved { host });
                }
                found
            }
        };
        for address in &found {
            host.check(*address, port, public, &self.allowed)?;
        }
        let at_port = |address| SocketAddr::new(address, port);
        Ok(found.into_iter().take(ADDRESSES_MAX).map(at_port).collect())
    }
}

/// A client without redirects, retries, idle connections and proxies. With an idle connection a
/// request could fail that was never seen by the server, or reach an address that is no longer that
/// of the name.
fn builder(settings: &Settings) -> Result<reqwest::ClientBuilder, SettingsError> {
    // An error means that a provider is already installed: then that one is used.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .user_agent(concat!("hookherd/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(settings.connect_timeout);
    let Some(pem) = &settings.ca_pem else {
        return Ok(client);
    };
    let certificates = reqwest::Certificate::from_pem_bundle(pem);
    let certificates = certificates.map_err(|_| SettingsError::BadCertificates)?;
    if certificates.is_empty() {
        return Err(SettingsError::BadCertificates);
    }
    Ok(client.tls_certs_merge(certificates))
}
