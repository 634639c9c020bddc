//! The description of the API is true: of its routes, its shapes and its codes.

use super::isolation::request;
use super::stage::Stage;
use crate::api::error::{Code, status};
use crate::api::openapi;
use crate::api::routes::{Access, Operation};
use actix_web::http::Method;
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(crate::api::OPENAPI).unwrap()
}

/// `UPDATE_OPENAPI=1` writes it instead, as `just openapi` does.
#[test]
fn the_committed_document_is_the_one_that_the_code_describes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let derived = openapi::document();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &derived).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    assert!(
        committed == derived,
        "docs/openapi.json is out of step: run `just openapi`"
    );
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, value: &Value) {
        if let Some(name) = value["$ref"].as_str() {
            let pointer = name.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{name}");
        }
        let fields = value
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.values());
        let items = value.as_array().into_iter().flatten();
        fields.chain(items).for_each(|part| follow(document, part));
    }
    let document = document();
    follow(&document, &document);
}

#[test]
fn it_describes_the_routes_and_no_others() {
    let document = document();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_open = operation["security"].as_array().unwrap().is_empty();
            let name = operation["operationId"].as_str().unwrap();
            described.insert((
                method.to_uppercase(),
                path.clone(),
                name.to_owned(),
                is_open,
            ));
        }
    }
    let routes: BTreeSet<_> = Operation::ALL
        .iter()
        .map(|operation| operation.route())
        .map(|route| {
            let is_open = matches!(route.access, Access::Public | Access::Ingress);
            let name = format!("{:?}", route.operation);
            (
                route.method.to_string(),
                route.path.to_owned(),
                name,
                is_open,
            )
        })
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn the_page_for_people_lists_the_routes_and_no_others() {
    let row = |operation: &Operation| {
        let route = operation.route();
        let whom = match route.access {
            Access::Public => "public",
            Access::Ingress => "signed deliveries",
            Access::Metrics | Access::User => "users",
            Access::Admin => "admins",
        };
        format!("| `{} {}` | {whom} |", route.method, route.path)
    };
    let wanted: Vec<String> = Operation::ALL.iter().map(row).collect();
    let page = include_str!("../../../docs/api.md");
    let (_, list) = page.split_once("## Every route").unwrap();
    let listed: Vec<&str> = list
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(listed, wanted);
}

#[test]
fn it_names_every_code() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let ours: Vec<Value> = Code::ALL.iter().map(|code| code.as_str().into()).collect();
    assert_eq!(schemas["ErrorCode"]["enum"], Value::Array(ours.clone()));
    for user in ["Problem", "LastError"] {
        let code = &schemas[user]["properties"]["code"]["$ref"];
        assert_eq!(*code, "#/components/schemas/ErrorCode", "{user}");
    }
    let suspended = schemas["SuspendReason"]["enum"].as_array().unwrap();
    assert!(suspended.iter().all(|name| ours.contains(name)));
}

#[test]
fn the_page_for_people_lists_every_code_with_its_status_and_the_next_step() {
    let row = |code: &Code| {
        let (status, meaning) = (status(*code).as_u16(), code.meaning());
        format!("| `{code}` | {status} | {meaning} | {} |", code.next_step())
    };
    let wanted: Vec<String> = Code::ALL.iter().map(row).collect();
    let page = include_str!("../../../docs/api.md");
    let (_, list) = page.split_once("## Every code").unwrap();
    let (list, _) = list.split_once("## Every route").unwrap();
    let lines = list.lines();
    let listed: Vec<&str> = lines.filter(|line| line.starts_with("| `")).collect();
    assert_eq!(listed, wanted);
}

/// The fields of all parts of a schema.
fn whole(document: &Value, schema: &Value) -> Value {
    let pointer = schema["$ref"]
        .as_str()
        .and_then(|name| name.strip_prefix('#'));
    let schema = pointer.map_or(schema, |pointer| document.pointer(pointer).unwrap());
    let mut whole = schema.clone();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let part = self::whole(document, part);
        let fields = part["properties"].as_object().unwrap().clone();
        let properties = &mut whole["properties"];
        *properties = properties
            .as_object()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .chain(fields)
            .collect();
        let mut required = whole["required"].as_array().cloned().unwrap_or_default();
        required.extend(part["required"].as_array().unwrap().iter().cloned());
        whole["required"] = required.into();
    }
    whole["type"] = "object".into();
    whole.as_object_mut().unwrap().remove("allOf");
    whole
}

/// Holds a value against a schema: the parts of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.strip_prefix('#').unwrap();
        return fits(document, document.pointer(pointer).expect(name), value, at);
    }
    if schema["allOf"].is_array() {
        return fits(document, &whole(document, schema), value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let is_chosen = |choice: &&Value| (choice["type"] == "null") == value.is_null();
        let chosen = choices.iter().find(is_chosen).expect(at);
        return fits(document, chosen, value, at);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match &schema["type"] {
        Value::Null => return,
        Value::String(one) if one == "number" => assert!(value.is_number(), "{at}"),
        Value::String(one) => assert_eq!(one, kind, "{at}"),
        several => assert!(
            several.as_array().unwrap().contains(&kind.into()),
            "{at}: {value}"
        ),
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item, &format!("{at}[]"));
    }
    if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
        let given: BTreeSet<_> = fields.keys().collect();
        let required = schema["required"].as_array().unwrap();
        assert!(
            required
                .iter()
                .all(|r| fields.contains_key(r.as_str().unwrap())),
            "{at}"
        );
        assert!(given.is_subset(&known.keys().collect()), "{at}: {given:?}");
        for (name, field) in fields {
            fits(document, &known[name], field, &format!("{at}.{name}"));
        }
    }
}

fn check(document: &Value, api: &Stage, path: &str, line: &str, body: Option<&str>) {
    for who in [Some(&api.owner), Some(&api.admin), None] {
        let reply = api.call(who, line, body);
        let method = line.split(' ').next().unwrap().to_lowercase();
        let described = &document["paths"][path][&method]["responses"];
        let answer = &described[reply.status.to_string()];
        let referred = answer["$ref"]
            .as_str()
            .and_then(|name| name.strip_prefix('#'));
        let answer = referred.map_or(answer, |pointer| document.pointer(pointer).unwrap());
        assert!(
            answer.is_object(),
            "{line}: {} is not described",
            reply.status
        );
        let Some(content) = answer["content"].as_object() else {
            assert!(reply.body.is_empty(), "{line}");
            continue;
        };
        let (kind, content) = content.iter().next().unwrap();
        let given = reply.header("content-type").unwrap();
        assert!(given.starts_with(kind.as_str()), "{line}: {given}");
        if !kind.starts_with("text/") {
            fits(document, &content["schema"], &reply.json(), line);
        }
    }
}

#[test]
fn answers_have_the_shapes_that_it_describes() {
    let (document, api) = (document(), Stage::new());
    api.deliver("d", "push", b"{}");
    // Deletions last, so that there is something to show.
    let mut all = Operation::ALL.to_vec();
    all.sort_by_key(|operation| operation.route().method == Method::DELETE);
    for operation in all {
        let (line, body) = request(operation, &api);
        let path = operation.route().path;
        check(&document, &api, path, &line, body.as_deref());
    }
}
