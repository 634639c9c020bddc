//! Signatures of deliveries. Shared with the simulator, because the algorithm is given by
//! published vectors and not by anybody's belief.

use crate::domain::secret::HookSecret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// What GitHub puts before the hexadecimal digits in `X-Hub-Signature-256`.
const GITHUB_PREFIX: &str = "sha256=";

fn hmac_sha256(secret: &HookSecret, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

/// The value of `X-Hub-Signature-256` for this body.
pub fn github_sign(secret: &HookSecret, body: &[u8]) -> String {
    format!("{GITHUB_PREFIX}{}", hex::encode(hmac_sha256(secret, body)))
}

/// Whether `signature` is a value of `X-Hub-Signature-256` that one of `secrets` made for `body`.
///
/// Takes the same time whichever byte differs and whichever secret fits. The prefix must be there
/// in lower case; the 64 digits may be in either case.
pub fn github_verifies(secrets: &[HookSecret], body: &[u8], signature: &str) -> bool {
    let Some(digits) = signature.strip_prefix(GITHUB_PREFIX) else {
        return false;
    };
    let mut given = [0_u8; 32];
    if hex::decode_to_slice(digits, &mut given).is_err() {
        return false;
    }
    let mut fits = subtle::Choice::from(0);
    for secret in secrets {
        fits |= hmac_sha256(secret, body).ct_eq(&given);
    }
    fits.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The key of the published vectors is 27 bytes, shorter than we allow ourselves, so the
    // vectors are checked on the function below the type.
    fn vector(body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(b"It's a Secret to Everybody").expect("any length");
        mac.update(body);
        hex::encode(mac.finalize().into_bytes())
    }

    #[test]
    fn github_vectors_hold() {
        let table: [(&[u8], &str); 4] = [
            (
                b"Hello, World!",
                "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            ),
            (
                b"",
                "66a0c074deaa0f489ead6537e0d32f9a344b90bbeda705b6ed45ecd3b413fb40",
            ),
            (
                "Hello, W\u{f6}rld! \u{2713}".as_bytes(),
                "2d87dfde51439fd8c9e7c488632d18d1eb2ff1704beaaa4afd1007bf2948a39e",
            ),
            (
                b"payload=%7B%22zen%22%3A%22Hello%2C+World%21%22%7D",
                "8159d769287f2ebd6c3feda2555a34670eb215b67ef81be37d2a4fc36418f7d8",
            ),
        ];
        for (body, expected) in table {
            assert_eq!(vector(body), expected);
        }
    }

    fn secret(fill: char) -> HookSecret {
        HookSecret::new(fill.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn any_of_the_secrets_may_have_signed() {
        let signature = github_sign(&secret('b'), b"body");
        assert!(github_verifies(
            &[secret('a'), secret('b')],
            b"body",
            &signature
        ));
        assert!(!github_verifies(&[secret('a')], b"body", &signature));
        assert!(!github_verifies(&[], b"body", &signature));
    }

    #[test]
    fn only_the_exact_form_is_accepted() {
        let secrets = [secret('a')];
        let good = github_sign(&secrets[0], b"body");
        let digits = good.strip_prefix("sha256=").unwrap();
        assert!(github_verifies(
            &secrets,
            b"body",
            &format!("sha256={}", digits.to_uppercase())
        ));
        for bad in [
            String::new(),
            "sha256=".into(),
            digits.into(),
            format!("SHA256={digits}"),
            format!("sha1={digits}"),
            format!("md5={digits}"),
            format!("sha256= {digits}"),
            format!("{good}00"),
            good[..good.len() - 1].into(),
            good.replace('=', "=0x"),
        ] {
            assert!(!github_verifies(&secrets, b"body", &bad), "{bad}");
        }
    }

    #[test]
    fn every_flipped_bit_of_body_or_signature_is_noticed() {
        let secrets = [secret('a')];
        let body = b"{\"action\":\"completed\"}".to_vec();
        let good = github_sign(&secrets[0], &body);
        for bit in 0..body.len() * 8 {
            let mut changed = body.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !github_verifies(&secrets, &changed, &good),
                "bit {bit} of the body"
            );
        }
        let raw = hex::decode(&good["sha256=".len()..]).unwrap();
        for bit in 0..256 {
            let mut changed = raw.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let signature = format!("sha256={}", hex::encode(changed));
            assert!(
                !github_verifies(&secrets, &body, &signature),
                "bit {bit} of the signature"
            );
        }
    }
}
