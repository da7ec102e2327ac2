//! The OpenAPI 3.1 document, made from [`OPERATIONS`] and the schemas beside it.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::call::{Reply, json};
use super::operations::{OPERATIONS, Operation};

/// `GET openapi.json`
pub async fn serve() -> Reply {
    Ok(json(StatusCode::OK, &document(), Vec::new()))
}

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in &OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(operation.method.to_owned(), describe(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Stepgate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Sign in, prove more, and manage one's own factors: the steps of the pages as \
                JSON. Calls that change something come from the portal's own origin or from a client that \
                is no browser. Times are seconds since 1970. Errors are problem+json with a stable `code`.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "." }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "__Host-stepgate-id" },
            },
        },
        "security": [{ "session": [] }, {}],
    })
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses(operation),
    });
    let Some(members) = described.as_object_mut() else {
        return described;
    };
    if operation.path.contains("{id}") {
        let id = json!([{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }]);
        members.insert("parameters".to_owned(), id);
    }
    if let Some(schema) = operation.body {
        let body =
            json!({ "required": true, "content": { "application/json": { "schema": reference(schema) } } });
        members.insert("requestBody".to_owned(), body);
    }
    described
}

fn responses(operation: &Operation) -> Value {
    let mut responses = Map::new();
    for (status, schema) in operation.answers {
        let answer = if schema.is_empty() {
            json!({ "description": "Done" })
        } else {
            json!({ "description": *schema, "content": { "application/json": { "schema": reference(schema) } } })
        };
        responses.insert(status.to_string(), answer);
    }
    for status in operation.problems {
        let phrase = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        let content = json!({ "application/problem+json": { "schema": reference("Problem") } });
        let problem = json!({ "description": phrase.unwrap_or("Problem"), "content": content });
        responses.insert(status.to_string(), problem);
    }
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn schemas() -> Value {
    serde_json::from_str(include_str!("schemas.json")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let (true, Some(target)) = (name == "$ref", value.as_str()) {
                        found.push(target.to_owned());
                    }
                    references(value, found);
                }
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_used() {
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        for target in &found {
            let pointer = target.trim_start_matches('#');
            assert!(document.pointer(pointer).is_some(), "{target}");
        }
        for schema in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/schemas/{schema}")), "{schema} is used nowhere");
        }
    }

    #[test]
    fn every_operation_is_described_once() {
        let document = document();
        let mut ids: Vec<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        for operation in &OPERATIONS {
            let described = &document["paths"][operation.path][operation.method];
            assert_eq!(described["operationId"], operation.id);
            assert!(described["responses"].as_object().is_some_and(|answers| !answers.is_empty()));
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
