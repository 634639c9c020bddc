//! GitHub's refusals with status 403, 404 or 451: what each of its sentences means, and what to do.
//! The sentences are GitHub's as of 2026. The messages quote nothing of the answer but the names of
//! rights and, for single sign-on, a URL on GitHub's own host.

use super::problem::{Problem, rights};
use crate::domain::error_code::ErrorCode;
use crate::provider::dialect::Asked;
use crate::provider::errors::{archived, denied, no_access, no_repository, rejected};
use crate::provider::http::Answer;
use crate::provider::outbound::ProviderError;
use reqwest::Url;

/// Longest single sign-on URL that is shown.
const URL_BYTES_MAX: usize = 1024;

/// The error for a refusal with status 403, 404 or 451.
pub(super) fn denial(answer: &Answer, asked: Asked<'_>) -> ProviderError {
    let problem = Problem::of(answer);
    let status = answer.status.as_u16();
    let of_policy = || by_policy(answer, &problem, asked);
    let of_state = || by_state(status, &problem, asked);
    let found = if status == 404 { None } else { of_policy() };
    found
        .or_else(of_state)
        .unwrap_or_else(|| without_right(answer, asked))
}

/// The owner, as the subject of a sentence.
fn organisation(asked: Asked<'_>) -> String {
    match asked {
        Asked::Hooks(name, _) | Asked::Repository(name) | Asked::Runs(name) => {
            format!("Organisation {}", name.owner())
        }
        Asked::Own => "An organisation".to_owned(),
    }
}

/// What the organisation, or its enterprise, forbids.
fn by_policy(answer: &Answer, problem: &Problem, asked: Asked<'_>) -> Option<ProviderError> {
    let org = organisation(asked);
    let sso = answer.header("x-github-sso").unwrap_or_default();
    let found = |code, words: &str| Some(denied(code, format!("{org} {words}")));
    if sso.trim_start().starts_with("required") || problem.says("saml enforcement") {
        let words = "requires SAML single sign-on (SSO). Authorise this token for it.";
        let link = sign_on(sso, &answer.url);
        let error = denied(ErrorCode::SsoRequired, format!("{org} {words}"));
        return Some(ProviderError { link, ..error });
    }
    if problem.says("ip allow list") {
        let words = "has an IP allow list without the address of this server. Ask an owner to add \
                     the address that it calls from.";
        return found(ErrorCode::IpNotAllowed, words);
    }
    if problem.says("oauth app access restrictions") {
        let words = "restricts OAuth apps and has not approved the one used for this sign-in. Ask \
                     an owner to approve it, or add a token.";
        return found(ErrorCode::AppRestricted, words);
    }
    if problem.says("forbids access via") {
        let words = if problem.says("lifetime") {
            "forbids tokens with a lifetime as long as this. Create one that expires earlier."
        } else if problem.says("(classic)") {
            "forbids classic tokens. Create a fine-grained one, sign in, or use a GitHub App."
        } else {
            "forbids this kind of token. Use another kind, sign in, or use a GitHub App."
        };
        return found(ErrorCode::TokenForbidden, words);
    }
    None
}

/// The state of the account or the repository.
fn by_state(status: u16, problem: &Problem, asked: Asked<'_>) -> Option<ProviderError> {
    let subject = match asked {
        Asked::Hooks(name, _) | Asked::Repository(name) | Asked::Runs(name) => {
            format!("the repository {name}")
        }
        Asked::Own => "the repository".to_owned(),
    };
    if status == 451 || (status == 403 && problem.says("access blocked")) {
        let words =
            "for legal reasons or because of its terms. Ask GitHub's support, or disconnect.";
        let words = format!("GitHub has blocked {subject} {words}");
        return Some(rejected(ErrorCode::RepositoryBlocked, words));
    }
    if status != 403 {
        return None;
    }
    if problem.says("installation has been suspended") {
        let words = "The installation of the GitHub App is suspended. Unsuspend it at GitHub.";
        return Some(denied(ErrorCode::AccountSuspended, words));
    }
    if problem.says("suspended") {
        let words = "GitHub has suspended the account of the token. Ask GitHub's support, or use \
                     the credential of another account.";
        return Some(denied(ErrorCode::AccountSuspended, words));
    }
    if problem.says("repository has been locked") || problem.says("repository disabled") {
        let words = format!("GitHub has locked {subject} (a migration, or an unpaid bill).");
        return Some(rejected(ErrorCode::RepositoryBlocked, words));
    }
    problem.says("archived").then(archived)
}

