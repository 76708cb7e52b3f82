//! S10, S11, S13, S14: what is told, counted and logged against what is so.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::super::facts::{Desk, Of};
use super::super::history::{Entry, Op};
use super::{AUDITED_WITHIN, Case, FINE, Verdict, uuid};

/// After a loss places may settle until the second audit.
const SETTLES_WITHIN: u64 = 40_000_000;

/// S10: whoever was told of a unit has it in Postgres, and had it there before.
pub fn told_is_durable(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S10", "whoever was told of a unit has it in Postgres");
    let (holds, steps) = (case.holds(), case.steps_of_holds());
    for entry in case.calls(Op::Told).filter(|entry| entry.said["hold"].is_object()) {
        let said = &entry.said["hold"];
        let hold = uuid(&said["id"]).and_then(|hold| holds.get(&hold));
        let begun = hold.and_then(|hold| steps.get(&hold.id)?.first().copied());
        let is_well = hold.is_some_and(|hold| {
            said["unit"] == hold.unit && Some(hold.ticket) == uuid(&said["ticket"])
        }) && begun.is_some_and(|begun| begun.up <= case.up(entry.answered) + FINE);
        verdict.look(is_well, || {
            ("a unit was told that is not there so".into(), json!([entry, hold, begun]))
        });
    }
    verdict
}

/// S11: a number is one ticket's and never changes; a newer state never shows a worse place; versions of one
/// connection never fall.
pub fn places_only_fall(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S11", "numbers stay, places only fall, versions only rise");
    let numbers: HashMap<Uuid, i64> =
        case.facts.joins.iter().map(|join| (join.ticket, join.seq)).collect();
    let unique: HashSet<&i64> = numbers.values().collect();
    verdict.look(unique.len() == case.facts.joins.len(), || {
        ("two tickets have one number".into(), json!(case.facts.joins.len()))
    });
    let unjournaled = case.unjournaled();
    let mut by_connection: HashMap<(&str, Option<&str>), &Entry> = HashMap::new();
    let mut by_ticket: HashMap<&str, Vec<&Entry>> = HashMap::new();
    for entry in case.calls(Op::Told) {
        let version = |entry: &Entry| entry.said["version"].as_u64();
        let connection = (&*entry.process, entry.ticket.as_deref());
        if let Some(before) = by_connection.insert(connection, entry) {
            verdict.look(version(before) <= version(entry), || {
                ("a version fell".into(), json!([before, entry]))
            });
        }
        let Some(ticket) = entry.ticket.as_deref() else { continue };
        by_ticket.entry(ticket).or_default().push(entry);
        if let Some(number) = entry.said["number"].as_i64() {
            let journaled = ticket.parse().ok().and_then(|id: Uuid| numbers.get(&id));
            let is_receipt = unjournaled.contains(&(ticket, number));
            // It ended without a number, because the one it was told first was another ticket's. The gateway that
            // looked for its own may have told it one that was never written down.
            let has_none = journaled.is_some_and(|seq| *seq < 1);
            verdict.look(journaled == Some(&number) || is_receipt || has_none, || {
                ("a number changed".into(), json!([entry, journaled]))
            });
        }
    }
    let (losses, late) = (losses(case), late_numbers(case, &numbers));
    let mut came_back = 0;
    for told in by_ticket.values_mut() {
        told.retain(|entry| entry.said["position"].is_u64());
        told.sort_by_key(|entry| entry.said["version"].as_u64());
        for pair in told.windows(2) {
            let rose = place(pair[1]) > place(pair[0]);
            // Its number was lost with Redis before it could be written down, and is another's.
            let number = |entry: &Entry| entry.said["number"].as_i64();
            let is_renumbered = number(pair[0]) != number(pair[1])
                && number(pair[0])
                    .zip(pair[0].ticket.as_deref())
                    .is_some_and(|(number, ticket)| unjournaled.contains(&(ticket, number)));
            let settles = rose
                && (is_renumbered
                    || only_came_back(told, pair[1], &losses)
                    || made_room(case, &late, pair));
            came_back += usize::from(settles);
            verdict.look(!rose || settles, || ("a place rose".into(), json!(pair)));
        }
    }
    if came_back > 0 {
        let note = "places rose when tickets came back that had been lost with Redis or a gateway";
        verdict.notes.push(format!("{came_back} {note}"));
    }
    verdict
}

fn place(entry: &Entry) -> Option<u64> {
    entry.said["position"].as_u64()
}

/// When Redis lost data, as far as the drill did it or a rebuild tells: microseconds since the run began.
fn losses(case: &Case) -> Vec<u64> {
    let done = case.windows.iter().filter(|window| window.kind.loses_redis_data());
    let raised = case.facts.trail.iter().filter(|step| step.of == Of::Epoch);
    let micros = |up: f64| ((up - case.up_at_start).max(0.0) * 1e6) as u64;
    done.map(|window| window.from).chain(raised.map(|step| micros(step.up))).collect()
}

