//! The shopper's pages: the waiting room, the built-in checkout and the receipt. Complete without
//! JavaScript; the script keeps them live.

pub(crate) mod addresses;
pub(crate) mod ticket_view;
pub mod told;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};

use crate::engine::checkout::idempotency;
use crate::engine::checkout::settle::{By, Settle, settle};
use crate::engine::line::ticket_state::{Stage, TicketState};
use crate::engine::line::{leave, line_mirror, ticket_state};
use crate::engine::reports::listings;
use crate::engine::{FlowError, Refusal};
use crate::model::{Claim, Hold, Sale};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller;
use crate::web::api::caller::Shopper;
use crate::web::api::problem::{Code, Problem};
use crate::web::api::request_reader::Raw;
use crate::web::api::responses::{FactsShape, TicketShape, is_builtin};
use crate::web::i18n::{Asked, Words};
use crate::web::pages::views::{CheckoutPage, Look, MoveLink, ReceiptPage, RoomPage, Ticket};
use crate::web::pages::{Posted, page, see_other, shopper_problem, with_cookie, with_cookies};
use crate::web::server::limits::Source;
use crate::web::shopper::{enter, reference_faults, render};

/// A sale, and the ticket that this browser has in it.
pub(crate) struct Visit {
    sale: Sale,
    facts: FactsShape,
    pub ticket: Option<(Claim, TicketState)>,
    /// The place that this browser had, and that is on another device by now.
    moved: Option<Claim>,
}

impl Visit {
    /// The cookie of a ticket that is over, with its end.
    fn finished(&self, app: &App, headers: &HeaderMap) -> Option<String> {
        let (claim, is_bought) = match (&self.ticket, self.moved) {
            (Some((claim, state)), _) if state.stage.is_final() => {
                (*claim, matches!(state.stage, Stage::Confirmed { .. }))
            }
            (None, Some(claim)) => (claim, false),
            (Some(_), _) | (None, None) => return None,
        };
        caller::finished_cookie(app, headers, claim, is_bought)
    }
}

