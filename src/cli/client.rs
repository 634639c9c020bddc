//! The API as the commands use it: one request, one JSON answer, errors in words.

use super::Failed;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

/// Where a daemon listens unless told otherwise.
const URL_DEFAULT: &str = "http://127.0.0.1:8080";
/// Longest wait for an answer: the longest thing that the API waits for itself is a hook's
/// creation, a few seconds.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Longest token file that is read.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A client of a running daemon.
pub(super) struct Client {
    base_url: String,
    token: String,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// Reads a secret from an environment variable, or from the file that `NAME_FILE` names.
fn secret_from_env(name: &str) -> Result<Option<String>, Failed> {
    if let Ok(value) = std::env::var(name) {
        return Ok(Some(value));
    }
    match std::env::var(format!("{name}_FILE")) {
        Ok(path) => read_secret_file(&path).map(Some),
        Err(_) => Ok(None),
    }
}

/// Whether there is a token for a daemon.
pub(super) fn has_token() -> bool {
    let names = ["HOOKHERD_TOKEN", "HOOKHERD_TOKEN_FILE"];
    names.iter().any(|name| std::env::var_os(name).is_some())
}

/// Reads a secret from a file, without the line end.
pub(super) fn read_secret_file(path: &str) -> Result<String, Failed> {
    use std::io::Read;
    let told = |error: std::io::Error| Failed(format!("cannot read {path}: {error}"));
    let file = std::fs::File::open(path).map_err(told)?;
    let mut text = String::new();
    file.take(TOKEN_FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(told)?;
    Ok(text.trim().to_owned())
}

impl Client {
    /// A client for the daemon that the environment names.
    pub(super) fn from_env() -> Result<Self, Failed> {
        let token = secret_from_env("HOOKHERD_TOKEN")?.ok_or_else(|| {
            Failed("set HOOKHERD_TOKEN (or HOOKHERD_TOKEN_FILE) to an API token".into())
        })?;
        let base_url = std::env::var("HOOKHERD_URL").unwrap_or_else(|_| URL_DEFAULT.into());
        Self::new(&base_url, token)
    }

    /// A client for the daemon at an address.
    pub(super) fn new(base_url: &str, token: String) -> Result<Self, Failed> {
        // Only the first installation in a process counts; any later one is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            token,
            http: reqwest::Client::builder().timeout(TIMEOUT).build()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        })
    }

    /// Sends a request and returns the JSON answer; an error answer becomes its own words.
    pub(super) fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failed> {
        let (status, value) = self.ask(method, path, body)?;
        if status.is_success() {
            Ok(value)
        } else {
            Err(told(status, &value))
        }
    }

    /// Sends a request and returns the answer, whatever it says.
    pub(super) fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), Failed> {
        let url = format!("{}/api/v2/{path}", self.base_url);
        let mut request = self.http.request(method, &url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let answer = request
                .send()
                .await
                .map_err(|_| Failed(format!("no answer from {}: is it running?", self.base_url)))?;
            let status = answer.status();
            let text = answer.text().await?;
            let value = serde_json::from_str(&text).unwrap_or(Value::Null);
            Ok((status, value))
        })
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
}

/// An error answer in words: problem details when it is one, the status otherwise.
pub(super) fn told(status: StatusCode, problem: &Value) -> Failed {
    let field = |name: &str| problem.get(name).and_then(Value::as_str);
    let words = field("detail")
        .or_else(|| field("title"))
        .unwrap_or("no details were given");
    match field("code") {
        Some(code) => Failed(format!("{words} ({code}, HTTP {})", status.as_u16())),
        None => Failed(format!("HTTP {}: {words}", status.as_u16())),
    }
}

/// A query string from the pairs that have a value; empty when none has.
pub(super) fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value {
            text.append_pair(name, value);
        }
    }
    let text = text.finish();
    if text.is_empty() {
        text
    } else {
        format!("?{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_code() {
        let problem = serde_json::json!({"detail": "no such connection", "code": "not_found"});
        let Failed(words) = told(StatusCode::NOT_FOUND, &problem);
        assert_eq!(words, "no such connection (not_found, HTTP 404)");
        let Failed(words) = told(StatusCode::BAD_GATEWAY, &Value::Null);
        assert_eq!(words, "HTTP 502: no details were given");
    }

    #[test]
    fn queries_leave_out_what_was_not_given_and_escape_the_rest() {
        assert_eq!(query(&[("a", None), ("b", None)]), "");
        assert_eq!(query(&[("a", Some("x y&z")), ("b", None)]), "?a=x+y%26z");
    }
}