/// Whether this place is one that came back with others, after a loss: who was answered on the credential
/// alone returns to the line a little later than the rest. Nobody may stand worse than before the loss.
fn only_came_back(told: &[&Entry], this: &Entry, losses: &[u64]) -> bool {
    let recent = |loss: &&u64| (**loss..**loss + SETTLES_WITHIN).contains(&this.answered);
    losses.iter().filter(recent).any(|loss| {
        let before = told.iter().filter(|entry| entry.answered < *loss);
        let last = before.max_by_key(|entry| entry.answered);
        last.is_none_or(|last| place(this) <= place(last))
    })
}

/// When late tickets were journaled, with their numbers.
fn late_numbers(case: &Case, numbers: &HashMap<Uuid, i64>) -> Vec<(f64, i64)> {
    let late = case.late();
    late.iter().filter_map(|(ticket, up)| Some((*up, *numbers.get(ticket)?))).collect()
}

/// Whether so many tickets with lower numbers came back between these two states: their joins were answered on
/// the credential alone, and their gateway ended before it could journal them.
fn made_room(case: &Case, late: &[(f64, i64)], pair: &[&Entry]) -> bool {
    let (from, to) = (case.up(pair[0].answered) - AUDITED_WITHIN, case.up(pair[1].answered) + 1.0);
    let number = pair[1].said["number"].as_i64().unwrap_or(0);
    let came = late.iter().filter(|(up, seq)| (from..to).contains(up) && *seq < number).count();
    let rose = place(pair[1]).unwrap_or(0).saturating_sub(place(pair[0]).unwrap_or(0));
    rose <= came as u64
}

/// S13: what a gateway shows equals the rows, and what it counted never exceeds them. A gateway that was
/// killed took its counts along, so only an undisturbed run counts everything; gauges are always whole.
pub fn metrics_equal_rows(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S13", "metrics equal rows");
    let facts = &case.facts;
    let in_state = |state: &str| facts.holds.iter().filter(|hold| hold.state == state).count();
    let withdrawn = facts.withdrawn.len();
    let gauges = [
        ("ropeline_units", "available", facts.free().len()),
        ("ropeline_units", "held", in_state("active")),
        ("ropeline_units", "sold", facts.orders.len()),
        ("ropeline_units", "withdrawn", withdrawn),
        ("ropeline_waiting", "", facts.waiting().count()),
    ];
    for (index, desk) in facts.desks.iter().enumerate() {
        for (name, label, rows) in gauges {
            let shown = metric(desk, name, label);
            verdict.look(shown == Some(rows as f64), || {
                let what = format!("gateway {}: {name} {label} {shown:?}, rows {rows}", index + 1);
                (what, json!(shown))
            });
        }
    }
    let counters = [
        ("ropeline_admitted_total", "", facts.holds.len()),
        ("ropeline_holds_ended_total", "confirmed", in_state("confirmed")),
        ("ropeline_holds_ended_total", "released", in_state("released")),
        ("ropeline_holds_ended_total", "expired", in_state("expired")),
    ];
    for (name, label, rows) in counters {
        let sum: f64 = facts.desks.iter().filter_map(|desk| metric(desk, name, label)).sum();
        let is_well = if case.calm { sum == rows as f64 } else { sum <= rows as f64 };
        verdict.look(is_well, || (format!("{name} {label} counts {sum}, rows {rows}"), json!(sum)));
    }
    verdict
}

/// The value of the only series with this name and label.
fn metric(desk: &Desk, name: &str, label: &str) -> Option<f64> {
    let wanted = format!("\"{label}\"");
    let line = desk.metrics.lines().find(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']))
            && (label.is_empty() || line.contains(&wanted))
    });
    line?.rsplit(' ').next()?.parse().ok()
}

