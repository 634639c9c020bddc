//! What our own checks report.

use crate::domain::connection::Connection;
use crate::domain::grant::RejectReason;
use crate::domain::id::UserId;
use crate::domain::incident::{Incident, IncidentSource, Severity, Subject};
use crate::domain::lifecycle::SuspendReason;
use crate::domain::repo::FullName;
use crate::domain::user::Credential;

named! {
    /// The kinds of failures that our own checks report.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum HealthKind {
        /// The hook is no longer checked or repaired.
        HookSuspended = "hook_suspended",
        /// No deliveries arrive, although test deliveries were requested.
        HookSilent = "hook_silent",
        /// The provider has disabled the hook.
        HookDisabled = "hook_disabled",
        /// A delivery could not be read.
        DeliveryUnreadable = "delivery_unreadable",
        /// Deliveries were missed, and cannot be recovered.
        DeliveriesLost = "deliveries_lost",
        /// A credential no longer works.
        CredentialRejected = "credential_rejected",
        /// A provider does not answer: see [`crate::domain::outage`].
        ProviderOutage = "provider_outage",
    }
}

impl HealthKind {
    /// The incident of this kind among those that are not resolved.
    pub fn find(self, unresolved: Vec<Incident>) -> Option<Incident> {
        let is_it =
            |i: &Incident| i.source == IncidentSource::Health && i.failure_type == self.as_str();
        unresolved.into_iter().find(is_it)
    }
}

/// A failure that our own checks report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFailure<'a> {
    /// The hook is no longer checked or repaired.
    HookSuspended(&'a Connection, SuspendReason),
    /// No deliveries arrive, although test deliveries were requested.
    HookSilent(&'a Connection),
    /// The provider has disabled the hook.
    HookDisabled {
        /// The connection of the hook.
        connection: &'a Connection,
        /// Whether permanently, not temporarily.
        permanently: bool,
    },
    /// A delivery could not be read.
    DeliveryUnreadable {
        /// The connection of the delivery.
        connection: &'a Connection,
        /// The reason.
        reason: &'a str,
    },
    /// Deliveries were missed, and cannot be recovered.
    DeliveriesLost {
        /// The connection of the deliveries.
        connection: &'a Connection,
        /// How many.
        count: u64,
    },
    /// A credential no longer works.
    CredentialRejected(&'a Credential, RejectReason),
}

impl HealthFailure<'_> {
    /// Its kind.
    pub const fn kind(self) -> HealthKind {
        match self {
            Self::HookSuspended(..) => HealthKind::HookSuspended,
            Self::HookSilent(_) => HealthKind::HookSilent,
            Self::HookDisabled { .. } => HealthKind::HookDisabled,
            Self::DeliveryUnreadable { .. } => HealthKind::DeliveryUnreadable,
            Self::DeliveriesLost { .. } => HealthKind::DeliveriesLost,
            Self::CredentialRejected(..) => HealthKind::CredentialRejected,
        }
    }

    /// The severity.
    pub const fn severity(self) -> Severity {
        match self {
            Self::HookSilent(_)
            | Self::HookDisabled {
                permanently: false, ..
            } => Severity::Warning,
            Self::DeliveryUnreadable { .. } | Self::DeliveriesLost { .. } => Severity::Error,
            Self::HookSuspended(..) | Self::HookDisabled { .. } | Self::CredentialRejected(..) => {
                Severity::Critical
            }
        }
    }

    /// The subject.
    pub const fn subject(self) -> Subject {
        match self.about() {
            Ok(connection) => Subject::Connection(connection.id),
            Err(credential) => Subject::Credential(credential.id),
        }
    }

    const fn about(&self) -> Result<&Connection, &Credential> {
        match self {
            Self::HookSuspended(connection, _)
            | Self::HookSilent(connection)
            | Self::HookDisabled { connection, .. }
            | Self::DeliveryUnreadable { connection, .. }
            | Self::DeliveriesLost { connection, .. } => Ok(connection),
            Self::CredentialRejected(credential, _) => Err(credential),
        }
    }

    pub(super) fn owner(&self) -> UserId {
        self.about().map_or_else(|c| c.owner, |c| c.owner)
    }

    pub(super) fn repository(&self) -> Option<FullName> {
        self.about().ok().map(|c| c.full_name.clone())
    }
}
