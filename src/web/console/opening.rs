//! Opening a sale from the console: one that is not ready asks first.

use crate::engine::steering::readiness;
use crate::model::settings::readiness::Item;
use crate::model::{Fault, Sale, SaleState};
use crate::web::App;
use crate::web::api::problem::Problem;
use crate::web::pages::Posted;

/// The field of the form that says yes to a sale that is not ready.
pub const OPENS_UNREADY: &str = "opens_unready";

/// Refuses to open a scheduled sale that is not ready, until the form says yes.
pub async fn demand_ready(app: &App, sale: &Sale, posted: &Posted) -> Result<(), Problem> {
    if sale.state != SaleState::Scheduled || posted.get(OPENS_UNREADY) == "true" {
        return Ok(());
    }
    let items = readiness::readiness(&app.gate, sale.id, app.public_origin.as_deref()).await?;
    let missing: Vec<Item> = items.into_iter().filter(|item| !item.ok).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let told: Vec<_> = missing.iter().map(|item| item.detail.as_str()).collect();
    Err(Problem::invalid(vec![Fault::new(OPENS_UNREADY, told.join(" "))]))
}

/// Whether a refusal is the question about a sale that is not ready.
pub fn asks(problem: &Problem) -> bool {
    problem.faults.iter().any(|fault| fault.field == OPENS_UNREADY)
}
