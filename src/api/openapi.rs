//! The API's description, an `OpenAPI` 3.1 document, derived from the code: the table of routes,
//! the attributes and comments of the handlers, and the shapes. `docs/openapi.json` is this
//! document, and what the daemon serves; a test fails when they differ, `just openapi` writes it.
//!
//! What is alike everywhere is said here once: the problems by kind of route, the parameters in
//! paths, and what several operations share is referred to.

mod bodies;
mod problems;

use super::access::Access;
use super::error::{Code, ProblemBody};
use super::query::{
    ActionName, BranchPattern, EventName, HookPosition, Limit, Moment, Owner, Position,
    ProviderDeliveryId, RepositoryPattern, UrlPattern,
};
use super::routes::{Handlers, Operation, Route};
use crate::domain::id::HookKey;
use crate::domain::repo::Host;
use bodies::bodies;
use problems::{by_status, headers, name_of, problems};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{OpenApi, PartialSchema, ToSchema};

const ABOUT: &str = "Creates, verifies, stores, watches and repairs CI webhooks.\n\n\
    Errors are problem details (RFC 9457) with a stable `code`. Times are RFC 3339 in UTC. Ids are \
    strings. Lists are newest first. You see only your own objects; another user's object is \
    answered with 404.";

/// The groups of operations: the module of their handlers, the name, and a description.
const TAGS: &str = "\
repositories: Repositories: Repositories at a provider, and connecting them.
connections: Connections: Connected repositories and their webhooks.
commands: Commands: Requests to connections.
history: History: What happened to connections' webhooks.
operations: Operations: Requests to many connections.
incidents: Incidents: Failures of CI, of webhooks and of credentials.
sinks: Sinks: Where you are notified.
notifications: Notifications: What sinks are sent.
rules: Rules: Who is notified of what, how soon, how often.
deliveries: Deliveries: Deliveries of providers, with their payloads.
gaps: Gaps: Times in which deliveries were missed.
runs: Runs: Runs of workflows and pipelines.
credentials: Credentials: Tokens and grants for calling a provider.
oauth: Sign-in: Signing in with a provider.
report: Reports: What broke in a time.
stats: Statistics: Totals.
tokens: API tokens: Tokens for this API.
users: Users: Users and their roles.
backup: Backup: A copy of everything that is stored.
hooks: Webhooks: Webhooks that no connection keeps.
webhooks: Ingress: Called by providers.
health: Operation: Health, metrics and this description.";

/// The headers that deliveries have. Which of them must be given depends on the provider.
const DELIVERY_HEADERS: &str = "\
X-GitHub-Event: GitHub: name of the event. Required.
X-GitHub-Delivery: GitHub: id of the delivery. Required.
X-Hub-Signature-256: GitHub: signature of the body. Required.
X-Gitlab-Event: GitLab: name of the event. Required.
X-Gitlab-Token: GitLab: the secret, where the installation cannot sign.
webhook-id: GitLab: id of the delivery, where the installation signs.
webhook-signature: GitLab: signature of id, time and body.";

/// The lines of such a list, each in two parts.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(": "))
}

/// The document, as it is committed and served.
pub fn document() -> String {
    let mut text = serde_json::to_string_pretty(&build()).expect("a tree of JSON is JSON");
    text.push('\n');
    text
}

fn build() -> Value {
    let derived = serde_json::to_string(&Handlers::openapi()).expect("a document is JSON");
    let mut document: Value = serde_json::from_str(&plain_lists(&derived)).expect("it was JSON");
    document["info"] = json!({
        "title": "Hookherd", "version": "2", "description": ABOUT,
        "license": { "name": "MIT", "identifier": "MIT" },
    });
    document["servers"] = json!([{ "url": "/" }]);
    let tags = pairs(TAGS).filter_map(|(_, tag)| tag.split_once(": "));
    let tags = tags.map(|(name, about)| json!({ "name": name, "description": about }));
    document["tags"] = tags.collect();
    schemas(&mut document);
    for operation in Operation::ALL {
        describe(&mut document, &operation.route());
    }
    share_parameters(&mut document);
    document["components"]["responses"] = problems();
    document["components"]["headers"] = headers();
    document["components"]["securitySchemes"] = json!({ "token": {
        "type": "http", "scheme": "bearer",
        "description": "An API token, from `hookherd user add`, `POST /api/v2/tokens` or the \
            configuration.",
    } });
    document
}

/// `List_Run` as `RunList`.
fn plain_lists(text: &str) -> String {
    let mut parts = text.split("List_");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(part.len());
        let (name, rest) = part.split_at(end);
        plain.push_str(name);
        plain.push_str("List");
        plain.push_str(rest);
    }
    plain
}

fn add<T: ToSchema + PartialSchema>(schemas: &mut Map<String, Value>) {
    let mut found: Vec<(String, RefOr<Schema>)> = vec![(T::name().into(), T::schema())];
    T::schemas(&mut found);
    for (name, schema) in found {
        let schema = serde_json::to_value(schema).expect("a schema is JSON");
        schemas.entry(name).or_insert(schema);
    }
}

