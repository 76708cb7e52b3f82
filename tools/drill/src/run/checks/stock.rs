//! S1, S3, S4, S5: units, who has them, and that none is lost.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use uuid::Uuid;

use super::super::facts::Of;
use super::super::history::Op;
use super::{Case, Verdict};

/// S1: at most one live-or-sold hold and one order per unit; orders within the stock.
pub fn units_have_one_owner(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S1", "no unit has two owners, and orders ≤ stock");
    let facts = &case.facts;
    let withdrawn: HashSet<i32> = facts.withdrawn.iter().copied().collect();
    let mut owners: HashMap<i32, Vec<_>> = HashMap::new();
    for hold in facts.holds.iter().filter(|h| matches!(&*h.state, "active" | "confirmed")) {
        owners.entry(hold.unit).or_default().push(hold);
    }
    for (unit, holds) in &owners {
        let is_well =
            holds.len() == 1 && (1..=facts.sale.stock).contains(unit) && !withdrawn.contains(unit);
        verdict
            .look(is_well, || (format!("unit {unit} has owners it must not have"), json!(holds)));
    }
    let holds = case.holds();
    let mut sold = HashSet::new();
    for order in &facts.orders {
        let hold = holds.get(&order.hold);
        let fits = hold.is_some_and(|hold| {
            hold.state == "confirmed" && hold.unit == order.unit && hold.ticket == order.ticket
        });
        let is_well = fits && sold.insert(order.unit);
        verdict.look(is_well, || {
            (format!("an order of unit {} that should not be", order.unit), json!([order, hold]))
        });
    }
    let stock = usize::try_from(facts.sale.stock).unwrap_or(0);
    verdict.look(facts.orders.len() <= stock, || {
        (format!("{} orders of {stock} units", facts.orders.len()), json!(facts.sale))
    });
    verdict
}

/// S3: from admission to its end a hold has its unit alone, in the order in which Postgres let it happen.
pub fn holds_of_a_unit_never_overlap(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S3", "two holds of one unit never overlap");
    let mut live: HashMap<i32, Uuid> = HashMap::new();
    let mut begun = HashSet::new();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Hold) {
        if step.state == "active" && begun.insert(step.row) {
            let other = live.insert(step.unit, step.row);
            verdict.look(other.is_none(), || {
                let lines = other.map(|other| case.lines_about(&other.to_string()));
                let what =
                    format!("hold {} of unit {} begins within {other:?}", step.row, step.unit);
                (what, json!({ "step": step, "history": lines }))
            });
        } else if matches!(&*step.state, "released" | "expired")
            && live.get(&step.unit) == Some(&step.row)
        {
            live.remove(&step.unit);
        }
    }
    verdict
}

/// S4: free + held + sold + withdrawn is what was seeded, at any time and by each gateway; in the end Redis
/// offers every free unit and no other.
pub fn units_add_up(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S4", "units add up, and Redis offers every free one");
    for entry in case.calls(Op::Stats) {
        let of = |name: &str| entry.said["tokens"][name].as_i64().unwrap_or(i64::MIN / 8);
        let sum = of("available") + of("held") + of("sold") + of("withdrawn");
        verdict.look(of("seeded") == sum && of("available") >= 0, || {
            ("counts that do not add up".into(), json!(entry))
        });
    }
    let facts = &case.facts;
    for (index, desk) in facts.desks.iter().enumerate() {
        verdict.look(desk.reconciliation["consistent"] == true, || {
            (format!("gateway {} finds a difference", index + 1), desk.reconciliation.clone())
        });
    }
    let free: HashSet<i32> = facts.free().into_iter().collect();
    let offered = &facts.offered;
    let mut seen = HashSet::new();
    for unit in &offered.tokens {
        let is_well = free.contains(unit) && seen.insert(*unit);
        verdict.look(is_well, || (format!("unit {unit} is offered and not free"), json!(unit)));
    }
    seen.extend(&offered.in_flight);
    for unit in &free {
        verdict
            .look(seen.contains(unit), || (format!("unit {unit} is free and lost"), json!(unit)));
    }
    what_operators_did(case, &mut verdict);
    verdict
}

/// However often a seeding or a withdrawal was sent, it counts once.
fn what_operators_did(case: &Case, verdict: &mut Verdict) {
    let done = |op| {
        let mut by_key = HashMap::new();
        for entry in case.calls(op).filter(|entry| entry.is_ok()) {
            by_key.insert(entry.key.clone(), entry.asks["count"].as_i64().unwrap_or(0));
        }
        by_key.values().sum::<i64>()
    };
    let seeded = i64::from(case.rules.first_units()) + done(Op::Seed);
    let stock = i64::from(case.facts.sale.stock);
    verdict.look(seeded == stock, || {
        (format!("{seeded} units were seeded and {stock} are there"), json!(case.facts.sale))
    });
    let (asked, gone) = (done(Op::Withdraw), case.facts.withdrawn.len() as i64);
    verdict.look(asked == gone, || {
        (format!("{asked} units were withdrawn and {gone} are gone"), json!(case.facts.withdrawn))
    });
}

/// S5: when nothing is broken any more, nobody waits while a unit is free, and no hold is left open.
pub fn the_sale_comes_to_rest(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S5", "after the faults, no free units or no waiters");
    let facts = &case.facts;
    let (free, waiting) = (facts.free().len(), facts.waiting().count());
    let stranded = free > 0 && waiting > 0;
    verdict.look(!stranded, || {
        (format!("{waiting} wait and {free} units are free"), json!(case.settled))
    });
    let open: Vec<_> = facts.holds.iter().filter(|hold| hold.state == "active").collect();
    verdict.look(open.is_empty(), || (format!("{} holds are open", open.len()), json!(open)));
    verdict.look(case.settled.seconds.is_some(), || {
        ("the sale did not come to rest".into(), json!(case.settled))
    });
    verdict
}

