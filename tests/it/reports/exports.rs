//! The event log: everything that happened, once and in order, as CSV and as lines of JSON; and what a pace
//! would do, and one shopper found by whatever is known.

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use crate::support::{Answer, Sale, Shop, Shopper, eventually};

/// The events of a sale as JSON, and as CSV with as many cells in each line.
async fn events(sale: &Sale<'_>) -> (Vec<Value>, Vec<Vec<String>>) {
    let answer = sale.shop.ask(&sale.path("/events.jsonl")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/jsonl"));
    let lines = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = sale.shop.ask(&sale.path("/events.csv")).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-disposition").contains(&format!("events-{}.csv", sale.slug)));
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).from_reader(answer.text.as_bytes());
    let rows = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect());
    (lines, rows.collect())
}

/// A sale in which everything happens once; its shoppers by name.
async fn eventful(shop: &Shop) -> (Sale<'_>, [(&'static str, Shopper); 5]) {
    let sale = shop.sale(json!({ "checkout_window_seconds": 3, "max_in_checkout": 1 })).await;
    sale.seed(2).await;
    sale.steer("open").await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let (ben, cem, dia, eva) =
        (sale.join().await, sale.join().await, sale.join().await, sale.join().await);
    ben.leave().await;
    let removed = format!("/sales/{}/tickets/{}", sale.id, cem.ticket);
    let request = shop.operator(reqwest::Method::DELETE, &removed);
    assert_eq!(Answer::of(request).await.status, 204);
    ana.release(&anas).await;
    dia.hold().await;
    dia.becomes("expired").await;
    let evas = eva.hold().await;
    let request = eva.request(reqwest::Method::POST, &format!("/api/v1/holds/{evas}/confirm"));
    let body = json!({ "payment_reference": "=HYPERLINK(1)" });
    assert_eq!(Answer::of(request.json(&body)).await.status, 200);
    sale.steer("close").await;
    (sale, [("ana", ana), ("ben", ben), ("cem", cem), ("dia", dia), ("eva", eva)])
}

/// The CSV has a head, and in each cell what the line of JSON has.
fn same(rows: &[Vec<String>], lines: &[Value]) {
    assert_eq!(rows.len(), lines.len() + 1, "the CSV has a head and the same events");
    assert_eq!(
        rows[0].join(","),
        "at,event,ticket,number,hold,unit,order,payment_reference,actor,action,detail"
    );
    for (row, line) in rows[1..].iter().zip(lines) {
        for (name, cell) in rows[0].iter().zip(row) {
            let value = &line[name.as_str()];
            let value = match value.as_str() {
                Some(text) if name == "payment_reference" => format!("'{text}"),
                Some(text) => text.to_owned(),
                None if value.is_null() => String::new(),
                None => value.to_string(),
            };
            assert_eq!(*cell, value, "{name} of {line}");
        }
    }
}

#[tokio::test]
async fn an_export_has_everything_that_happened_once_and_in_order() {
    let shop = Shop::open().await;
    let (sale, names) = eventful(&shop).await;
    let (lines, rows) = events(&sale).await;
    let told: Vec<String> = lines
        .iter()
        .map(|line| match line["action"].as_str() {
            Some(action) => format!("{} {action}", line["actor"].as_str().unwrap()),
            None => {
                let who = names.iter().find(|(_, who)| line["ticket"] == who.ticket.as_str());
                format!("{} {}", who.unwrap().0, line["event"].as_str().unwrap())
            }
        })
        .collect();
    let expected = [
        "admin-key create",
        "admin-key seed",
        "admin-key open",
        "ana joined",
        "ana admitted",
        "ben joined",
        "cem joined",
        "dia joined",
        "eva joined",
        "ben left",
        "cem removed",
        "admin-key remove",
        "ana released",
        "dia admitted",
        "dia expired",
        "eva admitted",
        "eva confirmed",
        "admin-key close",
    ];
    let mut sorted = told.clone();
    // The removal and its audit row are of one transaction, whichever clock reading was first.
    let at = sorted.iter().position(|line| line == "admin-key remove").unwrap();
    if sorted[at + 1] == "cem removed" {
        sorted.swap(at, at + 1);
    }
    assert_eq!(sorted, expected);
    let times: Vec<_> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
    let parsed: Vec<jiff::Timestamp> = times.iter().map(|at| at.parse().unwrap()).collect();
    assert!(parsed.is_sorted(), "{times:?}");
    same(&rows, &lines);
    shop.ask("/sales/none/events.csv").await.is_problem(404, "not-found");
    shop.get(&format!("/api/v1/admin/sales/{}/events.jsonl", sale.id))
        .await
        .is_problem(401, "not-authenticated");
}

