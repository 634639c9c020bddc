//! Whether an API URL leads to that provider's API, without a token.

use super::dialect::Dialect;
use super::errors;
use super::github::GithubDialect;
use super::gitlab::GitlabDialect;
use super::http::{self, Answer, HttpConfig, HttpError, NoAnswer};
use super::outbound::ProviderError;
use crate::domain::error_code::ErrorCode;
use crate::domain::repo::ProviderKind;
use crate::domain::time::Timestamp;
use reqwest::header;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// A path that both providers have, and refuse without a token.
const PATH: &str = "user";

/// A reachable API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The time there, to the second; `None` when it is not sent.
    pub clock: Option<Timestamp>,
}

/// Sends one request. The error says what answers instead, or why nothing does.
pub async fn probe(provider: ProviderKind, config: &HttpConfig) -> Result<Probed, ProviderError> {
    match provider {
        ProviderKind::Github => ask::<GithubDialect>(config).await,
        ProviderKind::Gitlab => ask::<GitlabDialect>(config).await,
    }
}

async fn ask<D: Dialect>(config: &HttpConfig) -> Result<Probed, ProviderError> {
    let unusable = |error: HttpError| errors::rejected(ErrorCode::NotConfigured, error.to_string());
    let base = http::base(&config.api_url).map_err(unusable)?;
    let url = base.join(PATH).expect("a plain path fits behind any base");
    let client = http::client(config).map_err(unusable)?;
    let place = http::place(&url);
    let request = client
        .get(url)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, &config.user_agent);
    let asking = async {
        let response = request.send().await.map_err(|e| http::no_answer(&e))?;
        http::read(response).await
    };
    let answer = tokio::time::timeout(config.call_timeout, asking).await;
    let answer = answer.unwrap_or(Err(NoAnswer::TimedOut));
    let answer = answer.map_err(|none| errors::of_no_answer(D::NAMING, &place, none, false))?;
    judge::<D>(&answer, &place)
}

fn judge<D: Dialect>(answer: &Answer, place: &str) -> Result<Probed, ProviderError> {
    let is_object = || serde_json::from_slice::<Map<String, Value>>(&answer.body).is_ok();
    let status = answer.status.as_u16();
    match status {
        300..=399 => {
            let none = NoAnswer::BadRedirect;
            Err(errors::of_no_answer(D::NAMING, place, none, false))
        }
        500..=599 => Err(errors::of_any(D::NAMING, answer, false)
            .unwrap_or_else(|| errors::other(D::NAMING.name, answer))),
        _ if answer.is_page() || matches!(status, 404 | 410) => {
            Err(errors::wrong_api_url(D::NAMING, answer, false))
        }
        // Too many requests without a token: that is an answer of the API, too.
        429 => Ok(probed(answer)),
        403 if !is_object() => Err(errors::other(D::NAMING.name, answer)),
        _ if !is_object() => Err(errors::wrong_api_url(D::NAMING, answer, false)),
        _ => Ok(probed(answer)),
    }
}

fn probed(answer: &Answer) -> Probed {
    let date = answer.header("date").unwrap_or_default();
    // The form of RFC 9110, except for the name of the zone.
    let date = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822).ok();
    let seconds = date.map(OffsetDateTime::unix_timestamp);
    let clock = seconds.and_then(|s| s.checked_mul(1000)).map(Timestamp);
    Probed { clock }
}
