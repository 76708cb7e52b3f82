//! Adds an example of every request and every answer to the OpenAPI document. `examples.json` has one for each
//! schema, and by operation what differs from it. The examples of problems are made from the table of codes.

use serde_json::{Map, Value, json};

use crate::web::api::problem::Code;

const EXAMPLES: &str = include_str!("examples.json");
/// Codes that any call of their status may answer, whether its text names them or not.
const GENERAL: [Code; 11] = [
    Code::BadRequest,
    Code::NotAuthenticated,
    Code::Forbidden,
    Code::NotFound,
    Code::RequestTimeout,
    Code::PreconditionFailed,
    Code::BodyTooLarge,
    Code::Invalid,
    Code::UpgradeRequired,
    Code::TooManyRequests,
    Code::Unavailable,
];
/// Codes of calls that take an idempotency key.
const OF_KEYED: [Code; 3] =
    [Code::IdempotencyInProgress, Code::IdempotencyKeyReused, Code::UnknownOutcome];

/// Adds the examples to every call.
pub fn add(document: &mut Value) {
    let examples: Value = serde_json::from_str(EXAMPLES).expect("a test reads it");
    let calls = document["paths"].as_object_mut().into_iter().flatten();
    for (method, call) in calls.flat_map(|(_, calls)| calls.as_object_mut()).flatten() {
        let text = call.to_string();
        let own = examples["operations"][call["operationId"].as_str().unwrap_or_default()].clone();
        if let Some(body) = call.pointer_mut("/requestBody/content/application~1json") {
            body["example"] = of_schema(&examples, body);
        }
        let answers = call.get_mut("responses").and_then(Value::as_object_mut);
        for (status, answer) in answers.into_iter().flatten() {
            let kinds = answer.get_mut("content").and_then(Value::as_object_mut);
            for (kind, media) in kinds.into_iter().flatten() {
                if kind == "application/problem+json" {
                    media["examples"] = of_codes(method, status, &text);
                } else if status.as_str() < "400" {
                    media["example"] = changed(of_schema(&examples, media), &own);
                }
            }
        }
    }
}

/// The example of the schema that a body refers to; null where it refers to none.
fn of_schema(examples: &Value, media: &Value) -> Value {
    let name = media["schema"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    examples["schemas"][name.unwrap_or_default()].clone()
}

/// An example with what one operation answers otherwise.
fn changed(mut example: Value, own: &Value) -> Value {
    match (example.as_object_mut(), own.as_object()) {
        (Some(fields), Some(own)) => {
            fields.extend(own.clone());
            example
        }
        _ if own.is_null() => example,
        _ => own.clone(),
    }
}

/// One problem for each code that a call may answer with this status.
fn of_codes(method: &str, status: &str, text: &str) -> Value {
    let has_key = text.contains("\"Idempotency-Key\"");
    let is_told = |code: &Code| {
        GENERAL.contains(code)
            || (has_key && OF_KEYED.contains(code))
            || (method == "patch" && *code == Code::Stale)
            || text.contains(&format!("`{}`", code.parts().0))
    };
    let of_status = |code: &&Code| code.parts().1.as_str() == status;
    let told = Code::ALL.iter().filter(of_status).filter(|code| is_told(code));
    Value::Object(Map::from_iter(told.map(|code| {
        let word = code.parts().0.to_owned();
        (word, json!({ "summary": code.parts().2, "value": problem(*code) }))
    })))
}

fn problem(code: Code) -> Value {
    let (word, status, title) = code.parts();
    let mut problem = json!({ "type": format!("/problems/{word}"), "title": title,
        "status": status.as_u16(), "detail": title, "code": word });
    if code == Code::Invalid {
        problem["errors"] = json!([{ "field": "name", "detail": "this field is needed" }]);
    }
    if code == Code::HoldEnded {
        problem["state"] = json!("expired");
    }
    problem
}
