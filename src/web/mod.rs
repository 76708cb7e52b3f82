//! The front door: routes, and what is true of every request. A handler parses, calls one flow and shapes
//! the answer.

pub mod api;
pub mod console;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod i18n;
pub mod operator;
pub mod pages;
pub mod people;
pub mod room;
pub mod server;
pub mod shopper;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_util::FutureExt;
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::engine::Gate;
use crate::engine::line::join;
use crate::model::{HoldId, SaleId};
use crate::web::api::caller::KeyDigest;
use crate::web::api::problem::{Code, Problem};
use crate::web::pages::Visitor;
use crate::web::people::{login, pages as desk};
use crate::web::server::limits::{Limits, Rates};
use crate::web::server::times::Times;
use crate::web::server::traffic::Traffic;
use crate::web::shopper::streaming::Watchers;

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

pub struct Inner {
    pub gate: Arc<Gate>,
    pub admin_key: KeyDigest,
    /// Where shoppers reach this sale, as a browser names it in `Origin`; none unless set.
    pub public_origin: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub limits: Limits,
    /// Where calls come from, for the self-check.
    traffic: Traffic,
    pub metrics: PrometheusHandle,
    /// Whether `/metrics` is served here, and not on a listener of its own.
    pub serves_metrics: bool,
    pub watchers: Arc<Watchers>,
    /// Sockets that are open, so that a drain can wait for them.
    pub sockets: TaskTracker,
    times: Times,
}

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

/// How the front door is set up; made by `config`.
pub struct Settings {
    pub admin_key: String,
    pub public_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    /// None when joins and calls are not limited.
    pub rates: Option<Rates>,
    pub serves_metrics: bool,
}

impl App {
    pub fn new(gate: Arc<Gate>, settings: Settings, metrics: PrometheusHandle) -> Self {
        let origin = settings.public_url.map(|url| url.trim_end_matches('/').to_owned());
        Self(Arc::new(Inner {
            gate,
            admin_key: KeyDigest::new(&settings.admin_key),
            public_origin: origin,
            trusted_proxies: settings.trusted_proxies,
            limits: Limits::new(settings.rates),
            traffic: Traffic::default(),
            metrics,
            serves_metrics: settings.serves_metrics,
            watchers: Arc::default(),
            sockets: TaskTracker::new(),
            times: Times::default(),
        }))
    }

    /// Tells the self-check what the calls since the last judgement show.
    pub fn judge_traffic(&self) {
        if let Some(findings) = self.traffic.judge(&self.trusted_proxies) {
            self.gate.selfcheck.set_traffic(findings);
        }
    }

    pub fn is_https(&self) -> bool {
        self.public_origin.as_deref().is_some_and(|origin| origin.starts_with("https://"))
    }

    /// The host that a page names as its own.
    pub fn host(&self, headers: &HeaderMap) -> String {
        if let Some(origin) = &self.public_origin {
            return origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned();
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let is_plain = |host: &&str| {
            host.len() <= 255
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        };
        host.filter(is_plain).unwrap_or("localhost").to_owned()
    }

    /// This place as others are told of it, without a slash at the end.
    pub fn origin(&self, headers: &HeaderMap) -> String {
        self.public_origin.clone().unwrap_or_else(|| format!("http://{}", self.host(headers)))
    }

    /// Whether a new ticket of this sale could be had; a full line passes.
    pub fn takes_joins(&self, sale: SaleId) -> bool {
        self.gate.line_of(sale).is_some_and(|line| join::takes_joins(&line).is_ok())
    }

    /// Where an admitted shopper buys: the shop's own address with the hold, or ropeline's page.
    pub fn checkout_link(&self, sale: SaleId, hold: HoldId, shop: Option<&str>) -> Option<String> {
        let line = self.gate.line_of(sale)?;
        let view = line.view();
        if api::responses::is_builtin(&view.snapshot.sale) {
            return Some(format!("/s/{}/checkout", view.slug()));
        }
        let shop = shop?;
        let joint = if shop.contains('?') { '&' } else { '?' };
        Some(format!("{shop}{joint}hold={hold}"))
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ropeline",
        description = "A fair line in front of a flash sale, and never a unit sold twice.\n\n\
            JSON in and out; times are RFC 3339 in UTC. `{sale}` is a sale's `id` or `slug`. \
            A refusal is `application/problem+json`; match on its `code`. A browser that opens an address or sends a \
            form (`Sec-Fetch-Mode: navigate`) is told the same as a page. \
            `Idempotency-Key` is honoured on every POST that makes or changes something."
    ),
    components(schemas(api::problem::ProblemShape, api::problem::FaultShape)),
    tags(
        (name = "shopper", description = "Join, watch the place, check out"),
        (name = "operator", description = "Make a sale, seed it, steer it"),
        (name = "accounts", description = "Who may do what: operators and API keys"),
        (name = "operations", description = "For load balancers and monitoring")
    ),
    modifiers(&Extras)
)]
struct ApiDoc;

