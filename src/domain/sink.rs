//! Sinks: where an owner is notified.

pub mod digest;
pub mod pace;
pub mod template;

use super::id::{IncidentId, OwnerId, SinkId};
use super::incident::Severity;
use super::secret::Sealed;
use super::time::Timestamp;
use digest::Digest;
use template::{Part, Templates};

/// Longest name of a sink, in characters.
pub const NAME_CHARS_MAX: usize = 100;

named! {
    /// The kinds of sinks.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum SinkKind {
        /// Any receiver of Standard Webhooks.
        Webhook = "webhook",
        /// Slack, by an incoming webhook.
        Slack = "slack",
        /// A channel of Slack, by the token of a bot.
        SlackBot = "slack_bot",
        /// Mattermost, by an incoming webhook.
        Mattermost = "mattermost",
        /// Discord, by a webhook.
        Discord = "discord",
        /// Microsoft Teams, by a workflow.
        Teams = "teams",
        /// A topic of ntfy.
        Ntfy = "ntfy",
        /// An application of Gotify.
        Gotify = "gotify",
        /// A service of `PagerDuty`, by Events API v2.
        Pagerduty = "pagerduty",
        /// Prometheus Alertmanager.
        Alertmanager = "alertmanager",
        /// E-mail, by a server that takes mail from users.
        Email = "email",
        /// A chat of Telegram, by a bot.
        Telegram = "telegram",
        /// A room of Matrix.
        Matrix = "matrix",
        /// Issues of a repository of GitHub.
        GithubIssue = "github_issue",
    }
}

impl SinkKind {
    /// Whether it forgets an incident that is not sent again for a while.
    pub const fn forgets(self) -> bool {
        match self {
            Self::Alertmanager => true,
            Self::Webhook
            | Self::Slack
            | Self::SlackBot
            | Self::Mattermost
            | Self::Discord
            | Self::Teams
            | Self::Ntfy
            | Self::Gotify
            | Self::Pagerduty
            | Self::Email
            | Self::Telegram
            | Self::Matrix
            | Self::GithubIssue => false,
        }
    }
}

impl SinkKind {
    /// Whether it shows a report. The others have alerts or issues only, which
    /// a person closes.
    pub const fn takes_digest(self) -> bool {
        match self {
            Self::Alertmanager | Self::Pagerduty | Self::GithubIssue => false,
            Self::Webhook
            | Self::Slack
            | Self::SlackBot
            | Self::Mattermost
            | Self::Discord
            | Self::Teams
            | Self::Ntfy
            | Self::Gotify
            | Self::Email
            | Self::Telegram
            | Self::Matrix => true,
        }
    }

    /// Whether a template may replace this text of its messages. Programs read those of a generic
    /// webhook, and what an alert of `PagerDuty` says besides its summary.
    pub const fn takes_template(self, part: Part) -> bool {
        match (self, part) {
            (Self::Webhook, _) | (Self::Pagerduty, Part::Text) => false,
            (Self::Pagerduty, Part::Title)
            | (
                Self::Slack
                | Self::SlackBot
                | Self::Mattermost
                | Self::Discord
                | Self::Teams
                | Self::Ntfy
                | Self::Gotify
                | Self::Alertmanager
                | Self::Email
                | Self::Telegram
                | Self::Matrix
                | Self::GithubIssue,
                Part::Title | Part::Text,
            ) => true,
        }
    }
}

named! {
    /// Why a sink was disabled.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub enum DisableReason {
        /// It answered that it is permanently gone.
        Gone = "gone",
        /// It answered that there is no such address.
        NotFound = "not_found",
        /// It refuses the key, or us.
        Refused = "refused",
        /// Its address may not be called; see the operator's list of allowed addresses.
        AddressRefused = "address_refused",
        /// Its address or key cannot be decrypted with the configured master keys.
        Sealed = "sealed",
    }
}

/// Whether a sink is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkState {
    /// It is.
    Enabled,
    /// Its owner has paused it. Nothing new is planned for it; what waits is kept.
    Paused,
    /// It answered in a way that no retry changes. What is planned for it waits until it is enabled
    /// again.
    Disabled {
        /// When.
        at: Timestamp,
        /// Why.
        reason: DisableReason,
    },
}

impl SinkState {
    /// The name used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Paused => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// What a sink is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Whether it is notified of resolved incidents, too.
    pub resolved: bool,
    /// The least severity.
    pub severity: Severity,
}

impl Default for Wants {
    fn default() -> Self {
        Self {
            resolved: true,
            severity: Severity::Warning,
        }
    }
}

/// A sink. Its address and its keys are secrets: many services accept messages from all who know
/// the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Our id.
    pub id: SinkId,
    /// Its owner, who is notified there.
    pub owner: OwnerId,
    /// Its name, for people.
    pub name: String,
    /// Its kind.
    pub kind: SinkKind,
    /// The host that is called, with its port if it is not the usual one: all of the address that
    /// is ever shown.
    pub host: String,
    /// The address and the keys.
    pub target: Sealed,
    /// How often its owner has entered another address or key. A message there is changed only
    /// with the one with which it was sent.
    pub address: u32,
    /// What it is sent.
    pub wants: Wants,
    /// In which words.
    pub templates: Templates,
    /// Its digest.
    pub digest: Option<Digest>,
    /// Whether it is used.
    pub state: SinkState,
    /// It asked not to be called before.
    pub hold_until: Option<Timestamp>,
    /// Since when it has accepted nothing: the first call that failed after the last that did not.
    pub failing_since: Option<Timestamp>,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Sink {
    /// Whether it is called.
    pub fn is_enabled(&self) -> bool {
        self.state == SinkState::Enabled
    }

    /// The id of the incident about its being disabled: the same however often it is made, so
    /// that there is no second one. `None` when it is not disabled.
    pub fn incident_id(&self) -> Option<IncidentId> {
        match self.state {
            SinkState::Enabled | SinkState::Paused => None,
            SinkState::Disabled { at, .. } => Some(IncidentId::derived(at, self.id.as_u128())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_people_read_takes_templates() {
        let count = |part| {
            let takes = |kind: &&SinkKind| kind.takes_template(part);
            SinkKind::ALL.iter().filter(takes).count()
        };
        assert_eq!(count(Part::Title), SinkKind::ALL.len() - 1);
        assert_eq!(count(Part::Text), SinkKind::ALL.len() - 2);
    }
}
