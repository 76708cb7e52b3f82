//! Stories of the line: its numbers, its order, and the epoch that fences what came before.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use redis::AsyncCommands;
use ropeline::faults::Point;
use serde_json::json;
use tokio::time::sleep;

use super::{PATIENCE, admitted, joins, sale, steer};
use crate::cases::{behind, left};
use crate::look::{Look, until};
use crate::shop::{Shop, Ticket};
use crate::world::World;

pub(super) async fn a_batch_that_was_not_recorded_is_shown_again(world: &mut World) -> Result<()> {
    a_gateway_dies_with_a_batch(world, Point::AdmitInTx).await
}

pub(super) async fn a_batch_that_was_popped_is_shown_again(world: &mut World) -> Result<()> {
    a_gateway_dies_with_a_batch(world, Point::AdmitPopped).await
}

/// The front of the line was popped, and its gateway died: the next one admits the same shopper first.
async fn a_gateway_dies_with_a_batch(world: &mut World, point: Point) -> Result<()> {
    let (shop, sale, look) = sale(world, 2, json!({ "batch_size": 1 })).await?;
    steer(&shop, &sale, "pause").await?;
    let (first, second) = (joins(&shop, &sale).await?, joins(&shop, &sale).await?);
    world.gateways[0].arm(point, "abort").await?;
    // Its answer may be lost with the gateway.
    let _ = steer(&shop, &sale, "resume").await;
    ensure!(world.gateways[0].is_reached(PATIENCE).await, "no batch was popped");
    world.gateways[0].kill().await?;
    world.gateways[0].start_again().await?;
    world.is_ready(0).await?;
    let shop = world.shop(0);
    admitted(&shop, &second).await?;
    admitted(&shop, &first).await?;
    look.nobody_was_overtaken().await
}

pub(super) async fn places_are_counted(world: &mut World) -> Result<()> {
    let (shop, sale, _) = sale(world, 1, json!({})).await?;
    steer(&shop, &sale, "pause").await?;
    let mut line = Vec::new();
    for _ in 0..3 {
        line.push(joins(&shop, &sale).await?);
    }
    stand_in_order(&shop, &line).await
}

/// Each ticket becomes the place that it joined at.
async fn stand_in_order(shop: &Shop, line: &[Ticket]) -> Result<()> {
    for (index, ticket) in line.iter().enumerate() {
        let mut seen = serde_json::Value::Null;
        until("it has its place", PATIENCE, async || {
            seen = shop.poll(ticket).await?.body;
            Ok(seen["position"] == index + 1)
        })
        .await
        .with_context(|| format!("ticket {} of {}: {seen}", index + 1, line.len()))?;
    }
    Ok(())
}

pub(super) async fn a_gateway_of_an_older_epoch_changes_nothing(world: &mut World) -> Result<()> {
    world.add_gateway().await?;
    let (shop, sale, mut look) = sale(world, 1, json!({})).await?;
    admitted(&shop, &joins(&shop, &sale).await?).await?;
    // Two losses: after the first no batch was recorded in the epoch.
    let second = lose_redis(&mut look).await?;
    joins(&shop, &sale).await?;
    world.gateways[0].arm(Point::AdmitAsked, "stall 6000").await?;
    ensure!(world.gateways[0].is_reached(PATIENCE).await, "nobody is to be admitted");
    let third = lose_redis(&mut look).await?;
    ensure!(third > second, "the epoch did not rise");
    world.gateways[1].freeze().await?;
    // Whoever looks again sees a sale that is paused; only who does not look takes the token.
    sqlx::query("UPDATE sales SET state = 'paused'").execute(&look.sql).await?;
    look.offer(1, false).await?;
    sleep(Duration::from_secs(8)).await;
    let batch = look.batch().await?;
    world.gateways[1].thaw().await?;
    ensure!(batch == 0, "batch {batch} was popped by a gateway of an older epoch");
    Ok(())
}

/// Empties Redis, and waits until it serves the sale again; under which epoch.
async fn lose_redis(look: &mut Look) -> Result<i32> {
    let before = look.epoch().await?;
    redis::cmd("FLUSHALL").exec_async(&mut look.redis).await?;
    let key = look.key("ctl");
    until("redis serves again", PATIENCE, async || {
        let epoch: Option<i32> = look.redis.hget(&key, "epoch").await?;
        Ok(epoch.is_some_and(|epoch| epoch > before))
    })
    .await?;
    look.epoch().await
}

pub(super) async fn a_redis_with_an_older_batch_is_noticed(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 2, json!({ "batch_size": 1 })).await?;
    for _ in 0..2 {
        admitted(&shop, &joins(&shop, &sale).await?).await?;
    }
    joins(&shop, &sale).await?;
    until("the batches are acknowledged", PATIENCE, async || look.is_acknowledged().await).await?;
    let (before, ctl) = (look.epoch().await?, look.key("ctl"));
    let _: i64 = look.redis.hincr(ctl, "n", -1).await?;
    until("the epoch rises", PATIENCE, async || Ok(look.epoch().await? > before)).await
}

pub(super) async fn numbers_go_on_behind_a_loss(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 1, json!({})).await?;
    steer(&shop, &sale, "pause").await?;
    let mut line = vec![joins(&shop, &sale).await?, joins(&shop, &sale).await?];
    redis::cmd("FLUSHALL").exec_async(&mut look.redis).await?;
    line.push(joins(&shop, &sale).await?);
    stand_in_order(&shop, &line).await
}

pub(super) async fn a_place_behind_a_join_that_stands_still_never_rises(
    world: &mut World,
) -> Result<()> {
    behind::play(world).await
}

pub(super) async fn whoever_left_without_a_number_is_not_admitted(world: &mut World) -> Result<()> {
    left::play(world).await
}
