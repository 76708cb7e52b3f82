//! Admission: one task for each running sale, on every gateway. The pace is kept by Redis, so it does not
//! depend on how many there are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::STEP_WITHIN;
use crate::flow::Gate;
use crate::flow::admit::{Next, admit};
use crate::flow::watch::Line;
use crate::live::Ack;
use crate::sale::{SaleId, SaleState};

/// How often new sales are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// The pause after a step that failed.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// The longest and shortest pause between two steps: a sale that was paused or opened shows within this,
/// and no interval may make a busy loop.
const LONGEST: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(2);

/// Runs a task for each sale that this gateway follows, until it is over.
pub async fn admit_all(gate: Arc<Gate>) {
    let running = Arc::new(Mutex::new(HashSet::<SaleId>::new()));
    let mut tasks = JoinSet::new();
    loop {
        for line in gate.all_lines() {
            let is_new = running.lock().unwrap_or_else(PoisonError::into_inner).insert(line.id);
            if is_new {
                let (gate, running) = (gate.clone(), running.clone());
                tasks.spawn(async move {
                    let id = line.id;
                    admit_one(&gate, line).await;
                    running.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                });
            }
        }
        while tasks.try_join_next().is_some() {}
        sleep(LOOK_EVERY).await;
    }
}

async fn admit_one(gate: &Arc<Gate>, line: Arc<Line>) {
    let mut ack = Ack::default();
    let mut views = line.subscribe();
    // A sale may be let go and followed again; then another task has it, with the line that is shown.
    while gate.line_of(line.id).is_some_and(|now| Arc::ptr_eq(&now, &line)) {
        let view = line.view();
        let is_idle = match view.snapshot.sale.state {
            SaleState::Open | SaleState::Paused => view.waiting() == 0 && ack.n == 0,
            SaleState::Scheduled => ack.n == 0,
            SaleState::Closed => true, // Redis has forgotten it.
        };
        let pause = if is_idle {
            // Whoever joins an empty line shows in the next view.
            if timeout(LOOK_EVERY, views.changed()).await.is_err() {
                continue;
            }
            SHORTEST
        } else {
            match timeout(STEP_WITHIN, admit(gate, &line, &mut ack)).await {
                Ok(Ok(Next::Now)) => continue,
                Ok(Ok(Next::After(wait))) => wait.clamp(SHORTEST, LONGEST),
                Ok(Err(error)) => {
                    let error = format!("{error:#}");
                    tracing::warn!(sale.id = %line.id, error, "nobody admitted");
                    AFTER_FAILURE
                }
                Err(_) => {
                    tracing::warn!(sale.id = %line.id, "nobody admitted: a store did not answer");
                    AFTER_FAILURE
                }
            }
        };
        sleep(pause).await;
    }
}
