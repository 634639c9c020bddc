//! The OpenAPI document, checked in as `docs/openapi.json` and served as it is.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;

/// The document.
pub const DOCUMENT: &str = include_str!("../../docs/openapi.json");

/// `GET /api/v2/openapi.json`
pub async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_document_describes_exactly_the_routes_there_are() {
        let document: serde_json::Value = serde_json::from_str(DOCUMENT).unwrap();
        assert_eq!(document["openapi"], "3.1.0");
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, item)| {
                let methods = item
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter(|key| *key != "parameters");
                methods
                    .map(|method| (path.clone(), method.clone()))
                    .collect::<Vec<_>>()
            })
            .collect();
        let routes = ROUTES
            .iter()
            .map(|route| (route.path.to_owned(), route.method.to_owned()))
            .collect();
        assert_eq!(described, routes);
    }
}
