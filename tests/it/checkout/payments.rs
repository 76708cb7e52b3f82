//! Money that fits no order: every payment reference is kept, said and listed until a person has dealt with it.

use std::borrow::Cow;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::staff::{key_of, post};
use crate::support::{ADMIN_KEY, Answer, Sale, Shop, Shopper, eventually};

const HOLDS: usize = 64;

/// A confirm by the shop's key.
async fn pay(shop: &Shop, hold: &str, reference: Option<&str>) -> Answer {
    let request = shop.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
    Answer::of(request.bearer_auth(ADMIN_KEY).json(&json!({ "payment_reference": reference })))
        .await
}

/// The same by the shopper.
async fn pay_by(who: &Shopper, hold: &str, reference: &str) -> Answer {
    let request = who.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
    Answer::of(request.json(&json!({ "payment_reference": reference }))).await
}

/// The check `payments` of a sale's reconciliation.
async fn check(sale: &Sale<'_>) -> Value {
    let said = sale.shop.ask(&sale.path("/reconciliation")).await;
    assert_eq!(said.status, 200, "{}", said.text);
    let checks = said.body["checks"].as_array().unwrap();
    let payments = checks.iter().find(|check| check["name"] == "payments").unwrap().clone();
    assert_eq!(payments["ok"], payments["actual"] == 0, "{payments}");
    assert_eq!(said.body["consistent"], true, "the stores agree: {}", said.text);
    payments
}

/// The kept references of a sale, newest first.
async fn kept(sale: &Sale<'_>, which: &str) -> Vec<Value> {
    let listed = sale.shop.ask(&sale.path(&format!("/payments{which}"))).await;
    assert_eq!(listed.status, 200, "{}", listed.text);
    listed.body["items"].as_array().unwrap().clone()
}

async fn resolve(sale: &Sale<'_>, payment: &Value, body: Value) -> Answer {
    let id = payment["id"].as_str().unwrap();
    sale.shop.tell(&sale.path(&format!("/payments/{id}/resolve")), body).await
}

#[tokio::test]
async fn a_second_reference_is_kept_said_and_listed_until_a_person_has_dealt_with_it() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let hold = sale.join().await.hold().await;
    let first = pay(&shop, &hold, Some("pi_first")).await;
    assert_eq!((first.status.as_u16(), &first.body["duplicate_payment"]), (200, &Value::Null));
    assert_eq!(check(&sale).await["actual"], 0);
    for _ in 0..2 {
        let second = pay(&shop, &hold, Some("pi_second")).await;
        assert_eq!((second.status.as_u16(), &second.body["order"]), (200, &first.body["order"]));
        assert_eq!(second.body["duplicate_payment"], true, "{}", second.text);
    }
    // The order's own reference, or none, is no news.
    for reference in [Some("pi_first"), None] {
        assert_eq!(pay(&shop, &hold, reference).await.body, first.body);
    }
    let payments = check(&sale).await;
    assert_eq!(payments["actual"], 1, "{payments}");
    let entry = &payments["references"][0];
    for (field, value) in [
        ("reference", json!("pi_second")),
        ("order_reference", json!("pi_first")),
        ("order", first.body["order"]["id"].clone()),
        ("hold", json!(hold)),
        ("kind", json!("duplicate")),
        ("source", json!("shop")),
        ("seen_by", json!("admin-key")),
        ("resolved_at", Value::Null),
    ] {
        assert_eq!(entry[field], value, "{field}: {entry}");
    }
    assert_eq!(kept(&sale, "?open=true").await, std::slice::from_ref(entry));

    for (bad, field) in [
        (json!({}), "note"),
        (json!({ "note": "  " }), "note"),
        (json!({ "note": "x".repeat(501) }), "note"),
        (json!({ "note": "a\u{0}" }), "note"),
        (json!({ "note": "refunded", "why": 1 }), "why"),
    ] {
        resolve(&sale, entry, bad).await.names(&[field]);
    }
    assert_eq!(check(&sale).await["actual"], 1);
    let done = resolve(&sale, entry, json!({ "note": "refunded" })).await;
    assert_eq!((done.status.as_u16(), &done.body["note"]), (200, &json!("refunded")));
    assert_eq!(done.body["resolved_by"], "admin-key");
    let again = resolve(&sale, entry, json!({ "note": "again" })).await;
    assert_eq!(again.body, done.body, "the first note stays");
    assert_eq!(check(&sale).await["actual"], 0);
    assert_eq!(kept(&sale, "?open=true").await, Vec::<Value>::new());
    assert_eq!(kept(&sale, "").await, [done.body]);
    let audit = shop.ask(&sale.path("/audit")).await.body["items"].clone();
    let told: Vec<_> = audit.as_array().unwrap().iter().collect();
    let told: Vec<_> = told.iter().filter(|item| item["action"] == "resolve-payment").collect();
    assert_eq!(told.len(), 1, "{audit}");
    assert_eq!(told[0]["detail"]["note"], "refunded");
    // Once more after that: it was dealt with.
    assert_eq!(pay(&shop, &hold, Some("pi_second")).await.body["duplicate_payment"], true);
    assert_eq!(check(&sale).await["actual"], 0);
}

