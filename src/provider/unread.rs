//! Why a part of an explanation is missing, by the answer's status.

use crate::domain::explanation::Unread;

/// Why there is nothing behind an answer with this status.
pub(super) const fn unread(status: u16) -> Unread {
    match status {
        404 => Unread::NotFound,
        410 => Unread::Gone,
        401 | 403 => Unread::Refused,
        413 => Unread::TooLong,
        _ => Unread::Failed,
    }
}
