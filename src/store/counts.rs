//! How many there are of what.

use crate::domain::connection::WebhookStatus;
use crate::domain::id::{CredentialId, OwnerId};
use crate::domain::incident::{IncidentSource, IncidentStatus, Severity, Subject};
use crate::domain::rotation::RotationState;
use std::collections::BTreeMap;

/// Of whom or what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that there is.
    All,
    /// What an owner has.
    Owner(OwnerId),
    /// What uses a credential; see [`super::Read::connections_using`].
    Credential(CredentialId),
    /// What is about a connection or a credential.
    Subject(Subject),
}

/// Counts. What a [`Scope`] has no count of is nought or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that are not removed, by the status of their hook, each status named. Of
    /// everything, and of an owner.
    pub connections: BTreeMap<WebhookStatus, usize>,
    /// Removed connections whose hook is still to be deleted. Of everything, and of an owner.
    pub connections_leaving: usize,
    /// Connections that are not removed and whose former secrets are accepted, by the reason, each
    /// named. Of everything, and of an owner.
    pub rotating: BTreeMap<RotationState, usize>,
    /// Connections whose records are kept, removed ones included: of an owner. Those that use it:
    /// of a credential.
    pub connections_kept: usize,
    /// Incidents by status. Of an owner, and of a subject.
    pub incidents: BTreeMap<IncidentStatus, usize>,
    /// Incidents that are not resolved, by how they look. Of everything.
    pub unresolved: Vec<Unresolved>,
    /// Users. Of everything.
    pub users: usize,
    /// Credentials. Of an owner.
    pub credentials: usize,
    /// API tokens. Of an owner.
    pub tokens: usize,
}

impl Counts {
    /// Connections that are not removed, whatever their status.
    pub fn connections_present(&self) -> usize {
        self.connections.values().sum()
    }
}

/// How many incidents look so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// Their status.
    pub status: IncidentStatus,
    /// How bad they are.
    pub severity: Severity,
    /// How they came to be known.
    pub source: IncidentSource,
    /// How many.
    pub count: usize,
}

/// Deliveries that wait to be processed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// How many.
    pub deliveries: usize,
    /// Of how many connections.
    pub connections: usize,
    /// The most of one connection.
    pub longest: usize,
}
