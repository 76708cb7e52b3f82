//! The demo crowd: simulated shoppers who use a gateway from outside, over HTTP and WebSocket.
//!
//! Owns one sale of its own and nothing else. It knows the gateway by its public API alone, so it
//! works against any gateway whose admin key it is given, and a fault of ours looks to it as it
//! would to a shopper: something to retry, never a reason to panic.

pub(crate) mod door;
pub(crate) mod shopper;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::dev::demo::door::{Door, count};
use crate::dev::demo::shopper::Shopper;

/// Enough to see a queue and a sell-out within minutes.
const UNITS: u32 = 200;
/// The first wave, and the time over which it arrives.
const WAVE: u32 = 300;
const WAVE_TIME: Duration = Duration::from_secs(90);
/// Units come back after the wave; somebody has to want them. One latecomer in each such time.
const LATE_GAP: Duration = Duration::from_secs(2);
/// A sale that has not sold out by then never will.
const MOST_SHOPPERS: u32 = 1200;
const SUMMARY_GAP: Duration = Duration::from_secs(10);
/// Time for the shoppers in line to be told that all is sold.
const FAREWELL: Duration = Duration::from_secs(5);

/// Creates a sale named `demo`, or `demo-2` and so on, with its units, and opens it.
pub async fn create_sale(base_url: &str, admin_key: &str) -> Result<String> {
    let door = Door::new(base_url, "")?;
    let post =
        async |path: &str, body: Value| door.call(Method::POST, path, admin_key, Some(&body)).await;
    for n in 1..100 {
        let slug = if n == 1 { "demo".to_owned() } else { format!("demo-{n}") };
        // A short checkout window shows what happens to units that nobody pays for.
        let settings = json!({
            "slug": slug, "name": "Demo sale", "checkout": "builtin", "checkout_window_seconds": 120,
            "batch_size": 5, "admit_interval_ms": 2000, "max_in_checkout": 40,
        });
        let created = post("/api/v1/admin/sales", settings).await?;
        if created.is(StatusCode::CONFLICT, "slug-taken") {
            continue;
        }
        created.expect_success("creating the sale")?;
        let sale = format!("/api/v1/admin/sales/{slug}");
        let seeded = post(&format!("{sale}/tokens"), json!({ "count": UNITS })).await?;
        seeded.expect_success("seeding the sale")?;
        let opened = door.call(Method::POST, &format!("{sale}/open"), admin_key, None).await?;
        opened.expect_success("opening the sale")?;
        return Ok(slug);
    }
    bail!("there are 99 demo sales already")
}

/// Sends shoppers to the sale `slug` until it is sold out or `stop` is cancelled.
pub async fn crowd(base_url: &str, slug: &str, stop: CancellationToken) -> Result<()> {
    let door = Arc::new(Door::new(base_url, slug)?);
    let mut shoppers = JoinSet::new();
    let visit = async {
        let arrivals = arrive(&door, &mut shoppers);
        tokio::join!(arrivals, report_until_over(&door));
    };
    if stop.run_until_cancelled(visit).await.is_some() {
        let goodbye = async { while shoppers.join_next().await.is_some() {} };
        // Who walked away is long gone; who has not heard by then is cut off.
        stop.run_until_cancelled(timeout(FAREWELL, goodbye)).await;
        door.report();
    }
    shoppers.shutdown().await;
    Ok(())
}

/// Lets shoppers in at the door: a wave, then latecomers, until the sale is over.
async fn arrive(door: &Arc<Door>, shoppers: &mut JoinSet<()>) {
    for n in 1..=MOST_SHOPPERS {
        let gap = if n <= WAVE { WAVE_TIME / WAVE } else { LATE_GAP };
        // Between none and twice the gap: people do not arrive on a beat.
        let gap = gap.mul_f64(rand::random_range(0.0..2.0));
        if door.over.run_until_cancelled(sleep(gap)).await.is_none() {
            return;
        }
        let door = Arc::clone(door);
        shoppers.spawn(async move {
            if let Err(error) = Shopper::visit(&door, n).await {
                count(&door.crowd.gave_up);
                tracing::debug!(shopper = n, %error, "a demo shopper gave up");
            }
        });
        while shoppers.try_join_next().is_some() {}
    }
    door.over.cancel();
}

async fn report_until_over(door: &Door) {
    let mut beat = interval(SUMMARY_GAP);
    beat.tick().await;
    while door.over.run_until_cancelled(beat.tick()).await.is_some() {
        door.report();
        // A gateway that is away for a moment is asked again with the next line.
        let status = door.sale_status().await.unwrap_or_default();
        if status == "sold_out" || status == "closed" {
            tracing::info!(sale = %door.slug, status, "the demo sale is over");
            door.over.cancel();
        }
    }
}
