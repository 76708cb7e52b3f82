//! Tickets that the journal has waiting and that Redis did not take back into the line: they are tried again until it does.
//!
//! One task for each line, however many tickets there are: while Redis is down, each look-up of a lost ticket may add one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use uuid::Uuid;

use crate::engine::line::line_mirror::Line;
use crate::engine::{FlowError, Gate};
use crate::model::{SaleState, Ticket};
use crate::redis::{LiveError, PAGE, Waiter};

/// Between two attempts.
const RETRY: Duration = Duration::from_millis(500);

/// Tickets that wait for the task; `None` while no task runs.
#[derive(Debug, Default)]
pub(crate) struct Returning(Mutex<Option<Vec<Waiter>>>);

impl Returning {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<Waiter>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands tickets to the task that runs, or says that the caller is to start one with them.
    fn add(&self, tickets: Vec<Waiter>) -> Option<Vec<Waiter>> {
        let mut waiting = self.lock();
        if let Some(waiting) = waiting.as_mut() {
            waiting.extend(tickets);
            return None;
        }
        *waiting = Some(Vec::new());
        Some(tickets)
    }

    /// Takes what was added meanwhile. Without tickets left and with none added, the task has ended.
    fn take(&self, left: &mut Vec<Waiter>) -> bool {
        let mut waiting = self.lock();
        left.extend(waiting.iter_mut().flatten().map(|waiter| *waiter));
        *waiting = (!left.is_empty()).then(Vec::new);
        left.is_empty()
    }
}

/// Puts tickets of the journal into the line as soon as Redis takes them. Redis may be down, or a rebuild may be under
/// way that read the journal before these were in it. Until then everyone behind them sees a place that will rise, and
/// the next audit may be minutes away. A ticket that is in line already is not changed.
pub(crate) fn restore_soon(gate: &Arc<Gate>, line: &Arc<Line>, tickets: Vec<Waiter>) {
    let Some(mut left) = line.returning.add(tickets) else { return };
    let (gate, line) = (gate.clone(), line.clone());
    tokio::spawn(async move {
        while !gate.draining.is_cancelled() {
            sleep(RETRY).await;
            if let Err(error) = restore_again(&gate, &line, &mut left).await {
                error.log(line.id, "tickets not in line yet");
            }
            if line.returning.take(&mut left) {
                return;
            }
        }
    });
}

/// One attempt, a page at a time; what Redis took is not in `left` any more. A ticket that left or was admitted
/// meanwhile stays out of the line.
async fn restore_again(gate: &Gate, line: &Line, left: &mut Vec<Waiter>) -> Result<(), FlowError> {
    while !left.is_empty() {
        let sale = line.view().snapshot.sale.clone();
        if sale.state == SaleState::Closed {
            left.clear();
            return Ok(());
        }
        let rest = left.len().saturating_sub(PAGE);
        let tickets: Vec<Uuid> = left[rest..].iter().map(|waiter| waiter.ticket.0).collect();
        let mut tx = gate.ledger.begin_line().await?;
        let waiting = tx.still_waiting(line.id, &tickets).await?;
        tx.rollback().await?;
        let waiting: HashSet<Ticket> = waiting.into_iter().collect();
        let back: Vec<Waiter> = left[rest..]
            .iter()
            .filter(|waiter| waiting.contains(&waiter.ticket))
            .copied()
            .collect();
        restore(gate, line, sale.epoch, &back).await?;
        left.truncate(rest);
    }
    Ok(())
}

/// Puts tickets into the line at their own numbers.
///
/// # Errors
/// When Redis did not answer, or another epoch rules.
pub(crate) async fn restore(
    gate: &Gate,
    line: &Line,
    epoch: i32,
    back: &[Waiter],
) -> Result<(), LiveError> {
    for page in back.chunks(PAGE) {
        gate.live.restore(line.id, epoch, page).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seq;

    fn waiter(seq: i64) -> Waiter {
        Waiter { ticket: Ticket::new(), seq: Seq(seq) }
    }

    #[test]
    fn one_task_takes_all_and_the_next_ticket_after_its_end_starts_another() {
        let returning = Returning::default();
        let mut left = returning.add(vec![waiter(1)]).unwrap();
        assert_eq!(returning.add(vec![waiter(2)]), None, "the task takes it");
        left.clear();
        assert!(!returning.take(&mut left), "a ticket was added meanwhile");
        assert_eq!(left.len(), 1);
        assert!(!returning.take(&mut left), "Redis did not take it yet");
        left.clear();
        assert!(returning.take(&mut left));
        assert!(returning.add(vec![waiter(3)]).is_some());
    }
}
