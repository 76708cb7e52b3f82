//! The operator's calls: who may call, seeding and steering a sale, and speaking to those in line.

use reqwest::Method;
use serde_json::{Value, json};

use crate::line::tickets::names;
use crate::support::{ADMIN_KEY, Answer, FROM, Sale, Shop, elsewhere, eventually};

/// Every call about one sale, with a body that is good.
fn calls() -> Vec<(Method, &'static str, Value)> {
    let get = |path| (Method::GET, path, Value::Null);
    let post = |path| (Method::POST, path, json!({}));
    vec![
        get(""),
        get("/stats"),
        get("/holds"),
        get("/orders"),
        get("/audit"),
        get("/orders.csv"),
        get("/reconciliation"),
        post("/open"),
        post("/pause"),
        post("/resume"),
        post("/close"),
        (Method::PATCH, "", json!({ "name": "Other" })),
        (Method::POST, "/tokens", json!({ "count": 1 })),
        (Method::POST, "/notices", json!({ "text": "Hello" })),
        (Method::DELETE, "/tickets/0198c0de-0000-7000-8000-000000000000", Value::Null),
    ]
}

fn ask(shop: &Shop, method: &Method, path: &str, body: &Value) -> reqwest::RequestBuilder {
    let request = shop.request(method.clone(), &format!("/api/v1/admin{path}"));
    if body.is_null() { request } else { request.json(body) }
}

#[tokio::test]
async fn an_operators_calls_need_an_operators_key() {
    let shop = Shop::behind_a_proxy().await;
    let sale = shop.sale(json!({})).await;
    let ana = sale.join().await;
    let mut every: Vec<_> =
        calls().into_iter().map(|(m, path, body)| (m, sale.path(path), body)).collect();
    every.push((Method::GET, "/sales".into(), Value::Null));
    every.push((Method::POST, "/sales".into(), json!({ "slug": "mine", "name": "Mine" })));
    for (method, path, body) in &every {
        let call = || ask(&shop, method, path, body).header(FROM, elsewhere());
        let keys = ["", "nonsense", &ADMIN_KEY[1..], &ana.credential];
        let cookie = format!("ropeline-ticket-{}={}", sale.id, ana.credential);
        let mut refused =
            vec![Answer::of(call()).await, Answer::of(call().header("cookie", cookie)).await];
        for key in keys {
            refused.push(Answer::of(call().bearer_auth(key)).await);
        }
        refused.push(Answer::of(call().basic_auth("operator", Some(ADMIN_KEY))).await);
        for refused in refused {
            refused.is_problem(401, "not-authenticated");
        }
    }
    let unchanged = shop.ask(&sale.path("")).await.body;
    assert_eq!((&unchanged["status"], &unchanged["seeded"]), (&json!("scheduled"), &json!(0)));
    assert_eq!(unchanged["name"], "A sale");
    assert_eq!(shop.ask("/sales").await.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_call_about_a_sale_that_is_not_there_is_404() {
    let shop = Shop::open().await;
    for unknown in ["no-such-sale", "0198c0de-0000-7000-8000-000000000000", "a%00b"] {
        for (method, path, body) in calls() {
            let call = ask(&shop, &method, &format!("/sales/{unknown}{path}"), &body);
            Answer::of(call.bearer_auth(ADMIN_KEY)).await.is_problem(404, "not-found");
        }
    }
    let sale = shop.sale(json!({})).await;
    for stranger in ["0198c0de-0000-7000-8000-000000000000", "not-an-id"] {
        let call = shop.operator(Method::DELETE, &sale.path(&format!("/tickets/{stranger}")));
        Answer::of(call).await.is_problem(404, "not-found");
    }
    for nowhere in ["/api/v1/nothing", "/api/v1/admin/nothing", "/nothing"] {
        shop.get(nowhere).await.is_problem(404, "not-found");
    }
    let wrong = shop.request(Method::PUT, &format!("/api/v1/sales/{}", sale.id));
    Answer::of(wrong).await.is_problem(405, "method-not-allowed");
}

/// The audit's actions, oldest first.
async fn actions(sale: &Sale<'_>) -> Vec<String> {
    let audit = sale.shop.ask(&sale.path("/audit")).await.body;
    let items = audit["items"].as_array().unwrap();
    items.iter().rev().map(|item| item["action"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn each_step_of_a_sales_life_is_safe_to_repeat_and_none_is_taken_out_of_order() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "starts_at": "2099-01-01T12:00:00Z" })).await;
    let tell = async |action: &str| shop.tell(&sale.path(&format!("/{action}")), json!({})).await;
    for early in ["pause", "resume"] {
        tell(early).await.is_problem(409, "not-open");
    }
    let life = [
        ("open", "open"),
        ("resume", "open"),
        ("pause", "paused"),
        ("resume", "open"),
        ("pause", "paused"),
        ("open", "open"),
        ("close", "closed"),
    ];
    for (action, status) in life {
        for _ in 0..2 {
            let told = tell(action).await;
            assert_eq!(
                (told.status.as_u16(), &told.body["status"]),
                (200, &json!(status)),
                "{action}"
            );
            assert_eq!(names(&told.body), names(&shop.ask(&sale.path("")).await.body));
            assert_eq!(sale.facts().await["status"], status);
        }
    }
    tell("open").await.is_problem(409, "sale-closed");
    for late in ["pause", "resume"] {
        tell(late).await.is_problem(409, "not-open");
    }
    shop.tell(&sale.path("/tokens"), json!({ "count": 1 })).await.is_problem(409, "sale-closed");
    // A step that changed nothing is no news.
    let news = ["create", "open", "pause", "resume", "pause", "open", "close"];
    assert_eq!(actions(&sale).await, news);
}

#[tokio::test]
async fn seeding_adds_up_and_says_how_many_there_are() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    assert_eq!(sale.seed(3).await.body, json!({ "seeded": 3 }));
    sale.steer("open").await;
    assert_eq!(sale.seed(4).await.body, json!({ "seeded": 7 }));
    let seed = async |body: Value| shop.tell(&sale.path("/tokens"), body).await;
    for bad in [json!(0), json!(-1), json!(10_000_001), json!("3"), json!(1.5), json!(null)] {
        seed(json!({ "count": bad })).await.names(&["count"]);
    }
    seed(json!({})).await.names(&["count"]);
    seed(json!({ "count": 1, "unit": 9 })).await.names(&["unit"]);
    seed(json!({ "count": 10_000_000 })).await.names(&["count"]);
    assert_eq!(sale.stats().await["tokens"]["seeded"], 7);
    sale.adds_up().await;
}

