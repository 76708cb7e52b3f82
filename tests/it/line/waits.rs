//! The wait that is told: from measured admissions, and never longer without a reason.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Gateway, Shop, Shopper, eventually};

/// The state, once it tells a wait.
async fn with_a_wait(shopper: &Shopper) -> Value {
    eventually("a wait is told", async || shopper.poll().await.body["eta_seconds"].is_object())
        .await;
    shopper.poll().await.body
}

#[tokio::test]
async fn a_wait_is_told_when_it_was_measured_and_a_pause_or_another_pace_is_told_with_it() {
    let shop = Shop::open().await;
    let pace = json!({ "batch_size": 1, "admit_interval_ms": 300 });
    let sale = shop.open_sale(500, pace).await;
    // Together, so that nothing is measured meanwhile on a slow machine.
    join_all((0..150).map(|_| sale.join())).await;
    let last = &sale.join().await;
    assert_eq!(last.poll().await.body["eta_seconds"], Value::Null, "nothing was measured yet");
    let state = with_a_wait(last).await;
    assert_eq!(state["wait_reason"], Value::Null, "{state}");
    let eta = |of: &str| state["eta_seconds"][of].as_u64().unwrap();
    assert!((1..=eta("high")).contains(&eta("low")), "{state}");

    sale.steer("pause").await;
    eventually("nobody knows", async || last.poll().await.body["eta_seconds"].is_null()).await;
    sale.steer("resume").await;
    assert_eq!(with_a_wait(last).await["wait_reason"], "paused");
    shop.change(&sale, json!({ "batch_size": 2 })).await;
    eventually("the pace is the reason", async || {
        last.poll().await.body["wait_reason"] == "pace_changed"
    })
    .await;
}

#[tokio::test]
async fn a_checkout_that_is_full_has_a_pace_of_its_own_on_every_gateway() {
    let shop = Shop::open().await;
    let other = Gateway::start(&shop.place, false).await;
    let sale = shop.open_sale(500, json!({ "max_in_checkout": 2 })).await;
    let mut line = Vec::new();
    for _ in 0..40 {
        line.push(sale.join().await);
    }
    let last = line.last().unwrap().clone();
    // Somebody gives up as soon as the next is in.
    for shopper in &line[..20] {
        shopper.release(&shopper.hold().await).await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let there = last.at(&format!("http://{}", other.address));
    for at in [&last, &there] {
        let state = with_a_wait(at).await;
        let high = state["eta_seconds"]["high"].as_u64().unwrap();
        assert!(high >= 5, "not as fast as the first two came in: {state}");
    }
    other.stop().await;
}