/// No more holds are open at once than the cap allows.
pub fn the_cap_on_open_holds_is_kept(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("cap", "no more open holds than max_in_checkout");
    let Some(cap) = case.rules.max_in_checkout else { return verdict };
    let mut open = HashSet::new();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Hold) {
        if step.state == "active" {
            open.insert(step.row);
        } else {
            open.remove(&step.row);
        }
        verdict.look(open.len() <= cap as usize, || {
            (format!("{} holds are open and {cap} may be", open.len()), json!(step))
        });
    }
    verdict
}

/// Postgres lost commits: the sale is paused and says why, to operators and in its own row, and nobody is
/// admitted any more.
pub fn a_sale_that_lost_commits_is_stopped(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("stop", "a sale whose Postgres lost commits stops and says why");
    let sale = &case.facts.sale;
    let says_why = sale.fault.as_deref().is_some_and(|fault| fault.contains("lost commits"));
    verdict.look(says_why && sale.state != "open", || ("the sale goes on".into(), json!(sale)));
    for (index, desk) in case.facts.desks.iter().enumerate() {
        let status = desk.stats["status"].as_str().unwrap_or_default();
        verdict.look(status == "paused", || {
            (format!("gateway {} shows it {status}", index + 1), desk.stats.clone())
        });
    }
    let open = case.settled.stand.holds;
    let later = case.facts.holds.len() as i64 - open;
    verdict.look(later == 0, || (format!("{later} were admitted after the stop"), json!(sale)));
    verdict
}

#[cfg(test)]
mod tests {
    use super::super::sample::{case, step};
    use super::*;

    #[test]
    fn a_unit_sold_twice_is_seen() {
        let mut two = case();
        let mut twin = two.facts.orders[0].clone();
        twin.hold = two.facts.holds[1].id;
        two.facts.orders.push(twin);
        assert_eq!(units_have_one_owner(&two).violations, 1);
        let mut two = case();
        two.facts.holds[2].state = "active".into();
        two.facts.holds[2].unit = 1;
        assert_eq!(units_have_one_owner(&two).violations, 1);
        let mut gone = case();
        gone.facts.withdrawn = vec![1];
        assert_eq!(units_have_one_owner(&gone).violations, 1);
    }

    #[test]
    fn holds_that_overlap_are_seen() {
        let mut two = case();
        // The second hold of unit 2 begins before the first one ended.
        let end = two.facts.trail.iter().position(|s| s.state == "released").unwrap();
        let begin = two.facts.trail.len() - 2;
        two.facts.trail.swap(end, begin);
        assert_eq!(holds_of_a_unit_never_overlap(&two).violations, 1);
    }

    #[test]
    fn a_lost_unit_a_stale_token_and_a_double_seeding_are_seen() {
        let mut lost = case();
        lost.facts.offered.tokens.pop();
        assert_eq!(units_add_up(&lost).violations, 1);
        let mut stale = case();
        stale.facts.offered.tokens.push(1);
        assert_eq!(units_add_up(&stale).violations, 1);
        let mut doubled = case();
        doubled.facts.sale.stock += 2;
        doubled.facts.offered.tokens.extend([4, 5]);
        assert_eq!(units_add_up(&doubled).violations, 1);
        let mut off = case();
        off.facts.desks[0].reconciliation = json!({ "consistent": false });
        assert_eq!(units_add_up(&off).violations, 1);
        let mut sum = case();
        let stats = sum.history.iter_mut().find(|entry| entry.op == Op::Stats).unwrap();
        stats.said["tokens"]["held"] = json!(7);
        assert_eq!(units_add_up(&sum).violations, 1);
    }

    #[test]
    fn someone_who_waits_beside_a_free_unit_is_seen() {
        let mut stuck = case();
        stuck.facts.joins[2].state = "waiting".into();
        assert_eq!(the_sale_comes_to_rest(&stuck).violations, 1);
        let mut open = case();
        open.facts.holds[2].state = "active".into();
        assert_eq!(the_sale_comes_to_rest(&open).violations, 1);
    }

    #[test]
    fn more_open_holds_than_the_cap_are_seen() {
        let mut many = case();
        many.rules.max_in_checkout = Some(2);
        assert_eq!(the_cap_on_open_holds_is_kept(&many).violations, 0);
        let last = many.facts.trail.len() as i64;
        many.facts.trail.insert(4, step(last, 9, 3, "active", 10.0));
        many.facts.trail.insert(4, step(last, 8, 3, "active", 10.0));
        assert!(the_cap_on_open_holds_is_kept(&many).violations > 0);
    }

    #[test]
    fn a_sale_that_goes_on_without_its_commits_is_seen() {
        let mut case = case();
        case.settled.stand.holds = 3;
        assert_eq!(a_sale_that_lost_commits_is_stopped(&case).violations, 2);
        case.facts.sale.state = "paused".into();
        case.facts.sale.fault = Some("postgres lost commits: redis has later batches".into());
        case.facts.desks[0].stats = json!({ "status": "paused" });
        assert_eq!(a_sale_that_lost_commits_is_stopped(&case).violations, 0);
        case.settled.stand.holds = 2;
        assert_eq!(a_sale_that_lost_commits_is_stopped(&case).violations, 1);
    }
}
