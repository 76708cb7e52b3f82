//! Whether a sale can be opened as it is set up: the rules of `sale/readiness.rs`, held against a sale as it is stored.

use jiff::Timestamp;

use crate::engine::{FlowError, Gate};
use crate::ledger::SaleSnapshot;
use crate::model::SaleId;
use crate::model::settings::readiness::{Item, SetUp, items};

/// The items of a sale, from Postgres.
///
/// # Errors
/// Unavailable when Postgres is away; refused when there is no such sale.
pub async fn readiness(
    gate: &Gate,
    sale: SaleId,
    public_url: Option<&str>,
) -> Result<Vec<Item>, FlowError> {
    let snapshot = gate.snapshot(sale).await?;
    Ok(of(&snapshot, public_url, gate.clock.now()))
}

/// The same from a snapshot that was read before.
pub fn of(snapshot: &SaleSnapshot, public_url: Option<&str>, now: Timestamp) -> Vec<Item> {
    let (sale, stock) = (&snapshot.sale, snapshot.stock);
    items(&SetUp { settings: &sale.settings, state: sale.state, stock, public_url, now })
}
