//! The shopper's calls: join, look, leave, and settle a hold.

pub mod moves;
pub mod streaming;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use crate::engine::checkout::idempotency;
use crate::engine::checkout::settle::{By, Settle, Settled, settle};
use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::Line;
use crate::engine::line::ticket_state::TicketState;
use crate::engine::line::{join, leave, ticket_state};
use crate::engine::reports::listings;
use crate::engine::{Refusal, Reply};
use crate::model::{Claim, Fault, HoldId, Right, SaleId, Ticket};
use crate::web::App;
use crate::web::api::caller;
use crate::web::api::caller::{Caller, Shopper};
use crate::web::api::problem::{Problem, ProblemShape, respond};
use crate::web::api::request_reader::{Raw, idempotency_key};
use crate::web::api::request_schema::Confirm;
use crate::web::api::responses;
use crate::web::api::responses::{ConfirmedShape, FactsShape, HoldShape, JoinedShape, TicketShape};
use crate::web::pages::with_cookies;
use crate::web::server::limits::Source;

/// A join's key is its only secret, so a short one is not honoured.
const SHORTEST_JOIN_KEY: usize = 16;
/// Longest payment reference, in characters.
const LONGEST_REFERENCE: usize = 200;

/// Public facts of a sale
#[utoipa::path(get, path = "/api/v1/sales/{sale}", tag = "shopper",
    params(("sale" = String, Path, description = "id or slug")),
    responses((status = 200, body = FactsShape), (status = 404, body = ProblemShape)))]
pub async fn facts(
    State(app): State<App>,
    Path(sale): Path<String>,
) -> Result<Json<FactsShape>, Problem> {
    let facts = listings::facts(&app.gate, &sale).await?;
    Ok(Json(FactsShape::new(&app, &facts)))
}

/// Join the queue
///
/// No body, or `{}`. Answers 200 with the same ticket when the caller already has a live one for this
/// sale. An `Idempotency-Key` of at least 16 unguessable characters makes a retry safe before there is a
/// credential.
#[utoipa::path(post, path = "/api/v1/sales/{sale}/tickets", tag = "shopper",
    params(("sale" = String, Path, description = "id or slug"),
           ("Idempotency-Key" = Option<String>, Header, description = "16 to 200 characters")),
    responses((status = 201, body = JoinedShape), (status = 200, body = JoinedShape),
              (status = 403, body = ProblemShape), (status = 404, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 422, body = ProblemShape), (status = 429, body = ProblemShape),
              (status = 503, body = ProblemShape)))]
pub async fn join(
    State(app): State<App>,
    Path(sale): Path<String>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, Problem> {
    app.check_origin(&Method::POST, &headers)?;
    body.fields()?.finish()?;
    let key = idempotency_key(&headers)?.filter(|key| key.len() >= SHORTEST_JOIN_KEY);
    let shopper = Shopper::new(&app, &headers);
    let entered = enter(&app, &sale, &shopper, key, &body, &source).await?;
    let cookies = caller::ticket_cookies(&app, &headers, entered.sale, &entered.credential).await;
    Ok(with_cookies(respond(entered.status, entered.body), &cookies))
}

/// The answer to a join.
pub struct Entered {
    pub sale: SaleId,
    pub credential: String,
    pub status: StatusCode,
    pub body: String,
}

impl Entered {
    fn new(app: &App, state: &TicketState, status: StatusCode) -> Self {
        let shape = JoinedShape::new(app, state);
        let body = responses::text_of(&shape);
        Self { sale: state.claim.sale, credential: shape.credential, status, body }
    }

    /// What was answered before under the same key.
    fn again(sale: SaleId, reply: &Reply) -> Self {
        let credential = reply.body["credential"].as_str().unwrap_or_default().to_owned();
        Self { sale, credential, status: reply.status(), body: reply.body.to_string() }
    }
}

/// Joins, or finds the caller's live ticket; for the API and for the page's form.
pub async fn enter(
    app: &App,
    sale: &str,
    shopper: &Shopper,
    key: Option<String>,
    body: &Raw,
    source: &Source,
) -> Result<Entered, Problem> {
    let Some(line) = line_mirror::find(&app.gate, sale).await? else {
        return Err(Refusal::SaleClosed.into());
    };
    if let Some(claim) = shopper.of_sale(line.id) {
        let state = ticket_state::afresh(&app.gate, &line.view(), claim).await?;
        if state.stage.is_live() {
            return Ok(Entered::new(app, &state, StatusCode::OK));
        }
    }
    let key = key.map(|key| idempotency::join_key(line.id, &key, body.fingerprint()));
    app.limits.count_join(source)?;
    // A key names its ticket, so that a retry finds the place even while Postgres is away.
    let ticket = match &key {
        Some(key) => app.gate.signer.ticket_for_key(line.id, &key.key),
        None => Ticket::new(),
    };
    let place = match join::join(&app.gate, &line, ticket).await {
        Ok(place) => place,
        // What was answered once is answered again, whatever became of the sale since.
        Err(refused) => match &key {
            Some(key) => match idempotency::replay(&app.gate, key).await {
                Some(reply) => return Ok(Entered::again(line.id, &reply)),
                None => return Err(refused.into()),
            },
            None => return Err(refused.into()),
        },
    };
    let claim = Claim { sale: line.id, ticket, seq: place.seq, generation: 0 };
    let state = ticket_state::of(&app.gate, &line.view(), claim).await?;
    let Some(key) = key else { return Ok(Entered::new(app, &state, StatusCode::CREATED)) };
    let reply = Reply { status: 201, body: json!(JoinedShape::new(app, &state)) };
    Ok(Entered::again(line.id, &idempotency::remember(&app.gate, key, reply).await))
}

/// A ticket's state
///
/// For clients that poll; `next_poll_seconds` says when to ask again.
#[utoipa::path(get, path = "/api/v1/sales/{sale}/tickets/{ticket}", tag = "shopper",
    params(("sale" = String, Path), ("ticket" = String, Path)), security(("credential" = [])),
    responses((status = 200, body = TicketShape), (status = 401, body = ProblemShape),
              (status = 404, body = ProblemShape), (status = 503, body = ProblemShape)))]
