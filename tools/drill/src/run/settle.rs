//! After the faults: waits until the sale is at rest, then reads everything there is to read.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::checks::Settled;
use super::facts::{Desk, Facts, offered};
use super::sampler::{EVERY, look};
use super::street::Street;
use crate::gateway::ADMIN_KEY;
use crate::world::World;

/// A sale at which nothing moves for this long while people wait and units are free is stuck: a window, its
/// grace, a sweep and two audits fit in it.
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// A sale that is still moving after this is given up.
const LONGEST: Duration = Duration::from_secs(240);
/// How long the stores may take to agree: two audits.
const AGREE_WITHIN: Duration = Duration::from_secs(60);
/// A gauge follows within a tick.
const GAUGES: Duration = Duration::from_millis(1_500);

/// Waits until no hold is open, nobody waits beside a free unit, and nobody is about to join: who does that is let in
/// at once where units are left.
///
/// # Errors
/// When Postgres cannot be asked at all.
pub async fn rest(sql: &PgPool, sale: Uuid, street: &Street) -> Result<Settled> {
    let began = Instant::now();
    let (mut settled, mut moved) = (Settled::default(), began);
    while moved.elapsed() < STUCK_AFTER && began.elapsed() < LONGEST {
        // Asked before the look: whoever joined by then is seen.
        let is_quiet = street.is_quiet();
        let Ok(stand) = look(sql, sale).await else {
            sleep(EVERY).await;
            continue;
        };
        if stand != settled.stand {
            (settled.stand, moved) = (stand, Instant::now());
        }
        if is_quiet && stand.active == 0 && (stand.free == 0 || stand.waiting == 0) {
            settled.seconds = Some(began.elapsed().as_secs_f64());
            break;
        }
        sleep(EVERY).await;
    }
    Ok(settled)
}

/// Waits until a sale whose Postgres lost commits is stopped.
///
/// # Errors
/// When Postgres cannot be asked at all.
pub async fn stop(sql: &PgPool, sale: Uuid) -> Result<Settled> {
    let began = Instant::now();
    let mut settled = Settled::default();
    while began.elapsed() < STUCK_AFTER {
        let fault: Option<String> = sqlx::query_scalar("SELECT fault FROM sales WHERE id = $1")
            .bind(sale)
            .fetch_one(sql)
            .await?;
        settled.stand = look(sql, sale).await?;
        if fault.is_some() {
            settled.seconds = Some(began.elapsed().as_secs_f64());
            // Whoever is admitted after this is one too many.
            sleep(GAUGES).await;
            break;
        }
        sleep(EVERY).await;
    }
    Ok(settled)
}

/// Everything that the checks look at beside the history.
///
/// # Errors
/// When something does not answer although nothing is broken.
pub async fn facts(world: &World, sql: &PgPool, sale: Uuid, logs: &[String]) -> Result<Facts> {
    let mut desks = Vec::new();
    let fault: Option<String> = sqlx::query_scalar("SELECT fault FROM sales WHERE id = $1")
        .bind(sale)
        .fetch_one(sql)
        .await?;
    // What was lost with Postgres does not come back by itself.
    let patience = if fault.is_some() { Duration::ZERO } else { AGREE_WITHIN };
    for index in 0..world.gateways.len() {
        let reconciliation = agree(world, index, sale, patience).await?;
        desks.push(Desk { reconciliation, ..Desk::default() });
    }
    sleep(GAUGES).await;
    for (index, desk) in desks.iter_mut().enumerate() {
        let shop = world.shop(index);
        desk.stats = shop.read(&format!("/sales/{sale}/stats")).await?;
        desk.metrics = shop.metrics().await?;
    }
    let mut facts = Facts::read(sql, sale).await?;
    facts.desks = desks;
    facts.offered = offered(&mut world.redis().await?, sale).await?;
    for log in logs {
        let text = tokio::fs::read_to_string(log).await.with_context(|| log.clone())?;
        facts.logs.push((log.clone(), text.lines().map(str::to_owned).collect()));
    }
    Ok(facts)
}

/// What a gateway says of both stores, once it finds them equal or time is over.
async fn agree(
    world: &World,
    index: usize,
    sale: Uuid,
    patience: Duration,
) -> Result<serde_json::Value> {
    let (shop, began) = (world.shop(index), Instant::now());
    let path = format!("/api/v1/admin/sales/{sale}/reconciliation");
    loop {
        let asked = shop.call(Method::GET, &path, ADMIN_KEY, None, None).await;
        let is_late = began.elapsed() > patience;
        match asked {
            Ok(said) if said.body["consistent"] == true || is_late => return Ok(said.body),
            Err(error) if is_late => return Err(error),
            Ok(_) | Err(_) => sleep(EVERY).await,
        }
    }
}