/// The error for a token without the right.
fn without_right(answer: &Answer, asked: Asked<'_>) -> ProviderError {
    let problem = Problem::of(answer);
    let is_forbidden = answer.status.as_u16() == 403;
    let lacks_right = is_forbidden && problem.says("resource not accessible by");
    let (code, mut message) = match asked {
        Asked::Hooks(name, is_admin) => {
            let why = match (is_admin, lacks_scope(answer)) {
                (Some(false), _) => "the token's user is not an administrator of it",
                (_, true) => "the token lacks the scope admin:repo_hook",
                _ if lacks_right => "the token lacks the permission Webhooks: read and write",
                _ if is_forbidden => "GitHub refuses it (HTTP 403)",
                _ => {
                    "GitHub answers 404 when the token's user is not an administrator or the \
                     token lacks the right"
                }
            };
            let of_scope = lacks_scope(answer) || lacks_right;
            let message = format!(
                "No access to the hooks of {name}: {why}. Required: administration of the \
                 repository and, for classic tokens, the scope admin:repo_hook (or repo), for \
                 fine-grained ones, Webhooks: read and write."
            );
            (of_scope && is_admin != Some(false), message)
        }
        Asked::Repository(name) if is_forbidden => (
            lacks_right,
            format!(
                "GitHub refuses this token access to repository {name} (HTTP 403). Give it access, \
                 or use another credential."
            ),
        ),
        Asked::Repository(name) => (false, no_repository(name)),
        Asked::Runs(name) => (
            lacks_right,
            format!(
                "No access to the runs of {name}. Required: access to the repository and, for \
                 fine-grained tokens and Apps, the permission Actions: read."
            ),
        ),
        Asked::Own => (
            false,
            "This kind of token may not make this call.".to_owned(),
        ),
    };
    if let Some(rights) = rights(answer) {
        message = format!("{message} GitHub accepts: {rights}.");
    }
    if code {
        denied(ErrorCode::InsufficientScope, message)
    } else {
        no_access(message)
    }
}

/// Whether GitHub names the scopes of a classic token, and none of them is enough for hooks.
fn lacks_scope(answer: &Answer) -> bool {
    const ENOUGH: [&str; 4] = ["repo", "public_repo", "admin:repo_hook", "write:repo_hook"];
    let scopes = answer.header("x-oauth-scopes");
    scopes.is_some_and(|scopes| !scopes.split(',').any(|s| ENOUGH.contains(&s.trim())))
}

/// The URL at which a token is authorised, when it is on GitHub's own host: on an Enterprise Server
/// that of the API, else the API's without `api.` in front.
fn sign_on(header: &str, api: &Url) -> Option<String> {
    let url = header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("url="))?;
    let url = Url::parse(url).ok()?;
    let api_host = api.host_str()?;
    let web_host = api_host.strip_prefix("api.").unwrap_or(api_host);
    let is_ours = url.scheme() == api.scheme()
        && url.host_str() == Some(web_host)
        && url.port_or_known_default() == api.port_or_known_default()
        && url.username().is_empty()
        && url.password().is_none();
    (is_ours && url.as_str().len() <= URL_BYTES_MAX).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_on_is_shown_on_githubs_own_host_only() {
        let shown = |api: &str, url: &str| {
            sign_on(&format!("required; url={url}"), &Url::parse(api).unwrap())
        };
        let url = "https://github.com/orgs/o/sso?authorization_request=AZ";
        let api = "https://api.github.com/repos/o/r";
        assert_eq!(shown(api, url).as_deref(), Some(url));
        let own = "https://ghe.example:8443/orgs/o/sso";
        let enterprise = "https://ghe.example:8443/api/v3/repos/o/r";
        assert_eq!(shown(enterprise, own).as_deref(), Some(own));
        for other in [
            "https://github.com.evil.example/sso",
            "https://evil.example/?https://github.com/",
            "https://github.com@evil.example/",
            "https://user@github.com/orgs/o/sso",
            "http://github.com/orgs/o/sso",
            "https://github.com:444/orgs/o/sso",
            "javascript:alert(1)",
            "",
        ] {
            assert_eq!(shown(api, other), None, "{other}");
        }
        assert_eq!(shown(api, &format!("{url}{}", "a".repeat(2000))), None);
    }
}
