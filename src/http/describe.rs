//! Completes the OpenAPI document with what is true of every call: which refusals any of them may give,
//! and that each is a problem document.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Adds to each call what its own description leaves out.
pub fn complete(mut document: Value) -> Value {
    let paths = document["paths"].as_object_mut();
    for (path, calls) in paths.into_iter().flatten() {
        for (method, call) in calls.as_object_mut().into_iter().flatten() {
            let also = refusals(path, method, call.get("security").is_some());
            let Some(answers) = call["responses"].as_object_mut() else { continue };
            for status in also {
                answers.entry(status).or_insert_with(|| {
                    json!({ "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Problem" } } } })
                });
            }
            for (status, answer) in
                answers.iter_mut().filter(|(status, _)| status.as_str() >= "400")
            {
                name_it(status, answer);
            }
        }
    }
    document
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
    if method == "post" || method == "patch" {
        refusals.extend(["409", "413", "422"]);
    }
    refusals
}

/// Gives a refusal its content type, and words where it has none.
fn name_it(status: &str, answer: &mut Value) {
    let shaped =
        answer["content"].as_object_mut().and_then(|kinds| kinds.remove("application/json"));
    if let Some(shape) = shaped {
        answer["content"] =
            Value::Object(Map::from_iter([("application/problem+json".into(), shape)]));
    }
    if answer["description"].as_str().unwrap_or_default().is_empty() {
        let status = status.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        answer["description"] = json!(status.and_then(|status| status.canonical_reason()));
    }
}
