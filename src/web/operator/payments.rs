//! Money that fits no order: the list of payment references that wait for a person, and the mark that a
//! person has dealt with one.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::engine::checkout::idempotency;
use crate::engine::checkout::payments;
use crate::engine::checkout::payments::Payment;
use crate::engine::{Refusal, Reply};
use crate::model::Fault;
use crate::web::App;
use crate::web::api::caller::{Look, Operator, Steer};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::request_reader::{Raw, idempotency_key};
use crate::web::api::request_schema::Resolution;
use crate::web::api::responses::{Page, PaymentShape};
use crate::web::operator::listings::{PageQuery, encode, page};

/// Longest note, in characters; `payment_references_note_length` keeps the same.
const LONGEST_NOTE: usize = 500;

/// Which payment references of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OpenQuery {
    /// `true`: only those that wait for a person
    #[param(pattern = "^(true|false)$")]
    open: Option<String>,
}

/// Payment references besides those of the orders, newest first
///
/// Second references of an order, references of several orders, and references that came for a hold that had
/// ended. With `?open=true` those that nobody has resolved.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/payments", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery, OpenQuery),
    responses((status = 200, body = Page<PaymentShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn list(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
    Query(only): Query<OpenQuery>,
) -> Result<Json<Page<PaymentShape>>, Problem> {
    let (limit, after) = query.read()?;
    let only_open = match only.open.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(Problem::invalid(vec![Fault::new("open", "must be true or false")]));
        }
    };
    let sale = app.gate.sale(&sale).await?;
    let items = payments::list(&app.gate, sale.id, only_open, after, limit).await?;
    let cursor = |item: &Payment| encode(item.first_seen_at, item.id, Uuid::nil());
    Ok(page(&items, limit, |item| PaymentShape::from(item), cursor))
}

/// Say that a payment reference was dealt with
///
/// `{"note": "refunded"}`: what was done, up to 500 characters. The entry leaves the reconciliation and stays
/// in the list. Repeated, the same: the first note stays.
#[utoipa::path(post, path = "/api/v1/admin/sales/{sale}/payments/{payment}/resolve", tag = "operator",
    security(("api_key" = [])), request_body = Resolution,
    params(("sale" = String, Path), ("payment" = String, Path),
           ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = PaymentShape), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn resolve(
    State(app): State<App>,
    operator: Operator<Steer>,
    Path((sale, payment)): Path<(String, String)>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let note = fields.text("note");
    let note = fields.demand("note", note).unwrap_or_default();
    fields.add(note_faults(&note));
    fields.finish()?;
    let sale = app.gate.sale(&sale).await?;
    let id = payment_id(&payment)?;
    let route = format!("resolve-payment {} {id}", sale.id);
    let key = idempotency_key(&headers)?
        .map(|key| idempotency::key(&operator.scope(), &route, key, body.fingerprint()));
    Ok(payments::resolve(&app.gate, &operator.actor, sale.id, (id, &note), key, render).await?)
}

/// # Errors
/// Not found for what is no id of a payment.
pub fn payment_id(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| Problem::not_found("payment"))
}

/// What is wrong with a note.
pub fn note_faults(note: &str) -> Vec<Fault> {
    let is_good = (1..=LONGEST_NOTE).contains(&note.chars().count())
        && !note.trim().is_empty()
        && !note.contains('\0');
    let rule = "must say what was done, in 1 to 500 printable characters";
    if is_good { Vec::new() } else { vec![Fault::new("note", rule)] }
}

/// A resolved entry, or the refusal, as it goes out.
pub fn render(outcome: &Result<Payment, Refusal>) -> Reply {
    match outcome {
        Ok(payment) => Reply { status: 200, body: json!(PaymentShape::from(payment)) },
        Err(refusal) => Problem::from(refusal.clone()).reply(),
    }
}