#[tokio::test]
async fn a_reference_of_another_order_is_said_and_listed_in_one_sale_across_sales_and_gateways() {
    let shop = Shop::open().await;
    let other = Shop::at(shop.place.clone(), false).await;
    let sale = shop.open_sale(3, json!({ "checkout": "shop" })).await;
    let elsewhere = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let order = |answer: &Answer| answer.body["order"]["id"].clone();
    let (one, two, three) = (
        sale.join().await.hold().await,
        sale.join().await.hold().await,
        sale.join().await.hold().await,
    );
    let first = pay(&shop, &one, Some("pi_1")).await;
    assert_eq!(first.body["reference_used_before"], Value::Null);
    let second = pay(&other, &two, Some("pi_1")).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(second.body["reference_used_before"], json!([order(&first)]));
    assert_eq!(second.body["duplicate_payment"], Value::Null);
    let far = pay(&shop, &elsewhere.join().await.hold().await, Some("pi_1")).await;
    assert_eq!(far.body["reference_used_before"], json!([order(&first), order(&second)]));
    // Repeated, each says what it said, the first one included.
    assert_eq!(pay(&other, &one, Some("pi_1")).await.body, first.body);
    assert_eq!(pay(&shop, &two, Some("pi_1")).await.body, second.body);

    // A second payment of one order, used for another one; and one that is both.
    assert_eq!(pay(&shop, &one, Some("pi_2")).await.body["duplicate_payment"], true);
    let third = pay(&shop, &three, Some("pi_2")).await;
    assert_eq!(third.body["reference_used_before"], json!([order(&first)]));
    let both = pay(&shop, &three, Some("pi_1")).await;
    assert_eq!(both.body["duplicate_payment"], true);
    let all = json!([order(&first), order(&second), order(&far)]);
    assert_eq!(both.body["reference_used_before"], all);

    let kinds: Vec<_> =
        kept(&sale, "").await.iter().rev().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["reused", "duplicate", "reused", "duplicate"]);
    assert_eq!(check(&sale).await["actual"], 4);
    let far = check(&elsewhere).await;
    assert_eq!((&far["actual"], &far["references"][0]["kind"]), (&json!(1), &json!("reused")));
    // One sale's entry is not another's to resolve.
    let wrong = resolve(&sale, &far["references"][0], json!({ "note": "no" })).await;
    wrong.is_problem(404, "not-found");
    for nonsense in ["0", "-1", "x", "99999999999999999999"] {
        let path = sale.path(&format!("/payments/{nonsense}/resolve"));
        shop.tell(&path, json!({ "note": "no" })).await.is_problem(404, "not-found");
    }
    shop.ask(&sale.path("/payments?open=maybe")).await.names(&["open"]);
}

