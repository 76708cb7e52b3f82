//! The operator's calls: make a sale, seed it, steer it, and see where it stands.

pub(crate) mod based_on;
pub mod csv;
pub mod events;
pub mod listings;
pub mod payments;
pub mod plan;
pub mod readiness;
pub mod report;
pub mod settings_input;
pub mod setup_status;
pub mod tickets;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::checkout::idempotency;
use crate::engine::line::leave;
use crate::engine::people::Key;
use crate::engine::repair::audit;
use crate::engine::reports::listings::stats as count;
use crate::engine::steering::operate::{Command, Render, operate};
use crate::engine::{Refusal, Reply};
use crate::model::{Fault, Sale, SaleId, Ticket};
use crate::web::App;
use crate::web::api::caller::{Look, Operator, Steer};
use crate::web::api::problem::{Code, Problem, ProblemShape};
use crate::web::api::request_reader::{Raw, idempotency_key};
use crate::web::api::request_schema::{ChangedSale, Close, NewSale, Notice, Seed};
use crate::web::api::responses::{
    HealthShape, ReconciliationShape, SaleShape, SeededShape, StatsShape,
};
use crate::web::operator::based_on::{demand_base, etag, with_etag};
use crate::web::operator::settings_input::{
    AsOf, change_command, new_settings, notice_faults, seed_count,
};

/// Attempts to change settings that somebody else is changing, too.
const CHANGE_ATTEMPTS: u32 = 5;

fn render_sale(outcome: &Result<Sale, Refusal>) -> Reply {
    match outcome {
        Ok(sale) => Reply { status: 200, body: json!(SaleShape::from(sale)) },
        Err(refusal) => Problem::from(refusal.clone()).reply(),
    }
}

fn render_created(outcome: &Result<Sale, Refusal>) -> Reply {
    match outcome {
        Ok(_) => Reply { status: 201, ..render_sale(outcome) },
        Err(_) => render_sale(outcome),
    }
}

fn render_seeded(outcome: &Result<Sale, Refusal>) -> Reply {
    match outcome {
        Ok(sale) => Reply { status: 201, body: json!(SeededShape { seeded: sale.stock }) },
        Err(_) => render_sale(outcome),
    }
}

/// Applies a command on an operator's word, under the request's idempotency key if it has one.
async fn apply(
    app: &App,
    operator: &Operator<Steer>,
    sale: SaleId,
    command: Command,
    request: (&HeaderMap, &Raw),
    render: Render,
) -> Result<Reply, Problem> {
    let key = key_of(operator, sale, &command, request)?;
    Ok(operate(&app.gate, &operator.actor, sale, command, key, render).await?)
}

/// The request's idempotency key, as it is kept.
fn key_of(
    operator: &Operator<Steer>,
    sale: SaleId,
    command: &Command,
    (headers, body): (&HeaderMap, &Raw),
) -> Result<Option<Key>, Problem> {
    let route = match command {
        // A new sale has a new id each time; the key belongs to the making.
        Command::Create { .. } => "create".to_owned(),
        Command::Change { .. }
        | Command::Seed { .. }
        | Command::Withdraw { .. }
        | Command::Open
        | Command::Pause
        | Command::Resume
        | Command::Close
        | Command::CloseSoon { .. }
        | Command::Reopen
        | Command::Archive
        | Command::Notice { .. } => format!("{} {sale}", command.action()),
    };
    let key = idempotency_key(headers)?;
    Ok(key.map(|key| idempotency::key(&operator.scope(), &route, key, body.fingerprint())))
}

/// Create a sale
///
/// `slug` and `name` are needed; everything else has a default. A `starts_at` or `ends_at` that is over is
/// refused: `POST …/open` opens a sale at once.
#[utoipa::path(post, path = "/api/v1/admin/sales", tag = "operator", security(("api_key" = [])),
    request_body = NewSale, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = SaleShape), (status = 400, body = ProblemShape),
              (status = 401, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn create(
    State(app): State<App>,
    operator: Operator<Steer>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let to = new_settings(&mut fields, AsOf::now(&app));
    fields.finish()?;
    let command = Command::Create { settings: to, units: None };
    apply(&app, &operator, SaleId::new(), command, (&headers, &body), render_created).await
}

/// A sale
///
/// `ETag` names it as it stands; send it back as `If-Match` with a change.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}", tag = "operator", security(("api_key" = [])),
    params(("sale" = String, Path)),
    responses((status = 200, body = SaleShape, headers(("ETag" = String))),
              (status = 404, body = ProblemShape)))]
