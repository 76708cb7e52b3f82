//! What the metrics tell of each sale that this gateway follows.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::Gate;
use crate::engine::line::line_mirror::Line;
use crate::model::{SaleState, Stock};

/// What the metrics tell of one sale.
#[derive(Debug, Clone)]
pub struct Gauges {
    pub slug: String,
    pub waiting: u64,
    pub mirror_age: Duration,
    pub stock: Stock,
}

/// The metrics of every sale that this gateway follows, as they are now. They are read when they are asked for and
/// kept nowhere, so that a sale that is let go leaves no old number behind.
pub fn gauges(gate: &Gate) -> Vec<Gauges> {
    let of = |line: Arc<Line>| {
        let view = line.view();
        let is_closed = view.snapshot.sale.state == SaleState::Closed;
        Gauges {
            slug: view.slug().to_owned(),
            waiting: if is_closed { 0 } else { view.waiting() },
            mirror_age: view.seen.elapsed(),
            stock: view.snapshot.stock,
        }
    };
    // The slug of an archived sale may be another sale's by now.
    let is_shown = |line: &Arc<Line>| line.view().snapshot.sale.archived_at.is_none();
    let mut all: Vec<Gauges> = gate.all_lines().into_iter().filter(is_shown).map(of).collect();
    all.sort_by(|a, b| a.slug.cmp(&b.slug));
    all
}