/// Completes the schemas: those that only parameters use, what derives cannot say of bodies, and
/// that answers leave no field out.
fn schemas(document: &mut Value) {
    let schemas = document["components"]["schemas"]
        .as_object_mut()
        .expect("there are some");
    add::<Limit>(schemas);
    add::<RepositoryPattern>(schemas);
    add::<BranchPattern>(schemas);
    add::<Owner>(schemas);
    add::<EventName>(schemas);
    add::<ActionName>(schemas);
    add::<ProviderDeliveryId>(schemas);
    add::<Moment>(schemas);
    add::<Position>(schemas);
    add::<HookPosition>(schemas);
    add::<UrlPattern>(schemas);
    add::<Host>(schemas);
    add::<HookKey>(schemas);
    schemas.values_mut().for_each(complete);
    for (name, more) in bodies() {
        let schema = schemas.get_mut(name).and_then(Value::as_object_mut);
        schema
            .expect("the schema of a body")
            .extend(more.as_object().cloned().unwrap_or_default());
    }
    add::<ProblemBody<'_>>(schemas);
}

/// Answers leave no field out; only bodies of requests do. An `example` is one of `examples` since
/// JSON Schema 2020-12.
fn complete(schema: &mut Value) {
    let Some(parts) = schema.as_object_mut() else {
        return;
    };
    if let Some(example) = parts.remove("example") {
        parts.insert("examples".into(), json!([example]));
    }
    let is_request = parts.get("additionalProperties") == Some(&Value::Bool(false));
    if let Some(Value::Object(fields)) = parts.get_mut("properties") {
        fields.values_mut().for_each(complete);
        let all = fields.keys().cloned().collect();
        if !is_request {
            parts.insert("required".into(), all);
        }
    }
    if let Some(Value::Array(all)) = parts.get_mut("allOf") {
        all.iter_mut().for_each(complete);
    }
}

/// Completes an operation with what follows from its row in the table.
fn describe(document: &mut Value, route: &Route) {
    let method = route.method.as_str().to_lowercase();
    let schemas = document["components"]["schemas"].clone();
    let found = document["paths"][route.path].get_mut(&method);
    let operation = found.expect("its handler is annotated with its method and path");
    operation["operationId"] = format!("{:?}", route.operation).into();
    operation["security"] = match route.access {
        Access::Public | Access::Ingress => json!([]),
        Access::Metrics => json!([{ "token": [] }, {}]),
        Access::User | Access::Admin => json!([{ "token": [] }]),
    };
    let module = operation["tags"][0].as_str().unwrap_or_default();
    let (_, tag) = pairs(TAGS)
        .find(|(of, _)| module.ends_with(of))
        .expect("a tag for each module");
    operation["tags"] = json!([tag.split(':').next()]);
    let mut parameters = in_path(route.path);
    if route.access == Access::Ingress {
        parameters.extend(pairs(DELIVERY_HEADERS).map(|(name, about)| {
            let schema = json!({ "type": "string" });
            json!({ "name": name, "in": "header", "schema": schema, "description": about })
        }));
    }
    for mut parameter in take(operation.get_mut("parameters")) {
        about_parameter(&mut parameter, &schemas);
        parameters.push(parameter);
    }
    let is_given = |name: &str| {
        parameters
            .iter()
            .any(|p| p["in"] == "query" && p["name"] == name)
    };
    let cursor = is_given("cursor").then_some(Code::BadCursor);
    let query = parameters
        .iter()
        .any(|p| p["in"] == "query")
        .then_some(Code::BadQuery);
    let mut codes = common(route, operation.get("requestBody").is_some());
    codes.extend(query.into_iter().chain(cursor));
    codes.extend(route.problems.iter().flat_map(|codes| codes.iter()));
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if route.access == Access::Ingress {
        let any = json!({ "schema": {} });
        let kinds = json!({ "application/json": any, "application/x-www-form-urlencoded": any });
        operation["requestBody"] = json!({ "required": true, "content": kinds });
    }
    let responses = operation["responses"]
        .as_object_mut()
        .expect("each has some");
    for response in responses.values_mut() {
        about_response(response, &schemas);
    }
    for (status, names) in by_status(codes) {
        let reference = format!("#/components/responses/{}", name_of(status));
        let names: Vec<String> = names.iter().map(|code| format!("`{code}`")).collect();
        let about = format!("{}.", names.join(", "));
        let problem = json!({ "$ref": reference, "description": about });
        responses.insert(status.as_str().to_owned(), problem);
    }
}

fn take(value: Option<&mut Value>) -> Vec<Value> {
    let items = value.and_then(Value::as_array_mut);
    items.map(std::mem::take).unwrap_or_default()
}

