//! Every reason, by its stable name: problems of the API, why a call to a provider failed, why a
//! connection was suspended. The API documentation shows the same list.
//!
//! The meaning of a name never changes. A name that is not in the list does not exist.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $code:literal, $meaning:literal, $next:literal;)*) => {
        /// A reason, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $name,)*
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The meaning: a fixed phrase without a full stop.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning),* }
            }

            /// What to do next.
            pub const fn next_step(self) -> &'static str {
                match self { $(Self::$name => $next),* }
            }
        }
    };
}

codes! {
    // Requests to this API.
    BadJson = "bad_json", "The body is not the expected JSON", "Correct the body.";
    UnknownField = "unknown_field", "The body has an unknown field",
        "Correct the name of the field or leave it out.";
    BadQuery = "bad_query", "The query string is not valid", "Correct the parameters.";
    BadCursor = "bad_cursor", "The cursor is not valid",
        "Pass next_cursor back unchanged, or start without a cursor.";
    TokenInQuery = "token_in_query", "Tokens are not accepted in a URL",
        "Send the token as Authorization: Bearer, and replace it: URLs end up in logs.";
    BadRequest = "bad_request", "The request is not valid", "Correct the request.";
    OauthState = "oauth_state", "No such sign-in is in progress", "Start the sign-in again.";
    BadDeliveryHeader = "bad_delivery_header", "A delivery header is missing",
        "Send deliveries as the provider does; this address accepts nothing else.";
    Unauthenticated = "unauthenticated", "An API token is required",
        "Send Authorization: Bearer with an API token of this server.";
    BadSignature = "bad_signature", "The signature is missing or wrong",
        "Rotate the secret or recreate the connection: this writes the secret of the hook again.";
    Forbidden = "forbidden", "Only an administrator may do this", "Ask an administrator.";
    OauthDenied = "oauth_denied", "The user did not authorise the sign-in",
        "Sign in again and authorise it.";
    NotFound = "not_found", "No such object", "Check the id. Objects of other users are not shown.";
    NoSuchRoute = "no_such_route", "No such route", "See GET /api/v2/openapi.json.";
    RepositoryNotFound = "repository_not_found", "The repository was not found at the provider",
        "Check the name, and whether the credential can access the repository.";
    OwnerNotFound = "owner_not_found",
        "The user, organisation or group was not found at the provider",
        "Check the name, and whether the credential can access the group.";
    SinkUnfit = "sink_unfit", "The address, the key or a template does not fit this kind of sink",
        "Read the detail. Addresses are https and public, or allowed by the operator.";
    RulesUnfit = "rules_unfit", "The rules cannot be used as they are",
        "Read the detail: it names the rule and the field.";
    TimeUnfit = "time_unfit", "A time does not fit with another one, or with now",
        "Read the detail: it says between which times it must be.";
    UserUnfit = "user_unfit", "The user may not see the object, or does not exist",
        "Name a user who may see it.";
    MethodNotAllowed = "method_not_allowed", "The route does not support this method",
        "Use a method listed in Allow.";
    BodyTimeout = "body_timeout", "The body was not received in time", "Send it again, faster.";
    AlreadyConnected = "already_connected", "The repository is already connected",
        "Use the connection in connection_id.";
    UserExists = "user_exists", "A user with this name already exists", "Choose another name.";
    NotNow = "not_now", "Not possible in the current state", "Check the state of the object.";
    TooManyRequests = "too_many_requests", "Too many requests", "Try again after Retry-After.";
    QuotaReached = "quota_reached", "The limit for this user is reached",
        "Remove some, or ask an administrator for a higher limit.";
    UserInUse = "user_in_use", "The user still has connections",
        "Disconnect them first, or use connections=disconnect.";
    UserProtected = "user_protected", "This user cannot be removed",
        "See the detail. The built-in admin stays, and no user can remove themselves.";
    HookChanged = "hook_changed", "The webhook has changed since it was listed",
        "List it again, and look at it.";
    HookNotFree = "hook_not_free", "The webhook may not be removed or adopted",
        "Disconnect the connection that keeps it. Webhooks of other receivers are left alone.";
    HookInUse = "hook_in_use", "Another server answers the webhook",
        "Make sure that no other Hookherd uses it; then repeat with even_if_answered.";
    CredentialInUse = "credential_in_use", "Connections still need the credential",
        "Add another one that fits first, or use force=true.";
    BodyTooLarge = "body_too_large", "The body is too large", "Send less.";
    OauthExpired = "oauth_expired", "The sign-in has expired", "Start the sign-in again.";
    UnsupportedMediaType = "unsupported_media_type", "The media type of the body is not supported",
        "Send application/json.";
    UnsupportedEncoding = "unsupported_encoding", "Compressed bodies are not supported",
        "Send the body uncompressed.";
    InvalidField = "invalid_field", "A field has an invalid value",
        "Correct the field that the detail names.";
    UnknownEvent = "unknown_event", "The provider has no event with this name",
        "Use the provider's names of events. Those of GitLab are in docs/gitlab.md.";
    UnknownProvider = "unknown_provider", "The provider is not configured on this server",
        "Use a configured host, or ask an administrator to configure this one.";
    NoCredential = "no_credential", "No credential fits",
        "Sign in or add a token. Then connect, check or resume.";
    CredentialRefused = "credential_refused", "The provider refuses the credential",
        "Sign in again or add a new token.";
    OauthNotConfigured = "oauth_not_configured", "Sign-in is not configured for this provider",
        "Add a token, or ask an administrator to configure an OAuth client.";
    OauthRefused = "oauth_refused", "The provider refuses the sign-in", "Start the sign-in again.";
    Internal = "internal", "Internal error", "See the log of the server.";
    Overloaded = "overloaded", "Server overloaded", "Try again after Retry-After.";
    StoreUnavailable = "store_unavailable", "Storage is temporarily unavailable",
        "Try again after Retry-After. Free space if the disk is full.";
    Unavailable = "unavailable", "Temporarily unavailable", "Try again after Retry-After.";

    // The provider refuses.
    Unauthorized = "unauthorized", "The provider refuses the token",
        "Sign in again or add a new token: it was revoked, has expired, or was never valid.";
    NoAccess = "no_access", "The credential lacks access to the repository or its hooks",
        "Make the token's user an administrator of the repository, and give the token the right.";
    InsufficientScope = "insufficient_scope", "The token lacks a scope",
        "Create a token with the scope that the message names, and add it.";
    SsoRequired = "sso_required", "The organisation requires SAML single sign-on",
        "Authorise the token for the organisation at the URL in the message.";
    IpNotAllowed = "ip_not_allowed", "The address of this server is not on the IP allow list",
        "Ask an owner of the organisation to add the address that this server calls from.";
    TokenForbidden = "token_forbidden", "A policy forbids this kind of token",
        "Use a kind of token, or a lifetime, that the policy allows, or sign in.";
    AppRestricted = "app_restricted", "The organisation restricts OAuth apps",
        "Ask an owner of the organisation to approve the app, or use a token.";
    AccountSuspended = "account_suspended", "The account of the token is suspended or blocked",
        "Ask the provider or its administrator, or use the credential of another account.";
    AccountUnready = "account_unready", "The account of the token needs attention",
        "Open the provider in a browser and follow its instructions.";
    RepositoryBlocked = "repository_blocked", "The provider has blocked the repository",
        "Ask the provider's support, or disconnect.";
    RepositoryArchived = "repository_archived", "The repository is archived",
        "Unarchive or disconnect it.";
    HookLimitReached = "hook_limit_reached", "The repository has reached the limit of hooks",
        "Delete unused hooks, or choose fewer events.";
    TestDeliveryFailed = "test_delivery_failed", "The provider's test delivery failed",
        "Check that the provider can reach the public URL, and that it leads to this server.";
    Rejected = "rejected", "The provider rejects the request", "See the message.";

    // The provider cannot be called.
    ProviderUnavailable = "provider_unavailable", "The provider is unavailable",
        "Wait: Hookherd retries.";
    ProviderTimeout = "provider_timeout", "The provider did not answer in time",
        "Wait: Hookherd retries.";
    ProviderUnreachable = "provider_unreachable", "The provider cannot be reached",
        "Check network, firewall and port. Hookherd retries.";
    HostNotFound = "host_not_found", "The provider's host name was not found",
        "Check the API URL and the DNS of this machine. Hookherd retries.";
    BadCertificate = "bad_certificate", "The provider's certificate is not trusted",
        "See the message: renew the certificate, or name its authority in ca_file.";
    ProviderOutage = "provider_outage", "The provider has an outage",
        "Wait: Hookherd calls it once a minute, and continues as soon as it answers.";
    WrongApiUrl = "wrong_api_url", "The API URL does not lead to the provider's API",
        "Correct the API URL in the configuration.";
    BadAnswer = "bad_answer", "The provider's answer is not usable",
        "Check the API URL. Hookherd retries.";
    RateLimited = "rate_limited", "The provider's rate limit for this token is reached",
        "Wait: Hookherd retries.";
    CallsWaiting = "calls_waiting", "Too many calls to the provider are queued",
        "Wait: Hookherd continues by itself, users' requests first.";

    // This server cannot call.
    NotConfigured = "not_configured", "A required setting is no longer configured",
        "Configure the provider again, or disconnect.";
    CannotOpenSecret = "cannot_open_secret", "A secret cannot be decrypted with the master keys",
        "Configure the key that encrypted it.";
    OauthMisconfigured = "oauth_misconfigured", "The provider refuses the OAuth client",
        "Correct the id and secret of the client in the configuration.";
    AppRefused = "app_refused", "GitHub refuses the GitHub App",
        "Check providers.github.app.id, its private key, and the clock of this machine.";

    // A connection was suspended.
    HookDeletedRepeatedly = "hook_deleted_repeatedly", "The hook is deleted repeatedly",
        "Resume the connection when the hook is allowed to stay.";
    Panics = "panics", "Internal error", "See the log of the server, and report it.";

    // A hook was changed at the provider.
    TlsNotVerified = "tls_not_verified", "TLS verification of the hook was switched off",
        "Find out who did it: deliveries could be read on the way. Hookherd switches it on again.";

    // Written by another version.
    Unknown = "unknown", "Unknown reason", "See the message.";
}

