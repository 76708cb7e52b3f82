//! Admitting: the front of the line is paired with free units, recorded in Postgres, and only then told.
//!
//! Redis keeps one batch in flight and returns it until it is acknowledged. Any gateway may run this for
//! any sale at any time; a lost reply, a crash between pop and record and two gateways at once all end in
//! the same batch being recorded once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::time::Instant;

use crate::engine::line::line_mirror;
use crate::engine::line::line_mirror::Line;
use crate::engine::line::loss::Loss;
use crate::engine::repair::rebuild;
use crate::engine::{FlowError, Gate};
use crate::faults::{Point, point};
use crate::ledger::{Front, Recorded};
use crate::model::{SaleState, Seq, Ticket};
use crate::redis::{Ack, Admitted, LiveError, Slot};
use crate::telemetry;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Call again at once: a batch was recorded and is to be acknowledged.
    Now,
    /// Call again after so long.
    After(Duration),
}

/// One step of one sale's admission. `ack` is kept by the caller from one step to the next.
///
/// # Errors
/// Unavailable while Redis or Postgres is away: nobody is admitted unless both answer.
pub async fn admit(gate: &Arc<Gate>, line: &Arc<Line>, ack: &mut Ack) -> Result<Next, FlowError> {
    let started = Instant::now();
    let view = line.view();
    let settings = &view.snapshot.sale.settings;
    let interval = Duration::from_millis(settings.admit_interval_ms.unsigned_abs().into());
    let Some(front) = gate.ledger.front(line.id).await? else {
        return Ok(Next::After(interval));
    };
    if ack.epoch != front.epoch {
        *ack = Ack::default(); // Batches are counted anew in each epoch.
    }
    let most = most(&front, settings.batch_size, settings.max_in_checkout);
    point(Point::AdmitAsked).await?;
    let taken = gate
        .live
        .admit(line.id, front.epoch, front.recorded_n, most, settings.admit_interval_ms, ack)
        .await;
    match taken {
        Ok(Admitted::Batch { n, slot }) => {
            point(Point::AdmitPopped).await?;
            // It was popped on top of the one before, which somebody had seen recorded.
            if n > front.recorded_n + 1 && redis_is_ahead(gate, line, front.epoch, n - 1).await? {
                return Ok(Next::After(interval));
            }
            #[cfg(feature = "faults")]
            crate::engine::mistakes::acknowledge_early(gate, line.id, front.epoch, n).await?;
            let Some(recorded) = record(gate, line, front.epoch, n, &slot).await? else {
                return Ok(Next::Now); // Fenced: another epoch rules since.
            };
            #[cfg(feature = "faults")]
            crate::engine::mistakes::expire_by_timer(gate, &view.snapshot.sale, &slot);
            if recorded.admitted > 0 {
                counter!(telemetry::ADMITTED).increment(recorded.admitted);
                gate.admitted.fetch_add(recorded.admitted, Ordering::Relaxed);
                histogram!(telemetry::ADMIT_SECONDS).record(started.elapsed());
            }
            *ack = Ack { epoch: front.epoch, n, requeue: recorded.requeue, spare: recorded.spare };
            Ok(Next::Now)
        }
        Ok(Admitted::Pace(wait)) => {
            acknowledged(gate, ack).await?;
            Ok(Next::After(wait))
        }
        Ok(Admitted::Empty) => {
            acknowledged(gate, ack).await?;
            Ok(Next::After(interval))
        }
        Ok(Admitted::Ahead { n }) => {
            *ack = Ack::default();
            redis_is_ahead(gate, line, front.epoch, n).await?;
            Ok(Next::After(interval))
        }
        Ok(Admitted::Lost) => {
            rebuild::soon(gate, line, front.epoch, Loss::OlderBatch);
            Ok(Next::After(interval))
        }
        Err(LiveError::Fenced) => {
            *ack = Ack::default(); // A replay of its batch makes a new one.
            line_mirror::reread(gate, line).await?;
            Ok(Next::After(interval))
        }
        Err(error) => Err(error.into()),
    }
}

/// Redis answered the call that carried `ack`: if it acknowledged a batch, the line has moved.
async fn acknowledged(gate: &Gate, ack: &mut Ack) -> Result<(), FlowError> {
    if std::mem::take(ack).n > 0 {
        point(Point::AdmitAcknowledged).await?;
        gate.nudge();
    }
    Ok(())
}

/// How many may be taken now. `active` was read before the batch is popped, and Redis pops only on top of
/// the batch that Postgres had then, so the cap holds whoever else admits.
fn most(front: &Front, batch_size: i32, max_in_checkout: Option<i32>) -> i32 {
    if front.state != SaleState::Open {
        return 0;
    }
    let room = max_in_checkout.map_or(i64::MAX, |cap| i64::from(cap) - front.active);
    i32::try_from(room.clamp(0, batch_size.into())).unwrap_or(batch_size)
}

async fn record(
    gate: &Gate,
    line: &Line,
    epoch: i32,
    n: i64,
    slot: &Slot,
) -> Result<Option<Recorded>, FlowError> {
    let waiters: Vec<(Ticket, Seq)> = slot.waiters.iter().map(|w| (w.ticket, w.seq)).collect();
    let mut tx = gate.ledger.share_line(line.id).await?;
    let recorded = tx.record(epoch, n, &waiters, &slot.units).await?;
    point(Point::AdmitInTx).await?;
    tx.commit().await?;
    point(Point::AdmitCommitted).await?;
    Ok(recorded)
}

/// Batch `seen` was recorded, as somebody told Redis, and Postgres does not have it. Read again: that may
/// have been just now. If it is still not there, Postgres lost commits, and the sale stops.
async fn redis_is_ahead(
    gate: &Arc<Gate>,
    line: &Line,
    epoch: i32,
    seen: i64,
) -> Result<bool, FlowError> {
    let Some(front) = gate.ledger.front(line.id).await? else { return Ok(true) };
    if front.epoch != epoch {
        return Ok(true); // Rebuilt meanwhile: the numbers of two epochs say nothing of each other.
    }
    if seen <= front.recorded_n {
        return Ok(false);
    }
    rebuild::postgres_is_behind(gate, line.id, "redis has later batches").await?;
    Ok(true)
}
