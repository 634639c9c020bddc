//! Deliveries that are sent on to a receiver of a developer's, signed with a secret of its own: the
//! hook's secret never leaves the daemon.

use crate::domain::repo::ProviderKind;
use crate::domain::secret::{HookSecret, SecretError};
use crate::provider::signature::{SigningKey, github_sign, gitlab_token};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The secret of a receiver.
#[derive(Debug)]
pub struct Forwarding(HookSecret);

impl Forwarding {
    /// A new secret.
    pub fn generate() -> Self {
        Self(HookSecret::generate(&super::SystemEntropy))
    }

    /// The secret with this text. Errors when it is too short to be safe.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        HookSecret::new(text.to_owned()).map(Self)
    }

    /// What the receiver must know to verify deliveries of this provider: names and values.
    pub fn shown(&self, provider: ProviderKind) -> Vec<(&'static str, Zeroizing<String>)> {
        match provider {
            ProviderKind::Github => {
                vec![("secret", Zeroizing::new(self.0.expose().to_owned()))]
            }
            ProviderKind::Gitlab => vec![
                ("secret token", gitlab_token(&self.0)),
                ("signing token", SigningKey::of_gitlab(&self.0).to_text()),
            ],
        }
    }

    /// The headers that prove a body, besides those that it came with: GitHub's signature, or
    /// GitLab's token and, for a delivery with an id and a time, its signature.
    pub fn proof(
        &self,
        provider: ProviderKind,
        headers: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        match provider {
            ProviderKind::Github => vec![("X-Hub-Signature-256", github_sign(&self.0, body))],
            ProviderKind::Gitlab => {
                let token = gitlab_token(&self.0).to_string();
                let mut proof = vec![("X-Gitlab-Token", token)];
                let signed = headers
                    .get("webhook-id")
                    .zip(headers.get("webhook-timestamp"));
                if let Some((id, at)) = signed {
                    let key = SigningKey::of_gitlab(&self.0);
                    proof.push(("webhook-signature", key.sign(id, at, body)));
                }
                proof
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::signature::{github_verifies, gitlab_token_verifies, standard_verifies};

    #[test]
    fn a_receiver_can_verify_what_is_sent_on_with_what_it_is_shown() {
        let forwarding = Forwarding::new("a secret of this receiver, long enough").unwrap();
        let body = b"{\"a\":1}";
        let proof = forwarding.proof(ProviderKind::Github, &BTreeMap::new(), body);
        let shown = forwarding.shown(ProviderKind::Github);
        let secret = HookSecret::new(shown[0].1.to_string()).unwrap();
        assert!(github_verifies(&[secret], body, &proof[0].1).is_some());

        let headers = [("webhook-id", "x"), ("webhook-timestamp", "1795530896")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = BTreeMap::from(headers);
        let proof = forwarding.proof(ProviderKind::Gitlab, &headers, body);
        let shown = forwarding.shown(ProviderKind::Gitlab);
        assert_eq!(proof[0].1, *shown[0].1);
        let ours = HookSecret::new("a secret of this receiver, long enough".into()).unwrap();
        assert!(gitlab_token_verifies(&[ours], &proof[0].1).is_some());
        let key = SigningKey::from_text(&shown[1].1).unwrap();
        let signed = standard_verifies(&[key], "x", "1795530896", body, &proof[1].1);
        assert!(signed.is_some());
        let unsigned = forwarding.proof(ProviderKind::Gitlab, &BTreeMap::new(), body);
        assert_eq!(unsigned.len(), 1, "an older GitLab has only the token");
        assert!(Forwarding::new("short").is_err());
    }
}
