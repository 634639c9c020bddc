//! The key ring: XChaCha20-Poly1305. The newest key seals, every key opens.
//!
//! A sealed value is `version | key id | nonce | ciphertext and tag`. Its purpose (kind of record,
//! field, owner, record id, provider and host, key id) is authenticated with it, each part with a
//! length prefix, so that no two purposes can be confused.

use super::{Purpose, Seal, SealError};
use crate::domain::id::Entropy;
use crate::domain::secret::Sealed;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use data_encoding::BASE64;
use std::fmt;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a master key.
pub const KEY_BYTES: usize = 32;
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;
/// Separates key ids from every other use of the same hash.
const KEY_ID_CONTEXT: &str = "hookherd 2026-11 master key id";

/// A master key, wiped when dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_BYTES]>);

/// A text that is not a list of master keys. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key.
    #[error("no master key; create one with `hookherd keygen`")]
    Missing,
    /// Not 32 bytes in base64.
    #[error("master key {0} is not 32 bytes in base64; create one with `hookherd keygen`")]
    Malformed(usize),
}

impl MasterKey {
    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    /// The key as text for a configuration.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&*self.0))
    }

    /// Keys from their texts, separated by commas, newest first.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, KeyError> {
        if text.split(',').all(|part| part.trim().is_empty()) {
            return Err(KeyError::Missing);
        }
        let parse = |(index, part): (usize, &str)| {
            let malformed = KeyError::Malformed(index + 1);
            let text = part.trim();
            // The decoder accepts padded texts one after the other: two short keys are no key.
            if text.len() != BASE64.encode_len(KEY_BYTES) {
                return Err(malformed);
            }
            let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
            let bytes = bytes.map_err(|_| malformed)?;
            let key = bytes.as_slice().try_into().map_err(|_| malformed)?;
            Ok(Self(Zeroizing::new(key)))
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts.enumerate().map(parse).collect()
    }

    fn id(&self) -> [u8; KEY_ID_BYTES] {
        let mut hash = blake3::derive_key(KEY_ID_CONTEXT, &*self.0);
        let id = *hash.first_chunk().expect("a hash has 32 bytes");
        hash.zeroize();
        id
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

struct RingKey {
    id: [u8; KEY_ID_BYTES],
    cipher: XChaCha20Poly1305,
}

/// Master keys, newest first.
pub struct KeyRing {
    keys: Vec<RingKey>,
    entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

impl KeyRing {
    /// A ring of at least one key.
    pub fn new(keys: &[MasterKey], entropy: Arc<dyn Entropy>) -> Result<Self, KeyError> {
        if keys.is_empty() {
            return Err(KeyError::Missing);
        }
        let ring_key = |key: &MasterKey| RingKey {
            id: key.id(),
            cipher: XChaCha20Poly1305::new(&Key::from(*key.0)),
        };
        Ok(Self {
            keys: keys.iter().map(ring_key).collect(),
            entropy,
        })
    }
}

/// The associated data of a secret: unambiguous, because every part has a length prefix.
fn associated_data(purpose: &Purpose<'_>, key_id: [u8; KEY_ID_BYTES]) -> Vec<u8> {
    let mut data = Vec::with_capacity(128);
    let mut part = |bytes: &[u8]| {
        data.extend((bytes.len() as u64).to_le_bytes());
        data.extend(bytes);
    };
    part(&[VERSION]);
    part(&key_id);
    match purpose {
        Purpose::HookSecret {
            connection,
            owner,
            instance,
        } => {
            part(b"connection");
            part(b"secret");
            part(&owner.as_u128().to_be_bytes());
            part(&connection.as_u128().to_be_bytes());
            part(instance.provider.as_str().as_bytes());
            part(instance.host.as_str().as_bytes());
        }
        Purpose::ProviderToken {
            field,
            credential,
            owner,
            instance,
        } => {
            part(b"credential");
            part(field.as_str().as_bytes());
            part(&owner.as_u128().to_be_bytes());
            part(&credential.as_u128().to_be_bytes());
            part(instance.provider.as_str().as_bytes());
            part(instance.host.as_str().as_bytes());
        }
        Purpose::SinkTarget { sink, owner, host } => {
            part(b"sink");
            part(b"target");
            part(&owner.as_u128().to_be_bytes());
            part(&sink.as_u128().to_be_bytes());
            part(host.as_bytes());
        }
        Purpose::Canary => part(b"canary"),
    }
    data
}

impl Seal for KeyRing {
    fn seal(&self, purpose: &Purpose<'_>, plain: &[u8]) -> Sealed {
        let key = &self.keys[0];
        let mut nonce = [0; NONCE_BYTES];
        self.entropy.fill(&mut nonce);
        let aad = associated_data(purpose, key.id);
        let sealed = key.cipher.encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: plain,
                aad: &aad,
            },
        );
        let sealed = sealed.expect("encrypting a few kilobytes in memory cannot fail");
        let mut bytes = Vec::with_capacity(HEAD_BYTES + sealed.len());
        bytes.push(VERSION);
        bytes.extend(key.id);
        bytes.extend(nonce);
        bytes.extend(sealed);
        Sealed(bytes)
    }

    fn open(
        &self,
        purpose: &Purpose<'_>,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, ciphertext) = sealed
            .0
            .split_at_checked(HEAD_BYTES)
            .ok_or(SealError::Refused)?;
        if head[0] != VERSION {
            return Err(SealError::Refused);
        }
        let (id, nonce) = head[1..].split_at(KEY_ID_BYTES);
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().expect("the head has a fixed layout");
        let key = self
            .keys
            .iter()
            .find(|key| key.id == id)
            .ok_or(SealError::UnknownKey)?;
        let aad = associated_data(purpose, key.id);
        let payload = Payload {
            msg: ciphertext,
            aad: &aad,
        };
        let plain = key.cipher.decrypt(&XNonce::from(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| SealError::Refused)
    }

    fn is_current(&self, sealed: &Sealed) -> bool {
        sealed.0.get(1..=KEY_ID_BYTES) == Some(&self.keys[0].id[..])
    }
}

/// The content of the check value: nothing secret, only a known text.
const CANARY: &[u8] = b"hookherd canary 1";

/// A new check value for a store.
pub fn make_canary(seal: &dyn Seal) -> Sealed {
    seal.seal(&Purpose::Canary, CANARY)
}

/// Whether the key ring fits the store with this check value.
pub fn canary_fits(seal: &dyn Seal, canary: &Sealed) -> bool {
    seal.open(&Purpose::Canary, canary)
        .is_ok_and(|plain| plain.as_slice() == CANARY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{ConnectionId, CredentialId, UserId};

    use crate::domain::samples::{Seeded, instance};
    use crate::seal::TokenField;
    use std::collections::HashSet;

    fn keys(count: u8) -> Vec<MasterKey> {
        (0..count)
            .map(|n| MasterKey(Zeroizing::new([n; KEY_BYTES])))
            .collect()
    }

    fn ring(keys: &[MasterKey]) -> KeyRing {
        KeyRing::new(keys, Arc::new(Seeded::default())).unwrap()
    }

    #[test]
    fn a_secret_opens_only_as_what_it_was_sealed_as() {
        let (here, there) = (instance("github.com"), instance("github.example"));
        let ring = ring(&keys(1));
        let mut purposes = vec![Purpose::Canary];
        for instance in [&here, &there] {
            for owner in [1, 2].map(UserId::from_u128) {
                for id in [1, 2] {
                    let connection = ConnectionId::from_u128(id);
                    let credential = CredentialId::from_u128(id);
                    purposes.push(Purpose::HookSecret {
                        connection,
                        owner,
                        instance,
                    });
                    purposes.extend(TokenField::ALL.map(|field| Purpose::ProviderToken {
                        field,
                        credential,
                        owner,
                        instance,
                    }));
                }
            }
        }
        for sealed_as in &purposes {
            let sealed = ring.seal(sealed_as, b"secret");
            for opened_as in &purposes {
                let opened = ring.open(opened_as, &sealed);
                assert_eq!(
                    opened.is_ok(),
                    sealed_as == opened_as,
                    "{sealed_as:?} {opened_as:?}"
                );
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_refused() {
        let ring = ring(&keys(1));
        let sealed = ring.seal(&Purpose::Canary, b"secret");
        for bit in 0..sealed.0.len() * 8 {
            let mut changed = sealed.clone();
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert!(ring.open(&Purpose::Canary, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.0.len() {
            let cut = Sealed(sealed.0[..length].to_vec());
            assert!(
                ring.open(&Purpose::Canary, &cut).is_err(),
                "length {length}"
            );
        }
    }

    #[test]
    fn after_a_rotation_old_values_open_and_new_ones_use_the_new_key() {
        let keys = keys(2);
        let old = ring(&keys[1..]);
        let both = ring(&keys);
        let sealed = old.seal(&Purpose::Canary, b"x");
        assert!(both.open(&Purpose::Canary, &sealed).is_ok());
        assert!(!both.is_current(&sealed));
        let resealed = both.seal(&Purpose::Canary, b"x");
        assert!(both.is_current(&resealed));
        assert_eq!(
            old.open(&Purpose::Canary, &resealed).unwrap_err(),
            SealError::UnknownKey
        );
    }

    #[test]
    fn nonces_do_not_repeat() {
        let ring = ring(&keys(1));
        let nonces: HashSet<Vec<u8>> = (0..100_000)
            .map(|_| ring.seal(&Purpose::Canary, b""))
            .map(|s| s.0[9..33].to_vec())
            .collect();
        assert_eq!(nonces.len(), 100_000);
    }

    #[test]
    fn the_canary_tells_a_wrong_key() {
        let keys = keys(2);
        let canary = make_canary(&ring(&keys[..1]));
        assert!(canary_fits(&ring(&keys[..1]), &canary));
        assert!(canary_fits(&ring(&keys), &canary));
        assert!(!canary_fits(&ring(&keys[1..]), &canary));
    }

    #[test]
    fn key_texts_come_back_and_bad_ones_are_not_repeated_in_the_error() {
        let key = MasterKey::generate(&Seeded::default());
        let text = format!("{}, {}", *key.to_text(), *key.to_text());
        assert_eq!(MasterKey::parse_list(&text).unwrap().len(), 2);
        assert_eq!(
            MasterKey::parse_list(&format!(" , {text} ,\n"))
                .unwrap()
                .len(),
            2
        );
        assert_eq!(MasterKey::parse_list(" ").unwrap_err(), KeyError::Missing);
        assert_eq!(MasterKey::parse_list(" , ").unwrap_err(), KeyError::Missing);
        let error = MasterKey::parse_list("canary-text").unwrap_err();
        assert!(!error.to_string().contains("canary-text"));
        assert_eq!(
            MasterKey::parse_list("AAAA").unwrap_err(),
            KeyError::Malformed(1)
        );
        assert_eq!(format!("{key:?}"), "MasterKey(redacted)");
        // Each is a text of 16 bytes with its padding.
        let glued = format!("{0}{0}", BASE64.encode(&[7; KEY_BYTES / 2]));
        let parsed = MasterKey::parse_list(&glued).map(|keys| keys.len());
        assert_eq!(parsed, Err(KeyError::Malformed(1)));
    }
}