/// How callers prove themselves, and every code a problem may carry.
struct Extras;

impl utoipa::Modify for Extras {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = |words: &str| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(words));
            SecurityScheme::Http(scheme.build())
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("credential", bearer("What the join gave; also its cookie"));
        components
            .add_security_scheme("api_key", bearer("An API key with the role that the call needs"));
        let codes: Vec<_> = Code::ALL
            .iter()
            .map(|code| {
                let (word, status, title) = code.parts();
                format!("- `{word}` ({}): {title}", status.as_u16())
            })
            .collect();
        let description = document.info.description.get_or_insert_default();
        description.push_str(&format!("\n\nEvery `code`:\n\n{}", codes.join("\n")));
    }
}

/// Makes what is long and read by people smaller: pages, lists and CSV. States, joins and sockets are short and
/// hot and go out as they are; server-sent events must not wait in a buffer.
///
/// A page compresses the shopper's data next to nothing that a stranger can choose and a secret that comes
/// again (BREACH): credentials and sessions are in cookies alone, a nonce or a form's key is another one on
/// each page, nothing of the address is repeated, and what a form sent is repeated to our own pages only.
fn smaller() -> CompressionLayer {
    // A tenth smaller than the fastest level; the ones above win a fortieth more.
    CompressionLayer::new().quality(CompressionLevel::Precise(4))
}

/// The OpenAPI document: what `/openapi.json` serves and `ropeline openapi` prints.
pub fn openapi() -> Value {
    api::openapi::complete(json!(api().into_openapi()))
}

/// The calls of the API, each with its part of the OpenAPI document.
fn api() -> OpenApiRouter<App> {
    let lists = OpenApiRouter::new()
        .routes(routes!(operator::listings::holds))
        .routes(routes!(operator::listings::orders))
        .routes(routes!(operator::csv::orders_csv))
        .routes(routes!(operator::events::events_csv))
        .routes(routes!(operator::events::events_jsonl))
        .routes(routes!(operator::listings::audit_trail))
        .routes(routes!(operator::payments::list))
        .layer(smaller());
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .merge(lists)
        .routes(routes!(shopper::facts))
        .routes(routes!(shopper::join))
        .routes(routes!(shopper::ticket, shopper::depart))
        .routes(routes!(shopper::streaming::events))
        .routes(routes!(shopper::moves::make))
        .routes(routes!(shopper::moves::take))
        .routes(routes!(shopper::hold))
        .routes(routes!(shopper::confirm))
        .routes(routes!(shopper::release))
        .routes(routes!(operator::create, operator::listings::sales))
        .routes(routes!(operator::show, operator::change))
        .routes(routes!(operator::seed))
        .routes(routes!(operator::withdraw))
        .routes(routes!(operator::open))
        .routes(routes!(operator::pause))
        .routes(routes!(operator::resume))
        .routes(routes!(operator::close))
        .routes(routes!(operator::reopen))
        .routes(routes!(operator::archive))
        .routes(routes!(operator::notice))
        .routes(routes!(operator::tickets::story, operator::remove))
        .routes(routes!(operator::tickets::find_tickets))
        .routes(routes!(operator::payments::resolve))
        .routes(routes!(operator::stats))
        .routes(routes!(operator::reconciliation))
        .routes(routes!(operator::report::report_json))
        .routes(routes!(operator::report::report_csv))
        .routes(routes!(operator::health))
        .routes(routes!(operator::setup_status::overview))
        .routes(routes!(operator::setup_status::history))
        .routes(routes!(operator::plan::plan_sale))
        .routes(routes!(operator::readiness::readiness))
        .routes(routes!(operator::plan::plan_new))
        .routes(routes!(people::operators, people::add_operator))
        .routes(routes!(people::change_operator, people::remove_operator))
        .routes(routes!(people::keys, people::make_key))
        .routes(routes!(people::revoke_key))
        .routes(routes!(people::audit))
        .routes(routes!(server::ops::healthz))
        .routes(routes!(server::ops::readyz))
        .routes(routes!(server::ops::metrics))
        .routes(routes!(shopper::streaming::socket))
}

