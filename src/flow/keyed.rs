//! Idempotency keys: the same key and body get the same answer again.

use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::{FlowError, Gate, Refusal, Reply};
use crate::ledger::{Key, LedgerError, Stored};
use crate::sale::SaleId;

/// How long a join waits for its idempotency record: as long as for its journal.
const KNOWN_WITHIN: Duration = Duration::from_millis(250);

fn late(_: Elapsed) -> Result<Stored, LedgerError> {
    Err(LedgerError::Late)
}

/// A key, scoped to its caller and route.
pub fn key(caller: &str, route: &str, key: String, fingerprint: Vec<u8>) -> Key {
    Key { caller: caller.to_owned(), route: route.to_owned(), key, fingerprint }
}

/// The key of a join, which has no caller yet: who knows the key is the caller.
pub fn join_key(sale: SaleId, text: &str, fingerprint: Vec<u8>) -> Key {
    key("join", &format!("join {sale}"), text.to_owned(), fingerprint)
}

/// The answer that a key had before, if any.
///
/// # Errors
/// Refused with `KeyReused` when it came with another body. While Postgres is away nothing is known, and
/// the join itself is safe to repeat: its key names its ticket.
pub async fn replay(gate: &Gate, key: &Key) -> Result<Option<Reply>, FlowError> {
    match timeout(KNOWN_WITHIN, gate.ledger.stored(key)).await.unwrap_or_else(late) {
        Ok(Stored::Answer { status, body }) => Ok(Some(Reply { status, body })),
        Ok(Stored::Reused) => Err(Refusal::KeyReused.into()),
        Ok(Stored::Nothing | Stored::InProgress) => Ok(None),
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "join without its idempotency record");
            Ok(None)
        }
    }
}

/// Stores an answer under its key, unless one is there; returns the one that is there.
pub async fn remember(gate: &Gate, key: &Key, reply: Reply) -> Reply {
    let stored = async {
        if gate.ledger.store_first(key, reply.status, &reply.body).await? {
            return Ok(Stored::Nothing);
        }
        gate.ledger.stored(key).await
    };
    match timeout(KNOWN_WITHIN, stored).await.unwrap_or_else(late) {
        Ok(Stored::Answer { status, body }) => Reply { status, body },
        Ok(Stored::Nothing | Stored::Reused | Stored::InProgress) => reply,
        Err(error) => {
            tracing::warn!(error = format!("{error:#}"), "answer of a join not stored");
            reply
        }
    }
}
