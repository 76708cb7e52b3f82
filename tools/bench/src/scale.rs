//! How cost grows, from measured figures: a simulation in small steps of time, in which work waits in front of
//! the part that does it. It tells which part gives out first, and at what size.
//!
//! Nothing is measured here. The figures are those of `target/bench/report.json` where it has them, and
//! otherwise those of `docs/performance.md`. Every part works in the order in which work comes in and takes no
//! time for anything else, so the truth is a little worse.

use std::fmt::Write as _;

use serde_json::Value;

/// Length of a step, in seconds.
const STEP: f64 = 0.02;
/// Long enough for whatever grows without end to show.
const SECONDS: f64 = 30.0;
/// A socket far back is told a new place this often at the most, in seconds (`flow/follow.rs`).
const GAP: f64 = 0.65;
/// A gateway looks at the line this often, in seconds (`loops/mod.rs`).
const LOOK: f64 = 0.25;
/// An audit compares the line this often, in seconds, or a second for each so many waiters.
const AUDIT: (f64, f64) = (15.0, 25_000.0);
/// What gives out: a join or a new place that takes longer than this, in seconds.
const PATIENCE: f64 = 1.0;

/// Processor time of one deed on each part, in microseconds.
#[derive(Debug, Clone, Copy)]
struct Cost {
    gateway: f64,
    postgres: f64,
    redis: f64,
}

/// The measured figures.
#[derive(Debug, Clone, Copy)]
struct Costs {
    join: Cost,
    place: Cost,
    confirm: Cost,
    sale: Cost,
    /// One waiter, compared once.
    audit: Cost,
}

impl Default for Costs {
    fn default() -> Self {
        let cost = |gateway, postgres, redis| Cost { gateway, postgres, redis };
        Self {
            join: cost(24.0, 9.4, 5.2),
            place: cost(10.0, 0.0, 0.0),
            confirm: cost(120.0, 250.0, 2.0),
            sale: cost(1_500.0, 4_000.0, 300.0),
            audit: cost(1.0, 1.0, 1.0),
        }
    }
}

impl Costs {
    /// What a report has, and the rest as it was.
    fn of(report: &Value) -> Self {
        let mut costs = Self::default();
        let rows = report.as_object().into_iter().flatten();
        let rows: Vec<&Value> = rows.flat_map(|(_, rows)| rows.as_array()).flatten().collect();
        let read = |deed: &str, cost: &mut Cost| {
            for (part, figure) in [
                ("ropeline", &mut cost.gateway),
                ("postgres", &mut cost.postgres),
                ("redis-server", &mut cost.redis),
            ] {
                let name = format!("processor time for {deed}: {part}");
                let found = rows.iter().find(|row| row["what"] == name.as_str());
                if let Some(measured) = found.and_then(|row| row["median"].as_f64()) {
                    *figure = measured;
                }
            }
        };
        read("a join", &mut costs.join);
        read("a place shown", &mut costs.place);
        read("a confirm, 64 callers", &mut costs.confirm);
        read("a sale that runs, each second and gateway", &mut costs.sale);
        costs
    }
}

/// What runs, and what comes.
#[derive(Debug, Clone, Copy)]
struct Setup {
    gateways: f64,
    /// Processors of each gateway, and of Postgres; Redis has one.
    gateway_cores: f64,
    postgres_cores: f64,
    sales: f64,
    joins_per_second: f64,
    sockets: f64,
    waiting: f64,
    confirms_per_second: f64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            gateways: 1.0,
            gateway_cores: 1.0,
            postgres_cores: 4.0,
            sales: 1.0,
            joins_per_second: 0.0,
            sockets: 0.0,
            waiting: 0.0,
            confirms_per_second: 0.0,
        }
    }
}

/// Work that waits in front of processors, in seconds of one.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    cores: f64,
    backlog: f64,
    busy: f64,
}

impl Part {
    fn new(cores: f64) -> Self {
        Self { cores, ..Self::default() }
    }

    /// One step: so many seconds of work come in.
    fn work(&mut self, seconds: f64) {
        let could = self.cores * STEP;
        let done = (self.backlog + seconds).min(could);
        self.backlog += seconds - done;
        self.busy += done;
    }

    /// How long work that comes in now waits.
    fn wait(&self) -> f64 {
        self.backlog / self.cores
    }

