//! What providers say when an organisation, an administrator or the provider itself is in the way,
//! word for word as they say it.

use serde_json::{Value, json};

/// A refusal in a provider's words; its name as a fault is that of the variant.
#[derive(Clone, Copy, Debug, serde::Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// GitHub: the organisation asks for SAML single sign-on.
    Sso,
    /// GitHub: an IP allow list.
    IpAllowList,
    /// GitHub: no classic tokens.
    TokenPolicy,
    /// GitHub: OAuth apps are restricted.
    AppRestriction,
    /// GitHub: the account is suspended.
    Suspended,
    /// GitHub: the repository is blocked for legal reasons.
    Blocked,
    /// GitLab: the token lacks a scope.
    InsufficientScope,
    /// GitLab: the user is blocked.
    UserBlocked,
    /// GitLab: the user has to accept the terms.
    Terms,
    /// A web page where an API should be.
    Page,
}

/// Status, a header, body. A body that is a text is a web page.
pub(super) type Words = (u16, Option<(&'static str, String)>, Value);

impl Refusal {
    /// What is said, by the provider that lives at `host`.
    pub(super) fn words(self, host: &str) -> Words {
        let message = match self {
            Self::Sso => {
                "Resource protected by organization SAML enforcement. You must grant your \
                 Personal Access token access to this organization."
            }
            Self::IpAllowList => {
                "Although you appear to have the correct authorization credentials, the `octo` \
                 organization has an IP allow list enabled, and your IP address is not permitted \
                 to access this resource."
            }
            Self::TokenPolicy => {
                "`octo` forbids access via a personal access token (classic). Please use a GitHub \
                 App, OAuth App, or a personal access token with fine-grained permissions."
            }
            Self::AppRestriction => {
                "Although you appear to have the correct authorization credentials, the `octo` \
                 organization has enabled OAuth App access restrictions, meaning that data access \
                 to third-parties is limited."
            }
            Self::Suspended => "Sorry. Your account was suspended.",
            Self::Blocked => "Repository access blocked",
            Self::InsufficientScope => {
                let body = json!({
                    "error": "insufficient_scope",
                    "error_description": "The request requires higher privileges than provided \
                                          by the access token.",
                    "scope": "api",
                });
                return (403, None, body);
            }
            Self::UserBlocked => "403 Forbidden - Your account has been blocked.",
            Self::Terms => {
                "403 Forbidden - You (@ann) must accept the Terms of Service in order to perform \
                 this action. To accept these terms, please access GitLab from a web browser."
            }
            Self::Page => "<!DOCTYPE html><html><body>Sign in</body></html>",
        };
        let url = format!("http://{host}/orgs/octo/sso?authorization_request=AZSCKtL4U8y");
        let sso = || ("x-github-sso", format!("required; url={url}"));
        match self {
            Self::Page => (200, None, message.into()),
            Self::Sso => (403, Some(sso()), json!({ "message": message })),
            Self::Blocked => {
                let block = json!({"reason": "dmca", "created_at": "2026-01-01T00:00:00Z"});
                (451, None, json!({ "message": message, "block": block }))
            }
            Self::IpAllowList
            | Self::TokenPolicy
            | Self::AppRestriction
            | Self::Suspended
            | Self::InsufficientScope
            | Self::UserBlocked
            | Self::Terms => (403, None, json!({ "message": message })),
        }
    }
}
