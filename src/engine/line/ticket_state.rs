//! The state of one ticket: the whole truth about it at one moment, the same for poll, socket and page.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::engine::line::line_view;
use crate::engine::line::line_view::View;
use crate::engine::line::{join, line_mirror, returning};
use crate::engine::{FlowError, Gate, Refusal};
use crate::ledger::{Fate, SaleSnapshot, TicketFacts, Writing};
use crate::model::line::outlook;
use crate::model::line::outlook::Eta;
use crate::model::line::pace::Reason;
use crate::model::{Claim, Hold, HoldState, SaleState, Seq, Status, Stock};
use crate::redis::Waiter;

/// What a shopper is told.
#[derive(Debug, Clone, PartialEq)]
pub struct TicketState {
    pub claim: Claim,
    /// Rises with every change of what is shown, on whichever gateway.
    pub version: u64,
    pub server_time: Timestamp,
    pub notice: Option<String>,
    pub stage: Stage,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    Scheduled { starts_at: Option<Timestamp>, waiting: u64, next_poll_seconds: u64 },
    Waiting(Waiting),
    Admitted { hold: Hold, checkout_url: Option<String> },
    Confirmed { hold: Hold },
    Expired { hold: Hold, rejoin: bool },
    Released { hold: Hold, rejoin: bool },
    SoldOut,
    Closed,
    Left,
    Removed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    pub position: u64,
    pub waiting: u64,
    pub stock: Option<Stock>,
    pub next_return_at: Option<Timestamp>,
    pub eta: Option<Eta>,
    /// Why the wait may be longer than one that was told before.
    pub wait_reason: Option<Reason>,
    pub chance: Option<f64>,
    pub paused: bool,
    pub next_poll_seconds: u64,
}

impl Stage {
    /// Nothing will change any more, and a socket has said its last word.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Scheduled { .. } | Self::Waiting(_) | Self::Admitted { .. } => false,
            Self::Confirmed { .. }
            | Self::Expired { .. }
            | Self::Released { .. }
            | Self::SoldOut
            | Self::Closed
            | Self::Left
            | Self::Removed => true,
        }
    }

    /// Whether a caller who joins again is given this ticket and no new one.
    pub fn is_live(&self) -> bool {
        match self {
            Self::Scheduled { .. }
            | Self::Waiting(_)
            | Self::Admitted { .. }
            | Self::Confirmed { .. } => true,
            Self::Expired { .. }
            | Self::Released { .. }
            | Self::SoldOut
            | Self::Closed
            | Self::Left
            | Self::Removed => false,
        }
    }

    /// Stages only go forward, so they are the high part of a version: a later stage is newer, whatever
    /// its gateway has seen of the line.
    fn rank(&self) -> u64 {
        match self {
            Self::Scheduled { .. } => 0,
            Self::Waiting(_) => 1,
            Self::Admitted { .. } => 2,
            Self::Confirmed { .. }
            | Self::Expired { .. }
            | Self::Released { .. }
            | Self::SoldOut
            | Self::Closed
            | Self::Left
            | Self::Removed => 3,
        }
    }
}

/// Bits of a version below its stage: enough for 64 steps to a Unix millisecond until the year 2527, and
/// the whole stays exact as a double.
const VERSION_BITS: u32 = 50;

/// The state of a ticket that is in line, from memory alone; nothing when Postgres must be asked. Memory has
/// numbers and no tickets, so a number that may be another ticket's too does not tell.
pub fn in_line(gate: &Gate, view: &View, claim: Claim) -> Option<TicketState> {
    if view.snapshot.is_doubtful(claim.seq) { None } else { of_own_number(gate, view, claim) }
}

/// The same for a ticket whose number the journal has told.
pub(crate) fn of_own_number(gate: &Gate, view: &View, claim: Claim) -> Option<TicketState> {
    let sale = &view.snapshot.sale;
    if sale.state == SaleState::Closed
        || sale.was_told_sold_out(claim.seq)
        || !view.knows(claim.seq)
        || !view.is_waiting(claim.seq)
    {
        return None;
    }
    Some(state(gate, view, claim, waiting_stage(view, claim, view.position(claim.seq))))
}

