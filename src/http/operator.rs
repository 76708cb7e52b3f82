//! The operator's calls: make a sale, seed it, steer it, and read what happened.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;
use uuid::Uuid;

use super::App;
use super::bodies::{ChangedSale, NewSale, Notice, Seed};
use super::body::{Fields, Raw, idempotency_key};
use super::caller::Operator;
use super::problem::{Code, Problem, ProblemShape};
use super::shapes::{
    AuditShape, HoldShape, OrderShape, Page, ReconciliationShape, SaleShape, SeededShape,
    StatsShape,
};
use crate::flow::lists::{self, Cursor};
use crate::flow::operate::{Command, MOST_UNITS, Render, operate};
use crate::flow::{Refusal, Reply, audit, keyed, leave};
use crate::sale::{Checkout, Fault, HoldState, Order, Sale, SaleId, Settings, Ticket};

/// Longest notice, in characters.
const LONGEST_NOTICE: usize = 500;
/// Attempts to change settings that somebody else is changing, too.
const CHANGE_ATTEMPTS: u32 = 5;
/// Items on a page unless asked otherwise, and at the most.
const PAGE_DEFAULT: i64 = 100;
const PAGE_MOST: i64 = 1_000;

/// Reads settings over `base`: those of a new sale, or of one that is changed.
fn settings(fields: &mut Fields, base: Settings) -> Settings {
    let nullable_time = |fields: &mut Fields, name: &str, old| {
        if fields.has(name) { fields.time(name) } else { old }
    };
    let starts_at = nullable_time(fields, "starts_at", base.starts_at);
    let ends_at = nullable_time(fields, "ends_at", base.ends_at);
    let max_in_checkout = if fields.has("max_in_checkout") {
        fields.number("max_in_checkout")
    } else {
        base.max_in_checkout
    };
    let checkout_url =
        if fields.has("checkout_url") { fields.text("checkout_url") } else { base.checkout_url };
    let checkout = match fields.text("checkout") {
        None => base.checkout,
        Some(word) => Checkout::parse(&word).unwrap_or_else(|| {
            fields.add(vec![Fault::new("checkout", "must be shop or builtin")]);
            base.checkout
        }),
    };
    fields.only("order", &json!("fifo"), &["draw"]);
    fields.only("identity", &json!("open"), &["verified"]);
    fields.only("per_shopper", &json!(1), &[]);
    Settings {
        slug: fields.text("slug").unwrap_or(base.slug),
        name: fields.text("name").unwrap_or(base.name),
        starts_at,
        ends_at,
        batch_size: fields.number("batch_size").unwrap_or(base.batch_size),
        admit_interval_ms: fields.number("admit_interval_ms").unwrap_or(base.admit_interval_ms),
        max_in_checkout,
        checkout_window_seconds: fields
            .number("checkout_window_seconds")
            .unwrap_or(base.checkout_window_seconds),
        expiry_grace_seconds: fields
            .number("expiry_grace_seconds")
            .unwrap_or(base.expiry_grace_seconds),
        checkout,
        checkout_url,
        hide_stock: fields.flag("hide_stock").unwrap_or(base.hide_stock),
        max_waiting: fields.number("max_waiting").unwrap_or(base.max_waiting),
    }
}

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
    operator: &Operator,
    sale: SaleId,
    command: Command,
    request: (&HeaderMap, &Raw),
    render: Render,
) -> Result<Reply, Problem> {
    let (headers, body) = request;
    let route = match &command {
        // A new sale has a new id each time; the key belongs to the making.
        Command::Create(_) => "create".to_owned(),
        Command::Change { .. }
        | Command::Seed { .. }
        | Command::Open
        | Command::Pause
        | Command::Resume
        | Command::Close
        | Command::Notice { .. } => format!("{} {sale}", command.action()),
    };
    let key = idempotency_key(headers)?
        .map(|key| keyed::key(operator.actor, &route, key, body.fingerprint()));
    Ok(operate(&app.gate, operator.actor, sale, command, key, render).await?)
}

