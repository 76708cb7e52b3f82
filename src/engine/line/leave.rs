//! Leaving: by the shopper, or by an operator's hand. The journal row decides against admission.

use std::sync::Arc;

use crate::engine::line::line_mirror;
use crate::engine::{FlowError, Gate, Refusal};
use crate::faults::{Point, point};
use crate::ledger::Fate;
use crate::model::{Claim, HoldState, SaleId, Ticket};

/// Takes the shopper's own ticket out of the line. Repeated, the same.
///
/// # Errors
/// Refused with `AlreadyAdmitted` for a ticket that holds a unit, `Moved` when the place is on another device.
pub async fn leave(gate: &Arc<Gate>, claim: Claim) -> Result<(), FlowError> {
    let mut tx = gate.ledger.share_line(claim.sale).await?;
    if tx.generation(claim.sale, claim.ticket).await? > claim.generation {
        return Err(Refusal::Moved.into());
    }
    // The ticket has a row from here on, also when its number was lost with Redis and is another ticket's, or
    // when the sale is over: no gateway can give it a place after this answer.
    let (fate, _) = tx.end_ticket(claim.ticket, claim.seq, false).await?;
    tx.commit().await?;
    point(Point::LeaveCommitted).await?;
    if fate == Fate::Admitted {
        return held(gate, claim.sale, claim.ticket).await;
    }
    out_of_line(gate, claim.sale, claim.ticket).await;
    Ok(())
}

/// Takes any ticket out of the line, on an operator's word. Repeated, the same.
///
/// # Errors
/// Refused with `NoSuchTicket` for one that never joined this sale, `AlreadyAdmitted` for one that holds a
/// unit.
pub async fn remove(
    gate: &Arc<Gate>,
    actor: &str,
    sale: SaleId,
    ticket: Ticket,
) -> Result<(), FlowError> {
    let mut tx = gate.ledger.share_line(sale).await?;
    let seq = tx.seq_of(sale, ticket).await?.ok_or(Refusal::NoSuchTicket)?;
    let (fate, changed) = tx.end_ticket(ticket, seq, true).await?;
    if changed {
        let detail = serde_json::json!({ "ticket": ticket.to_string(), "number": seq.0 });
        tx.audit(sale, actor, "remove", &detail).await?;
    }
    tx.commit().await?;
    if fate == Fate::Admitted {
        return held(gate, sale, ticket).await;
    }
    out_of_line(gate, sale, ticket).await;
    Ok(())
}

/// An admitted ticket cannot leave with its unit; one whose hold has ended is out already.
async fn held(gate: &Gate, sale: SaleId, ticket: Ticket) -> Result<(), FlowError> {
    let facts = gate.ledger.ticket(sale, ticket).await?;
    match facts.and_then(|facts| facts.hold).map(|hold| hold.state) {
        Some(HoldState::Released | HoldState::Expired) => Ok(()),
        Some(HoldState::Active | HoldState::Confirmed) | None => {
            Err(Refusal::AlreadyAdmitted.into())
        }
    }
}

/// Postgres has it; Redis is told, and the auditor tells it again should it not hear.
async fn out_of_line(gate: &Arc<Gate>, sale: SaleId, ticket: Ticket) {
    let Some(line) = gate.line_of(sale) else { return };
    let epoch = line.view().snapshot.sale.epoch;
    if let Err(error) = gate.live.leave(sale, epoch, ticket).await {
        tracing::warn!(sale.id = %sale, error = format!("{error:#}"), "ticket not taken out of line");
    }
    // Whoever looks here next sees it; the other gateways see it with their next tick.
    if let Err(error) = line_mirror::survey(gate, &line).await {
        tracing::debug!(sale.id = %sale, error = format!("{error:#}"), "line not read");
    }
}
