//! The description of the API against the API: every route is described, every description is
//! answered, and the document is well-formed.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::client::Client;
use support::server::{Folder, Server};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// What the router knows and the description leaves out, each with the reason.
const LEFT_OUT: [(&str, &str); 1] = [("/", "an empty id: moniker-missing, whatever the family")];

fn document(server: &Server) -> Value {
    let (status, text) = server.get("/api/v1/openapi.json");
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_description_is_answered_and_every_method_described() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    let document = document(&server);
    for (path, operations) in document["paths"].as_object().unwrap() {
        let described: BTreeSet<String> =
            operations.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let asked = path.replace("/api/v1", "").replace("{cidr}", "10.0.0.0/8");
        let asked = asked.replace("{step}", "suspend").replace(['{', '}'], "");
        // No method of ours: the answer lists those that there are.
        let answer = client.call("TRACE", &asked, "", None);
        assert_eq!(answer.status, 405, "{path} is described, and no route: {}", answer.json);
        let allow = answer.head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
        let routed: BTreeSet<String> = allow
            .split(',')
            .map(|method| method.trim().to_uppercase())
            .filter(|method| method != "HEAD")
            .collect();
        assert_eq!(described, routed, "{path}");
    }
}

/// The paths in the sources of the API, which are texts but for those of families.
#[test]
fn every_route_is_described() {
    let folder = Folder::new();
    let document = document(&folder.serve());
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut routes = BTreeSet::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api"), &mut routes);
    assert!(routes.len() > 20, "only {} routes were found", routes.len());
    for route in routes {
        let route = route.replace("{*", "{");
        let is_left_out = LEFT_OUT.iter().any(|(end, _)| route.ends_with(end));
        assert!(
            is_left_out || described.contains(route.as_str()),
            "{route} is a route, and stands not in src/api/openapi/operations.rs"
        );
    }
}

fn collect(folder: &Path, routes: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("openapi") {
                collect(&path, routes);
            }
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices(".route(") {
            let rest = text[at + ".route(".len()..].trim_start();
            if let Some(route) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next())
                && route.starts_with("/api/v1/")
            {
                routes.insert(route.to_owned());
            }
        }
    }
}

#[test]
fn the_document_is_well_formed() {
    let folder = Folder::new();
    let document = document(&folder.serve());
    assert_eq!(document["openapi"], "3.1.0");
    for key in ["title", "version", "license"] {
        assert!(!document["info"][key].is_null(), "info has no {key}");
    }
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            let id = operation["operationId"].as_str().unwrap();
            let first = ids.insert(id, path);
            assert!(first.is_none(), "{id} is {path} and {first:?}");
            for key in ["summary", "description", "responses"] {
                assert!(!operation[key].is_null(), "{method} {path} has no {key}");
            }
            assert!(!operation["responses"]["200"].is_null(), "{method} {path}");
            let tag = operation["tags"][0].as_str().unwrap();
            assert!(tags.contains(tag), "{tag} is no tag");
            let named: BTreeSet<&str> = operation["parameters"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|one| one["in"] == "path")
                .map(|one| one["name"].as_str().unwrap())
                .collect();
            let placed: BTreeSet<&str> =
                path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect();
            assert_eq!(named, placed, "{method} {path}");
        }
    }
    let mut count = 0;
    follow(&document, &document, &mut count);
    assert!(count > 50, "only {count} references");
}

fn follow(value: &Value, document: &Value, count: &mut usize) {
    match value {
        Value::Object(parts) => {
            if let Some(reference) = parts.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                *count += 1;
            }
            parts.values().for_each(|part| follow(part, document, count));
        }
        Value::Array(parts) => parts.iter().for_each(|part| follow(part, document, count)),
        _ => {}
    }
}
