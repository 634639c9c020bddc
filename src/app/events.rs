//! The default events of hooks, for help texts.

use super::SystemEntropy;
use crate::domain::repo::ProviderKind;
use crate::provider::Decode;
use crate::provider::github::GithubDecode;
use crate::provider::gitlab::GitlabDecode;

/// The provider's names of these events.
pub fn default_events(kind: ProviderKind) -> &'static [&'static str] {
    match kind {
        ProviderKind::Github => GithubDecode::new(&SystemEntropy).default_events(),
        ProviderKind::Gitlab => GitlabDecode::new(&SystemEntropy).default_events(),
    }
}

/// Whether a provider has an event of this name, as far as is known: GitHub adds events faster than
/// a list could follow.
pub fn is_event(kind: ProviderKind, name: &str) -> bool {
    match kind {
        ProviderKind::Github => GithubDecode::new(&SystemEntropy).is_event_name(name),
        ProviderKind::Gitlab => GitlabDecode::new(&SystemEntropy).is_event_name(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands in backquotes from a mark to the end of the sentence.
    fn listed<'a>(page: &'a str, mark: &str) -> Vec<&'a str> {
        let (_, rest) = page.split_once(mark).expect(mark);
        let sentence = rest.split('.').next().unwrap_or_default();
        sentence.split('`').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_pages_of_the_providers_tell_the_events_of_the_code() {
        for (kind, page) in [
            (ProviderKind::Github, include_str!("../../docs/github.md")),
            (ProviderKind::Gitlab, include_str!("../../docs/gitlab.md")),
        ] {
            assert_eq!(page.matches("Default events:").count(), 1, "{kind}");
            assert_eq!(
                listed(page, "Default events:"),
                default_events(kind),
                "{kind}"
            );
        }
    }
}
