//! What an answer means for a message and its sink, as far as all kinds agree, and what it means
//! that there is none.

use super::deliver::Receipt;
use super::outbound::{Outbound, Request};
use super::stored::Stored;
use super::{Destination, Outcome, SendError};
use crate::domain::sink::DisableReason;
use bytes::Bytes;
use std::time::Duration;

/// After so many tries that were refused alike, the refusal counts as permanent: a receiver that is
/// being deployed answers so, too.
const REFUSALS_MAX: u32 = 3;

/// An answer of a sink.
pub(super) struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The wait that it asks for.
    pub after: Option<Duration>,
    /// The body. It may hold secrets.
    pub body: Bytes,
    /// What it says, for people: without secrets.
    why: String,
}

impl Said {
    /// `text` is what it says, for people.
    pub fn new(status: u16, after: Option<Duration>, body: Bytes, text: &str) -> Self {
        let why = if text.is_empty() {
            format!("It answered {status}.")
        } else {
            format!("It answered {status}: {text}")
        };
        Self {
            status,
            after,
            body,
            why,
        }
    }

    /// A text in the body, which is JSON.
    pub fn text_of(&self, name: &str) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get(name)?.as_str().map(str::to_owned)
    }

    /// A number in the body, which is JSON.
    pub fn number_of(&self, name: &str) -> Option<f64> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        body.get(name)?.as_f64()
    }

    /// The sink refuses this message permanently.
    pub fn rejected(&self) -> Receipt {
        let why = self.why.clone();
        Receipt::Rejected { why }
    }

    /// The sink refuses everything.
    pub fn disables(&self, reason: DisableReason) -> Receipt {
        let why = self.why.clone();
        Receipt::Disabled { reason, why }
    }

    /// The sink may accept it after a wait.
    pub fn later(&self, after: Option<Duration>) -> Receipt {
        let why = self.why.clone();
        Receipt::Later { after, why }
    }

    /// The sink refuses everything, if it has done so often enough.
    pub fn refused(&self, reason: DisableReason, tries: u32) -> Receipt {
        if tries >= REFUSALS_MAX {
            self.disables(reason)
        } else {
            self.later(None)
        }
    }

    /// What it means, when its kind says nothing else.
    pub fn usual(&self, tries: u32) -> Receipt {
        match self.status {
            200..=299 => Receipt::Accepted { message: None },
            300..=399 => Receipt::Later {
                after: None,
                why: format!(
                    "It redirects ({}), which is not followed. Enter the final address.",
                    self.status
                ),
            },
            410 => self.disables(DisableReason::Gone),
            404 => self.refused(DisableReason::NotFound, tries),
            401 | 403 => self.refused(DisableReason::Refused, tries),
            429 | 503 => self.later(self.after),
            _ => self.later(None),
        }
    }
}

/// Sends a request and reads the answer.
pub(super) async fn called(
    outbound: &Outbound,
    to: &Destination,
    stored: &Stored,
    request: Request,
) -> Result<Said, SendError> {
    let answer = outbound.send(to, request).await?;
    let text = stored.shown(&answer.body);
    Ok(Said::new(
        answer.status,
        answer.retry_after,
        answer.body,
        &text,
    ))
}

/// Sends one request to the address that is stored. `receipt` says what the answer means.
pub(super) async fn posted(
    outbound: &Outbound,
    plain: &[u8],
    request: Request,
    tries: u32,
    receipt: fn(&Said, u32) -> Receipt,
) -> Receipt {
    let (to, stored) = match Stored::aimed(outbound, plain) {
        Ok(aimed) => aimed,
        Err(receipt) => return receipt,
    };
    match called(outbound, &to, &stored, request).await {
        Ok(said) => receipt(&said, tries),
        Err(error) => unsent(&error, tries),
    }
}

/// What it means that there is no answer.
pub(super) fn unsent(error: &SendError, tries: u32) -> Receipt {
    let why = error.to_string();
    match error.outcome() {
        Outcome::NotSent => match error {
            // Once may be a fault of name look-up that passes.
            SendError::Refused(_) if tries >= REFUSALS_MAX => Receipt::Disabled {
                reason: DisableReason::AddressRefused,
                why,
            },
            SendError::Refused(_)
            | SendError::NotResolved { .. }
            | SendError::Unreached { .. }
            | SendError::Tls { .. }
            | SendError::TimedOut { .. }
            | SendError::TooSlow { .. }
            | SendError::Broken { .. } => Receipt::Later { after: None, why },
        },
        Outcome::Answered(status @ 200..=299) => {
            tracing::debug!(status, "an answer without its body");
            Receipt::Accepted { message: None }
        }
        Outcome::Answered(_) => Receipt::Later { after: None, why },
        Outcome::Unknown => Receipt::Unsure { why },
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A receipt in one word, for tables.
    pub fn name(receipt: &Receipt) -> String {
        match receipt {
            Receipt::Accepted { message: None } => "accepted".to_owned(),
            Receipt::Accepted { message: Some(id) } => format!("accepted as {id}"),
            Receipt::Rejected { .. } => "rejected".to_owned(),
            Receipt::Disabled { reason, .. } => format!("disabled: {}", reason.as_str()),
            Receipt::Later { after, .. } => format!("later: {after:?}"),
            Receipt::Unsure { .. } => "unsure".to_owned(),
        }
    }

    /// An answer that asks for a wait of seven seconds.
    pub fn said(status: u16, body: &'static str) -> Said {
        let after = Some(Duration::from_secs(7));
        Said::new(status, after, Bytes::from_static(body.as_bytes()), body)
    }

    #[test]
    fn only_2xx_is_accepted_and_what_no_retry_changes_disables_the_sink() {
        for (status, tries, expected) in [
            (200, 1, "accepted"),
            (204, 9, "accepted"),
            (301, 9, "later: None"),
            (400, 9, "later: None"),
            (401, 2, "later: None"),
            (401, 3, "disabled: refused"),
            (403, 3, "disabled: refused"),
            (404, 1, "later: None"),
            (404, 3, "disabled: not_found"),
            (410, 1, "disabled: gone"),
            (429, 1, "later: Some(7s)"),
            (500, 9, "later: None"),
            (502, 1, "later: None"),
            (503, 1, "later: Some(7s)"),
        ] {
            let receipt = said(status, "").usual(tries);
            assert_eq!(name(&receipt), expected, "{status} {tries}");
        }
    }
}
