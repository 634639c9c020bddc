//! What people read.

use super::*;
use crate::domain::expiry::{Expiry, Nearness};
use crate::domain::id::SinkId;
use crate::domain::samples;

#[test]
fn a_title_says_what_happened_to_what_and_what_to_do() {
    let connection = samples::connection(1, "ann/api");
    let credential = samples::credential(3, samples::ANN);
    let (connection, reason) = (&connection, "its payload is gone");
    let failures = [
        HealthFailure::HookSuspended(connection, SuspendReason::Unauthorized),
        HealthFailure::HookSuspended(connection, SuspendReason::HookDeletedRepeatedly),
        HealthFailure::HookSuspended(connection, SuspendReason::Panics),
        HealthFailure::HookSilent(connection),
        HealthFailure::HookDisabled {
            connection,
            permanently: true,
        },
        HealthFailure::HookDisabled {
            connection,
            permanently: false,
        },
        HealthFailure::DeliveryUnreadable { connection, reason },
        HealthFailure::DeliveriesLost {
            connection,
            count: 1,
        },
        HealthFailure::DeliveriesLost {
            connection,
            count: 3,
        },
        HealthFailure::CredentialRejected(&credential, RejectReason::Refused),
        HealthFailure::CredentialRejected(&credential, RejectReason::Expired),
        HealthFailure::CredentialRejected(&credential, RejectReason::Revoked),
        HealthFailure::CredentialRejected(&credential, RejectReason::RefreshLost),
    ];
    let ending = Credential {
        expiry: Some(Expiry::new(Some(Timestamp(1_800_000_000_000)))),
        ..samples::credential(3, samples::ANN)
    };
    let title = health_title(HealthFailure::CredentialExpiring(&ending, Nearness::Soon));
    assert_eq!(
        title,
        "Token of ann at github.com expires on 2027-01-15. Create a new one there, and add it \
         (hookherd credential add)."
    );
    let sink = samples::sink(SinkId::from_u128(1));
    for reason in DisableReason::ALL {
        let title = health_title(HealthFailure::SinkDisabled(&sink, reason));
        let begins = title.starts_with("Sink team chat (chat.example) disabled: it");
        assert!(
            begins && title.ends_with("(hookherd sinks resume)."),
            "{title}"
        );
    }
    let wait = std::time::Duration::from_mins(61);
    assert_eq!(
        health_title(HealthFailure::NotificationsWaiting(&sink, wait)),
        "Notifications wait for sink team chat (chat.example): it had accepted none for 61 \
         minutes when noticed. Hookherd tries again by itself. See hookherd notifications \
         --state waiting."
    );
    for failure in failures {
        let title = health_title(failure);
        assert!(title.ends_with('.') && title.contains("ann"), "{title}");
    }
    assert_eq!(
        health_title(failures[0]),
        "Webhook for ann/api suspended: no working credential. Add one, then resume."
    );
    assert_eq!(
        health_title(failures[10]),
        "Credential of ann at github.com expired. Sign in again or add another."
    );
    assert_eq!(ci_title("CI", "main"), "CI failed: CI on main");
    assert_eq!(ci_title("CI", ""), "CI failed: CI");
}
