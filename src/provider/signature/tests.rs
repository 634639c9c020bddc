//! The vectors, and every bit that could be wrong.

mod timing;

use super::*;
use crate::domain::samples::secret;
use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};

fn github_verifies(secrets: &[HookSecret], body: &[u8], signature: &str) -> bool {
    super::github_verifies(secrets, body, signature).is_some()
}

fn standard_verifies(keys: &[SigningKey], id: &str, at: &str, body: &[u8], given: &str) -> bool {
    super::standard_verifies(keys, id, at, body, given).is_some()
}

fn gitlab_token_verifies(secrets: &[HookSecret], token: &str) -> bool {
    super::gitlab_token_verifies(secrets, token).is_some()
}

/// During a rotation it matters which secret it was.
#[test]
fn it_is_told_which_secret_fits() {
    let secrets = ['a', 'b', 'b', 'c'].map(secret);
    let keys = secrets.each_ref().map(SigningKey::of_gitlab);
    for (fill, place) in [('a', Some(0)), ('b', Some(1)), ('c', Some(3)), ('d', None)] {
        let other = secret(fill);
        let signature = github_sign(&other, b"body");
        let found = super::github_verifies(&secrets, b"body", &signature);
        assert_eq!(found, place, "{fill}");
        let found = super::gitlab_token_verifies(&secrets, &gitlab_token(&other));
        assert_eq!(found, place, "{fill}");
        let signature = SigningKey::of_gitlab(&other).sign("id", "1", b"body");
        let found = super::standard_verifies(&keys, "id", "1", b"body", &signature);
        assert_eq!(found, place, "{fill}");
    }
}

// The key of the published vectors is 27 bytes, shorter than we allow ourselves, so the
// vectors are checked on the function below the type.
fn vector(body: &[u8]) -> String {
    HEXLOWER.encode(&hmac_sha256(b"It's a Secret to Everybody", &[body]))
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
    let raw = HEXLOWER_PERMISSIVE
        .decode(&good.as_bytes()["sha256=".len()..])
        .unwrap();
    for bit in 0..256 {
        let mut changed = raw.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let signature = format!("sha256={}", HEXLOWER.encode(&changed));
        assert!(
            !github_verifies(&secrets, &body, &signature),
            "bit {bit} of the signature"
        );
    }
}

/// Key as text, id, time, body, signature: that of Standard Webhooks' own tests, and one in
/// GitLab's form.
const STANDARD_VECTORS: [(&str, &str, &str, &str, &str); 2] = [
    (
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
        "1649367553",
        r#"{"email":"test@example.com","username":"test_user"}"#,
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    ),
    (
        "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "f5e5f430-f57b-4e6e-9fac-d9128cd7232f",
        "1744578123",
        r#"{"object_kind":"pipeline"}"#,
        "v1,hZSy9hT6/BxJ0s7tbEU88RUwp9+TAJW3+JKXVJPby4M=",
    ),
];

#[test]
fn standard_vectors_hold() {
    for (key, id, timestamp, body, signature) in STANDARD_VECTORS {
        // The key of the published one has 24 bytes, GitLab's have 32.
        let bytes = BASE64.decode(&key.as_bytes()["whsec_".len()..]).unwrap();
        let mac = standard_mac(&bytes, id, timestamp, body.as_bytes());
        assert_eq!(format!("v1,{}", BASE64.encode(&mac)), signature);
        assert_eq!(SigningKey::from_text(key).is_some(), bytes.len() == 32);
    }
    let (text, id, timestamp, body, signature) = STANDARD_VECTORS[1];
    let key = SigningKey::from_text(text).unwrap();
    assert_eq!(key.to_text().as_str(), text);
    assert_eq!(key.sign(id, timestamp, body.as_bytes()), signature);
    for bad in ["", "whsec_", "whsec_!!", &text["whsec_".len()..]] {
        assert!(SigningKey::from_text(bad).is_none(), "{bad}");
    }
}

