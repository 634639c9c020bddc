//! What proves a delivery, and what does not.

use super::*;
use crate::domain::samples::secret;
use crate::provider::signature::gitlab_token;
use crate::provider::tests::deliveries::Headers;
use data_encoding::HEXLOWER;

const BODY: &[u8] = br#"{"object_kind":"pipeline"}"#;
const ID: &str = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";
const NOW: Timestamp = Timestamp(1_744_578_123_000);

/// As GitLab before 19 sends it.
fn bare(secret: &HookSecret) -> Headers {
    Headers::default()
        .with("x-gitlab-event", "Pipeline Hook")
        .with("x-gitlab-token", gitlab_token(secret).as_str())
        .with("idempotency-key", ID)
        .with("user-agent", "GitLab/19.1.0")
}

/// As GitLab 19 sends it, at a time in Unix seconds.
fn signed_at(secret: &HookSecret, seconds: i64) -> Headers {
    let seconds = seconds.to_string();
    let signature = SigningKey::of_gitlab(secret).sign(ID, &seconds, BODY);
    bare(secret)
        .with("webhook-id", ID)
        .with("webhook-timestamp", seconds)
        .with("webhook-signature", signature)
}

fn signed(secret: &HookSecret) -> Headers {
    signed_at(secret, NOW.0 / 1000)
}

fn verify(
    headers: &Headers,
    body: &[u8],
    secrets: &[HookSecret],
    proof: Proof,
) -> Result<Verified, VerifyError> {
    let inbound = Inbound {
        headers,
        body,
        received_at: NOW,
    };
    decoder().verify(inbound, secrets, proof)
}

#[test]
fn a_signed_delivery_is_verified_and_the_token_is_not_kept() {
    let headers = signed(&secret('a'));
    for proof in [Proof::Signature, Proof::Unknown, Proof::Token] {
        let verified = verify(&headers, BODY, &[secret('b'), secret('a')], proof).unwrap();
        assert_eq!(verified.provider_delivery_id(), ID);
        assert_eq!(verified.event(), "Pipeline Hook");
        assert!(!verified.is_ping() && !verified.is_stale());
        let names: Vec<_> = verified.headers().iter().map(|(n, _)| n.as_str()).collect();
        let kept = [
            "x-gitlab-event",
            "idempotency-key",
            "webhook-id",
            "webhook-timestamp",
            "user-agent",
        ];
        assert_eq!(names, kept);
    }
}

