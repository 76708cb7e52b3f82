//! One run: the standing crowd first, then everybody else when they are due, then the last of them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};

use super::arrivals::Arrivals;
use super::operator::Operator;
use super::progress::Progress;
use super::report::Second;
use super::shopper::{Standing, visit};
use super::world::World;

/// The time between two points of the plots.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// The generator asks itself this often how late it is.
const HEARTBEAT: Duration = Duration::from_millis(10);
/// Reconciliation looks twice, a moment apart, where something is under way.
const BOOKS_TRIES: u32 = 3;

/// What became of it, besides what the world knows.
pub struct Done {
    pub opening: Duration,
    pub running: Duration,
    pub series: Vec<Second>,
    pub books: Option<Value>,
}

/// # Errors
/// When the sale cannot be opened, or the standing crowd does not come to stand.
pub async fn run(world: &Arc<World>, key: Option<&str>) -> Result<Done> {
    let operator = Operator { net: &world.net, key };
    let began = Instant::now();
    let mut helpers = JoinSet::new();
    let progress = Progress::start(world);
    let series = helpers.spawn(sample(world.clone()));
    helpers.spawn(beat(world.clone()));
    let mut shoppers = JoinSet::new();
    stand(world, &mut shoppers).await?;
    if world.sale.is_own {
        operator.open(&world.sale).await?;
    }
    let opening = began.elapsed();
    world.measures.is_running.store(true, Relaxed);
    let began = Instant::now();
    world.over.run_until_cancelled(arrive(world, &mut shoppers)).await;
    world.over.run_until_cancelled(sleep_until(began + world.plan.crowd.length)).await;
    let last = async { while shoppers.join_next().await.is_some() {} };
    let linger = timeout(world.plan.bounds.linger, last);
    // Whoever still waits has no end to wait for; what is under way is cut off, and counted.
    let _ = world.over.run_until_cancelled(linger).await;
    shoppers.shutdown().await;
    let running = began.elapsed();
    progress.end();
    world.over.cancel();
    let mut sampled = Vec::new();
    while let Some(ended) = helpers.join_next_with_id().await {
        if let Ok((id, seconds)) = ended
            && id == series.id()
        {
            sampled = seconds;
        }
    }
    Ok(Done { opening, running, series: sampled, books: books(world, &operator).await })
}

/// The standing crowd, at its own pace.
async fn stand(world: &Arc<World>, shoppers: &mut JoinSet<()>) -> Result<()> {
    let crowd = &world.plan.crowd;
    if crowd.sockets == 0 {
        return Ok(());
    }
    let began = Instant::now();
    for (index, due) in (0..).zip(Arrivals::standing(crowd)) {
        if world.over.run_until_cancelled(sleep_until(began + due)).await.is_none() {
            return Ok(());
        }
        world.measures.late.record((began + due).elapsed());
        shoppers.spawn(visit(world.clone(), index, began + due, Some(Standing(world.clone()))));
    }
    let stood = || world.measures.counts.stood.load(Relaxed);
    let standing = async {
        while stood() < crowd.sockets {
            sleep(HEARTBEAT).await;
        }
    };
    // Each has its tries; a gateway that takes none of them is not there.
    let patience = world.plan.bounds.patience * 3;
    let waited = world.over.run_until_cancelled(timeout(patience, standing)).await;
    if let Some(Err(_)) = waited {
        world.measures.error_of("standing crowd", "not whole in time");
    }
    if world.measures.counts.joined.load(Relaxed) == 0 {
        let errors = world.measures.errors();
        bail!("--sockets: nobody could join: {errors:?}");
    }
    Ok(())
}

/// Everybody else, when they are due. Nothing here waits for anybody.
async fn arrive(world: &Arc<World>, shoppers: &mut JoinSet<()>) {
    let (began, first) = (Instant::now(), world.plan.crowd.sockets);
    for (index, due) in (first..).zip(Arrivals::of(&world.plan.crowd)) {
        let due = began + due;
        // A timer wakes a millisecond late at best; whoever is due by then goes at once.
        if Instant::now() < due {
            sleep_until(due).await;
        }
        world.measures.late.record(due.elapsed());
        shoppers.spawn(visit(world.clone(), index, due, None));
        while shoppers.try_join_next().is_some() {}
    }
}

/// One point of the plots each second.
async fn sample(world: Arc<World>) -> Vec<Second> {
    let operator = Operator { net: &world.net, key: None };
    let (began, mut beat) = (Instant::now(), interval(SAMPLE_EVERY));
    let (mut seconds, mut before) = (Vec::new(), world.measures.counts.read());
    beat.tick().await;
    while world.over.run_until_cancelled(beat.tick()).await.is_some() {
        let now = world.measures.counts.read();
        let at = began.elapsed();
        let facts = timeout(SAMPLE_EVERY / 2, operator.facts(&world.sale.name)).await;
        let waiting = facts.ok().and_then(Result::ok).map(|facts| facts.waiting);
        let is_running = world.measures.is_running.load(Relaxed);
        seconds.push(Second::between(at, is_running, &before, &now, waiting));
        before = now;
    }
    seconds
}

/// How late this process wakes up: what it adds to everything it measures.
async fn beat(world: Arc<World>) -> Vec<Second> {
    let mut due = Instant::now();
    loop {
        due += HEARTBEAT;
        if world.over.run_until_cancelled(sleep_until(due)).await.is_none() {
            return Vec::new();
        }
        world.measures.own_lag.record(due.elapsed());
        due = due.max(Instant::now());
    }
}

/// What the gateway's books say in the end, where there is a key to ask with. They must be right.
async fn books(world: &World, operator: &Operator<'_>) -> Option<Value> {
    operator.key?;
    for tries in 1.. {
        let books = match operator.books(&world.sale).await {
            Ok(books) => books,
            Err(error) => {
                world.measures.error_of("books", &format!("{error:#}"));
                return None;
            }
        };
        let is_right = books["reconciliation"]["consistent"] == true;
        if !is_right && tries < BOOKS_TRIES {
            sleep(SAMPLE_EVERY).await;
            continue;
        }
        if !is_right {
            world.checks.breaks(format!("reconciliation: {}", books["reconciliation"]["checks"]));
        }
        let (sold, receipts) = (books["stats"]["tokens"]["sold"].as_u64(), world.checks.receipts());
        if sold.is_some_and(|sold| sold < receipts) {
            world.checks.breaks(format!("{receipts} receipts for {sold:?} units sold"));
        }
        return Some(books);
    }
    None
}
