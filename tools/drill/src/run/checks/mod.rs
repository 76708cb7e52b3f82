//! The checks S1 to S14, and four more: each looks at the history and at the facts at the end, says how many
//! things it looked at, and shows the evidence of each violation.

mod answers;
mod line;
#[cfg(test)]
mod sample;
mod seen;
mod stock;
mod time;

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::facts::{Facts, Hold, Of, Step};
use super::history::{Entry, Op};
use super::sampler::Stand;
use super::strike::Window;
use super::variant::Rules;

/// The trail's clock shows hundredths of a second.
const FINE: f64 = 0.05;
/// A join that was answered faster was journaled before. One that took longer may have been answered on its
/// credential alone, because Postgres was slow or away: that is the promise, and its number may be lost
/// with Redis.
const JOURNALED_WITHIN: u64 = 250_000;
/// Longest time between two audits, in seconds: a ticket that is journaled late is in line after one.
const AUDITED_WITHIN: f64 = 20.0;
/// Violations that a report shows of one check.
const MOST_SHOWN: usize = 10;

/// All that one run left behind.
#[derive(Debug, Clone)]
pub struct Case {
    pub rules: Rules,
    pub facts: Facts,
    pub history: Vec<Entry>,
    pub windows: Vec<Window>,
    /// The clock of the trail at the moment when the history begins.
    pub up_at_start: f64,
    /// Nothing was broken on purpose.
    pub calm: bool,
    pub settled: Settled,
    /// What the attempt to make a sale with batches of 101 was answered.
    pub batch_101: Value,
    /// What must not be in a log.
    pub secrets: Vec<String>,
}

/// How the sale came to rest after the faults.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Settled {
    /// How it stood in the end.
    pub stand: Stand,
    /// From the end of the faults until it was at rest; none when that was given up.
    pub seconds: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Violation {
    pub what: String,
    pub evidence: Value,
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub id: &'static str,
    pub claim: &'static str,
    pub looked_at: usize,
    pub violations: usize,
    pub shown: Vec<Violation>,
    /// What was found besides and is allowed.
    pub notes: Vec<String>,
}

impl Verdict {
    fn new(id: &'static str, claim: &'static str) -> Self {
        Self { id, claim, looked_at: 0, violations: 0, shown: Vec::new(), notes: Vec::new() }
    }

    /// Looks at one thing, which is well or not.
    fn look(&mut self, is_well: bool, what: impl FnOnce() -> (String, Value)) {
        self.looked_at += 1;
        if !is_well {
            self.violations += 1;
            if self.shown.len() < MOST_SHOWN {
                let (what, evidence) = what();
                self.shown.push(Violation { what, evidence });
            }
        }
    }
}

/// Every check of an ordinary run.
pub const ALL: &[fn(&Case) -> Verdict] = &[
    stock::units_have_one_owner,
    answers::confirms_are_kept,
    stock::holds_of_a_unit_never_overlap,
    stock::units_add_up,
    stock::the_sale_comes_to_rest,
    line::admission_follows_the_numbers,
    answers::a_key_has_one_answer,
    time::windows_are_kept,
    line::a_ticket_is_admitted_once,
    seen::told_is_durable,
    seen::places_only_fall,
    answers::nobody_is_told_no_of_what_is_done,
    seen::metrics_equal_rows,
    seen::logs_keep_secrets,
    stock::the_cap_on_open_holds_is_kept,
    answers::strangers_get_nothing,
    answers::a_batch_of_101_is_refused,
];

/// What still holds when Postgres lost commits: the sale is stopped, and nobody owns a unit twice.
pub const RESTORED: &[fn(&Case) -> Verdict] = &[
    stock::units_have_one_owner,
    stock::holds_of_a_unit_never_overlap,
    line::a_ticket_is_admitted_once,
    stock::a_sale_that_lost_commits_is_stopped,
    seen::logs_keep_secrets,
    answers::strangers_get_nothing,
    answers::a_batch_of_101_is_refused,
];

/// What several checks look up.
impl Case {
    fn calls(&self, op: Op) -> impl Iterator<Item = &Entry> {
        self.history.iter().filter(move |entry| entry.op == op)
    }

    fn holds(&self) -> HashMap<Uuid, &Hold> {
        self.facts.holds.iter().map(|hold| (hold.id, hold)).collect()
    }

    /// The moment of an entry by the clock of the trail.
    fn up(&self, micros: u64) -> f64 {
        self.up_at_start + micros as f64 / 1e6
    }

    /// The changes of each hold, in order.
    fn steps_of_holds(&self) -> HashMap<Uuid, Vec<&Step>> {
        let mut steps: HashMap<Uuid, Vec<&Step>> = HashMap::new();
        for step in self.facts.trail.iter().filter(|step| step.of == Of::Hold) {
            steps.entry(step.row).or_default().push(step);
        }
        steps
    }

    /// Numbers that were answered on a credential alone, perhaps, by their tickets.
    fn unjournaled(&self) -> HashSet<(&str, i64)> {
        let slow = |entry: &&Entry| {
            entry.is_ok() && entry.answered.saturating_sub(entry.asked) >= JOURNALED_WITHIN
        };
        let number = |entry: &'_ Entry| entry.said["number"].as_i64();
        let joins = self.calls(Op::Join).filter(slow);
        joins.filter_map(|entry| Some((entry.ticket.as_deref()?, number(entry)?))).collect()
    }

    /// Tickets that were journaled only after their join was answered on its credential, and when.
    fn late(&self) -> HashMap<Uuid, f64> {
        let mut answered: HashMap<Uuid, u64> = HashMap::new();
        for entry in self.calls(Op::Join).filter(|entry| entry.is_ok()) {
            let ticket = entry.ticket.as_deref().and_then(|ticket| ticket.parse().ok());
            if let Some(ticket) = ticket {
                let first = answered.entry(ticket).or_insert(entry.answered);
                *first = entry.answered.min(*first);
            }
        }
        let mut late = HashMap::new();
        let journaled = |step: &&Step| step.of == Of::Join && step.state == "waiting";
        for step in self.facts.trail.iter().filter(journaled) {
            let is_late =
                answered.get(&step.ticket).is_some_and(|at| step.up > self.up(*at) + FINE);
            if is_late {
                late.insert(step.ticket, step.up);
            }
        }
        late
    }

    /// The lines of the history about a hold or a ticket, as evidence.
    fn lines_about(&self, id: &str) -> Value {
        const MOST: usize = 12;
        let about = |entry: &&Entry| {
            entry.hold.as_deref() == Some(id)
                || entry.ticket.as_deref() == Some(id)
                || entry.said["hold"]["id"] == id
        };
        json!(self.history.iter().filter(about).take(MOST).collect::<Vec<_>>())
    }
}

fn uuid(text: &Value) -> Option<Uuid> {
    text.as_str()?.parse().ok()
}
