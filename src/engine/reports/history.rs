//! How a sale went: what each gateway sees of it is written into slots of five seconds, whichever is first,
//! and read again for the charts. It costs nothing where nothing changes.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::engine::line::line_view::View;
use crate::engine::{FlowError, Gate};
use crate::ledger::Moment;
use crate::model::SaleId;

/// Length of a slot. An hour of a busy sale is 720 rows; a chart is some 600 points wide.
pub const SLOT_SECONDS: i64 = 5;
/// About as many points are given out at the most: more than a screen can tell apart.
const MOST_POINTS: i64 = 600;

/// Where a sale stood at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub at: Timestamp,
    pub waiting: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    pub joined: i64,
    pub admitted: i64,
}

/// What one gateway has written so far.
#[derive(Debug, Default)]
pub struct Recorder {
    last: HashMap<SaleId, Moment>,
}

impl Recorder {
    /// Writes down what changed since the last call.
    ///
    /// # Errors
    /// Unavailable while Postgres is away; what changed meanwhile is written when it is back.
    pub async fn record(&mut self, gate: &Gate) -> Result<(), FlowError> {
        let slot = gate.clock.now().as_second() / SLOT_SECONDS;
        let mut fresh = Vec::new();
        let lines = gate.all_lines();
        for line in &lines {
            let view = line.view();
            if !view.mirrored {
                continue; // Nothing is known of its line yet.
            }
            let now = moment(&view, slot);
            let last = self.last.get(&line.id);
            if last.is_some_and(|last| Moment { slot, ..*last } == now || last.slot == slot) {
                continue;
            }
            // After a rest the line of a chart is level up to here, and not a slope.
            let rested = last.filter(|last| last.slot < slot - 1);
            fresh.extend(rested.map(|last| (line.id, Moment { slot: slot - 1, ..*last })));
            fresh.push((line.id, now));
        }
        if !fresh.is_empty() {
            gate.ledger.write_history(&fresh).await?;
        }
        self.last.extend(fresh);
        let followed = |id: &SaleId| lines.iter().any(|line| line.id == *id);
        self.last.retain(|id, _| followed(id));
        Ok(())
    }
}

fn moment(view: &View, slot: i64) -> Moment {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let stock = view.snapshot.stock;
    Moment {
        slot,
        waiting: count(view.waiting()),
        available: stock.available(),
        held: stock.held,
        sold: stock.sold,
        joined: view.snapshot.counts.joined,
        admitted: view.snapshot.admitted(),
    }
}

/// A sale's points from `since` on, or all of them, oldest first.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn history(
    gate: &Gate,
    sale: SaleId,
    since: Option<Timestamp>,
) -> Result<Vec<Point>, FlowError> {
    let since = since.map_or(0, |since| since.as_second().div_euclid(SLOT_SECONDS));
    let moments = gate.ledger.sale_history(sale, since, MOST_POINTS).await?;
    let point = |m: Moment| {
        let at = Timestamp::from_second(m.slot * SLOT_SECONDS).ok()?;
        let Moment { waiting, available, held, sold, joined, admitted, .. } = m;
        Some(Point { at, waiting, available, held, sold, joined, admitted })
    };
    Ok(moments.into_iter().filter_map(point).collect())
}
