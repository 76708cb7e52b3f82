//! The report of a sale: a story with known times, counted by hand, and a sale of a million.

use ropeline::engine::reports::report::note;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::repair::recovery::gate;
use crate::support::{Answer, Sale, Shop};

/// A sale of three units that opened at noon, with ten shoppers, one pause, and six things
/// that were shown. Times are seconds after noon.
const STORY: &str = "
    UPDATE sales SET opened_at = t(0), closed_at = t(300), sold_out_at = t(150), sold_out_seq = 5
    WHERE id = $sale;
    INSERT INTO joins (sale_id, ticket, seq, state, joined_at, ended_at)
    SELECT $sale, ticket(seq), seq, state, t(joined), t(ended) FROM (VALUES
        (1, 'admitted', -10, 10), (2, 'admitted', 0, 10), (3, 'admitted', 0, 20),
        (4, 'admitted', 5, 65), (5, 'admitted', 10, 130), (6, 'left', 10, 40),
        (7, 'removed', 10, 50), (8, 'waiting', 20, NULL), (9, 'waiting', 20, NULL),
        (10, 'waiting', 20, NULL)) AS j (seq, state, joined, ended);
    INSERT INTO batches (sale_id, epoch, n) VALUES ($sale, 1, 1);
    INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, state, admitted_at,
                       expires_at, ended_at)
    SELECT ticket(seq), $sale, unit, ticket(seq), seq, 1, 1, state, t(since), t(since + 100), t(until)
    FROM (VALUES
        (1, 1, 'confirmed', 10, 40), (2, 2, 'released', 10, 60), (3, 3, 'expired', 20, 120),
        (4, 2, 'confirmed', 65, 75), (5, 3, 'confirmed', 130, 150)) AS h (seq, unit, state, since, until);
    INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, confirmed_at)
    SELECT id, id, sale_id, unit_no, ticket, ended_at FROM holds
    WHERE sale_id = $sale AND state = 'confirmed';
    INSERT INTO audit (sale_id, at, actor, action, detail) VALUES
        ($sale, t(30), 'ana', 'pause', '{}'), ($sale, t(55), '=ben', 'resume', '{}');
    INSERT INTO shown (sale_id, slot, place, at, seq, position, eta_low, eta_high, chance) VALUES
        ($sale, 1, 0, t(0), 3, 3, 15, 25, 0.95), ($sale, 1, 1, t(5), 4, 3, 10, 30, 0.92),
        ($sale, 2, 1, t(10), 5, 2, 130, 200, 0.85), ($sale, 3, 2, t(20), 8, 6, 50, 90, 0.81),
        ($sale, 3, 0, t(20), 6, 4, NULL, NULL, 0.5), ($sale, 3, 3, t(20), 9, 7, NULL, NULL, NULL)";

pub async fn tell_story(shop: &Shop, sale: &Sale<'_>) {
    tell(shop, sale, STORY).await;
}

/// Writes a story into the tables, without the guards that keep a sale from being written by hand.
async fn tell(shop: &Shop, sale: &Sale<'_>, story: &str) {
    let pool = shop.place.sql().await;
    let mut tx = pool.begin().await.unwrap();
    let words = "
        SET LOCAL session_replication_role = 'replica';
        CREATE FUNCTION pg_temp.t(float8) RETURNS timestamptz LANGUAGE sql AS
            $$ SELECT '2026-11-27T12:00:00Z'::timestamptz + make_interval(secs => $1) $$;
        CREATE FUNCTION pg_temp.ticket(int) RETURNS uuid LANGUAGE sql AS
            $$ SELECT ('00000000-0000-7000-8000-' || lpad($1::text, 12, '0'))::uuid $$;";
    let story = story.replace(" ticket(", " pg_temp.ticket(").replace(" t(", " pg_temp.t(");
    let story = story.replace("$sale", &format!("'{}'", sale.id));
    // The guards keep the counters, too.
    let story = format!("{story}; SELECT recount_sale('{}')", sale.id);
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{words}{story}"))).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
    pool.close().await;
}

