//! All kinds of sinks behind one interface.

use super::deliver::{
    Deliver, DigestMessage, Lasting, Message, Prepared, Receipt, Target, Unfit, Wish,
};
use super::outbound::Outbound;
use super::stored::only_address;
use super::{
    alertmanager, discord, email, github_issue, gotify, matrix, mattermost, ntfy, pagerduty, slack,
    slack_bot, teams, telegram, webhook,
};
use crate::domain::id::Entropy;
use crate::domain::sink::SinkKind;
use crate::domain::time::Timestamp;
use futures_util::future::BoxFuture;

/// All kinds of sinks.
#[derive(Debug)]
pub struct Sinks {
    outbound: Outbound,
}

impl Sinks {
    /// Sinks that are called so.
    pub const fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

impl Deliver for Sinks {
    fn prepare(
        &self,
        kind: SinkKind,
        wish: &Wish,
        entropy: &dyn Entropy,
    ) -> Result<Prepared, Unfit> {
        match kind {
            SinkKind::Webhook => webhook::prepare(&self.outbound, wish, entropy),
            SinkKind::Slack | SinkKind::Mattermost | SinkKind::Discord => {
                only_address(&self.outbound, wish)
            }
            SinkKind::SlackBot => slack_bot::prepare(&self.outbound, wish),
            SinkKind::Teams => teams::prepare(&self.outbound, wish),
            SinkKind::Ntfy => ntfy::prepare(&self.outbound, wish),
            SinkKind::Gotify => gotify::prepare(&self.outbound, wish),
            SinkKind::Pagerduty => pagerduty::prepare(&self.outbound, wish),
            SinkKind::Alertmanager => alertmanager::prepare(&self.outbound, wish),
            SinkKind::Email => email::prepare(&self.outbound, wish),
            SinkKind::Telegram => telegram::prepare(&self.outbound, wish),
            SinkKind::Matrix => matrix::prepare(&self.outbound, wish),
            SinkKind::GithubIssue => github_issue::prepare(&self.outbound, wish),
        }
    }

    fn deliver<'a>(&'a self, target: &'a Target, message: &'a Message) -> BoxFuture<'a, Receipt> {
        let (outbound, plain) = (&self.outbound, target.plain.as_slice());
        match target.kind {
            SinkKind::Webhook => Box::pin(webhook::deliver(outbound, plain, message)),
            SinkKind::Slack => Box::pin(slack::deliver(outbound, plain, message)),
            SinkKind::SlackBot => Box::pin(slack_bot::deliver(outbound, plain, message)),
            SinkKind::Mattermost => Box::pin(mattermost::deliver(outbound, plain, message)),
            SinkKind::Discord => Box::pin(discord::deliver(outbound, plain, message)),
            SinkKind::Teams => Box::pin(teams::deliver(outbound, plain, message)),
            SinkKind::Ntfy => Box::pin(ntfy::deliver(outbound, plain, message)),
            SinkKind::Gotify => Box::pin(gotify::deliver(outbound, plain, message)),
            SinkKind::Pagerduty => Box::pin(pagerduty::deliver(outbound, plain, message)),
            SinkKind::Alertmanager => Box::pin(alertmanager::deliver(outbound, plain, message)),
            SinkKind::Email => Box::pin(email::deliver(outbound, plain, message)),
            SinkKind::Telegram => Box::pin(telegram::deliver(outbound, plain, message)),
            SinkKind::Matrix => Box::pin(matrix::deliver(outbound, plain, message)),
            SinkKind::GithubIssue => Box::pin(github_issue::deliver(outbound, plain, message)),
        }
    }

    fn digest<'a>(
        &'a self,
        target: &'a Target,
        digest: &'a DigestMessage,
    ) -> BoxFuture<'a, Receipt> {
        let (outbound, plain) = (&self.outbound, target.plain.as_slice());
        match target.kind {
            SinkKind::Webhook => Box::pin(webhook::digest(outbound, plain, digest)),
            SinkKind::Slack => Box::pin(slack::digest(outbound, plain, digest)),
            SinkKind::SlackBot => Box::pin(slack_bot::digest(outbound, plain, digest)),
            SinkKind::Mattermost => Box::pin(mattermost::digest(outbound, plain, digest)),
            SinkKind::Discord => Box::pin(discord::digest(outbound, plain, digest)),
            SinkKind::Teams => Box::pin(teams::digest(outbound, plain, digest)),
            SinkKind::Ntfy => Box::pin(ntfy::digest(outbound, plain, digest)),
            SinkKind::Gotify => Box::pin(gotify::digest(outbound, plain, digest)),
            SinkKind::Email => Box::pin(email::digest(outbound, plain, digest)),
            SinkKind::Telegram => Box::pin(telegram::digest(outbound, plain, digest)),
            SinkKind::Matrix => Box::pin(matrix::digest(outbound, plain, digest)),
            // They are never asked to: see `SinkKind::takes_digest`.
            SinkKind::Pagerduty | SinkKind::Alertmanager | SinkKind::GithubIssue => {
                let why = "This kind of sink shows no digests.".to_owned();
                Box::pin(std::future::ready(Receipt::Rejected { why }))
            }
        }
    }

    fn repeat<'a>(
        &'a self,
        target: &'a Target,
        all: &'a [Lasting],
        expires_at: Timestamp,
    ) -> BoxFuture<'a, Receipt> {
        let (outbound, plain) = (&self.outbound, target.plain.as_slice());
        match target.kind {
            SinkKind::Alertmanager => {
                Box::pin(alertmanager::repeat(outbound, plain, all, expires_at))
            }
            // They keep what they were sent.
            SinkKind::Webhook
            | SinkKind::Slack
            | SinkKind::SlackBot
            | SinkKind::Mattermost
            | SinkKind::Discord
            | SinkKind::Teams
            | SinkKind::Ntfy
            | SinkKind::Gotify
            | SinkKind::Pagerduty
            | SinkKind::Email
            | SinkKind::Telegram
            | SinkKind::Matrix
            | SinkKind::GithubIssue => {
                let message = None;
                Box::pin(std::future::ready(Receipt::Accepted { message }))
            }
        }
    }
}
