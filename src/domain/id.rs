//! Identifiers: ours are sortable by creation time, the provider's are numbers of its own.

use super::time::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Crockford's base 32, in lower case: no `i`, `l`, `o`, `u`, so that ids survive being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Digits of a 128-bit number in base 32.
const ID_DIGITS: usize = 26;
/// Random bytes in a hook key: 160 bits, far beyond guessing.
pub const HOOK_KEY_BYTES: usize = 20;
/// Digits of a hook key in base 32.
const HOOK_KEY_DIGITS: usize = 32;

/// Where chance comes from. The daemon hands in the operating system's generator, tests a seed.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with random bytes fit for keys and secrets.
    fn fill(&self, bytes: &mut [u8]);
}

/// The text is no id of the expected kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0} id")]
pub struct IdError(&'static str);

fn digit(byte: u8) -> Option<u8> {
    ALPHABET
        .iter()
        .position(|d| *d == byte)
        .and_then(|p| u8::try_from(p).ok())
}

fn write_number(out: &mut String, mut number: u128) {
    let mut digits = [0_u8; ID_DIGITS];
    for slot in digits.iter_mut().rev() {
        *slot = ALPHABET[(number & 31) as usize];
        number >>= 5;
    }
    out.extend(digits.iter().map(|d| char::from(*d)));
}

fn read_number(text: &str) -> Option<u128> {
    // 26 digits hold 130 bits: the first digit may only use three of its five.
    if text.len() != ID_DIGITS || digit(text.as_bytes()[0])? > 7 {
        return None;
    }
    text.bytes()
        .try_fold(0_u128, |n, byte| Some((n << 5) | u128::from(digit(byte)?)))
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
            /// A new id for something created at `now`.
            pub fn generate(now: Timestamp, entropy: &dyn Entropy) -> Self {
                let mut random = [0_u8; 16];
                entropy.fill(&mut random[6..]);
                let ms = u128::from(u64::try_from(now.0).unwrap_or(0) & 0xFFFF_FFFF_FFFF);
                Self((ms << 80) | u128::from_be_bytes(random))
            }

            /// When it was made.
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
                let mut text = String::with_capacity($prefix.len() + 1 + ID_DIGITS);
                text.push_str(concat!($prefix, "_"));
                write_number(&mut text, self.0);
                f.write_str(&text)
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
    /// A connection: a repository that a user asked us to look after.
    ConnectionId = "con";
    /// A user of this daemon.
    UserId = "usr";
    /// An API token of ours.
    TokenId = "tok";
    /// A stored provider token.
    CredentialId = "crd";
    /// A stored delivery.
    DeliveryId = "dlv";
    /// A workflow run or pipeline, as we record it.
    RunId = "run";
    /// An incident.
    IncidentId = "inc";
    /// A command: what somebody asked of a connection.
    CommandId = "cmd";
    /// A store: a data directory, from its first start on.
    StoreId = "sto";
}

/// Whom something belongs to. Each user is their own only owner; indexes and guards go by owner.
pub type OwnerId = UserId;

/// The provider's own id of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HookId(pub u64);

/// The unguessable, non-secret key in a hook's URL: our mark of ownership (see the design's
/// "ownership mark"), and the way a delivery finds its connection in one look-up.
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
        let mut text = String::with_capacity(HOOK_KEY_DIGITS);
        for five in self.0.chunks_exact(5) {
            let number = five
                .iter()
                .fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
            for shift in (0..8).rev() {
                text.push(char::from(
                    ALPHABET[((number >> (shift * 5)) & 31) as usize],
                ));
            }
        }
        f.write_str(&text)
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
        const ERROR: IdError = IdError("hook key");
        if text.len() != HOOK_KEY_DIGITS {
            return Err(ERROR);
        }
        let mut bytes = [0_u8; HOOK_KEY_BYTES];
        for (eight, out) in text
            .as_bytes()
            .chunks_exact(8)
            .zip(bytes.chunks_exact_mut(5))
        {
            let number = eight
                .iter()
                .try_fold(0_u64, |n, byte| Some((n << 5) | u64::from(digit(*byte)?)))
                .ok_or(ERROR)?;
            out.copy_from_slice(&number.to_be_bytes()[3..]);
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed(u8);
    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

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
            let first = RunId::generate(Timestamp(early), &Fixed(0xFF));
            let second = RunId::generate(Timestamp(early + gap), &Fixed(0));
            prop_assert!(first < second && first.to_string() < second.to_string());
        }

        #[test]
        fn rubbish_is_refused_and_never_panics(text in ".{0,40}") {
            let _ = text.parse::<UserId>();
            let _ = text.parse::<HookKey>();
        }
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
