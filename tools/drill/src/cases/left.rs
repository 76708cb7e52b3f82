//! The case of who leaves while every number is a twin's: the join was answered on its credential, Redis lost the
//! number and gave it to somebody else, another gateway answers the leave, and then the first gateway can write
//! again. Seed 70001 broke S12 in this way.

use std::time::Duration;

use anyhow::{Result, ensure};
use redis::AsyncCommands;
use ropeline::faults::Mistake;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::look::Look;
use crate::mistakes::{PATIENCE, admitted, joins, steer};
use crate::proxy::{Flow, Weather};
use crate::world::World;

/// Longer than a gateway takes to write down what it could not write before, and to admit.
const WATCHED: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(100);

/// Plays it in an empty world.
///
/// # Errors
/// When somebody is not served, or a promise does not hold.
pub async fn run(world: &mut World, mistake: Option<Mistake>) -> Result<()> {
    world.empty(mistake).await?;
    world.add_gateway().await?;
    play(world).await
}

/// The same in a world with one gateway.
///
/// # Errors
/// When who left is admitted.
pub async fn play(world: &mut World) -> Result<()> {
    let other = world.add_gateway().await?;
    let (cut_off, shop) = (world.shop(0), world.shop(other));
    let sale = cut_off.open_sale(3, &json!({})).await?;
    steer(&cut_off, &sale, "pause").await?;
    joins(&cut_off, &sale).await?;
    let mut look = Look::at(world, &sale).await?;
    // The other gateway must not see the number that is lost.
    world.gateways[other].freeze().await?;
    let held = Weather { to_store: Flow::Hold, to_gateway: Flow::Hold, refuses: false };
    world.gateways[0].postgres.set(held);
    let leaving = joins(&cut_off, &sale).await?;
    let (ctl, queue) = (look.key("ctl"), look.key("queue"));
    let _: i64 = look.redis.hincr(ctl, "counter", -1).await?;
    let lost: i64 = look.redis.zrem(queue, &leaving.id).await?;
    ensure!(lost == 1, "nobody was in line on the credential alone");
    world.gateways[other].thaw().await?;
    let twin = joins(&shop, &sale).await?;
    let left = shop.leave(&leaving).await?;
    ensure!(left.status == 204, "the leave: {left:?}");
    world.gateways[0].postgres.set(Weather::default());
    world.is_ready(0).await?;
    steer(&shop, &sale, "resume").await?;
    admitted(&shop, &twin).await?;
    let began = Instant::now();
    while began.elapsed() < WATCHED {
        let holds: i64 = sqlx::query_scalar("SELECT count(*) FROM holds WHERE ticket::text = $1")
            .bind(&leaving.id)
            .fetch_one(&look.sql)
            .await?;
        ensure!(holds == 0, "S12: left, and admitted");
        sleep(LOOK).await;
    }
    for door in [&shop, &cut_off] {
        let told = door.becomes(&leaving, &["left"], PATIENCE).await?;
        ensure!(told["state"] == "left", "who left is told {told}");
    }
    Ok(())
}