/// The state of a ticket, asking Postgres where memory does not tell.
///
/// # Errors
/// Unavailable when Postgres is needed and away.
pub async fn of(gate: &Arc<Gate>, view: &View, claim: Claim) -> Result<TicketState, FlowError> {
    Ok(looked_up(gate, view, claim).await?.0)
}

/// The same, and whether the journal told the ticket's number. Memory has numbers and no tickets, so a state from
/// memory does not prove that the number is this ticket's.
pub(crate) async fn looked_up(
    gate: &Arc<Gate>,
    view: &View,
    claim: Claim,
) -> Result<(TicketState, bool), FlowError> {
    if let Some(state) = in_line(gate, view, claim) {
        return Ok((state, false));
    }
    // A place that the journal counts is too low while joins in front are not journaled yet.
    if !view.knows(claim.seq)
        && let Some(newer) = line_mirror::seen_by_now(gate, claim).await
    {
        if let Some(state) = in_line(gate, &newer, claim) {
            return Ok((state, false));
        }
        return Ok((Box::pin(by_journal(gate, &newer, claim)).await?, true));
    }
    Ok((by_journal(gate, view, claim).await?, true))
}

/// The state of a ticket by its row.
async fn by_journal(gate: &Arc<Gate>, view: &View, claim: Claim) -> Result<TicketState, FlowError> {
    let facts = gate.ledger_of(claim.sale).ticket(claim.sale, claim.ticket).await?;
    if facts.as_ref().is_some_and(|facts| facts.generation > claim.generation) {
        return Err(Refusal::Moved.into());
    }
    // The journal knows better than a credential whose number was another ticket's.
    let seq = facts.as_ref().map(|facts| facts.seq).filter(|seq| seq.is_in_line());
    let mut claim = Claim { seq: seq.unwrap_or(claim.seq), ..claim };
    let mut counted = 0;
    let stage = match facts {
        None => match adopt(gate, view, claim).await {
            Ok(seq) => {
                claim.seq = seq;
                undecided(gate, view, claim, &mut counted).await?
            }
            // It had no place of its own left, and there is none to be had any more.
            Err(FlowError::Refused(Refusal::SoldOut)) => stays_sold_out(gate, claim).await?,
            Err(FlowError::Refused(Refusal::SaleClosed)) => Stage::Closed,
            Err(error) => return Err(error),
        },
        Some(facts) => match facts.fate {
            Fate::Left => Stage::Left,
            Fate::Removed => Stage::Removed,
            Fate::Waiting if !facts.seq.is_in_line() => Stage::SoldOut,
            Fate::Waiting => undecided(gate, view, claim, &mut counted).await?,
            Fate::Admitted => held(view, facts.hold.ok_or_else(no_hold)?),
        },
    };
    let mut state = state(gate, view, claim, stage);
    state.version += counted.saturating_sub(view.version);
    Ok(state)
}

/// How long a caller who joins again waits for Postgres, before memory decides. Longer than a join: these
/// are few, and memory may show a place in line to somebody whose turn is over.
const AFRESH_WITHIN: Duration = Duration::from_millis(1_500);

/// The state of a ticket for a caller who would join again: whether it ended is asked of Postgres, because
/// the mirror of this gateway may not have heard of it yet.
///
/// # Errors
/// Unavailable when Postgres is needed and away.
pub async fn afresh(gate: &Arc<Gate>, view: &View, claim: Claim) -> Result<TicketState, FlowError> {
    let ledger = gate.ledger_of(claim.sale);
    let facts = timeout(AFRESH_WITHIN, ledger.ticket(claim.sale, claim.ticket)).await;
    let stage = match facts.ok().and_then(Result::ok).flatten() {
        Some(facts) if facts.generation > claim.generation => return Err(Refusal::Moved.into()),
        Some(TicketFacts { fate: Fate::Left, .. }) => Stage::Left,
        Some(TicketFacts { fate: Fate::Removed, .. }) => Stage::Removed,
        Some(TicketFacts { fate: Fate::Admitted, hold: Some(hold), .. }) => held(view, hold),
        Some(_) | None => return of(gate, view, claim).await,
    };
    Ok(state(gate, view, claim, stage))
}

