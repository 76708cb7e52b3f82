//! What time and the operator's settings do to a sale: it opens and closes by itself, hides its stock, and
//! gives up units that were seeded by mistake.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Sale, Shop, eventually};

/// The server's time, so many seconds from now.
async fn in_seconds(sale: &Sale<'_>, seconds: u64) -> Timestamp {
    let now: Timestamp = sale.facts().await["server_time"].as_str().unwrap().parse().unwrap();
    now + Duration::from_secs(seconds)
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_sale_opens_and_closes_as_scheduled_in_the_order_of_joining() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    sale.seed(1).await;
    let (starts, ends) = (in_seconds(&sale, 3).await, in_seconds(&sale, 8).await);
    let to = json!({ "starts_at": starts, "ends_at": ends });
    assert_eq!(shop.change(&sale, to).await.status, 200);
    let (ana, ben) = (sale.join().await, sale.join().await);
    let early = ana.poll().await.body;
    assert_eq!(early["state"], "scheduled");
    assert_eq!(time(&early["starts_at"]), starts);
    assert_eq!(sale.facts().await["status"], "scheduled");

    let hold = ana.becomes("admitted").await["hold"].clone();
    assert!(time(&hold["admitted_at"]) >= starts, "nobody is admitted before the start");
    assert_eq!(ben.poll().await.body["state"], "waiting");
    sale.becomes("closed").await;
    ben.becomes("closed").await;
    sale.try_join().await.is_problem(409, "sale-closed");
    let now = shop.ask(&sale.path("")).await.body;
    assert!(time(&now["opened_at"]) >= starts && time(&now["closed_at"]) >= ends, "{now}");
    assert_eq!(
        ana.confirm(hold["id"].as_str().unwrap()).await.status,
        200,
        "an open hold still buys"
    );

    let audit = shop.ask(&sale.path("/audit")).await.body;
    let by_schedule = |action: &str| {
        let items = audit["items"].as_array().unwrap().iter();
        items.filter(|i| i["action"] == action && i["actor"] == "schedule").count()
    };
    assert_eq!((by_schedule("open"), by_schedule("close")), (1, 1), "{audit}");
}

#[tokio::test]
async fn a_time_that_is_over_is_refused_and_does_nothing_at_once() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let hour = Duration::from_secs(3_600);
    let (over, later) = (in_seconds(&sale, 0).await - hour, in_seconds(&sale, 0).await + hour);
    for field in ["starts_at", "ends_at"] {
        shop.change(&sale, json!({ field: over })).await.names(&[field]);
        let new = json!({ "slug": "late", "name": "Late", field: over });
        shop.tell("/sales", new).await.names(&[field]);
    }
    let both = json!({ "starts_at": over, "ends_at": over + Duration::from_secs(60) });
    shop.change(&sale, both).await.names(&["starts_at", "ends_at"]);
    assert_eq!(sale.facts().await["status"], "open");
    assert_eq!(shop.change(&sale, json!({ "ends_at": later })).await.status, 200);

    // A sale that has started is changed without a word about its start.
    let soon = shop.sale(json!({ "starts_at": in_seconds(&sale, 1).await })).await;
    soon.becomes("open").await;
    let starts = shop.ask(&soon.path("")).await.body["starts_at"].clone();
    let changed = shop.change(&soon, json!({ "max_waiting": 5, "starts_at": starts })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    shop.change(&soon, json!({ "starts_at": over })).await.names(&["starts_at"]);
}

#[tokio::test]
async fn a_start_that_is_taken_back_does_not_happen_and_an_open_by_hand_needs_none() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "starts_at": "2099-01-01T12:00:00Z" })).await;
    let ana = sale.join().await;
    let changed = shop.change(&sale, json!({ "starts_at": null })).await;
    assert_eq!(changed.body["starts_at"], Value::Null);
    eventually("ana knows of no start", async || {
        ana.poll().await.body.get("starts_at") == Some(&Value::Null)
    })
    .await;
    sale.steer("open").await;
    ana.becomes("waiting").await;
}

