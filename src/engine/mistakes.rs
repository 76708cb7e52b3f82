//! Mistakes of the steps, for the drill alone: what they must not do, and in which order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::engine::checkout::expire;
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::faults::{Mistake, Point, made, point};
use crate::ledger::Tx;
use crate::model::{HoldId, Sale, SaleId};
use crate::redis::{Ack, PAGE, Slot};

/// Tells Redis that a batch is recorded, before it is.
pub(crate) async fn acknowledge_early(
    gate: &Gate,
    sale: SaleId,
    epoch: i32,
    n: i64,
) -> Result<(), FlowError> {
    if made(Mistake::AckBeforeCommit) {
        let ack = Ack { epoch, n, ..Ack::default() };
        gate.live.admit(sale, epoch, n, 0, 0, &ack).await?;
    }
    Ok(())
}

/// Puts a batch's tokens back when its window is over, without asking anybody.
pub(crate) fn expire_by_timer(gate: &Arc<Gate>, sale: &Sale, slot: &Slot) {
    if !made(Mistake::ExpireByTimer) {
        return;
    }
    let (gate, id, units) = (gate.clone(), sale.id, slot.units.clone());
    let window = Duration::from_secs(sale.settings.checkout_window_seconds.unsigned_abs().into());
    tokio::spawn(async move {
        sleep(window).await;
        expire::give_back(&gate, id, &units).await;
    });
}

/// Puts the tokens of due holds back, and expires the holds after that.
pub(crate) async fn return_early(gate: &Gate) -> Result<(), FlowError> {
    if !made(Mistake::ReturnBeforeFlip) {
        return Ok(());
    }
    let mut tx = gate.ledger.begin().await?;
    let due = tx.due_units().await?;
    tx.rollback().await?;
    for (sale, unit) in &due {
        expire::give_back(gate, *sale, &[*unit]).await;
    }
    if !due.is_empty() {
        point(Point::SweepFlipped).await?;
    }
    Ok(())
}

/// Answers before the commit, which is done a little later.
pub(crate) fn answer_early(tx: Tx, reply: Reply) -> Result<Reply, Tx> {
    if !made(Mistake::TellBeforeCommit) {
        return Err(tx);
    }
    tokio::spawn(async move {
        point(Point::SettleInTx).await?;
        tx.commit().await?;
        Ok::<(), FlowError>(())
    });
    Ok(reply)
}

/// Refuses a hold by a gateway's clock that is an hour ahead.
pub(crate) async fn ask_the_clock(gate: &Gate, id: HoldId) -> Result<(), FlowError> {
    if made(Mistake::ExpireByClock)
        && let Some(hold) = gate.ledger.hold(id).await?
        && hold.expires_at < gate.clock.now() + Duration::from_secs(3_600)
    {
        return Err(Refusal::HoldEnded(crate::model::HoldState::Expired).into());
    }
    Ok(())
}

/// Offers every unit that was ever seeded.
pub(crate) async fn offer_all(gate: &Gate, sale: &Sale, attempt: u32) -> Result<(), FlowError> {
    if made(Mistake::SeedIfMissing) {
        for page in (1..=sale.stock).collect::<Vec<_>>().chunks(PAGE) {
            gate.live.load_tokens(sale.id, attempt, page).await?;
        }
    }
    Ok(())
}