async fn report(shop: &Shop, sale: &Sale<'_>) -> Value {
    let answer = shop.ask(&sale.path("/report")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body
}

#[tokio::test]
async fn a_report_says_what_was_counted_by_hand() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "name": "Boots" })).await;
    sale.seed(3).await;
    sale.steer("close").await;
    tell_story(&shop, &sale).await;
    let said = report(&shop, &sale).await;
    assert_eq!((&said["so_far"], &said["paused_seconds"]), (&json!(false), &json!(25)));
    assert_eq!(
        said["units"],
        json!({ "seeded": 3, "available": 0, "held": 0, "sold": 3, "withdrawn": 0, "left": 0,
                "returned": 2 })
    );
    assert_eq!(
        said["shoppers"],
        json!({ "joined": 10, "admitted": 5, "bought": 3, "not_bought": 2, "left": 1,
                "removed": 1, "waiting": 3 })
    );
    // 10 (who came before the start waited from the start on), 10, 20, 60 and 120.
    let waits =
        json!({ "count": 5, "p10": 10.0, "p50": 20.0, "p90": 120.0, "p99": 120.0, "max": 120.0 });
    assert_eq!(said["waits_seconds"], waits);
    assert_eq!(said["waits_of_left_seconds"]["max"], 30.0);
    let buying =
        json!({ "count": 3, "p10": 10.0, "p50": 20.0, "p90": 30.0, "p99": 30.0, "max": 30.0 });
    assert_eq!(said["time_to_buy_seconds"], buying);
    // Held for 30, 50, 100, 10 and 20 seconds within 140.
    assert_eq!(
        said["checkout"],
        json!({ "holds": 5, "active": 0, "confirmed": 3, "released": 1, "expired": 1,
                "conversion": 0.6, "open_on_average": 1.5, "open_at_most": 3,
                "max_in_checkout": null })
    );
    assert_eq!(said["rounds"], json!([{ "times": 1, "units": 1 }, { "times": 2, "units": 2 }]));
    // 160 seconds in points of 5.
    assert_eq!(said["over_time_seconds"], 5);
    let points = said["over_time"].as_array().unwrap();
    let sum = |name: &str| points.iter().map(|p| p[name].as_i64().unwrap()).sum::<i64>();
    assert_eq!(["joined", "admitted", "bought", "returned"].map(sum), [10, 5, 3, 2]);
    assert_eq!(
        points[1],
        json!({ "at": "2026-11-27T12:00:00Z", "joined": 2, "admitted": 0, "bought": 0, "returned": 0 })
    );
    let actions: Vec<_> =
        said["actions"].as_array().unwrap().iter().map(|a| &a["action"]).collect();
    assert_eq!(actions, ["create", "seed", "close", "pause", "resume"]);
    // One wait in three came true; 0.95 and 0.92 were both offered one, of 0.85 and 0.81 one was.
    assert_eq!(
        said["shown"],
        json!({ "samples": 6, "gone": 1, "undecided": 0, "waits": 3, "waits_within": 1,
                "waits_sooner": 1, "waits_later": 1, "chances": [
                    { "from": 0.9, "to": 1.0, "shown": 2, "said": 0.935, "came_true": 1.0 },
                    { "from": 0.8, "to": 0.9, "shown": 2, "said": 0.83, "came_true": 0.5 }] })
    );

    let csv = shop.ask(&sale.path("/report.csv")).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    for line in [
        "part,name,value",
        "units,sold,3",
        "checkout,conversion,0.6",
        "rounds,1.units,2",
        "actions,4.actor,'=ben",
        "shown,chances.0.said,0.935",
    ] {
        assert!(csv.text.lines().any(|other| other == line), "{line}: {}", csv.text);
    }
    let cookie = shop.log_in_by_key().await;
    let page = shop.page(&cookie, &format!("/admin/sales/{}/report", sale.slug)).await;
    assert_eq!(page.status, 200, "{}", page.text);
    for words in ["2:00", "60%", "1 held once, 2 held 2 times", "Admissions were paused for 25.0 s"]
    {
        assert!(page.text.contains(words), "{words}");
    }
    let unknown = shop.page(&cookie, "/admin/sales/no-such-sale/report").await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn while_a_sale_runs_the_report_is_so_far_and_what_is_shown_is_written_down() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "max_in_checkout": 1 })).await;
    let empty = report(&shop, &sale).await;
    assert_eq!((&empty["so_far"], &empty["waits_seconds"]), (&json!(true), &json!(null)));
    let ana = sale.join().await;
    ana.hold().await;
    let line: Vec<_> = [sale.join().await, sale.join().await, sale.join().await].into();
    let own = gate(&shop).await;
    let mirror = own.line(&sale.id).unwrap();
    crate::support::eventually("the line is read", async || {
        ropeline::engine::loops::tick::tick(&own).await;
        mirror.view().waiting() == 3
    })
    .await;
    for _ in 0..2 {
        note(&own, &mirror).await.unwrap(); // As two gateways do.
    }
    let pool = shop.place.sql().await;
    let rows: Vec<(i16, i64, i64, Option<f64>)> = sqlx::query_as(
        "SELECT place, position, seq, chance FROM shown
         WHERE slot = (SELECT min(slot) FROM shown) ORDER BY place",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    pool.close().await;
    let places: Vec<_> = rows.iter().map(|row| (row.0, row.1)).collect();
    assert_eq!(
        places,
        [(0, 1), (1, 2), (2, 3)],
        "front, middle and back; the fourth is one of them"
    );
    let front = line[0].poll().await.body;
    assert_eq!(
        (rows[0].2, rows[0].3),
        (front["number"].as_i64().unwrap(), front["chance"].as_f64())
    );
    let said = report(&shop, &sale).await;
    assert_eq!(said["shown"]["undecided"], said["shown"]["samples"]);
    sale.steer("close").await;
    assert_eq!(report(&shop, &sale).await["shown"]["undecided"], 0, "it is over for them");
    assert_eq!(report(&shop, &sale).await["so_far"], true, "Ana may still buy");
}

