//! A small run in which all is well: three tickets, three units. The tests of the checks doctor it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::facts::{Desk, Facts, Hold, Join, Of, Offered, Order, Sale, Step};
use super::super::history::{Entry, Op, Outcome};
use super::super::variant::Variant;
use super::{ALL, Case, Settled};

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// A step of hold `hold` (1, 2, 3), whose ticket is 11, 12, 13.
pub fn step(id_of: i64, hold: u128, unit: i32, state: &str, up: f64) -> Step {
    Step {
        id: id_of,
        up,
        at: up,
        of: Of::Hold,
        row: id(hold),
        unit,
        ticket: id(hold + 10),
        state: state.into(),
        expires_at: up + 3.0,
    }
}

fn journaled(id_of: i64, ticket: u128, state: &str, up: f64) -> Step {
    Step { of: Of::Join, row: id(ticket), ticket: id(ticket), ..step(id_of, 0, 0, state, up) }
}

fn hold(n: u128, unit: i32, batch: i64, state: &str) -> Hold {
    Hold {
        id: id(n),
        unit,
        ticket: id(n + 10),
        seq: n as i64,
        epoch: 1,
        batch,
        state: state.into(),
        admitted_at: 2.0,
        expires_at: 5.0,
    }
}

fn join(n: u128) -> Join {
    Join { ticket: id(n), seq: n as i64 - 10, state: "admitted".into() }
}

/// Ticket 11 buys unit 1, ticket 12 gives unit 2 back, ticket 13 gets it and lets it expire.
pub fn case() -> Case {
    let mut rules = Variant::Demand.rules();
    (rules.units, rules.shoppers) = (12, 3);
    Case {
        rules,
        facts: facts(),
        history: history(),
        windows: Vec::new(),
        up_at_start: 0.0,
        calm: false,
        settled: Settled { seconds: Some(1.0), ..Settled::default() },
        batch_101: json!({ "errors": [{ "field": "batch_size" }] }),
        secrets: vec!["pay-123".into(), "an operator's key for the drill".into()],
    }
}

fn facts() -> Facts {
    let metrics = "ropeline_units{sale=\"a\",state=\"available\"} 2\n\
                   ropeline_units{sale=\"a\",state=\"held\"} 0\n\
                   ropeline_units{sale=\"a\",state=\"sold\"} 1\n\
                   ropeline_units{sale=\"a\",state=\"withdrawn\"} 0\n\
                   ropeline_waiting{sale=\"a\"} 0\nropeline_admitted_total 3\n\
                   ropeline_holds_ended_total{state=\"confirmed\"} 1\n\
                   ropeline_holds_ended_total{state=\"released\"} 1\n\
                   ropeline_holds_ended_total{state=\"expired\"} 1\n";
    Facts {
        sale: Sale {
            id: id(1),
            state: "open".into(),
            stock: 3,
            epoch: 1,
            window_seconds: 3,
            ..Sale::default()
        },
        joins: vec![join(11), join(12), join(13)],
        holds: vec![
            hold(1, 1, 1, "confirmed"),
            hold(2, 2, 1, "released"),
            hold(3, 2, 2, "expired"),
        ],
        orders: vec![Order {
            id: id(21),
            hold: id(1),
            unit: 1,
            ticket: id(11),
            payment_reference: Some("pay-123".into()),
        }],
        withdrawn: Vec::new(),
        trail: vec![
            journaled(1, 11, "waiting", 1.0),
            journaled(2, 12, "waiting", 1.0),
            journaled(3, 13, "waiting", 1.0),
            journaled(4, 11, "admitted", 2.0),
            journaled(5, 12, "admitted", 2.0),
            step(6, 1, 1, "active", 2.0),
            step(7, 2, 2, "active", 2.0),
            step(8, 1, 1, "confirmed", 2.5),
            step(9, 2, 2, "released", 2.6),
            journaled(10, 13, "admitted", 3.0),
            step(11, 3, 2, "active", 3.0),
            step(12, 3, 2, "expired", 6.5),
        ],
        offered: Offered { epoch: 1, tokens: vec![2, 3], ..Offered::default() },
        desks: vec![Desk {
            stats: json!({ "status": "open" }),
            reconciliation: json!({ "consistent": true }),
            metrics: metrics.into(),
        }],
        logs: vec![("gateway-1".into(), vec!["all is well with pay-124".into()])],
    }
}

fn entry(op: Op, n: u128, status: u16, said: Value) -> Entry {
    let outcome = if status < 300 { Outcome::Ok } else { Outcome::Refused };
    let entry = Entry::plain("shopper-1", op, 2_000_000, 2_500_000);
    let entry = Entry { status, outcome, said, ..entry };
    entry.ticket(&id(n + 10).to_string()).hold(&id(n).to_string())
}

fn history() -> Vec<Entry> {
    let bought = json!({ "state": "confirmed", "unit": 1, "order": { "id": id(21) } });
    let waits = json!({ "state": "waiting", "version": 5, "number": 1, "position": 1 });
    let kept = |state: &str, version: u64, order: Value| {
        json!({ "state": state, "version": version, "hold":
            { "id": id(1), "unit": 1, "ticket": id(11), "order": order } })
    };
    let tokens = json!({ "seeded": 3, "available": 2, "held": 0, "sold": 1, "withdrawn": 0 });
    vec![
        entry(Op::Join, 1, 201, json!({ "credential": "c" })).key("a join"),
        entry(Op::Told, 1, 200, waits),
        entry(Op::Told, 1, 200, kept("admitted", 8, Value::Null)),
        entry(Op::Confirm, 1, 200, bought.clone()).key("a key"),
        entry(Op::Confirm, 1, 200, bought).key("a key"),
        entry(Op::Told, 1, 200, kept("confirmed", 9, json!(id(21)))),
        entry(Op::Release, 2, 200, json!({ "state": "released" })).key("b key"),
        entry(Op::Leave, 40, 204, Value::Null),
        entry(Op::Steal, 1, 404, json!({ "code": "not-found" })).key("c key"),
        entry(Op::Rubbish, 1, 422, Value::Null),
        Entry { said: json!({ "tokens": tokens }), ..entry(Op::Stats, 1, 200, Value::Null) },
    ]
}

#[test]
fn the_sample_passes_every_check_and_each_looks_at_something() {
    let case = case();
    for check in ALL {
        let verdict = check(&case);
        assert_eq!(verdict.violations, 0, "{}: {:?}", verdict.id, verdict.shown);
        assert!(verdict.looked_at > 0 || verdict.id == "cap", "{}", verdict.id);
    }
}