#[test]
fn any_listed_signature_of_any_key_will_do_and_no_other_version() {
    let (text, id, timestamp, body, signature) = STANDARD_VECTORS[1];
    let other = SigningKey::of_gitlab(&secret('a'));
    let keys = [other, SigningKey::from_text(text).unwrap()];
    let fits = |header: &str| standard_verifies(&keys, id, timestamp, body.as_bytes(), header);
    let wrong = format!("v1,{}", BASE64.encode(&[7_u8; 32]));
    let many = vec![wrong.as_str(); STANDARD_SIGNATURES_MAX].join(" ");
    for good in [
        signature.to_owned(),
        format!("{wrong} {signature}"),
        format!("v1a,xyz v2,{} {signature} {wrong}", &signature[3..]),
    ] {
        assert!(fits(&good), "{good}");
    }
    for bad in [
        String::new(),
        "v1,".into(),
        wrong.clone(),
        signature[3..].into(),
        signature.replace("v1,", "v2,"),
        signature.replace("v1,", "V1,"),
        signature.replace("v1,", "v1, "),
        format!("{signature}="),
        signature.replace('=', ""),
        format!("{many} {signature}"),
    ] {
        assert!(!fits(&bad), "{bad}");
    }
    assert!(!standard_verifies(
        &[],
        id,
        timestamp,
        body.as_bytes(),
        signature
    ));
}

/// Each text that differs from this one in one bit and is still a text.
fn flipped(text: &str) -> Vec<String> {
    let flip = |bit: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        String::from_utf8(bytes).ok()
    };
    (0..text.len() * 8).filter_map(flip).collect()
}

#[test]
fn every_flipped_bit_of_signature_id_time_and_body_is_noticed() {
    let (text, id, timestamp, body, signature) = STANDARD_VECTORS[1];
    let keys = [SigningKey::from_text(text).unwrap()];
    let fits = |id: &str, timestamp: &str, body: &str, signature: &str| {
        standard_verifies(&keys, id, timestamp, body.as_bytes(), signature)
    };
    assert!(fits(id, timestamp, body, signature));
    for other in flipped(id) {
        assert!(!fits(&other, timestamp, body, signature), "{other}");
    }
    for other in flipped(timestamp) {
        assert!(!fits(id, &other, body, signature), "{other}");
    }
    for other in flipped(body) {
        assert!(!fits(id, timestamp, &other, signature), "{other}");
    }
    for other in flipped(signature) {
        assert!(!fits(id, timestamp, body, &other), "{other}");
    }
    let raw = BASE64.decode(&signature.as_bytes()[3..]).unwrap();
    for bit in 0..256 {
        let mut changed = raw.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = format!("v1,{}", BASE64.encode(&changed));
        assert!(!fits(id, timestamp, body, &changed), "bit {bit}");
    }
}

#[test]
fn id_time_and_body_cannot_be_shifted_into_each_other() {
    let key = SigningKey::of_gitlab(&secret('a'));
    let signature = key.sign("id", "12", b"3.body");
    // The dots are part of what is signed: only a dot within a part could be read in two ways,
    // and then the time is none.
    let keys = [key];
    assert!(standard_verifies(&keys, "id", "12", b"3.body", &signature));
    assert!(!standard_verifies(
        &keys, "id.1", "2", b"3.body", &signature
    ));
    assert!(!standard_verifies(&keys, "id", "123", b".body", &signature));
}

#[test]
fn gitlabs_two_secrets_differ_from_each_other_and_from_ours() {
    let secret = secret('a');
    let token = gitlab_token(&secret);
    let key = SigningKey::of_gitlab(&secret);
    assert_eq!(token.len(), 64);
    assert_ne!(token.as_str(), HEXLOWER.encode(&key.0));
    assert_ne!(token.as_str(), secret.expose());
    assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
    let secrets = [crate::domain::samples::secret('b'), secret];
    assert!(gitlab_token_verifies(&secrets, &token));
    assert!(!gitlab_token_verifies(&[], &token));
    for bad in flipped(&token) {
        assert!(!gitlab_token_verifies(&secrets, &bad), "{bad}");
    }
    assert!(!gitlab_token_verifies(&secrets, &token[..63]));
    assert!(!gitlab_token_verifies(
        &secrets,
        &format!("{}0", token.as_str())
    ));
}
