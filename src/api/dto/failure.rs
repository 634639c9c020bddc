//! Why a call to a provider failed, in JSON.

use crate::domain::connection;
use crate::domain::error_code::ErrorCode;
use crate::domain::time::Timestamp;

shapes! {
    /// Why a call to the provider failed.
    LastError(error: &connection::LastError) {
        /// Stable name of the error.
        code: ErrorCode = error.code,
        /// What happened and what to do.
        message: String = error.message.clone(),
        /// When the call failed.
        at: Timestamp = error.at,
    }
}
