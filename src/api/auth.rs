//! Who asks: an API token in the `Authorization` header, and nowhere else.

use super::access::{Access, Caller};
use super::error::{Code, Problem};
use super::scope::Shared;
use super::server::client::client_of;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpMessage, HttpRequest};
use subtle::ConstantTimeEq;

/// Query parameters that people put tokens into. A URL ends in logs and histories, so the token
/// must be considered known: better to say so than to let it work.
const TOKEN_PARAMETERS: [&str; 4] = ["token", "access_token", "private_token", "api_token"];
/// Longest `Authorization` value that is looked at; our tokens have 68 bytes.
const AUTHORIZATION_BYTES_MAX: usize = 8192;

fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail)
}

/// The token of a request; exactly one header, of the form `Bearer TOKEN`.
fn bearer(request: &HttpRequest) -> Result<&str, Problem> {
    let mut given = request.headers().get_all(AUTHORIZATION);
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(unauthenticated(
            "Send `Authorization: Bearer <API token>` once.",
        ));
    };
    let token = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= AUTHORIZATION_BYTES_MAX);
    let token = token
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty());
    token
        .map(|(_, token)| token)
        .ok_or_else(|| unauthenticated("The Authorization header must be `Bearer <API token>`."))
}

/// Who makes a request.
async fn authenticate(shared: &Shared, request: &HttpRequest) -> Result<Caller, Problem> {
    let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    for (name, _) in pairs {
        if TOKEN_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            let detail =
                "Send the token in the Authorization header, and replace it: it was in a URL.";
            return Err(Problem::new(Code::TokenInQuery, detail));
        }
    }
    // Tokens have 256 random bits, so the timing of a look-up by their hash reveals nothing.
    let hash = *blake3::hash(bearer(request)?.as_bytes()).as_bytes();
    if let Some(admin) = &shared.admin
        && bool::from(admin.token_hash.ct_eq(&hash))
    {
        return Ok(Caller {
            user: admin.user,
            is_admin: true,
            token: None,
        });
    }
    let wrong = || {
        let peer = client_of(request, &shared.settings.trusted_proxies);
        shared.counters.wrong_token(peer, not_valid())
    };
    let (now, accounts) = (shared.now(), shared.accounts());
    let (token, user) = accounts.by_token_hash(&hash).await?.ok_or_else(wrong)?;
    if token.is_expired(now) {
        return Err(unauthenticated("This API token has expired."));
    }
    if shared.uses.is_news(&token, now) {
        accounts.note_use(token.id, now);
    }
    Ok(Caller {
        user: user.id,
        is_admin: user.is_admin,
        token: Some(token.id),
    })
}

fn not_valid() -> Problem {
    unauthenticated("This API token is not valid.")
}

/// Whether the API token of a request that was let through is still good. Asked for once more
/// when a body has arrived, which may take its time: a token may have been revoked meanwhile.
pub(super) async fn still_admits(shared: &Shared, request: &HttpRequest) -> Result<(), Problem> {
    let caller = request.extensions().get::<Caller>().copied();
    match caller {
        Some(caller) => still_good(shared, caller).await,
        None => Ok(()),
    }
}

/// Whether the API token of a caller is still good.
pub(super) async fn still_good(shared: &Shared, caller: Caller) -> Result<(), Problem> {
    let Some(id) = caller.token else {
        return Ok(());
    };
    let token = shared.accounts().token(caller, id).await;
    let user = shared.accounts().user(caller.user).await?;
    let is_good = token.is_ok_and(|token| !token.is_expired(shared.now()));
    if is_good && user.is_some_and(|user| user.is_present()) {
        Ok(())
    } else {
        Err(not_valid())
    }
}

/// Lets a request through when its caller may use a route of this class, and remembers the
/// caller for the handler. Every route of the classes `User` and `Admin` is wrapped in it.
pub(super) async fn admit(
    shared: &Shared,
    request: &HttpRequest,
    access: Access,
) -> Result<(), Problem> {
    match access {
        Access::Public | Access::Ingress => return Ok(()),
        // Where they are served elsewhere there is nothing to guard, and 404 says so.
        Access::Metrics if shared.settings.metrics_public || shared.metrics.is_none() => {
            return Ok(());
        }
        Access::Metrics | Access::User | Access::Admin => {}
    }
    let caller = authenticate(shared, request).await?;
    if access == Access::Admin && !caller.is_admin {
        return Err(Problem::new(
            Code::Forbidden,
            "An admin's API token is needed.",
        ));
    }
    let turn = shared.counters.request(caller)?;
    let mut extensions = request.extensions_mut();
    extensions.insert(caller);
    // Given back when the request is answered and gone.
    extensions.insert(turn);
    Ok(())
}
