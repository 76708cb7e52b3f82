//! A store is killed in the middle of a sale. These have stores of their own.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Method;
use ropeline::dev::stores::{Data, Stores};
use ropeline::engine::line::leave::leave;
use ropeline::engine::line::line_mirror as watch;
use ropeline::engine::line::ticket_state::{self as state, Stage};
use ropeline::engine::loops::tick;
use ropeline::engine::repair::audit::repair;
use ropeline::model::{Claim, SaleId, Seq, Ticket};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::repair::recovery::gate;
use crate::support::{Answer, Place, Shop, Shopper, eventually};

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Stores that may be killed, and a shop on them.
pub async fn fragile() -> (Stores, Shop) {
    let name = format!("outage-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let stores =
        Stores::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), Data::Fresh).await;
    let stores = stores.unwrap();
    let place = Place { redis_url: stores.redis_url(), database_url: stores.database_url() };
    let shop = Shop::at(place, false).await;
    (stores, shop)
}

pub async fn end(stores: Stores, shop: Shop) {
    shop.gateway.stop().await;
    stores.stop().await.unwrap();
}

pub async fn becomes_ready(shop: &Shop) {
    eventually("the gateway is ready", async || shop.get("/readyz").await.status == 200).await;
}

#[tokio::test]
async fn while_redis_is_away_holds_are_bought_places_are_shown_and_only_joins_wait() {
    for wiped in [false, true] {
        let (mut stores, shop) = fragile().await;
        let sale = shop.open_sale(2, json!({})).await;
        let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
        let (anas, bens) = (ana.hold().await, ben.hold().await);
        eventually("eva is first", async || eva.poll().await.body["position"] == 1).await;
        let before = eva.poll().await.body;

        stores.kill_redis().await.unwrap();
        let bought = ana.confirm(&anas).await;
        assert_eq!(bought.status, 200, "{}", bought.text);
        assert_eq!(bought.body["order"]["hold"], anas.as_str());
        assert_eq!(ana.poll().await.body["state"], "confirmed");
        let still = eva.poll().await;
        assert_eq!((still.status.as_u16(), &still.body["number"]), (200, &before["number"]));
        assert_eq!(shop.get(&format!("/s/{}", sale.slug)).await.status, 200);
        sale.try_join().await.is_problem(503, "unavailable");
        assert_eq!(ben.release(&bens).await.status, 200, "and may be given back");
        eventually("the gateway says what is missing", async || {
            let ready = shop.get("/readyz").await;
            ready.status == 503 && ready.text.contains("redis")
        })
        .await;
        assert_eq!(shop.get("/healthz").await.status, 200);

        if wiped {
            stores.wipe_redis_data().await.unwrap();
        }
        stores.start_redis().await.unwrap();
        becomes_ready(&shop).await;
        // Ben's unit is offered again: by the rebuild, or else by the auditor, who is not waited for.
        let gate = gate(&shop).await;
        let line = gate.line(&sale.id).unwrap();
        eventually("the audit is done", async || repair(&gate, &line).await.is_ok()).await;
        let evas = eva.hold().await;
        let dan = sale.join().await;
        eventually("dan is first", async || dan.poll().await.body["position"] == 1).await;
        assert_eq!(eva.confirm(&evas).await.status, 200);
        sale.becomes("sold_out").await;
        eventually("it adds up", async || {
            shop.ask(&sale.path("/reconciliation")).await.body["consistent"] == true
        })
        .await;
        sale.adds_up().await;
        end(stores, shop).await;
    }
}

#[tokio::test]
async fn while_postgres_is_away_joins_are_answered_and_a_confirm_is_unknown_until_the_retry_tells()
{
    let (mut stores, shop) = fragile().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let eva = sale.join().await;
    eventually("eva is first", async || eva.poll().await.body["position"] == 1).await;

    stores.kill_postgres().await.unwrap();
    ana.confirm(&anas).await.is_problem(503, "unknown-outcome");
    assert_eq!(eva.poll().await.body["state"], "waiting", "the line is shown from memory");
    let late = sale.try_join().await;
    assert_eq!(late.status, 201, "the credential is the receipt: {}", late.text);
    let dan = Shopper::new(&shop, &late.body);
    let number = late.body["number"].as_u64().unwrap();
    assert!(number > eva.poll().await.body["number"].as_u64().unwrap());
    eva.leave().await.is_problem(503, "unavailable");

    stores.start_postgres().await.unwrap();
    becomes_ready(&shop).await;
    let told = ana.confirm(&anas).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(ana.confirm(&anas).await.body["order"], told.body["order"], "one order");
    let sql = shop.place.sql().await;
    eventually("the late join is in the journal", async || {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT seq FROM joins WHERE ticket = $1::text::uuid")
                .bind(&dan.ticket)
                .fetch_optional(&sql)
                .await
                .unwrap();
        found == Some(number.cast_signed())
    })
    .await;
    dan.becomes("sold_out").await;
    sale.adds_up().await;
    sql.close().await;
    end(stores, shop).await;
}

#[tokio::test]
async fn who_could_not_buy_while_postgres_was_away_does_not_lose_the_hold_to_it() {
    let (mut stores, shop) = fragile().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 8 })).await;
    let ana = sale.join().await;
    let hold = ana.becomes("admitted").await["hold"].clone();
    let expires_at = |hold: &serde_json::Value| -> jiff::Timestamp {
        hold["expires_at"].as_str().unwrap().parse().unwrap()
    };
    stores.kill_postgres().await.unwrap();
    // The outage is what is tested, so it has to last: longer than the sweeper's patience of 5 s.
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    stores.start_postgres().await.unwrap();
    becomes_ready(&shop).await;
    let id = hold["id"].as_str().unwrap();
    eventually("the gap is credited", async || {
        let now = ana.request(reqwest::Method::GET, &format!("/api/v1/holds/{id}"));
        let now = crate::support::Answer::of(now).await;
        assert_eq!(now.body["state"], "active", "{}", now.text);
        expires_at(&now.body) > expires_at(&hold)
    })
    .await;
    assert_eq!(ana.confirm(id).await.status, 200);
    end(stores, shop).await;
}

