//! Idempotency keys: the same key and body get the same answer again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::faults::{Mistake, made};
use crate::ledger::{Key, LedgerError, Stored, Tx};
use crate::model::SaleId;

/// How long a join waits for its idempotency record: as long as for its journal. The record is written all
/// the same, a little later.
const KNOWN_WITHIN: Duration = Duration::from_millis(250);
/// Answers that may wait to be stored; as many as joins may wait for their place.
const ANSWER_QUEUE: usize = 20_000;
/// Answers stored with one statement.
const MOST_ANSWERS: usize = 500;

/// Longest time for one group; the next one must not wait for a Postgres that hangs.
const STORE_WITHIN: Duration = Duration::from_secs(3);

/// How long a request waits for the first one with its key before it is told that the first is still running:
/// most that arrive together then get the same answer.
const FIRST_ENDS_WITHIN: Duration = Duration::from_secs(1);
/// Between two looks whether the first has ended. No connection is kept meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// Longest wait for a transaction to be taken back.
const BACK_WITHIN: Duration = Duration::from_secs(1);

/// What became of a step that was asked for under an idempotency key.
pub enum Kept<T> {
    /// It is done in this transaction, and so is its answer under the key; nothing is true before the commit.
    Now(Tx, Reply, T),
    /// It was done before; this was the answer.
    Before(Reply),
}

/// Does one step in a transaction of its own, under a key if there is one, and stores its answer with it. A key
/// is claimed nowhere else but in a group of confirms. Whatever ends the step early, the transaction is rolled
/// back before this returns, so that a retry does not meet its own key.
///
/// # Errors
/// What the step returns; refused with `KeyReused` and `KeyInProgress`.
pub async fn under_key<T>(
    gate: &Gate,
    key: Option<&Key>,
    step: impl AsyncFnOnce(&mut Tx) -> Result<(Reply, T), FlowError>,
) -> Result<Kept<T>, FlowError> {
    let mut tx = match claim(gate, key).await? {
        Claim::Free(tx) => tx,
        Claim::Answered(reply) => return Ok(Kept::Before(reply)),
    };
    let done = async {
        let (reply, value) = step(&mut tx).await?;
        if let Some(key) = key {
            tx.store(key, reply.status, &reply.body).await?;
        }
        Ok((reply, value))
    };
    match done.await {
        Ok((reply, value)) => Ok(Kept::Now(tx, reply, value)),
        Err(error) => {
            take_back(tx).await;
            Err(error)
        }
    }
}

/// What is found when a key is claimed.
enum Claim {
    /// The key is this transaction's.
    Free(Tx),
    Answered(Reply),
}

async fn claim(gate: &Gate, key: Option<&Key>) -> Result<Claim, FlowError> {
    let started = Instant::now();
    loop {
        let mut tx = gate.ledger.begin().await?;
        let Some(key) = key else { return Ok(Claim::Free(tx)) };
        let stored = match tx.claim(key).await {
            Ok(Stored::Nothing) => return Ok(Claim::Free(tx)),
            Ok(stored) => Ok(stored),
            Err(error) => Err(error),
        };
        take_back(tx).await;
        match stored? {
            Stored::Answer { status, body } => return Ok(Claim::Answered(Reply { status, body })),
            Stored::Reused => return Err(Refusal::KeyReused.into()),
            Stored::InProgress if started.elapsed() < FIRST_ENDS_WITHIN => sleep(LOOK_AGAIN).await,
            Stored::InProgress | Stored::Nothing => return Err(Refusal::KeyInProgress.into()),
        }
    }
}

/// The answer that was given under this key before, if any.
///
/// # Errors
/// Refused when the key came with another request, or the first one is still running.
pub async fn answered(gate: &Gate, key: &Key) -> Result<Option<Reply>, FlowError> {
    match claim(gate, Some(key)).await? {
        Claim::Answered(reply) => Ok(Some(reply)),
        Claim::Free(tx) => {
            take_back(tx).await;
            Ok(None)
        }
    }
}

/// Rolls back and waits for it. Without an answer the connection is given up, and Postgres rolls back when it
/// notices.
pub async fn take_back(tx: Tx) {
    match timeout(BACK_WITHIN, tx.rollback()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(error = format!("{error:#}"), "not rolled back here"),
        Err(_) => tracing::debug!("not rolled back in time"),
    }
}

