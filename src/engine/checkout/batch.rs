//! Confirms that arrive together share a transaction, and with it the time that a disk takes to keep it.
//!
//! What arrived while others were under way goes as one group, as joins do. A confirm that is alone, or
//! whose group did not work out, goes by itself: then nobody's failure is anybody else's.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::engine::checkout::idempotency;
use crate::engine::checkout::settle;
use crate::engine::checkout::settle::{End, Render};
use crate::engine::steering::operate;
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::faults::{Point, point};
use crate::ledger::{Confirmed, Key, LedgerError, Payer, Purchase, Stored, Tx};
use crate::model::{Hold, HoldId, HoldState};
use crate::tasks::{Task, Work};
use crate::telemetry;

/// Confirms that may wait for their group; more go by themselves.
const QUEUE: usize = 10_000;
/// Confirms in one group. They wait for each other's rows, so a group stays small.
const MOST: usize = 64;
/// Groups under way at a time: one is written while the disk keeps the other.
const GROUPS_AT_ONCE: usize = 2;
/// Longest time for one group; the next one must not wait for a Postgres that hangs, and each of this one still
/// has a moment to try by itself.
const GROUP_WITHIN: Duration = Duration::from_secs(3);

/// A confirm on its way into a group.
pub(crate) struct Waiting {
    pub id: HoldId,
    pub payment_reference: Option<String>,
    pub payer: Payer,
    pub key: Option<Key>,
    pub render: Render,
    answer: oneshot::Sender<Result<Reply, FlowError>>,
}

impl Waiting {
    fn purchase(&self) -> Purchase<'_> {
        let payment_reference = self.payment_reference.as_deref();
        Purchase { hold: self.id, payment_reference, payer: &self.payer }
    }

    /// Confirms it in a transaction of its own.
    async fn alone(&self, gate: &Arc<Gate>) -> Result<Reply, FlowError> {
        let how = End::Confirm(self.purchase());
        settle::alone(gate, self.id, how, self.key.clone(), self.render).await
    }
}

/// Confirms that wait for their group.
pub struct Confirms {
    arriving: mpsc::Sender<Waiting>,
    arrived: Mutex<mpsc::Receiver<Waiting>>,
}

impl Default for Confirms {
    fn default() -> Self {
        let (arriving, arrived) = mpsc::channel(QUEUE);
        Self { arriving, arrived: Mutex::new(arrived) }
    }
}

/// Confirms a hold together with whoever else confirms now.
pub(crate) async fn confirm(
    gate: &Arc<Gate>,
    id: HoldId,
    (payment_reference, payer): (Option<String>, Payer),
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting { id, payment_reference, payer, key, render, answer };
    if let Err(refused) = gate.confirms.arriving.try_send(waiting) {
        return refused.into_inner().alone(gate).await;
    }
    answered.await.unwrap_or(Err(FlowError::Unavailable("gateway", None)))
}

/// Starts the task that confirms in groups.
pub fn start(gate: &Arc<Gate>) {
    gate.tasks.keep(Task::Confirms, Grouping(gate.clone()));
}

struct Grouping(Arc<Gate>);

impl Work for Grouping {
    async fn run(&self) {
        keep(&self.0).await;
    }

    /// Each confirm goes by itself.
    async fn stand_in(&self) {
        let mut arrived = self.0.confirms.arrived.lock().await;
        while let Some(waiting) = arrived.recv().await {
            tokio::spawn(by_itself(self.0.clone(), waiting));
        }
    }
}

/// Confirms in groups, for as long as the gateway runs.
async fn keep(gate: &Arc<Gate>) {
    let mut arrived = gate.confirms.arrived.lock().await;
    let turns = Arc::new(Semaphore::new(GROUPS_AT_ONCE));
    let mut group = Vec::new();
    while let Ok(turn) = turns.clone().acquire_owned().await {
        if arrived.recv_many(&mut group, MOST).await == 0 {
            return;
        }
        let (gate, group) = (gate.clone(), std::mem::take(&mut group));
        // A gateway that stops lets go of the loop and not of a group.
        tokio::spawn(async move {
            together(&gate, group).await;
            drop(turn);
        });
    }
}

async fn together(gate: &Arc<Gate>, group: Vec<Waiting>) {
    let (group, doubles) = first_of_each(group);
    firsts(gate, group).await;
    // After the first of their kind, so that each finds its answer.
    one_by_one(gate, doubles);
}

async fn firsts(gate: &Arc<Gate>, group: Vec<Waiting>) {
    if group.len() == 1 {
        // It goes on by itself for as long as it takes, and keeps its turn for a while, so that whoever comes
        // meanwhile makes a group.
        for waiting in group {
            let _ = timeout(GROUP_WITHIN, tokio::spawn(by_itself(gate.clone(), waiting))).await;
        }
        return;
    }
    histogram!(telemetry::CONFIRM_GROUP).record(group.len() as f64);
    match timeout(GROUP_WITHIN, write(gate, &group)).await {
        Ok(Ok(answers)) => {
            for (waiting, answer) in group.into_iter().zip(answers) {
                match answer {
                    // The first with this key is in another group, or on another gateway.
                    Err(FlowError::Refused(Refusal::KeyInProgress)) => {
                        one_by_one(gate, vec![waiting]);
                    }
                    answer => drop(waiting.answer.send(answer)),
                }
            }
        }
        Ok(Err(error)) => {
            tracing::debug!(error = format!("{error:#}"), "a group of confirms goes one by one");
            one_by_one(gate, group);
        }
        Err(_) => {
            tracing::warn!(confirms = group.len(), "postgres is slow to confirm a group");
            one_by_one(gate, group);
        }
    }
}