    /// The share of the time that it worked.
    fn used(&self) -> f64 {
        self.busy / (self.cores * SECONDS)
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Outcome {
    /// Seconds, at the 99th percentile of time.
    join: f64,
    place: f64,
    /// The fullest part, and how full.
    fullest: (&'static str, f64),
}

impl Outcome {
    fn gives_out(&self) -> bool {
        self.join > PATIENCE || self.place > PATIENCE + LOOK
    }
}

fn simulate(costs: &Costs, setup: &Setup) -> Outcome {
    // All gateways do the same, so one stands for each.
    let mut gateway = Part::new(setup.gateway_cores);
    let (mut postgres, mut redis) = (Part::new(setup.postgres_cores), Part::new(1.0));
    let (mut joins, mut places) = (Vec::new(), Vec::new());
    let looks = setup.sales / 1e6;
    let audited = setup.waiting / AUDIT.0.max(setup.waiting / AUDIT.1) / 1e6;
    let sockets = setup.sockets / setup.gateways;
    for _ in 0..(SECONDS / STEP) as usize {
        // Whoever waits for a place does not ask for the next one.
        let told = sockets / (GAP + gateway.wait());
        let each = |cost: fn(&Cost) -> f64, share: f64| {
            share * setup.joins_per_second * cost(&costs.join) / 1e6
                + share * setup.confirms_per_second * cost(&costs.confirm) / 1e6
        };
        let mine = each(|cost| cost.gateway, 1.0 / setup.gateways)
            + told * costs.place.gateway / 1e6
            + looks * costs.sale.gateway
            + audited * costs.audit.gateway;
        gateway.work(mine * STEP);
        let all = setup.gateways;
        let theirs = each(|cost| cost.postgres, 1.0)
            + all * (looks * costs.sale.postgres + audited * costs.audit.postgres);
        postgres.work(theirs * STEP);
        let theirs = each(|cost| cost.redis, 1.0)
            + all * (looks * costs.sale.redis + audited * costs.audit.redis);
        redis.work(theirs * STEP);
        joins.push(gateway.wait() + postgres.wait() + redis.wait());
        places.push(GAP + LOOK / 2.0 + gateway.wait());
    }
    let parts = [("gateways", gateway), ("Postgres", postgres), ("Redis", redis)];
    let fullest = parts.iter().map(|(name, part)| (*name, part.used()));
    Outcome {
        join: high(joins),
        place: high(places),
        fullest: fullest.max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default(),
    }
}

/// The 99th percentile.
fn high(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() * 99 / 100).copied().unwrap_or_default()
}

/// The largest size, within a hundredth, that does not give out, and how it went there.
fn last_well(costs: &Costs, setup: impl Fn(f64) -> Setup) -> (f64, Outcome) {
    let at = |size: f64| simulate(costs, &setup(size));
    let (mut well, mut bad) = (1.0, 2.0);
    while !at(bad).gives_out() && bad < 1e9 {
        (well, bad) = (bad, bad * 2.0);
    }
    while bad - well > well / 100.0 {
        let middle = f64::midpoint(well, bad);
        if at(middle).gives_out() { bad = middle } else { well = middle }
    }
    (well, at(well))
}

/// Prints where each part gives out.
pub fn run() -> anyhow::Result<()> {
    let costs = match std::fs::read("target/bench/report.json") {
        Ok(report) => Costs::of(&serde_json::from_slice(&report)?),
        Err(_) => Costs::default(),
    };
    println!("{}", table(&costs));
    Ok(())
}

fn table(costs: &Costs) -> String {
    let base = Setup::default();
    type Grow = (&'static str, &'static str, fn(f64, Setup) -> Setup);
    let rows: [Grow; 7] = [
        ("joins a second", "one gateway", |n, setup| Setup { joins_per_second: n, ..setup }),
        ("joins a second", "four gateways", |n, setup| Setup {
            joins_per_second: n,
            gateways: 4.0,
            ..setup
        }),
        ("sockets, line moving", "one gateway", |n, setup| Setup { sockets: n, ..setup }),
        ("sockets, line moving", "1,000 joins a second", |n, setup| Setup {
            sockets: n,
            joins_per_second: 1_000.0,
            ..setup
        }),
        ("gateways, 15,000 sockets each", "one sale", |n, setup| Setup {
            sockets: n * 15_000.0,
            gateways: n,
            ..setup
        }),
        ("sales at a time", "one gateway", |n, setup| Setup { sales: n, ..setup }),
        ("waiting, audited", "four gateways", |n, setup| Setup {
            waiting: n,
            gateways: 4.0,
            joins_per_second: 1_000.0,
            ..setup
        }),
    ];
    let mut text = String::from(
        "| what grows | with | well up to | then full | join, p99 | place, p99 |\n\
         | --- | --- | ---: | --- | ---: | ---: |\n",
    );
    for (what, with, grow) in rows {
        let (size, outcome) = last_well(costs, |size| grow(size, base));
        let (part, used) = outcome.fullest;
        let size = if size > 5e8 { "never".to_owned() } else { format!("{size:.0}") };
        let _ = writeln!(
            text,
            "| {what} | {with} | {size} | {part}, {:.0} % | {:.0} ms | {:.0} ms |",
            used * 100.0,
            outcome.join * 1e3,
            outcome.place * 1e3,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn work_waits_only_where_there_is_more_than_can_be_done() {
        let mut part = Part::new(2.0);
        part.work(2.0 * STEP);
        assert_eq!(part.wait(), 0.0);
        part.work(3.0 * STEP);
        assert!((part.wait() - STEP / 2.0).abs() < 1e-12);
    }

    #[test]
    fn one_gateway_takes_as_many_joins_as_its_processor_has_time_for() {
        let costs = Costs::default();
        let (size, outcome) =
            last_well(&costs, |n| Setup { joins_per_second: n, ..Setup::default() });
        let most = 1e6 / costs.join.gateway;
        assert!((size / most - 1.0).abs() < 0.06, "{size} of {most}");
        assert_eq!(outcome.fullest.0, "gateways");
        let (more, _) =
            last_well(&costs, |n| Setup { joins_per_second: n, gateways: 4.0, ..Setup::default() });
        assert!(more > 3.0 * size, "gateways help: {more}");
    }

    #[test]
    fn what_a_report_has_counts_and_the_rest_stays() {
        let report = json!({ "Joins": [
            { "what": "processor time for a join: ropeline", "median": 7.0 },
            { "what": "joins, 256 connections", "median": 1.0 } ] });
        let costs = Costs::of(&report);
        assert_eq!(costs.join.gateway, 7.0);
        assert_eq!(costs.join.postgres, Costs::default().join.postgres);
    }

    #[test]
    fn every_row_of_the_table_gives_out_somewhere_or_says_never() {
        let text = table(&Costs::default());
        assert_eq!(text.lines().count(), 2 + 7);
        assert!(text.contains("Postgres"), "not only gateways give out: {text}");
    }
}