pub(crate) async fn visit(app: &App, sale: &str, headers: &HeaderMap) -> Result<Visit, Problem> {
    let facts = listings::facts(&app.gate, sale).await?;
    let shape = FactsShape::new(app, &facts);
    let shopper = Shopper::new(app, headers);
    let claim = shopper.of_sale(facts.sale.id);
    let mut moved = shopper.moved_of(facts.sale.id);
    let ticket = match claim {
        None => None,
        Some(claim) => {
            let view = match app.gate.line_of(claim.sale) {
                Some(line) => line.view(),
                None => line_mirror::past_view(&app.gate, claim.sale).await?,
            };
            match ticket_state::of(&app.gate, &view, claim).await {
                Ok(state) => Some((claim, state)),
                Err(FlowError::Refused(Refusal::Moved)) => {
                    moved = Some(claim);
                    None
                }
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(Visit { sale: facts.sale, facts: shape, ticket, moved })
}

/// The words of a page of this sale, and its look.
pub(crate) fn dress(asked: &Asked, sale: &Sale) -> (Words, Look) {
    let brand = &sale.settings.brand;
    let words = asked.words(brand.language.as_deref());
    let look = Look::new(brand, words.tag());
    (words, look)
}

/// Turns a problem into its page, with the way back to the room.
pub(crate) fn failed(app: &App, headers: &HeaderMap, sale: &str, problem: &Problem) -> Response {
    shopper_problem(app, headers, problem, Some(&format!("/s/{sale}")))
}

/// `GET /s/{sale}`
pub async fn room(
    State(app): State<App>,
    Path(sale): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    match visit(&app, &sale, &headers).await {
        Ok(visit) => show(&app, &asked, &headers, visit, None),
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// The room as this browser sees it, with the link to another device if one was just made.
pub(crate) fn show(
    app: &App,
    asked: &Asked,
    headers: &HeaderMap,
    visit: Visit,
    link: Option<MoveLink>,
) -> Response {
    let slug = visit.facts.slug.clone();
    let (w, look) = dress(asked, &visit.sale);
    let finished = visit.finished(app, headers);
    let ticket = match (visit.ticket, visit.moved) {
        (Some((_, state)), _) => Some(json!(TicketShape::new(app, &state))),
        (None, Some(claim)) => Some(moved_state(app, claim)),
        (None, None) => None,
    };
    let ticket = ticket.map(|shape| Ticket::try_from(&shape)).transpose();
    let facts = serde_json::from_value(json!(visit.facts));
    let (Ok(ticket), Ok(sale)) = (ticket, facts) else {
        let problem = Problem::new(Code::Internal, "the page could not be made");
        return failed(app, headers, &slug, &problem);
    };
    let body = RoomPage {
        nonce: random_text(),
        w,
        look,
        sale,
        ticket,
        form_key: random_text(),
        link,
        is_preview: false,
    };
    let page = asked.sign(&body.w, page(app, headers, StatusCode::OK, &body.nonce, &body));
    let page = with_cookies(page, finished.as_slice());
    if app.demand_cookies(headers).is_ok() { page } else { with_cookie(page, &app.keeps_cookie()) }
}

/// What the page shows on a device that the place has left. No call of the API answers so: there it is the
/// refusal `moved`.
fn moved_state(app: &App, claim: Claim) -> Value {
    json!({ "ticket": claim.ticket.0, "sale": claim.sale.0, "state": "moved", "version": 0,
            "server_time": app.gate.clock.now(), "notice": null,
            "rejoin": app.takes_joins(claim.sale) })
}

/// `POST /s/{sale}/join`
pub async fn join(
    State(app): State<App>,
    Path(sale): Path<String>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    if let Err(problem) = app.demand_cookies(&headers) {
        return failed(&app, &headers, &sale, &problem);
    }
    let shopper = Shopper::new(&app, &headers);
    let body = Raw(Vec::new());
    match enter(&app, &sale, &shopper, posted.key(), &body, &source).await {
        Ok(entered) => {
            let back = see_other(&format!("/s/{sale}"));
            let cookies =
                caller::ticket_cookies(&app, &headers, entered.sale, &entered.credential).await;
            with_cookies(back, &cookies)
        }
        // The room itself says so, and in better words.
        Err(Problem { code: Code::SoldOut | Code::SaleClosed, .. }) => {
            see_other(&format!("/s/{sale}"))
        }
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// `POST /s/{sale}/leave`
pub async fn depart(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
    _: Posted,
) -> Response {
    let left = async {
        let visit = visit(&app, &sale, &headers).await?;
        match visit.ticket {
            Some((claim, _)) => match leave::leave(&app.gate, claim).await {
                Ok(()) | Err(FlowError::Refused(Refusal::AlreadyAdmitted)) => Ok(()),
                Err(error) => Err(error.into()),
            },
            None => Ok(()),
        }
    };
    match left.await {
        Ok(()) => see_other(&format!("/s/{sale}")),
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// The open hold of this browser's ticket in a sale with its own checkout, or where to go instead.
async fn open_hold(
    app: &App,
    sale: &str,
    headers: &HeaderMap,
) -> Result<(Sale, Claim, Hold), Response> {
    let visit = match visit(app, sale, headers).await {
        Ok(visit) => visit,
        Err(problem) => return Err(failed(app, headers, sale, &problem)),
    };
    match visit.ticket {
        Some((claim, TicketState { stage: Stage::Admitted { hold, checkout_url }, .. })) => {
            if is_builtin(&visit.sale) {
                return Ok((visit.sale, claim, hold));
            }
            let link = app.checkout_link(claim.sale, hold.id, checkout_url.as_deref());
            Err(see_other(&link.unwrap_or_else(|| format!("/s/{sale}"))))
        }
        Some((_, TicketState { stage: Stage::Confirmed { .. }, .. })) => {
            Err(see_other(&format!("/s/{sale}/receipt")))
        }
        Some(_) | None => Err(see_other(&format!("/s/{sale}"))),
    }
}

/// `GET /s/{sale}/checkout`
pub async fn checkout(
    State(app): State<App>,
    Path(sale): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    match open_hold(&app, &sale, &headers).await {
        Ok((sale, _, hold)) => {
            let body = checkout_page(&app, &asked, &sale, &hold, random_text());
            asked.sign(&body.w, page(&app, &headers, StatusCode::OK, &body.nonce, &body))
        }
        Err(elsewhere) => elsewhere,
    }
}

fn checkout_page(
    app: &App,
    asked: &Asked,
    sale: &Sale,
    hold: &Hold,
    idempotency_key: String,
) -> CheckoutPage {
    let left = hold.expires_at.duration_since(app.gate.clock.now()).as_secs().max(0);
    let (w, look) = dress(asked, sale);
    CheckoutPage {
        nonce: random_text(),
        w,
        look,
        sale_name: sale.settings.name.clone(),
        slug: sale.settings.slug.clone(),
        hold: hold.id.to_string(),
        unit: u64::from(hold.unit.unsigned_abs()),
        seconds_left: left.unsigned_abs(),
        expires_at: hold.expires_at,
        idempotency_key,
        payment_reference: String::new(),
        payment_reference_error: None,
        problem: None,
    }
}

/// `POST /s/{sale}/checkout/confirm`
pub async fn confirm(
    State(app): State<App>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let (sale, claim, hold) = match open_hold(&app, &slug, &headers).await {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere,
    };
    let reference = posted.get("payment_reference");
    let said = (!reference.is_empty()).then(|| reference.to_owned());
    let text_key = posted.key().unwrap_or_else(random_text);
    let asked = Asked::new(&headers, None);
    let mut body = checkout_page(&app, &asked, &sale, &hold, text_key.clone());
    body.payment_reference = reference.to_owned();
    let shown = |status, body: &CheckoutPage| {
        asked.sign(&body.w, page(&app, &headers, status, &body.nonce, body))
    };
    if !reference_faults(said.as_deref()).is_empty() {
        body.payment_reference_error = Some(body.w.t("reference-bad"));
        return shown(StatusCode::UNPROCESSABLE_ENTITY, &body);
    }
    let print = Raw(json!({ "payment_reference": said }).to_string().into_bytes()).fingerprint();
    let key = idempotency::key("shopper", &format!("page-confirm {}", hold.id), text_key, print);
    let how = Settle::Confirm { payment_reference: said };
    match settle(&app.gate, By::Shopper(vec![claim]), hold.id, how, Some(key), render).await {
        Ok(reply) if reply.status == 200 => see_other(&format!("/s/{slug}/receipt")),
        Ok(_) => see_other(&format!("/s/{slug}")),
        Err(FlowError::Unknown(_)) => {
            body.problem = Some(body.w.t("unknown-outcome"));
            shown(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
        Err(error) => failed(&app, &headers, &slug, &error.into()),
    }
}

/// `POST /s/{sale}/checkout/release`
pub async fn release(
    State(app): State<App>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    _: Posted,
) -> Response {
    let (_, claim, hold) = match open_hold(&app, &slug, &headers).await {
        Ok(found) => found,
        Err(elsewhere) => return elsewhere,
    };
    let by = By::Shopper(vec![claim]);
    match settle(&app.gate, by, hold.id, Settle::Release, None, render).await {
        Ok(_) => see_other(&format!("/s/{slug}")),
        Err(error) => failed(&app, &headers, &slug, &error.into()),
    }
}

/// `GET /s/{sale}/receipt`
pub async fn receipt(
    State(app): State<App>,
    Path(sale): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let visit = match visit(&app, &sale, &headers).await {
        Ok(visit) => visit,
        Err(problem) => return failed(&app, &headers, &sale, &problem),
    };
    let Some((_, TicketState { stage: Stage::Confirmed { hold }, .. })) = visit.ticket else {
        return see_other(&format!("/s/{sale}"));
    };
    let Some(order) = hold.order else { return see_other(&format!("/s/{sale}")) };
    let (w, look) = dress(&asked, &visit.sale);
    let body = ReceiptPage {
        nonce: random_text(),
        w,
        look,
        sale_name: visit.sale.settings.name.clone(),
        slug: visit.sale.settings.slug.clone(),
        order: order.id.to_string(),
        unit: u64::from(order.unit.unsigned_abs()),
        confirmed_at: order.confirmed_at,
        payment_reference: order.payment_reference,
    };
    asked.sign(&body.w, page(&app, &headers, StatusCode::OK, &body.nonce, &body))
}