pub async fn show(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let sale = json!(SaleShape::from(&app.gate.sale(&sale).await?));
    Ok(with_etag(&etag(&sale), Json(&sale).into_response()))
}

/// Change a sale
///
/// Takes the settings of creation; what is not named stays, and only what is changed is checked. A change to
/// a running sale acts on the next batch. A `starts_at` or `ends_at` that is changed to a time that is over is
/// refused: `POST …/open` and `POST …/close` act at once. With `If-Match` and the `ETag` of the sale as you know
/// it, a sale that somebody else changed since is left as it is: 412 `precondition-failed`. A slug that the sale
/// had leads on to it.
#[utoipa::path(patch, path = "/api/v1/admin/sales/{sale}", tag = "operator", security(("api_key" = [])),
    params(("sale" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = Option<ChangedSale>,
    responses((status = 200, body = SaleShape, headers(("ETag" = String))),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 412, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn change(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, Problem> {
    for attempt in 1.. {
        let sale = app.gate.sale(&sale).await?;
        let mut fields = body.fields()?;
        let command = change_command(&mut fields, &sale, AsOf::now(&app));
        fields.finish()?;
        if let Err(problem) = demand_base(&app, &sale, &headers).await {
            // A repeat of a change that was made is answered as it was.
            let key = key_of(&operator, sale.id, &command, (&headers, &body))?;
            let Some(key) = key else { return Err(problem) };
            let reply = idempotency::answered(&app.gate, &key).await?.ok_or(problem)?;
            return Ok(with_etag(&etag(&reply.body), reply.into_response()));
        }
        match apply(&app, &operator, sale.id, command, (&headers, &body), render_sale).await {
            // Two operators changed different things at once: put this change on top of the other.
            Err(Problem { code: Code::Stale, .. }) if attempt < CHANGE_ATTEMPTS => continue,
            Ok(reply) => {
                let etag = etag(&reply.body);
                return Ok(with_etag(&etag, reply.into_response()));
            }
            Err(problem) => return Err(problem),
        }
    }
    Err(Problem::new(Code::Stale, "somebody else keeps changing this sale"))
}

/// Seed purchase tokens
///
/// `{"count": 1000}` adds 1,000 units, before and during a sale. Answers how many are seeded in all.
#[utoipa::path(post, path = "/api/v1/admin/sales/{sale}/tokens", tag = "operator",
    security(("api_key" = [])), request_body = Seed,
    params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = SeededShape), (status = 404, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn seed(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let count = seed_count(&mut fields);
    fields.finish()?;
    let id = app.gate.sale(&sale).await?.id;
    apply(&app, &operator, id, Command::Seed { count }, (&headers, &body), render_seeded).await
}

/// Withdraw units
///
/// `{"count": 900}` takes 900 available units out of the sale: for who seeded too many. Held and sold units
/// stay. Answers how many are seeded in all, withdrawn ones included.
#[utoipa::path(post, path = "/api/v1/admin/sales/{sale}/withdrawals", tag = "operator",
    security(("api_key" = [])), request_body = Seed,
    params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = SeededShape), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn withdraw(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let count = seed_count(&mut fields);
    fields.finish()?;
    let id = app.gate.sale(&sale).await?.id;
    let command = Command::Withdraw { count };
    apply(&app, &operator, id, command, (&headers, &body), render_seeded).await
}

macro_rules! steer {
    ($(#[$doc:meta])* $name:ident, $path:literal, $command:expr) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "operator", security(("api_key" = [])),
            params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
            responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape),
                      (status = 409, body = ProblemShape)))]
        pub async fn $name(
            State(app): State<App>,
            operator: Operator<Steer>,
            Path(sale): Path<String>,
            headers: HeaderMap,
            body: Raw,
        ) -> Result<Reply, Problem> {
            body.fields()?.finish()?;
            let id = app.gate.sale(&sale).await?.id;
            apply(&app, &operator, id, $command, (&headers, &body), render_sale).await
        }
    };
}

