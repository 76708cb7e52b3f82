//! Following one ticket: when there is something new to tell its shopper, and when it can wait.
//!
//! Near the front every change is told, far back less often; never later than the promised staleness. A
//! state is whole, so whatever was skipped does not matter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::engine::line::line_mirror::Line;
use crate::engine::line::line_view::View;
use crate::engine::line::ticket_state;
use crate::engine::line::ticket_state::{Stage, TicketState, Waiting};
use crate::engine::{FlowError, Gate, Refusal};
use crate::model::Claim;

/// Up to here each change of place is told as it happens.
const NEAR: u64 = 500;
/// Further back a place is told at most this often: with the time until this gateway looks at the line again,
/// a shown place stays less than a second old.
const FAR_GAP: Duration = Duration::from_millis(650);
/// Changes that leave the place as it is wait this long: counts of others, the estimate.
const DETAIL_GAP: Duration = Duration::from_secs(2);
/// A state is told at least this often, so that a page can tell silence from a dead line.
const HEARTBEAT: Duration = Duration::from_secs(8);
/// An admitted ticket's hold is looked up at least this often; its end is also told by each view.
const RECHECK: Duration = Duration::from_secs(5);

/// Longest time for one look-up, so that a Postgres that hangs does not keep a turn.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(3);

/// One shopper's stream of states.
pub struct Follow {
    gate: Arc<Gate>,
    views: watch::Receiver<Arc<View>>,
    claim: Claim,
    /// The journal has told that this is the ticket's number.
    is_own_number: bool,
    /// The last state told, and when.
    shown: Option<(TicketState, Instant)>,
    /// When a place was last told that was another one than before.
    placed: Option<Instant>,
    /// The place is another one by now, and it was too soon to tell.
    is_behind: bool,
    /// The moves that were looked through for this ticket.
    moves: u64,
}

impl Follow {
    pub fn new(gate: Arc<Gate>, line: &Line, claim: Claim) -> Self {
        Self {
            gate,
            views: line.subscribe(),
            claim,
            is_own_number: false,
            shown: None,
            placed: None,
            is_behind: false,
            moves: 0,
        }
    }

    /// Whether the place went to another device, so that this shopper is told nothing more.
    pub fn is_moved(&mut self) -> bool {
        let news = self.gate.moves.news();
        if news == self.moves {
            return false;
        }
        let is_moved = self.gate.moves.is_moved(&self.claim);
        // Whoever asks again is told again.
        self.moves = if is_moved { self.moves } else { news };
        is_moved
    }

    /// The state now, whether it is news or not.
    ///
    /// # Errors
    /// Unavailable when Postgres is needed and away; refused with `Moved`.
    pub async fn now(&mut self) -> Result<TicketState, FlowError> {
        if self.is_moved() {
            return Err(Refusal::Moved.into());
        }
        let view = self.views.borrow_and_update().clone();
        let mut state = self.look_up(&view).await?;
        if let Some((shown, _)) = &self.shown {
            state.version = state.version.max(shown.version);
        }
        self.keep(&state);
        Ok(state)
    }

    /// Waits for the next state worth telling; nothing when the sale is let go or the place went to another
    /// device. Safe to cancel.
    pub async fn next(&mut self) -> Option<TicketState> {
        loop {
            if self.is_moved() {
                return None;
            }
            let Some((shown, told)) = &self.shown else {
                if let Ok(state) = self.now().await {
                    return Some(state);
                }
                self.views.changed().await.ok()?;
                continue;
            };
            let is_held = matches!(shown.stage, Stage::Admitted { .. });
            let beat = match self.placed {
                Some(placed) if self.is_behind => placed + FAR_GAP,
                Some(_) | None if is_held => *told + RECHECK,
                Some(_) | None => *told + HEARTBEAT,
            };
            tokio::select! {
                changed = self.views.changed() => changed.ok()?,
                () = sleep_until(beat) => {
                    if let Ok(state) = self.now().await {
                        return Some(state);
                    }
                    // Postgres is away: the last state stands, and the line is asked again.
                    self.views.changed().await.ok()?;
                }
            }
            if self.is_moved() {
                return None;
            }
            let view = self.views.borrow_and_update().clone();
            if let Some(state) = self.news(&view).await {
                return Some(state);
            }
        }
    }

