//! A sale's settings: their defaults, everything that is not allowed, and changes while it runs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Shop, all, eventually};

#[tokio::test]
async fn a_sale_is_made_with_defaults_that_are_shown() {
    let shop = Shop::open().await;
    let made = shop.tell("/sales", json!({ "slug": "plain", "name": "Größe 42 <b>" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let defaults = json!({
        "slug": "plain", "name": "Größe 42 <b>", "status": "scheduled", "starts_at": null,
        "ends_at": null, "order": "fifo", "batch_size": 100, "admit_interval_ms": 1000,
        "max_in_checkout": null, "checkout_window_seconds": 600, "expiry_grace_seconds": 5,
        "per_shopper": 1, "identity": "open", "checkout": "shop", "hide_stock": false,
        "max_waiting": 1_000_000,
    });
    for (field, value) in defaults.as_object().unwrap() {
        assert_eq!(made.body.get(field), Some(value), "{field}");
    }
    for reference in ["plain", made.body["id"].as_str().unwrap()] {
        assert_eq!(shop.ask(&format!("/sales/{reference}")).await.body, made.body);
    }
    let facts = shop.get("/api/v1/sales/plain").await.body;
    for field in ["id", "slug", "name", "status", "starts_at", "ends_at"] {
        assert_eq!(facts.get(field), made.body.get(field), "{field}");
    }
    assert_eq!(facts["waiting"], 0);
    assert!(facts["server_time"].as_str().unwrap().ends_with('Z'));

    let settings = json!({
        "slug": "edges", "name": "N", "starts_at": "2099-01-01T12:00:00Z", "batch_size": 1,
        "ends_at": "2099-01-01T14:00:00+01:00", "order": "fifo", "admit_interval_ms": 60_000,
        "max_in_checkout": 7, "checkout_window_seconds": 86_400, "expiry_grace_seconds": 60,
        "per_shopper": 1, "identity": "open", "checkout": "builtin", "hide_stock": true,
        "max_waiting": 1,
    });
    let mut made = shop.tell("/sales", settings.clone()).await.body;
    assert_eq!(made["ends_at"], "2099-01-01T13:00:00Z", "times are in UTC");
    made["ends_at"] = settings["ends_at"].clone();
    for (field, value) in settings.as_object().unwrap() {
        assert_eq!(made.get(field), Some(value), "{field}");
    }
}

/// One setting with a value that is not taken.
fn bad_settings() -> Vec<(&'static str, Value)> {
    let mut bad = vec![];
    let words =
        ["", "Upper", "two words", "-a", "a-", "ü", "a/b", "0198c0de-0000-7000-8000-000000000000"];
    bad.extend(words.map(|slug| ("slug", json!(slug))));
    bad.push(("slug", json!("a".repeat(64))));
    bad.extend(["", " ", " a", "a\n", "a\u{0}"].map(|name| ("name", json!(name))));
    bad.push(("name", json!("n".repeat(201))));
    for (field, values) in [
        ("batch_size", [0, 101, -1]),
        ("admit_interval_ms", [9, 60_001, -1]),
        ("checkout_window_seconds", [0, 86_401, -1]),
        ("expiry_grace_seconds", [-1, 61, 1_000_000_000]),
        ("max_in_checkout", [0, -1, 1_000_000_000]),
        ("max_waiting", [0, -1, 1_000_000_000]),
    ] {
        bad.extend(values.map(|value| (field, json!(value))));
        let others = [json!("7"), json!(1.5), json!(true), json!([1]), json!(99_999_999_999_u64)];
        bad.extend(others.map(|value| (field, value)));
    }
    for field in ["starts_at", "ends_at"] {
        let times = ["noon", "2099-01-01", "2099-01-01T12:00:00", "-009999-01-02T12:00:00Z", ""];
        bad.extend(times.map(|time| (field, json!(time))));
        bad.push((field, json!(1_900_000_000)));
    }
    let is_no_word = [json!("other"), json!(7), json!({})];
    for field in ["slug", "name", "order", "identity", "checkout"] {
        bad.extend(is_no_word[1..].iter().map(|value| (field, value.clone())));
    }
    for field in ["order", "identity", "checkout"] {
        bad.push((field, is_no_word[0].clone()));
    }
    // Known, and not available yet.
    bad.extend([("order", json!("draw")), ("identity", json!("verified"))]);
    bad.extend([("per_shopper", json!(2)), ("per_shopper", json!(0))]);
    bad.extend(["yes", ""].map(|flag| ("hide_stock", json!(flag))));
    let links = [
        "javascript:alert(1)",
        "https://?",
        "https://",
        "https:///a",
        "https://me:x@a",
        "https://a/#b",
        "https://a b",
        "",
    ];
    bad.extend(links.map(|link| ("checkout_url", json!(link))));
    bad.push(("colour", json!("red")));
    bad
}

#[tokio::test]
async fn a_setting_that_is_not_allowed_is_named_when_a_sale_is_made_and_when_it_is_changed() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let before = shop.ask(&sale.path("")).await.body;
    for (field, value) in bad_settings() {
        let mut body = json!({ "slug": "new", "name": "New" });
        body[field] = value.clone();
        let made = shop.tell("/sales", body).await;
        assert_eq!(made.refusal(), (422, "invalid"), "{field} {value}: {}", made.text);
        made.names(&[field]);
        let changed = shop.change(&sale, json!({ field: value })).await;
        assert_eq!(changed.refusal(), (422, "invalid"), "{field} {value}: {}", changed.text);
        changed.names(&[field]);
    }
    assert_eq!(shop.ask(&sale.path("")).await.body, before);
    let listed = shop.ask("/sales").await.body;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "nothing was made");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "slug": "taken" })).await;
    shop.tell("/sales", json!({})).await.names(&["slug", "name"]);
    let bad = json!({ "slug": "A", "batch_size": "many", "checkout": "none", "order": "draw",
                      "colour": 1, "admit_interval_ms": 5 });
    let refused = shop.tell("/sales", bad).await;
    refused.is_problem(422, "invalid");
    let mut fields = refused.fields();
    fields.sort_unstable();
    let all = ["admit_interval_ms", "batch_size", "checkout", "colour", "name", "order", "slug"];
    assert_eq!(fields, all);
    let backwards = json!({ "slug": "b", "name": "B", "starts_at": "2099-01-02T00:00:00Z",
                            "ends_at": "2099-01-01T00:00:00Z" });
    shop.tell("/sales", backwards).await.names(&["ends_at"]);

    for path in ["/sales".to_owned(), sale.path("/tokens"), sale.path("/open")] {
        let send =
            async |body: String| Answer::of(shop.operator(Method::POST, &path).body(body)).await;
        for unreadable in ["{", "{} {}", "slug=a", r#"{"slug":"a","name":"A"}x"#, "\u{feff}{}"] {
            let refused = send(unreadable.into()).await;
            refused.is_problem(400, "bad-request");
            assert_eq!(refused.body.get("errors"), None);
        }
        send("[]".into()).await.names(&["body"]);
        send("x".repeat(17_000)).await.is_problem(413, "body-too-large");
        send("[".repeat(15_000)).await.is_problem(400, "bad-request");
    }
    shop.tell(&sale.path("/open"), json!({ "at": "once" })).await.names(&["at"]);

    shop.tell("/sales", json!({ "slug": "taken", "name": "B" }))
        .await
        .is_problem(409, "slug-taken");
    let other = shop.sale(json!({})).await;
    shop.change(&other, json!({ "slug": "taken" })).await.is_problem(409, "slug-taken");
    assert_eq!(shop.change(&other, json!({ "slug": other.slug })).await.status, 200);
}