steer!(
    /// Open a sale
    ///
    /// Starts it at once, whatever `starts_at` says. Safe to repeat.
    open, "/api/v1/admin/sales/{sale}/open", Command::Open
);
steer!(
    /// Pause admissions
    ///
    /// Everyone keeps the place; open holds may still confirm. Safe to repeat.
    pause, "/api/v1/admin/sales/{sale}/pause", Command::Pause
);
steer!(
    /// Resume admissions
    resume, "/api/v1/admin/sales/{sale}/resume", Command::Resume
);
steer!(
    /// Take a close back
    ///
    /// Within the `undo_seconds` of a close: the sale goes on as before, and everyone in line keeps the place.
    /// From then on a close is final: 409 `sale-closed`. Safe to repeat.
    reopen, "/api/v1/admin/sales/{sale}/reopen", Command::Reopen
);
steer!(
    /// Archive a sale
    ///
    /// One that is closed, or was never opened. Lists leave it out, its slug is free, and everything of it stays
    /// readable by its `id`. 409 `not-closed` while it runs or somebody may still buy. Safe to repeat.
    archive, "/api/v1/admin/sales/{sale}/archive", Command::Archive
);

/// Longest time in which a close can be taken back.
pub const UNDO_SECONDS: i32 = 60;

/// Close a sale
///
/// Stops admissions and joins; open holds may still confirm. At once and for good, unless `undo_seconds` says for
/// how long it can be taken back with `…/reopen`: until then everyone in line waits on as in a pause, and is told
/// `closed` only afterwards. A close without it during that time is for good at once.
#[utoipa::path(post, path = "/api/v1/admin/sales/{sale}/close", tag = "operator",
    security(("api_key" = [])), request_body = Option<Close>,
    params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn close(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    fields.not_null(&["undo_seconds"]);
    let undo_seconds = fields.number("undo_seconds").unwrap_or(0);
    if !(0..=UNDO_SECONDS).contains(&undo_seconds) {
        let rule = format!("must be from 0 to {UNDO_SECONDS}");
        fields.add(vec![Fault::new("undo_seconds", rule)]);
    }
    fields.finish()?;
    let id = app.gate.sale(&sale).await?.id;
    let command = match undo_seconds {
        0 => Command::Close,
        _ => Command::CloseSoon { undo_seconds },
    };
    apply(&app, &operator, id, command, (&headers, &body), render_sale).await
}

/// Tell everyone in line something
///
/// `{"text": "…"}`, up to 500 characters; `{"text": null}` takes it down.
#[utoipa::path(post, path = "/api/v1/admin/sales/{sale}/notices", tag = "operator",
    security(("api_key" = [])), request_body = Notice,
    params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn notice(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let is_named = fields.has("text");
    fields.demand("text", is_named.then_some(()));
    let text = fields.text("text");
    fields.add(notice_faults(text.as_deref()));
    fields.finish()?;
    let id = app.gate.sale(&sale).await?.id;
    apply(
        &app,
        &operator,
        id,
        Command::Notice { text, instead_of: None },
        (&headers, &body),
        render_sale,
    )
    .await
}

/// Remove a shopper from the line
///
/// A ticket that holds a unit stays: 409 `already-admitted`.
#[utoipa::path(delete, path = "/api/v1/admin/sales/{sale}/tickets/{ticket}", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), ("ticket" = String, Path)),
    responses((status = 204, description = "Out of line; repeated, the same"),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape)))]
pub async fn remove(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path((sale, ticket)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let ticket: Ticket = ticket.parse().map_err(|_| Problem::not_found("ticket"))?;
    leave::remove(&app.gate, &operator.actor, sale.id, ticket).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Counts, now
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/stats", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = StatsShape), (status = 404, body = ProblemShape)))]
pub async fn stats(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let stats = count(&app.gate, app.gate.sale(&sale).await?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(StatsShape::from(stats))).into_response())
}

/// Compare Redis with Postgres, and counts with rows, now
///
/// With what the auditor has mended since the sale was made.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/reconciliation", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = ReconciliationShape), (status = 404, body = ProblemShape)))]
pub async fn reconciliation(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Json<ReconciliationShape>, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let lines = audit::reconcile(&app.gate, &sale).await?;
    let repairs = audit::repairs(&app.gate, sale.id).await?;
    Ok(Json(ReconciliationShape::new(&lines, &repairs)))
}

/// How this gateway and its stores are set up
///
/// What the self-check found, each with what to do, and what a confirmed purchase survives. Looked at when the
/// gateway starts, each minute, and when a store is back.
#[utoipa::path(get, path = "/api/v1/admin/health", tag = "operator", security(("api_key" = [])),
    responses((status = 200, body = HealthShape), (status = 401, body = ProblemShape)))]
pub async fn health(State(app): State<App>, _: Operator<Look>) -> Response {
    let standing = app.gate.selfcheck.standing();
    ([(header::CACHE_CONTROL, "no-store")], Json(HealthShape::from(&*standing))).into_response()
}