/// Whether nothing will change any more for this ticket: from memory, or by two rows of Postgres.
///
/// # Errors
/// Unavailable when Postgres is needed and away.
pub async fn is_over(gate: &Gate, claim: Claim) -> Result<bool, FlowError> {
    let line = gate.line_of(claim.sale);
    if line.is_some_and(|line| in_line(gate, &line.view(), claim).is_some()) {
        return Ok(false);
    }
    let sale = match gate.sale(&claim.sale.to_string()).await {
        Err(FlowError::Refused(Refusal::NoSuchSale)) => return Ok(true),
        found => found?,
    };
    let facts = gate.ledger.ticket(claim.sale, claim.ticket).await?;
    let Some(facts) = facts else { return Ok(sale.state == SaleState::Closed) };
    if facts.generation > claim.generation {
        return Ok(true);
    }
    Ok(match facts.fate {
        Fate::Left | Fate::Removed => true,
        Fate::Waiting => sale.state == SaleState::Closed || sale.was_told_sold_out(facts.seq),
        Fate::Admitted => facts.hold.is_some_and(|hold| hold.state != HoldState::Active),
    })
}

fn no_hold() -> FlowError {
    FlowError::Internal(anyhow::anyhow!("an admitted ticket without a hold"))
}

fn state(gate: &Gate, view: &View, claim: Claim, stage: Stage) -> TicketState {
    TicketState {
        claim,
        version: (stage.rank() << VERSION_BITS) + view.version,
        server_time: gate.clock.now(),
        notice: view.snapshot.sale.notice.clone(),
        stage,
    }
}

fn held(view: &View, hold: Hold) -> Stage {
    let rejoin = match view.snapshot.sale.status() {
        Status::Scheduled | Status::Open | Status::Paused => true,
        Status::SoldOut | Status::Closed => false,
    };
    match hold.state {
        HoldState::Active => {
            let url = view.snapshot.sale.settings.checkout_url.clone();
            Stage::Admitted { hold, checkout_url: url }
        }
        HoldState::Confirmed => Stage::Confirmed { hold },
        HoldState::Expired => Stage::Expired { hold, rejoin },
        HoldState::Released => Stage::Released { hold, rejoin },
    }
}

/// A ticket that the journal has waiting and the mirror has not: its sale is over, or the line is being
/// read or rebuilt just now. `counted` is the version of a place that the journal counts: the time of the count,
/// for the view may be seconds older while connections are short, and newer views show higher places.
async fn undecided(
    gate: &Gate,
    view: &View,
    claim: Claim,
    counted: &mut u64,
) -> Result<Stage, FlowError> {
    let sale = &view.snapshot.sale;
    if sale.was_told_sold_out(claim.seq) {
        return Ok(Stage::SoldOut); // It stays so when the sale is closed.
    }
    if sale.state == SaleState::Closed {
        return Ok(Stage::Closed);
    }
    let position = if view.knows(claim.seq) {
        view.position(claim.seq)
    } else {
        let place = gate.ledger.waiting_before(claim.sale, claim.seq).await? + 1;
        *counted = line_view::version_at(gate.clock.earlier(gate.clock.now()));
        place
    };
    Ok(waiting_stage(view, claim, position))
}

