//! Holds: buying and giving back, in every order, and by nobody else.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use crate::line::tickets::names;
use crate::support::{ADMIN_KEY, Answer, Shop, Shopper};

const HOLD: [&str; 11] = [
    "admitted_at",
    "ended_at",
    "expires_at",
    "id",
    "number",
    "order",
    "sale",
    "seconds_left",
    "state",
    "ticket",
    "unit",
];

pub fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    text.parse().unwrap()
}

async fn post(who: &Shopper, path: &str, body: &str) -> Answer {
    Answer::of(who.request(Method::POST, path).body(body.to_owned())).await
}

#[tokio::test]
async fn an_admitted_shopper_is_shown_the_hold_and_nobody_else_is() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 90 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let state = ana.becomes("admitted").await;
    let hold = &state["hold"];
    assert_eq!(names(hold), HOLD);
    assert_eq!(state["checkout_url"], format!("/s/{}/checkout", sale.slug));
    assert_eq!(state.get("pass"), Some(&Value::Null));
    assert_eq!((&hold["ticket"], &hold["sale"]), (&json!(ana.ticket), &json!(sale.id)));
    assert_eq!(
        (&hold["state"], &hold["unit"], &hold["order"]),
        (&json!("active"), &json!(1), &Value::Null)
    );
    let window = time(&hold["expires_at"]).duration_since(time(&hold["admitted_at"]));
    assert_eq!(window.as_secs(), 90);
    assert!((60..=90).contains(&hold["seconds_left"].as_i64().unwrap()));

    let path = format!("/api/v1/holds/{}", hold["id"].as_str().unwrap());
    for key in [ana.credential.as_str(), ADMIN_KEY] {
        let seen = Answer::of(shop.request(Method::GET, &path).bearer_auth(key)).await;
        assert_eq!((seen.status.as_u16(), names(&seen.body)), (200, HOLD.to_vec()));
        assert_eq!((&seen.body["id"], &seen.body["unit"]), (&hold["id"], &hold["unit"]));
    }
    for (method, verb) in
        [(Method::GET, ""), (Method::POST, "/confirm"), (Method::POST, "/release")]
    {
        let ask = async |path: &str, key: &str| {
            let request = shop.request(method.clone(), &format!("{path}{verb}"));
            Answer::of(request.bearer_auth(key)).await
        };
        let nobody = shop.request(method.clone(), &format!("{path}{verb}"));
        Answer::of(nobody).await.is_problem(401, "not-authenticated");
        ask(&path, "garbage").await.is_problem(401, "not-authenticated");
        ask(&path, &ben.credential).await.is_problem(404, "not-found");
        for unknown in ["0198c0de-0000-7000-8000-000000000000", "not-an-id", "%00"] {
            for key in [ana.credential.as_str(), ADMIN_KEY] {
                let path = format!("/api/v1/holds/{unknown}");
                ask(&path, key).await.is_problem(404, "not-found");
            }
        }
    }
    assert_eq!(ana.poll().await.body["state"], "admitted", "no stranger ended it");
}

#[tokio::test]
async fn a_confirm_answers_the_order_and_repeated_the_same_order() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let bought = ana.confirm(&hold).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    assert_eq!(names(&bought.body), HOLD);
    assert_eq!(
        (&bought.body["state"], &bought.body["seconds_left"]),
        (&json!("confirmed"), &json!(0))
    );
    let order = bought.body["order"].clone();
    let fields = ["confirmed_at", "hold", "id", "payment_reference", "sale", "unit"];
    assert_eq!(names(&order), fields);
    assert_eq!((&order["hold"], &order["sale"]), (&json!(hold), &json!(sale.id)));
    assert_eq!((&order["unit"], &order["payment_reference"]), (&json!(1), &json!("card-1")));
    assert_eq!(time(&bought.body["ended_at"]), time(&order["confirmed_at"]));

    let path = format!("/api/v1/holds/{hold}/confirm");
    for other in ["", "{}", r#"{"payment_reference": "another card"}"#] {
        let again = post(&ana, &path, other).await;
        assert_eq!((again.status.as_u16(), &again.body["order"]), (200, &order), "{other}");
    }
    assert_eq!(ana.becomes("confirmed").await["hold"]["order"], order);
    let seen = ana.request(Method::GET, &format!("/api/v1/holds/{hold}"));
    assert_eq!(Answer::of(seen).await.body["order"], order);
    assert_eq!(sale.stats().await["tokens"]["sold"], 1);
}