/// Create a sale
///
/// `slug` and `name` are needed; everything else has a default.
#[utoipa::path(post, path = "/api/v1/admin/sales", tag = "operator", security(("api_key" = [])),
    request_body = NewSale, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = SaleShape), (status = 400, body = ProblemShape),
              (status = 401, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn create(
    State(app): State<App>,
    operator: Operator,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let to = new_settings(&mut fields);
    fields.finish()?;
    let command = Command::Create(to);
    apply(&app, &operator, SaleId::new(), command, (&headers, &body), render_created).await
}

/// The settings of a new sale; what is wrong with them is in `fields`.
pub fn new_settings(fields: &mut Fields) -> Settings {
    let (has_slug, has_name) = (fields.has("slug"), fields.has("name"));
    fields.demand("slug", has_slug.then_some(()));
    fields.demand("name", has_name.then_some(()));
    let to = settings(fields, Settings::default());
    fields.add(to.faults());
    to
}

/// A sale
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}", tag = "operator", security(("api_key" = [])),
    params(("sale" = String, Path)),
    responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape)))]
pub async fn show(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
) -> Result<Json<SaleShape>, Problem> {
    Ok(Json(SaleShape::from(&app.gate.sale(&sale).await?)))
}

/// Change a sale
///
/// Takes the settings of creation; what is not named stays. A change to a running sale acts on the next
/// batch.
#[utoipa::path(patch, path = "/api/v1/admin/sales/{sale}", tag = "operator", security(("api_key" = [])),
    params(("sale" = String, Path)), request_body = ChangedSale,
    responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn change(
    State(app): State<App>,
    operator: Operator,
    Path(sale): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    for attempt in 1.. {
        let sale = app.gate.sale(&sale).await?;
        let mut fields = body.fields()?;
        let command = change_command(&mut fields, &sale);
        fields.finish()?;
        match apply(&app, &operator, sale.id, command, (&headers, &body), render_sale).await {
            // Two operators changed different things at once: put this change on top of the other.
            Err(Problem { code: Code::Stale, .. }) if attempt < CHANGE_ATTEMPTS => continue,
            done => return done,
        }
    }
    Err(Problem::new(Code::Stale, "somebody else keeps changing this sale"))
}

/// The change that `fields` ask for; what is wrong with it is in `fields`.
pub fn change_command(fields: &mut Fields, sale: &Sale) -> Command {
    let said = fields.said();
    let to = settings(fields, sale.settings.clone());
    fields.add(to.faults());
    Command::Change { from: sale.settings.clone(), to, said }
}

