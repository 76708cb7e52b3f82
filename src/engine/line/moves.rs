//! A place that goes on on another device: a link that works once and soon ends, and which credentials are
//! over since. Postgres keeps it; each gateway has the moves of running sales in memory.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::engine::line::{line_mirror, ticket_state};
use crate::engine::{FlowError, Gate, Refusal};
use crate::ledger::Moved;
use crate::model::{Claim, SaleId, Ticket};

/// How long a link works: to fetch the other device and point its camera, and no longer.
pub const LINK_SECONDS: f64 = 300.0;

/// Tickets of running sales that were moved, as this gateway knows them.
#[derive(Debug, Default)]
pub struct Moves {
    known: RwLock<HashMap<Ticket, Moved>>,
    /// How often something was learnt. A watcher looks closer only when this has changed.
    news: AtomicU64,
    /// Postgres's time up to which moves were read.
    read_to: RwLock<Option<Timestamp>>,
}

impl Moves {
    pub fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    /// Whether this credential's place is on another device by now. A later generation than is known here was
    /// signed by a gateway that knows more, and is learnt from.
    pub fn is_moved(&self, claim: &Claim) -> bool {
        if claim.generation == 0 && self.news() == 0 {
            return false; // As nearly always: nobody has moved.
        }
        let known = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            known.get(&claim.ticket).map_or(0, |moved| moved.generation)
        };
        if claim.generation > known {
            let Claim { sale, ticket, generation, .. } = *claim;
            self.learn(Moved { sale, ticket, generation });
        }
        claim.generation < known
    }

    fn learn(&self, moved: Moved) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let entry = known.entry(moved.ticket).or_insert(Moved { generation: 0, ..moved });
        if entry.generation < moved.generation {
            entry.generation = moved.generation;
            self.news.fetch_add(1, Ordering::Release);
        }
    }

    /// Keeps those of running sales; of the others Postgres is asked anyway.
    pub(crate) fn keep(&self, running: &HashSet<SaleId>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, moved| running.contains(&moved.sale));
        known.shrink_to_fit();
    }
}

/// Reads what was moved since the last time. `now` is Postgres's time before it is asked.
pub(crate) async fn read(gate: &Gate, now: Timestamp) -> Result<(), FlowError> {
    let since = *gate.moves.read_to.read().unwrap_or_else(PoisonError::into_inner);
    for moved in gate.ledger.moves(since).await? {
        gate.moves.learn(moved);
    }
    *gate.moves.read_to.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
    Ok(())
}

/// A link to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub code: String,
    pub expires_at: Timestamp,
}

/// A code is only ever compared by its digest.
fn print(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Makes a link that takes a place to another device. The newest one works; the same key makes the same one.
///
/// # Errors
/// Refused with `Moved` when the place is on another device already. Unavailable while the journal does not
/// have the ticket yet.
pub async fn link(gate: &Arc<Gate>, claim: Claim, key: &str) -> Result<Link, FlowError> {
    let code = gate.signer.move_code(claim, key);
    if let Some(expires_at) = gate.ledger.link(claim, &print(&code), LINK_SECONDS).await? {
        return Ok(Link { code, expires_at });
    }
    let Some(facts) = gate.ledger.ticket(claim.sale, claim.ticket).await? else {
        return Err(FlowError::Unavailable("postgres", None));
    };
    if facts.generation > claim.generation {
        return Err(Refusal::Moved.into());
    }
    Err(FlowError::Internal(anyhow::anyhow!("a ticket in the journal that takes no link")))
}

/// Whose place a link leads to. `by` is the key of who would use it.
///
/// # Errors
/// Refused with `LinkEnded` when it was used by somebody else, is too old, or never was one.
pub async fn linked(gate: &Gate, code: &str, by: &str) -> Result<Claim, FlowError> {
    let claim = gate.ledger.linked(&print(code), &print(by)).await?;
    Ok(claim.ok_or(Refusal::LinkEnded)?)
}

/// Uses a link: the place is the caller's from now on, and the device that had it has it no more. Repeated with
/// the same key, the same. `own` is the claim that the caller has in this sale already, if any.
///
/// # Errors
/// Refused with `LinkEnded`, or with `AlreadyInLine` when the caller has another live place in this sale:
/// it would be lost without a word.
pub async fn take(
    gate: &Arc<Gate>,
    code: &str,
    by: &str,
    own: impl Fn(SaleId) -> Option<Claim>,
) -> Result<Claim, FlowError> {
    let offered = linked(gate, code, by).await?;
    if let Some(own) = own(offered.sale).filter(|own| own.ticket != offered.ticket)
        && is_live(gate, own).await?
    {
        return Err(Refusal::AlreadyInLine.into());
    }
    let claim = gate.ledger.take(&print(code), &print(by)).await?.ok_or(Refusal::LinkEnded)?;
    let Claim { sale, ticket, generation, .. } = claim;
    gate.moves.learn(Moved { sale, ticket, generation });
    gate.nudge();
    Ok(claim)
}

/// Whether a ticket still leads anywhere.
async fn is_live(gate: &Arc<Gate>, claim: Claim) -> Result<bool, FlowError> {
    let view = match gate.line_of(claim.sale) {
        Some(line) => line.view(),
        None => line_mirror::past_view(gate, claim.sale).await?,
    };
    match ticket_state::afresh(gate, &view, claim).await {
        Ok(state) => Ok(state.stage.is_live()),
        Err(FlowError::Refused(Refusal::Moved | Refusal::NoSuchTicket)) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Seq;

    fn claim(ticket: Ticket, generation: u32) -> Claim {
        Claim { sale: SaleId::new(), ticket, seq: Seq(1), generation }
    }

    #[test]
    fn an_earlier_generation_is_over_and_a_later_one_is_learnt_from() {
        let (moves, ticket) = (Moves::default(), Ticket::new());
        assert!(!moves.is_moved(&claim(ticket, 0)));
        assert!(!moves.is_moved(&claim(ticket, 2)), "signed by somebody who knows more");
        assert!(moves.is_moved(&claim(ticket, 1)));
        assert!(moves.is_moved(&claim(ticket, 0)));
        assert!(!moves.is_moved(&claim(Ticket::new(), 0)), "another ticket");
        assert_eq!(moves.news(), 1);
    }

    #[test]
    fn what_is_learnt_again_is_no_news_and_closed_sales_are_forgotten() {
        let (moves, claim) = (Moves::default(), claim(Ticket::new(), 1));
        let moved = Moved { sale: claim.sale, ticket: claim.ticket, generation: 1 };
        moves.learn(moved);
        moves.learn(moved);
        assert_eq!(moves.news(), 1);
        moves.keep(&HashSet::from([claim.sale]));
        assert!(moves.is_moved(&Claim { generation: 0, ..claim }));
        moves.keep(&HashSet::new());
        assert!(!moves.is_moved(&Claim { generation: 0, ..claim }));
    }
}