#[tokio::test]
async fn a_reference_for_a_hold_that_has_ended_is_kept_and_the_refusal_says_so() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "checkout": "shop" })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    assert_eq!(ana.release(&anas).await.status, 200);
    let bare = pay(&shop, &anas, None).await;
    bare.is_problem(409, "hold-ended");
    assert_eq!(bare.body["reference_kept"], Value::Null);
    for _ in 0..2 {
        let late = pay(&shop, &anas, Some("pi_late")).await;
        late.is_problem(409, "hold-ended");
        assert_eq!(
            (&late.body["state"], &late.body["reference_kept"]),
            (&json!("released"), &json!(true))
        );
    }
    let payments = check(&sale).await;
    assert_eq!(payments["actual"], 1, "{payments}");
    let entry = &payments["references"][0];
    assert_eq!((&entry["kind"], &entry["order"]), (&json!("ended"), &Value::Null));
    assert_eq!(entry["hold"], anas.as_str());
    // Found by what the shop knows, and told whole.
    let found = shop.ask(&sale.path("/tickets?q=pi_late")).await.body;
    assert_eq!(found["tickets"], json!([ana.ticket]));
    let story = shop.ask(&sale.path(&format!("/tickets/{}", ana.ticket))).await.body;
    assert_eq!(story["payments"][0]["reference"], "pi_late");
    // The same money for the next hold is no order's yet.
    let bens = sale.join().await.hold().await;
    let bought = pay(&shop, &bens, Some("pi_late")).await;
    assert_eq!(
        (bought.status.as_u16(), &bought.body["reference_used_before"]),
        (200, &Value::Null)
    );
    assert_eq!(check(&sale).await["actual"], 1, "a person decides");

    let export = shop.ask(&sale.path("/events.jsonl")).await.text;
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told: Vec<_> = lines.filter(|line| line["event"] == "payment").collect();
    assert_eq!(told.len(), 1, "{export}");
    assert_eq!(
        (&told[0]["payment_reference"], &told[0]["action"]),
        (&json!("pi_late"), &json!("ended"))
    );
    assert_eq!(told[0]["hold"], anas.as_str());
    let csv = shop.ask(&sale.path("/events.csv")).await.text;
    assert_eq!(csv.lines().filter(|line| line.contains(",payment,")).count(), 1, "{csv}");
}

#[tokio::test]
async fn an_order_without_a_reference_takes_its_first_one_later() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "checkout": "shop" })).await;
    let (one, two) = (sale.join().await.hold().await, sale.join().await.hold().await);
    let bought = pay(&shop, &one, None).await;
    let added = pay(&shop, &one, Some("pi_added")).await;
    assert_eq!(added.body, bought.body, "it is the order's first payment");
    assert_eq!(check(&sale).await["actual"], 0);
    assert_eq!(kept(&sale, "").await[0]["kind"], "added");
    assert_eq!(pay(&shop, &one, Some("pi_more")).await.body["duplicate_payment"], true);
    assert_eq!(check(&sale).await["actual"], 1);
    let again = pay(&shop, &two, Some("pi_added")).await;
    assert_eq!(again.body["reference_used_before"], json!([bought.body["order"]["id"]]));
    assert_eq!(check(&sale).await["actual"], 2);
}

#[tokio::test]
async fn what_a_shopper_types_is_kept_within_bounds_and_raises_no_alarm() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    let first = pay_by(&ana, &anas, "card").await;
    let second = pay_by(&ben, &bens, "card").await;
    assert_eq!(second.body["reference_used_before"], Value::Null, "not for a stranger to know");
    for n in 0..5 {
        let typed = pay_by(&ana, &anas, &format!("typed {n}")).await;
        assert_eq!((typed.status.as_u16(), &typed.body["order"]), (200, &first.body["order"]));
        assert_eq!(typed.body["duplicate_payment"], true);
    }
    pay_by(&ana, &anas, "typed 5").await.names(&["payment_reference"]);
    assert_eq!(pay_by(&ana, &anas, "typed 4").await.status, 200, "that one is kept");
    let payments = check(&sale).await;
    assert_eq!(payments["actual"], 0, "{payments}");
    assert_eq!(payments["references"].as_array().unwrap().len(), 5, "and listed");
    assert_eq!(payments["references"][0]["source"], "shopper");
    // The shop's own counts, and comes first.
    let paid = pay(&shop, &anas, Some("pi_real")).await;
    assert_eq!((paid.status.as_u16(), &paid.body["duplicate_payment"]), (200, &json!(true)));
    let payments = check(&sale).await;
    assert_eq!(
        (&payments["actual"], &payments["references"][0]["source"]),
        (&json!(1), &json!("shop"))
    );
    for n in 1..100 {
        assert_eq!(pay(&shop, &anas, Some(&format!("pi_{n}"))).await.status, 200);
    }
    pay(&shop, &anas, Some("pi_100")).await.names(&["payment_reference"]);
    assert_eq!(check(&sale).await["actual"], 100);
}