#[tokio::test]
async fn a_notice_is_text_or_nothing() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let tell = async |body: Value| shop.tell(&sale.path("/notices"), body).await;
    tell(json!({})).await.names(&["text"]);
    for bad in [json!(""), json!("  "), json!("x".repeat(501)), json!(7), json!("a\u{0}b")] {
        tell(json!({ "text": bad })).await.names(&["text"]);
    }
    tell(json!({ "text": "a", "colour": "red" })).await.names(&["colour"]);
    let longest = "ü".repeat(500);
    assert_eq!(tell(json!({ "text": longest })).await.body["notice"], longest);
    assert_eq!(tell(json!({ "text": null })).await.body["notice"], Value::Null);
}

#[tokio::test]
async fn a_removed_shopper_is_out_and_those_behind_move_up() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let remove = async |ticket: &str| {
        let call = shop.operator(Method::DELETE, &sale.path(&format!("/tickets/{ticket}")));
        Answer::of(call).await
    };
    for _ in 0..2 {
        let removed = remove(&ana.ticket).await;
        assert_eq!((removed.status.as_u16(), removed.text.as_str()), (204, ""));
    }
    ana.becomes("removed").await;
    eventually("ben is first", async || ben.poll().await.body["position"] == 1).await;
    let stats = sale.stats().await;
    assert_eq!((&stats["left"], &stats["waiting"]), (&json!(1), &json!(1)));
    assert_eq!(actions(&sale).await.iter().filter(|action| *action == "remove").count(), 1);
    let other = shop.sale(json!({})).await;
    let elsewhere = shop.operator(Method::DELETE, &other.path(&format!("/tickets/{}", ben.ticket)));
    Answer::of(elsewhere).await.is_problem(404, "not-found");
    sale.seed(1).await;
    ben.hold().await;
    remove(&ben.ticket).await.is_problem(409, "already-admitted");
    assert_eq!(ben.poll().await.body["state"], "admitted");
    sale.adds_up().await;
}

#[tokio::test]
async fn a_console_session_is_an_operator_on_our_own_pages_alone() {
    let shop = Shop::open().await;
    let log_in = async |key: &str, origin: &str| {
        let form = shop.request(Method::POST, "/admin/login").header("origin", origin);
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        Answer::of(form.body(format!("api_key={}", key.replace(' ', "+")))).await
    };
    let wrong = log_in("not the key", &shop.base).await;
    assert_eq!(wrong.status, 403);
    let set = wrong.header("set-cookie");
    assert!(!set.contains("ropeline-console"), "no session: {set}");
    let foreign = log_in(ADMIN_KEY, "https://evil.example").await;
    assert_eq!((foreign.status.as_u16(), foreign.header("set-cookie")), (403, ""));
    let session = log_in(ADMIN_KEY, &shop.base).await;
    assert_eq!((session.status.as_u16(), session.header("location")), (303, "/admin"));
    let cookie = session.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{part}: {cookie}");
    }
    assert!(!cookie.contains(ADMIN_KEY));
    let cookie = cookie.split(';').next().unwrap();
    let make = async |cookie: &str, origin: &str| {
        let call = shop.request(Method::POST, "/api/v1/admin/sales").header("cookie", cookie);
        let call = call.header("origin", origin).json(&json!({ "slug": "mine", "name": "Mine" }));
        Answer::of(call).await
    };
    make(cookie, "https://evil.example").await.is_problem(403, "origin-not-allowed");
    let (name, token) = cookie.split_once('=').unwrap();
    assert_eq!(token.len(), 43, "256 random bits");
    let other = if token.starts_with('A') { "B" } else { "A" };
    for forged in [format!("{other}{}", &token[1..]), format!("{token}A"), token[..42].into()] {
        let forged = format!("{name}={forged}");
        make(&forged, &shop.base).await.is_problem(401, "not-authenticated");
    }
    let made = make(cookie, &shop.base).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let audit = shop.ask("/sales/mine/audit").await.body;
    assert_eq!(audit["items"][0]["actor"], "admin-key");
}