/// A good credential that Postgres never heard of: its join was answered while Postgres was away, and its
/// gateway ended before it was journaled. The credential is the receipt. Returns its number.
async fn adopt(gate: &Arc<Gate>, view: &View, claim: Claim) -> Result<Seq, FlowError> {
    let mut tx = gate.ledger.share_line(claim.sale).await?;
    let journaled = tx.journal(&[(claim.ticket, claim.seq)], Writing::Answered).await?;
    tx.commit().await?;
    if !journaled.refused.is_empty() {
        return Err(Refusal::TicketRefused.into());
    }
    if !journaled.doubled.is_empty() {
        // Another ticket has this number by now: Redis lost it before anyone could write it down. It gets
        // one of its own, for a good credential never is no ticket.
        let line = gate.line_of(claim.sale).ok_or(Refusal::SaleClosed)?;
        return Ok(join::join(gate, &line, claim.ticket).await?.seq);
    }
    let sale = &view.snapshot.sale;
    if sale.state != SaleState::Closed && !sale.was_told_sold_out(claim.seq) {
        let waiter = Waiter { ticket: claim.ticket, seq: claim.seq };
        if let Err(error) = gate.live.restore(claim.sale, journaled.epoch, &[waiter]).await {
            tracing::warn!(sale.id = %claim.sale, error = format!("{error:#}"), "not in line yet");
            // It is in the journal now; without a line here the auditor of another gateway puts it in line.
            if let Some(line) = gate.line_of(claim.sale) {
                returning::restore_soon(gate, &line, vec![waiter]);
            }
        }
    }
    gate.nudge();
    Ok(claim.seq)
}

/// Writes down that a ticket without a place is told that the sale is sold out, before it is told: a place that
/// another gateway may be asking for just now must not follow.
async fn stays_sold_out(gate: &Gate, claim: Claim) -> Result<Stage, FlowError> {
    let mut tx = gate.ledger.share_line(claim.sale).await?;
    let is_written = tx.end_sold_out(claim.ticket).await?;
    tx.commit().await?;
    if is_written {
        return Ok(Stage::SoldOut);
    }
    // Units were added, or the ticket was given a row since: the next look tells which.
    Err(FlowError::Unavailable("gateway", None))
}

fn waiting_stage(view: &View, claim: Claim, position: u64) -> Stage {
    let snapshot = &view.snapshot;
    let sale = &snapshot.sale;
    let waiting = view.waiting().max(position);
    if sale.state == SaleState::Scheduled {
        let next_poll_seconds = next_poll(SCHEDULED_POLL, sale.settings.checkout_window_seconds);
        return Stage::Scheduled { starts_at: sale.settings.starts_at, waiting, next_poll_seconds };
    }
    debug_assert!(position >= 1, "number {} at place 0", claim.seq);
    let stock = snapshot.stock;
    let count = |n: i64| n.max(0).unsigned_abs();
    let chance = outlook::chance(
        position - 1,
        count(stock.held),
        count(stock.available() + stock.held),
        count(stock.sold),
        count(stock.sold + snapshot.returned),
    );
    Stage::Waiting(Waiting {
        position,
        waiting,
        stock: (!sale.settings.hide_stock).then_some(stock),
        next_return_at: snapshot
            .next_return_at
            .filter(|_| stock.available() == 0 && !sale.settings.hide_stock),
        eta: view
            .pace
            .and_then(|pace| outlook::eta(position, pace))
            .filter(|_| is_moving(snapshot)),
        wait_reason: view.wait_reason,
        chance: chance.filter(|_| stock.seeded > 0),
        paused: sale.state == SaleState::Paused,
        next_poll_seconds: next_poll(position, sale.settings.checkout_window_seconds),
    })
}

/// Whether anybody can be let in now. While nobody can, the pace of the last minute says nothing of the wait.
fn is_moving(snapshot: &SaleSnapshot) -> bool {
    snapshot.sale.state == SaleState::Open && snapshot.stock.available() > 0
}

/// Before the start everybody polls as somebody at this place would.
const SCHEDULED_POLL: u64 = 400;
/// Most seconds between two polls.
const POLL_MOST: u64 = 30;

/// Seconds until a client that polls should ask again: soon near the front, and never so late that a turn
/// could pass by unseen.
fn next_poll(position: u64, window_seconds: i32) -> u64 {
    let window = u64::from(window_seconds.unsigned_abs());
    (1 + position / 100).min(POLL_MOST).min(window / 3).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_come_sooner_near_the_front_and_at_most_a_third_of_the_window_apart() {
        assert_eq!(next_poll(1, 600), 1);
        assert_eq!(next_poll(450, 600), 5);
        assert_eq!(next_poll(1_000_000, 600), 30);
        assert_eq!(next_poll(1_000_000, 12), 4);
        assert_eq!(next_poll(1_000_000, 1), 1);
    }
}