#[tokio::test]
async fn an_answer_about_money_is_the_answer_under_its_key() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "checkout": "shop" })).await;
    let (one, two) = (sale.join().await.hold().await, sale.join().await.hold().await);
    let send = async |hold: &str, key: &str, reference: &str| {
        let request = shop.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
        let request = request.bearer_auth(ADMIN_KEY).header("idempotency-key", key);
        Answer::of(request.json(&json!({ "payment_reference": reference }))).await
    };
    let first = send(&one, "a", "pi_1").await;
    let double = send(&one, "b", "pi_2").await;
    assert_eq!(double.body["duplicate_payment"], true);
    let reused = send(&two, "c", "pi_1").await;
    assert_eq!(reused.body["reference_used_before"][0], first.body["order"]["id"]);
    for (hold, key, reference, said) in
        [(&one, "a", "pi_1", &first), (&one, "b", "pi_2", &double), (&two, "c", "pi_1", &reused)]
    {
        let again = send(hold, key, reference).await;
        assert_eq!((again.status, &again.text), (said.status, &said.text));
    }
    let entry = kept(&sale, "").await.remove(0);
    let path = sale.path(&format!("/payments/{}/resolve", entry["id"].as_str().unwrap()));
    let close = async |note: &str| {
        let request = shop.operator(Method::POST, &path).header("idempotency-key", "k");
        Answer::of(request.json(&json!({ "note": note }))).await
    };
    let done = close("refunded").await;
    assert_eq!(close("refunded").await.text, done.text);
    close("another").await.is_problem(422, "idempotency-key-reused");
}

/// Sends everything while nobody can write an order, so that it waits in groups; then lets go.
async fn at_once(shops: [&Shop; 2], calls: &[(String, String)]) -> Vec<Answer> {
    let sql = shops[0].place.sql().await;
    let mut held = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders IN SHARE MODE").execute(&mut *held).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let calls = calls.iter().enumerate();
    let sent = calls.map(|(n, (hold, reference))| pay(shops[n % 2], hold, Some(reference)));
    let (answers, ()) = tokio::join!(join_all(sent), async {
        eventually("somebody waits", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&sql).await.unwrap() > 0
        })
        .await;
        held.rollback().await.unwrap();
    });
    answers
}

async fn holds(sale: &Sale<'_>) -> Vec<String> {
    let shoppers = join_all((0..HOLDS).map(|_| sale.join())).await;
    join_all(shoppers.iter().map(|shopper| shopper.hold())).await
}

