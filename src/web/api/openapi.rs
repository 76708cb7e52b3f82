//! Completes the OpenAPI document with what is true of every call: which refusals any of them may give,
//! and that each is a problem document.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::model::settings::brand::{EVERY_LANGUAGE, LANGUAGES, WORDS};
use crate::web::api::examples;

/// Adds to each call what its own description leaves out.
pub fn complete(mut document: Value) -> Value {
    for body in ["NewSale", "ChangedSale"] {
        shape_words(&mut document["components"]["schemas"][body]["properties"]["words"]);
    }
    let paths = document["paths"].as_object_mut();
    for (path, calls) in paths.into_iter().flatten() {
        for (method, call) in calls.as_object_mut().into_iter().flatten() {
            let also = refusals(path, method, call.get("security").is_some());
            let named = call.get_mut("parameters").and_then(Value::as_array_mut);
            named.into_iter().flatten().for_each(shape_key);
            if let Some(body) = call.get_mut("requestBody") {
                name_optional(body);
            }
            let Some(answers) = call["responses"].as_object_mut() else { continue };
            for status in also {
                answers.entry(status).or_insert_with(|| {
                    json!({ "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Problem" } } } })
                });
            }
            for (status, answer) in answers.iter_mut() {
                name_it(status, answer);
            }
        }
    }
    examples::add(&mut document);
    document
}

/// The texts of a sale's own: which there are, in which languages, and how long each may be.
fn shape_words(words: &mut Value) {
    let languages = format!("^({}|{})$", EVERY_LANGUAGE.replace('*', "\\*"), LANGUAGES.join("|"));
    let texts = WORDS.map(|(name, most)| {
        let text = json!({ "type": "string", "minLength": 1, "maxLength": most,
            "pattern": r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$" });
        let by_language = json!({ "type": "object", "additionalProperties": false,
            "patternProperties": { languages.as_str(): text } });
        (name.to_owned(), by_language)
    });
    words["properties"] = Value::Object(Map::from_iter(texts));
    words["additionalProperties"] = json!(false);
    if let Some(shape) = words.as_object_mut() {
        shape.remove("propertyNames");
    }
}

/// What any call of this kind may be refused with.
fn refusals(path: &str, method: &str, has_caller: bool) -> Vec<&'static str> {
    if !path.starts_with("/api/") {
        return Vec::new();
    }
    let mut refusals = vec!["400", "429", "503"];
    if has_caller {
        refusals.push("401");
    }
    if path.starts_with("/api/v1/admin/") {
        refusals.push("403");
    }
    if method == "post" || method == "patch" {
        refusals.extend(["408", "409", "413", "422"]);
    }
    refusals
}

/// An idempotency key has one shape, wherever it comes.
fn shape_key(parameter: &mut Value) {
    if parameter["name"] == "If-Match" {
        // An ETag of an answer, or any state. A comma would part it: the header is a list.
        parameter["schema"] = json!({ "type": "string", "pattern": "^(\\*|\"[!#-+\\--~]*\")$" });
    }
    if parameter["name"] == "Idempotency-Key" {
        parameter["schema"] = json!({ "type": "string", "minLength": 1, "maxLength": 200,
            "pattern": "^[!-~]([ -~]*[!-~])?$" });
    }
}

/// A body that may be left out: it is then not there at all, and never null.
fn name_optional(body: &mut Value) {
    let schema = &mut body["content"]["application/json"]["schema"];
    if let Some(shape) = schema["oneOf"]
        .as_array()
        .and_then(|either| either.iter().find(|shape| shape.get("$ref").is_some()).cloned())
    {
        *schema = shape;
        body["required"] = json!(false);
    }
}

/// Gives a refusal its content type, and every answer words where it has none.
fn name_it(status: &str, answer: &mut Value) {
    let mut kinds = answer.get_mut("content").and_then(Value::as_object_mut);
    if status >= "400"
        && let Some(kinds) = &mut kinds
        && let Some(shape) = kinds.remove("application/json")
    {
        kinds.insert("application/problem+json".into(), shape);
    }
    let shape = kinds.and_then(|kinds| kinds.values().next().cloned()).unwrap_or_default();
    if answer["description"].as_str().unwrap_or_default().is_empty() {
        let name = shape["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        let reason = status.and_then(|status| status.canonical_reason());
        answer["description"] = json!(name.filter(|name| *name != "Problem").or(reason));
    }
}
