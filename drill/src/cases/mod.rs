//! Directed cases, because chance does not reach them: every crash point of every step with everything
//! that may become of the stores.

mod aftermath;
mod book;
mod crash;
mod doors;
mod judge;
mod scene;
mod script;
mod shopper;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use crash::Crash;
use futures_util::future::try_join_all;
use ropeline::faults::{Mistake, Point};
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

    /// Only this way to the point, such as buy
    #[arg(long)]
    scene: Option<String>,

    /// Only this: abort, stall or error
    #[arg(long)]
    action: Option<String>,

    /// Only with this afterwards: nothing, redis-empty, redis-older or postgres-restarted
    #[arg(long)]
    after: Option<String>,

    /// Gateways make this mistake, such as no-slot
    #[arg(long, value_parser = mistake)]
    mistake: Option<Mistake>,

    /// Cases side by side
    #[arg(long, default_value = "6")]
    worlds: usize,

    /// Where the stores and the logs are
    #[arg(long, default_value = "target/tmp/cases")]
    dir: PathBuf,
}

fn point(text: &str) -> Result<Point, String> {
    Point::parse(text).ok_or_else(|| "no such point".into())
}

fn mistake(text: &str) -> Result<Mistake, String> {
    Mistake::parse(text).ok_or_else(|| "no such mistake".into())
}

impl Which {
    fn crashes(&self) -> Vec<Crash> {
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
}

/// Runs the cases and prints what failed.
///
/// # Errors
/// When one failed.
pub async fn run(which: Which) -> Result<()> {
    let cases = which.crashes();
    ensure!(!cases.is_empty(), "no such case");
    let (count, started) = (cases.len(), Instant::now());
    let left = Arc::new(Mutex::new(VecDeque::from(cases)));
    let lanes = (1..=which.worlds.min(count)).map(|number| {
        let dir = which.dir.join(format!("world-{number}"));
        lane(dir, left.clone(), which.mistake)
    });
    let failed: usize = try_join_all(lanes).await?.into_iter().sum();
    let seconds = started.elapsed().as_secs();
    println!("{count} cases, {} passed, in {seconds} s", count - failed);
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

/// Runs cases in one world until none is left; says how many failed.
async fn lane(
    dir: PathBuf,
    left: Arc<Mutex<VecDeque<Crash>>>,
    mistake: Option<Mistake>,
) -> Result<usize> {
    let mut world = World::start(&dir, this_program()?).await.context("a world")?;
    world.audit_every = Some(AUDIT_EVERY);
    let mut failed = 0;
    loop {
        let Some(case) = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
            break;
        };
        let started = Instant::now();
        let done = case.run(&mut world, mistake).await;
        if std::env::var_os("DRILL_TIMES").is_some() {
            println!("{:5.2} s  {case}", started.elapsed().as_secs_f64());
        }
        if let Err(error) = done {
            failed += 1;
            println!("FAILED drill cases {case}: {error:#}; logs {}/gateway-{}-*", dir.display(), world.number());
            // A store may have been down when the case ended.
            let _ = world.stores.start_redis().await;
            let _ = world.stores.start_postgres().await;
            // Its sale may not be over.
            world.renew(mistake).await?;
        }
    }
    world.stop().await?;
    Ok(failed)
}
