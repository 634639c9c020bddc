//! The events that a webhook subscribes to.

use crate::api::error::{Code, Problem};
use crate::api::scope::Shared;
use crate::domain::connection::EVENTS_MAX;
use crate::domain::delivery::EVENT_NAME_BYTES_MAX;
use crate::domain::repo::ProviderKind;
use crate::provider::Decode;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

/// How the API's description describes a choice of events. Which of them a provider has depends on
/// the provider: see [`Decode::is_event_name`].
pub(super) fn of_any() -> Array {
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .description(Some(
            "Events to subscribe to, by the provider's names. When left out of a new connection: \
             those about CI, pushes, and pull or merge requests. For a new connection to GitHub, \
             `*` alone stands for all.",
        ))
        .items(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(r"^([a-z_]{1,100}|\*)$")),
        )
        .min_items(Some(1))
        .max_items(Some(EVENTS_MAX))
        .into()
}

/// Every event that the provider has.
const ALL_EVENTS: &str = "*";

/// Whether a text can be the name of an event of any provider.
fn is_name(event: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_lowercase() || b == b'_';
    (1..=EVENT_NAME_BYTES_MAX).contains(&event.len()) && event.bytes().all(is_part)
}

/// The events asked for, sorted and each once. What no provider accepts is an invalid field; what
/// only this provider does not have is its own problem, which no schema of the body can rule out.
pub(super) fn events_named(
    decoder: &dyn Decode,
    mut events: Vec<String>,
) -> Result<Vec<String>, Problem> {
    let invalid = |why: &str| Err(Problem::invalid("webhook_events", why));
    events.sort_unstable();
    events.dedup();
    let is_all = events == [ALL_EVENTS];
    if events.is_empty() || events.len() > EVENTS_MAX {
        return invalid(&format!("expected 1 to {EVENTS_MAX} events"));
    }
    if !is_all && events.iter().any(|event| event == ALL_EVENTS) {
        return invalid("\"*\" stands for all events and must stand alone");
    }
    if !is_all && !events.iter().all(|event| is_name(event)) {
        return invalid("expected names of events: up to 100 of a to z and '_'");
    }
    if events.iter().all(|event| decoder.is_event_name(event)) {
        return Ok(events);
    }
    let known = decoder.default_events().join(", ");
    let words = format!("webhook_events: expected the provider's names, such as {known}.");
    Err(Problem::new(Code::UnknownEvent, words))
}

/// The dialect of a provider that this daemon is configured with.
pub(super) fn decoder(shared: &Shared, provider: ProviderKind) -> Result<&dyn Decode, Problem> {
    let decoder = shared.providers.decoder(provider).map(|decoder| &**decoder);
    decoder.ok_or_else(|| Problem::invalid("provider", "this daemon does not serve that provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::Same;
    use crate::provider::github::GithubDecode;
    use crate::provider::gitlab::GitlabDecode;

    #[test]
    fn events_are_checked_sorted_and_each_kept_once() {
        let (github, gitlab) = (GithubDecode::new(&Same(0)), GitlabDecode::new(&Same(0)));
        let providers: [&dyn Decode; 2] = [&github, &gitlab];
        let named = |decoder: &dyn Decode, events: &[&str]| {
            events_named(decoder, events.iter().map(|e| (*e).into()).collect())
        };
        for (events, of_github, of_gitlab) in [
            (&["push", "check_run", "push"][..], true, false),
            (&["*"], true, false),
            (&["push_events", "pipeline_events"], true, true),
            (&["no_such_event"], true, false),
        ] {
            for (decoder, is_known) in providers.into_iter().zip([of_github, of_gitlab]) {
                let found = named(decoder, events).map_err(|problem| problem.code());
                let mut wanted: Vec<String> = events.iter().map(|e| (*e).into()).collect();
                wanted.sort();
                wanted.dedup();
                let wanted = is_known.then_some(wanted).ok_or(Code::UnknownEvent);
                assert_eq!(found, wanted, "{events:?}");
            }
        }
        let long = "e".repeat(EVENT_NAME_BYTES_MAX + 1);
        let many: Vec<String> = (0..=EVENTS_MAX).map(|n| "e".repeat(n + 1)).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for bad in [
            &[][..],
            &["*", "push"],
            &["Push"],
            &[""],
            &["a b"],
            &["push\n"],
            &[&long],
            &many,
        ] {
            for decoder in providers {
                let refused = named(decoder, bad).unwrap_err();
                assert_eq!(refused.code(), Code::InvalidField, "{bad:?}");
            }
        }
    }
}
