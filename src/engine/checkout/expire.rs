//! Expiring: holds whose window and grace are over end, and their tokens go back on the list.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::{counter, histogram};
use tokio::time::Instant;

use crate::engine::{FlowError, Gate};
use crate::faults::{Point, point};
use crate::ledger::Swept;
use crate::model::{SaleId, SaleState};
use crate::redis::PAGE;
use crate::telemetry;

/// One sweep over all sales; says whether there is more to do at once.
///
/// # Errors
/// Unavailable when Postgres did not answer. A token that did not reach Redis is added by the auditor.
pub async fn sweep(gate: &Arc<Gate>) -> Result<bool, FlowError> {
    let started = Instant::now();
    #[cfg(feature = "faults")]
    crate::engine::mistakes::return_early(gate).await?;
    let swept = gate.ledger.sweep().await?;
    histogram!(telemetry::SWEEP_SECONDS).record(started.elapsed());
    match swept {
        Swept::Elsewhere => Ok(false),
        Swept::Credited { holds, gap } => {
            counter!(telemetry::CREDITED_SECONDS).increment(gap.as_secs());
            if holds == 0 {
                tracing::info!(
                    gap_seconds = gap.as_secs_f64(),
                    "no sweep for a while, and no open hold"
                );
            } else {
                tracing::warn!(
                    holds,
                    gap_seconds = gap.as_secs_f64(),
                    "nobody swept for a while; the gap was added to every open hold"
                );
            }
            Ok(true)
        }
        Swept::ClockWentBack { by } => {
            tracing::error!(
                by_seconds = by.as_secs_f64(),
                "the database clock went back; open holds last that much longer"
            );
            Ok(false)
        }
        Swept::Ended { units, more } => {
            if units.is_empty() {
                return Ok(false);
            }
            counter!(telemetry::HOLDS_ENDED, "state" => "expired").increment(units.len() as u64);
            point(Point::SweepFlipped).await?;
            let mut by_sale: HashMap<SaleId, Vec<i32>> = HashMap::new();
            for (sale, unit) in units {
                by_sale.entry(sale).or_default().push(unit);
            }
            for (sale, units) in by_sale {
                tracing::info!(sale.id = %sale, units = units.len(), "holds expired");
                give_back(gate, sale, &units).await;
            }
            point(Point::SweepReturned).await?;
            gate.nudge();
            Ok(more)
        }
    }
}

/// Puts the tokens of free units on the list, as far as Redis answers; the auditor adds what is missing.
pub(crate) async fn give_back(gate: &Gate, sale: SaleId, units: &[i32]) {
    let Some(line) = gate.line_of(sale) else { return };
    let view = line.view();
    if view.snapshot.sale.state == SaleState::Closed {
        return; // Nobody will be admitted any more.
    }
    let epoch = view.snapshot.sale.epoch;
    for page in units.chunks(PAGE) {
        if let Err(error) = gate.live.free(sale, epoch, page).await {
            tracing::warn!(sale.id = %sale, error = format!("{error:#}"), "tokens not on the list yet");
            return;
        }
    }
}
