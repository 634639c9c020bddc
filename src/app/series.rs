//! Series that are there from the start, at 0: of a counter that appears with its first count,
//! Prometheus sees no increase.

use crate::api::ingress::IngressOutcome;
use crate::domain::delivery::Outcome;
use crate::domain::error_code::ErrorCode;
use crate::domain::ledger::Loss;
use crate::domain::operation::{Action, ItemOutcome};
use crate::domain::repo::ProviderKind;
use crate::domain::sink::SinkKind;
use crate::explain;
use crate::outbox::OUTCOMES;
use crate::provider::call::OPERATIONS;
use crate::telemetry::metric;
use metrics::{counter, gauge};

/// How calls to providers end, as far as alerts need it; `None` is success.
const CALL_ENDS: [Option<ErrorCode>; 13] = [
    None,
    Some(ErrorCode::Unauthorized),
    Some(ErrorCode::NoAccess),
    Some(ErrorCode::InsufficientScope),
    Some(ErrorCode::Rejected),
    Some(ErrorCode::ProviderUnavailable),
    Some(ErrorCode::ProviderTimeout),
    Some(ErrorCode::ProviderUnreachable),
    Some(ErrorCode::HostNotFound),
    Some(ErrorCode::BadCertificate),
    Some(ErrorCode::WrongApiUrl),
    Some(ErrorCode::BadAnswer),
    Some(ErrorCode::RateLimited),
];

/// How a refresh of a grant may end.
const REFRESH_ENDS: [&str; 5] = ["ok", "refused", "misconfigured", "failed", "unknown"];

/// The kinds of records that are walked as a whole.
const WALKED: [&str; 2] = ["connection", "credential"];

/// Makes them. What was counted already stays.
pub(super) fn begin() {
    for outcome in Outcome::NAMES {
        counter!(metric::PROCESSED, "outcome" => outcome).absolute(0);
    }
    for outcome in REFRESH_ENDS {
        counter!(metric::REFRESHES, "outcome" => outcome).absolute(0);
    }
    for reason in Loss::ALL.map(Loss::as_str) {
        counter!(metric::UNRECOVERABLE, "reason" => reason).absolute(0);
    }
    for kind in WALKED {
        counter!(metric::LEFT_OUT, "kind" => kind).absolute(0);
    }
    for action in Action::NAMES {
        for outcome in ItemOutcome::ALL.map(ItemOutcome::as_str) {
            let labels = [("action", action), ("outcome", outcome)];
            counter!(metric::ITEMS, &labels).absolute(0);
        }
    }
    for sink in SinkKind::ALL.map(SinkKind::as_str) {
        counter!(metric::TEMPLATE_FAILURES, "sink" => sink).absolute(0);
        for outcome in OUTCOMES {
            let labels = [("sink", sink), ("outcome", outcome)];
            counter!(metric::NOTIFICATIONS, &labels).absolute(0);
        }
    }
    for outcome in explain::OUTCOMES {
        counter!(metric::EXPLANATIONS, "outcome" => outcome).absolute(0);
    }
    for state in ["queued", "running", "cancelled"] {
        gauge!(metric::OPERATIONS, "state" => state).set(0.0);
    }
    for outcome in ["requested", "postponed"] {
        counter!(metric::QUIET_PINGS, "outcome" => outcome).absolute(0);
    }
    gauge!(metric::UNSTORED).set(0.0);
    gauge!(metric::PARKED).set(0.0);
    for provider in ProviderKind::ALL.map(ProviderKind::as_str) {
        gauge!(metric::LAST_DELIVERY, "provider" => provider).set(0.0);
        for outcome in ["answered", "failed", "not_made"] {
            counter!(metric::PROBES, "provider" => provider, "outcome" => outcome).absolute(0);
        }
        for outcome in IngressOutcome::ALL.map(IngressOutcome::as_str) {
            let labels = [("provider", provider), ("outcome", outcome)];
            counter!(metric::DELIVERIES, &labels).absolute(0);
        }
        for operation in OPERATIONS {
            for end in CALL_ENDS.map(|end| end.map_or("ok", ErrorCode::as_str)) {
                let labels = [
                    ("provider", provider),
                    ("operation", operation),
                    ("outcome", end),
                ];
                counter!(metric::CALLS, &labels).absolute(0);
            }
        }
    }
}