#[tokio::test]
async fn a_postgres_that_hangs_keeps_nobody_from_joining_and_sells_nothing_twice() {
    let (mut stores, shop) = fragile().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let eva = sale.join().await;
    let number = eva.poll().await.body["number"].as_u64().unwrap();

    stores.freeze_postgres().await.unwrap();
    let late = sale.try_join().await;
    assert_eq!(late.status, 201, "nobody waits for the journal for long: {}", late.text);
    assert_eq!(late.body["number"], number + 1);
    ana.confirm(&anas).await.is_problem(503, "unknown-outcome");

    stores.thaw_postgres().await.unwrap();
    becomes_ready(&shop).await;
    let told = ana.confirm(&anas).await;
    assert_eq!(told.status, 200, "{}", told.text);
    Shopper::new(&shop, &late.body).becomes("sold_out").await;
    sale.adds_up().await;
    assert_eq!(sale.stats().await["joined"], 3, "the late one is in the journal, too");
    end(stores, shop).await;
}

#[tokio::test]
async fn a_join_that_is_repeated_while_redis_hangs_costs_nobody_the_place() {
    let (mut stores, shop) = fragile().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let join =
        async |key: &str| Answer::of(sale.join_request().header("idempotency-key", key)).await;
    let first = join("the first key of all").await;
    let (ana, ben) = (Shopper::new(&shop, &first.body), sale.join().await);

    stores.freeze_redis().await.unwrap();
    let again = join("the first key of all").await;
    assert_eq!((again.status.as_u16(), &again.body["ticket"]), (201, &first.body["ticket"]));
    sale.try_join().await.is_problem(503, "unavailable");
    stores.thaw_redis().await.unwrap();

    becomes_ready(&shop).await;
    eventually("the place is shown", async || ana.poll().await.body["position"] == 1).await;
    // Whatever is done behind the scenes about the join that got no answer has time to show.
    for _ in 0..40 {
        assert_eq!(ana.poll().await.body["position"], 1);
        assert_eq!(ben.poll().await.body["position"], 2);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    sale.seed(1).await;
    let anas = ana.hold().await;
    assert_eq!(ana.confirm(&anas).await.status, 200);
    assert_ne!(ben.poll().await.body["state"], "admitted");
    end(stores, shop).await;
}

#[tokio::test]
async fn shoppers_who_are_answered_from_postgres_do_not_keep_a_gateway_from_following_its_sales() {
    /// More than the connections for look-ups, many times over.
    const ASKERS: usize = 60;
    /// Longer than one look at the sales may take.
    const WATCHED: Duration = Duration::from_secs(4);
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let gone = sale.join().await;
    gone.leave().await;
    becomes_ready(&shop).await;

    // Whoever is not in line is looked up in the journal, and waits there now.
    let sql = shop.place.sql().await;
    let mut slow = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE joins IN ACCESS EXCLUSIVE MODE").execute(&mut *slow).await.unwrap();
    let mut askers = JoinSet::new();
    for _ in 0..ASKERS {
        let asked = gone.request(Method::GET, &gone.path(""));
        askers.spawn(async move { while asked.try_clone().unwrap().send().await.is_ok() {} });
    }
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        let ready = shop.get("/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text);
        sleep(Duration::from_millis(50)).await;
    }
    askers.shutdown().await;
    slow.rollback().await.unwrap();
}

/// Its gateway ended before it journaled the join, Redis forgot it, and its shopper comes back while Redis is away: it is
/// in line as soon as Redis is back, and not only with the next audit, which needs both stores at once.
#[tokio::test]
async fn whoever_comes_back_while_redis_is_away_is_in_line_once_redis_is_back() {
    let (mut stores, shop) = fragile().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let id: SaleId = sale.id.parse().unwrap();
    sale.join().await;
    // In line by another gateway, and on its credential alone.
    let gate = gate(&shop).await;
    let [ticket, gone] = [Ticket::new(), Ticket::new()];
    let seqs = gate.live.join(id, 1, 1_000_000, &[ticket, gone]).await.unwrap().seqs;
    let claims: Vec<Claim> = [ticket, gone]
        .into_iter()
        .zip(seqs.into_iter().flatten())
        .map(|(ticket, seq)| Claim { sale: id, ticket, seq, generation: 0 })
        .collect();
    for claim in &claims {
        gate.live.leave(id, 1, claim.ticket).await.unwrap();
    }
    // It knows the numbers, and that nobody waits with them.
    tick::tick(&gate).await;
    // No auditor from here on.
    shop.gateway.stop().await;
    stores.kill_redis().await.unwrap();
    let unread = watch::past_view(&gate, id).await.unwrap();
    for claim in &claims {
        let told = state::of(&gate, &unread, *claim).await.unwrap();
        assert!(matches!(told.stage, Stage::Waiting(_)), "{told:?}");
    }
    // One of them leaves before Redis is back, and stays out.
    leave(&gate, claims[1]).await.unwrap();
    stores.start_redis().await.unwrap();
    let in_line = async || {
        let (queued, _) = gate.live.page(id, 1, Seq(0)).await.unwrap_or_default();
        queued.into_iter().map(|waiter| waiter.ticket).collect::<Vec<_>>()
    };
    eventually("the ticket is in line", async || in_line().await.contains(&ticket)).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!in_line().await.contains(&gone), "it left");
    stores.stop().await.unwrap();
}
