//! What other settings would do to a sale, from where it stands and from what was measured in it; and to a
//! sale that is not made yet.

use crate::engine::{FlowError, Gate};
use crate::ledger::Counts;
use crate::model::admission::plan::{Forecast, Outset, forecast};
use crate::model::line::outlook::LEAST_ENDED;
use crate::model::{Sale, Settings, Stock};

/// What is assumed of shoppers before any were seen: so many of a hundred buy, and it takes them this part
/// of the window. Who does not buy lets the window run out.
const ASSUMED_CONVERSION: f64 = 0.8;
const ASSUMED_PART: f64 = 0.2;

/// How long shoppers took in the checkout and how many of them bought: the holds of a sale that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Checkouts {
    bought: i64,
    returned: i64,
    /// Means; 0 while there was none.
    bought_after_seconds: f64,
    returned_after_seconds: f64,
}

impl From<Counts> for Checkouts {
    fn from(counts: Counts) -> Self {
        let mean = |ms: i64, count: i64| ms as f64 / 1_000.0 / count.max(1) as f64;
        Self {
            bought: counts.sold,
            returned: counts.returned,
            bought_after_seconds: mean(counts.sold_ms, counts.sold),
            returned_after_seconds: mean(counts.returned_ms, counts.returned),
        }
    }
}

/// A forecast, and what it stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    pub outset: Outset,
    pub forecast: Forecast,
    /// Ended holds that were measured; 0 when everything about them is assumed.
    pub measured: i64,
}

/// What a sale would do from now on with these settings.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn plan(gate: &Gate, sale: &Sale, settings: &Settings) -> Result<Plan, FlowError> {
    let snapshot = gate.snapshot(sale.id).await?;
    let (waiting, joins_per_second) = match gate.line_of(sale.id).map(|line| line.view()) {
        Some(view) => (view.waiting(), view.joins_per_second),
        None => (0, 0.0),
    };
    let checkouts = Checkouts::from(snapshot.counts);
    Ok(made(settings, waiting as f64, joins_per_second, snapshot.stock, checkouts))
}

/// What a sale with these settings would do if so many shoppers waited when it opens.
pub fn plan_new(settings: &Settings, shoppers: u32, units: u32) -> Plan {
    let stock = Stock { seeded: units.into(), ..Stock::default() };
    made(settings, shoppers.into(), 0.0, stock, Checkouts::default())
}

fn made(
    settings: &Settings,
    waiting: f64,
    joins_per_second: f64,
    stock: Stock,
    checkouts: Checkouts,
) -> Plan {
    let window = f64::from(settings.checkout_window_seconds);
    let hold_seconds = window + f64::from(settings.expiry_grace_seconds);
    let ended = checkouts.bought + checkouts.returned;
    let is_measured = ended.unsigned_abs() >= LEAST_ENDED;
    let conversion =
        if is_measured { checkouts.bought as f64 / ended as f64 } else { ASSUMED_CONVERSION };
    // What was measured under another window cannot last longer than this one.
    let or = |seconds: f64, count: i64, assumed: f64| {
        if is_measured && count > 0 { seconds.min(hold_seconds) } else { assumed }
    };
    let outset = Outset {
        waiting,
        available: stock.available().max(0) as f64,
        held: stock.held as f64,
        joins_per_second,
        batch_size: settings.batch_size,
        admit_interval_ms: settings.admit_interval_ms,
        max_in_checkout: settings.max_in_checkout,
        conversion,
        buys_after_seconds: or(
            checkouts.bought_after_seconds,
            checkouts.bought,
            window * ASSUMED_PART,
        ),
        returns_after_seconds: or(
            checkouts.returned_after_seconds,
            checkouts.returned,
            hold_seconds,
        ),
        hold_seconds,
    };
    Plan { outset, forecast: forecast(&outset), measured: if is_measured { ended } else { 0 } }
}