/// How many units to add; what is wrong with it is in `fields`.
pub fn seed_count(fields: &mut Fields) -> i32 {
    let count = fields.number("count");
    let count = fields.demand("count", count).unwrap_or(1);
    if !(1..=MOST_UNITS).contains(&count) {
        fields.add(vec![Fault::new("count", format!("must be from 1 to {MOST_UNITS}"))]);
    }
    count
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
    operator: Operator,
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

macro_rules! steer {
    ($(#[$doc:meta])* $name:ident, $path:literal, $command:expr) => {
        $(#[$doc])*
        #[utoipa::path(post, path = $path, tag = "operator", security(("api_key" = [])),
            params(("sale" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
            responses((status = 200, body = SaleShape), (status = 404, body = ProblemShape),
                      (status = 409, body = ProblemShape)))]
        pub async fn $name(
            State(app): State<App>,
            operator: Operator,
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
    /// Close a sale for good
    ///
    /// Stops admissions and joins; open holds may still confirm.
    close, "/api/v1/admin/sales/{sale}/close", Command::Close
);

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
    operator: Operator,
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
    apply(&app, &operator, id, Command::Notice { text }, (&headers, &body), render_sale).await
}

/// What is wrong with a notice.
pub fn notice_faults(text: Option<&str>) -> Vec<Fault> {
    let is_good = text.is_none_or(|text| {
        (1..=LONGEST_NOTICE).contains(&text.chars().count()) && !text.trim().is_empty()
    });
    let rule = "must have 1 to 500 characters, or be null to take it down";
    if is_good { Vec::new() } else { vec![Fault::new("text", rule)] }
}

/// Remove a shopper from the line
#[utoipa::path(delete, path = "/api/v1/admin/sales/{sale}/tickets/{ticket}", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), ("ticket" = String, Path)),
    responses((status = 204, description = "Out of line; repeated, the same"),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape)))]
pub async fn remove(
    State(app): State<App>,
    operator: Operator,
    Path((sale, ticket)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let ticket: Ticket = ticket.parse().map_err(|_| Problem::not_found("ticket"))?;
    leave::remove(&app.gate, operator.actor, sale.id, ticket).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Counts, now
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/stats", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = StatsShape), (status = 404, body = ProblemShape)))]
pub async fn stats(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let stats = lists::stats(&app.gate, app.gate.sale(&sale).await?).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(StatsShape::from(stats))).into_response())
}

/// Compare Redis with Postgres, and counts with rows, now
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/reconciliation", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = ReconciliationShape), (status = 404, body = ProblemShape)))]
pub async fn reconciliation(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
) -> Result<Json<ReconciliationShape>, Problem> {
    let lines = audit::reconcile(&app.gate, &app.gate.sale(&sale).await?).await?;
    Ok(Json(lines.into()))
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1…1000, 100 unless given
    limit: Option<String>,
    /// `next_cursor` of the page before
    cursor: Option<String>,
    /// Only holds in this state
    state: Option<String>,
}

impl PageQuery {
    fn read(&self) -> Result<(i64, Option<Cursor>), Problem> {
        let mut faults = Vec::new();
        let limit = match self.limit.as_deref().map(str::parse::<i64>) {
            None => PAGE_DEFAULT,
            Some(Ok(limit)) if (1..=PAGE_MOST).contains(&limit) => limit,
            Some(_) => {
                faults.push(Fault::new("limit", format!("must be from 1 to {PAGE_MOST}")));
                PAGE_DEFAULT
            }
        };
        match Self::after(self.cursor.as_deref()) {
            Ok(after) if faults.is_empty() => Ok((limit, after)),
            Ok(_) => Err(Problem::invalid(faults)),
            Err(problem) => {
                faults.extend(problem.faults);
                Err(Problem::invalid(faults))
            }
        }
    }

    /// Where a page begins.
    ///
    /// # Errors
    /// Invalid when the cursor is not one that a page gave.
    pub fn after(cursor: Option<&str>) -> Result<Option<Cursor>, Problem> {
        let fault = || Fault::new("cursor", "must be the next_cursor of a page");
        match cursor.map(decode) {
            None => Ok(None),
            Some(Some(cursor)) => Ok(Some(cursor)),
            Some(None) => Err(Problem::invalid(vec![fault()])),
        }
    }
}

/// Where the next page of sales begins.
pub fn sale_cursor(sale: &Sale) -> String {
    encode(sale.created_at, 0, sale.id.0)
}

fn encode(at: Timestamp, number: i64, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {number} {}", at.as_microsecond(), id.simple()))
}

fn decode(cursor: &str) -> Option<Cursor> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split(' ');
    Some(Cursor {
        at: Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?,
        number: parts.next()?.parse().ok()?,
        id: Uuid::parse_str(parts.next()?).ok()?,
    })
}

/// Shapes one page; the last item says where the next one begins.
fn page<T, S>(
    items: &[T],
    limit: i64,
    shape: impl Fn(&T) -> S,
    cursor: impl Fn(&T) -> String,
) -> Json<Page<S>> {
    let is_full = items.len() as i64 == limit;
    Json(Page {
        next_cursor: items.last().filter(|_| is_full).map(cursor),
        items: items.iter().map(shape).collect(),
    })
}

/// All sales, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales", tag = "operator", security(("api_key" = [])),
    params(PageQuery), responses((status = 200, body = Page<SaleShape>), (status = 422, body = ProblemShape)))]
pub async fn list(
    State(app): State<App>,
    _: Operator,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<SaleShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sales = lists::sales(&app.gate, after, limit).await?;
    Ok(page(&sales, limit, |sale| SaleShape::from(sale), sale_cursor))
}

