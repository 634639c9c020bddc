//! Identifiers: ours are sortable by creation time, the provider's are numbers of its own.

use super::time::Timestamp;
use data_encoding::{Encoding, Specification};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

/// Crockford's base 32, in lower case: no `i`, `l`, `o`, `u`, so that ids survive being read aloud.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("0123456789abcdefghjkmnpqrstvwxyz");
    specification.encoding().expect("these are 32 symbols")
});
/// Digits of a 128-bit number in base 32.
const ID_DIGITS: usize = 26;
/// Random bytes in a hook key: 160 bits, far beyond guessing.
pub const HOOK_KEY_BYTES: usize = 20;

/// The source of randomness. The daemon uses the operating system's generator, tests a seed.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bytes fit for keys and secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// The text is not an id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0} id")]
pub struct IdError(&'static str);

/// 26 digits hold 130 bits, 28 hold the 17 bytes of the number between two bits of zero and six.
fn write_number(number: u128) -> String {
    let mut bytes = [0_u8; 17];
    bytes[..16].copy_from_slice(&(number >> 2).to_be_bytes());
    bytes[16] = u8::try_from(number & 3).expect("two bits") << 6;
    let mut text = BASE32.encode(&bytes);
    text.truncate(ID_DIGITS);
    text
}

fn read_number(text: &str) -> Option<u128> {
    if text.len() != ID_DIGITS {
        return None;
    }
    let bytes = BASE32.decode(format!("{text}00").as_bytes()).ok()?;
    let (high, low) = bytes.split_first_chunk::<16>()?;
    let high = u128::from_be_bytes(*high);
    // The first digit may only use three of its five bits.
    (high >> 126 == 0).then(|| (high << 2) | u128::from(low[0] >> 6))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// 48 bits of creation time and 80 random bits, so that order of ids is order of creation
        /// (to the millisecond). Text form: a prefix and 26 digits of base 32.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// A new id for an object created at `now`.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                let mut random = [0_u8; 16];
                entropy.fill(&mut random[6..]);
                let ms = u128::from(u64::try_from(now.0).unwrap_or(0) & 0xFFFF_FFFF_FFFF);
                Self((ms << 80) | u128::from_be_bytes(random))
            }

            /// The least id of those that are created at `at` or later.
            pub fn first_at(at: Timestamp) -> Self {
                Self(u128::from(u64::try_from(at.0).unwrap_or(0).min(0xFFFF_FFFF_FFFF)) << 80)
            }

            /// The id of what began at `at` and has this number: the same
            /// however often it is made.
            pub fn derived(at: Timestamp, number: u128) -> Self {
                // 80 bits: what is left of an id beside its time.
                Self(Self::first_at(at).0 | (number ^ (number >> 80)) & ((1 << 80) - 1))
            }

            /// When it was created.
            pub fn created_at(self) -> Timestamp {
                let ms = i64::try_from(self.0 >> 80);
                Timestamp(ms.expect("what is left has 48 bits"))
            }

            /// The number behind the text, as it is stored.
            pub const fn as_u128(self) -> u128 { self.0 }

            /// The id with this number.
            pub const fn from_u128(number: u128) -> Self { Self(number) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(&write_number(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read_number).map(Self).ok_or(IdError($prefix))
            }
        }
    )*};
}

ids! {
    /// A connection: a repository that Hookherd watches for a user.
    ConnectionId = "con";
    /// A user of this daemon.
    UserId = "usr";
    /// An API token of ours.
    TokenId = "tok";
    /// A stored credential.
    CredentialId = "crd";
    /// A stored delivery.
    DeliveryId = "dlv";
    /// A workflow run or pipeline, as we record it.
    RunId = "run";
    /// An incident.
    IncidentId = "inc";
    /// A command: a user's request for a connection.
    CommandId = "cmd";
    /// An operation: a user's request for many connections.
    OperationId = "opr";
    /// A gap: a time in which deliveries of a connection were missed, or may have been.
    GapId = "gap";
    /// A sink: where an owner is notified.
    SinkId = "snk";
    /// A notification.
    NotificationId = "ntf";
    /// A store: a data directory, from its first start on.
    StoreId = "sto";
}

/// The owner of an object. Each user is their own only owner; indexes and guards use it.
pub type OwnerId = UserId;

/// The provider's own id of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub u64);

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The unguessable, non-secret key in a hook's URL: our mark of ownership, with which a delivery's
/// connection is found in one look-up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookKey([u8; HOOK_KEY_BYTES]);

impl HookKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0_u8; HOOK_KEY_BYTES];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// The key's bytes, as they are stored.
    pub const fn as_bytes(&self) -> &[u8; HOOK_KEY_BYTES] {
        &self.0
    }

    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; HOOK_KEY_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for HookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        BASE32.encode_display(&self.0).fmt(f)
    }
}

impl fmt::Debug for HookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for HookKey {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = BASE32.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(IdError("hook key"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples::Same;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_survive_their_text_form(number: u128) {
            let id = ConnectionId::from_u128(number);
            prop_assert_eq!(id.to_string().parse::<ConnectionId>(), Ok(id));
        }

        #[test]
        fn hook_keys_survive_their_text_form(bytes: [u8; HOOK_KEY_BYTES]) {
            let key = HookKey::from_bytes(bytes);
            prop_assert_eq!(key.to_string().parse::<HookKey>(), Ok(key));
        }

        #[test]
        fn text_order_is_creation_order(early in 0_i64..1 << 40, gap in 1_i64..1 << 40) {
            let first = RunId::generate(Timestamp(early), &Same(0xFF));
            let second = RunId::generate(Timestamp(early + gap), &Same(0));
            prop_assert!(first < second && first.to_string() < second.to_string());
        }

        #[test]
        fn rubbish_is_refused_and_never_panics(text in ".{0,40}") {
            let _ = text.parse::<UserId>();
            let _ = text.parse::<HookKey>();
        }
    }

    #[test]
    fn the_text_forms_stay_what_they_are() {
        let id = ConnectionId::from_u128(0x0199_C4B9_5908_0123_4567_89AB_CDEF_FEDC);
        assert_eq!(id.to_string(), "con_01k72bjp8804hmasw9nf6yzzpw");
        let id = ConnectionId::from_u128(u128::MAX);
        assert_eq!(id.to_string(), "con_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        let key = HookKey::from_bytes(*b"0123456789abcdefghij");
        assert_eq!(key.to_string(), "60rk4csm6mv3ee1sc5h66s35cskpgtba");
        assert!(
            "con_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
                .parse::<ConnectionId>()
                .is_err()
        );
        assert!(
            "con_0000000000000000000000000000"
                .parse::<ConnectionId>()
                .is_err()
        );
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = ConnectionId::from_u128(7).to_string();
        assert_eq!(id.parse::<UserId>(), Err(IdError("usr")));
        assert!("con_".parse::<ConnectionId>().is_err());
        assert!(
            format!("con_z{}", "0".repeat(25))
                .parse::<ConnectionId>()
                .is_err()
        );
    }
}