#[tokio::test]
async fn a_sale_that_hides_its_stock_hides_it_everywhere_and_only_from_shoppers() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "hide_stock": true })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ana.hold().await;
    for hidden in [ben.becomes("waiting").await, sale.facts().await] {
        assert_eq!(hidden.get("stock"), Some(&Value::Null), "{hidden}");
    }
    assert_eq!(sale.stats().await["tokens"]["held"], 1);
    shop.change(&sale, json!({ "hide_stock": false })).await;
    eventually("the stock shows", async || {
        ben.poll().await.body["stock"]["held"] == 1 && sale.facts().await["stock"]["held"] == 1
    })
    .await;
}

#[tokio::test]
async fn a_sale_with_nothing_seeded_is_not_sold_out() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    // A few ticks of the watch go by.
    let from = ana.poll().await.body["version"].as_u64().unwrap();
    eventually("some time went by", async || {
        ana.poll().await.body["version"].as_u64().unwrap() > from + 1_500 * 64
    })
    .await;
    assert_eq!(sale.facts().await["status"], "open");
    assert_eq!(ana.poll().await.body["state"], "waiting");
    sale.seed(1).await;
    ana.hold().await;
}

#[tokio::test]
async fn units_seeded_by_mistake_are_taken_back_and_are_neither_offered_nor_missed() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let withdraw =
        async |count: Value| shop.tell(&sale.path("/withdrawals"), json!({ "count": count })).await;
    for bad in [json!(0), json!(5), json!("1"), Value::Null] {
        withdraw(bad).await.names(&["count"]);
    }
    let done = withdraw(json!(3)).await;
    assert_eq!((done.status.as_u16(), &done.body), (201, &json!({ "seeded": 5 })));
    let tokens = json!({ "seeded": 5, "available": 1, "held": 1, "sold": 0, "withdrawn": 3 });
    assert_eq!(sale.stats().await["tokens"], tokens);
    sale.adds_up().await;
    let (ben, eva) = (sale.join().await, sale.join().await);
    let bens = ben.hold().await;
    assert_eq!(eva.poll().await.body["state"], "waiting");
    assert_eq!(ana.confirm(&hold).await.status, 200);
    assert_eq!(ben.confirm(&bens).await.status, 200);
    eva.becomes("sold_out").await;
    sale.adds_up().await;
}

/// The name of a sale's advisory lock, as `Tx::exclude` takes it.
fn lock_of(sale: &str) -> i64 {
    let (high, low) = uuid::Uuid::parse_str(sale).unwrap().as_u64_pair();
    (high ^ low).cast_signed()
}

#[tokio::test]
async fn a_sale_that_is_made_while_another_one_keeps_a_gateway_waiting_is_admitted() {
    let shop = Shop::open().await;
    let sql = shop.place.sql().await;
    let slow = shop.sale(json!({})).await;
    let mut held = sql.begin().await.unwrap();
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(lock_of(&slow.id))
        .execute(&mut *held)
        .await
        .unwrap();
    // It is due, and every gateway waits for its lock in the middle of a tick.
    sqlx::query("UPDATE sales SET starts_at = now() - interval '1 second' WHERE slug = $1")
        .bind(&slow.slug)
        .execute(&sql)
        .await
        .unwrap();
    eventually("the gateway waits for it", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
        )
        .fetch_one(&sql)
        .await
        .unwrap();
        waiting > 0
    })
    .await;
    let sale = shop.open_sale(1, json!({})).await;
    // Long enough for the gateway to have begun its admission, and shorter than it waits for a lock.
    tokio::time::sleep(Duration::from_millis(700)).await;
    let ana = sale.join().await;
    held.commit().await.unwrap();
    slow.becomes("open").await;
    let anas = ana.hold().await;
    assert_eq!(ana.confirm(&anas).await.status, 200);
}
