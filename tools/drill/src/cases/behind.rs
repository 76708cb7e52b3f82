//! The case of who stands behind a join that stands still: Redis has numbered it, the journal has it not yet, and
//! the auditor of another gateway comes by. Seed 70005 broke S11 in this way.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ropeline::faults::{Mistake, Point};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::AUDIT_EVERY;
use crate::look::until;
use crate::mistakes::{PATIENCE, joins, steer};
use crate::world::World;

/// The join stands still for longer than two audits take.
const STALL: Duration = Duration::from_secs(4);
/// And for so long again the place is watched: an audit puts back who was taken out.
const WATCHED: Duration = Duration::from_secs(8);
const LOOK: Duration = Duration::from_millis(50);

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
/// When a place rose.
pub async fn play(world: &mut World) -> Result<()> {
    let usual = world.audit_every.replace(AUDIT_EVERY);
    let auditor = world.add_gateway().await;
    world.audit_every = usual;
    let (still, shop) = (world.shop(0), world.shop(auditor?));
    let sale = still.open_sale(1, &json!({})).await?;
    steer(&still, &sale, "pause").await?;
    joins(&still, &sale).await?;
    world.gateways[0].arm(Point::JoinNumbered, &format!("stall {}", STALL.as_millis())).await?;
    let standing = {
        let sale = sale.clone();
        tokio::spawn(async move { still.join(&sale, "who stands still").await })
    };
    ensure!(world.gateways[0].is_reached(PATIENCE).await, "nobody stands still");
    let behind = joins(&shop, &sale).await?;
    until("two are in front", PATIENCE, async || {
        Ok(shop.poll(&behind).await?.body["position"] == 3)
    })
    .await?;
    let (began, mut place) = (Instant::now(), 3);
    while began.elapsed() < WATCHED {
        let state = shop.poll(&behind).await?.body;
        let now = state["position"].as_u64().context("a place")?;
        ensure!(now <= place, "S11: place {place} became {now}");
        place = now;
        sleep(LOOK).await;
    }
    let joined = standing.await??;
    ensure!(joined.status == 201, "who stood still: {joined:?}");
    ensure!(place == 3, "nobody left, and place 3 became {place}");
    Ok(())
}
