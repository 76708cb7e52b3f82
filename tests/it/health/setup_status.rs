//! Whether all is well, as a program asks; and how a sale went so far.

use std::path::{Path, PathBuf};

use ropeline::dev::stores::{Data, Stores};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::process::{Running, settings, shop_of};
use crate::support::{Gateway, Place, Sale, Shop, eventually};

/// Stores that a test may kill.
pub struct OwnStores {
    pub stores: Stores,
    pub place: Place,
    dir: PathBuf,
}

impl OwnStores {
    pub async fn start(name: &str) -> Self {
        let name = format!("standing-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let stores = Stores::start(&dir, Data::Fresh).await.unwrap();
        let place = Place { redis_url: stores.redis_url(), database_url: stores.database_url() };
        Self { stores, place, dir }
    }

    pub async fn stop(self) {
        self.stores.stop().await.unwrap();
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

async fn overview(shop: &Shop) -> Value {
    let answer = shop.ask("/overview").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

async fn becomes(shop: &Shop, verdict: &str) -> Value {
    eventually(&format!("the verdict is {verdict}"), async || {
        overview(shop).await["verdict"] == verdict
    })
    .await;
    overview(shop).await
}

fn troubles(look: &Value) -> Vec<String> {
    let text = |trouble: &Value| trouble["text"].as_str().unwrap().to_owned();
    look["troubles"].as_array().unwrap().iter().map(text).collect()
}

#[tokio::test]
async fn gateways_know_each_other_and_miss_only_one_that_was_killed() {
    let place = Place::fresh().await;
    let shop = Shop::at(place.clone(), false).await;
    let names = async || -> Vec<String> {
        let look = overview(&shop).await;
        let gateways = look["gateways"].as_array().unwrap().clone();
        gateways.iter().map(|gateway| gateway["name"].as_str().unwrap().to_owned()).collect()
    };
    let other = Gateway::start(&place, false).await;
    let killed = Running::start(&settings(&place)).await;
    eventually("all three are listed", async || names().await.len() == 3).await;
    assert!(names().await.iter().any(|name| name.ends_with(&other.address.to_string())));
    assert_eq!(becomes(&shop, "well").await["troubles"], json!([]));

    other.stop().await;
    eventually("who stops is not missed", async || names().await.len() == 2).await;
    killed.end("-KILL").await;
    let look = becomes(&shop, "watch").await;
    assert!(troubles(&look)[0].contains("has been silent for"), "{look}");
    let silent: Vec<_> =
        look["gateways"].as_array().unwrap().iter().map(|gateway| &gateway["silent"]).collect();
    assert_eq!(silent, [false, true]);
}

#[tokio::test]
async fn the_verdict_names_a_lost_store_and_is_good_again_afterwards() {
    let mut own = OwnStores::start("lost").await;
    let shop = Shop::at(own.place.clone(), false).await;
    let sale = shop.open_sale(5, json!({})).await;
    assert_eq!(becomes(&shop, "well").await["sales"][0]["verdict"], "well");
    own.stores.kill_redis().await.unwrap();
    let look = becomes(&shop, "bad").await;
    assert!(troubles(&look)[0].starts_with("Redis does not answer"), "{look}");
    assert_eq!(look["stores"], json!({ "postgres": true, "redis": false }));
    // It beats on without Redis.
    let seen = |look: &Value| look["gateways"][0]["seen_at"].as_str().unwrap().to_owned();
    let before = seen(&look);
    eventually("a beat without redis", async || seen(&overview(&shop).await) != before).await;
    own.stores.start_redis().await.unwrap();
    becomes(&shop, "well").await;
    sale.join().await.hold().await;

    own.stores.kill_postgres().await.unwrap();
    let look = becomes(&shop, "bad").await;
    assert!(troubles(&look)[0].starts_with("Postgres does not answer"), "{look}");
    own.stores.start_postgres().await.unwrap();
    becomes(&shop, "well").await;
    shop.gateway.stop().await;
    own.stop().await;
}

#[tokio::test]
async fn the_verdict_is_about_the_sale_that_is_asked_for() {
    let shop = Shop::open().await;
    let (good, paused) = (shop.open_sale(1, json!({})).await, shop.open_sale(1, json!({})).await);
    let empty = shop.sale_of_nothing(json!({ "name": "Nothing yet", "max_waiting": 2 })).await;
    paused.steer("pause").await;
    let of = async |sale: &Sale<'_>| shop.ask(&format!("/overview?sale={}", sale.slug)).await.body;
    eventually("it is seen paused", async || of(&paused).await["verdict"] == "watch").await;
    assert_eq!(of(&good).await["verdict"], "well");
    let look = of(&empty).await;
    assert_eq!(troubles(&look), ["Nothing yet has no units."]);
    for _ in 0..2 {
        empty.join().await;
    }
    eventually("the full line is named", async || of(&empty).await["troubles"][1].is_object())
        .await;
    let look = overview(&shop).await;
    assert_eq!(look["sales"].as_array().unwrap().len(), 3);
    assert_eq!(look["troubles"].as_array().unwrap().len(), 3, "{look}");
    shop.ask("/overview?sale=none").await.is_problem(404, "not-found");
    shop.get("/api/v1/admin/overview").await.is_problem(401, "not-authenticated");
}

#[tokio::test]
async fn a_line_that_stands_still_though_units_are_free_is_told() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let ben = sale.join().await;
    // Recording a batch waits for this lock, and neither store is away.
    let (high, low) = uuid::Uuid::parse_str(&sale.id).unwrap().as_u64_pair();
    let mut lock = shop.place.sql().await.begin().await.unwrap();
    let take = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind((high ^ low).cast_signed());
    take.execute(&mut *lock).await.unwrap();
    ana.release(&anas).await;
    let look = becomes(&shop, "bad").await;
    assert!(troubles(&look)[0].starts_with("Nobody is let into A sale though"), "{look}");
    lock.rollback().await.unwrap();
    ben.hold().await;
    becomes(&shop, "well").await;
}

#[tokio::test]
async fn holds_that_end_without_a_purchase_are_told_and_open_ones_are_not() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(25, json!({ "batch_size": 25 })).await;
    let mut shoppers = Vec::new();
    for _ in 0..25 {
        shoppers.push(sale.join().await);
    }
    let mut holds = Vec::new();
    for shopper in &shoppers {
        holds.push(shopper.hold().await);
    }
    // All are admitted and nobody has bought: the first window of any sale looks like this.
    assert_eq!(overview(&shop).await["verdict"], "well");
    for (shopper, hold) in shoppers.iter().zip(&holds).take(24) {
        assert_eq!(shopper.release(hold).await.status, 200);
    }
    let look = becomes(&shop, "watch").await;
    let text = troubles(&look).remove(0);
    assert!(text.starts_with("Of 2") && text.contains("of A sale that ended"), "{text}");
    assert!(text.contains("0 were bought; 2"), "{text}");
    assert!(look["troubles"][0]["advice"].as_str().unwrap().contains("confirm"), "{look}");
    sale.steer("close").await;
    becomes(&shop, "well").await;
}

#[tokio::test]
async fn a_sale_tells_whether_it_is_ready_and_the_verdict_names_what_is_missing_before_its_start() {
    let shop = Shop::with(Place::fresh().await, |config| {
        config.http.public_url = Some("https://queue.example".into());
    })
    .await;
    let in_minutes =
        async |minutes: i64| crate::steering::closing::jiff_in(&shop, 60 * minutes).await;
    let start = in_minutes(50).await;
    let soon = json!({ "name": "Soon", "checkout": "shop", "starts_at": start, "ends_at": in_minutes(55).await });
    let sale = shop.sale(soon).await;
    let later = shop
        .sale(json!({ "name": "Later", "checkout": "shop", "starts_at": in_minutes(70).await }))
        .await;
    let ask = async |sale: &Sale<'_>| shop.ask(&sale.path("/readiness")).await.body;
    let missing = |told: &Value| -> Vec<String> {
        let items = told["items"].as_array().unwrap();
        assert_eq!(items.len(), 6, "{told}");
        let bad = items.iter().filter(|item| item["ok"] == false);
        bad.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    let told = ask(&sale).await;
    assert_eq!(told["ready"], false);
    assert_eq!(missing(&told), ["address", "units", "window"]);
    assert_eq!(missing(&ask(&later).await), ["address", "units"]);
    let look = becomes(&shop, "watch").await;
    let texts = troubles(&look);
    assert_eq!(texts.len(), 1, "a start that is far is not told: {look}");
    assert!(texts[0].starts_with("Soon starts in "), "{look}");
    assert!(
        texts[0].ends_with(" is not ready: checkout address, units, checkout window."),
        "{look}"
    );
    assert!(look["troubles"][0]["advice"].as_str().unwrap().contains("checkout_url"), "{look}");

    let mended =
        json!({ "checkout_url": "https://shop.example/pay", "ends_at": in_minutes(90).await });
    assert_eq!(shop.change(&sale, mended).await.status, 200);
    sale.seed(2).await;
    let told = ask(&sale).await;
    assert_eq!((&told["ready"], missing(&told)), (&json!(true), vec![]));
    becomes(&shop, "well").await;
    shop.ask("/sales/none/readiness").await.is_problem(404, "not-found");
}

async fn history(sale: &Sale<'_>, query: &str) -> Vec<Value> {
    let answer = sale.shop.ask(&sale.path(&format!("/history{query}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["points"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_happened_is_in_the_history_once_and_outlives_gateways_and_redis() {
    let own = OwnStores::start("history").await;
    let shop = Shop::at(own.place.clone(), false).await;
    let second = Gateway::start(&own.place, false).await;
    let sale = shop.open_sale(2, json!({})).await;
    let ana = sale.join().await;
    ana.confirm(&ana.hold().await).await;
    let ben = sale.join().await;
    ben.hold().await;
    sale.join().await;
    let last = async || history(&sale, "").await.last().cloned().unwrap_or_default();
    let all = |point: &Value| {
        ["waiting", "available", "held", "sold", "joined", "admitted"]
            .map(|part| point[part].as_i64().unwrap_or(-1))
    };
    eventually("it is written", async || all(&last().await) == [1, 0, 1, 1, 3, 2]).await;
    let mut own = own;
    own.stores.kill_redis().await.unwrap();
    own.stores.wipe_redis_data().await.unwrap();
    own.stores.start_redis().await.unwrap();
    eventually("joins are taken again", async || sale.try_join().await.status == 201).await;
    eventually("it counts on in the next epoch", async || all(&last().await) == [2, 0, 1, 1, 4, 2])
        .await;
    second.stop().await;
    let points = history(&sale, "").await;
    let times: Vec<&str> = points.iter().map(|point| point["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times.windows(2).all(|pair| pair[0] != pair[1]), "{times:?}");

    let (path, id) = (sale.path("/history"), sale.id.clone());
    shop.gateway.stop().await;
    let running = Running::start(&settings(&own.place)).await;
    running.ready().await;
    let shop = shop_of(&running, own.place.clone()).await;
    let again = shop.ask(&path).await.body["points"].as_array().unwrap().clone();
    assert_eq!(again[..points.len()], points[..], "of {id}");
    running.end("-TERM").await;
    own.stop().await;
}

#[tokio::test]
async fn a_long_history_is_thinned_and_can_be_asked_for_in_part() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    // A day and a half of slots, long ago.
    let write = format!(
        "INSERT INTO sale_history (sale_id, slot, waiting, available, held, sold, joined, admitted)
         SELECT '{}', n, n % 1000, 0, 0, 0, n, 0 FROM generate_series(300000000, 300025919) n",
        sale.id
    );
    sqlx::query(AssertSqlSafe(write)).execute(&shop.place.sql().await).await.unwrap();
    let points = history(&sale, "?since=2017-07-14T02:40:00Z").await;
    assert!((300..=700).contains(&points.len()), "{}", points.len());
    let some = history(&sale, "?since=2017-07-15T14:35:00Z").await;
    assert!(
        some.len() >= 60 && some[0]["at"].as_str() >= Some("2017-07-15T14:35:00Z"),
        "{}",
        some.len()
    );
    shop.ask(&sale.path("/history?since=yesterday")).await.names(&["since"]);
    shop.ask("/sales/none/history").await.is_problem(404, "not-found");
}

#[tokio::test]
async fn the_charts_script_is_kept_for_ever_under_the_name_of_its_content() {
    let shop = Shop::open().await;
    let script = include_str!("../../../templates/vendor/uplot/uPlot.iife.min.js");
    let path = ropeline::web::server::assets::UPLOT.path();
    let answer = shop.get(&path).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, script));
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert!(answer.header("content-type").starts_with("text/javascript"));
    shop.get("/assets/uplot-0000000000000000.js").await.is_problem(404, "not-found");
}
