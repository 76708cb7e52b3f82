//! S6 and S9: the line keeps its order and loses nobody, and nobody is served twice.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::super::facts::Of;
use super::super::history::{Entry, Op};
use super::{AUDITED_WITHIN, Case, JOURNALED_WITHIN, Verdict};

/// One recorded batch, in the order of recording.
struct Batch {
    epoch: i32,
    n: i64,
    /// The first step of it in the trail.
    first: i64,
    /// The highest number that it admitted.
    highest: i64,
}

/// S6: admission follows the numbers, and every join that was answered was admitted, waits, or left.
pub fn admission_follows_the_numbers(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S6", "admission follows the numbers, and no place is lost");
    let batches = batches(case);
    let (mut joined, mut ended): (HashMap<Uuid, i64>, HashMap<Uuid, i64>) = Default::default();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Join) {
        let known = if step.state == "waiting" { &mut joined } else { &mut ended };
        known.entry(step.ticket).or_insert(step.id);
    }
    let raised: HashMap<i32, i64> = case
        .facts
        .trail
        .iter()
        .filter(|step| step.of == Of::Epoch)
        .filter_map(|step| Some((step.state.parse().ok()?, step.id)))
        .collect();
    let sold_out: Vec<(i64, i64)> = case
        .facts
        .trail
        .iter()
        .filter(|step| step.of == Of::SoldOut)
        .filter_map(|step| Some((step.state.parse().ok()?, step.id)))
        .collect();
    let admitted: HashMap<Uuid, (i32, i64)> =
        case.facts.holds.iter().map(|hold| (hold.ticket, (hold.epoch, hold.batch))).collect();
    let late = case.late();
    for join in &case.facts.joins {
        let from = match late.get(&join.ticket) {
            // Its place was on the credential alone; it is in line for sure after the next audit.
            Some(up) => first_after(case, up + AUDITED_WITHIN),
            None => joined.get(&join.ticket).copied().unwrap_or(i64::MAX),
        };
        let to = ended.get(&join.ticket).copied().unwrap_or(i64::MAX);
        // A sell-out is final for whoever was in line, also when units are added later.
        let over = sold_out.iter().find(|(upto, _)| *upto >= join.seq).map_or(i64::MAX, |s| s.1);
        let to = to.min(over);
        let own = admitted.get(&join.ticket);
        // Who was in line for the whole of a batch, and was passed over by it.
        let passed = batches.iter().find(|batch| {
            // A rebuild reads the journal after it raised the epoch. Whoever is journaled meanwhile with an
            // older number comes in a moment later.
            let crossed = join.epoch() < batch.epoch
                && raised.get(&batch.epoch).is_some_and(|raised| *raised < from);
            from < batch.first
                && !crossed
                && batch.first < to
                && own != Some(&(batch.epoch, batch.n))
                && batch.highest > join.seq
        });
        verdict.look(passed.is_none(), || {
            let by = passed.map(|b| format!("batch {} of epoch {}", b.n, b.epoch));
            let lines = case.lines_about(&join.ticket.to_string());
            let what = format!("number {} was passed over by {}", join.seq, by.unwrap_or_default());
            let highest = passed.map(|batch| (batch.first, batch.highest));
            (
                what,
                json!({ "join": join, "from": from, "to": to, "batch": highest, "history": lines }),
            )
        });
    }
    no_place_is_lost(case, &mut verdict);
    verdict
}

/// The first step of the trail at or after this moment.
fn first_after(case: &Case, up: f64) -> i64 {
    let first = case.facts.trail.iter().find(|step| step.up >= up);
    first.map_or(i64::MAX, |step| step.id)
}

fn batches(case: &Case) -> Vec<Batch> {
    let holds = case.holds();
    let mut by_number: HashMap<(i32, i64), Batch> = HashMap::new();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Hold && step.state == "active")
    {
        let Some(hold) = holds.get(&step.row) else { continue };
        let (epoch, n) = (hold.epoch, hold.batch);
        let batch = Batch { epoch, n, first: step.id, highest: hold.seq };
        let batch = by_number.entry((epoch, n)).or_insert(batch);
        batch.first = batch.first.min(step.id);
        batch.highest = batch.highest.max(hold.seq);
    }
    by_number.into_values().collect()
}