    /// The state by this view; Postgres is asked by a few watchers at a time only.
    async fn look_up(&mut self, view: &View) -> Result<TicketState, FlowError> {
        let from_memory =
            if self.is_own_number { ticket_state::of_own_number } else { ticket_state::in_line };
        if let Some(state) = from_memory(&self.gate, view, self.claim) {
            return Ok(state);
        }
        // On the heap: in place it would make every waiting socket larger, and few ever look up anything.
        let (state, is_journaled) = Box::pin(async {
            let turn = self.gate.lookups.acquire().await;
            let looked_up = ticket_state::looked_up(&self.gate, view, self.claim);
            let state = timeout(LOOK_UP_WITHIN, looked_up).await;
            drop(turn);
            state.unwrap_or(Err(FlowError::Unavailable("postgres", None)))
        })
        .await?;
        // A number stays a ticket's once it is in the journal.
        (self.claim, self.is_own_number) = (state.claim, is_journaled);
        Ok(state)
    }

    /// What this view changes for the ticket, if that is to be told now.
    async fn news(&mut self, view: &View) -> Option<TicketState> {
        let (shown, _) = self.shown.as_ref()?;
        let is_held = matches!(shown.stage, Stage::Admitted { .. });
        if is_held
            && !view.ended.contains(&self.claim.ticket)
            && shown.notice == view.snapshot.sale.notice
        {
            return None;
        }
        let state = self.look_up(view).await.ok()?;
        let (shown, told) = self.shown.as_ref()?;
        let since = Since { told: told.elapsed(), placed: self.placed.map(|at| at.elapsed()) };
        let is_older = state.version < shown.version;
        if is_older || !is_due(shown, &state, since) {
            self.is_behind = !is_older && place(shown) != place(&state);
            return None;
        }
        self.keep(&state);
        Some(state)
    }

    fn keep(&mut self, state: &TicketState) {
        let now = Instant::now();
        let is_new_place =
            self.shown.as_ref().is_none_or(|(shown, _)| place(shown) != place(state));
        if is_new_place {
            self.placed = Some(now);
        }
        self.is_behind = false;
        self.shown = Some((state.clone(), now));
    }
}

/// How long ago something was told.
#[derive(Debug, Clone, Copy)]
struct Since {
    told: Duration,
    /// Another place than before; none when that was never.
    placed: Option<Duration>,
}

/// The place that a state tells.
fn place(state: &TicketState) -> Option<u64> {
    match &state.stage {
        Stage::Waiting(waiting) => Some(waiting.position),
        Stage::Scheduled { .. }
        | Stage::Admitted { .. }
        | Stage::Confirmed { .. }
        | Stage::Expired { .. }
        | Stage::Released { .. }
        | Stage::SoldOut
        | Stage::Closed
        | Stage::Left
        | Stage::Removed => None,
    }
}

/// Whether `new` is to be told so long after `old` was.
fn is_due(old: &TicketState, new: &TicketState, since: Since) -> bool {
    if old.notice != new.notice {
        return true;
    }
    match (&old.stage, &new.stage) {
        (Stage::Waiting(old), Stage::Waiting(new)) => is_place_due(old, new, since),
        (Stage::Scheduled { .. }, Stage::Scheduled { .. }) => {
            since.told >= DETAIL_GAP && old.stage != new.stage
        }
        (old, new) => old != new,
    }
}

fn is_place_due(old: &Waiting, new: &Waiting, since: Since) -> bool {
    if old.paused != new.paused {
        true
    } else if old.position != new.position {
        new.position <= NEAR || since.placed.is_none_or(|placed| placed >= FAR_GAP)
    } else {
        old != new && since.told >= DETAIL_GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64, waiting: u64) -> Waiting {
        Waiting {
            position,
            waiting,
            stock: None,
            next_return_at: None,
            eta: None,
            wait_reason: None,
            chance: None,
            paused: false,
            next_poll_seconds: 1,
        }
    }

    #[test]
    fn a_place_far_back_is_told_at_once_unless_another_one_was_told_just_now() {
        let (old, new) = (at(9_000, 10_000), at(8_900, 9_900));
        let told = Duration::ZERO;
        let due = |placed| is_place_due(&old, &new, Since { told, placed });
        assert!(due(None), "whatever else was told just now");
        assert!(due(Some(FAR_GAP)));
        assert!(!due(Some(FAR_GAP / 2)));
        let near = Since { told, placed: Some(Duration::ZERO) };
        assert!(is_place_due(&at(NEAR + 1, 900), &at(NEAR, 899), near), "near the front, always");
    }

    #[test]
    fn what_leaves_the_place_as_it_is_waits_longer() {
        let (old, new) = (at(9_000, 10_000), at(9_000, 9_900));
        let since = |told| Since { told, placed: None };
        assert!(!is_place_due(&old, &new, since(FAR_GAP)));
        assert!(is_place_due(&old, &new, since(DETAIL_GAP)));
        assert!(!is_place_due(&old, &old, since(DETAIL_GAP)));
    }
}
