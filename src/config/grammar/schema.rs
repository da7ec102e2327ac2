//! The grammar as JSON Schema, for editors.
//!
//! The schema accepts everything that `check` accepts. It cannot say all that `check` says: names
//! that must exist, rules that hide others.

use serde_json::{Map as Object, Value, json};

use super::{Absent, Map, ROOT, Scalar, Shape, Tagged};

/// JSON Schema (draft 2020-12) of a configuration file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = map(&ROOT);
    if let Value::Object(object) = &mut schema {
        object.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        object.insert("title".into(), json!("Stepgate configuration"));
        object.insert("$defs".into(), json!({ "when": when(), "reference": reference() }));
    }
    schema
}

/// `{ file: … }` or `{ env: … }`.
fn reference() -> Value {
    let one = |key: &str, doc: &str| {
        json!({
            "type": "object",
            "properties": { key: { "type": "string", "description": doc } },
            "required": [key],
            "additionalProperties": false,
        })
    };
    json!({ "anyOf": [one("file", "The text of this file."), one("env", "The value of this variable.")] })
}

fn when() -> Value {
    let this = json!({"$ref": "#/$defs/when"});
    let one = |key: &str, value: Value| json!({"type": "object", "properties": {key: value}, "required": [key], "additionalProperties": false});
    let list = json!({"type": "array", "items": this, "minItems": 1});
    let any = one("any", list.clone());
    json!({ "anyOf": [{"type": "string", "minLength": 1}, list, any, one("not", this)] })
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Scalar(scalar) => self::scalar(*scalar),
        Shape::Map(of) => map(of),
        Shape::Tagged(of) => tagged(of),
        Shape::List(item) => json!({"type": "array", "items": self::shape(item), "minItems": 1}),
        Shape::Named(item) => json!({"type": "array", "items": self::shape(item)}),
        Shape::Many(item) => {
            let item = self::shape(item);
            json!({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]})
        }
        Shape::Any(item) => {
            let item = self::shape(item);
            json!({"anyOf": [item, {"type": "array", "items": item}]})
        }
        Shape::Table(table) => {
            json!({"type": "object", "minProperties": 1, "additionalProperties": self::shape(&table.value)})
        }
        // Combinations of conditions contain themselves.
        Shape::Either([Shape::Scalar(Scalar::Condition), ..]) => json!({"$ref": "#/$defs/when"}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(self::shape).collect::<Vec<_>>()}),
    }
}

fn scalar(scalar: Scalar) -> Value {
    let own = scalar.schema();
    if scalar.is_fetchable() {
        json!({"anyOf": [own, {"$ref": "#/$defs/reference"}]})
    } else {
        own
    }
}

fn map(of: &Map) -> Value {
    object(of, None)
}

fn object(of: &Map, tag: Option<(&str, &str, &str)>) -> Value {
    let mut properties = Object::new();
    let mut required: Vec<&str> = Vec::new();
    if let Some((key, value, doc)) = tag {
        properties.insert(key.to_owned(), json!({"const": value, "description": doc}));
        required.push(key);
    }
    for key in of.keys {
        let mut value = shape(&key.shape);
        if let Value::Object(value) = &mut value {
            value.insert("description".into(), json!(key.doc));
            if let Absent::Is(text) = key.absent {
                value.insert("default".into(), default_value(&key.shape, text));
            }
        }
        properties.insert(key.name.to_owned(), value);
        if matches!(key.absent, Absent::Error) {
            required.push(key.name);
        }
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    if let Value::Object(schema) = &mut schema {
        if !required.is_empty() {
            schema.insert("required".into(), json!(required));
        }
        let choices: Vec<Value> = of
            .choices
            .iter()
            .map(|choice| {
                let each: Vec<Value> = choice.keys.iter().map(|key| json!({"required": [key]})).collect();
                if choice.exclusive {
                    json!({"oneOf": each})
                } else {
                    json!({"anyOf": each})
                }
            })
            .collect();
        if !choices.is_empty() {
            schema.insert("allOf".into(), json!(choices));
        }
    }
    schema
}

/// A default in the type that the schema gives the value.
fn default_value(shape: &Shape, text: &str) -> Value {
    match shape {
        Shape::Scalar(scalar) if scalar.is_plain() => {
            serde_json::from_str(text).unwrap_or_else(|_| json!(text))
        }
        _ => json!(text),
    }
}

fn tagged(of: &Tagged) -> Value {
    let variants: Vec<Value> = of
        .variants
        .iter()
        .map(|(name, map)| object(map, Some((of.tag, name, of.tag_doc))))
        .collect();
    json!({"oneOf": variants})
}
