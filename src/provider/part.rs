//! A part of an explanation, as the provider answers it.

use super::access::ProviderError;
use super::dialect::Dialect;
use super::errors;
use super::http::Answer;
use super::session::Session;
use super::unread::unread;
use crate::domain::explanation::{Part, Unread};
use serde::de::DeserializeOwned;

/// The answer at a path, as JSON; or why there is none.
pub(super) async fn part<D: Dialect, T: DeserializeOwned>(
    s: &mut Session<'_, D>,
    path: &str,
) -> Result<Part<(T, Answer)>, ProviderError> {
    let Some(answer) = s.get_if_fits(s.url(path)).await? else {
        return Ok(Err(Unread::TooLong));
    };
    if answer.status.as_u16() != 200 {
        return Ok(Err(unread(answer.status.as_u16())));
    }
    let body = errors::parse(D::NAMING.name, &answer);
    Ok(body.map(|body| (body, answer)).map_err(|_| Unread::Failed))
}

/// The value of a parameter in a query.
pub(super) fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_stays_one_value_of_a_query() {
        assert_eq!(encoded("a&b=c/d #é"), "a%26b%3Dc%2Fd+%23%C3%A9");
    }
}
