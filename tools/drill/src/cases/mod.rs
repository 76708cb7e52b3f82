//! Directed cases, because chance does not reach them: every crash point of every step with everything
//! that may become of the stores, and every call to a store that is not answered.
//!
//! A [`crash`] case and a [`swallow`] case play the same [`script`], and the same [`judge`] says whether
//! what everybody was told is so.

mod aftermath;
pub mod behind;
mod book;
mod crash;
mod doors;
mod judge;
pub mod left;
mod nap;
mod scene;
mod script;
mod shopper;
mod swallow;

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use crash::Crash;
use futures_util::future::try_join_all;
use ropeline::faults::{Mistake, Point};
use swallow::{How, Outcome, Series, Store};
use tokio::time::Instant;

use crate::gateway::this_program;
use crate::world::World;

/// How often auditors look in a case: it would take a quarter of a minute until they come by themselves.
const AUDIT_EVERY: Duration = Duration::from_secs(1);

/// Which cases are run; all of them when nothing is said.
#[derive(Debug, Clone, Args)]
pub struct Which {
    /// Only this crash point, such as admit.in_tx
    #[arg(long, value_parser = point)]
    point: Option<Point>,

    /// Only this way to a point, such as buy
    #[arg(long)]
    scene: Option<String>,

    /// Only this at a point: abort, stall or error
    #[arg(long)]
    action: Option<String>,

    /// Only with this afterwards: nothing, redis-empty, redis-older or postgres-restarted
    #[arg(long)]
    after: Option<String>,

    /// Only the gateway that sleeps through a rebuild
    #[arg(long)]
    nap: bool,

    /// Only who stands behind a join that stands still (seed 70005)
    #[arg(long)]
    behind: bool,

    /// Only who leaves while every number is a twin's (seed 70001)
    #[arg(long)]
    left: bool,

    /// Only calls that fail like this
    #[arg(long)]
    call: Option<How>,

    /// Only calls to this store
    #[arg(long)]
    store: Option<Store>,

    /// Only calls in a sale through so many gateways, 1 or 2
    #[arg(long)]
    gateways: Option<usize>,

    /// Only the k-th call
    #[arg(long)]
    k: Option<u64>,

    /// Every n-th call fails in turn: 1 for each of them
    #[arg(long)]
    every: Option<u64>,

    /// Gateways make this mistake, such as no-slot
    #[arg(long, value_parser = mistake)]
    mistake: Option<Mistake>,

    /// Cases side by side
    #[arg(long, default_value = "6")]
    worlds: usize,

    /// Where the stores and the logs are
    #[arg(long, default_value = "target/tmp/cases")]
    dir: PathBuf,

    /// Say how long each case took
    #[arg(long)]
    times: bool,
}

fn point(text: &str) -> Result<Point, String> {
    Point::parse(text).ok_or_else(|| "no such point".into())
}

fn mistake(text: &str) -> Result<Mistake, String> {
    Mistake::parse(text).ok_or_else(|| "no such mistake".into())
}

impl Which {
    /// Cases of their own that were asked for.
    fn stories(&self) -> Vec<Case> {
        let all = [(self.nap, Case::Nap), (self.behind, Case::Behind), (self.left, Case::Left)];
        all.into_iter().filter_map(|(is_asked, case)| is_asked.then_some(case)).collect()
    }

    fn crashes(&self) -> Vec<Crash> {
        if !self.stories().is_empty()
            || self.call.is_some()
            || self.store.is_some()
            || self.gateways.is_some()
            || self.k.is_some()
        {
            return Vec::new();
        }
        let is = |asked: &Option<String>, name: &str| asked.as_deref().is_none_or(|a| a == name);
        let mut all = Crash::all();
        all.retain(|case| {
            self.point.is_none_or(|point| point == case.point)
                && is(&self.scene, case.scene.as_str())
                && is(&self.action, case.action.as_str())
                && is(&self.after, case.after.as_str())
        });
        all
    }

    fn series(&self) -> Vec<Series> {
        if !self.stories().is_empty()
            || self.point.is_some()
            || self.scene.is_some()
            || self.action.is_some()
            || self.after.is_some()
        {
            return Vec::new();
        }
        let mut all = Series::all();
        all.retain(|series| {
            self.call.is_none_or(|how| how == series.how)
                && self.store.is_none_or(|store| store == series.store)
                && self.gateways.is_none_or(|gateways| gateways == series.gateways)
        });
        all
    }
}

/// One thing to do in a world.
#[derive(Debug, Clone, Copy)]
enum Case {
    Crash(Crash),
    Nap,
    Behind,
    Left,
    Call(Series, u64),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(crash) => crash.fmt(f),
            Self::Nap => write!(f, "--nap"),
            Self::Behind => write!(f, "--behind"),
            Self::Left => write!(f, "--left"),
            Self::Call(series, k) => write!(f, "{series} --k {k}"),
        }
    }
}

