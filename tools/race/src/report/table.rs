//! The table of one size: what each column says, as cells, and as Markdown.

use std::fmt::Write;

use super::{Heat, Lane, short};
use crate::course::{Outcome, Spread};

/// The first column is text, the rest are numbers.
pub const HEADINGS: [&str; 9] = [
    "way",
    "oversold",
    "unsold",
    "gave up",
    "orders/s",
    "answer ms p50 / p99 / p999",
    "order ms p50 / p99 / p999",
    "retries",
    "order in",
];

pub fn cells(lane: &Lane, stock: u32) -> [String; HEADINGS.len()] {
    [
        lane.way.to_owned(),
        oversold(lane, stock),
        unsold(lane, stock),
        lane.range(|one| one.gave_up),
        sold_something(lane, short(lane.median(Outcome::orders_per_second))),
        spread(lane, |one| one.first_answer),
        sold_something(lane, spread(lane, |one| one.order)),
        format!("{:.0}", lane.median(|one| one.retries as f64)),
        lane.written.to_owned(),
    ]
}

/// A rate or a time of orders, if there was one in every round.
fn sold_something(lane: &Lane, figure: String) -> String {
    if lane.rounds.iter().all(|one| one.orders > 0) { figure } else { "–".to_owned() }
}

/// By what the buyers were told; the orders that were written are named where they say something else.
fn oversold(lane: &Lane, stock: u32) -> String {
    let told = lane.range(|one| one.oversold(stock));
    if lane.rounds.iter().all(|one| one.told == one.written) {
        return told;
    }
    format!("{told}, by orders {}", lane.range(|one| one.oversold_by_orders(stock)))
}

/// With those that were reserved by buyers who walked away.
fn unsold(lane: &Lane, stock: u32) -> String {
    let unsold = lane.range(|one| one.unsold(stock));
    let reserved = lane.range(|one| one.walked_away);
    if reserved == "0" { unsold } else { format!("{unsold} ({reserved} reserved)") }
}

fn spread(lane: &Lane, of: impl Fn(&Outcome) -> Spread) -> String {
    let median = |part: fn(&Spread) -> f64| short(lane.median(|one| part(&of(one))));
    format!("{} / {} / {}", median(|it| it.p50), median(|it| it.p99), median(|it| it.p999))
}

pub fn markdown(heat: &Heat) -> String {
    let rows: Vec<_> = heat.lanes.iter().map(|lane| cells(lane, heat.size.stock)).collect();
    let width = |column: usize| {
        let all = rows.iter().map(|row| row[column].chars().count());
        all.chain([HEADINGS[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; HEADINGS.len()] = std::array::from_fn(width);
    let mut text = format!("{}\n\n", heat.size.words());
    let mut line = |row: &[String]| {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let separator = if column == 0 { "|" } else { " |" };
            let _ = if column == 0 {
                write!(text, "{separator} {cell:<width$}")
            } else {
                write!(text, "{separator} {cell:>width$}")
            };
        }
        text.push_str(" |\n");
    };
    line(&HEADINGS.map(str::to_owned));
    let rule = |column: usize| {
        let dashes = "-".repeat(widths[column].saturating_sub(1));
        if column == 0 { dashes + "-" } else { dashes + ":" }
    };
    line(&std::array::from_fn::<_, { HEADINGS.len() }, _>(rule));
    rows.iter().for_each(|row| line(row));
    text
}