#[tokio::test]
async fn an_export_of_many_pages_has_each_event_once_also_of_one_moment() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    // 42,000 joins, in groups of 3,000 of one moment, so that a page ends within a group; half of them left
    // in the order of their numbers backwards.
    let write = format!(
        "INSERT INTO joins (sale_id, ticket, seq, state, joined_at, ended_at)
         SELECT '{}', gen_random_uuid(), n, CASE WHEN n % 2 = 0 THEN 'left' ELSE 'waiting' END,
                timestamptz '2026-01-01Z' + interval '1 second' * (n / 3000),
                CASE WHEN n % 2 = 0 THEN timestamptz '2026-01-02Z' - interval '1 millisecond' * n END
         FROM generate_series(1, 42000) n",
        sale.id
    );
    sqlx::query(AssertSqlSafe(write)).execute(&shop.place.sql().await).await.unwrap();
    let (lines, rows) = events(&sale).await;
    assert_eq!((lines.len(), rows.len()), (63_001, 63_002));
    let numbers = |event: &str| -> Vec<i64> {
        let those = lines.iter().filter(|line| line["event"] == event);
        those.map(|line| line["number"].as_i64().unwrap()).collect()
    };
    assert_eq!(numbers("joined"), (1..=42_000).collect::<Vec<_>>());
    assert_eq!(numbers("left"), (1..=21_000).rev().map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(lines.last().unwrap()["action"], "create");
}

/// The forecast counts on those who keep joining, as long as somebody does.
pub async fn nobody_joins_any_more(sale: &Sale<'_>) {
    eventually("nobody joins any more", async || sale.stats().await["joins_per_second"] == 0.0)
        .await;
}

#[tokio::test]
async fn a_plan_is_told_for_a_sale_and_for_one_that_is_not_made_yet() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "batch_size": 10, "admit_interval_ms": 1000 })).await;
    sale.seed(100).await;
    for _ in 0..20 {
        sale.join().await;
    }
    nobody_joins_any_more(&sale).await;
    let plan = async |query: &str| shop.ask(&sale.path(&format!("/plan{query}"))).await;
    let told = plan("").await.body;
    assert_eq!((&told["sold_out_in_seconds"], &told["measured_holds"]), (&Value::Null, &json!(0)));
    assert_eq!((&told["last_waits_seconds"], &told["left_over"]), (&json!(2), &json!(84)));
    let slow = plan("?batch_size=1&admit_interval_ms=10000&max_in_checkout=").await.body;
    let waits = slow["last_waits_seconds"].as_u64().unwrap();
    assert!((190..=201).contains(&waits), "{slow}");
    assert!(slow["text"][1].as_str().unwrap().contains("waits about 3 minutes"), "{slow}");
    plan("?batch_size=0&admit_interval_ms=x").await.names(&["admit_interval_ms", "batch_size"]);
    assert_eq!(shop.ask(&sale.path("")).await.body["batch_size"], 10, "nothing was changed");

    // Once checkouts were seen they count, and not what was assumed.
    let steps = [
        "INSERT INTO batches (sale_id, epoch, n) SELECT id, epoch, 0 FROM sales WHERE id = $1::uuid",
        "INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         SELECT gen_random_uuid(), s.id, n, gen_random_uuid(), 1000 + n, s.epoch, 0,
                now() - interval '1 hour', now() FROM sales s, generate_series(1, 40) n WHERE s.id = $1::uuid",
        "UPDATE holds SET state = 'released', ended_at = admitted_at + interval '30 seconds'
         WHERE sale_id = $1::uuid",
    ];
    for step in steps {
        sqlx::query(step).bind(&sale.id).execute(&shop.place.sql().await).await.unwrap();
    }
    let told = plan("").await.body;
    assert_eq!((&told["measured_holds"], &told["left_over"]), (&json!(40), &json!(100)), "{told}");

    let new = "/plan?units=100&expected_shoppers=5000&batch_size=100";
    let told = shop.ask(new).await.body;
    assert!(told["sold_out_in_seconds"].as_u64().unwrap() > 100, "{told}");
    assert_eq!((&told["last_waits_seconds"], &told["limit"]), (&Value::Null, &json!("stock")));
    shop.ask("/plan?units=many").await.names(&["units"]);
}

#[tokio::test]
async fn a_shopper_is_found_by_whatever_is_known_and_told_whole() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let bought = ana.confirm(&anas).await.body;
    let other = shop.open_sale(1, json!({})).await;
    let ben = other.join().await;
    let find = async |known: &str| -> Value {
        let found = shop.ask(&sale.path(&format!("/tickets?q={known}"))).await;
        assert_eq!(found.status, 200, "{}", found.text);
        found.body["tickets"].clone()
    };
    let number = bought["number"].to_string();
    for known in [&ana.ticket, &anas, bought["order"]["id"].as_str().unwrap(), &number, "card-1"] {
        assert_eq!(find(known).await, json!([ana.ticket]), "{known}");
    }
    for nobody in ["card-2", &ben.ticket, "", "99999999999999999999", "%00", "card"] {
        assert_eq!(find(nobody).await, json!([]), "{nobody}");
    }
    let story = shop.ask(&sale.path(&format!("/tickets/{}", ana.ticket))).await.body;
    assert_eq!((&story["fate"], &story["number"]), (&json!("admitted"), &bought["number"]));
    assert_eq!(story["hold"]["order"]["id"], bought["order"]["id"]);
    assert_eq!(
        (&story["shows"]["state"], &story["shows"]["ticket"]),
        (&json!("confirmed"), &json!(ana.ticket))
    );
    let elsewhere = format!("/sales/{}/tickets/{}", sale.id, ben.ticket);
    shop.ask(&elsewhere).await.is_problem(404, "not-found");
}
