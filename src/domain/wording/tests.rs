//! What people read.

use super::*;
use crate::domain::grant::Grant;
use crate::domain::id::{ConnectionId, CredentialId, HookKey, UserId};
use crate::domain::repo::{Instance, ProviderKind};
use crate::domain::secret::Sealed;
use crate::domain::time::Timestamp;
use crate::domain::user::Account;

const OWNER: UserId = UserId::from_u128(2);

fn instance() -> Instance {
    Instance {
        provider: ProviderKind::Github,
        host: "github.test".parse().unwrap(),
    }
}

#[test]
fn a_title_says_what_happened_to_what_and_what_to_do() {
    let connection = Connection::new(
        ConnectionId::from_u128(1),
        OWNER,
        instance(),
        "ann/api".parse().unwrap(),
        HookKey::from_bytes([0; 20]),
        Timestamp(0),
    );
    let credential = Credential {
        id: CredentialId::from_u128(3),
        owner: OWNER,
        instance: instance(),
        account: Account {
            id: 1,
            login: "ann".into(),
        },
        scopes: Vec::new(),
        grant: Grant::Token {
            token: Sealed(Vec::new()),
        },
        is_shared: false,
        created_at: Timestamp(0),
        rejected: None,
    };
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
        HealthFailure::CredentialRejected(&credential, RejectReason::Refused),
        HealthFailure::CredentialRejected(&credential, RejectReason::Expired),
        HealthFailure::CredentialRejected(&credential, RejectReason::Revoked),
        HealthFailure::CredentialRejected(&credential, RejectReason::RefreshLost),
    ];
    for failure in failures {
        let title = health_title(failure);
        assert!(title.ends_with('.') && title.contains("ann"), "{title}");
    }
    assert_eq!(
        health_title(failures[0]),
        "Webhook for ann/api suspended: no working credential. Add one, then resume."
    );
    assert_eq!(
        health_title(failures[8]),
        "Credential of ann at github.test expired. Sign in again or add another."
    );
    assert_eq!(ci_title("CI", "main"), "CI failed: CI on main");
    assert_eq!(ci_title("CI", ""), "CI failed: CI");
}