fn one_by_one(gate: &Arc<Gate>, group: Vec<Waiting>) {
    for waiting in group {
        tokio::spawn(by_itself(gate.clone(), waiting));
    }
}

/// Whoever confirms the same hold, or comes with the same key, goes after the first.
fn first_of_each(group: Vec<Waiting>) -> (Vec<Waiting>, Vec<Waiting>) {
    let (mut holds, mut keys) = (HashSet::new(), HashSet::new());
    group.into_iter().partition(|waiting| {
        let is_first = holds.insert(waiting.id);
        waiting.key.as_ref().is_none_or(|key| keys.insert(key.name())) && is_first
    })
}

async fn by_itself(gate: Arc<Gate>, waiting: Waiting) {
    let reply = waiting.alone(&gate).await;
    // Whoever hung up keeps what was bought; a retry tells.
    let _ = waiting.answer.send(reply);
}

/// A group's answers in their order, and what it sold.
type Written = (Vec<Option<Result<Reply, FlowError>>>, Vec<Hold>);

/// Confirms a group in one transaction; the answer to each, in their order. A group that fails gives up its keys
/// before this returns.
async fn write(
    gate: &Arc<Gate>,
    group: &[Waiting],
) -> Result<Vec<Result<Reply, FlowError>>, FlowError> {
    let mut tx = gate.ledger.begin().await?;
    let (answers, sold) = match write_in(&mut tx, group).await {
        Ok(written) => written,
        Err(error) => {
            idempotency::take_back(tx).await;
            return Err(error);
        }
    };
    tx.commit().await?;
    point(Point::SettleCommitted).await?;
    after(gate, &sold).await;
    point(Point::SettleTold).await?;
    let unanswered = || LedgerError::Impossible("a confirm without an answer");
    answers.into_iter().map(|answer| Ok(answer.ok_or_else(unanswered)?)).collect()
}

async fn write_in(tx: &mut Tx, group: &[Waiting]) -> Result<Written, FlowError> {
    let keys: Vec<&Key> = group.iter().filter_map(|waiting| waiting.key.as_ref()).collect();
    let mut claims = tx.claim_all(&keys).await?.into_iter();
    let mut answers: Vec<Option<Result<Reply, FlowError>>> = Vec::new();
    for waiting in group {
        let stored = if waiting.key.is_some() { claims.next() } else { Some(Stored::Nothing) };
        answers.push(match stored.ok_or(LedgerError::Impossible("a key without a claim"))? {
            Stored::Nothing => None,
            Stored::Answer { status, body } => Some(Ok(Reply { status, body })),
            Stored::Reused => Some(Err(Refusal::KeyReused.into())),
            Stored::InProgress => Some(Err(Refusal::KeyInProgress.into())),
        });
    }
    let fresh: Vec<&Waiting> =
        group.iter().zip(&answers).filter(|(_, a)| a.is_none()).map(|(w, _)| w).collect();
    let purchases: Vec<Purchase> = fresh.iter().map(|w| w.purchase()).collect();
    let mut ended = tx.confirm_all(&purchases).await?.into_iter();
    let (mut sold, mut to_store) = (Vec::new(), Vec::new());
    for (waiting, answer) in group.iter().zip(&mut answers).filter(|(_, a)| a.is_none()) {
        let (confirmed, noted) =
            ended.next().ok_or(LedgerError::Impossible("a purchase unanswered"))?;
        match &confirmed {
            Confirmed::Unknown => {
                *answer = Some(Err(Refusal::NoSuchHold.into()));
                continue;
            }
            Confirmed::Now(hold) => sold.push(hold.clone()),
            Confirmed::Before(_) => {}
        }
        let outcome = settle::outcome(confirmed, noted);
        let reply = (waiting.render)(&outcome);
        if let Some(key) = &waiting.key {
            to_store.push((key, reply.clone()));
        }
        *answer = Some(Ok(reply));
    }
    let rows: Vec<_> = to_store.iter().map(|(key, r)| (*key, r.status, &r.body)).collect();
    tx.store_all(&rows).await?;
    point(Point::SettleInTx).await?;
    Ok((answers, sold))
}

/// What follows from purchases, once for each sale.
async fn after(gate: &Arc<Gate>, sold: &[Hold]) {
    if sold.is_empty() {
        return;
    }
    counter!(telemetry::HOLDS_ENDED, "state" => HoldState::Confirmed.as_str())
        .increment(sold.len() as u64);
    let sales: HashSet<_> = sold.iter().map(|hold| hold.sale).collect();
    for line in sales.into_iter().filter_map(|sale| gate.line_of(sale)) {
        operate::after_purchase(gate, &line).await;
    }
    gate.nudge();
}
