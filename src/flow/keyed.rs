//! Idempotency keys: the same key and body get the same answer again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

use super::{Gate, Reply};
use crate::faults::{Mistake, made};
use crate::ledger::{Key, LedgerError, Stored};
use crate::sale::SaleId;

/// How long a join waits for its idempotency record: as long as for its journal. The record is written all
/// the same, a little later.
const KNOWN_WITHIN: Duration = Duration::from_millis(250);
/// Answers that may wait to be stored; as many as joins may wait for their place.
const ANSWER_QUEUE: usize = 20_000;
/// Answers stored with one statement.
const MOST_ANSWERS: usize = 500;

/// Longest time for one group; the next one must not wait for a Postgres that hangs.
const STORE_WITHIN: Duration = Duration::from_secs(3);

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
