//! Stories of stores that lose what they had, or are away.

use std::time::Duration;

use anyhow::{Result, ensure};
use redis::AsyncCommands;
use serde_json::json;
use tokio::time::sleep;

use super::{PATIENCE, admitted, joins, sale};
use crate::look::until;
use crate::world::World;

/// Longer than two rounds of the auditor.
const AUDITED: Duration = Duration::from_secs(40);

pub(super) async fn an_empty_redis_is_given_free_units_only(world: &mut World) -> Result<()> {
    let (shop, sale, mut look) = sale(world, 3, json!({})).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    shop.confirm(&first, &hold, "a key").await?;
    redis::cmd("FLUSHALL").exec_async(&mut look.redis).await?;
    until("tokens are back", PATIENCE, async || Ok(look.offered().await?.len() >= 2)).await?;
    look.only_free_units_are_offered().await
}

pub(super) async fn a_missing_token_is_offered_again(world: &mut World) -> Result<()> {
    let (_, _, mut look) = sale(world, 2, json!({})).await?;
    until("tokens are there", PATIENCE, async || Ok(look.offered().await?.len() == 2)).await?;
    let (tokens, guard) = (look.key("tokens"), look.key("guard"));
    let unit: i32 = look.redis.lpop(tokens, None).await?;
    let _: i64 = look.redis.srem(guard, unit).await?;
    until("the auditor offers it", AUDITED, async || Ok(look.offered().await?.len() == 2)).await
}

pub(super) async fn an_outage_is_credited(world: &mut World) -> Result<()> {
    let (shop, sale, look) = sale(world, 1, json!({ "checkout_window_seconds": 8 })).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    look.sql.close().await;
    world.stores.freeze_postgres().await?;
    sleep(Duration::from_secs(10)).await;
    world.stores.thaw_postgres().await?;
    until("postgres is back", PATIENCE, async || Ok(shop.is_ready().await)).await?;
    // A confirm before the next sweep succeeds with and without the credit.
    sleep(Duration::from_secs(2)).await;
    // Unknown answers are repeated with the same key, as they say.
    let mut said = shop.confirm(&first, &hold, "a key").await;
    for _ in 0..20 {
        if said.as_ref().is_ok_and(|answer| answer.status < 500) {
            break;
        }
        sleep(Duration::from_millis(100)).await;
        said = shop.confirm(&first, &hold, "a key").await;
    }
    let said = said?;
    ensure!(said.status == 200, "a hold that nobody could confirm was answered with {said:?}");
    Ok(())
}