#[tokio::test]
async fn of_many_orders_at_once_with_one_reference_each_but_the_first_is_listed() {
    let shop = Shop::open().await;
    let other = Shop::at(shop.place.clone(), false).await;
    let sale = shop.open_sale(HOLDS as u32, json!({ "checkout": "shop" })).await;
    let holds = holds(&sale).await;
    // Each reference is on sixteen orders, over both gateways and within each group.
    let calls: Vec<_> = holds
        .iter()
        .enumerate()
        .map(|(n, hold)| (hold.clone(), format!("pi_{}", n / 16)))
        .collect();
    let answers = at_once([&shop, &other], &calls).await;
    for answer in &answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    for group in answers.chunks(16) {
        let mut order: Vec<_> = group.iter().collect();
        order.sort_by_key(|answer| {
            answer.body["reference_used_before"].as_array().map_or(0, Vec::len)
        });
        let mut before: Vec<String> = Vec::new();
        for answer in order {
            let said = answer.body["reference_used_before"].as_array().cloned().unwrap_or_default();
            let mut said: Vec<String> =
                said.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
            said.sort();
            before.sort();
            assert_eq!(said, before, "each sees all that came before it");
            before.push(answer.body["order"]["id"].as_str().unwrap().to_owned());
        }
    }
    let payments = check(&sale).await;
    assert_eq!(payments["actual"], 60);
    assert_eq!(payments["references"].as_array().unwrap().len(), 60);

    // The second payments of all at once: each is kept.
    let calls: Vec<_> = holds.iter().map(|hold| (hold.clone(), format!("again-{hold}"))).collect();
    let again = join_all(
        calls
            .iter()
            .enumerate()
            .map(|(n, (hold, reference))| pay([&shop, &other][n % 2], hold, Some(reference))),
    )
    .await;
    for (first, again) in answers.iter().zip(&again) {
        assert_eq!((again.status.as_u16(), &again.body["order"]), (200, &first.body["order"]));
        assert_eq!(again.body["duplicate_payment"], true, "{}", again.text);
    }
    let payments = check(&sale).await;
    assert_eq!(payments["actual"], 124);
    assert_eq!(payments["references"].as_array().unwrap().len(), 100, "the list has them all");
    assert_eq!(kept(&sale, "?limit=1000").await.len(), 124);
}

#[tokio::test]
async fn a_confirm_whose_transaction_is_lost_keeps_no_reference() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let hold = sale.join().await.hold().await;
    pay(&shop, &hold, Some("pi_first")).await;
    let sql = shop.place.sql().await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                  $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
                  CREATE TRIGGER refuse AFTER INSERT ON payment_references
                      FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(&sql).await.unwrap();
    // What is not kept is not said to be.
    pay(&shop, &hold, Some("pi_second")).await.is_problem(503, "unknown-outcome");
    sqlx::raw_sql("DROP TRIGGER refuse ON payment_references").execute(&sql).await.unwrap();
    assert_eq!(pay(&shop, &hold, Some("pi_second")).await.body["duplicate_payment"], true);
    assert_eq!(check(&sale).await["actual"], 1);
}

#[tokio::test]
async fn a_search_by_reference_reads_no_other_orders() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let ana = sale.join().await;
    pay(&shop, &ana.hold().await, Some("pi_wanted")).await;
    let sql = shop.place.sql().await;
    let many = "INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
        SELECT id, gen_random_uuid(), 1000000 + i, 'admitted', now() FROM sales, generate_series(1, 20000) i;
        UPDATE sales SET stock = 30000;
        INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
        SELECT gen_random_uuid(), j.sale_id, j.seq - 999990, j.ticket, j.seq, b.epoch, b.n, now(),
               now() + interval '1 day'
        FROM joins j, (SELECT epoch, n FROM batches LIMIT 1) b WHERE j.seq > 1000000;
        WITH flipped AS (UPDATE holds SET state = 'confirmed', ended_at = now() WHERE seq > 1000000 RETURNING *)
        INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
        SELECT id, gen_random_uuid(), sale_id, unit_no, ticket, 'p-' || unit_no, ended_at FROM flipped;
        ANALYZE";
    sqlx::raw_sql(many).execute(&sql).await.unwrap();
    let read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'orders'";
    let used = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'orders_reference'";
    let count =
        async |of: &'static str| sqlx::query_scalar::<_, i64>(of).fetch_one(&sql).await.unwrap();
    let (before, scans) = (count(read).await, count(used).await);
    for _ in 0..20 {
        let found = shop.ask(&sale.path("/tickets?q=pi_wanted")).await.body;
        assert_eq!(found["tickets"], json!([ana.ticket]));
    }
    eventually("the searches are counted", async || count(used).await >= scans + 20).await;
    assert!(count(read).await - before < 20_000, "no search reads all orders");
}

