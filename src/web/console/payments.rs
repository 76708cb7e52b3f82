//! Payments that need a person, on a sale's page: the list, and the button that marks one as dealt with.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use crate::engine::checkout::payments;
use crate::model::SaleId;
use crate::web::App;
use crate::web::api::caller::Steer;
use crate::web::api::problem::Problem;
use crate::web::api::responses::PaymentShape;
use crate::web::console::{Flash, failed, operator_of, parse, refused, sale_page};
use crate::web::operator::payments::{note_faults, payment_id, render};
use crate::web::pages::views::{PaymentsPart, RefusedNote};
use crate::web::pages::{Posted, page, see_other};

/// Entries on a sale's page; the API has them all.
const SHOWN: i64 = 20;

/// What a sale's page shows of them.
pub(crate) async fn part(app: &App, sale: SaleId) -> Result<PaymentsPart, Problem> {
    let (open, rows) = payments::open(&app.gate, sale, SHOWN).await?;
    let rows = rows.iter().map(|row| parse(json!(PaymentShape::from(row))));
    Ok(PaymentsPart {
        open: open.unsigned_abs(),
        rows: rows.collect::<Result<_, _>>()?,
        refused: None,
    })
}

/// `POST /admin/sales/{sale}/payments/{payment}/resolve`
pub async fn resolve(
    State(app): State<App>,
    Path((sale, payment)): Path<(String, String)>,
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
    let note = posted.get("note");
    let done = async {
        let id = payment_id(&payment)?;
        let faults = note_faults(note);
        if !faults.is_empty() {
            return Err(Problem::invalid(faults));
        }
        let entry = (id, note);
        let reply =
            payments::resolve(&app.gate, &operator.actor, sale.id, entry, None, render).await?;
        if reply.status == 200 { Ok(()) } else { Err(refused(&reply)) }
    };
    let problem = match done.await {
        Ok(()) => {
            let path = format!("/admin/sales/{}?done=resolve-payment", sale.settings.slug);
            return see_other(&path);
        }
        Err(problem) if problem.faults.is_empty() => return failed(&app, &headers, &problem),
        Err(problem) => problem,
    };
    match sale_page(&app, &operator, &sale, None).await {
        Ok(mut body) => {
            let detail = problem.faults.iter().map(|fault| fault.detail.clone()).collect();
            body.payments.refused = Some(RefusedNote { payment, note: note.to_owned(), detail });
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(&app, &headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(&app, &headers, &problem),
    }
}
