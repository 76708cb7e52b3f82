//! What a long history costs: a sale in which much happened, beside one in which nothing did. Each has stores
//! and a gateway of its own, and they take turns.

mod ask;
mod fill;
mod outage;

use std::time::Duration;

use tokio::time::sleep;

use crate::rig::Rig;
use crate::table::{Goal, Rounds, Row, alone, so_far};
use crate::usage::seconds_of;
use ask::Case;
use fill::Side;

/// How much slower a part may be than in the empty sale.
const SLOWER: Goal = Goal::AtMost(1.2);
/// The same for a rate.
const RATE: Goal = Goal::AtLeast(1.0 / 1.2);

/// How large everything is; all of it shrinks with `--scale`.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub joins: i64,
    /// Holds that ended without an order.
    pub returned: i64,
    pub orders: i64,
    pub open: i64,
    /// Units of the sale of which ten are withdrawn.
    pub wide: i64,
    /// How long each look at idle gateways lasts.
    look: Duration,
    /// Requests of one kind in a round.
    requests: usize,
    /// Tickets that are admitted in a round, one in each step.
    steps: usize,
    /// How long joins are counted in a round.
    joining: Duration,
    /// Confirms in a round: as fast as they go, and one after the other beside a reconciliation.
    confirms: usize,
    steady: usize,
    /// Confirms around an outage, and how long it is waited for.
    outage: usize,
    patience: Duration,
}

impl Size {
    fn of(scale: f64) -> Self {
        let part = |whole: f64, least: f64| (whole * scale).max(least);
        let rows = |whole: f64| part(whole, whole / 10_000.0).round() as i64;
        let count = |whole: f64, least: f64| part(whole, least).round() as usize;
        Self {
            joins: rows(1_000_000.0),
            returned: rows(200_000.0),
            orders: rows(100_000.0),
            open: rows(200_000.0),
            wide: rows(10_000_000.0),
            look: Duration::from_secs_f64(part(20.0, 1.0)),
            requests: count(20.0, 3.0),
            steps: count(200.0, 5.0),
            joining: Duration::from_secs_f64(part(4.0, 0.5)),
            confirms: count(1_000.0, 32.0),
            steady: count(400.0, 20.0),
            outage: count(1_000.0, 60.0),
            patience: Duration::from_secs_f64(part(60.0, 20.0)),
        }
    }

    /// Open holds that all measurements together confirm. The empty sale has so many and no more.
    fn needed(&self, rounds: u32) -> i64 {
        let all = rounds as usize * (self.confirms + 4 * self.steady) + self.outage;
        i64::try_from(all).unwrap_or(i64::MAX)
    }
}

/// Fills one sale, leaves another one empty, and measures both.
pub async fn run(rig: &Rig, rounds: u32, scale: f64) -> anyhow::Result<Vec<Row>> {
    anyhow::ensure!(scale > 0.0 && scale <= 1.0, "--scale: above 0, 1 at the most");
    let size = Size::of(scale);
    let other = Rig::new().await?;
    let mut long = Side::start(rig).await?;
    let mut empty = Side::start(&other).await?;
    let needed = size.needed(rounds);
    long.fill(&size, size.open.max(needed)).await?;
    empty.fill_nothing().await?;
    let mut rows = Vec::new();
    let mut add = |more: Vec<Row>| {
        so_far(&more);
        rows.extend(more);
    };
    add(idle(&long, &empty, &size, rounds).await?);
    add(reads(&long, &empty, &size, rounds).await?);
    add(vec![admissions(&long, &empty, &size, rounds).await?]);
    for side in [&long, &empty] {
        side.pause().await?;
    }
    empty.hold(needed).await?;
    add(writes(&long, &empty, &size, rounds).await?);
    add(vec![withdrawals(&mut long, &mut empty, &size, rounds).await?]);
    add(outage::run(&mut long, &mut empty, &size).await?);
    long.stop().await?;
    empty.stop().await?;
    other.stop().await?;
    Ok(rows)
}

/// Processor time of a gateway, and of its Postgres, while nobody asks for anything.
async fn idle(
    long: &Side<'_>,
    empty: &Side<'_>,
    size: &Size,
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let mut parts = [("a gateway", Rounds::default()), ("Postgres", Rounds::default())];
    for _ in 0..rounds {
        let now = || [long, empty].map(|side| side.processes().map(seconds_of));
        let before = now();
        sleep(size.look).await;
        let after = now();
        for (index, (_, measured)) in parts.iter_mut().enumerate() {
            let spent = |side: usize| (after[side][index] - before[side][index]) * 1e3;
            let each = size.look.as_secs_f64();
            measured.add(spent(0) / each, spent(1) / each);
        }
    }
    let rows = parts.map(|(part, measured)| {
        let what = format!("ticks and other loops: processor time of {part} each second");
        measured.row(&what, "ms", "an empty sale").with_goal(SLOWER)
    });
    Ok(rows.into())
}

