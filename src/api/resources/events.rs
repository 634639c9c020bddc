//! The events that a webhook subscribes to.

use crate::api::error::Problem;
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

/// The events asked for, sorted and each once.
pub(super) fn events_named(
    decoder: &dyn Decode,
    mut events: Vec<String>,
) -> Result<Vec<String>, Problem> {
    let named = |event: &str| {
        (1..=EVENT_NAME_BYTES_MAX).contains(&event.len()) && decoder.is_event_name(event)
    };
    events.sort_unstable();
    events.dedup();
    if events.is_empty() || events.len() > EVENTS_MAX {
        let why = format!("expected 1 to {EVENTS_MAX} events");
        return Err(Problem::invalid("webhook_events", why));
    }
    if events.len() > 1 && events.iter().any(|event| event == ALL_EVENTS) {
        let why = "\"*\" stands for all events and must stand alone";
        return Err(Problem::invalid("webhook_events", why));
    }
    if events.iter().all(|event| named(event)) {
        Ok(events)
    } else {
        let known = decoder.default_events().join(", ");
        let why = format!("expected the provider's names of events, such as {known}");
        Err(Problem::invalid("webhook_events", why))
    }
}

/// The dialect of a provider that this daemon is configured with.
pub(super) fn decoder(shared: &Shared, provider: ProviderKind) -> Result<&dyn Decode, Problem> {
    let decoder = shared.providers.decoder(provider).map(|decoder| &**decoder);
    decoder.ok_or_else(|| Problem::invalid("provider", "this daemon does not serve that provider"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::Code;
    use crate::domain::id::Entropy;
    use crate::provider::github::GithubDecode;

    struct Zeroes;

    impl Entropy for Zeroes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn events_are_checked_sorted_and_each_kept_once() {
        let decoder = GithubDecode::new(&Zeroes);
        let named =
            |events: &[&str]| events_named(&decoder, events.iter().map(|e| (*e).into()).collect());
        assert_eq!(
            named(&["push", "check_run", "push"]).unwrap(),
            ["check_run", "push"]
        );
        assert_eq!(named(&["*"]).unwrap(), ["*"]);
        for bad in [
            &[][..],
            &["*", "push"],
            &["Push"],
            &[""],
            &["a b"],
            &["push\n"],
        ] {
            assert_eq!(
                named(bad).unwrap_err().code(),
                Code::InvalidField,
                "{bad:?}"
            );
        }
        let many: Vec<String> = (0..=EVENTS_MAX).map(|n| "e".repeat(n + 1)).collect();
        assert!(events_named(&decoder, many).is_err());
    }
}
