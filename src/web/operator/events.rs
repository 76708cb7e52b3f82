//! The event log of a sale, streamed: for spreadsheets as CSV, for programs as lines of JSON.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use crate::engine::reports::events;
use crate::engine::reports::events::Event;
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape, streamed};
use crate::web::operator::csv::{csv_lines, no_formula};

const HEAD: [&str; 11] = [
    "at",
    "event",
    "ticket",
    "number",
    "hold",
    "unit",
    "order",
    "payment_reference",
    "actor",
    "action",
    "detail",
];

fn row(event: &Event) -> [String; 11] {
    fn or_none(value: Option<impl ToString>) -> String {
        value.map_or(String::new(), |value| value.to_string())
    }
    [
        event.at.to_string(),
        event.event.clone(),
        or_none(event.ticket),
        or_none(event.number),
        or_none(event.hold),
        or_none(event.unit),
        or_none(event.order),
        no_formula(event.payment_reference.as_deref().unwrap_or_default()),
        no_formula(event.actor.as_deref().unwrap_or_default()),
        or_none(event.action.as_deref()),
        or_none(event.detail.as_ref()),
    ]
}

/// What an event does not have is left out.
fn line(event: &Event) -> String {
    let mut shape = json!({
        "at": event.at, "event": event.event, "ticket": event.ticket, "number": event.number,
        "hold": event.hold, "unit": event.unit, "order": event.order,
        "payment_reference": event.payment_reference, "actor": event.actor,
        "action": event.action, "detail": event.detail,
    });
    if let Some(fields) = shape.as_object_mut() {
        fields.retain(|_, value| *value != Value::Null);
    }
    shape.to_string() + "\n"
}

/// Streams a sale's events, each page made into bytes by `write`.
async fn stream_of(
    app: &App,
    sale: &str,
    (kind, extension): (&'static str, &str),
    head: Bytes,
    write: fn(&[Event]) -> std::io::Result<Bytes>,
) -> Result<Response, Problem> {
    let sale = app.gate.sale(sale).await?;
    let pages = events::events(app.gate.clone(), sale.id).await?;
    let pages = pages.map(move |page| match page {
        Ok(events) => write(&events),
        // The status went out long ago: breaking the stream off is how the reader learns of it.
        Err(error) => Err(std::io::Error::other(error.to_string())),
    });
    let first = stream::once(async move { Ok::<_, std::io::Error>(head) });
    let name = format!("attachment; filename=\"events-{}.{extension}\"", sale.settings.slug);
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok(streamed((headers, Body::from_stream(first.chain(pages)))))
}

/// The event log as CSV
///
/// Streamed, oldest first, up to the moment of asking:
/// `at,event,ticket,number,hold,unit,order,payment_reference,actor,action,detail`. `event` is `joined`, `left`,
/// `removed`, `admitted`, `released`, `expired`, `confirmed`, `payment` for a payment reference that is not the
/// first of an order (its kind is in `action`), or `action` for what an operator, the schedule or the auditor
/// did. What a spreadsheet would take for a formula begins with a quote.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/events.csv", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = ProblemShape)))]
pub async fn events_csv(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let head = csv_lines([HEAD.map(str::to_owned)]).unwrap_or_default();
    let kind = ("text/csv; charset=utf-8", "csv");
    stream_of(&app, &sale, kind, head, |events| csv_lines(events.iter().map(row))).await
}

/// The event log as lines of JSON
///
/// The same events, each an object on a line of its own; what an event does not have is left out.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/events.jsonl", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, content_type = "application/jsonl", body = String),
              (status = 404, body = ProblemShape)))]
pub async fn events_jsonl(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let kind = ("application/jsonl", "jsonl");
    let lines = |events: &[Event]| Ok(events.iter().map(line).collect::<String>().into());
    stream_of(&app, &sale, kind, Bytes::new(), lines).await
}
