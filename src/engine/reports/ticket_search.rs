//! Finding one shopper for an operator, and telling what became of the ticket and what its page shows.

use std::sync::Arc;

use crate::engine::line::line_mirror;
use crate::engine::line::ticket_state;
use crate::engine::line::ticket_state::TicketState;
use crate::engine::{FlowError, Gate, Refusal};
use crate::model::{Claim, SaleId, Ticket};

pub use crate::ledger::{Fate, Story};

/// Tickets that are known by this: a ticket's id or number, a hold's or an order's id, a payment reference.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn find(gate: &Gate, sale: SaleId, text: &str) -> Result<Vec<Ticket>, FlowError> {
    if text.is_empty() || text.contains('\0') {
        return Ok(Vec::new());
    }
    Ok(gate.ledger.find_tickets(sale, text).await?)
}

/// One ticket's story, and the state that its shopper is shown now.
///
/// # Errors
/// Refused with `NoSuchTicket` for one that the journal does not have.
pub async fn story(
    gate: &Arc<Gate>,
    sale: SaleId,
    ticket: Ticket,
) -> Result<(Story, TicketState), FlowError> {
    let story = gate.ledger.story(sale, ticket).await?.ok_or(Refusal::NoSuchTicket)?;
    let view = match gate.line_of(sale) {
        Some(line) => line.view(),
        None => line_mirror::past_view(gate, sale).await?,
    };
    // As the device sees it that has the place now.
    let generation = gate.ledger.ticket(sale, ticket).await?.map_or(0, |facts| facts.generation);
    let claim = Claim { sale, ticket, seq: story.seq, generation };
    let shown = ticket_state::of(gate, &view, claim).await?;
    Ok((story, shown))
}