#[tokio::test]
async fn a_database_of_an_older_version_keeps_its_reused_references() {
    let place = crate::support::Place::fresh().await;
    let sql = place.sql().await;
    sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&sql).await.unwrap();
    let mut old = sqlx::migrate!();
    let before: Vec<_> = old.iter().filter(|one| one.version < 22).cloned().collect();
    old.migrations = Cow::Owned(before);
    old.run(&sql).await.unwrap();
    let history = "
        INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                           checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting)
        SELECT gen_random_uuid(), 'sale-' || how, 'A sale', 'open', 9, 1, 100, 1000, 600, 5, how, false, 1000
        FROM UNNEST(ARRAY['shop', 'builtin']) how;
        INSERT INTO batches (sale_id, epoch, n) SELECT id, 1, 1 FROM sales;
        INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
        SELECT gen_random_uuid(), id, i, gen_random_uuid(), i, 1, 1, now(), now() + interval '1 day'
        FROM sales, generate_series(1, 4) i;
        WITH flipped AS (UPDATE holds SET state = 'confirmed', ended_at = now() RETURNING *)
        INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
        SELECT id, gen_random_uuid(), sale_id, unit_no, ticket,
               CASE unit_no WHEN 1 THEN 'one' WHEN 4 THEN NULL ELSE 'two' END,
               ended_at + unit_no * interval '1 second' FROM flipped";
    sqlx::raw_sql(history).execute(&sql).await.unwrap();
    ropeline::ledger::Ledger::new(&place.database_url).unwrap().migrate().await.unwrap();
    let rows: Vec<(String, String, i32, i32)> = sqlx::query_as(
        "SELECT s.slug, p.reference, h.unit_no, e.unit_no FROM payment_references p
         JOIN holds h ON h.id = p.hold_id JOIN sales s ON s.id = p.sale_id
         JOIN orders e ON e.id = p.used_before[1]",
    )
    .fetch_all(&sql)
    .await
    .unwrap();
    // What shoppers typed in the other sale is no payment.
    assert_eq!(rows, [("sale-shop".to_owned(), "two".to_owned(), 3, 2)]);
}

#[tokio::test]
async fn the_console_shows_what_needs_a_person_and_each_key_is_named() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let hold = sale.join().await.hold().await;
    let key = key_of(&shop.make_key("till 3", "checkout").await);
    for reference in ["pi_1", "<b>pi_2</b>"] {
        let path = format!("/api/v1/holds/{hold}/confirm");
        let request = shop.by_key(&key, Method::POST, &path);
        let body = json!({ "payment_reference": reference });
        assert_eq!(Answer::of(request.json(&body)).await.status, 200);
    }
    let entry = kept(&sale, "").await.remove(0);
    assert_eq!(entry["seen_by"], "till 3");
    shop.add_operator("olga", "operator").await;
    shop.add_operator("vera", "viewer").await;
    let (olga, vera) = (shop.log_in("olga").await, shop.log_in("vera").await);
    let page = format!("/admin/sales/{}", sale.slug);
    let path = format!("{page}/payments/{}/resolve", entry["id"].as_str().unwrap());
    for (cookie, has_button) in [(&olga, true), (&vera, false)] {
        let shown = shop.page(cookie, &page).await.text;
        assert!(shown.contains("Payments that need a person"), "{shown}");
        assert!(shown.contains("&#60;b&#62;pi_2") && !shown.contains("<b>pi_2"), "{shown}");
        assert_eq!(shown.contains("Mark as dealt with"), has_button);
    }
    assert_eq!(post(&shop, &path, &vera, &[("note", "refunded")]).await.status, 403);
    let bare = post(&shop, &path, &olga, &[("note", " ")]).await;
    assert_eq!(bare.status, 422, "{}", bare.text);
    assert!(bare.text.contains("Must say what was done"), "{}", bare.text);
    assert_eq!(check(&sale).await["actual"], 1);
    let done = post(&shop, &path, &olga, &[("note", "refunded")]).await;
    assert_eq!(done.header("location"), format!("{page}?done=resolve-payment"), "{}", done.text);
    let shown = shop.page(&olga, done.header("location")).await.text;
    assert!(shown.contains("The payment is marked as dealt with."), "{shown}");
    assert!(!shown.contains("Payments that need a person"), "{shown}");
    assert_eq!(kept(&sale, "").await[0]["resolved_by"], "olga");
    assert_eq!(
        post(&shop, &format!("{page}/payments/x/resolve"), &olga, &[("note", "a")]).await.status,
        404
    );
}