/// A join that was answered is in the journal. While Postgres is away the credential alone is the receipt:
/// then the ticket is journaled when its shopper comes back after two audits, and one who never did is only
/// counted. Whoever was told that the sale is over needs no place any more.
fn no_place_is_lost(case: &Case, verdict: &mut Verdict) {
    let journal: HashSet<Uuid> = case.facts.joins.iter().map(|join| join.ticket).collect();
    let mut back: HashMap<&str, u64> = HashMap::new();
    let mut over: HashSet<&str> = HashSet::new();
    for entry in case.calls(Op::Told) {
        if let Some(ticket) = entry.ticket.as_deref() {
            if entry.said["state"] == "sold_out" || entry.said["state"] == "closed" {
                over.insert(ticket);
            }
            let last = back.entry(ticket).or_default();
            *last = entry.asked.max(*last);
        }
    }
    let mut answered: HashMap<&str, &Entry> = HashMap::new();
    for entry in case.calls(Op::Join).filter(|entry| entry.is_ok()) {
        if let Some(ticket) = entry.ticket.as_deref() {
            answered.insert(ticket, entry);
        }
    }
    let mut never_back = 0;
    for (ticket, entry) in answered {
        let is_there =
            ticket.parse().is_ok_and(|ticket| journal.contains(&ticket)) || over.contains(ticket);
        let came_back = back
            .get(ticket)
            .is_some_and(|last| case.up(*last) > case.up(entry.answered) + 2.0 * AUDITED_WITHIN);
        // One that was answered at once was journaled at once.
        let is_receipt = entry.answered.saturating_sub(entry.asked) >= JOURNALED_WITHIN;
        if !is_there && is_receipt && !came_back {
            never_back += 1;
            continue;
        }
        verdict.look(is_there, || {
            let lines = case.lines_about(ticket);
            ("a place was given and lost".into(), json!({ "join": entry, "history": lines }))
        });
    }
    if never_back > 0 {
        let note = "tickets answered by credential alone whose shoppers never came back";
        verdict.notes.push(format!("{never_back} {note}"));
    }
}

/// S9: a ticket is admitted once, and buys once.
pub fn a_ticket_is_admitted_once(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S9", "a ticket is admitted once, and buys once");
    let mut holds: HashMap<Uuid, HashSet<Uuid>> = HashMap::new();
    for hold in &case.facts.holds {
        holds.entry(hold.ticket).or_default().insert(hold.id);
    }
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Hold) {
        holds.entry(step.ticket).or_default().insert(step.row);
    }
    for (ticket, holds) in &holds {
        verdict
            .look(holds.len() == 1, || (format!("ticket {ticket} has more holds"), json!(holds)));
    }
    let mut buyers = HashSet::new();
    for order in &case.facts.orders {
        verdict
            .look(buyers.insert(order.ticket), || ("a ticket bought twice".into(), json!(order)));
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Step;
    use super::super::sample::{case, id};
    use super::*;

    #[test]
    fn a_number_that_is_passed_over_is_seen() {
        let mut passed = case();
        // The third in line gets its unit with batch 1, and the second with batch 2.
        passed.facts.holds[2].batch = 1;
        passed.facts.holds[1].batch = 2;
        let third = passed.facts.holds[2].id;
        let second = passed.facts.holds[1].id;
        for step in &mut passed.facts.trail {
            if step.row == third || step.row == second {
                let (row, ticket) =
                    if step.row == third { (second, id(12)) } else { (third, id(13)) };
                (step.row, step.ticket) = (row, ticket);
            } else if step.of == Of::Join && step.state == "admitted" && step.ticket == id(12) {
                step.id += 5;
            }
        }
        assert!(admission_follows_the_numbers(&passed).violations > 0);
    }

    #[test]
    fn whoever_was_in_line_at_a_sell_out_is_not_passed_over_afterwards() {
        let mut again = case();
        // The second in line waits for ever while the third is admitted.
        let second = again.facts.holds.remove(1);
        let second_ticket = second.ticket;
        again.facts.trail.retain(|step| {
            step.row != second.id && (step.ticket != second_ticket || step.state == "waiting")
        });
        assert!(admission_follows_the_numbers(&again).violations > 0);
        let joined = again.facts.trail.iter().rposition(|step| step.state == "waiting").unwrap();
        let seq = again.facts.joins.iter().find(|join| join.ticket == second_ticket).unwrap().seq;
        let of = again.facts.trail[joined].clone();
        let step = Step { of: Of::SoldOut, state: seq.to_string(), row: id(1), ..of };
        again.facts.trail.insert(joined + 1, step);
        assert_eq!(admission_follows_the_numbers(&again).violations, 0);
    }

    #[test]
    fn a_place_that_was_given_and_lost_is_seen() {
        let mut lost = case();
        lost.facts.joins.remove(0);
        lost.history[0].asked = lost.history[0].answered.saturating_sub(1_000);
        assert_eq!(admission_follows_the_numbers(&lost).violations, 1);
        // Nobody can know a ticket on its credential alone whose shopper never came back.
        lost.history[0].answered += 1_000_000;
        let verdict = admission_follows_the_numbers(&lost);
        assert_eq!((verdict.violations, verdict.notes.len()), (0, 1));
    }

    #[test]
    fn a_ticket_that_is_admitted_or_buys_twice_is_seen() {
        let mut twice = case();
        twice.facts.holds[2].ticket = twice.facts.holds[0].ticket;
        assert_eq!(a_ticket_is_admitted_once(&twice).violations, 1);
        let mut twice = case();
        let again = twice.facts.orders[0].clone();
        twice.facts.orders.push(again);
        assert_eq!(a_ticket_is_admitted_once(&twice).violations, 1);
    }
}
