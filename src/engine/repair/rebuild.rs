//! Recovering: when Redis lost a sale it is rebuilt from Postgres, under a higher epoch that fences
//! whatever still runs on the older copy. A new sale is loaded the same way.
//!
//! Postgres behind Redis is the one case that is not repaired: then the sale stops and a person looks.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::counter;
use tokio::time::{Instant, sleep};

use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::Line;
use crate::engine::line::line_view;
use crate::engine::line::loss::Loss;
use crate::engine::{FlowError, Gate};
use crate::faults::{Mistake, Point, made, point};
use crate::ledger::Tx;
use crate::model::{Sale, SaleId, SaleState, Seq};
use crate::redis::{Known, LOAD_PAGE, Loaded, Survey, Waiter};
use crate::telemetry;

/// Sets the rebuild's lock apart from the sale's own.
const REBUILD: i64 = 0x7eb;

/// A gateway rests this long after a rebuild before it begins another one of the same sale.
const REST: Duration = Duration::from_secs(1);

/// Rebuilds one sale behind the scenes, unless this gateway is at it already.
pub fn soon(gate: &Arc<Gate>, line: &Arc<Line>, seen: i32, loss: Loss) {
    if line.rebuilding.swap(true, Ordering::Relaxed) {
        return;
    }
    let (gate, line) = (gate.clone(), line.clone());
    tokio::spawn(async move {
        if let Err(error) = recover(&gate, &line, seen, loss).await {
            error.log(line.id, "no rebuild yet");
        }
        gate.nudge();
        sleep(REST).await;
        line.rebuilding.store(false, Ordering::Relaxed);
    });
}

/// Rebuilds one sale in Redis, unless somebody else is at it or it is well by now. `seen` is the epoch
/// under which the caller found it lost.
///
/// # Errors
/// Unavailable when a store did not answer, and busy while another gateway rebuilds it; the next survey tries
/// again.
pub async fn recover(
    gate: &Arc<Gate>,
    line: &Arc<Line>,
    seen: i32,
    loss: Loss,
) -> Result<(), FlowError> {
    // Only one gateway at a time does the work. The lock saves work; the epoch keeps it right.
    let mut busy = gate.ledger.begin_rebuild().await?;
    if !busy.single_out(line.id, REBUILD).await? {
        return Err(FlowError::Busy("another gateway rebuilds this line"));
    }
    let started = Instant::now();
    let Some(epoch) = next_epoch(gate, line, seen, loss).await? else {
        busy.commit().await?;
        return line_mirror::reread(gate, line).await.map(drop);
    };
    let attempt = rand::random();
    let loaded = load(gate, line.id, epoch, attempt, &mut busy).await;
    if loaded.is_err()
        && let Err(error) = gate.live.load_drop(line.id, attempt).await
    {
        tracing::debug!(sale.id = %line.id, error = format!("{error:#}"), "left to its time limit");
    }
    let outcome = if loaded.is_ok() { "done" } else { "failed" };
    counter!(telemetry::RECOVERIES, "outcome" => outcome).increment(1);
    let Loaded { waiters, units } = loaded?;
    busy.commit().await?;
    tracing::info!(
        sale.id = %line.id,
        epoch,
        waiters,
        units,
        seconds = started.elapsed().as_secs_f64(),
        ?loss,
        "line and tokens were loaded into redis"
    );
    line_mirror::reread(gate, line).await.map(drop)
}

/// Raises the epoch, unless Redis is well again or the sale is over.
async fn next_epoch(
    gate: &Gate,
    line: &Line,
    seen: i32,
    loss: Loss,
) -> Result<Option<i32>, FlowError> {
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(line.id).await?;
    let Some(sale) = tx.sale(line.id).await? else { return Ok(None) };
    if sale.state == SaleState::Closed {
        return Ok(None);
    }
    // Somebody else may have rebuilt it since it was seen.
    let may_be_well = sale.epoch != seen || !loss.looks_well();
    if may_be_well && is_well(gate, &sale).await? {
        return Ok(None);
    }
    let epoch = if made(Mistake::NoEpochRaise) && sale.epoch > 0 {
        sale.epoch
    } else {
        tx.raise_epoch(line.id).await?
    };
    tx.commit().await?;
    point(Point::RecoverRaised).await?;
    Ok(Some(epoch))
}

