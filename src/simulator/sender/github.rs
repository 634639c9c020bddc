//! A delivery as GitHub sends it.

use crate::domain::secret::HookSecret;
use crate::provider::signature::github_sign;
use crate::simulator::faults::Miscarriage;
use crate::simulator::state::github::Job;
use crate::simulator::transport::Parcel;

/// What signs a delivery that is signed wrongly.
const WRONG_SECRET: &str = "another secret than that of the hook, of enough characters";

pub(super) fn parcel(job: &Job, miscarriage: Option<Miscarriage>) -> Parcel {
    let json = job.body.to_string();
    let is_form = job.hook.content_type == "form";
    let (kind, body) = if is_form {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("payload", &json).finish();
        ("application/x-www-form-urlencoded", form)
    } else {
        ("application/json", json)
    };
    let hook = &job.hook;
    let mut headers = vec![
        ("user-agent", "GitHub-Hookshot/51e1d3a".to_owned()),
        ("accept", "*/*".to_owned()),
        ("content-type", kind.to_owned()),
        ("x-github-event", job.event.clone()),
        ("x-github-delivery", job.guid.clone()),
        ("x-github-hook-id", hook.id.to_string()),
        (
            "x-github-hook-installation-target-id",
            job.repository.to_string(),
        ),
        (
            "x-github-hook-installation-target-type",
            "repository".to_owned(),
        ),
    ];
    let secret = if miscarriage == Some(Miscarriage::WrongSecret) {
        Some(WRONG_SECRET.to_owned())
    } else {
        hook.secret.clone()
    };
    if let Some(secret) = secret.and_then(|secret| HookSecret::new(secret).ok()) {
        // The old signature is never looked at by us; its value is of no account.
        headers.push(("x-hub-signature", format!("sha1={}", "0".repeat(40))));
        if miscarriage != Some(Miscarriage::ShaOneOnly) {
            let signature = github_sign(&secret, body.as_bytes());
            headers.push(("x-hub-signature-256", signature));
        }
    }
    let owned = |(name, value): (&str, String)| (name.to_owned(), value);
    Parcel {
        url: hook.url.clone(),
        headers: headers.into_iter().map(owned).collect(),
        body,
    }
}
