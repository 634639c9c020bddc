//! The filters of lists, from the query string. A value that nothing can have is refused, and the
//! refusal lists those that there are: an empty list must not pass for an answer.

use super::error::{Code, Problem};
use super::extract::query_id;
use crate::domain::delivery::EVENT_NAME_BYTES_MAX;
use crate::domain::pattern::Pattern;
use crate::domain::repo::{Host, ProviderKind};
use crate::store::Whose;

fn bad(name: &str, why: &str) -> Problem {
    Problem::new(Code::BadQuery, format!("{name}: {why}"))
}

/// One of the values that a parameter may have, by its name.
pub(super) fn choice<T: Copy>(
    name: &str,
    text: Option<&String>,
    all: &[T],
    as_str: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    if let Some(found) = all.iter().find(|one| as_str(**one) == text) {
        return Ok(Some(*found));
    }
    let names: Vec<&str> = all.iter().map(|one| as_str(*one)).collect();
    Err(bad(name, &format!("expected one of {}", names.join(", "))))
}

/// The kind of provider that is asked for.
pub(super) fn provider(text: Option<&String>) -> Result<Option<ProviderKind>, Problem> {
    choice("provider", text, &ProviderKind::ALL, ProviderKind::as_str)
}

/// The host that is asked for.
pub(super) fn host(text: Option<&String>) -> Result<Option<Host>, Problem> {
    let host = text.map(|text| text.parse());
    host.transpose().map_err(|_| bad("host", "not a host name"))
}

/// The repositories that are asked for: a name, or a pattern for names.
pub(super) fn repository(text: Option<&String>) -> Result<Option<Pattern>, Problem> {
    let why = "expected owner/name, or a pattern such as owner/*";
    let pattern = text.map(|text| Pattern::any_case(text)).transpose();
    let pattern = pattern.map_err(|_| bad("repository", why))?;
    let single = pattern.as_ref().and_then(Pattern::single);
    if single.is_some_and(|name| name.parse::<crate::domain::repo::FullName>().is_err()) {
        return Err(bad("repository", why));
    }
    Ok(pattern)
}

/// The branches that are asked for: a name, or a pattern for names.
pub(super) fn branch(text: Option<&String>) -> Result<Option<Pattern>, Problem> {
    let pattern = text.map(|text| Pattern::exact_case(text)).transpose();
    pattern.map_err(|why| bad("branch", &why.to_string()))
}

/// The event that is asked for. Which events there are is the provider's business.
pub(super) fn event(text: Option<&String>) -> Result<Option<String>, Problem> {
    let fits = |text: &&String| {
        (1..=EVENT_NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
    };
    match text {
        None => Ok(None),
        Some(text) if fits(&text) => Ok(Some(text.clone())),
        Some(_) => Err(bad("event", "expected the provider's name of an event")),
    }
}

/// The connections that a list of what belongs to them is asked for.
pub(super) fn whose(
    connection: Option<&String>,
    of_repository: Option<&String>,
    of_provider: Option<&String>,
) -> Result<Whose, Problem> {
    Ok(Whose {
        connection: query_id("connection_id", connection)?,
        repository: repository(of_repository)?,
        provider: provider(of_provider)?,
    })
}
