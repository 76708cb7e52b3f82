//! Following one ticket: when there is something new to tell its shopper, and when it can wait.
//!
//! Near the front every change is told, far back less often; never later than the promised staleness. A
//! state is whole, so whatever was skipped does not matter.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::state::{self, Stage, TicketState, Waiting};
use super::view::View;
use super::watch::Line;
use super::{FlowError, Gate};
use crate::sale::Claim;

/// Up to here each change of place is told as it happens.
const NEAR: u64 = 500;
/// Further back a place is told at most this often; a shown place stays less than a second old.
const FAR_GAP: Duration = Duration::from_millis(800);
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
    shown: Option<(TicketState, Instant)>,
}

impl Follow {
    pub fn new(gate: Arc<Gate>, line: &Line, claim: Claim) -> Self {
        Self { gate, views: line.subscribe(), claim, shown: None }
    }

    /// The state now, whether it is news or not.
    ///
    /// # Errors
    /// Unavailable when Postgres is needed and away.
    pub async fn now(&mut self) -> Result<TicketState, FlowError> {
        let view = self.views.borrow_and_update().clone();
        let mut state = self.look_up(&view).await?;
        if let Some((shown, _)) = &self.shown {
            state.version = state.version.max(shown.version);
        }
        self.shown = Some((state.clone(), Instant::now()));
        Ok(state)
    }

    /// Waits for the next state worth telling; nothing when the sale is let go. Safe to cancel.
    pub async fn next(&mut self) -> Option<TicketState> {
        loop {
            let Some((shown, told)) = &self.shown else {
                if let Ok(state) = self.now().await {
                    return Some(state);
                }
                self.views.changed().await.ok()?;
                continue;
            };
            let is_held = matches!(shown.stage, Stage::Admitted { .. });
            let beat = *told + if is_held { RECHECK } else { HEARTBEAT };
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
            let view = self.views.borrow_and_update().clone();
            if let Some(state) = self.news(&view).await {
                return Some(state);
            }
        }
    }

    /// The state by this view; Postgres is asked by a few watchers at a time only.
    async fn look_up(&self, view: &View) -> Result<TicketState, FlowError> {
        if let Some(state) = state::in_line(&self.gate, view, self.claim) {
            return Ok(state);
        }
        let turn = self.gate.lookups.acquire().await;
        let state = timeout(LOOK_UP_WITHIN, state::of(&self.gate, view, self.claim)).await;
        drop(turn);
        state.unwrap_or(Err(FlowError::Unavailable("postgres", None)))
    }

    /// What this view changes for the ticket, if that is to be told now.
    async fn news(&mut self, view: &View) -> Option<TicketState> {
        let (shown, told) = self.shown.as_ref()?;
        let is_held = matches!(shown.stage, Stage::Admitted { .. });
        if is_held
            && !view.ended.contains(&self.claim.ticket)
            && shown.notice == view.snapshot.sale.notice
        {
            return None;
        }
        let state = self.look_up(view).await.ok()?;
        if !is_due(shown, &state, told.elapsed()) || state.version < shown.version {
            return None;
        }
        self.shown = Some((state.clone(), Instant::now()));
        Some(state)
    }
}

/// Whether `new` is to be told so long after `old` was.
fn is_due(old: &TicketState, new: &TicketState, since: Duration) -> bool {
    if old.notice != new.notice {
        return true;
    }
    match (&old.stage, &new.stage) {
        (Stage::Waiting(old), Stage::Waiting(new)) => is_place_due(old, new, since),
        (Stage::Scheduled { .. }, Stage::Scheduled { .. }) => {
            since >= DETAIL_GAP && old.stage != new.stage
        }
        (old, new) => old != new,
    }
}

fn is_place_due(old: &Waiting, new: &Waiting, since: Duration) -> bool {
    if old.paused != new.paused {
        true
    } else if old.position != new.position {
        new.position <= NEAR || since >= FAR_GAP
    } else {
        old != new && since >= DETAIL_GAP
    }
}
