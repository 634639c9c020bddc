//! Every reason that people and programs are told, by its stable name: problems of the API, why a
//! call to a provider failed, why a connection was given up. One list, which the documents share.
//!
//! A name is never given another meaning. What is not in the list does not exist.

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

            /// What it means, in words that are the same each time.
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
    BadJson = "bad_json", "The body is not the JSON that is expected", "Correct the body.";
    UnknownField = "unknown_field", "The body has a field that is not known here",
        "Correct the field's name or leave it out.";
    BadQuery = "bad_query", "The query string is not understood", "Correct the parameters.";
    BadCursor = "bad_cursor", "The cursor is not one of ours",
        "Pass next_cursor back unchanged, or begin without one.";
    TokenInQuery = "token_in_query", "A token does not belong into a URL",
        "Send it as Authorization: Bearer, and replace it: URLs end up in logs.";
    BadRequest = "bad_request", "The request is not understood", "Correct the request.";
    OauthState = "oauth_state", "There is no such sign-in under way", "Begin the sign-in anew.";
    BadDeliveryHeader = "bad_delivery_header", "A delivery's header is missing",
        "Send deliveries as the provider does; this address takes nothing else.";
    Unauthenticated = "unauthenticated", "An API token is needed",
        "Send Authorization: Bearer with a token of this daemon.";
    BadSignature = "bad_signature", "The signature is missing or wrong",
        "Have the hook's secret written again: check or recreate the connection.";
    Forbidden = "forbidden", "Only an admin may do this", "Ask an admin.";
    OauthDenied = "oauth_denied", "The user did not agree", "Sign in again and agree.";
    NotFound = "not_found", "There is no such object",
        "Check the id; what is not yours is not there.";
    NoSuchRoute = "no_such_route", "There is no such route", "See GET /api/v2/openapi.json.";
    RepositoryNotFound = "repository_not_found", "The provider shows no such repository",
        "Check the name, and whether the credential may see the repository.";
    OwnerNotFound = "owner_not_found", "The provider shows no such user, organisation or group",
        "Check the name, and whether the credential may see the group.";
    MethodNotAllowed = "method_not_allowed", "The route has no such method",
        "Use a method that Allow names.";
    BodyTimeout = "body_timeout", "The body took too long", "Send it again, faster.";
    AlreadyConnected = "already_connected", "The repository is connected already",
        "Use the connection that connection_id names.";
    UserExists = "user_exists", "There is a user with this name already", "Choose another name.";
    NotNow = "not_now", "This is not possible in the present state", "Look at the object again.";
    TooManyRequests = "too_many_requests", "You ask for too much in too little time",
        "Come again after the time in Retry-After.";
    QuotaReached = "quota_reached", "You have as many of these as a user may have",
        "Remove some, or ask an admin for a higher limit.";
    UserInUse = "user_in_use", "The user still has connections",
        "Disconnect them first, or say connections=disconnect.";
    UserProtected = "user_protected", "This user cannot be removed",
        "See the detail: the built-in admin stays, and nobody removes themselves.";
    CredentialInUse = "credential_in_use", "Connections still need the credential",
        "Add another one that fits first, or say force=true.";
    BodyTooLarge = "body_too_large", "The body is too large", "Send less.";
    OauthExpired = "oauth_expired", "The sign-in took too long", "Begin the sign-in anew.";
    UnsupportedMediaType = "unsupported_media_type", "The body's type is not supported",
        "Send application/json.";
    UnsupportedEncoding = "unsupported_encoding", "Compressed bodies are not supported",
        "Send the body as it is.";
    InvalidField = "invalid_field", "A field has a value that is not valid",
        "Correct the field that the detail names.";
    UnknownProvider = "unknown_provider", "This daemon is not configured for that provider",
        "Name a host that is configured, or have it added to the configuration.";
    NoCredential = "no_credential", "You have no credential that fits",
        "Sign in or add a token; then connect, check or resume.";
    CredentialRefused = "credential_refused", "The provider refuses the credential",
        "Sign in again or add a new token.";
    OauthNotConfigured = "oauth_not_configured", "Nobody can sign in with that provider here",
        "Add a token, or have an OAuth client configured.";
    OauthRefused = "oauth_refused", "The provider refuses the sign-in", "Begin the sign-in anew.";
    Internal = "internal", "Something went wrong on our side", "See the daemon's log.";
    Overloaded = "overloaded", "Too much is going on", "Try again after Retry-After.";
    StoreUnavailable = "store_unavailable", "Storage is temporarily unavailable",
        "Try again after Retry-After; free space if the disk is full.";
    Unavailable = "unavailable", "This is temporarily unavailable", "Try again after Retry-After.";

    // The provider refuses.
    Unauthorized = "unauthorized", "The provider refuses the token",
        "Sign in again or add a new token: it was revoked, has expired, or was never valid.";
    NoAccess = "no_access", "The credential may not do this, or not see the repository",
        "Give the token's user administration of the repository, and the token the right.";
    InsufficientScope = "insufficient_scope", "The token lacks a scope",
        "Make a token with the scope that the message names, and add it.";
    SsoRequired = "sso_required", "The organisation asks for SAML single sign-on",
        "Authorise the token for the organisation at the URL that the message shows.";
    IpNotAllowed = "ip_not_allowed", "An IP allow list does not have this daemon's address",
        "Have an owner of the organisation add the address that this daemon calls from.";
    TokenForbidden = "token_forbidden", "A policy forbids this kind of token",
        "Use a kind of token, or a lifetime, that the policy allows, or sign in.";
    AppRestricted = "app_restricted", "The organisation restricts OAuth apps",
        "Have an owner of the organisation approve the app, or use a token.";
    AccountSuspended = "account_suspended", "The token's account is suspended or blocked",
        "Ask the provider or its administrator, or use another account's credential.";
    AccountUnready = "account_unready", "The token's account has to do something first",
        "Open the provider in a browser and do what it asks for.";
    RepositoryBlocked = "repository_blocked", "The provider has blocked the repository",
        "Ask the provider's support, or disconnect.";
    RepositoryArchived = "repository_archived", "The repository is archived",
        "Unarchive or disconnect it.";
    HookLimitReached = "hook_limit_reached", "The repository has as many hooks as it may",
        "Delete unused hooks, or choose fewer events.";
    TestDeliveryFailed = "test_delivery_failed", "The provider's test delivery did not arrive",
        "Check that the public URL leads to this daemon, also from there.";
    Rejected = "rejected", "The provider does not accept the request", "See the message.";

    // The provider cannot be asked.
    ProviderUnavailable = "provider_unavailable", "The provider has trouble of its own",
        "Wait: it is tried again.";
    ProviderTimeout = "provider_timeout", "The provider did not answer in time",
        "Wait: it is tried again.";
    ProviderUnreachable = "provider_unreachable", "No connection to the provider",
        "Check network, firewall and port; it is tried again.";
    HostNotFound = "host_not_found", "The provider's host name is not found",
        "Check the API URL and this machine's DNS; it is tried again.";
    BadCertificate = "bad_certificate", "The provider's certificate is not trusted",
        "See the message: renew it, or name its authority as ca_file.";
    WrongApiUrl = "wrong_api_url", "What answers is not the provider's API",
        "Correct the API URL in the configuration.";
    BadAnswer = "bad_answer", "The provider's answer is not usable",
        "Check the API URL; it is asked again.";
    RateLimited = "rate_limited", "The provider limits how often this token may call",
        "Wait: it goes on by itself.";
    CallsWaiting = "calls_waiting", "Too many calls to the provider wait here",
        "Wait: it goes on by itself, people's requests first.";

    // This daemon cannot ask.
    NotConfigured = "not_configured", "What is needed is no longer configured",
        "Configure the provider again, or disconnect.";
    CannotOpenSecret = "cannot_open_secret", "A secret cannot be opened with the master keys",
        "Configure the key that it was sealed with.";
    OauthMisconfigured = "oauth_misconfigured", "The provider refuses our OAuth client",
        "Correct the client's id and secret in the configuration.";
    AppRefused = "app_refused", "GitHub refuses our App",
        "Check providers.github.app.id, its private key, and this machine's clock.";

    // A connection was given up.
    HookDeletedRepeatedly = "hook_deleted_repeatedly", "Somebody keeps deleting the hook",
        "Resume the connection when the hook may stay.";
    Panics = "panics", "A fault in Hookherd", "See the daemon's log, and report it.";

    // What another version wrote.
    Unknown = "unknown", "A reason that this version does not know", "See the message.";
}

impl ErrorCode {
    /// The code of that name; [`ErrorCode::Unknown`] for a name that this version does not know.
    pub fn from_name(name: &str) -> Self {
        let found = Self::ALL.iter().find(|code| code.as_str() == name);
        found.copied().unwrap_or(Self::Unknown)
    }

    /// Whether what it stands for tends to go away by itself.
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::ProviderUnavailable
                | Self::ProviderTimeout
                | Self::ProviderUnreachable
                | Self::HostNotFound
                | Self::RateLimited
                | Self::CallsWaiting
                | Self::StoreUnavailable
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