/// Stores the answer to a step that changed nothing; returns the one that is stored.
///
/// # Errors
/// Unavailable while Postgres is away; refused as by `under_key`.
pub async fn store_alone(gate: &Gate, key: Option<&Key>, reply: Reply) -> Result<Reply, FlowError> {
    if key.is_none() {
        return Ok(reply);
    }
    match under_key(gate, key, async |_| Ok((reply, ()))).await? {
        Kept::Before(reply) => Ok(reply),
        Kept::Now(tx, reply, ()) => {
            tx.commit().await?;
            Ok(reply)
        }
    }
}

/// An answer on its way into the ledger.
struct Answer {
    key: Key,
    reply: Reply,
    /// What is stored under the key: this, or what was there before.
    kept: oneshot::Sender<Reply>,
}

/// Answers of joins on their way into the ledger. They are gathered as joins are.
pub struct Answers {
    arriving: mpsc::Sender<Answer>,
    arrived: Mutex<mpsc::Receiver<Answer>>,
}

impl Default for Answers {
    fn default() -> Self {
        let (arriving, arrived) = mpsc::channel(ANSWER_QUEUE);
        Self { arriving, arrived: Mutex::new(arrived) }
    }
}

/// A key, scoped to its caller and route.
pub fn key(caller: &str, route: &str, key: String, fingerprint: Vec<u8>) -> Key {
    let scope = if made(Mistake::KeyNotScoped) { "" } else { route };
    Key { caller: caller.to_owned(), route: scope.to_owned(), key, fingerprint }
}

/// The key of a join, which has no caller yet: who knows the key is the caller.
pub fn join_key(sale: SaleId, text: &str, fingerprint: Vec<u8>) -> Key {
    key("join", &format!("join {sale}"), text.to_owned(), fingerprint)
}

/// The answer that a join's key had before, if any; nothing while Postgres is away.
pub async fn replay(gate: &Gate, key: &Key) -> Option<Reply> {
    match timeout(KNOWN_WITHIN, gate.ledger.stored(key)).await {
        Ok(Ok(Stored::Answer { status, body })) => Some(Reply { status, body }),
        Ok(Ok(Stored::Nothing | Stored::Reused | Stored::InProgress) | Err(_)) | Err(_) => None,
    }
}

/// Stores a join's answer under its key, unless one is there; returns the one that is there. While Postgres
/// is away it is this one: the key names the ticket, so a retry finds the same place.
pub async fn remember(gate: &Gate, key: Key, reply: Reply) -> Reply {
    let (kept, told) = oneshot::channel();
    let answer = Answer { key, reply: reply.clone(), kept };
    if gate.answers.arriving.try_send(answer).is_err() {
        tracing::warn!("too many answers wait to be stored");
        return reply;
    }
    match timeout(KNOWN_WITHIN, told).await {
        Ok(Ok(kept)) => kept,
        Ok(Err(_)) | Err(_) => reply,
    }
}

/// Stores answers in groups, for as long as the gateway runs.
pub async fn keep(gate: &Gate) {
    let mut arrived = gate.answers.arrived.lock().await;
    let mut group = Vec::new();
    while arrived.recv_many(&mut group, MOST_ANSWERS).await > 0 {
        match timeout(STORE_WITHIN, store(gate, std::mem::take(&mut group))).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "answers of joins not stored");
            }
            Err(_) => tracing::warn!("answers of joins not stored in time"),
        }
    }
}

async fn store(gate: &Gate, group: Vec<Answer>) -> Result<(), LedgerError> {
    let rows: Vec<_> = group.iter().map(|a| (&a.key, a.reply.status, &a.reply.body)).collect();
    let mut first: HashSet<String> = gate.ledger.store_all(&rows).await?.into_iter().collect();
    for answer in group {
        // Whoever hung up does not need to be told.
        if first.remove(&answer.key.name()) {
            let _ = answer.kept.send(answer.reply);
        } else if let Stored::Answer { status, body } = gate.ledger.stored(&answer.key).await? {
            let _ = answer.kept.send(Reply { status, body });
        }
    }
    Ok(())
}