/// Steps of the gateways' own admission.
async fn admissions(
    long: &Side<'_>,
    empty: &Side<'_>,
    size: &Size,
    rounds: u32,
) -> anyhow::Result<Row> {
    let mut measured = Rounds::default();
    for _ in 0..rounds {
        let base = ask::admission_step(empty, size.steps).await?;
        measured.add(ask::admission_step(long, size.steps).await?, base);
    }
    let what = "an admission step with max_in_checkout";
    Ok(measured.row(what, "ms", "an empty sale").with_goal(SLOWER))
}

/// What people and consoles read.
async fn reads(
    long: &Side<'_>,
    empty: &Side<'_>,
    size: &Size,
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let cases = [
        Case::new("page of a closed sale", "", |side| vec![format!("/s/{}", side.closed)]),
        Case::new("facts of a closed sale", "", |side| {
            vec![format!("/api/v1/sales/{}", side.closed)]
        }),
        Case::operator("one second of an open console page", |side| {
            vec![format!("/api/v1/admin/overview?sale={}", side.open), admin(side, "stats")]
        }),
        Case::operator("/stats", |side| vec![admin(side, "stats")]),
        Case::operator("/plan", |side| vec![admin(side, "plan")]),
    ];
    let mut rows = Vec::new();
    for case in cases {
        let measured = case.measure(long, empty, size.requests, rounds).await?;
        rows.push(measured.row(case.what, "ms", "an empty sale").with_goal(SLOWER));
    }
    let case = Case::operator("/reconciliation", |side| vec![admin(side, "reconciliation")]);
    rows.push(case.measure(long, empty, 1, rounds).await?.row(case.what, "ms", "an empty sale"));
    Ok(rows)
}

fn admin(side: &Side<'_>, what: &str) -> String {
    format!("/api/v1/admin/sales/{}/{what}", side.open)
}

/// Confirms, confirms beside a reconciliation, and joins.
async fn writes(
    long: &Side<'_>,
    empty: &Side<'_>,
    size: &Size,
    rounds: u32,
) -> anyhow::Result<Vec<Row>> {
    let (mut confirms, mut beside) = (Rounds::default(), Rounds::default());
    let (mut joins, mut refused) = (Rounds::default(), Vec::new());
    for _ in 0..rounds {
        let base = ask::confirms(empty, size.confirms).await?;
        confirms.add(ask::confirms(long, size.confirms).await?, base);
    }
    for _ in 0..rounds {
        let calm = ask::steady_confirms(long, size.steady, None).await?;
        let busy = ask::steady_confirms(long, size.steady, Some("reconciliation")).await?;
        beside.add(busy.p99(), calm.p99());
        refused.push(busy.refused as f64);
    }
    for _ in 0..rounds {
        let base = ask::joins(empty, size.joining).await?;
        joins.add(ask::joins(long, size.joining).await?, base);
    }
    Ok(vec![
        confirms.row("confirms, 16 callers", "/s", "an empty sale").with_goal(RATE),
        beside.row("confirms beside a reconciliation: p99", "ms", "calm").with_goal(SLOWER),
        alone("confirms beside a reconciliation: refused", "", refused)
            .with_goal(Goal::Figure(0.0)),
        joins.row("joins, 64 connections", "/s", "an empty sale").with_goal(RATE),
    ])
}

/// Ten units out of very many, beside ten out of a thousand. Never, when a call was refused.
async fn withdrawals(
    long: &mut Side<'_>,
    empty: &mut Side<'_>,
    size: &Size,
    rounds: u32,
) -> anyhow::Result<Row> {
    const NARROW: i64 = 1_000;
    long.widen(size.wide).await?;
    empty.widen(NARROW).await?;
    let mut measured = Rounds::default();
    for _ in 0..rounds {
        let base = ask::withdrawal(empty).await?;
        measured.add(ask::withdrawal(long).await?, base);
    }
    long.narrow().await?;
    empty.narrow().await?;
    let what = format!("a withdrawal of ten units of {}", size.wide);
    Ok(measured.row(&what, "ms", "of 1,000").with_goal(SLOWER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_filling_keeps_every_part() {
        let (whole, small) = (Size::of(1.0), Size::of(0.000_001));
        assert_eq!((whole.joins, whole.open, whole.orders), (1_000_000, 200_000, 100_000));
        assert_eq!(whole.returned + whole.orders, 300_000, "ended holds");
        for rows in [small.joins, small.returned, small.orders, small.open, small.wide] {
            assert!(rows >= 10, "{small:?}");
        }
        let holds = small.returned + small.orders + small.open;
        assert!(holds <= small.joins, "each hold has its join: {small:?}");
    }
}
