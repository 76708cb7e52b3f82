//! Stories of units: who holds one, who owns one, and what is offered.

use std::time::Duration;

use anyhow::{Result, ensure};
use ropeline::faults::Point;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, admitted, joins, sale, steer};
use crate::look::until;
use crate::world::World;

pub(super) async fn a_unit_is_never_held_twice(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 1, json!({})).await?;
    let first = joins(&shop, &sale).await?;
    admitted(&shop, &first).await?;
    look.offer(1, false).await?;
    joins(&shop, &sale).await?;
    until("the stale token was taken", PATIENCE, async || {
        Ok(look.batch().await? >= 2 && look.is_acknowledged().await?)
    })
    .await?;
    look.nothing_is_doubled().await
}

pub(super) async fn a_ticket_is_admitted_once(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 2, json!({})).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    shop.release(&first, &hold, "a key").await?;
    until("its token is back", PATIENCE, async || Ok(look.offered().await?.len() == 2)).await?;
    // A Redis that went back in time has the ticket in line again.
    let queue = look.key("queue");
    redis::cmd("ZADD").arg(queue).arg(1).arg(&first.id).exec_async(&mut look.redis).await?;
    joins(&shop, &sale).await?;
    until("it was looked at", PATIENCE, async || {
        Ok(look.batch().await? >= 2 && look.is_acknowledged().await?)
    })
    .await?;
    look.nothing_is_doubled().await
}

pub(super) async fn a_stale_token_lets_nobody_overtake(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 3, json!({})).await?;
    admitted(&shop, &joins(&shop, &sale).await?).await?;
    steer(&shop, &sale, "pause").await?;
    let (first, second) = (joins(&shop, &sale).await?, joins(&shop, &sale).await?);
    look.offer(1, true).await?;
    steer(&shop, &sale, "resume").await?;
    admitted(&shop, &first).await?;
    admitted(&shop, &second).await?;
    look.nobody_was_overtaken().await
}

pub(super) async fn a_token_comes_back_after_its_hold_ended(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 1, json!({ "checkout_window_seconds": 1 })).await?;
    world.gateways[0].arm(Point::SweepFlipped, "stall 2000").await?;
    admitted(&shop, &joins(&shop, &sale).await?).await?;
    ensure!(world.gateways[0].is_reached(PATIENCE).await, "no hold expired");
    look.only_free_units_are_offered().await
}

pub(super) async fn a_sold_unit_is_never_offered(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 2, json!({ "checkout_window_seconds": 1 })).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    let bought = shop.confirm(&first, &hold, "a key").await?;
    ensure!(bought.status == 200, "{bought:?}");
    let looked_long_enough = Instant::now() + Duration::from_secs(3);
    while Instant::now() < looked_long_enough {
        look.only_free_units_are_offered().await?;
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

pub(super) async fn an_ended_hold_buys_nothing(world: &mut World) -> Result<()> {
    let (shop, sale, _) = sale(world, 1, json!({ "checkout_window_seconds": 1 })).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    shop.becomes(&first, &["expired"], PATIENCE).await?;
    let late = shop.confirm(&first, &hold, "a key").await?;
    ensure!(late.status == 409, "an expired hold was answered with {late:?}");
    Ok(())
}

pub(super) async fn a_hold_buys_within_its_window(world: &mut World) -> Result<()> {
    let (shop, sale, _) = sale(world, 1, json!({ "checkout_window_seconds": 600 })).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    let bought = shop.confirm(&first, &hold, "a key").await?;
    ensure!(bought.status == 200, "{bought:?}");
    Ok(())
}
