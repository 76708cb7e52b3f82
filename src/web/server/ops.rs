//! For load balancers, monitoring and engineers: health, metrics, and the API described by itself.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::health::gauges::{Gauges, gauges};
use crate::web::App;
use crate::web::api::caller::Caller;
use crate::web::api::problem::{Code, Problem, ProblemShape, respond};
use crate::web::pages::views::DocsPage;
use crate::web::pages::{is_for_a_person, page, problem_page, see_other};
use crate::web::server::assets::{self, Asset};
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
pub async fn openapi(headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<Asset> = LazyLock::new(|| Asset::json(&crate::web::openapi()));
    DOCUMENT.respond(&headers)
}

/// `GET /docs`: Swagger UI shows the document, from files of this gateway's own.
pub async fn docs(State(app): State<App>, headers: HeaderMap) -> Response {
    let body = DocsPage {
        nonce: random_text(),
        script: assets::SWAGGER_UI.path(),
        style: assets::SWAGGER_UI_STYLE.path(),
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