/// Every route, with what is true of every request around it.
pub fn router(app: App) -> Router {
    let (calls, _) = api().split_for_parts();
    let pages = Router::new()
        .route("/", get(server::ops::home))
        .route("/docs", get(server::ops::docs))
        .route("/openapi.json", get(server::ops::openapi))
        .route("/problems/{code}", get(server::ops::problem))
        .route("/s/{sale}", get(room::room))
        .route("/s/{sale}/join", post(room::join))
        .route("/s/{sale}/leave", post(room::depart))
        .route("/s/{sale}/move", post(shopper::moves::make_on_page).get(shopper::moves::back))
        .route("/s/{sale}/move/{code}", get(shopper::moves::ask).post(shopper::moves::take_on_page))
        .route("/s/{sale}/checkout", get(room::checkout))
        .route("/s/{sale}/checkout/confirm", post(room::confirm))
        .route("/s/{sale}/checkout/release", post(room::release))
        .route("/s/{sale}/receipt", get(room::receipt))
        .route("/assets/{name}", get(server::assets::asset))
        .route("/admin", get(console::sales))
        .route("/admin/login", get(login::login_page).post(login::login))
        .route("/admin/logout", post(login::logout))
        .route("/admin/account", get(login::account))
        .route("/admin/account/password", post(login::password))
        .route("/admin/account/logout-everywhere", post(login::everywhere))
        .route("/admin/operators", get(desk::operators).post(desk::add_operator))
        .route("/admin/operators/{operator}/{action}", post(desk::change_operator))
        .route("/admin/keys", get(desk::keys).post(desk::make_key))
        .route("/admin/keys/{key}/revoke", post(desk::revoke_key))
        .route("/admin/plan", post(console::preview))
        .route("/admin/sales", post(console::create))
        .route("/admin/sales/{sale}", get(console::sale))
        .route("/admin/sales/{sale}/find", get(console::ticket::find))
        .route("/admin/sales/{sale}/tickets/{ticket}", get(console::ticket::show))
        .route("/admin/sales/{sale}/tickets/{ticket}/remove", post(console::ticket::remove))
        .route("/admin/sales/{sale}/payments/{payment}/resolve", post(console::payments::resolve))
        .route("/admin/sales/{sale}/report", get(operator::report::report_page))
        .route("/admin/sales/{sale}/brand", get(console::brand::form).post(console::brand::save))
        .route(
            "/admin/sales/{sale}/preview",
            get(console::brand::preview).post(console::brand::preview_draft),
        )
        .route("/admin/sales/{sale}/{action}", post(console::action))
        .layer(middleware::from_fn_with_state(app.clone(), people::carried::at_the_door))
        .layer(smaller());
    around(app, Router::new().merge(calls).merge(pages))
}

/// Routes with what is true of every request around them.
pub fn around(app: App, routes: Router<App>) -> Router {
    routes
        .fallback(any(nothing_here))
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(app.clone(), room::addresses::lead_on))
        .layer(middleware::from_fn_with_state(app.clone(), timed))
        .with_state(app)
}

/// Whether a refusal is the framework's own, in plain text.
fn is_unshaped(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    is_plain && response.status().is_client_error()
}

fn reshaped(status: StatusCode) -> Problem {
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Code::BodyTooLarge,
        _ => Code::BadRequest,
    };
    Problem::new(code, "the address or the request is not well formed")
}

async fn nothing_here() -> Problem {
    Problem::new(Code::NotFound, "there is no such address")
}

async fn wrong_method() -> Problem {
    Problem::new(Code::MethodNotAllowed, "this address is not asked in this way")
}

fn panicked(cause: &(dyn std::any::Any + Send)) -> Problem {
    let text = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied());
    tracing::error!(cause = text, "a handler panicked");
    Problem::new(Code::Internal, "the fault is ours and was written down")
}

/// Longest wait for an answer to begin. Steps have shorter limits of their own; this one is for a Postgres
/// that is frozen and can end nothing itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Counts each call against its address, times its answer by route, bounds it, turns a panic into an answer and a
/// refusal of a browser into a page, and lets nobody keep it or guess at its content type. One layer: each costs
/// every request.
async fn timed(State(app): State<App>, request: Request, next: Next) -> Response {
    let visitor = Visitor::of(&request);
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = server::times::named(request.method());
    let is_safe = request.method().is_safe();
    let started = Instant::now();
    let handled = AssertUnwindSafe(server::limits::pass(&app, request, next)).catch_unwind();
    let mut response = match timeout(ANSWER_WITHIN, handled).await {
        Ok(Ok(response)) if is_unshaped(&response) => reshaped(response.status()).into_response(),
        Ok(Ok(response)) => response,
        Ok(Err(cause)) => panicked(&*cause).into_response(),
        Err(_) if is_safe => Problem::new(Code::Unavailable, "no answer in time").into_response(),
        Err(_) => {
            let detail = "no answer in time; it may have been done, so repeat it with the same key";
            Problem::new(Code::UnknownOutcome, detail).into_response()
        }
    };
    if let Some(visitor) = visitor {
        response = visitor.shown(&app, response);
    }
    let (status, took) = (response.status().as_u16(), started.elapsed());
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    tracing::debug!(method, route, status, ms = took.as_millis() as u64, "answered");
    app.times.note(method, route, status, took);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Everything here is about this moment, and much of it about one shopper.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
