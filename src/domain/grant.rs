//! The kinds of credentials, and when a grant that expires is renewed.

use super::secret::Sealed;
use super::time::Timestamp;
use std::time::Duration;

/// The kind of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// A token that the user created and added.
    Token {
        /// The token, sealed for this record.
        token: Sealed,
    },
    /// A grant of a user by signing in.
    Oauth(OauthGrant),
    /// An installation of our GitHub App. Its tokens are created when needed and never stored.
    App {
        /// The provider's id of the installation.
        installation: u64,
    },
}

impl Grant {
    /// Whether it shows that the account is the user's: who has a token of an account acts as it.
    /// An App is installed by an administrator of the account.
    pub const fn shows_the_account(&self) -> bool {
        match self {
            Self::Token { .. } | Self::Oauth(_) => true,
            Self::App { .. } => false,
        }
    }
}

/// An OAuth grant. Refresh tokens are used once: each refresh replaces both tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OauthGrant {
    /// The access token, sealed for this record and field.
    pub access: Sealed,
    /// The refresh token; `None` when the provider gave none.
    pub refresh: Option<Sealed>,
    /// When we got the tokens.
    pub obtained_at: Timestamp,
    /// When the access token expires; `None` when it does not.
    pub expires_at: Option<Timestamp>,
    /// When a refresh began whose outcome is not stored: the provider may have replaced both
    /// tokens, and the answer may be lost.
    pub refresh_begun_at: Option<Timestamp>,
}

/// The state of an OAuth grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The access token is valid for a while.
    Fresh,
    /// It is valid, and to be renewed now.
    Due,
    /// It has expired.
    Expired,
}

/// A token is renewed when less than this is left of it ...
pub const REFRESH_AHEAD_MAX: Duration = Duration::from_mins(10);
/// ... or less than this part of its lifetime, for short-lived tokens.
pub const REFRESH_AHEAD_PART: u32 = 6;

impl OauthGrant {
    /// How long before its expiry a token with this lifetime is renewed.
    fn ahead(&self, expires_at: Timestamp) -> Duration {
        let life = expires_at.since(self.obtained_at);
        (life / REFRESH_AHEAD_PART).min(REFRESH_AHEAD_MAX)
    }

    /// The state for a call that is about to use it.
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        self.freshness_ahead(now, 1)
    }

    /// The state for the sweep, which looks twice as far ahead: usually no call waits for a
    /// refresh.
    pub fn freshness_for_sweep(&self, now: Timestamp) -> Freshness {
        self.freshness_ahead(now, 2)
    }

    fn freshness_ahead(&self, now: Timestamp, times: u32) -> Freshness {
        let Some(expires_at) = self.expires_at else {
            return self.unless_begun();
        };
        if now >= expires_at {
            Freshness::Expired
        } else if expires_at.since(now) <= self.ahead(expires_at) * times {
            Freshness::Due
        } else {
            self.unless_begun()
        }
    }

    /// A refresh without a stored outcome may have replaced the access token: find out.
    const fn unless_begun(&self) -> Freshness {
        if self.refresh_begun_at.is_some() {
            Freshness::Due
        } else {
            Freshness::Fresh
        }
    }
}

/// Why a credential is no longer used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// When that was found.
    pub at: Timestamp,
    /// Why.
    pub reason: RejectReason,
}

named! {
    /// Why a credential is no longer used.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum RejectReason {
        /// The provider refuses the token.
        Refused = "refused",
        /// The access token expired, and there is nothing to renew it with.
        Expired = "expired",
        /// The provider refuses to renew it: the user or the provider ended the grant.
        Revoked = "revoked",
        /// The answer to a refresh was lost, and the provider no longer accepts the previous token.
        RefreshLost = "refresh_lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Timestamp = Timestamp(1_700_000_000_000);

    fn grant(life: Option<Duration>) -> OauthGrant {
        OauthGrant {
            access: Sealed(Vec::new()),
            refresh: None,
            obtained_at: START,
            expires_at: life.map(|life| START.plus(life)),
            refresh_begun_at: None,
        }
    }

    #[test]
    fn tokens_are_renewed_ahead_of_time() {
        let (s, min) = (Duration::from_secs, Duration::from_mins);
        let table = [
            // Two hours, as GitLab's: ten minutes in advance, the sweep twenty.
            (min(120), min(0), Freshness::Fresh, Freshness::Fresh),
            (min(120), min(99), Freshness::Fresh, Freshness::Fresh),
            (min(120), min(101), Freshness::Fresh, Freshness::Due),
            (min(120), min(110), Freshness::Due, Freshness::Due),
            (min(120), min(120), Freshness::Expired, Freshness::Expired),
            // A minute: ten seconds in advance, or it would be renewed on every use.
            (s(60), s(30), Freshness::Fresh, Freshness::Fresh),
            (s(60), s(40), Freshness::Fresh, Freshness::Due),
            (s(60), s(50), Freshness::Due, Freshness::Due),
            (s(0), s(0), Freshness::Expired, Freshness::Expired),
        ];
        for (life, age, in_use, in_sweep) in table {
            let (grant, now) = (grant(Some(life)), START.plus(age));
            assert_eq!(grant.freshness(now), in_use, "{life:?} {age:?}");
            assert_eq!(grant.freshness_for_sweep(now), in_sweep, "{life:?} {age:?}");
        }
    }

    #[test]
    fn without_an_end_it_stays_fresh_until_a_refresh_was_begun() {
        let mut grant = grant(None);
        let late = START.plus(Duration::from_hours(100_000));
        assert_eq!(grant.freshness(late), Freshness::Fresh);
        grant.refresh_begun_at = Some(START);
        assert_eq!(grant.freshness(START), Freshness::Due);
    }

    proptest! {
        #[test]
        fn it_only_ever_gets_older(
            life in 0_u64..1 << 40,
            ages in prop::collection::vec(0_u64..1 << 41, 2..20),
        ) {
            let grant = grant(Some(Duration::from_millis(life)));
            let mut ages = ages;
            ages.sort_unstable();
            let rank = |freshness| match freshness {
                Freshness::Fresh => 0,
                Freshness::Due => 1,
                Freshness::Expired => 2,
            };
            let mut before = (0, 0);
            for age in ages {
                let now = START.plus(Duration::from_millis(age));
                let use_ = rank(grant.freshness(now));
                let sweep = rank(grant.freshness_for_sweep(now));
                prop_assert!(use_ >= before.0 && sweep >= before.1 && sweep >= use_);
                prop_assert_eq!(use_ == 2, age >= life);
                before = (use_, sweep);
            }
        }
    }
}
