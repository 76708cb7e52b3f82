//! The log while a store is away under load: what is wrong is written once, and then its count.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::health::setup_status::OwnStores;
use crate::support::process::{Running, settings, shop_of};
use crate::support::{Answer, all};

/// How long a store is away.
const AWAY: Duration = Duration::from_secs(4);
/// Lines that a gateway may write meanwhile. Some sixty places of the source can warn of a store, each once and with
/// one line for its count; without a bound a tenth of this load writes more.
const MOST_LINES: usize = 120;

#[tokio::test]
async fn a_store_that_is_away_under_load_is_told_of_in_a_bounded_number_of_lines() {
    let mut own = OwnStores::start("logs").await;
    let running = Running::start(&settings(&own.place)).await;
    running.ready().await;
    let shop = shop_of(&running, own.place.clone()).await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let hold = ana.hold().await;
    for store in ["redis", "postgres"] {
        let before = running.log().lines().count();
        match store {
            "redis" => own.stores.kill_redis().await.unwrap(),
            _ => own.stores.kill_postgres().await.unwrap(),
        }
        let (begun, mut failed) = (Instant::now(), 0);
        while begun.elapsed() < AWAY {
            let joins = (0..40).map(|_| Answer::of(sale.join_request()));
            let looks = (0..40).map(|_| {
                Answer::of(ben.request(reqwest::Method::GET, &format!("/api/v1/holds/{hold}")))
            });
            let answers = [all(joins).await, all(looks).await].concat();
            failed += answers.iter().filter(|answer| answer.status.as_u16() >= 500).count();
        }
        let lines = running.log().lines().count() - before;
        assert!(failed > MOST_LINES * 2, "{store}: only {failed} calls failed");
        assert!(lines <= MOST_LINES, "{store}: {lines} lines for {failed} calls that failed");
        match store {
            "redis" => own.stores.start_redis().await.unwrap(),
            _ => own.stores.start_postgres().await.unwrap(),
        }
        running.ready().await;
    }
    let (_, log) = running.end("-TERM").await;
    let mut told = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).expect("a line of JSON");
        let text = line["message"].as_str().unwrap_or_default();
        if text.contains(" more like it in ") {
            told += line["repeated"].as_u64().unwrap();
            assert!(["WARN", "ERROR"].contains(&line["level"].as_str().unwrap()), "{line}");
        }
    }
    assert!(told > 200, "{told} lines were counted: {log}");
    own.stop().await;
}
