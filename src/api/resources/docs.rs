//! The page at `/docs`: the API's description for people, made of the document on the first
//! request. No script, nothing of another host, one style sheet that the policy names by its hash.

use super::health::OPENAPI;
use crate::api::error::Answer;
use crate::api::server::answers::IsShared;
use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_SECURITY_POLICY;
use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::LazyLock;

const STYLE: &str = include_str!("docs.css");

/// The page, and the policy that lets its style sheet in.
static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let document = serde_json::from_str(OPENAPI).expect("the document is JSON");
    let hash = BASE64.encode(&Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    );
    (page(&document), policy)
});

/// Show this description to people
///
/// A page of HTML without scripts.
#[utoipa::path(
    get, path = "/docs", tag = "health",
    responses((status = 200, body = String, content_type = "text/html"))
)]
pub(in crate::api) async fn show() -> Answer {
    let (page, policy) = &*PAGE;
    let mut answer = HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy.as_str()))
        .body(page.as_str());
    answer.extensions_mut().insert(IsShared);
    Ok(answer)
}

fn page(document: &Value) -> String {
    let title = escaped(&document["info"]["title"]);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} API</title><link rel=\"icon\" href=\"data:,\">\
         <style>{STYLE}</style></head><body><header><h1>{title} API</h1>{}\
         <p>Machines read <a href=\"/api/v2/openapi.json\">openapi.json</a>. Reading the \
         description needs no API token; calling the API does: \
         <code>Authorization: Bearer TOKEN</code>.</p></header><main>",
        prose(&document["info"]["description"])
    );
    for tag in list(&document["tags"]) {
        let _ = write!(
            page,
            "<h2>{}</h2>{}",
            escaped(&tag["name"]),
            prose(&tag["description"])
        );
        for (path, methods) in fields(&document["paths"]) {
            for (method, operation) in fields(methods) {
                if operation["tags"][0] == tag["name"] {
                    page += &section(document, method, path, operation);
                }
            }
        }
    }
    page += "<h2>Schemas</h2>";
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let (kind, about) = (kind(schema), prose(&schema["description"]));
        let shape = shape(schema);
        let _ = write!(
            page,
            "<details><summary><code>{name}</code></summary><div id=\"{name}\">{about}\
             <p>{kind}</p>{shape}</div></details>"
        );
    }
    page + "</main></body></html>\n"
}

fn section(document: &Value, method: &str, path: &str, operation: &Value) -> String {
    let (id, summary) = (
        escaped(&operation["operationId"]),
        escaped(&operation["summary"]),
    );
    let mut text = format!(
        "<details><summary><b class=\"{method}\">{method}</b> <code>{path}</code> {summary}\
         </summary><div id=\"{id}\">{}",
        prose(&operation["description"])
    );
    if list(&operation["security"]).is_empty() {
        text += "<p>No API token needed.</p>";
    }
    let parameters = list(&operation["parameters"]);
    if !parameters.is_empty() {
        text += "<h3>Parameters</h3><table>";
        for parameter in parameters
            .iter()
            .map(|parameter| referred(document, parameter))
        {
            let place = escaped(&parameter["in"]);
            let _ = write!(
                text,
                "<tr><td><code>{}</code><td>{place}<td>{}<td>{}",
                escaped(&parameter["name"]),
                kind(&parameter["schema"]),
                prose(&parameter["description"])
            );
        }
        text += "</table>";
    }
    for (media, content) in fields(&operation["requestBody"]["content"]) {
        let kind = kind(&content["schema"]);
        let _ = write!(text, "<h3>Body</h3><p>{kind} <small>{media}</small></p>");
    }
    text += "<h3>Answers</h3><table>";
    for (status, answer) in fields(&operation["responses"]) {
        let whole = referred(document, answer);
        let kinds: Vec<String> = fields(&whole["content"])
            .map(|(media, content)| format!("{} <small>{media}</small>", kind(&content["schema"])))
            .collect();
        let about = prose(&answer["description"]);
        let _ = write!(
            text,
            "<tr><td>{status}<td>{}<td>{about}",
            kinds.join("<br>")
        );
    }
    text + "</table></div></details>"
}

