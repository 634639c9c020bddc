//! What our own checks report.

use crate::domain::connection::Connection;
use crate::domain::expiry::Nearness;
use crate::domain::grant::RejectReason;
use crate::domain::id::{OwnerId, UserId};
use crate::domain::incident::{Incident, IncidentSource, Severity, Subject};
use crate::domain::lifecycle::SuspendReason;
use crate::domain::repo::FullName;
use crate::domain::sink::{DisableReason, Sink};
use crate::domain::trouble::{Measured, TroubleKind};
use crate::domain::user::Credential;
use std::time::Duration;

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
        /// A token expires soon.
        CredentialExpiring = "credential_expiring",
        /// A sink was disabled by its answer.
        SinkDisabled = "sink_disabled",
        /// Notifications wait for their sink.
        NotificationsWaiting = "notifications_waiting",
        /// Little space is left for the store.
        DiskNearlyFull = "disk_nearly_full",
        /// Deliveries are stored and not processed.
        DeliveriesWaiting = "deliveries_waiting",
        /// A provider does not answer: see [`crate::domain::outage`].
        ProviderOutage = "provider_outage",
    }
}

impl HealthKind {
    /// The incident of this kind among those that are not resolved.
    pub fn find(self, unresolved: Vec<Incident>) -> Option<Incident> {
        unresolved.into_iter().find(|incident| self.is_of(incident))
    }

    /// The kind of the incidents about trouble of the server.
    pub const fn of_trouble(kind: TroubleKind) -> Self {
        match kind {
            TroubleKind::DiskNearlyFull => Self::DiskNearlyFull,
            TroubleKind::DeliveriesWaiting => Self::DeliveriesWaiting,
        }
    }

    /// Whether an incident is of this kind.
    pub fn is_of(self, incident: &Incident) -> bool {
        incident.source == IncidentSource::Health && incident.failure_type == self.as_str()
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
    /// A token expires soon.
    CredentialExpiring(&'a Credential, Nearness),
    /// A sink was disabled by its answer.
    SinkDisabled(&'a Sink, DisableReason),
    /// Notifications wait for their sink, which has accepted none for so long.
    NotificationsWaiting(&'a Sink, Duration),
    /// The server has trouble of its own, reported to this operator.
    ServerTrouble(OwnerId, Measured),
}

/// What a failure is about.
#[derive(Clone, Copy)]
enum About<'a> {
    Connection(&'a Connection),
    Credential(&'a Credential),
    Sink(&'a Sink),
    Server(OwnerId),
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
            Self::CredentialExpiring(..) => HealthKind::CredentialExpiring,
            Self::SinkDisabled(..) => HealthKind::SinkDisabled,
            Self::NotificationsWaiting(..) => HealthKind::NotificationsWaiting,
            Self::ServerTrouble(_, measured) => HealthKind::of_trouble(measured.kind()),
        }
    }

    /// The severity.
    pub const fn severity(self) -> Severity {
        match self {
            Self::HookSilent(_)
            | Self::HookDisabled {
                permanently: false, ..
            }
            | Self::CredentialExpiring(_, Nearness::Soon) => Severity::Warning,
            Self::DeliveryUnreadable { .. }
            | Self::DeliveriesLost { .. }
            | Self::CredentialExpiring(_, Nearness::Close)
            | Self::SinkDisabled(..)
            | Self::NotificationsWaiting(..)
            | Self::ServerTrouble(..) => Severity::Error,
            Self::HookSuspended(..) | Self::HookDisabled { .. } | Self::CredentialRejected(..) => {
                Severity::Critical
            }
        }
    }

    /// The subject.
    pub const fn subject(self) -> Subject {
        match self.about() {
            About::Connection(connection) => Subject::Connection(connection.id),
            About::Credential(credential) => Subject::Credential(credential.id),
            About::Sink(sink) => Subject::Sink(sink.id),
            About::Server(_) => Subject::Server,
        }
    }

    const fn about(&self) -> About<'_> {
        match self {
            Self::HookSuspended(connection, _)
            | Self::HookSilent(connection)
            | Self::HookDisabled { connection, .. }
            | Self::DeliveryUnreadable { connection, .. }
            | Self::DeliveriesLost { connection, .. } => About::Connection(connection),
            Self::CredentialRejected(credential, _) | Self::CredentialExpiring(credential, _) => {
                About::Credential(credential)
            }
            Self::SinkDisabled(sink, _) | Self::NotificationsWaiting(sink, _) => About::Sink(sink),
            Self::ServerTrouble(operator, _) => About::Server(*operator),
        }
    }

    pub(super) const fn owner(&self) -> UserId {
        match self.about() {
            About::Connection(connection) => connection.owner,
            About::Credential(credential) => credential.owner,
            About::Sink(sink) => sink.owner,
            About::Server(operator) => operator,
        }
    }

    pub(super) fn repository(&self) -> Option<FullName> {
        match self.about() {
            About::Connection(connection) => Some(connection.full_name.clone()),
            About::Credential(_) | About::Sink(_) | About::Server(_) => None,
        }
    }
}
