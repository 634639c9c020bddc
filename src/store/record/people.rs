//! The frozen mirrors of users and their API tokens, and the steps from one version to the next.

use super::codec::second_versions;
use super::wire::{Wire, mirror};
use crate::domain::id::{TokenId, UserId};
use crate::domain::time::Timestamp;
use crate::domain::user::{Removal, TokenRecord, User};
use serde::Deserialize;

/// A user as version 1 wrote it.
#[derive(Deserialize)]
struct UserV1 {
    id: u128,
    name: String,
    is_admin: bool,
    created_at: i64,
}
/// An API token as version 1 wrote it.
#[derive(Clone, Copy, Deserialize)]
struct TokenV1 {
    id: u128,
    user: u128,
    hash: [u8; 32],
    created_at: i64,
}

mirror!(RemovalV1 of Removal { at: Timestamp, by: UserId, delete_hooks: bool });
mirror!(UserV2 of User {
    id: UserId,
    name: String,
    is_admin: bool,
    created_at: Timestamp,
    removal: Option<Removal>,
});
mirror!(TokenV2 of TokenRecord {
    id: TokenId,
    user: UserId,
    hash: [u8; 32],
    created_at: Timestamp,
    name: Option<String>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
});

second_versions! {
    User = "user" from user,
    TokenRecord = "token" from token,
}

fn user(v1: UserV1) -> Option<User> {
    Some(User {
        id: Wire::from_wire(v1.id)?,
        name: v1.name,
        is_admin: v1.is_admin,
        created_at: Timestamp(v1.created_at),
        removal: None,
    })
}

fn token(v1: TokenV1) -> Option<TokenRecord> {
    Some(TokenRecord {
        id: Wire::from_wire(v1.id)?,
        user: Wire::from_wire(v1.user)?,
        hash: v1.hash,
        created_at: Timestamp(v1.created_at),
        name: None,
        expires_at: None,
        last_used_at: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{RecordError, decode, encode};
    use super::*;
    use crate::domain::samples;
    use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

    fn user(removal: Option<Removal>) -> User {
        User {
            is_admin: true,
            created_at: Timestamp(-1),
            removal,
            ..samples::user(UserId::from_u128(0x0102), "ann")
        }
    }

    fn token() -> TokenRecord {
        TokenRecord {
            hash: [7; 32],
            created_at: Timestamp(5),
            ..samples::token(3, UserId::from_u128(4))
        }
    }

    #[test]
    fn the_frozen_forms_do_not_change_by_accident() {
        assert_eq!(
            HEXLOWER.encode(&encode(&user(None))),
            "02fb020103616e6e010100"
        );
        let token = TokenRecord {
            name: Some("ci".into()),
            expires_at: Some(Timestamp(1)),
            last_used_at: Some(Timestamp(2)),
            ..token()
        };
        let hash = "07".repeat(32);
        let wanted = format!("020304{hash}0a0102636901020104");
        assert_eq!(HEXLOWER.encode(&encode(&token)), wanted);
        assert_eq!(decode::<TokenRecord>(&encode(&token)), Ok(token));
        let removal = Removal {
            at: Timestamp(9),
            by: UserId::from_u128(1),
            delete_hooks: true,
        };
        let leaving = user(Some(removal));
        assert_eq!(decode::<User>(&encode(&leaving)), Ok(leaving));
    }

    /// The bytes are those that version 1 wrote.
    #[test]
    fn what_version_1_wrote_steps_up() {
        let old = HEXLOWER_PERMISSIVE
            .decode("01fb020103616e6e0101".as_bytes())
            .unwrap();
        assert_eq!(decode::<User>(&old), Ok(user(None)));
        let old = HEXLOWER_PERMISSIVE
            .decode(format!("010304{}0a", "07".repeat(32)).as_bytes())
            .unwrap();
        assert_eq!(decode::<TokenRecord>(&old), Ok(token()));
        for bad in [&[1_u8][..], &[0, 1], &[1, 3, 4]] {
            assert_eq!(
                decode::<TokenRecord>(bad),
                Err(RecordError::Damaged),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_damage_is_noticed() {
        let bytes = encode(&user(None));
        let mut newer = bytes.clone();
        newer[0] = 3;
        assert_eq!(decode::<User>(&newer), Err(RecordError::Newer));
        let mut longer = bytes.clone();
        longer.push(0);
        for bad in [&longer[..], &bytes[..bytes.len() - 1], &[], &[0], &[2]] {
            assert_eq!(decode::<User>(bad), Err(RecordError::Damaged), "{bad:?}");
        }
        assert_eq!(decode::<User>(&bytes), Ok(user(None)));
    }
}
