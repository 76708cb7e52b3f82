//! One shopper in the console: found by whatever is known, told whole, and taken out of the line.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;

use crate::engine::checkout::payments::PaymentKind;
use crate::engine::line::leave;
use crate::engine::line::ticket_state::{Stage, TicketState};
use crate::engine::reports::ticket_search;
use crate::engine::reports::ticket_search::{Fate, Story};
use crate::model::{Fault, HoldState, Sale, Ticket};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller::{Caller, Look, Steer};
use crate::web::api::problem::Problem;
use crate::web::console::{Flash, Form, demand_slug, failed, mark, operator_of, sale_page};
use crate::web::pages::views::{AdminTicketPage, Me, StoryLine, count};
use crate::web::pages::{Posted, page, see_other};

#[derive(Debug, Deserialize)]
pub struct Known {
    #[serde(default)]
    q: String,
}

#[derive(Debug, Deserialize)]
pub struct Shown {
    done: Option<String>,
}

/// `GET /admin/sales/{sale}/find`: to the one ticket that fits, or a page with several.
pub async fn find(
    State(app): State<App>,
    Path(sale): Path<String>,
    Query(known): Query<Known>,
    headers: HeaderMap,
) -> Response {
    let text = known.q.trim();
    let found = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        let sale = app.gate.sale(&sale).await?;
        let tickets = ticket_search::find(&app.gate, sale.id, text).await?;
        if let [ticket] = tickets[..] {
            let path = format!("/admin/sales/{}/tickets/{ticket}", sale.reference());
            return Ok(see_other(&path));
        }
        let mut body = sale_page(&app, &me, &sale, None).await?;
        body.forms.find = Form::new("find", [("q", text)]);
        let status = if tickets.is_empty() {
            let rule = "nothing in this sale has this as its ticket, number, hold, order or payment reference";
            body.forms.find.fail("q", rule);
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        body.found = tickets.iter().map(Ticket::to_string).collect();
        Ok(page(&app, &headers, status, &body.nonce.clone(), &body))
    };
    match found.await {
        Ok(response) => response,
        Err(problem) => failed(&app, &headers, &problem),
    }
}

/// `GET /admin/sales/{sale}/tickets/{ticket}`
pub async fn show(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        let sale = app.gate.sale(&sale).await?;
        let mut body = ticket_page(&app, &me, &sale, &ticket).await?;
        if shown.done.as_deref() == Some("remove") {
            let text = "The ticket is out of the line.".into();
            body.flash = Some(Flash { text, bad: false });
        }
        Ok(body)
    };
    match found.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

