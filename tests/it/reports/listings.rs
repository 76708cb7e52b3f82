//! What the operator reads: pages of what happened, all orders as CSV, counts.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::line::tickets::names;
use crate::support::{Answer, Sale, Shop};

/// Every item of a list, asked for page by page.
async fn pages(shop: &Shop, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    let joint = if path.contains('?') { '&' } else { '?' };
    for _ in 0..100 {
        let page = shop.ask(&format!("{path}{joint}limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(names(&page.body), ["items", "next_cursor"]);
        let found = page.body["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        let Some(next) = page.body["next_cursor"].as_str() else { return items };
        assert_eq!(found.len(), limit, "a page that is not the last is full");
        cursor = format!("&cursor={next}");
    }
    panic!("the list has no end: {path}");
}

/// Writes holds with their orders as a sale of this size leaves them, `sold` of `units` confirmed.
async fn write_history(sale: &Sale<'_>, units: i32, sold: i32) {
    let sql = sale.shop.place.sql().await;
    for statement in [
        "INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
         SELECT $1::uuid, gen_random_uuid(), 1000000 + i, 'admitted', now() FROM generate_series(1, $2) i",
        "INSERT INTO batches (sale_id, epoch, n) SELECT id, epoch, 0 FROM sales WHERE id = $1::uuid AND $2 > 0",
        // Groups of seven share one moment, so that ties are broken by number.
        "INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         SELECT gen_random_uuid(), j.sale_id, j.seq - 1000000, j.ticket, j.seq, s.epoch, 0,
                timestamptz '2026-01-01Z' + interval '1 second' * ((j.seq - 1000000) / 7), now() + interval '1 day'
         FROM joins j JOIN sales s ON s.id = j.sale_id WHERE s.id = $1::uuid AND j.seq - 1000000 <= $2",
    ] {
        sqlx::query(statement).bind(&sale.id).bind(units).execute(&sql).await.unwrap();
    }
    let confirm = "WITH flipped AS (UPDATE holds SET state = 'confirmed', ended_at = admitted_at + interval '1 minute'
                                    WHERE sale_id = $1::uuid AND unit_no <= $2 RETURNING *)
                   INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
                   SELECT id, gen_random_uuid(), sale_id, unit_no, ticket, 'p-' || unit_no, ended_at FROM flipped";
    sqlx::query(confirm).bind(&sale.id).bind(sold).execute(&sql).await.unwrap();
}

fn by(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].to_string()).collect()
}

#[tokio::test]
async fn holds_and_orders_are_paged_newest_first_without_a_gap_or_a_double() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    sale.seed(40).await;
    write_history(&sale, 40, 25).await;
    for limit in [1, 6, 7, 40, 1000] {
        let holds = pages(&shop, &sale.path("/holds"), limit).await;
        let units: Vec<i64> = holds.iter().map(|hold| hold["unit"].as_i64().unwrap()).collect();
        assert_eq!(units, (1..=40).rev().collect::<Vec<_>>(), "limit {limit}");
        for (state, count) in [("active", 15), ("confirmed", 25), ("released", 0), ("expired", 0)] {
            let some = pages(&shop, &sale.path(&format!("/holds?state={state}")), limit).await;
            assert_eq!(some.len(), count, "{state}");
            assert!(some.iter().all(|hold| hold["state"] == state));
        }
        let orders = pages(&shop, &sale.path("/orders"), limit).await;
        assert_eq!(by(&orders, "id").into_iter().collect::<HashSet<_>>().len(), 25);
        let mut times = by(&orders, "confirmed_at");
        times.reverse();
        assert!(times.is_sorted(), "newest first");
    }
    let holds =
        shop.ask(&sale.path("/holds?state=confirmed&limit=1")).await.body["items"][0].clone();
    let order = shop.ask(&sale.path("/orders?limit=1000")).await.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|order| order["hold"] == holds["id"])
        .unwrap()
        .clone();
    let fields = ["confirmed_at", "hold", "id", "payment_reference", "sale", "ticket", "unit"];
    assert_eq!(names(&order), fields);
    assert_eq!((&order["ticket"], &order["id"]), (&holds["ticket"], &holds["order"]["id"]));
    let other = shop.sale(json!({})).await;
    let empty = shop.ask(&other.path("/orders")).await;
    assert_eq!(empty.body, json!({ "items": [], "next_cursor": null }));
}

#[tokio::test]
async fn sales_and_their_audit_are_paged_too() {
    let shop = Shop::open().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(shop.sale(json!({})).await.id);
    }
    made.reverse();
    for limit in [1, 2, 5, 100] {
        let listed = pages(&shop, "/sales", limit).await;
        let ids: Vec<_> = listed.iter().map(|sale| sale["id"].as_str().unwrap()).collect();
        assert_eq!(ids, made);
    }
    let sale = shop.sale(json!({})).await;
    for count in 1..=7 {
        sale.seed(count).await;
    }
    shop.tell(&sale.path("/notices"), json!({ "text": "Hi" })).await;
    shop.change(&sale, json!({ "name": "New" })).await;
    for limit in [1, 3, 9, 100] {
        let audit = pages(&shop, &sale.path("/audit"), limit).await;
        assert_eq!(audit.len(), 10);
        for item in &audit {
            assert_eq!(names(item), ["action", "actor", "at", "detail", "id", "sale"]);
            assert_eq!(item["sale"], sale.id.as_str());
            assert_eq!(item["actor"], "admin-key");
        }
        assert_eq!(
            (&audit[0]["action"], &audit[0]["detail"]),
            (&json!("change"), &json!({ "name": "New" }))
        );
        assert_eq!(
            (&audit[1]["action"], &audit[1]["detail"]),
            (&json!("notice"), &json!({ "text": "Hi" }))
        );
        for (item, count) in audit[2..9].iter().rev().zip(1..) {
            assert_eq!(
                (&item["action"], &item["detail"]),
                (&json!("seed"), &json!({ "count": count }))
            );
        }
        assert_eq!(audit[9]["action"], "create");
    }
}