#[tokio::test]
async fn a_hold_ends_once_and_every_other_end_is_refused_with_the_one_it_had() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    assert_eq!(ana.confirm(&anas).await.status, 200);
    assert_eq!(ben.release(&bens).await.status, 200);
    shop.change(&sale, json!({ "checkout_window_seconds": 1 })).await;
    let late = sale.join().await;
    let lates = late.becomes("expired").await["hold"]["id"].as_str().unwrap().to_owned();

    for (who, hold, state) in
        [(&ana, &anas, "confirmed"), (&ben, &bens, "released"), (&late, &lates, "expired")]
    {
        for (verb, repeats) in [("confirm", "confirmed"), ("release", "released")] {
            let path = format!("/api/v1/holds/{hold}/{verb}");
            let first = post(who, &path, "").await;
            if state == repeats {
                assert_eq!((first.status.as_u16(), &first.body["state"]), (200, &json!(state)));
                let again = post(who, &path, "").await;
                assert_eq!(again.body, first.body, "a repeated {verb}");
            } else {
                first.is_problem(409, "hold-ended");
                assert_eq!(first.body["state"], state, "{verb}");
                let by_key = shop.request(Method::POST, &path).bearer_auth(ADMIN_KEY);
                Answer::of(by_key).await.is_problem(409, "hold-ended");
            }
        }
        assert_eq!(who.poll().await.body["state"], state);
    }
    sale.adds_up().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_confirm_is_said_and_buys_nothing() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let path = format!("/api/v1/holds/{hold}/confirm");
    let reference = |text: &str| json!({ "payment_reference": text }).to_string();
    for bad in [reference(&"x".repeat(201)), reference("a\u{0}b")] {
        post(&ana, &path, &bad).await.names(&["payment_reference"]);
    }
    for wrong in ["7", "true", "[]", "{}"] {
        let body = format!(r#"{{"payment_reference": {wrong}, "unit": 1}}"#);
        post(&ana, &path, &body).await.names(&["payment_reference", "unit"]);
    }
    post(&ana, &path, "[]").await.names(&["body"]);
    for unreadable in ["{", r#"{"payment_reference": "a"} x"#, "\"\u{1}\""] {
        post(&ana, &path, unreadable).await.is_problem(400, "bad-request");
    }
    post(&ana, &path, &reference(&"x".repeat(20_000))).await.is_problem(413, "body-too-large");
    let release = format!("/api/v1/holds/{hold}/release");
    post(&ana, &release, r#"{"why": "no"}"#).await.names(&["why"]);
    assert_eq!(ana.poll().await.body["state"], "admitted");

    let longest = "ü".repeat(200);
    let bought = post(&ana, &path, &reference(&longest)).await;
    assert_eq!(bought.body["order"]["payment_reference"], longest, "{}", bought.text);
}

#[tokio::test]
async fn a_reference_is_optional_and_null_is_none() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(3, json!({})).await;
    for body in ["", "{}", r#"{"payment_reference": null}"#] {
        let ana = sale.join().await;
        let path = format!("/api/v1/holds/{}/confirm", ana.hold().await);
        let bought = post(&ana, &path, body).await;
        assert_eq!(bought.status, 200, "{}", bought.text);
        assert_eq!(bought.body["order"].get("payment_reference"), Some(&Value::Null));
    }
}

#[tokio::test]
async fn where_the_shop_checks_out_only_its_key_confirms_and_the_shopper_may_give_back() {
    let shop = Shop::open().await;
    let there = "https://shop.example/buy?a=1";
    let sale = shop.open_sale(2, json!({ "checkout": "shop", "checkout_url": there })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    assert_eq!(ana.poll().await.body["checkout_url"], format!("{there}&hold={anas}"));
    ana.confirm(&anas).await.is_problem(403, "forbidden");
    let confirm = |key: &str| {
        shop.request(Method::POST, &format!("/api/v1/holds/{anas}/confirm")).bearer_auth(key)
    };
    Answer::of(confirm("not the operator's key")).await.is_problem(401, "not-authenticated");
    assert_eq!(ana.poll().await.body["state"], "admitted");
    let bought = Answer::of(confirm(ADMIN_KEY).json(&json!({ "payment_reference": "p-7" }))).await;
    assert_eq!(bought.body["order"]["payment_reference"], "p-7", "{}", bought.text);
    ana.becomes("confirmed").await;
    assert_eq!(ben.release(&bens).await.status, 200);
    assert_eq!(ben.becomes("released").await["rejoin"], true);
}

#[tokio::test]
async fn the_last_purchase_is_answered_when_the_sale_is_sold_out() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    assert_eq!(ana.confirm(&hold).await.status, 200);
    sale.try_join().await.is_problem(409, "sold-out");
    assert_eq!(sale.facts().await["status"], "sold_out");
    let pause = shop.tell(&sale.path("/pause"), json!({})).await;
    pause.is_problem(409, "not-open");
}

#[tokio::test]
async fn another_gateway_knows_a_sale_that_was_just_made_sold_out_or_closed() {
    let shop = Shop::open().await;
    let other = Shop::at(shop.place.clone(), false).await;
    for _ in 0..5 {
        let sale = shop.open_sale(1, json!({})).await;
        let path = format!("/api/v1/sales/{}/tickets", sale.id);
        let join = async || Answer::of(other.request(Method::POST, &path)).await;
        let joined = join().await;
        assert_eq!(joined.status, 201, "{}", joined.text);
        let ana = Shopper::new(&shop, &joined.body);
        let hold = ana.hold().await;
        assert_eq!(ana.release(&hold).await.status, 200);
        let again = other.request(Method::POST, &path).bearer_auth(&ana.credential);
        let again = Answer::of(again).await;
        assert_eq!(again.status, 201, "whose hold has ended has no live ticket: {}", again.text);
        assert_ne!(again.body["ticket"], ana.ticket.as_str());
        sale.steer("close").await;
        join().await.is_problem(409, "sale-closed");
    }
}
