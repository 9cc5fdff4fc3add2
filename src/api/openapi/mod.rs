//! `/api/v1/openapi.json`: the API described for programs (OpenAPI 3.1), made from the table of
//! operations and the types of bodies and replies.

mod bodies;
mod operations;
mod replies;

use std::sync::OnceLock;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use operations::{Needs, Operation, ReplyKind, Shape, operations};

/// What a parameter of a query is, by its name.
const PARAMETERS: &[(&str, &str)] = &[
    ("limit", "How many at most; 0 or nothing: the default."),
    ("offset", "How many are left out before the first."),
    ("cursor", "Where the page begins: nextCursor of the page before."),
    (
        "filter",
        "property:text, several parted by commas; all must hold. \\, is a comma of the text.",
    ),
    ("sortBy", "asc(property) or desc(property), several parted by commas."),
    ("q", "A text that some identity begins with, or that name, reference or a tag contains."),
    ("state", "open, ending or ended."),
    ("startedAfter", "A time in UTC (RFC 3339)."),
    ("from", "A time in UTC (RFC 3339)."),
    ("to", "A time in UTC (RFC 3339)."),
];

/// No secret is in it: who has no token may read what a token is good for.
pub(super) async fn openapi() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| document().to_string());
    ([(CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}

/// The whole document.
fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for operation in operations() {
        let described = describe(&operation, &mut generator);
        let path = paths.entry(operation.path.clone()).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = described;
    }
    let refusal = generator.subschema_for::<replies::RefusalReply>();
    debug_assert!(refusal.get("$ref").is_some());
    let mut schemas = generator.take_definitions(true);
    for schema in schemas.values_mut() {
        if let Some(schema) = schema.as_object_mut() {
            schema.remove("$schema");
        }
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "attachd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The management API of the RADIUS AAA server for IoT SIMs. Families of the platform tell outcomes (not found, in use, refused) with status 200 and success: false; own families with true statuses. docs/api.md is a tour.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": operations::TAGS.map(|(name, description)| json!({"name": name, "description": description})),
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "Made by `attachd token create`; roles read, write and admin.",
            }},
            "responses": {
                "Refused": {
                    "description": "Refused; code and messages say why and what to do.",
                    "content": refused_content(),
                },
                "NotReady": {
                    "description": "The server recovers, stops, or cannot record.",
                    "content": refused_content(),
                },
            },
        },
    })
}

fn refused_content() -> Value {
    json!({
        "application/json": {"schema": {"$ref": "#/components/schemas/RefusalReply"}},
        "application/problem+json": {"schema": {"type": "object"}},
    })
}

fn describe(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = placeholders(&operation.path).map(path_parameter).collect();
    parameters.extend(operation.query.iter().map(|name| query_parameter(name)));
    if operation.is_versioned {
        let name = if operation.method == "GET" { "If-None-Match" } else { "If-Match" };
        parameters.push(json!({
            "name": name,
            "in": "header",
            "required": false,
            "description": "A version, as ETag shows it.",
            "schema": {"type": "string"},
        }));
    }
    let mut responses = json!({
        "200": success(operation, generator),
        "4XX": {"$ref": "#/components/responses/Refused"},
        "503": {"$ref": "#/components/responses/NotReady"},
    });
    if operation.is_versioned && operation.method == "GET" {
        responses["304"] = json!({"description": "The version that If-None-Match names."});
    }
    let mut described = json!({
        "operationId": operation.id(),
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        "responses": responses,
    });
    described["description"] = json!(operation.needs.words());
    if operation.needs == Needs::Nothing {
        described["security"] = json!([]);
    }
    if let Some(body) = operation.body {
        let mut content = json!({"application/json": {"schema": body(generator)}});
        if operation.takes_csv {
            content["text/csv"] = json!({"schema": {"type": "string"}});
        }
        let required = operation.needs_body;
        described["requestBody"] = json!({"required": required, "content": content});
    }
    described
}

fn success(operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let data = (operation.data)(generator);
    let mut envelope = json!({
        "type": "object",
        "required": ["success", "messages", "data"],
        "properties": {
            "success": {"const": true},
            "messages": {"type": "array", "items": {"type": "string"}},
            "data": data,
        },
    });
    let mut add = |name: &str, schema: Value, required: bool| {
        envelope["properties"][name] = schema;
        if required && let Some(names) = envelope["required"].as_array_mut() {
            names.push(json!(name));
        }
    };
    if operation.kind != ReplyKind::One {
        for name in ["totalItems", "limit", "offset"] {
            add(name, json!({"type": "integer", "minimum": 0}), true);
        }
    }
    if operation.kind == ReplyKind::Page {
        add("nextCursor", json!({"type": ["string", "null"]}), true);
        add("totalIsLowerBound", json!({"type": "boolean"}), false);
    }
    let schema = if operation.is_platform() {
        json!({"anyOf": [envelope, {"$ref": "#/components/schemas/RefusalReply"}]})
    } else {
        envelope
    };
    if operation.kind == ReplyKind::Stream {
        return json!({
            "description": "Server-sent events, until the connection ends.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        });
    }
    let mut response = json!({
        "description": "Done; a family of the platform says so by success.",
        "content": {"application/json": {"schema": schema}},
    });
    if operation.is_versioned && operation.method == "GET" {
        response["headers"] = json!({"ETag": {"schema": {"type": "string"}}});
    }
    response
}

/// The names in braces.
fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn path_parameter(name: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "schema": {"type": "string", "minLength": 1},
    })
}

fn query_parameter(name: &str) -> Value {
    let description = PARAMETERS.iter().find(|(known, _)| *known == name);
    let schema = match name {
        "limit" | "offset" => json!({"type": "integer", "minimum": 0}),
        _ => json!({"type": "string"}),
    };
    let mut parameter = json!({"name": name, "in": "query", "required": false, "schema": schema});
    if let Some((_, description)) = description {
        parameter["description"] = json!(description);
    }
    parameter
}

/// The schema of a type.
fn of<T: schemars::JsonSchema>() -> Shape {
    |generator| generator.subschema_for::<T>().to_value()
}

/// A list of a type.
fn list_of<T: schemars::JsonSchema>() -> Shape {
    |generator| json!({"type": "array", "items": generator.subschema_for::<T>().to_value()})
}