#[tokio::test]
async fn a_limit_a_cursor_or_a_state_that_is_none_is_refused_by_name() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    sale.seed(3).await;
    write_history(&sale, 3, 3).await;
    let far_back = "LTk5OTk5OTk5OTk5OTk5OTkgMCAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"; // the year -1199
    let beyond = "LTM3NzcwNTAyMzIwMTAwMDAwMCAwIDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"; // the year -9999
    for path in
        ["/sales".to_owned(), sale.path("/holds"), sale.path("/orders"), sale.path("/audit")]
    {
        let ask = async |query: &str| shop.ask(&format!("{path}?{query}")).await;
        for limit in ["0", "-1", "1001", "x", "1.5", "", "99999999999999999999"] {
            ask(&format!("limit={limit}")).await.names(&["limit"]);
        }
        for cursor in ["x", "AAAA", "", "%00", "bm90IGEgY3Vyc29y", far_back, beyond] {
            let refused = ask(&format!("cursor={cursor}")).await;
            assert_eq!(refused.refusal(), (422, "invalid"), "{cursor}: {}", refused.text);
            refused.names(&["cursor"]);
        }
        ask("limit=0&cursor=x").await.names(&["limit", "cursor"]);
        let twice = ask("limit=1&limit=2").await;
        assert!([400, 422].contains(&twice.status.as_u16()), "{}", twice.text);
        assert_eq!(twice.header("content-type"), "application/problem+json");
        for limit in ["1", "1000"] {
            assert_eq!(ask(&format!("limit={limit}")).await.status, 200);
        }
    }
    for state in ["open", "", "Active"] {
        shop.ask(&sale.path(&format!("/holds?state={state}"))).await.names(&["state"]);
    }
}

#[tokio::test]
async fn all_orders_come_as_one_csv_however_many_they_are() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let head = "order,hold,sale,unit,ticket,payment_reference,confirmed_at";
    let empty = shop.ask(&sale.path("/orders.csv")).await;
    assert_eq!((empty.status.as_u16(), empty.text.trim_end()), (200, head));
    sale.seed(2_500).await;
    write_history(&sale, 2_500, 2_500).await;
    let csv = shop.ask(&sale.path("/orders.csv")).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.header("content-disposition").contains(&format!("orders-{}.csv", sale.slug)));
    let mut lines = csv.text.lines();
    assert_eq!(lines.next(), Some(head));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 2_500);
    let units: HashSet<&str> = rows.iter().map(|row| row[3]).collect();
    assert_eq!(units.len(), 2_500, "each order once");
    let orders = pages(&shop, &sale.path("/orders"), 1_000).await;
    for (row, order) in rows.iter().zip(&orders) {
        let fields = ["id", "hold", "sale", "unit", "ticket", "payment_reference", "confirmed_at"];
        for (text, field) in row.iter().zip(fields) {
            let said =
                order[field].as_str().map_or_else(|| order[field].to_string(), str::to_owned);
            assert_eq!(*text, said, "{field}");
        }
    }
}

#[tokio::test]
async fn what_a_shopper_typed_is_no_formula_in_the_csv() {
    let shop = Shop::open().await;
    let said = ["=1+1", "+1", "-1", "@SUM(A1)", "a,b", "say \"hi\"", "harmless"];
    let sale = shop.open_sale(7, json!({})).await;
    for reference in said {
        let ana = sale.join().await;
        let confirm = format!("/api/v1/holds/{}/confirm", ana.hold().await);
        let request = ana.request(reqwest::Method::POST, &confirm);
        let bought = Answer::of(request.json(&json!({ "payment_reference": reference }))).await;
        assert_eq!(bought.body["order"]["payment_reference"], reference, "kept as it was typed");
    }
    let text = shop.ask(&sale.path("/orders.csv")).await.text;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let mut shown: Vec<String> = reader.records().map(|row| row.unwrap()[5].to_owned()).collect();
    shown.reverse();
    let safe = ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "a,b", "say \"hi\"", "harmless"];
    assert_eq!(shown, safe);
}

#[tokio::test]
async fn the_counts_tell_the_whole_story_of_a_sale() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(3, json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    let (dan, fay) = (sale.join().await, sale.join().await);
    let (anas, bens, _) = (ana.hold().await, ben.hold().await, eva.hold().await);
    assert_eq!(ana.confirm(&anas).await.status, 200);
    assert_eq!(fay.leave().await.status, 204);
    assert_eq!(ben.release(&bens).await.status, 200);
    dan.hold().await;
    sale.join().await;
    let stats = sale.stats().await;
    let fields = [
        "admissions_per_second",
        "admitted",
        "joined",
        "joins_per_second",
        "left",
        "status",
        "tokens",
        "waiting",
    ];
    assert_eq!(names(&stats), fields);
    let counts =
        ["joined", "left", "admitted", "waiting"].map(|field| stats[field].as_i64().unwrap());
    assert_eq!((counts, stats["status"].as_str()), ([6, 1, 4, 1], Some("open")));
    let tokens = json!({ "seeded": 3, "available": 0, "held": 2, "sold": 1, "withdrawn": 0 });
    assert_eq!(stats["tokens"], tokens);
    let rates = || async { sale.stats().await["joins_per_second"].as_f64().unwrap() > 0.0 };
    crate::support::eventually("joins show as a rate", async || rates().await).await;
    sale.adds_up().await;
}
