//! How ingress answers, and by what name that is counted.

use crate::api::dto::IngressAnswer;
use crate::api::error::{Code, status};
use crate::domain::id::DeliveryId;
use crate::domain::named::named;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;

named! {
    /// What became of a request, as the metrics count it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum IngressOutcome {
        /// Stored; will be processed.
        Accepted = "accepted",
        /// Stored before.
        Duplicate = "duplicate",
        /// Stored; nothing will follow from it.
        Ignored = "ignored",
        /// Stored, without effects: signed at a time far from ours.
        Stale = "stale",
        /// Stored; the answer to a ping.
        Pong = "pong",
        /// Not signed with a secret of ours.
        RejectedSignature = "rejected_signature",
        /// Too large.
        RejectedSize = "rejected_size",
        /// Took too long to arrive.
        RejectedSlow = "rejected_slow",
        /// Something else is wrong with the request.
        RejectedMalformed = "rejected_malformed",
        /// Refused because of overload or a store that takes nothing; the sender may try again.
        Unavailable = "unavailable",
    }
}

impl IngressOutcome {
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
