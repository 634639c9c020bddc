//! The OAuth client of an installation: forms that are sent once, to its own origin only.

use super::answer;
use super::dialect::Dialect;
use super::{DeviceCode, DevicePoll, GrantError, Granting, Grants, Tokens};
use crate::domain::repo::ProviderKind;
use crate::domain::secret::{OauthSecret, ProviderToken};
use crate::provider::call;
use crate::provider::http::{self, Answer, HttpConfig, HttpError, NoAnswer};
use reqwest::header;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;
use url::form_urlencoded::Serializer;

/// The name of the grant of RFC 8628.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Our client at an installation.
pub struct OauthClient {
    dialect: Dialect,
    web: Url,
    client: reqwest::Client,
    user_agent: String,
    call_timeout: Duration,
    client_id: String,
    client_secret: Option<OauthSecret>,
    provider: ProviderKind,
}

impl fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OauthClient({})", self.web)
    }
}

impl OauthClient {
    /// A client of the installation with web pages at `web_url`. Uses all of `config` except the
    /// API URL. Without a secret only the device flow works.
    pub fn new(
        provider: ProviderKind,
        web_url: &Url,
        config: &HttpConfig,
        client_id: String,
        client_secret: Option<OauthSecret>,
    ) -> Result<Self, HttpError> {
        Ok(Self {
            dialect: Dialect::of(provider),
            web: http::base(web_url)?,
            client: http::client(config)?,
            user_agent: config.user_agent.clone(),
            call_timeout: config.call_timeout,
            client_id,
            client_secret,
            provider,
        })
    }

    fn url(&self, path: &str) -> Url {
        self.web
            .join(path)
            .expect("the paths of dialects are plain literals")
    }

    /// The start of every form.
    fn form(&self, with_secret: bool) -> Serializer<'static, String> {
        let mut form = Serializer::new(String::new());
        form.append_pair("client_id", &self.client_id);
        if let (true, Some(secret)) = (with_secret, &self.client_secret) {
            form.append_pair("client_secret", secret.expose());
        }
        form
    }

    /// Sends a form, once, and reads the whole answer.
    async fn post(&self, path: &str, body: String) -> Result<Answer, NoAnswer> {
        let request = self
            .client
            .post(self.url(path))
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, &self.user_agent)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let sending = async {
            let response = request.send().await.map_err(|e| http::no_answer(&e))?;
            http::read(response).await
        };
        tokio::time::timeout(self.call_timeout, sending)
            .await
            .map_err(|_| NoAnswer::TimedOut)?
    }

    /// Sends a request and counts its outcome.
    fn ask<'a, T: Send + 'a>(
        &'a self,
        operation: &'static str,
        path: &'static str,
        mut form: Serializer<'static, String>,
        judge: impl FnOnce(&Answer) -> Result<T, GrantError> + Send + 'a,
    ) -> Granting<'a, T> {
        let body = form.finish();
        Box::pin(async move {
            let began = Instant::now();
            let outcome = match self.post(path, body).await {
                Ok(answer) => judge(&answer),
                Err(none) => {
                    let place = http::place(&self.web);
                    Err(answer::of_no_answer(self.dialect.name, &place, none))
                }
            };
            let name = outcome.as_ref().err().map_or("ok", outcome_name);
            call::count(self.provider, operation, name, began.elapsed());
            outcome
        })
    }
}

/// The name of a failure in metrics.
fn outcome_name(error: &GrantError) -> &'static str {
    use super::GrantFailure;
    match error.failure {
        GrantFailure::Refused => "unauthorized",
        GrantFailure::Misconfigured => "rejected",
        GrantFailure::Retryable { .. } => "provider_unavailable",
        GrantFailure::Unknown => "bad_answer",
    }
}

impl Grants for OauthClient {
    fn authorize_url(&self, state: &str, challenge: &str, redirect_uri: &str) -> Url {
        let mut url = self.url(self.dialect.authorize);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", self.dialect.scope)
            .append_pair("state", state)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256");
        url
    }

    fn is_issuer(&self, iss: &str) -> bool {
        let is_ours = |url: Url| url.origin() == self.web.origin();
        Url::parse(iss).is_ok_and(is_ours)
    }

    fn exchange<'a>(
        &'a self,
        code: &'a OauthSecret,
        verifier: &'a OauthSecret,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens> {
        let mut form = self.form(true);
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose())
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", verifier.expose());
        let judge = |answer: &Answer| answer::tokens(self.dialect.name, answer);
        self.ask("oauth_exchange", self.dialect.token, form, judge)
    }

    fn refresh<'a>(
        &'a self,
        refresh: &'a ProviderToken,
        redirect_uri: &'a str,
    ) -> Granting<'a, Tokens> {
        let mut form = self.form(true);
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", refresh.expose());
        if self.dialect.refresh_names_redirect {
            form.append_pair("redirect_uri", redirect_uri);
        }
        let judge = |answer: &Answer| answer::tokens(self.dialect.name, answer);
        self.ask("oauth_refresh", self.dialect.token, form, judge)
    }

    fn device_begin(&self) -> Granting<'_, DeviceCode> {
        let mut form = self.form(false);
        form.append_pair("scope", self.dialect.scope);
        let is_ours = |url: &Url| url.origin() == self.web.origin();
        let judge = move |answer: &Answer| answer::device_code(self.dialect.name, answer, is_ours);
        self.ask("oauth_device", self.dialect.device, form, judge)
    }

    fn device_poll<'a>(&'a self, device_code: &'a OauthSecret) -> Granting<'a, DevicePoll> {
        let mut form = self.form(true);
        form.append_pair("grant_type", DEVICE_GRANT)
            .append_pair("device_code", device_code.expose());
        let judge = |answer: &Answer| answer::device_poll(self.dialect.name, answer);
        self.ask("oauth_device_poll", self.dialect.token, form, judge)
    }
}