#[tokio::test]
async fn a_change_to_a_running_sale_acts_on_the_next_batch() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({ "max_in_checkout": 1, "batch_size": 1 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ana.hold().await;
    assert_eq!(ben.poll().await.body["state"], "waiting", "one in checkout at a time");
    let to = json!({ "max_in_checkout": 2, "checkout_window_seconds": 77, "name": "Renamed" });
    let changed = shop.change(&sale, to).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(
        (&changed.body["name"], &changed.body["batch_size"]),
        (&json!("Renamed"), &json!(1))
    );
    let left = ben.becomes("admitted").await["hold"]["seconds_left"].as_i64().unwrap();
    assert!((50..=77).contains(&left), "{left}");
    let eva = sale.join().await;
    eventually("all but eva are in checkout", async || sale.stats().await["admitted"] == 2).await;
    assert_eq!(eva.poll().await.body["state"], "waiting");
    let lifted = shop.change(&sale, json!({ "max_in_checkout": null })).await;
    assert_eq!(lifted.body["max_in_checkout"], Value::Null);
    eva.becomes("admitted").await;
    assert_eq!(sale.facts().await["name"], "Renamed");
}

#[tokio::test]
async fn two_changes_at_once_both_count() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    for round in 1..=20 {
        let change = |to: Value| {
            let call = shop.operator(Method::PATCH, &sale.path("")).json(&to);
            async move { Answer::of(call).await.status.as_u16() }
        };
        let name = format!("Round {round}");
        let done =
            all([change(json!({ "name": name })), change(json!({ "max_waiting": round }))]).await;
        assert_eq!(done, [200, 200]);
        let now = shop.ask(&sale.path("")).await.body;
        assert_eq!((&now["name"], &now["max_waiting"]), (&json!(name), &json!(round)));
    }
}

#[tokio::test]
async fn a_change_that_says_what_it_is_based_on_overwrites_nothing_newer() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let change = async |tag: &str, to: Value| {
        let call = shop.operator(Method::PATCH, &sale.path("")).header("if-match", tag).json(&to);
        Answer::of(call).await
    };
    let first = shop.ask(&sale.path("")).await.header("etag").to_owned();
    assert!(first.starts_with('"'), "{first}");
    let changed = change(&first, json!({ "max_waiting": 5 })).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    let second = changed.header("etag").to_owned();
    assert_ne!(first, second);
    assert_eq!(shop.ask(&sale.path("")).await.header("etag"), second);
    let late = change(&first, json!({ "max_waiting": 6 })).await;
    late.is_problem(412, "precondition-failed");
    assert!(
        late.body["detail"].as_str().unwrap().contains("change by admin-key at "),
        "{}",
        late.text
    );
    assert_eq!(shop.ask(&sale.path("")).await.body["max_waiting"], 5);
    for good in [&*second, "*", &format!("\"other\", {second}")] {
        assert_eq!(change(good, json!({})).await.status, 200, "{good}");
    }
    change(&format!("W/{second}"), json!({})).await.is_problem(412, "precondition-failed");
    change("bare", json!({})).await.names(&["If-Match"]);

    // A repeat of a change that was made is answered as it was.
    let keyed = async || {
        let call = shop.operator(Method::PATCH, &sale.path("")).header("if-match", &second);
        let call = call.header("idempotency-key", "a key of this change");
        Answer::of(call.json(&json!({ "max_waiting": 7 }))).await
    };
    let made = keyed().await;
    assert_eq!((made.status.as_u16(), keyed().await.body), (200, made.body));
}
