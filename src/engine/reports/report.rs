//! What a sale came to, for people who look back at it; and, while it runs, a record of what was shown to a
//! few who wait, so that the waits and chances can be held against what came.

use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::time::sleep;

use crate::engine::line::line_mirror::Line;
use crate::engine::line::ticket_state::{Stage, in_line};
use crate::engine::{FlowError, Gate};
use crate::ledger::{Counted, SaleSnapshot, Shown};
use crate::model::{Claim, SaleState, Ticket};

pub use crate::ledger::{Action, CameTrue, Chances, Holds, Percentiles, Point, Ranges, Tickets};

/// How often a few places are written down; a slot of the table is as long.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// One sale, looked back at.
pub struct Report {
    pub snapshot: SaleSnapshot,
    /// The sale still runs, or a hold is still open.
    pub so_far: bool,
    pub counted: Counted,
    /// How long nobody was let in on an operator's word, or on ropeline's own.
    pub paused_seconds: i64,
}

impl Report {
    /// Confirmed of all holds that ended.
    pub fn conversion(&self) -> Option<f64> {
        let holds = &self.counted.holds;
        let ended = holds.confirmed + holds.released + holds.expired;
        (ended > 0).then(|| holds.confirmed as f64 / ended as f64)
    }
}

/// Counts a sale. One at a time: each may read a million rows, and the line goes on meanwhile.
///
/// # Errors
/// Unavailable while Postgres is away.
pub async fn report(gate: &Gate, reference: &str) -> Result<Report, FlowError> {
    let sale = gate.sale(reference).await?.id;
    let closed = || FlowError::Unavailable("the report", None);
    let _one_at_a_time = gate.reports.acquire().await.map_err(|_| closed())?;
    let counted = gate.ledger.count_for_report(sale).await?;
    let snapshot = gate.snapshot(sale).await?;
    let so_far = snapshot.sale.state != SaleState::Closed || counted.holds.active > 0;
    let until = snapshot.sale.closed_at.unwrap_or(counted.at);
    let paused_seconds = paused(&counted.actions, until);
    Ok(Report { snapshot, so_far, counted, paused_seconds })
}

/// The seconds from each pause to its end, or to `until`.
fn paused(actions: &[Action], until: Timestamp) -> i64 {
    let (mut since, mut all) = (None, 0);
    for action in actions {
        match action.action.as_str() {
            "pause" | "stop" => since = since.or(Some(action.at)),
            "open" | "resume" | "close" => {
                all += since.take().map_or(0, |at| action.at.as_second() - at.as_second());
            }
            _ => {}
        }
    }
    all + since.map_or(0, |at| (until.as_second() - at.as_second()).max(0))
}

/// Writes down every ten seconds what a few of each line are shown, for as long as the gateway runs.
pub async fn keep_notes(gate: &Gate) {
    loop {
        sleep(NOTE_EVERY).await;
        for line in gate.all_lines() {
            if let Err(error) = note(gate, &line).await {
                let error = format!("{error:#}");
                tracing::debug!(sale.id = %line.id, error, "what was shown is not written down");
            }
        }
    }
}

/// Writes down what the front, the middle, the back and one by chance are shown now.
pub async fn note(gate: &Gate, line: &Line) -> Result<(), FlowError> {
    let view = line.view();
    let waiting = view.places.waiting();
    if view.snapshot.sale.state == SaleState::Scheduled || waiting == 0 {
        return Ok(());
    }
    let anywhere = rand::rng().random_range(0..waiting);
    let mut shown: Vec<Shown> = Vec::new();
    for (place, rank) in (0..).zip([0, waiting / 2, waiting - 1, anywhere]) {
        let Some(seq) = view.places.nth(rank) else { continue };
        // Nobody's ticket: the place is known by its number, and nothing else is asked.
        let claim = Claim { sale: line.id, ticket: Ticket(uuid::Uuid::nil()), seq, generation: 0 };
        let Some(Stage::Waiting(told)) = in_line(gate, &view, claim).map(|state| state.stage)
        else {
            continue;
        };
        let eta = told.eta.map(|eta| (eta.low.cast_signed(), eta.high.cast_signed()));
        let position = told.position.cast_signed();
        if shown.iter().all(|other| other.seq != seq.0) {
            shown.push(Shown { place, seq: seq.0, position, eta, chance: told.chance });
        }
    }
    Ok(gate.ledger.note_shown(line.id, &shown).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pause_lasts_until_it_ends_and_a_second_one_in_it_does_not_count_twice() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let done = |second, action: &str| Action {
            at: at(second),
            actor: "ana".into(),
            action: action.into(),
            detail: json!({}),
        };
        let actions = [
            done(0, "open"),
            done(10, "pause"),
            done(15, "pause"),
            done(20, "notice"),
            done(30, "resume"),
            done(50, "stop"),
            done(55, "resume"),
            done(70, "pause"),
        ];
        assert_eq!(paused(&actions, at(100)), 20 + 5 + 30);
        assert_eq!(paused(&actions[..7], at(100)), 25);
        assert_eq!(paused(&[], at(100)), 0);
    }
}
