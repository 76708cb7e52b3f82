//! One tick: reads what Postgres says of all running sales, then each one's line, and does what that asks for.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::engine::line::line_mirror::{self, Line, OTHER_LAYOUT, Seen};
use crate::engine::line::moves;
use crate::engine::repair::rebuild;
use crate::engine::steering::operate;
use crate::engine::{FlowError, Gate};
use crate::ledger::SaleSnapshot;
use crate::model::SaleId;

/// Longest wait for Postgres in one tick; what it said before stays shown meanwhile.
const SNAPSHOT_WITHIN: Duration = Duration::from_millis(1_500);
/// How long a tick waits for the lines that it began to read: Redis answers in a fraction of it.
const SURVEYS_WITHIN: Duration = Duration::from_millis(500);
/// One tick: reads what Postgres says of all running sales, then each one's line.
pub async fn tick(gate: &Arc<Gate>) {
    let read = refresh(gate).await;
    came_back(gate, &gate.health.ledger, read.is_ok());
    if let Err(error) = read {
        tracing::warn!(error = format!("{error:#}"), "postgres did not answer the watch");
    }
    survey_all(gate).await;
}

/// Reads every line, each in a task of its own and one at a time. A line that takes long keeps no other from being read
/// again: it is waited for a moment, and goes on behind the next ticks.
async fn survey_all(gate: &Arc<Gate>) {
    let lines = gate.all_lines();
    let begun: Vec<_> = lines
        .iter()
        .filter(|line| !line.surveying.swap(true, Ordering::Relaxed))
        .map(|line| {
            let (gate, line) = (gate.clone(), line.clone());
            tokio::spawn(async move {
                let _under_way = Surveying(&line);
                survey_now(&gate, &line).await;
            })
        })
        .collect();
    let _goes_on_behind = timeout(SURVEYS_WITHIN, futures_util::future::join_all(begun)).await;
    let alive = if lines.is_empty() {
        gate.live.ping().await.is_ok()
    } else {
        lines.iter().any(|line| line.answered.load(Ordering::Relaxed))
    };
    came_back(gate, &gate.health.live, alive);
}

/// A survey under way; over when it is dropped, however it ends.
struct Surveying<'a>(&'a Line);

impl Drop for Surveying<'_> {
    fn drop(&mut self) {
        self.0.surveying.store(false, Ordering::Relaxed);
    }
}

async fn survey_now(gate: &Arc<Gate>, line: &Arc<Line>) {
    let seen = line_mirror::survey(gate, line).await;
    match &seen {
        Ok(Seen::Well) => {}
        Ok(Seen::Lost { epoch, loss }) => rebuild::soon(gate, line, *epoch, *loss),
        Ok(Seen::PostgresBehind(why)) => {
            if let Err(error) = rebuild::postgres_is_behind(gate, line.id, why).await {
                error.log(line.id, "not stopped yet");
            }
        }
        Err(error) => error.log(line.id, "line not read"),
    }
    let answered = !matches!(seen, Err(FlowError::Unavailable("redis" | OTHER_LAYOUT, _)));
    line.answered.store(answered, Ordering::Relaxed);
}

/// Notes whether a store answered. One that is back may be another one, set up in another way.
fn came_back(gate: &Gate, store: &AtomicBool, answers: bool) {
    let answered = store.swap(answers, Ordering::Relaxed);
    if answers && !answered {
        gate.selfcheck.look_soon();
    }
}

/// Waits for the next nudge.
pub async fn nudged(gate: &Gate) {
    gate.changed.notified().await;
}

/// Reads all running sales from Postgres, follows new ones and lets go of those that are over.
async fn refresh(gate: &Arc<Gate>) -> Result<(), FlowError> {
    let asked = Instant::now();
    // A sale that is made while this is read is not in it, and must not be let go for that.
    let known: HashSet<SaleId> = gate.all_lines().iter().map(|line| line.id).collect();
    let snapshot = match timeout(SNAPSHOT_WITHIN, gate.ledger.snapshot()).await {
        Ok(read) => read?,
        Err(_) => return Err(FlowError::Unavailable("postgres", None)),
    };
    gate.clock.set(snapshot.now, asked);
    let moved = moves::read(gate, snapshot.now).await;
    let running: HashSet<SaleId> = snapshot.sales.iter().map(SaleSnapshot::id).collect();
    for sale in snapshot.sales {
        let id = sale.id();
        operate::on_time(gate, &sale);
        line_mirror::follow(gate, id, sale);
    }
    let mut lines = gate.lines.write().unwrap_or_else(PoisonError::into_inner);
    let before = lines.len();
    lines.retain(|id, _| running.contains(id) || !known.contains(id));
    if lines.len() < before {
        gate.moves.keep(&lines.keys().copied().collect());
    }
    moved
}
