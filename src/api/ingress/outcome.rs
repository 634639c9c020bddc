//! How ingress answers, and by what name that is counted.

use crate::api::dto::IngressAnswer;
use crate::api::error::{Code, status};
use crate::domain::id::DeliveryId;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;

/// What became of a request, as the metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored; will be processed.
    Accepted,
    /// Stored before.
    Duplicate,
    /// Stored; nothing will follow from it.
    Ignored,
    /// Stored, without effects: signed at a time far from ours.
    Stale,
    /// Stored; the answer to a ping.
    Pong,
    /// Not signed with a secret of ours.
    RejectedSignature,
    /// Too large.
    RejectedSize,
    /// Took too long to arrive.
    RejectedSlow,
    /// Something else is wrong with the request.
    RejectedMalformed,
    /// Refused because of overload or a store that takes nothing; the sender may try again.
    Unavailable,
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Duplicate,
        Self::Ignored,
        Self::Stale,
        Self::Pong,
        Self::RejectedSignature,
        Self::RejectedSize,
        Self::RejectedSlow,
        Self::RejectedMalformed,
        Self::Unavailable,
    ];

    /// The name used in metrics and, for what was stored, in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Stale => "stale",
            Self::Pong => "pong",
            Self::RejectedSignature => "rejected_signature",
            Self::RejectedSize => "rejected_size",
            Self::RejectedSlow => "rejected_slow",
            Self::RejectedMalformed => "rejected_malformed",
            Self::Unavailable => "unavailable",
        }
    }

    /// The outcome of a request that was answered with a problem.
    pub(super) fn of(code: Code) -> Self {
        match code {
            Code::BadSignature => Self::RejectedSignature,
            Code::BodyTooLarge => Self::RejectedSize,
            Code::BodyTimeout => Self::RejectedSlow,
            // By the class of its status: what is not the sender's fault is ours.
            other if status(other).is_client_error() => Self::RejectedMalformed,
            other => {
                debug_assert!(status(other).is_server_error());
                Self::Unavailable
            }
        }
    }

    /// The answer to a delivery that is stored.
    pub(super) fn answer(self, id: DeliveryId) -> HttpResponse {
        let status = if self == Self::Accepted {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        let body = IngressAnswer {
            status: self.as_str(),
            delivery_id: id,
        };
        HttpResponse::build(status).json(body)
    }
}
