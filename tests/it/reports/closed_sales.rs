//! Sales that are over and names of no sale, asked for by many; and sales whose time has come while Redis is slow.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::repair::outage::{becomes_ready, end, fragile};
use crate::support::{Answer, Sale, Shop, all, eventually};

/// Transactions in this database since it was made: every read of a gateway is one.
async fn transactions(shop: &Shop) -> i64 {
    // A session's numbers are a second old at the most.
    sleep(Duration::from_millis(1_200)).await;
    let sql = shop.place.sql().await;
    let count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()";
    let count = sqlx::query_scalar(count).fetch_one(&sql).await.unwrap();
    sql.close().await;
    count
}

/// Transactions that `work` adds to those which the gateway makes by itself in as much time.
async fn cost(shop: &Shop, work: impl AsyncFn()) -> i64 {
    let (began, first) = (Instant::now(), transactions(shop).await);
    work().await;
    let (took, second) = (began.elapsed(), transactions(shop).await);
    sleep(took).await;
    let third = transactions(shop).await;
    (second - first) - (third - second)
}

async fn ask_all(shop: &Shop, paths: Vec<String>) -> Vec<Answer> {
    let asked = paths.into_iter().map(|path| {
        let request = shop.request(Method::GET, &path);
        async move { Answer::of(request).await }
    });
    all(asked).await
}

/// A closed sale that no gateway follows any more.
async fn past<'a>(shop: &'a Shop) -> Sale<'a> {
    let sale = shop.open_sale(2, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    assert_eq!(ana.confirm(&hold).await.status, 200);
    sale.steer("close").await;
    let sql = shop.place.sql().await;
    sqlx::query("UPDATE sales SET closed_at = now() - interval '1 hour' WHERE id = $1::uuid")
        .bind(&sale.id)
        .execute(&sql)
        .await
        .unwrap();
    eventually("the sale is let go", async || {
        !shop.get("/metrics").await.text.contains(&format!("\"{}\"", sale.slug))
    })
    .await;
    sale
}

#[tokio::test]
async fn names_of_no_sale_do_not_reach_postgres_once_each() {
    let shop = Shop::open().await;
    let spent = cost(&shop, async || {
        let paths = (0..400).map(|n| match n % 2 {
            0 => format!("/api/v1/sales/nothing-{n}"),
            _ => format!("/s/nothing-{n}"),
        });
        for answer in ask_all(&shop, paths.collect()).await {
            assert_eq!(answer.status, 404, "{}", answer.text);
        }
    })
    .await;
    assert!(spent < 150, "{spent} transactions for 400 names");
    // A sale that is made now is found at once.
    let sale = shop.sale(json!({})).await;
    assert_eq!(shop.get(&format!("/s/{}", sale.slug)).await.status, 200);
}

#[tokio::test]
async fn a_sale_that_is_over_is_answered_from_memory() {
    let shop = Shop::open().await;
    let sale = past(&shop).await;
    let spent = cost(&shop, async || {
        let paths = (0..300).map(|n| match n % 3 {
            0 => format!("/api/v1/sales/{}", sale.id),
            1 => format!("/api/v1/sales/{}", sale.slug),
            _ => format!("/s/{}", sale.slug),
        });
        for answer in ask_all(&shop, paths.collect()).await {
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    })
    .await;
    assert!(spent < 150, "{spent} transactions for 300 reads");
    let facts = sale.facts().await;
    assert_eq!(
        (&facts["status"], &facts["stock"]["sold"]),
        (&json!("closed"), &json!(1)),
        "{facts}"
    );
    sale.try_join().await.is_problem(409, "sale-closed");
}

/// The connections for sales that are over are all in use; keys are proved on others.
#[tokio::test]
async fn sales_that_are_over_keep_nobody_from_proving_a_key() {
    let shop = Shop::open().await;
    let sale = past(&shop).await;
    let key = shop.make_key("till", "viewer").await["key"].as_str().unwrap().to_owned();
    let sql = shop.place.sql().await;
    let mut slow = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE sale_counts IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *slow)
        .await
        .unwrap();
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..40 {
        let path = if n == 0 { sale.slug.clone() } else { sale.id.clone() };
        let request = shop.request(Method::GET, &format!("/api/v1/sales/{path}"));
        asking.spawn(async move { request.send().await.map(drop) });
    }
    sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    let keyed = shop.request(Method::GET, "/api/v1/admin/sales").bearer_auth(&key);
    assert_eq!(Answer::of(keyed).await.status, 200);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    slow.rollback().await.unwrap();
    asking.shutdown().await;
}

