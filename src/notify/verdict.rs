//! What an answer means for a message and its sink, as far as all kinds agree, and what it means
//! that there is none.

use super::answer::Answer;
use super::deliver::Receipt;
use super::outbound::{Outbound, Request};
use super::stored::Stored;
use super::{Destination, Outcome, SendError};
use crate::domain::sink::DisableReason;
use bytes::Bytes;
use std::time::Duration;

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

    /// What an answer says of a sink with this target.
    pub fn of(stored: &Stored, answer: Answer) -> Self {
        let text = stored.shown(&answer.body);
        Self::new(answer.status, answer.retry_after, answer.body, &text)
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

    /// The sink refuses everything, at least now.
    pub fn refused(&self, reason: DisableReason) -> Receipt {
        let why = self.why.clone();
        Receipt::Refused { reason, why }
    }

    /// What it means, when its kind says nothing else.
    pub fn usual(&self) -> Receipt {
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
            404 => self.refused(DisableReason::NotFound),
            401 | 403 => self.refused(DisableReason::Refused),
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
    Ok(Said::of(stored, answer))
}

/// Sends a request. `receipt` says what the answer means.
pub(super) async fn sent(
    outbound: &Outbound,
    to: &Destination,
    stored: &Stored,
    request: Request,
    receipt: fn(&Said) -> Receipt,
) -> Receipt {
    match called(outbound, to, stored, request).await {
        Ok(said) => receipt(&said),
        Err(error) => unsent(&error),
    }
}

/// The same, to the address that is stored.
pub(super) async fn posted(
    outbound: &Outbound,
    plain: &[u8],
    request: Request,
    receipt: fn(&Said) -> Receipt,
) -> Receipt {
    let (to, stored) = match Stored::aimed(outbound, plain) {
        Ok(aimed) => aimed,
        Err(receipt) => return receipt,
    };
    sent(outbound, &to, &stored, request, receipt).await
}

/// What it means that there is no answer.
pub(super) fn unsent(error: &SendError) -> Receipt {
    let why = error.to_string();
    match error.outcome() {
        Outcome::NotSent => match error {
            // It may be a fault of name look-up that passes.
            SendError::Refused(_) => Receipt::Refused {
                reason: DisableReason::AddressRefused,
                why,
            },
            SendError::NotResolved { .. }
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
            Receipt::Partly { .. } => "partly".to_owned(),
            Receipt::Rejected { .. } => "rejected".to_owned(),
            Receipt::Disabled { reason, .. } => format!("disabled: {}", reason.as_str()),
            Receipt::Refused { reason, .. } => format!("refused: {}", reason.as_str()),
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
    fn only_2xx_is_accepted_and_each_refusal_has_its_kind() {
        for (status, expected) in [
            (200, "accepted"),
            (204, "accepted"),
            (301, "later: None"),
            (400, "later: None"),
            (401, "refused: refused"),
            (403, "refused: refused"),
            (404, "refused: not_found"),
            (410, "disabled: gone"),
            (429, "later: Some(7s)"),
            (500, "later: None"),
            (502, "later: None"),
            (503, "later: Some(7s)"),
        ] {
            let receipt = said(status, "").usual();
            assert_eq!(name(&receipt), expected, "{status}");
        }
    }
}