/// What is left to do, and what came of the rest.
struct Work {
    stories: VecDeque<Case>,
    crashes: VecDeque<Crash>,
    /// Each with the next call that is to fail.
    series: VecDeque<(Series, u64)>,
    only_k: Option<u64>,
    every: Option<u64>,
    run: usize,
    failed: usize,
}

impl Work {
    fn next(&mut self) -> Option<Case> {
        if let Some(story) = self.stories.pop_front() {
            return Some(story);
        }
        if let Some(crash) = self.crashes.pop_front() {
            return Some(Case::Crash(crash));
        }
        if self.only_k.is_some() {
            return self.series.pop_front().map(|(series, k)| Case::Call(series, k));
        }
        let (series, k) = self.series.front_mut()?;
        let this = *k;
        *k += self.every.unwrap_or(series.stride());
        Some(Case::Call(*series, this))
    }

    /// The sale was over before this call.
    fn is_over(&mut self, of: Series, k: u64) {
        if let Some((series, _)) = self.series.front()
            && series.to_string() == of.to_string()
        {
            let every = self.every.unwrap_or(of.stride());
            println!("{series}: every k until {k}, {every} apart");
            self.series.pop_front();
        }
    }
}

fn lock(work: &Mutex<Work>) -> MutexGuard<'_, Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the cases and prints what failed, each with what is needed to run it again.
///
/// # Errors
/// When one failed.
pub async fn run(which: Which) -> Result<()> {
    let (crashes, first) = (which.crashes(), which.k.unwrap_or(1));
    let series: VecDeque<_> = which.series().into_iter().map(|series| (series, first)).collect();
    let is_narrow = crashes.is_empty() || series.is_empty();
    let mut stories: VecDeque<Case> = which.stories().into();
    ensure!(!stories.is_empty() || !crashes.is_empty() || !series.is_empty(), "no such case");
    let (started, only_k, every) = (Instant::now(), which.k, which.every);
    if !is_narrow {
        stories = [Case::Nap, Case::Behind, Case::Left].into();
    }
    let many = if series.is_empty() { (crashes.len() + stories.len()).max(1) } else { usize::MAX };
    let work = Work { stories, crashes: crashes.into(), series, only_k, every, run: 0, failed: 0 };
    let work = Mutex::new(work);
    let lanes = (1..=which.worlds.min(many)).map(|number| lane(&which, number, &work));
    try_join_all(lanes).await?;
    let Work { run, failed, .. } = *lock(&work);
    println!("{run} cases, {} passed, in {} s", run - failed, started.elapsed().as_secs());
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

/// Runs cases in one world until none is left.
async fn lane(which: &Which, number: usize, work: &Mutex<Work>) -> Result<()> {
    let dir = which.dir.join(format!("world-{number}"));
    let mut world = World::start(&dir, this_program()?).await.context("a world")?;
    world.audit_every = Some(AUDIT_EVERY);
    loop {
        let Some(case) = lock(work).next() else { break };
        let started = Instant::now();
        let done = match case {
            Case::Crash(crash) => crash.run(&mut world, which.mistake).await.map(|()| true),
            Case::Nap => nap::run(&mut world, which.mistake).await.map(|()| true),
            Case::Behind => behind::run(&mut world, which.mistake).await.map(|()| true),
            Case::Left => left::run(&mut world, which.mistake).await.map(|()| true),
            Case::Call(series, k) => series
                .run(&mut world, k, which.mistake)
                .await
                .map(|outcome| outcome == Outcome::Failed),
        };
        if which.times {
            let calls = match case {
                Case::Crash(_) | Case::Nap | Case::Behind | Case::Left => String::new(),
                Case::Call(series, _) => format!(", {} calls", series.calls(&world)),
            };
            println!("{:5.2} s  {case}{calls}", started.elapsed().as_secs_f64());
        }
        match (done, case) {
            (Ok(true), _) => lock(work).run += 1,
            (Ok(false), Case::Call(series, k)) => lock(work).is_over(series, k),
            (Ok(false), Case::Crash(_) | Case::Nap | Case::Behind | Case::Left) => {}
            (Err(error), _) => {
                let logs = format!("{}/gateway-{}-*.log", dir.display(), world.number());
                println!("FAILED drill cases {case}: {error:#}; {logs}");
                {
                    let mut work = lock(work);
                    work.run += 1;
                    work.failed += 1;
                }
                // A store may have been down when the case ended, and its sale may not be over.
                let _ = world.stores.start_redis().await;
                let _ = world.stores.start_postgres().await;
                world.renew(which.mistake).await?;
            }
        }
    }
    world.stop().await
}
