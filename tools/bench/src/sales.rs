//! What it costs that a sale runs while nobody does anything: each gateway looks at each sale.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

use crate::rig::{Rig, Server};
use crate::table::Row;
use crate::usage::{Spent, Usage};

/// Enough to stand out against what a gateway costs without any.
const SALES: u32 = 50;
/// How long each round looks on.
const LOOK: Duration = Duration::from_secs(8);

/// Processor time of each part for one sale that runs for one second on one gateway.
pub async fn run(rig: &Rig, rounds: u32) -> anyhow::Result<Vec<Row>> {
    let gateway = rig.gateway().await?;
    open(rig, &gateway).await?;
    let mut spent = Spent::default();
    for _ in 0..rounds {
        let before = Usage::now();
        sleep(LOOK).await;
        spent.add(&before, f64::from(SALES) * LOOK.as_secs_f64());
    }
    gateway.kill().await?;
    Ok(spent.rows("a sale that runs, each second and gateway", &[]))
}

async fn open(rig: &Rig, gateway: &Server) -> anyhow::Result<()> {
    for n in 0..SALES {
        let settings = json!({ "slug": format!("quiet-{n}"), "name": "Quiet" });
        let sale = rig.sale(gateway, settings).await?;
        rig.operate(gateway, Method::POST, &format!("/sales/{sale}/open"), json!({})).await?;
    }
    Ok(())
}