/// Not a test: says how long the report of a sale with a million joins takes.
#[tokio::test]
#[ignore = "measures; see docs/performance.md"]
async fn a_million_joins_are_counted() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "name": "A million" })).await;
    sale.seed(200_000).await;
    sale.steer("close").await;
    let story = "
        UPDATE sales SET opened_at = t(0), closed_at = t(4000) WHERE id = $sale;
        INSERT INTO joins (sale_id, ticket, seq, state, joined_at, ended_at)
        SELECT $sale, ticket(n), n, CASE WHEN n <= 300000 THEN 'admitted' WHEN n % 10 = 0
               THEN 'left' ELSE 'waiting' END, t(n % 600 - 300),
               CASE WHEN n <= 300000 OR n % 10 = 0 THEN t(300 + n / 100) END
        FROM generate_series(1, 1000000) AS n;
        INSERT INTO batches (sale_id, epoch, n) VALUES ($sale, 1, 1);
        INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, state, admitted_at,
                           expires_at, ended_at)
        SELECT ticket(n), $sale, (n - 1) % 200000 + 1, ticket(n), n, 1, 1,
               CASE WHEN n <= 100000 THEN 'expired' ELSE 'confirmed' END, t(300 + n / 100),
               t(360 + n / 100), t(370 + n / 100)
        FROM generate_series(1, 300000) AS n;
        INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, confirmed_at)
        SELECT id, id, sale_id, unit_no, ticket, ended_at FROM holds
        WHERE sale_id = $sale AND state = 'confirmed';
        INSERT INTO shown (sale_id, slot, place, at, seq, position, eta_low, eta_high, chance)
        SELECT $sale, n, 0, t(n), n * 700, 10, 100, 1000, 0.7 FROM generate_series(1, 1400) AS n;";
    tell(&shop, &sale, story).await;
    for _ in 0..3 {
        let begun = Instant::now();
        let said = report(&shop, &sale).await;
        assert_eq!(said["shoppers"]["joined"], 1_000_000);
        println!("the report of a million joins and 300,000 holds: {:?}", begun.elapsed());
    }
    let page = Answer::of(shop.operator(reqwest::Method::GET, &sale.path("/report.csv"))).await;
    assert_eq!(page.status, 200);
}