async fn is_well(gate: &Gate, sale: &Sale) -> Result<bool, FlowError> {
    Ok(matches!(
        gate.live.survey(sale.id, sale.epoch, Known::default()).await?,
        Survey::Seen { .. }
    ))
}

/// Fills new keys from Postgres and swaps them in. What was in flight when the epoch rose is either
/// committed, and read here, or fenced.
async fn load(
    gate: &Gate,
    sale: SaleId,
    epoch: i32,
    attempt: u32,
    busy: &mut Tx,
) -> Result<Loaded, FlowError> {
    let mut loaded = Loaded::default();
    let read = async |after| gate.ledger.waiting_page(sale, after, LOAD_PAGE as i64).await;
    let mut page = read(Seq(0)).await?;
    while let Some((_, last)) = page.last().copied() {
        let waiters: Vec<Waiter> =
            page.into_iter().map(|(ticket, seq)| Waiter { ticket, seq }).collect();
        loaded.waiters += waiters.len();
        // Neither store waits for the other: the next page is read while this one is written.
        let write = gate.live.load_waiters(sale, attempt, &waiters);
        let (written, next) = tokio::join!(write, read(last));
        written?;
        page = next?;
        point(Point::RecoverHalfLoaded).await?;
        busy.single_out(sale, REBUILD).await?; // Keeps the lock's connection from idling out.
    }
    let mut after = 0;
    while let Some(page) = gate.ledger.free_page(sale, after, LOAD_PAGE as i32).await? {
        gate.live.load_tokens(sale, attempt, &page).await?;
        (after, loaded.units) = (after + LOAD_PAGE as i32, loaded.units + page.len());
        busy.single_out(sale, REBUILD).await?;
    }
    point(Point::RecoverLoaded).await?;
    let version = line_view::version_at(gate.clock.earlier(gate.clock.now()));
    #[cfg(feature = "faults")]
    crate::engine::mistakes::offer_all(gate, &gate.snapshot(sale).await?.sale, attempt).await?;
    if !gate.ledger.will_serve(sale, epoch).await? && !made(Mistake::NoEpochRaise) {
        return Err(FlowError::Busy("a rebuild under a higher epoch came first"));
    }
    if !gate.live.swap(sale, epoch, version, attempt, loaded).await? {
        let lost = anyhow::anyhow!("what was loaded is gone, or a higher epoch came first");
        return Err(FlowError::Unavailable("redis", Some(lost)));
    }
    point(Point::RecoverSwapped).await?;
    Ok(loaded)
}

/// Stops a sale whose Postgres is older than its Redis: commits were lost, and only a person can say what
/// was sold.
pub(crate) async fn postgres_is_behind(
    gate: &Gate,
    sale: SaleId,
    why: &str,
) -> Result<(), FlowError> {
    let fault = format!("postgres lost commits: {why}");
    let mut tx = gate.ledger.begin_line().await?;
    tx.exclude(sale).await?;
    let stopped = tx.stop(sale, &fault).await?;
    if stopped {
        tx.audit(sale, "ropeline", "stop", &serde_json::json!({ "fault": fault })).await?;
    }
    tx.commit().await?;
    if stopped {
        counter!(telemetry::STOPPED).increment(1);
        tracing::error!(sale.id = %sale, fault, "the sale was stopped; see docs/operations.md");
    }
    Ok(())
}

/// Empties the line of a sale that is sold out for everyone up to `upto`.
pub(crate) async fn empty_line(
    gate: &Gate,
    sale: SaleId,
    epoch: i32,
    upto: Seq,
) -> Result<(), FlowError> {
    while gate.live.clear(sale, epoch, upto).await? > 0 {}
    Ok(())
}