/// The fields of an object, in a table.
fn shape(schema: &Value) -> String {
    let mut text = String::new();
    for part in list(&schema["allOf"]) {
        let _ = write!(text, "<p>With {}.</p>{}", kind(part), shape(part));
    }
    let required = list(&schema["required"]);
    let mut rows = String::new();
    for (name, field) in fields(&schema["properties"]) {
        let must = if required.iter().any(|r| r == name) {
            ""
        } else {
            "optional"
        };
        let (kind, about) = (kind(field), prose(about(field)));
        let _ = write!(
            rows,
            "<tr><td><code>{name}</code><td>{must}<td>{kind}<td>{about}"
        );
    }
    if !rows.is_empty() {
        let _ = write!(text, "<table>{rows}</table>");
    }
    text
}

/// What a field says about itself, where it may be null, too.
fn about(field: &Value) -> &Value {
    let first = field.get("oneOf").map_or(field, |choices| &choices[0]);
    field.get("description").unwrap_or(&first["description"])
}

/// The type of a value, with what limits it.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    let choices = list(&schema["oneOf"]);
    if choices.iter().any(|choice| choice["type"] == "null") {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let names = match &schema["type"] {
        Value::Array(names) => names.iter().map(escaped).collect::<Vec<_>>().join(" or "),
        Value::Null => String::new(),
        name => escaped(name),
    };
    let mut text = match schema.get("items") {
        Some(items) => format!("{names} of {}", kind(items)),
        None => names,
    };
    let values: Vec<String> = list(&schema["enum"]).iter().map(escaped).collect();
    if !values.is_empty() {
        let _ = write!(text, ": <code>{}</code>", values.join("</code>, <code>"));
    }
    for limit in [
        "format",
        "pattern",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "default",
    ] {
        if let Some(value) = schema.get(limit) {
            let _ = write!(
                text,
                " <small>{limit} <code>{}</code></small>",
                escaped(value)
            );
        }
    }
    text
}

fn referred<'a>(document: &'a Value, part: &'a Value) -> &'a Value {
    let pointer = part["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(part)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A text or a number, as HTML.
fn escaped(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Paragraphs with `code` in them, as HTML.
fn prose(value: &Value) -> String {
    if !value.is_string() {
        return String::new();
    }
    let mut text = String::new();
    for paragraph in escaped(value).split("\n\n") {
        text += "<p>";
        for (n, part) in paragraph.split('`').enumerate() {
            text += match n {
                0 => "",
                n if n % 2 == 1 => "<code>",
                _ => "</code>",
            };
            text += part;
        }
        text += "</p>";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_schema_is_shown_and_every_link_leads_somewhere() {
        let (page, policy) = &*PAGE;
        let document: Value = serde_json::from_str(OPENAPI).unwrap();
        let mut shown = 0;
        for (_, operation) in fields(&document["paths"]).flat_map(|(_, methods)| fields(methods)) {
            let id = format!("id=\"{}\"", operation["operationId"].as_str().unwrap());
            assert!(page.contains(&id), "{id}");
            shown += 1;
        }
        assert_eq!(shown, page.matches("<h3>Answers</h3>").count());
        for link in page.split("href=\"#").skip(1) {
            let name = link.split('"').next().unwrap();
            assert!(page.contains(&format!("id=\"{name}\"")), "{name}");
        }
        assert!(
            !page.contains("<script") && !page.contains("://"),
            "of another host"
        );
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
    }

    #[test]
    fn what_is_shown_is_text_and_no_markup() {
        let text = prose(&"a <b> & `c`\n\nd".into());
        assert_eq!(text, "<p>a &lt;b&gt; &amp; <code>c</code></p><p>d</p>");
    }
}
