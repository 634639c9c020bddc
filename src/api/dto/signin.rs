//! Sign-ins in JSON.

use super::account::Credential;
use crate::domain::user;
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Where the user continues a sign-in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Authorize {
    /// Page of the provider.
    #[schema(example = "https://github.com/login/oauth/authorize?client_id=...")]
    pub authorize_url: String,
}

/// A device sign-in that has started.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceBegun {
    /// Id of the sign-in.
    pub id: String,
    /// Code that the user enters.
    #[schema(example = "WDJB-MJHT")]
    pub user_code: String,
    /// Page where the user enters it.
    #[schema(example = "https://github.com/login/device")]
    pub verification_uri: String,
    /// Seconds until the code expires.
    pub expires_in: u64,
    /// Seconds to wait between two requests for the state.
    pub interval: u64,
}

/// State of a device sign-in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeviceState {
    /// `pending` or `connected`.
    #[schema(example = "pending")]
    pub status: &'static str,
    /// Seconds to wait before the next request. Null when the sign-in is complete.
    pub interval: Option<u64>,
    /// The credential. Null while the sign-in is pending.
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
            credential: Some(Credential::of(credential, None)),
        }
    }
}