pub async fn ticket(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let state = ticket_state(&app, &sale, &ticket, &headers).await?;
    metrics::counter!(crate::telemetry::STATES_SENT, "kind" => "poll").increment(1);
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(TicketShape::new(&app, &state)))
        .into_response())
}

/// The state of this ticket now, for whoever proves a claim to it.
pub async fn ticket_state(
    app: &App,
    sale: &str,
    ticket: &str,
    headers: &HeaderMap,
) -> Result<TicketState, Problem> {
    let (claim, line) = claimed(app, sale, ticket, headers).await?;
    let view = match line {
        Some(line) => line.view(),
        None => line_mirror::past_view(&app.gate, claim.sale).await?,
    };
    Ok(ticket_state::of(&app.gate, &view, claim).await?)
}

/// The claim that a request proves to this ticket of this sale, and the sale's line while it runs.
pub async fn claimed(
    app: &App,
    sale: &str,
    ticket: &str,
    headers: &HeaderMap,
) -> Result<(Claim, Option<Arc<Line>>), Problem> {
    let shopper = Shopper::new(app, headers);
    if !shopper.is_known() {
        return Err(shopper.refusal("ticket"));
    }
    let line = app.gate.line(sale);
    let id = match &line {
        Some(line) => line.id,
        None => app.gate.past(sale).await?.id(),
    };
    let ticket: Ticket = ticket.parse().map_err(|_| Problem::not_found("ticket"))?;
    Ok((shopper.demand(id, ticket)?, line))
}

/// Leave the queue
///
/// A ticket that holds a unit cannot leave: 409 `already-admitted`. Release its hold instead.
#[utoipa::path(delete, path = "/api/v1/sales/{sale}/tickets/{ticket}", tag = "shopper",
    params(("sale" = String, Path), ("ticket" = String, Path)), security(("credential" = [])),
    responses((status = 204, description = "Out of line; repeated, the same"),
              (status = 401, body = ProblemShape), (status = 403, body = ProblemShape), (status = 404, body = ProblemShape),
              (status = 409, body = ProblemShape)))]
pub async fn depart(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.check_origin(&Method::DELETE, &headers)?;
    let (claim, _) = claimed(&app, &sale, &ticket, &headers).await?;
    leave::leave(&app.gate, claim).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn hold_id(text: &str) -> Result<HoldId, Problem> {
    text.parse().map_err(|_| Problem::not_found("hold"))
}

/// A hold
#[utoipa::path(get, path = "/api/v1/holds/{hold}", tag = "shopper", params(("hold" = String, Path)),
    security(("credential" = []), ("api_key" = [])),
    responses((status = 200, body = HoldShape), (status = 401, body = ProblemShape),
              (status = 404, body = ProblemShape)))]
