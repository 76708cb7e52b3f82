//! Money that fits no order: payment references that are listed until a person has dealt with them.

use serde_json::json;

use crate::engine::checkout::idempotency;
use crate::engine::checkout::idempotency::Kept;
use crate::engine::reports::listings::Cursor;
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::ledger::{Key, Tx};
use crate::model::SaleId;

pub use crate::ledger::{Payment, PaymentKind};

/// Turns an entry, or the refusal, into the answer that goes out and is stored.
pub type Render = fn(&Result<Payment, Refusal>) -> Reply;

/// A page of the references that a sale keeps besides those of its orders, newest first.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn list(
    gate: &Gate,
    sale: SaleId,
    only_open: bool,
    after: Option<Cursor>,
    limit: i64,
) -> Result<Vec<Payment>, FlowError> {
    Ok(gate.ledger.list_payments(sale, only_open, after, limit).await?)
}

/// How many references of the shop's wait for a person, and the first of all that wait.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn open(gate: &Gate, sale: SaleId, limit: i64) -> Result<(i64, Vec<Payment>), FlowError> {
    Ok(gate.ledger.open_payments(sale, limit).await?)
}

/// Marks an entry as dealt with. Repeated, the entry as the first one left it.
///
/// # Errors
/// Refused with `NoSuchPayment` where the sale has no such entry.
pub async fn resolve(
    gate: &Gate,
    actor: &str,
    sale: SaleId,
    (id, note): (i64, &str),
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let step = async |tx: &mut Tx| {
        let done = tx.resolve_payment(sale, id, actor, note).await?;
        let (payment, changed) = done.ok_or(Refusal::NoSuchPayment)?;
        if changed {
            let detail = json!({ "payment": id.to_string(), "payment_reference": payment.reference,
                                 "kind": payment.kind.as_str(), "note": note });
            tx.audit(sale, actor, "resolve-payment", &detail).await?;
        }
        Ok((render(&Ok(payment)), ()))
    };
    match idempotency::under_key(gate, key.as_ref(), step).await? {
        Kept::Before(reply) => Ok(reply),
        Kept::Now(tx, reply, ()) => {
            // A commit without an answer may have been done: a repetition with the same key tells.
            tx.commit().await.map_err(|error| FlowError::Unknown(error.into()))?;
            Ok(reply)
        }
    }
}
