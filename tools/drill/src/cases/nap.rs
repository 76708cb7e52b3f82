//! The case of a gateway that sleeps through a rebuild: a join reaches it while it sleeps, and the first
//! thing that it does is to place that join by what it knew before.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use ropeline::faults::Mistake;
use tokio::time::{Instant, sleep};

use super::crash::{bases, panics};
use super::doors::Doors;
use super::judge::{Redis, judge};
use super::script::{Play, Size};
use crate::world::World;

/// Long enough that a request is in the socket of the sleeper.
const SENT_WITHIN: Duration = Duration::from_millis(300);
/// A rebuild takes a fraction of a second; the rest is a busy machine.
const REBUILT_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// Plays it in an empty world.
///
/// # Errors
/// When somebody is not served, or a promise does not hold.
pub async fn run(world: &mut World, mistake: Option<Mistake>) -> Result<()> {
    world.empty(mistake).await?;
    let sleeper = world.add_gateway().await?;
    world.add_gateway().await?;
    let doors = Arc::new(Doors::new(&world.gateways[sleeper].base));
    doors.lead_to(bases(world));
    let mut play = Play::begin(world, doors, Size::Usual).await?;
    world.gateways[sleeper].freeze().await?;
    let epoch = play.epoch().await?;
    redis::cmd("FLUSHALL").exec_async(&mut world.redis().await?).await?;
    let deadline = Instant::now() + REBUILT_WITHIN;
    while play.epoch().await? == epoch {
        ensure!(Instant::now() < deadline, "no rebuild");
        sleep(LOOK).await;
    }
    play.crowd().await?;
    play.knock();
    sleep(SENT_WITHIN).await;
    world.gateways[sleeper].thaw().await?;
    play.go_on().await?;
    play.close().await?;
    let told = play.book.open().clone();
    let mut wrong = judge(play.sql(), &play.sale, &told, Redis::Kept).await?;
    wrong.extend(panics(world));
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}
