//! For load balancers, monitoring and engineers: health, metrics, and the API described by itself.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::engine::health::gauges::{Gauges, gauges};
use crate::web::App;
use crate::web::api::caller::Caller;
use crate::web::api::problem::{Code, Problem, ProblemShape, respond};
use crate::web::pages::views::{Answer, DocsPage, Operation, OperationGroup, Param};
use crate::web::pages::{is_for_a_person, page, problem_page, see_other};
use crate::{random_text, telemetry};

/// The process lives
///
/// Asks nothing of Redis or Postgres: restarting a gateway does not bring them back.
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, body = Object)))]
pub async fn healthz() -> Response {
    respond(StatusCode::OK, json!({ "status": "ok" }).to_string())
}

/// The gateway can serve
///
/// 503 names what is missing: `postgres`, `redis`, `migrations`, `draining`, or `task-` and the name of a background
/// task that does not run.
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, body = Object), (status = 503, body = Object)))]
pub async fn readyz(State(app): State<App>) -> Response {
    let missing = app.gate.missing();
    if missing.is_empty() {
        return respond(StatusCode::OK, json!({ "status": "ready", "missing": [] }).to_string());
    }
    let problem = Problem::new(Code::Unavailable, format!("missing: {}", missing.join(", ")));
    let mut body = problem.body();
    body["missing"] = json!(missing);
    let mut response = respond(StatusCode::SERVICE_UNAVAILABLE, body.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    response
}

/// Prometheus metrics
///
/// Served on the operations listener alone where one is set.
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, content_type = "text/plain", body = String),
              (status = 404, body = ProblemShape)))]
pub async fn metrics(State(app): State<App>) -> Response {
    if app.serves_metrics {
        return metrics_text(&app);
    }
    Problem::new(Code::NotFound, "metrics are on the operations listener").into_response()
}

/// The metrics as Prometheus reads them.
pub fn metrics_text(app: &App) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, app.metrics.render() + &sale_metrics(&gauges(&app.gate))).into_response()
}

/// The metrics of the sales that this gateway follows. A slug needs no escape.
fn sale_metrics(sales: &[Gauges]) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, lines: &dyn Fn(&mut String, &Gauges)| {
        if !sales.is_empty() {
            let help = telemetry::help(name);
            text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n"));
        }
        sales.iter().for_each(|sale| lines(&mut text, sale));
        text.push('\n');
    };
    metric(telemetry::MIRROR_AGE, &|text, sale| {
        let (slug, age) = (&sale.slug, sale.mirror_age.as_secs_f64());
        text.push_str(&format!("{}{{sale=\"{slug}\"}} {age}\n", telemetry::MIRROR_AGE));
    });
    metric(telemetry::WAITING, &|text, sale| {
        let (slug, waiting) = (&sale.slug, sale.waiting);
        text.push_str(&format!("{}{{sale=\"{slug}\"}} {waiting}\n", telemetry::WAITING));
    });
    metric(telemetry::UNITS, &|text, sale| {
        let (name, slug, stock) = (telemetry::UNITS, &sale.slug, sale.stock);
        for (state, units) in [
            ("available", stock.available()),
            ("held", stock.held),
            ("sold", stock.sold),
            ("withdrawn", stock.withdrawn),
        ] {
            text.push_str(&format!("{name}{{sale=\"{slug}\",state=\"{state}\"}} {units}\n"));
        }
    });
    text
}

/// `GET /openapi.json`
pub async fn openapi(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.openapi.clone()).into_response()
}

/// `GET /docs`
pub async fn docs(State(app): State<App>, headers: HeaderMap) -> Response {
    let document: Value = serde_json::from_slice(&app.openapi).unwrap_or_default();
    let text = |pointer: &str| {
        document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let body = DocsPage {
        nonce: random_text(),
        title: text("/info/title"),
        version: text("/info/version"),
        description: text("/info/description"),
        groups: reference(&document),
    };
    page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body)
}

/// `GET /`: nothing is for sale here; an operator finds the console.
pub async fn home(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Ok(Some(_)) = Caller::of_session(&app, &headers).await {
        return see_other("/admin");
    }
    let problem =
        Problem::new(Code::NotFound, "a sale has an address of its own: /s/ and its name");
    if is_for_a_person(&headers, "/") {
        let ways = [("/docs", "For engineers: the API"), ("/admin", "For operators: the console")];
        return problem_page(&app, &headers, &problem, &ways);
    }
    problem.into_response()
}

/// `GET /problems/{code}`: what a problem's `type` points to.
pub async fn problem(Path(word): Path<String>) -> Response {
    let known = Code::ALL.iter().map(|code| code.parts()).find(|(known, _, _)| *known == word);
    match known {
        Some((code, status, title)) => {
            Json(json!({ "code": code, "status": status.as_u16(), "title": title })).into_response()
        }
        None => Problem::not_found("problem").into_response(),
    }
}

/// An OpenAPI document as the reference page shows it: by tag, in the order of the document.
pub fn reference(document: &Value) -> Vec<OperationGroup> {
    let mut groups: BTreeMap<String, Vec<Operation>> = BTreeMap::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, methods) in paths {
        for (method, call) in methods.as_object().into_iter().flatten() {
            let tag = call["tags"][0].as_str().unwrap_or_default().to_owned();
            groups.entry(tag).or_default().push(operation(document, path, method, call));
        }
    }
    let order = document["tags"].as_array().into_iter().flatten();
    order
        .filter_map(|tag| {
            let operations = groups.remove(tag["name"].as_str()?)?;
            Some(OperationGroup { name: words(&tag["description"]), operations })
        })
        .collect()
}

fn words(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn operation(document: &Value, path: &str, method: &str, call: &Value) -> Operation {
    let params = call["parameters"].as_array().into_iter().flatten().map(|param| Param {
        name: words(&param["name"]),
        location: words(&param["in"]),
        required: param["required"].as_bool().unwrap_or(false),
        kind: kind(&param["schema"]),
        description: words(&param["description"]),
    });
    let body = &call["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let body = body.as_str().and_then(|name| document.pointer(name.trim_start_matches('#')));
    let responses = call["responses"].as_object().into_iter().flatten();
    Operation {
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: words(&call["summary"]),
        description: words(&call["description"]),
        params: params.chain(body.into_iter().flat_map(body_fields)).collect(),
        responses: responses
            .map(|(status, answer)| Answer {
                status: status.clone(),
                description: words(&answer["description"]),
            })
            .collect(),
    }
}

/// The fields of a body, each as a parameter.
fn body_fields(shape: &Value) -> Vec<Param> {
    let needed = shape["required"].as_array();
    let is_needed = |name: &str| needed.is_some_and(|names| names.iter().any(|n| n == name));
    let fields = shape["properties"].as_object().into_iter().flatten();
    fields
        .map(|(name, field)| Param {
            name: name.clone(),
            location: "body".into(),
            required: is_needed(name),
            kind: kind(field),
            description: field_words(field),
        })
        .collect()
}

/// What a field means, with its limits and its default.
fn field_words(field: &Value) -> String {
    let mut parts = vec![words(&field["description"])];
    if let (Some(least), Some(most)) = (field["minimum"].as_i64(), field["maximum"].as_i64()) {
        parts.push(format!("{least}…{most}"));
    }
    if let Some(default) = field.get("default") {
        parts.push(format!("default {default}"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

/// What a parameter may be.
fn kind(schema: &Value) -> String {
    let kind = &schema["type"];
    let Some(kinds) = kind.as_array() else { return words(kind) };
    kinds.iter().map(words).filter(|kind| kind != "null").collect()
}
