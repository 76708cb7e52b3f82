//! What is logged while gateways work side by side: no alarm without a fault.

use std::time::Duration;

use ropeline::ledger::Ledger;
use serde_json::json;
use tokio::time::sleep;

use crate::support::process::{Running, settings, shop_of};
use crate::support::redis_state::key;
use crate::support::{Place, Shop, eventually};

/// Sets a rebuild's lock apart from the sale's own, as `flow/recover.rs` has it.
const REBUILD: i64 = 0x7eb;

async fn alone() -> (Running, Shop) {
    let place = Place::fresh().await;
    let mut settings = settings(&place);
    settings.push(("RUST_LOG", "info".into()));
    let running = Running::start(&settings).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    (running, shop)
}

#[tokio::test]
async fn a_rebuild_by_another_gateway_is_not_logged_as_a_redis_that_is_away() {
    let (running, shop) = alone().await;
    let sale = shop.open_sale(1, json!({})).await;
    let id = sale.id.parse().unwrap();

    // Another gateway has the rebuild in hand, and Redis lost the sale.
    let ledger = Ledger::new(&shop.place.database_url).unwrap();
    let mut other = ledger.begin_rebuild().await.unwrap();
    assert!(other.single_out(id, REBUILD).await.unwrap());
    let mut redis = shop.place.redis().await;
    let keys = ["ctl", "queue", "tokens", "guard", "feed"].map(|name| key(id, name));
    redis::cmd("DEL").arg(&keys).exec_async(&mut redis).await.unwrap();
    sleep(Duration::from_secs(3)).await;
    assert_eq!(shop.get("/readyz").await.status, 200, "Redis answers");
    let joined = sale.try_join().await;
    joined.is_problem(503, "unavailable");
    let detail = joined.body["detail"].as_str().unwrap();
    assert!(!detail.contains("redis"), "{detail}");
    other.rollback().await.unwrap();

    eventually("the sale is rebuilt", async || sale.try_join().await.status == 201).await;
    let (_, log) = running.end("-TERM").await;
    assert!(log.contains("line and tokens were loaded into redis"), "{log}");
    for alarm in ["redis is away", "a part is away", "\"level\":\"WARN\"", "\"level\":\"ERROR\""] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(alarm)).collect();
        let of_the_setup = |line: &&str| line.contains("\"finding\"");
        let lines: Vec<&str> = lines.into_iter().filter(|line| !of_the_setup(line)).collect();
        assert!(lines.is_empty(), "{alarm}: {lines:#?}");
    }
}

#[tokio::test]
async fn making_many_sales_logs_no_alarm() {
    let (running, shop) = alone().await;
    for _ in 0..40 {
        shop.sale(json!({})).await.seed(1).await;
    }
    let (_, log) = running.end("-TERM").await;
    let alarms: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("\"level\":\"WARN\"") && !line.contains("\"finding\""))
        .collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
}
