//! Sign-ins in JSON.

use super::Credential;
use crate::domain::user;
use serde::Serialize;
use std::time::Duration;

/// Where a user goes to agree.
#[derive(Clone, Debug, Serialize)]
pub struct Authorize {
    /// The provider's page.
    pub authorize_url: String,
}

/// A sign-in that begins on a device.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceBegun {
    /// Ask with it.
    pub id: String,
    /// What the user types in.
    pub user_code: String,
    /// Where they type it in.
    pub verification_uri: String,
    /// Seconds until it is over.
    pub expires_in: u64,
    /// Seconds to wait between two questions.
    pub interval: u64,
}

/// How a sign-in on a device stands.
#[derive(Clone, Debug, Serialize)]
pub struct DeviceState {
    /// `pending` or `connected`.
    pub status: &'static str,
    /// Seconds to wait before the next question; null when there is none.
    pub interval: Option<u64>,
    /// What came of it; null before.
    pub credential: Option<Credential>,
}

impl DeviceState {
    /// The user has not decided yet.
    pub fn pending(interval: Duration) -> Self {
        Self {
            status: "pending",
            interval: Some(interval.as_secs()),
            credential: None,
        }
    }

    /// The user agreed.
    pub fn connected(credential: &user::Credential) -> Self {
        Self {
            status: "connected",
            interval: None,
            credential: Some(credential.into()),
        }
    }
}
