//! What the operator reads: counts, pages, and all orders as one stream. Nothing here changes anything.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::checkout::settle::By;
use crate::engine::{FlowError, Gate, Refusal};
use crate::ledger::Counts;
use crate::model::{Hold, HoldState, Order, Sale, SaleId, SaleState, Status, Stock};

pub use crate::ledger::{AuditItem, Cursor};

/// A line that was not read for so long is not what it was.
pub const UNREAD_AFTER: Duration = Duration::from_secs(5);

/// Counts of one sale, exact at the moment of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    pub status: Status,
    pub waiting: i64,
    pub counts: Counts,
    pub stock: Stock,
    pub joins_per_second: f64,
    pub admissions_per_second: f64,
}

pub async fn stats(gate: &Gate, sale: Sale) -> Result<Stats, FlowError> {
    let snapshot = gate.snapshot(sale.id).await?;
    let counts = snapshot.counts;
    let view = gate.line_of(snapshot.id()).map(|line| line.view());
    // A line that is not read has no pace that anybody knows.
    let view = view.filter(|view| view.seen.elapsed() < UNREAD_AFTER);
    let is_over = snapshot.sale.state == SaleState::Closed;
    Ok(Stats {
        status: snapshot.sale.status(),
        waiting: if is_over { 0 } else { counts.waiting },
        counts,
        stock: snapshot.stock,
        joins_per_second: view.as_ref().map_or(0.0, |view| view.joins_per_second),
        admissions_per_second: view.as_ref().map_or(0.0, |view| view.admissions_per_second),
    })
}

/// A sale as the public sees it: from memory while it runs, from Postgres when it is over.
pub struct Facts {
    pub sale: Sale,
    pub waiting: u64,
    pub stock: Stock,
    pub next_return_at: Option<jiff::Timestamp>,
}

pub async fn facts(gate: &Gate, reference: &str) -> Result<Facts, FlowError> {
    if let Some(line) = gate.line(reference) {
        let view = line.view();
        let snapshot = &view.snapshot;
        return Ok(Facts {
            sale: snapshot.sale.clone(),
            waiting: if snapshot.sale.status() == Status::Closed { 0 } else { view.waiting() },
            stock: snapshot.stock,
            next_return_at: snapshot.next_return_at,
        });
    }
    let snapshot = gate.past(reference).await?;
    Ok(Facts {
        sale: snapshot.sale.clone(),
        waiting: 0,
        stock: snapshot.stock,
        next_return_at: snapshot.next_return_at,
    })
}

/// Where a sale in a list stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub status: Status,
    pub waiting: u64,
    pub stock: Stock,
}

/// Where each of these sales stands, in their order: from memory while it runs, and the rest by one query.
///
/// # Errors
/// Unavailable when Postgres is needed and away.
pub async fn rows(gate: &Gate, sales: &[Sale]) -> Result<Vec<Row>, FlowError> {
    let views: Vec<_> =
        sales.iter().map(|sale| gate.line_of(sale.id).map(|line| line.view())).collect();
    let past: Vec<SaleId> = sales
        .iter()
        .zip(&views)
        .filter(|(_, view)| view.is_none())
        .map(|(sale, _)| sale.id)
        .collect();
    let stocks = if past.is_empty() { HashMap::new() } else { gate.ledger.stocks(&past).await? };
    let rows = sales.iter().zip(views).map(|(sale, view)| match view {
        Some(view) => {
            let status = view.snapshot.sale.status();
            let waiting = if status == Status::Closed { 0 } else { view.waiting() };
            Row { status, waiting, stock: view.snapshot.stock }
        }
        None => {
            let stock = stocks.get(&sale.id).copied().unwrap_or_default();
            Row { status: sale.status(), waiting: 0, stock }
        }
    });
    Ok(rows.collect())
}

/// A page of sales; those that are archived where asked.
pub async fn sales(
    gate: &Gate,
    archived: bool,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Sale>, FlowError> {
    Ok(gate.ledger.list_sales(archived, after, limit).await?)
}

pub async fn holds(
    gate: &Gate,
    sale: SaleId,
    state: Option<HoldState>,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Hold>, FlowError> {
    Ok(gate.ledger.list_holds(sale, state, after, limit).await?)
}

pub async fn orders(
    gate: &Gate,
    sale: SaleId,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Order>, FlowError> {
    Ok(gate.ledger.list_orders(sale, after, limit).await?)
}

pub async fn audit(
    gate: &Gate,
    sale: SaleId,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<AuditItem>, FlowError> {
    Ok(gate.ledger.list_audit(sale, after, limit).await?)
}

/// Where the next page of orders begins.
pub fn after_order(order: &Order) -> Cursor {
    Cursor { at: order.confirmed_at, number: 0, id: order.id.0 }
}

/// Orders fetched at a time while all are streamed: no more than this is in memory.
const STREAM_PAGE: i64 = 1_000;

/// All orders in pages, newest first, as a stream that holds one page at a time and no connection between
/// two.
pub fn all_orders(
    gate: Arc<Gate>,
    sale: SaleId,
) -> impl futures_util::Stream<Item = Result<Vec<Order>, FlowError>> + Send {
    let start = Some((gate, None));
    futures_util::stream::try_unfold(
        start,
        move |at: Option<(Arc<Gate>, Option<Cursor>)>| async move {
            let Some((gate, after)) = at else { return Ok(None) };
            let page = orders(&gate, sale, after, STREAM_PAGE).await?;
            let next = match page.last() {
                Some(last) if page.len() as i64 == STREAM_PAGE => {
                    Some((gate, Some(after_order(last))))
                }
                Some(_) | None => None,
            };
            Ok((!page.is_empty()).then_some((page, next)))
        },
    )
}

/// One hold, as its own shopper or an operator sees it.
///
/// # Errors
/// Refused with `NoSuchHold` for an unknown one or somebody else's, `Moved`.
pub async fn hold(gate: &Gate, id: crate::model::HoldId, by: &By) -> Result<Hold, FlowError> {
    let found = gate.ledger.hold_and_generation(id).await?;
    let (hold, generation) = found.ok_or(Refusal::NoSuchHold)?;
    by.may_see(&hold, generation)?;
    Ok(hold)
}
