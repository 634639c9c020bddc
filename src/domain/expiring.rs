//! Who is notified before a token expires.
//!
//! It only notifies: whether a token still works, its provider says.

use super::expiry::Nearness;
use super::grant::Grant;
use super::time::Timestamp;
use super::user::Credential;
use std::time::Duration;

/// How long before the end it is close.
const CLOSE: Duration = Duration::from_hours(24);

impl Credential {
    /// When it ends unless a person acts; `None` when it does not, or when that is not known. What
    /// renews itself does not.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match &self.grant {
            Grant::Token { .. } => self.expiry?.at,
            Grant::Oauth(grant) if grant.refresh.is_none() => grant.expires_at,
            Grant::Oauth(_) | Grant::App { .. } => None,
        }
    }

    /// Whether its provider was not asked yet when it expires.
    pub const fn has_unread_expiry(&self) -> bool {
        matches!(self.grant, Grant::Token { .. })
            && self.expiry.is_none()
            && self.rejected.is_none()
    }

    /// Whether it takes the place of another one when that ends: it is of the same account, works,
    /// and lasts longer.
    fn succeeds(&self, other: &Self) -> bool {
        let is_same = self.owner == other.owner
            && self.instance == other.instance
            && self.account.id == other.account.id
            && self.id != other.id;
        let lasts = match (self.ends_at(), other.ends_at()) {
            (None, _) => !self.has_unread_expiry(),
            (Some(own), Some(others)) => own > others,
            (Some(_), None) => false,
        };
        is_same && self.rejected.is_none() && lasts
    }
}

/// How close the end of a token is of which its owner is to be notified this long before; `None`
/// when there is no need: none of the `others` of its owner takes its place.
pub fn nearness(
    credential: &Credential,
    others: &[Credential],
    notice: Duration,
    now: Timestamp,
) -> Option<Nearness> {
    let at = credential.expiry.and_then(|expiry| expiry.at)?;
    let succeeds = |other: &Credential| other.succeeds(credential);
    if credential.rejected.is_some() || at.since(now) > notice || others.iter().any(succeeds) {
        return None;
    }
    Some(if at.since(now) <= CLOSE {
        Nearness::Close
    } else {
        Nearness::Soon
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::expiry::{Expiry, NOTICE};
    use crate::domain::grant::{RejectReason, Rejection};
    use crate::domain::samples::{self, ANN};

    const DAY: Duration = Duration::from_hours(24);
    const END: Timestamp = Timestamp(1_700_000_000_000);

    fn token(id: u128, at: Option<Timestamp>) -> Credential {
        Credential {
            expiry: Some(Expiry::new(at)),
            ..samples::credential(id, ANN)
        }
    }

    #[test]
    fn the_owner_is_notified_for_a_week_and_more_so_on_the_last_day() {
        let one = token(1, Some(END));
        let found = |now| nearness(&one, &[], NOTICE, now);
        assert_eq!(found(END.minus(NOTICE + DAY)), None);
        assert_eq!(found(END.minus(NOTICE)), Some(Nearness::Soon));
        assert_eq!(found(END.minus(DAY * 2)), Some(Nearness::Soon));
        assert_eq!(found(END.minus(DAY)), Some(Nearness::Close));
        assert_eq!(found(END.plus(DAY)), Some(Nearness::Close));
        let lasting = token(1, None);
        assert_eq!(nearness(&lasting, &[], NOTICE, END), None);
        let rejected = Credential {
            rejected: Some(Rejection {
                at: END,
                reason: RejectReason::Refused,
            }),
            ..token(1, Some(END))
        };
        assert_eq!(nearness(&rejected, &[], NOTICE, END), None);
    }

    #[test]
    fn a_later_token_of_the_same_account_takes_its_place_and_no_other() {
        let one = token(1, Some(END));
        let found = |other: Credential| nearness(&one, &[one.clone(), other], NOTICE, END);
        let near = Some(Nearness::Close);
        assert_eq!(found(token(2, None)), None);
        assert_eq!(found(token(2, Some(END.plus(DAY)))), None);
        assert_eq!(found(token(2, Some(END))), near);
        let unread = Credential {
            expiry: None,
            ..token(2, None)
        };
        assert!(unread.has_unread_expiry());
        assert_eq!(found(unread), near);
        let mut other = token(2, None);
        other.account.id += 1;
        assert_eq!(found(other), near);
        let mut foreign = token(2, None);
        foreign.owner = crate::domain::id::UserId::from_u128(9);
        assert_eq!(found(foreign), near);
        let mut dead = token(2, None);
        dead.rejected = Some(Rejection {
            at: END,
            reason: RejectReason::Refused,
        });
        assert_eq!(found(dead), near);
    }
}
