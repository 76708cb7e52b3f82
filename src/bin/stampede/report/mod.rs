//! What a run measured, in one shape that is told as text, as JSON and as a page.

mod html;
mod plots;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;

use super::crowd::Done;
use super::machine::Used;
use super::measure::{Counted, DOINGS, Pair, Times};
use super::plan::{Plan, Watch};
use super::world::World;

pub use text::text;

/// A generator that is late by more than this at its 99th percentile has not kept up.
const KEPT_UP_MS: f64 = 10.0;
/// The steps of a curve: so many for each halving of the distance to 100 %.
const STEPS: u32 = 4;

#[derive(Serialize)]
pub struct Report {
    pub version: &'static str,
    pub plan: Plan,
    pub sale: String,
    pub opening_seconds: f64,
    pub seconds: f64,
    pub counts: Counted,
    pub most_open: u64,
    /// By what was done, while the standing crowd came, and after.
    pub opening: BTreeMap<&'static str, Timed>,
    pub calls: BTreeMap<&'static str, Timed>,
    /// From a state's `server_time` until it arrived.
    pub age: Summary,
    /// From a hold's `admitted_at` until its shopper knew.
    pub told: Summary,
    /// From an admission until the places behind it fell; null where that cannot be known.
    pub lag: Option<Summary>,
    pub errors: BTreeMap<String, u64>,
    pub broken_promises: u64,
    pub broken: Vec<String>,
    pub generator: Generator,
    pub series: Vec<Second>,
    pub books: Option<Value>,
}

/// One thing, timed from when it was due and from when it was sent.
#[derive(Serialize)]
pub struct Timed {
    pub due: Summary,
    pub sent: Summary,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub count: u64,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub p999_ms: f64,
    pub max_ms: f64,
    /// Percent and milliseconds.
    pub curve: Vec<(f64, f64)>,
}

/// How the generator itself did.
#[derive(Serialize)]
pub struct Generator {
    pub kept_up: bool,
    /// How late shoppers were let go.
    pub late: Summary,
    /// How late it wakes up for anything.
    pub own_lag: Summary,
    /// Calls that went out again over a new connection.
    pub reopened: u64,
    #[serde(flatten)]
    pub used: Used,
    /// What a reader should know before believing a figure.
    pub says: Vec<String>,
}

/// One point of the plots: what happened in the time before it, as rates, and how things stand.
#[derive(Clone, Debug, Serialize)]
pub struct Second {
    pub at: f64,
    pub is_running: bool,
    pub arrived: u64,
    pub joined: u64,
    pub admitted: u64,
    pub bought: u64,
    pub states: u64,
    pub errors: u64,
    pub open: u64,
    /// As the gateway tells it; none when it did not.
    pub waiting: Option<u64>,
}

impl Second {
    pub fn between(
        at: Duration,
        is_running: bool,
        before: &Counted,
        now: &Counted,
        waiting: Option<u64>,
    ) -> Self {
        Self {
            at: at.as_secs_f64(),
            is_running,
            arrived: now.arrived - before.arrived,
            joined: now.joined - before.joined,
            admitted: now.admitted - before.admitted,
            bought: now.bought - before.bought,
            states: now.states - before.states,
            errors: now.errors - before.errors,
            open: now.open,
            waiting,
        }
    }
}

impl Summary {
    pub fn of(times: &Times) -> Self {
        let times: &Histogram<u64> = &times.lock();
        if times.is_empty() {
            return Self::default();
        }
        let ms = |micros: u64| micros as f64 / 1e3;
        let at = |quantile| ms(times.value_at_quantile(quantile));
        let curve = times
            .iter_quantiles(STEPS)
            .map(|step| (step.quantile() * 100.0, ms(step.value_iterated_to().min(times.max()))));
        Self {
            count: times.len(),
            mean_ms: times.mean() / 1e3,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: ms(times.max()),
            curve: curve.collect(),
        }
    }
}

impl Report {
    pub fn of(world: &World, done: Done, used: Used) -> Self {
        let (measures, broken) = (&world.measures, world.checks.broken());
        let (late, own_lag) = (Summary::of(&measures.late), Summary::of(&measures.own_lag));
        let kept_up = late.p99_ms <= KEPT_UP_MS && own_lag.p99_ms <= KEPT_UP_MS;
        let counts = measures.counts.read();
        let mut says = Vec::new();
        if !kept_up {
            says.push(format!(
                "The generator did not keep up: at p99 shoppers were let go {:.1} ms late, and it woke up \
                 {:.1} ms late. Times from when a call was due hold that lag too.",
                late.p99_ms, own_lag.p99_ms
            ));
        }
        let lag = knows_the_line(world, &counts).map(|()| Summary::of(&world.lag.times()));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            plan: world.plan.clone(),
            sale: world.sale.name.clone(),
            opening_seconds: done.opening.as_secs_f64(),
            seconds: done.running.as_secs_f64(),
            counts,
            most_open: measures.peak_open.load(std::sync::atomic::Ordering::Relaxed),
            opening: timed(measures.pairs(false)),
            calls: timed(measures.pairs(true)),
            age: Summary::of(&measures.age),
            told: Summary::of(&measures.told),
            lag,
            errors: measures.errors(),
            broken_promises: broken.count,
            broken: broken.told,
            generator: Generator {
                kept_up,
                late,
                own_lag,
                reopened: world.net.reopened.load(std::sync::atomic::Ordering::Relaxed),
                used,
                says,
            },
            series: done.series,
            books: done.books,
        }
    }

    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, json: Option<&Path>, page: Option<&Path>) -> Result<()> {
        if let Some(file) = json {
            put(file, "--json", &serde_json::to_string_pretty(self)?)?;
        }
        if let Some(file) = page {
            put(file, "--html", &html::page(self)?)?;
        }
        Ok(())
    }
}

/// Whether every join and every admission of the sale was this run's, so that places can be counted.
fn knows_the_line(world: &World, counts: &Counted) -> Option<()> {
    let watch = &world.plan.shopper.watch;
    let all_watch = !watch.has(Watch::None) && !watch.has(Watch::Poll);
    // A join that was tried again may have been taken twice.
    let joins_failed = world.measures.errors().keys().any(|kind| kind.starts_with("join:"));
    let nobody_missed = counts.gave_up == 0 && counts.left == 0 && !joins_failed;
    (world.sale.is_own && all_watch && nobody_missed).then_some(())
}

fn timed(pairs: &[Pair]) -> BTreeMap<&'static str, Timed> {
    let all = DOINGS.iter().zip(pairs);
    let timed = all.map(|(doing, pair)| {
        (doing.name(), Timed { due: Summary::of(&pair.due), sent: Summary::of(&pair.sent) })
    });
    timed.filter(|(_, timed)| timed.due.count > 0).collect()
}

fn put(file: &Path, flag: &str, text: &str) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir).with_context(|| format!("{flag}: {}", dir.display()))?;
    }
    fs::write(file, text).with_context(|| format!("{flag}: {}", file.display()))
}
