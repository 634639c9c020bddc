//! Paths of deliveries as people paste them: a slash at the end, or two in a row, where a base URL
//! ended in one. For ingress only: what is called by programs is called by its name.

use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::uri::PathAndQuery;

/// Where deliveries come in.
const INGRESS: &str = "/api/v2/webhooks/";

/// Whether this path, without slashes that say nothing, is one of ingress.
pub(super) fn is_ingress(path: &str) -> bool {
    path.starts_with(INGRESS)
}

/// The path without slashes that say nothing; `None` when it has none, or is not one of ingress.
fn plain(path: &str) -> Option<String> {
    if !path.ends_with('/') && !path.contains("//") {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        plain.push('/');
        plain.push_str(segment);
    }
    is_ingress(&plain).then_some(plain)
}

/// Has a delivery find its route however its slashes are.
pub(super) fn be_lenient(request: &mut ServiceRequest) {
    let Some(path) = plain(request.path()) else {
        return;
    };
    let mut parts = request.uri().clone().into_parts();
    let query = parts.path_and_query.as_ref().and_then(PathAndQuery::query);
    let text = query.map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    parts.path_and_query = text.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ingress_lose_their_slashes() {
        for (path, expected) in [
            (
                "/api/v2/webhooks/github/k/",
                Some("/api/v2/webhooks/github/k"),
            ),
            (
                "//api/v2//webhooks/github///k",
                Some("/api/v2/webhooks/github/k"),
            ),
            ("/api/v2/webhooks/gitlab//", Some("/api/v2/webhooks/gitlab")),
            ("/api/v2/webhooks/github/k", None),
            ("/api/v2/webhooks/", None),
            ("/api/v2/users/", None),
            ("//healthz", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(plain(path).as_deref(), expected, "{path}");
        }
    }
}