pub async fn hold(
    State(app): State<App>,
    Path(hold): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let by = party(&app, &headers, Right::SeeHold).await?;
    let hold = listings::hold(&app.gate, hold_id(&hold)?, &by).await?;
    let shape = HoldShape::new(&hold, app.gate.clock.now());
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(shape)).into_response())
}

/// Buy: turn a hold into an order
///
/// Body `{"payment_reference": "…"}`, optional. By the shopper where the sale's `checkout` is `builtin`; by
/// an API key always. Repeating it answers 200 with the same order. After 503 `unknown-outcome`, repeat.
///
/// Every reference is kept. Another reference for an order that has one: 200 with the order and
/// `duplicate_payment`. The reference of earlier orders, sent with an API key: 200 with
/// `reference_used_before`. A reference for a hold that has ended: 409 with `reference_kept`. The sale's
/// reconciliation lists all of these as `payments` until an operator has resolved them.
#[utoipa::path(post, path = "/api/v1/holds/{hold}/confirm", tag = "shopper",
    params(("hold" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    request_body = Option<Confirm>,
    security(("credential" = []), ("api_key" = [])),
    responses((status = 200, body = ConfirmedShape), (status = 401, body = ProblemShape),
              (status = 403, body = ProblemShape), (status = 404, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape),
              (status = 503, body = ProblemShape)))]
pub async fn confirm(
    State(app): State<App>,
    Path(hold): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let payment_reference = fields.text("payment_reference").filter(|text| !text.is_empty());
    fields.add(reference_faults(payment_reference.as_deref()));
    fields.finish()?;
    end(&app, &hold, Settle::Confirm { payment_reference }, &headers, &body).await
}

/// What is wrong with a payment reference.
pub fn reference_faults(reference: Option<&str>) -> Vec<Fault> {
    let is_good = reference
        .is_none_or(|text| text.chars().count() <= LONGEST_REFERENCE && !text.contains('\0'));
    let rule = "must have up to 200 characters, and none of them NUL";
    if is_good { Vec::new() } else { vec![Fault::new("payment_reference", rule)] }
}

/// Give a hold back
#[utoipa::path(post, path = "/api/v1/holds/{hold}/release", tag = "shopper",
    params(("hold" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    security(("credential" = []), ("api_key" = [])),
    responses((status = 200, body = HoldShape), (status = 401, body = ProblemShape), (status = 403, body = ProblemShape),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 503, body = ProblemShape)))]
pub async fn release(
    State(app): State<App>,
    Path(hold): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    body.fields()?.finish()?;
    end(&app, &hold, Settle::Release, &headers, &body).await
}

/// Who settles or reads a hold: an operator or a key with that right, or a shopper with a credential. In a
/// browser that is both, the operator comes first where the role allows it.
async fn party(app: &App, headers: &HeaderMap, right: Right) -> Result<By, Problem> {
    let shopper = Shopper::new(app, headers);
    if shopper.is_known() && caller::bearer(headers).is_some() {
        return Ok(By::Shopper(shopper.claims()));
    }
    let refused = match Caller::of(app, headers).await {
        Ok(Some(caller)) => match caller.demand(right) {
            Ok(()) => {
                return Ok(By::Shop { scope: caller.scope(), name: caller.actor });
            }
            Err(refused) => refused,
        },
        Ok(None) => shopper.refusal("hold"),
        Err(away) => away,
    };
    if shopper.is_known() { Ok(By::Shopper(shopper.claims())) } else { Err(refused) }
}

async fn end(
    app: &App,
    hold: &str,
    how: Settle,
    headers: &HeaderMap,
    body: &Raw,
) -> Result<Reply, Problem> {
    app.check_origin(&Method::POST, headers)?;
    let by = party(app, headers, Right::Settle).await?;
    let id = hold_id(hold)?;
    let key = idempotency_key(headers)?.map(|key| {
        idempotency::key(by.scope(), &format!("{} {id}", how.verb()), key, body.fingerprint())
    });
    Ok(settle(&app.gate, by, id, how, key, render).await?)
}

/// A settled hold, or the refusal, as it goes out.
pub fn render(outcome: &Result<Settled, Refusal>) -> Reply {
    match outcome {
        Ok(settled) => Reply { status: 200, body: json!(ConfirmedShape::new(settled)) },
        Err(refusal) => Problem::from(refusal.clone()).reply(),
    }
}