/// S14: no credential, key or payment reference in any log.
pub fn logs_keep_secrets(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S14", "no secret in a log");
    let secrets: HashSet<&str> = case.secrets.iter().map(String::as_str).collect();
    // Words with spaces in them are looked for as they are; there are few.
    let phrases: Vec<&&str> = secrets.iter().filter(|secret| secret.contains(' ')).collect();
    for (log, lines) in &case.facts.logs {
        for line in lines {
            let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
            let told = words.find(|word| secrets.contains(word));
            let told = told.or_else(|| phrases.iter().find(|p| line.contains(***p)).map(|p| **p));
            verdict.look(told.is_none(), || (format!("{log} has a secret"), json!([told, line])));
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::super::facts::Step;
    use super::super::sample::{case, id};
    use super::*;

    fn told<'a>(case: &'a mut Case, state: &str) -> &'a mut Entry {
        let is_so = |entry: &&mut Entry| entry.op == Op::Told && entry.said["state"] == state;
        case.history.iter_mut().find(is_so).unwrap()
    }

    fn back_at(case: &Case) -> usize {
        case.history.iter().position(|entry| entry.said["position"] == 9).unwrap()
    }

    #[test]
    fn a_unit_that_was_told_and_is_not_there_or_came_later_is_seen() {
        let mut lost = case();
        told(&mut lost, "admitted").said["hold"]["id"] = json!(id(99));
        assert_eq!(told_is_durable(&lost).violations, 1);
        let mut early = case();
        told(&mut early, "admitted").answered = 0;
        assert_eq!(told_is_durable(&early).violations, 1);
    }

    #[test]
    fn a_number_that_was_lost_with_redis_is_followed_by_another_one_further_back() {
        let mut lost = case();
        let mut later = told(&mut lost, "waiting").clone();
        later.said["version"] = json!(6);
        later.process = "shopper-1/another tab".into();
        later.said["position"] = json!(9);
        lost.history.push(later);
        assert_eq!(places_only_fall(&lost).violations, 1);
        // It was a receipt while nothing could be written down.
        told(&mut lost, "waiting").said["number"] = json!(77);
        assert_eq!(places_only_fall(&lost).violations, 2, "nobody was given 77");
        let mut join = lost.history[0].clone();
        (join.asked, join.said["number"]) = (0, json!(77));
        join.answered = join.answered.max(10_000_000);
        lost.history.push(join);
        assert_eq!(places_only_fall(&lost).violations, 0);
    }

    #[test]
    fn a_place_that_rises_a_number_that_changes_and_a_version_that_falls_are_seen() {
        let mut rose = case();
        let mut later = told(&mut rose, "waiting").clone();
        later.said["version"] = json!(6);
        later.process = "shopper-1/another tab".into();
        later.said["position"] = json!(9);
        rose.history.push(later);
        assert_eq!(places_only_fall(&rose).violations, 1);
        // One that came back in front makes one place of difference, and no more.
        let mut back = rose.clone();
        back.facts.joins[1].seq = 0;
        let mut join = back.history[0].clone();
        (join.ticket, join.answered) = (Some(id(12).to_string()), 500_000);
        back.history.push(join);
        assert_eq!(places_only_fall(&back).violations, 1);
        let at = back_at(&back);
        back.history[at].said["position"] = json!(2);
        assert_eq!(places_only_fall(&back).violations, 0);
        // After a loss a place may come back, but not above what it was before.
        let raised = rose.facts.trail[0].clone();
        rose.facts.trail.push(Step { of: Of::Epoch, state: "2".into(), up: 2.4, ..raised });
        assert_eq!(places_only_fall(&rose).violations, 0);
        let mut first = told(&mut rose, "waiting").clone();
        (first.answered, first.said["version"]) = (1_000, json!(1));
        rose.history.insert(1, first);
        assert_eq!(places_only_fall(&rose).violations, 1);
        let mut changed = case();
        told(&mut changed, "waiting").said["number"] = json!(9);
        assert_eq!(places_only_fall(&changed).violations, 1);
        let mut numberless = changed.clone();
        numberless.facts.joins[0].seq = -7;
        assert_eq!(places_only_fall(&numberless).violations, 0);
        let mut fell = case();
        let mut later = told(&mut fell, "waiting").clone();
        later.said["version"] = json!(2);
        fell.history.push(later);
        assert_eq!(places_only_fall(&fell).violations, 1);
        let mut doubled = case();
        doubled.facts.joins[2].seq = 2;
        assert_eq!(places_only_fall(&doubled).violations, 1);
    }

    #[test]
    fn a_gauge_or_a_counter_that_is_off_is_seen() {
        let mut off = case();
        off.facts.desks[0].metrics =
            off.facts.desks[0].metrics.replace("\"sold\"} 1", "\"sold\"} 2");
        assert_eq!(metrics_equal_rows(&off).violations, 1);
        let mut many = case();
        many.facts.desks[0].metrics =
            many.facts.desks[0].metrics.replace("\"confirmed\"} 1", "\"confirmed\"} 3");
        assert_eq!(metrics_equal_rows(&many).violations, 1);
        let mut few = case();
        few.facts.desks[0].metrics =
            few.facts.desks[0].metrics.replace("\"confirmed\"} 1", "\"confirmed\"} 0");
        assert_eq!(metrics_equal_rows(&few).violations, 0, "a killed gateway took its count along");
        few.calm = true;
        assert_eq!(metrics_equal_rows(&few).violations, 1);
    }

    #[test]
    fn a_secret_in_a_log_is_seen_whatever_stands_around_it() {
        let mut leaked = case();
        leaked.facts.logs[0].1.push("{\"error\":\"bad key=pay-123, sorry\"}".into());
        leaked.facts.logs[0].1.push("an operator's key for the drill".into());
        assert_eq!(logs_keep_secrets(&leaked).violations, 2);
    }
}