/// Holds, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/holds", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery),
    responses((status = 200, body = Page<HoldShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn holds(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<HoldShape>>, Problem> {
    let (limit, after) = query.read()?;
    let state = match query.state.as_deref().map(HoldState::parse) {
        Some(None) => {
            let rule = "must be active, confirmed, released or expired";
            return Err(Problem::invalid(vec![Fault::new("state", rule)]));
        }
        other => other.flatten(),
    };
    let sale = app.gate.sale(&sale).await?;
    let holds = lists::holds(&app.gate, sale.id, state, after, limit).await?;
    let now = app.gate.clock.now();
    let cursor = |hold: &crate::sale::Hold| encode(hold.admitted_at, hold.seq.0, hold.id.0);
    Ok(page(&holds, limit, |hold| HoldShape::new(hold, now), cursor))
}

/// Orders, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/orders", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery),
    responses((status = 200, body = Page<OrderShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn orders(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OrderShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sale = app.gate.sale(&sale).await?;
    let orders = lists::orders(&app.gate, sale.id, after, limit).await?;
    let cursor = |order: &Order| encode(order.confirmed_at, 0, order.id.0);
    Ok(page(&orders, limit, OrderShape::with_ticket, cursor))
}

/// Who changed what, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/audit", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery),
    responses((status = 200, body = Page<AuditShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn audit_trail(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AuditShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sale = app.gate.sale(&sale).await?;
    let items = lists::audit(&app.gate, sale.id, after, limit).await?;
    let cursor = |item: &lists::AuditItem| encode(item.at, item.id, Uuid::nil());
    Ok(page(&items, limit, |item| AuditShape::new(&sale, item), cursor))
}

/// All orders as CSV
///
/// Streamed, newest first: `order,hold,sale,unit,ticket,payment_reference,confirmed_at`. A payment
/// reference that a spreadsheet would take for a formula begins with a quote.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/orders.csv", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = ProblemShape)))]
pub async fn orders_csv(
    State(app): State<App>,
    _: Operator,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let head = ["order", "hold", "sale", "unit", "ticket", "payment_reference", "confirmed_at"];
    let head = stream::once(async move { csv_lines([head.map(str::to_owned)]) });
    let rows = lists::all_orders(app.gate.clone(), sale.id).map(|page| match page {
        Ok(orders) => csv_lines(orders.iter().map(csv_row)),
        // The status went out long ago: breaking the stream off is how the reader learns of it.
        Err(error) => Err(std::io::Error::other(error.to_string())),
    });
    let name = format!("attachment; filename=\"orders-{}.csv\"", sale.settings.slug);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, Body::from_stream(head.chain(rows))).into_response())
}

fn csv_row(order: &Order) -> [String; 7] {
    [
        order.id.to_string(),
        order.hold.to_string(),
        order.sale.to_string(),
        order.unit.to_string(),
        order.ticket.to_string(),
        no_formula(order.payment_reference.as_deref().unwrap_or_default()),
        order.confirmed_at.to_string(),
    ]
}

/// Keeps a spreadsheet from running what a shopper typed.
fn no_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn csv_lines(rows: impl IntoIterator<Item = [String; 7]>) -> std::io::Result<Bytes> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row)?;
    }
    let bytes = writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.into())
}

/// The value of a form's fields as JSON, so that a form and the API are read by the same rules.
pub fn form_fields(pairs: &[(String, String)]) -> Value {
    let field = |(name, text): &(String, String)| {
        let value = match (name.as_str(), text.as_str()) {
            (_, "") => Value::Null,
            ("hide_stock", text) => json!(text == "true"),
            (name, text) if NUMBERS.contains(&name) => {
                text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
            }
            ("starts_at" | "ends_at", text) if !text.ends_with('Z') => json!(format!("{text}:00Z")),
            (_, text) => json!(text),
        };
        (name.clone(), value)
    };
    Value::Object(pairs.iter().map(field).collect())
}

/// Fields of forms that are whole numbers.
const NUMBERS: &[&str] = &[
    "count",
    "batch_size",
    "admit_interval_ms",
    "max_in_checkout",
    "checkout_window_seconds",
    "expiry_grace_seconds",
    "max_waiting",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_round_trip_and_nonsense_is_no_cursor() {
        let at: Timestamp = "2026-11-27T12:00:03.123456Z".parse().unwrap();
        let id = Uuid::now_v7();
        assert_eq!(decode(&encode(at, 7, id)), Some(Cursor { at, number: 7, id }));
        for bad in ["", "x", "AAAA", "bm90IGEgY3Vyc29y"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_spreadsheet_finds_no_formula_in_a_payment_reference() {
        assert_eq!(no_formula("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(no_formula("pay-1"), "pay-1");
    }

    #[test]
    fn what_is_not_available_yet_is_refused_by_name() {
        let body = json!({ "slug": "a", "name": "A", "order": "draw", "identity": "verified",
                           "per_shopper": 2, "warehouses": [] });
        let mut fields = Raw(body.to_string().into_bytes()).fields().unwrap();
        new_settings(&mut fields);
        let problem = fields.finish().unwrap_err();
        let said: Vec<_> =
            problem.faults.iter().map(|f| (f.field.as_str(), f.detail.as_str())).collect();
        assert_eq!(said.len(), 4);
        assert!(
            said[..3].iter().all(|(_, detail)| detail.contains("not available yet")),
            "{said:?}"
        );
        assert_eq!(said[3].0, "warehouses");
    }
}
