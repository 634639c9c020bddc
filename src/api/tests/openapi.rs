//! The description of the API is true: of its routes, its shapes and its codes.

use super::isolation::request;
use super::stage::Stage;
use crate::api::error::{Code, status};
use crate::api::openapi;
use crate::api::routes::{Access, Operation};
use actix_web::http::Method;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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

/// The schema that another one refers to.
fn referred<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str();
    let pointer = name.and_then(|name| name.strip_prefix('#'));
    pointer.map_or(schema, |pointer| document.pointer(pointer).expect(pointer))
}

/// The fields of all parts of a schema, and those that must be there.
fn fields<'a>(
    document: &'a Value,
    schema: &'a Value,
) -> (BTreeMap<&'a str, &'a Value>, Vec<&'a Value>) {
    let schema = referred(document, schema);
    let own = schema["properties"].as_object().into_iter().flatten();
    let mut known: BTreeMap<_, _> = own.map(|(name, field)| (name.as_str(), field)).collect();
    let mut required: Vec<&Value> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, must) = fields(document, part);
        known.extend(more);
        required.extend(must);
    }
    (known, required)
}

/// Holds a value against a schema: the parts of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = referred(document, schema);
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
        Value::Null if schema["allOf"].is_array() => assert!(value.is_object(), "{at}"),
        Value::Null => return,
        Value::String(one) if one == "number" => assert!(value.is_number(), "{at}"),
        Value::String(one) => assert_eq!(one, kind, "{at}"),
        several => {
            let several = several.as_array().unwrap();
            assert!(several.contains(&kind.into()), "{at}: {value}");
        }
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{at}: {value}");
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item, &format!("{at}[]"));
    }
    let (known, required) = fields(document, schema);
    let given = value.as_object().filter(|_| !known.is_empty());
    for (name, field) in given.into_iter().flatten() {
        let at = format!("{at}.{name}");
        fits(document, known.get(name.as_str()).expect(&at), field, &at);
    }
    let is_given = |name: &&Value| given.is_none_or(|g| g.contains_key(name.as_str().unwrap()));
    assert!(required.iter().all(is_given), "{at}: {required:?}");
}

fn check(document: &Value, api: &Stage, path: &str, line: &str, body: Option<&str>) {
    for who in [Some(&api.owner), Some(&api.admin), None] {
        let reply = api.call(who, line, body);
        let method = line.split(' ').next().unwrap().to_lowercase();
        let described = &document["paths"][path][&method]["responses"];
        let answer = referred(document, &described[reply.status.to_string()]);
        let status = reply.status;
        assert!(answer.is_object(), "{line}: {status} is not described");
        let Some(content) = answer["content"].as_object() else {
            assert!(reply.body.is_empty(), "{line}");
            continue;
        };
        let (kind, content) = content.iter().next().unwrap();
        let given = reply.header("content-type").unwrap();
        assert!(given.starts_with(kind.as_str()), "{line}: {given}");
        if kind.ends_with("json") {
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