/// `POST /admin/sales/{sale}/tickets/{ticket}/remove`
pub async fn remove(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let found = async {
        let operator = operator_of::<Steer>(&app, &headers).await?;
        Ok::<_, Problem>((operator, app.gate.sale(&sale).await?))
    };
    let (operator, sale) = match found.await {
        Ok(found) => found,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let removed = async {
        demand_slug(&posted, &sale)?;
        let ticket = parsed(&ticket)?;
        leave::remove(&app.gate, &operator.actor, sale.id, ticket).await?;
        Ok::<_, Problem>(ticket)
    };
    let problem = match removed.await {
        Ok(ticket) => {
            let path = format!("/admin/sales/{}/tickets/{ticket}", sale.reference());
            return see_other(&(path + "?done=remove"));
        }
        Err(problem) => problem,
    };
    match ticket_page(&app, &operator, &sale, &ticket).await {
        Ok(mut body) => {
            body.form = Form::new("remove", posted.0.clone());
            mark(&mut body.form, &problem, "slug");
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(&app, &headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(&app, &headers, &problem),
    }
}

fn parsed(ticket: &str) -> Result<Ticket, Problem> {
    ticket
        .parse()
        .map_err(|_| Problem::invalid(vec![Fault::new("ticket", "must be a ticket's id")]))
}

async fn ticket_page(
    app: &App,
    me: &Caller,
    sale: &Sale,
    ticket: &str,
) -> Result<AdminTicketPage, Problem> {
    let ticket: Ticket = ticket.parse().map_err(|_| Problem::not_found("ticket"))?;
    let (story, shown) = ticket_search::story(&app.gate, sale.id, ticket).await?;
    Ok(AdminTicketPage {
        nonce: random_text(),
        me: Me::from(me),
        flash: None,
        sale_name: sale.settings.name.clone(),
        slug: sale.settings.slug.clone(),
        ticket: ticket.to_string(),
        number: story.seq.0,
        lines: lines(&story),
        shows: shows(&shown),
        can_remove: story.fate == Fate::Waiting && !shown.stage.is_final(),
        form: Form::new("remove", [("", ""); 0]),
    })
}

/// What happened, in order.
fn lines(story: &Story) -> Vec<StoryLine> {
    let line = |at, text: String| StoryLine { at, text };
    let number = count(story.seq.0.unsigned_abs());
    let mut lines = vec![line(story.joined_at, format!("Joined, and got number {number}."))];
    if let (Some(at), Fate::Left | Fate::Removed) = (story.ended_at, story.fate) {
        let text = if story.fate == Fate::Left { "Left the line." } else { "Was removed." };
        lines.push(line(at, text.to_owned()));
    }
    let Some(hold) = &story.hold else { return lines };
    let unit = count(hold.unit.unsigned_abs().into());
    lines.push(line(hold.admitted_at, format!("Was let in; unit {unit}, hold {}.", hold.id)));
    let text = match (hold.state, &hold.order) {
        (HoldState::Confirmed, Some(order)) => {
            let reference = order.payment_reference.as_deref();
            let paid =
                reference.map_or(String::new(), |text| format!(", payment reference {text}"));
            format!("Bought it: order {}{paid}.", order.id)
        }
        (HoldState::Active | HoldState::Confirmed, _) => {
            let text = "The unit is held until then, and a moment of grace.".to_owned();
            lines.push(line(hold.expires_at, text));
            return lines;
        }
        (HoldState::Released, _) => "Gave the unit back.".to_owned(),
        (HoldState::Expired, _) => "Did not buy in time; the unit went back.".to_owned(),
    };
    lines.push(line(hold.ended_at.unwrap_or(hold.expires_at), text));
    for payment in &story.payments {
        let what = match payment.kind {
            PaymentKind::Duplicate => "came as a second payment",
            PaymentKind::Reused => "belongs to another order as well",
            PaymentKind::Ended => "came after the hold had ended",
            PaymentKind::Added => "came after the purchase",
        };
        let text = format!("Payment reference {} {what}.", payment.reference);
        lines.push(line(payment.first_seen_at, text));
        if let Some(done) = &payment.resolved {
            let text = format!("{} dealt with {}: {}", done.by, payment.reference, done.note);
            lines.push(line(done.at, text));
        }
    }
    lines
}

/// What the shopper's page says now.
fn shows(shown: &TicketState) -> Vec<String> {
    let mut said = vec![match &shown.stage {
        Stage::Scheduled { waiting, .. } => {
            format!("Waits for the start, with {} others.", count(waiting.saturating_sub(1)))
        }
        Stage::Waiting(w) => {
            format!("Waits at place {} of {}.", count(w.position), count(w.waiting))
        }
        Stage::Admitted { .. } => "\"It is your turn\", with the way to the checkout.".into(),
        Stage::Confirmed { .. } => "\"It is yours\", with the receipt.".into(),
        Stage::Expired { .. } => "That the time to buy ran out.".into(),
        Stage::Released { .. } => "That the unit was given back.".into(),
        Stage::SoldOut => "That every unit is sold.".into(),
        Stage::Closed => "That the sale has ended.".into(),
        Stage::Left => "That this ticket left the line.".into(),
        Stage::Removed => "That this ticket was taken out of the line.".into(),
    }];
    if let Stage::Waiting(w) = &shown.stage {
        if let Some(eta) = &w.eta {
            said.push(format!("An estimated wait of {} to {} seconds.", eta.low, eta.high));
        }
        if w.paused {
            said.push("That the sale is paused.".into());
        }
    }
    said.extend(shown.notice.as_ref().map(|text| format!("The notice: {text}")));
    said
}