#[test]
fn the_body_says_what_it_tells_of_and_not_the_header() {
    let secrets = [secret('a')];
    let event = |named: &str, body: &[u8]| {
        let headers = bare(&secrets[0]).with("x-gitlab-event", named);
        let verified = verify(&headers, body, &secrets, Proof::Token).unwrap();
        verified.event().to_owned()
    };
    for named in ["Pipeline Hook", "Note Hook", "Job Hook", "Made Up Hook"] {
        assert_eq!(event(named, BODY), "Pipeline Hook");
        assert_eq!(event(named, br#"{"object_kind":"build"}"#), "Job Hook");
        // A kind that nothing follows from, and no kind: the header is all there is.
        for body in [&br#"{"object_kind":"note"}"#[..], b"{}", b"\xFF"] {
            assert_eq!(event(named, body), named);
        }
    }
}

#[test]
fn a_hook_that_signs_never_accepts_a_bare_token() {
    let secrets = [secret('a')];
    let bare = bare(&secrets[0]);
    let refused = verify(&bare, BODY, &secrets, Proof::Signature);
    assert_eq!(refused, Err(VerifyError::BadSignature));
    verify(&bare, BODY, &secrets, Proof::Token).unwrap();
    verify(&bare, BODY, &secrets, Proof::Unknown).unwrap();
    // A wrong signature is not made good by the right token while that is not known.
    let other = SigningKey::of_gitlab(&secret('b')).sign(ID, "1744578123", BODY);
    let wrong = signed(&secrets[0]).with("webhook-signature", other);
    for proof in [Proof::Signature, Proof::Unknown] {
        let refused = verify(&wrong, BODY, &secrets, proof);
        assert_eq!(refused, Err(VerifyError::BadSignature));
    }
}

#[test]
fn id_time_and_body_are_covered_by_the_signature() {
    let secrets = [secret('a')];
    let good = signed(&secrets[0]);
    for bad in [
        good.clone().with("webhook-id", "another"),
        good.clone().with("webhook-timestamp", "1744578124"),
        good.clone().without("webhook-id"),
        good.clone().without("webhook-timestamp"),
        good.clone().with("webhook-signature", ""),
    ] {
        for proof in [Proof::Signature, Proof::Unknown] {
            let refused = verify(&bad, BODY, &secrets, proof);
            assert_eq!(refused, Err(VerifyError::BadSignature), "{bad:?}");
        }
    }
    let refused = verify(&good, b"{}", &secrets, Proof::Signature);
    assert_eq!(refused, Err(VerifyError::BadSignature));
}

#[test]
fn without_a_secret_nothing_is_accepted_not_even_nobodys() {
    let nobodys = decoder().nobodys;
    for headers in [signed(&nobodys), bare(&nobodys)] {
        for proof in [Proof::Signature, Proof::Token, Proof::Unknown] {
            let refused = verify(&headers, BODY, &[], proof);
            assert_eq!(refused, Err(VerifyError::BadSignature));
        }
    }
    // Neither ours nor an empty token is GitLab's.
    let secrets = [secret('a')];
    for token in [secrets[0].expose(), ""] {
        let headers = bare(&secrets[0]).with("x-gitlab-token", token);
        let refused = verify(&headers, BODY, &secrets, Proof::Token);
        assert_eq!(refused, Err(VerifyError::BadSignature));
    }
}

#[test]
fn what_was_signed_at_another_time_is_authentic_and_stale() {
    let secrets = [secret('a')];
    let now = NOW.0 / 1000;
    for (seconds, is_stale) in [
        (now - 301, true),
        (now - 300, false),
        (now + 300, false),
        (now + 301, true),
        (0, true),
        (i64::MAX, true),
        (i64::MIN, true),
    ] {
        let headers = signed_at(&secrets[0], seconds);
        for proof in [Proof::Signature, Proof::Unknown] {
            let verified = verify(&headers, BODY, &secrets, proof).unwrap();
            assert_eq!(verified.is_stale(), is_stale, "{seconds}");
        }
        // A time that nothing proves is worth nothing.
        let verified = verify(&headers, BODY, &secrets, Proof::Token).unwrap();
        assert!(!verified.is_stale());
    }
}

#[test]
fn the_delivery_is_named_by_gitlab_or_else_by_what_was_sent() {
    let secrets = [secret('a')];
    let named = |headers: &Headers| {
        let verified = verify(headers, BODY, &secrets, Proof::Token).unwrap();
        verified.provider_delivery_id().to_owned()
    };
    let old = bare(&secrets[0]);
    assert_eq!(named(&old.clone().with("webhook-id", "w")), "w");
    assert_eq!(named(&old), ID);
    let digest = format!("sha256:{}", HEXLOWER.encode(&Sha256::digest(BODY)));
    assert_eq!(named(&old.clone().without("idempotency-key")), digest);
    let long = old.with("idempotency-key", "k".repeat(129));
    assert_eq!(named(&long), digest);
}

#[test]
fn the_event_must_be_given_and_short() {
    let secrets = [secret('a')];
    let good = signed(&secrets[0]);
    for bad in [
        good.clone().without("x-gitlab-event"),
        good.clone().with("x-gitlab-event", ""),
        good.clone().with("x-gitlab-event", "e".repeat(101)),
        good.clone().with("x-gitlab-event", "a\tb"),
    ] {
        let refused = verify(&bad, BODY, &secrets, Proof::Signature);
        assert_eq!(refused, Err(VerifyError::BadHeader("x-gitlab-event")));
    }
}

#[test]
fn a_claim_comes_from_the_body() {
    let claim = |body: &str| {
        decoder().claim(Inbound {
            headers: &Headers::default(),
            body: body.as_bytes(),
            received_at: NOW,
        })
    };
    let by_id = claim(r#"{"project":{"path_with_namespace":"g/p","id":7}}"#);
    assert_eq!(by_id, Some(Claim::Repository(RepositoryId(7))));
    let by_name = claim(r#"{"project":{"path_with_namespace":"g/s/p"}}"#);
    assert_eq!(by_name, Some(Claim::Name("g/s/p".parse().unwrap())));
    for nothing in ["", "[]", "{}", r#"{"project":"g/p"}"#, "{\"project\":{"] {
        assert_eq!(claim(nothing), None, "{nothing}");
    }
}