impl ErrorCode {
    /// The code of that name; [`ErrorCode::Unknown`] for a name that this version does not know.
    pub fn from_name(name: &str) -> Self {
        let found = Self::ALL.iter().find(|code| code.as_str() == name);
        found.copied().unwrap_or(Self::Unknown)
    }

    /// Whether the cause usually passes by itself.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::ProviderUnavailable
                | Self::ProviderTimeout
                | Self::ProviderUnreachable
                | Self::HostNotFound
                | Self::ProviderOutage
                | Self::RateLimited
                | Self::CallsWaiting
                | Self::StoreUnavailable
        )
    }

    /// Whether the provider did not answer, whatever was asked.
    pub const fn is_of_outage(self) -> bool {
        matches!(
            self,
            Self::ProviderUnavailable
                | Self::ProviderTimeout
                | Self::ProviderUnreachable
                | Self::HostNotFound
                | Self::BadCertificate
        )
    }

    /// Whether another credential may help.
    pub const fn is_of_credential(self) -> bool {
        matches!(
            self,
            Self::NoCredential
                | Self::Unauthorized
                | Self::NoAccess
                | Self::InsufficientScope
                | Self::SsoRequired
                | Self::IpNotAllowed
                | Self::TokenForbidden
                | Self::AppRestricted
                | Self::AccountSuspended
                | Self::AccountUnready
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_a_name_of_its_own_a_meaning_and_a_next_step() {
        let mut names = BTreeSet::new();
        for code in ErrorCode::ALL {
            let name = code.as_str();
            assert!(names.insert(name), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert_eq!(ErrorCode::from_name(name), *code);
            assert!(!code.meaning().is_empty() && !code.meaning().ends_with('.'));
            assert!(code.next_step().ends_with('.'), "{name}");
        }
        assert_eq!(
            ErrorCode::from_name("of_another_version"),
            ErrorCode::Unknown
        );
    }
}
