//! The JSON Schema, and the files that must fit it.

use serde_json::{Map as Object, Value, json};

use super::super::node::{Kind, Node};
use super::super::{diagnostic::Problems, source::SourceMap, yaml};
use super::*;

/// The part of JSON Schema that the grammar uses; an unknown word in the schema fails the test.
fn fits(schema: &Value, root: &Value, value: &Value) -> bool {
    let object = schema.as_object().unwrap();
    object.iter().all(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" | "default" | "$defs" => true,
        "$ref" => {
            let pointer = rule.as_str().unwrap().trim_start_matches('#');
            fits(root.pointer(pointer).unwrap(), root, value)
        }
        "type" => match rule.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64(),
            other => panic!("type {other}"),
        },
        "const" => value == rule,
        "enum" => rule.as_array().unwrap().contains(value),
        "minimum" => value.as_u64().is_none_or(|number| number >= rule.as_u64().unwrap()),
        "maximum" => value.as_u64().is_none_or(|number| number <= rule.as_u64().unwrap()),
        "minLength" => value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()),
        "minProperties" => value
            .as_object()
            .is_none_or(|entries| entries.len() as u64 >= rule.as_u64().unwrap()),
        "minItems" => value
            .as_array()
            .is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "pattern" => {
            let pattern = regex_automata::meta::Regex::new(rule.as_str().unwrap()).unwrap();
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| fits(rule, root, item))),
        "properties" => rule
            .as_object()
            .unwrap()
            .iter()
            .all(|(key, rule)| value.get(key).is_none_or(|v| fits(rule, root, v))),
        "additionalProperties" => value.as_object().is_none_or(|entries| {
            let known = object.get("properties").and_then(Value::as_object);
            entries
                .iter()
                .filter(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)))
                .all(|(_, value)| {
                    if rule == &json!(false) {
                        false
                    } else {
                        fits(rule, root, value)
                    }
                })
        }),
        "required" => rule
            .as_array()
            .unwrap()
            .iter()
            .all(|key| value.get(key.as_str().unwrap()).is_some()),
        "anyOf" => rule.as_array().unwrap().iter().any(|schema| fits(schema, root, value)),
        "oneOf" => {
            rule.as_array()
                .unwrap()
                .iter()
                .filter(|schema| fits(schema, root, value))
                .count()
                == 1
        }
        "allOf" => rule.as_array().unwrap().iter().all(|schema| fits(schema, root, value)),
        other => panic!("the schema says {other}, which this test does not know"),
    })
}

/// A file as an editor's YAML reader sees it.
fn json_of(node: &Node) -> Value {
    match &node.kind {
        Kind::Scalar(scalar) if scalar.plain => {
            serde_json::from_str(&scalar.text).unwrap_or_else(|_| json!(scalar.text))
        }
        Kind::Scalar(scalar) => json!(scalar.text),
        Kind::List(items) => items.iter().map(json_of).collect(),
        Kind::Map(entries) => {
            let entries = entries.iter().map(|entry| (entry.key.clone(), json_of(&entry.value)));
            Value::Object(entries.collect::<Object<_, _>>())
        }
        Kind::Nothing | Kind::Broken => Value::Null,
    }
}

fn accepted(text: &str) -> bool {
    let mut map = SourceMap::default();
    let file = map.add("a.yaml", Path::new(""), text.to_owned());
    let node = yaml::parse(file, text, &mut Problems::default()).unwrap();
    let schema = schema();
    fits(&schema, &schema, &json_of(&node))
}

#[test]
fn ready_configs_fit_the_schema() {
    for name in READY {
        let text = fs::read_to_string(format!("config/{name}.yaml")).unwrap();
        assert!(text.starts_with("# yaml-language-server: $schema="), "{name} has no modeline");
        assert!(accepted(&text), "{name}");
    }
    for name in ["complete", "warnings", "c030-understood"] {
        assert!(accepted(&fixture(name)), "{name}");
    }
}

#[test]
fn the_schema_refuses_what_the_grammar_refuses() {
    for name in [
        "c001-unknown-key",
        "c003-duration",
        "wrong-kinds",
        "not-available",
        "values",
    ] {
        assert!(!accepted(&fixture(name)), "{name}");
    }
    for wrong in [
        "routes: [{ name: a }]",
        "levels: [{ name: a }]",
        "conditions: { a: {} }",
        "identity: [{ name: a, type: oidc }]",
    ] {
        assert!(!accepted(&format!("{HEAD}{wrong}\n")), "{wrong}");
    }
}
