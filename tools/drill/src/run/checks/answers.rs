//! S2, S7, S12 and what strangers are answered: answers against rows, and against one another.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::super::facts::Of;
use super::super::history::{Entry, Op, Outcome};
use super::{Case, FINE, Verdict, uuid};

/// S2: every purchase that a client saw is there, with the same order, unit and ticket.
pub fn confirms_are_kept(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S2", "every purchase that a client saw exists");
    let orders: HashMap<_, _> = case.facts.orders.iter().map(|order| (order.hold, order)).collect();
    for entry in case.calls(Op::Confirm).filter(|entry| entry.is_ok()) {
        let order = entry.hold.as_deref().and_then(|hold| hold.parse().ok());
        let order = order.and_then(|hold: Uuid| orders.get(&hold));
        let is_well = order.is_some_and(|order| {
            Some(order.id) == uuid(&entry.said["order"]["id"])
                && Some(order.ticket) == entry.ticket.as_deref().and_then(|t| t.parse().ok())
                && entry.said["unit"] == order.unit
                && entry.said["state"] == "confirmed"
        });
        verdict.look(is_well, || {
            ("a purchase was answered and is not there so".into(), json!([entry, order]))
        });
    }
    for entry in case.calls(Op::Told).filter(|entry| entry.said["state"] == "confirmed") {
        let hold = uuid(&entry.said["hold"]["id"]);
        let order = hold.and_then(|hold| orders.get(&hold));
        let is_well =
            order.is_some_and(|order| Some(order.id) == uuid(&entry.said["hold"]["order"]));
        verdict.look(is_well, || {
            ("a purchase was told and is not there so".into(), json!([entry, order]))
        });
    }
    verdict
}

/// S7: the same key is answered the same again; a sold hold has one order under any key.
pub fn a_key_has_one_answer(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S7", "the same key gets the same answer");
    let (unjournaled, mut receipts) = (case.unjournaled(), 0);
    let mut first: HashMap<(Op, &str, Option<&str>), &Entry> = HashMap::new();
    for entry in &case.history {
        let Some(key) = entry.key.as_deref() else { continue };
        if entry.outcome == Outcome::Unknown {
            continue;
        }
        let hold = entry.hold.as_deref();
        let Some(before) = first.insert((entry.op, key, hold), entry) else { continue };
        let is_same = if entry.op == Op::Join {
            let is_receipt = |entry: &Entry| {
                let (ticket, number) = (entry.ticket.as_deref(), entry.said["number"].as_i64());
                ticket.zip(number).is_some_and(|pair| unjournaled.contains(&pair))
            };
            let same = same_join(before, entry);
            let moved = !same && before.ticket == entry.ticket;
            let is_allowed = moved && (is_receipt(before) || is_receipt(entry));
            receipts += usize::from(is_allowed);
            same || is_allowed
        } else {
            before.status == entry.status && before.said == entry.said
        };
        verdict.look(is_same, || ("one key, two answers".into(), json!([before, entry])));
    }
    if receipts > 0 {
        let note = "repeated joins got another number: the first was answered on its credential";
        verdict.notes.push(format!("{receipts} {note}"));
    }
    let mut orders: HashMap<&str, &Entry> = HashMap::new();
    for entry in case.calls(Op::Confirm).filter(|entry| entry.is_ok()) {
        let Some(hold) = entry.hold.as_deref() else { continue };
        let before = *orders.entry(hold).or_insert(entry);
        let is_same = before.said["order"]["id"] == entry.said["order"]["id"];
        verdict.look(is_same, || ("one hold, two orders".into(), json!([before, entry])));
    }
    verdict
}

/// A join that is repeated finds its place. The rest of its state is as it was only where Postgres was there
/// to keep it; a refusal may follow a place, but never another place.
fn same_join(before: &Entry, after: &Entry) -> bool {
    if !before.is_ok() || !after.is_ok() {
        return !before.is_ok() || after.code() != "";
    }
    before.ticket == after.ticket && before.said["credential"] == after.said["credential"]
}

/// S12: nobody hears no of what is done, or yes of what is not.
pub fn nobody_is_told_no_of_what_is_done(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S12", "nobody is told no of a purchase that exists");
    let sold: HashSet<Uuid> = case.facts.orders.iter().map(|order| order.hold).collect();
    let holds = case.holds();
    let mut begun: HashMap<Uuid, f64> = HashMap::new();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Hold) {
        begun.entry(step.ticket).or_insert(step.up);
    }
    let id = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Uuid>().ok());
    for entry in case.calls(Op::Confirm).filter(|entry| entry.outcome == Outcome::Refused) {
        let was_sold = id(&entry.hold).is_some_and(|hold| sold.contains(&hold));
        verdict.look(!was_sold, || {
            let lines = case.lines_about(entry.hold.as_deref().unwrap_or_default());
            ("refused, and sold".into(), json!({ "refusal": entry, "history": lines }))
        });
    }
    for entry in case.calls(Op::Release).filter(|entry| entry.is_ok()) {
        let hold = id(&entry.hold).and_then(|hold| holds.get(&hold));
        verdict.look(hold.is_some_and(|hold| hold.state == "released"), || {
            ("given back, and not released".into(), json!([entry, hold]))
        });
    }
    for entry in case.calls(Op::Leave).filter(|entry| entry.is_ok()) {
        // Who had a unit once and has none any more is out of line, too.
        let admitted = id(&entry.ticket).and_then(|ticket| begun.get(&ticket));
        let is_later = admitted.is_some_and(|up| *up > case.up(entry.answered) + FINE);
        verdict.look(!is_later, || {
            let lines = case.lines_about(entry.ticket.as_deref().unwrap_or_default());
            ("left, and admitted".into(), json!({ "leave": entry, "history": lines }))
        });
    }
    verdict
}

