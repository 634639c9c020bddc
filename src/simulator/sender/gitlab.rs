//! A delivery as GitLab sends it. The signature is that of Standard Webhooks.

use crate::simulator::faults::Miscarriage;
use crate::simulator::state::gitlab::Job;
use crate::simulator::transport::Parcel;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a signing token begins with.
const KEY_PREFIX: &str = "whsec_";
/// How late a stale delivery is.
const STALE_S: u64 = 3600;
/// What stands for the secrets in a delivery that is signed wrongly.
const WRONG_TOKEN: &str = "another token than that of the hook, of enough characters";
const WRONG_KEY: [u8; 32] = [7; 32];

/// The key of a signing token: 32 bytes behind the prefix.
pub(crate) fn key_of(signing_token: &str) -> Option<[u8; 32]> {
    let digits = signing_token.strip_prefix(KEY_PREFIX)?;
    BASE64.decode(digits.as_bytes()).ok()?.try_into().ok()
}

fn sign(key: &[u8], id: &str, at_s: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{at_s}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

pub(super) fn parcel(job: &Job, miscarriage: Option<Miscarriage>) -> Parcel {
    let hook = &job.hook;
    let is_wrong = miscarriage == Some(Miscarriage::WrongSecret);
    let mut headers = job.headers.clone();
    headers.push(("Accept", "*/*".to_owned()));
    let token = hook.token.as_deref();
    if let Some(token) = token.map(|token| if is_wrong { WRONG_TOKEN } else { token }) {
        headers.push(("X-Gitlab-Token", token.replace(['\r', '\n'], "")));
    }
    let is_late = miscarriage == Some(Miscarriage::Stale);
    let late_s = if is_late { STALE_S } else { 0 };
    if let Some(at_s) = job.at_s.map(|at_s| at_s - late_s) {
        headers.push(("webhook-timestamp", at_s.to_string()));
        let key = hook.signing_token.as_deref().and_then(key_of);
        if let Some(key) = key.filter(|_| miscarriage != Some(Miscarriage::ShaOneOnly)) {
            let key = if is_wrong { WRONG_KEY } else { key };
            headers.push(("webhook-signature", sign(&key, &job.id, at_s, &job.body)));
        }
    }
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    let mut headers: Vec<(String, String)> = headers.into_iter().map(owned).collect();
    let is_ours = |name: &str| {
        headers
            .iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name))
    };
    let custom = hook
        .custom_headers
        .iter()
        .filter(|(name, _)| !is_ours(name));
    let custom: Vec<_> = custom
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    headers.extend(custom);
    Parcel {
        url: hook.url.clone(),
        headers,
        body: job.body.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_and_our_own_vector_hold() {
        let published = BASE64
            .decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD".as_bytes())
            .unwrap();
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
        let signature = sign(&published, id, 1_649_367_553, body);
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        let key = key_of("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").unwrap();
        let id = "f5e5f430-f57b-4e6e-9fac-d9128cd7232f";
        let signature = sign(&key, id, 1_744_578_123, r#"{"object_kind":"pipeline"}"#);
        assert_eq!(signature, "v1,hZSy9hT6/BxJ0s7tbEU88RUwp9+TAJW3+JKXVJPby4M=");
        let too_short = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
        assert_eq!(key_of(too_short), None, "24 bytes are no key here");
    }
}
