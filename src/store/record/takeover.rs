//! The frozen mirrors of what connections do about hooks of others.

use super::codec::Record;
use super::wire::{Wire, codes, mirror, mirror_enum};
use crate::domain::error_code::ErrorCode;
use crate::domain::id::{ConnectionId, HookId, UserId};
use crate::domain::standing::Fingerprint;
use crate::domain::takeover::{Other, OtherState, Replace, Takeover};
use crate::domain::time::Timestamp;

codes!(OtherState {
    0 = Found, 1 = Removing, 2 = Removed, 3 = Gone, 4 = Changed, 5 = Refused,
});

impl Wire for Fingerprint {
    type Plain = [u8; 16];
    fn to_wire(&self) -> [u8; 16] {
        *self.as_bytes()
    }
    fn from_wire(plain: [u8; 16]) -> Option<Self> {
        Some(Self::from_bytes(plain))
    }
}

mirror_enum!(ReplaceV1 of Replace { SameReceiver, Matching(String) });
mirror!(OtherV1 of Other {
    hook: HookId,
    fingerprint: Fingerprint,
    url: String,
    state: OtherState,
    code: Option<ErrorCode>,
});
mirror!(TakeoverV1 of Takeover {
    connection: ConnectionId,
    owner: UserId,
    adopts: Option<(HookId, Fingerprint)>,
    replaces: Option<Replace>,
    since: Timestamp,
    others: Vec<Other>,
});

impl Record for Takeover {
    const VERSION: u8 = 1;
    const KIND: &'static str = "takeover";
}

#[cfg(test)]
mod tests {
    use super::super::kinds::tests::round;
    use super::*;
    use crate::domain::samples;

    #[test]
    fn every_state_and_every_wish_comes_back() {
        round(OtherState::ALL.to_vec());
        let id = ConnectionId::from_u128(3);
        let empty = Takeover::new(id, samples::ANN, Timestamp(-7));
        let named = Takeover {
            adopts: None,
            replaces: Some(Replace::Matching("https://old.example/*".into())),
            ..samples::takeover(id)
        };
        round(vec![samples::takeover(id), empty, named]);
    }
}