/// Somebody else's hold is 404, a forged credential 401, rubbish 4xx: never a success, never a crash.
pub fn strangers_get_nothing(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("wall", "strangers and rubbish get nothing");
    for entry in case.calls(Op::Steal).filter(|entry| entry.outcome != Outcome::Unknown) {
        verdict.look(entry.status == 404, || ("somebody else's hold".into(), json!(entry)));
    }
    for entry in case.calls(Op::Rubbish) {
        let is_well = entry.outcome != Outcome::Ok && entry.status != 500;
        verdict.look(is_well, || ("rubbish was taken, or broke something".into(), json!(entry)));
    }
    verdict
}

/// A batch has at most 100: one of 101 is refused, and the refusal names the field.
pub fn a_batch_of_101_is_refused(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("101", "a batch of 101 is refused by its field");
    let field = &case.batch_101["errors"][0]["field"];
    verdict.look(field == "batch_size", || {
        ("batch_size 101 was not refused".into(), case.batch_101.clone())
    });
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::sample::{case, id};
    use super::*;

    fn the(case: &mut Case, op: Op) -> &mut Entry {
        case.history.iter_mut().find(|entry| entry.op == op).unwrap()
    }

    #[test]
    fn a_purchase_that_was_answered_and_lost_is_seen() {
        let mut lost = case();
        lost.facts.orders.clear();
        assert_eq!(confirms_are_kept(&lost).violations, 3);
        let mut other = case();
        the(&mut other, Op::Confirm).said["order"]["id"] = json!(id(77));
        assert_eq!(confirms_are_kept(&other).violations, 1);
    }

    #[test]
    fn two_answers_to_one_key_and_two_orders_of_one_hold_are_seen() {
        let mut two = case();
        the(&mut two, Op::Confirm).said["unit"] = json!(9);
        assert_eq!(a_key_has_one_answer(&two).violations, 1);
        let mut two = case();
        let mut again = the(&mut two, Op::Confirm).clone();
        again.key = Some("another key".into());
        again.said["order"]["id"] = json!(id(78));
        two.history.push(again);
        assert_eq!(a_key_has_one_answer(&two).violations, 1);
        // A place on a credential alone may move; a place in the journal never.
        let mut moved = case();
        the(&mut moved, Op::Join).answered = 2_100_000;
        let mut again = the(&mut moved, Op::Join).clone();
        again.said["credential"] = json!("another");
        moved.history.push(again);
        assert_eq!(a_key_has_one_answer(&moved).violations, 1);
    }

    #[test]
    fn a_refusal_of_what_is_sold_is_seen() {
        let mut refused = case();
        let mut no = the(&mut refused, Op::Confirm).clone();
        (no.outcome, no.key) = (Outcome::Refused, Some("another key".into()));
        refused.history.push(no);
        assert_eq!(nobody_is_told_no_of_what_is_done(&refused).violations, 1);
        let mut kept = case();
        kept.facts.holds[1].state = "expired".into();
        assert_eq!(nobody_is_told_no_of_what_is_done(&kept).violations, 1);
        let mut back = case();
        let leave = the(&mut back, Op::Leave);
        (leave.ticket, leave.answered) = (Some(id(11).to_string()), 1_000_000);
        assert_eq!(nobody_is_told_no_of_what_is_done(&back).violations, 1);
    }

    #[test]
    fn a_thief_who_succeeds_and_rubbish_that_is_taken_are_seen() {
        let mut stolen = case();
        let steal = the(&mut stolen, Op::Steal);
        (steal.status, steal.outcome) = (200, Outcome::Ok);
        assert_eq!(strangers_get_nothing(&stolen).violations, 1);
        let mut taken = case();
        the(&mut taken, Op::Rubbish).status = 500;
        assert_eq!(strangers_get_nothing(&taken).violations, 1);
    }

    #[test]
    fn a_batch_of_101_that_is_taken_is_seen() {
        let mut taken = case();
        assert_eq!(a_batch_of_101_is_refused(&taken).violations, 0);
        taken.batch_101 = json!({ "id": "a sale" });
        assert_eq!(a_batch_of_101_is_refused(&taken).violations, 1);
    }
}