#[tokio::test]
async fn a_list_of_sales_that_are_over_costs_a_few_queries() {
    let shop = Shop::open().await;
    let sql = shop.place.sql().await;
    sqlx::raw_sql(
        "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                            checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting, closed_at)
         SELECT gen_random_uuid(), 'past-' || n, 'Past', 'closed', 9, 1, 10, 1000, 600, 0, 'builtin', false, 1000,
                now() - interval '1 day' FROM generate_series(1, 25) n",
    )
    .execute(&sql)
    .await
    .unwrap();
    shop.add_operator("ana", "viewer").await;
    let cookie = shop.log_in("ana").await;
    let spent = cost(&shop, async || {
        for _ in 0..4 {
            let page = shop.request(Method::GET, "/admin").header("cookie", &cookie);
            let page = Answer::of(page).await;
            assert!(page.text.contains("past-25") && page.text.contains("past-1"), "{}", page.text);
        }
    })
    .await;
    assert!(spent < 100, "{spent} transactions for four pages of 25 sales");
}

#[tokio::test]
async fn one_reconciliation_runs_at_a_time_and_the_others_are_told_when_to_come_back() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let sql = shop.place.sql().await;
    let mut slow = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE batches, joins IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *slow)
        .await
        .unwrap();
    let asked = (0..4).map(|_| {
        let request = shop.operator(Method::GET, &sale.path("/reconciliation"));
        async move { Answer::of(request).await }
    });
    let asked = all(asked);
    let watched = async {
        let mut most = 0_i64;
        for _ in 0..30 {
            let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT s.stock,%ARRAY[r.joined%'
                           AND datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()";
            let running: i64 = sqlx::query_scalar(running).fetch_one(&sql).await.unwrap();
            most = most.max(running);
            sleep(Duration::from_millis(50)).await;
        }
        most
    };
    let (answers, most) = tokio::join!(asked, watched);
    assert_eq!(most, 1);
    for answer in answers {
        answer.is_problem(503, "unavailable");
    }
    slow.rollback().await.unwrap();
    sale.adds_up().await;
}

#[tokio::test]
async fn sales_that_are_to_open_while_redis_hangs_keep_no_other_sale_from_being_shown() {
    let (mut stores, shop) = fragile().await;
    let shown = shop.sale_of_nothing(json!({})).await;
    let ana = shown.join().await;
    let mut scheduled = Vec::new();
    for _ in 0..10 {
        scheduled.push(shop.sale(json!({ "starts_at": "2099-01-01T12:00:00Z" })).await);
    }
    becomes_ready(&shop).await;
    let sql = shop.place.sql().await;
    stores.freeze_redis().await.unwrap();
    // All of them are due at once, and something else changes in the other sale.
    sqlx::query("UPDATE sales SET starts_at = now() WHERE state = 'scheduled'")
        .execute(&sql)
        .await
        .unwrap();
    sleep(Duration::from_millis(1_500)).await;
    let began = Instant::now();
    sqlx::query("UPDATE sales SET notice = 'Still here' WHERE id = $1::uuid")
        .bind(&shown.id)
        .execute(&sql)
        .await
        .unwrap();
    eventually("the notice is shown", async || ana.poll().await.body["notice"] == "Still here")
        .await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    eventually("all are open", async || {
        let open = "SELECT count(*) FROM sales WHERE state = 'open'";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&sql).await.unwrap();
        open == 11
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "the schedule is kept: {:?}",
        began.elapsed()
    );
    stores.thaw_redis().await.unwrap();
    becomes_ready(&shop).await;
    eventually("each takes joins", async || scheduled[9].try_join().await.status == 201).await;
    sql.close().await;
    end(stores, shop).await;
}