/// The problems that every route of this kind may answer with.
fn common(route: &Route, has_body: bool) -> Vec<Code> {
    let mut codes = Vec::new();
    match route.access {
        Access::Public => {}
        Access::Ingress => codes.extend([
            Code::NoSuchRoute,
            Code::BadDeliveryHeader,
            Code::BadRequest,
            Code::BadSignature,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedEncoding,
        ]),
        Access::Metrics | Access::User | Access::Admin => codes.extend([
            Code::TokenInQuery,
            Code::Unauthenticated,
            Code::TooManyRequests,
        ]),
    }
    if route.access == Access::Admin {
        codes.push(Code::Forbidden);
    }
    if route.access != Access::Public {
        codes.extend([
            Code::Overloaded,
            Code::StoreUnavailable,
            Code::Unavailable,
            Code::Internal,
        ]);
    }
    let is_ingress = route.access == Access::Ingress;
    if route.path.contains("{id}") || (route.path.contains("{provider}") && !is_ingress) {
        codes.push(Code::NotFound);
    }
    if has_body && !is_ingress {
        codes.extend([
            Code::BadJson,
            Code::UnknownField,
            Code::BadRequest,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::UnsupportedEncoding,
        ]);
    }
    codes
}

/// The parameters that a path has in braces. An id is of what stands before it.
fn in_path(path: &str) -> Vec<Value> {
    let segments: Vec<&str> = path.split('/').collect();
    let parameter = |pair: &[&str]| {
        let name = pair[1].strip_prefix('{')?.strip_suffix('}')?;
        let (schema, about) = match (name, pair[0]) {
            ("provider", _) => ("Provider", "The provider."),
            ("hook_key", _) => ("HookKey", "The key in the webhook's URL."),
            (_, "connections") => ("ConnectionId", "Id of the connection."),
            (_, "credentials") => ("CredentialId", "Id of the credential."),
            (_, "deliveries") => ("DeliveryId", "Id of the delivery."),
            (_, "runs") => ("RunId", "Id of the run."),
            (_, "incidents") => ("IncidentId", "Id of the incident."),
            (_, "users") => ("UserId", "Id of the user."),
            (_, "tokens") => ("TokenId", "Id of the API token."),
            (_, _) => ("", "Id of the sign-in."),
        };
        let schema = match schema {
            "" => json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{43}$" }),
            schema => json!({ "$ref": format!("#/components/schemas/{schema}") }),
        };
        Some(json!({
            "name": name, "in": "path", "required": true, "schema": schema, "description": about,
        }))
    };
    segments.windows(2).filter_map(parameter).collect()
}

/// A parameter that says nothing about itself says what its schema does.
fn about_parameter(parameter: &mut Value, schemas: &Value) {
    if parameter.get("description").is_some() {
        return;
    }
    let about = match parameter["name"].as_str() {
        Some("limit") => "Number of items on a page.".into(),
        Some("cursor") => "`next_cursor` of the page before, unchanged.".into(),
        _ => referred(&parameter["schema"], schemas)["description"].clone(),
    };
    parameter["description"] = about;
}

/// An answer that says nothing about itself says what its body's schema does.
fn about_response(response: &mut Value, schemas: &Value) {
    if response.get("description").is_some_and(|about| about != "") {
        return;
    }
    let contents = response.get("content").and_then(Value::as_object);
    let content = contents.and_then(|kinds| kinds.values().next());
    let schema = content.map(|content| referred(&content["schema"], schemas));
    response["description"] = match schema {
        Some(schema) if schema["description"].is_string() => schema["description"].clone(),
        Some(_) => "A text.".into(),
        None => "Done.".into(),
    };
}

fn referred<'a>(schema: &'a Value, schemas: &'a Value) -> &'a Value {
    let name = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next());
    name.map_or(schema, |name| &schemas[name])
}

/// What several operations have alike stands among the components, once.
fn share_parameters(document: &mut Value) {
    let mut counts: BTreeMap<String, (Value, usize)> = BTreeMap::new();
    let mut each = |visit: &mut dyn FnMut(&mut Value)| {
        let paths = document["paths"].as_object_mut().expect("there are some");
        let operations = paths
            .values_mut()
            .filter_map(|path| path.as_object_mut())
            .flatten();
        for parameters in operations.filter_map(|(_, operation)| operation.get_mut("parameters")) {
            parameters
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(&mut *visit);
        }
    };
    each(&mut |parameter| {
        let key = parameter.to_string();
        counts
            .entry(key)
            .or_insert_with(|| (parameter.clone(), 0))
            .1 += 1;
    });
    let mut shared = Map::new();
    each(&mut |parameter| {
        let key = parameter.to_string();
        if counts.get(&key).is_some_and(|(_, count)| *count > 1) {
            let schema = parameter["schema"]["$ref"]
                .as_str()
                .and_then(|at| at.rsplit('/').next());
            let name = match schema {
                Some(schema) if parameter["in"] == "path" => schema,
                Some(_) | None => parameter["name"].as_str().unwrap_or_default(),
            };
            let name = name.to_owned();
            shared.insert(name.clone(), parameter.clone());
            *parameter = json!({ "$ref": format!("#/components/parameters/{name}") });
        }
    });
    document["components"]["parameters"] = shared.into();
}
