//! Addresses that were given out: they lead to their sale for as long as no archive has freed them.

use reqwest::Method;
use serde_json::json;

use crate::support::staff::post;
use crate::support::{Answer, Shop};

/// Where a page leads a browser that asks for it; none when it is the page itself.
async fn leads(shop: &Shop, path: &str) -> (u16, String) {
    let answer = shop.get(path).await;
    (answer.status.as_u16(), answer.header("location").to_owned())
}

#[tokio::test]
async fn a_slug_that_an_open_sale_had_leads_on() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "slug": "first" })).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    assert_eq!(shop.change(&sale, json!({ "slug": "second" })).await.status, 200);
    assert_eq!(shop.change(&sale, json!({ "slug": "third" })).await.status, 200);

    for old in ["first", "second"] {
        let page = leads(&shop, &format!("/s/{old}?utm_source=mail&a=%20b")).await;
        assert_eq!(page, (308, "/s/third?utm_source=mail&a=%20b".into()));
        let page = leads(&shop, &format!("/s/{old}/checkout")).await;
        assert_eq!(page, (308, "/s/third/checkout".into()));
        // Forms and calls work by the old name.
        assert_eq!(shop.get(&format!("/api/v1/sales/{old}")).await.body["slug"], "third");
        let joined = post(&shop, &format!("/s/{old}/join"), "ropeline-keeps=1", &[]).await;
        assert_eq!(joined.status, 303, "{}", joined.text);
        let state = format!("/api/v1/sales/{old}/tickets/{}", ana.ticket);
        assert_eq!(Answer::of(ana.request(Method::GET, &state)).await.body["state"], "admitted");
        let asked = shop.ask(&format!("/sales/{old}")).await;
        assert_eq!(asked.body["former_slugs"].as_array().unwrap().len(), 2, "{}", asked.text);
        // Another sale does not get it.
        let new = json!({ "slug": old, "name": "Another" });
        shop.tell("/sales", new).await.is_problem(409, "slug-taken");
        let other = shop.sale(json!({})).await;
        shop.change(&other, json!({ "slug": old })).await.is_problem(409, "slug-taken");
    }
    let ticket = format!("ropeline-ticket-{}={}", ana.sale, ana.credential);
    let bought = post(&shop, "/s/first/checkout/confirm", &ticket, &[]).await;
    assert_eq!(bought.header("location"), "/s/first/receipt", "{}", bought.text);
    assert!(!hold.is_empty());

    // The sale itself may go back.
    let back = shop.change(&sale, json!({ "slug": "first" })).await;
    assert_eq!(
        (back.status.as_u16(), &back.body["former_slugs"]),
        (200, &json!(["second", "third"]))
    );
    assert_eq!(leads(&shop, "/s/first").await.0, 200);
}

#[tokio::test]
async fn case_a_slash_and_a_space_at_the_end_are_led_to_the_right_address() {
    let shop = Shop::open().await;
    shop.open_sale(1, json!({ "slug": "drop-1" })).await;
    for (given, right) in [
        ("/s/DROP-1", "/s/drop-1"),
        ("/s/Drop-1?x=A", "/s/drop-1?x=A"),
        ("/s/drop-1/", "/s/drop-1"),
        ("/s/drop-1%20", "/s/drop-1"),
        ("/s/%20drop-1%20/", "/s/drop-1"),
        ("/s/Drop-1/receipt/", "/s/drop-1/receipt"),
    ] {
        assert_eq!(leads(&shop, given).await, (308, right.to_owned()), "{given}");
    }
    assert_eq!(leads(&shop, "/s/drop-1").await.0, 200);
    for nowhere in ["/s/", "/s//evil.example", "/s/no%2Fslug"] {
        let (status, location) = leads(&shop, nowhere).await;
        assert!(status == 404 || location.starts_with("/s/"), "{nowhere}: {status} {location}");
    }
}

#[tokio::test]
async fn a_trial_sale_is_archived_and_its_slug_is_free() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "slug": "drop" })).await;
    assert_eq!(shop.change(&sale, json!({ "slug": "drop-2" })).await.status, 200);
    let (ana, ben) = (sale.join().await, sale.join().await);
    assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
    let bens = ben.hold().await;
    let archive = async || shop.tell(&sale.path("/archive"), json!({})).await;
    archive().await.is_problem(409, "not-closed");
    sale.steer("close").await;
    archive().await.is_problem(409, "not-closed");
    assert_eq!(ben.release(&bens).await.status, 200);
    let done = archive().await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert!(done.body["archived_at"].is_string(), "{}", done.text);
    assert_eq!(archive().await.body, done.body, "repeated, the same");

    let listed = async |query: &str| shop.ask(&format!("/sales{query}")).await.body;
    assert_eq!(listed("").await["items"], json!([]));
    assert_eq!(listed("?archived=true").await["items"][0]["id"], json!(sale.id));
    shop.ask("/sales?archived=maybe").await.names(&["archived"]);
    let audit = shop.ask(&sale.path("/audit")).await.body;
    assert_eq!(audit["items"][0]["action"], "archive", "{audit}");

    // Until somebody takes it, the address still leads there; then it is the new sale's.
    assert_eq!(shop.get("/api/v1/sales/drop-2").await.body["id"], json!(sale.id));
    for slug in ["drop", "drop-2"] {
        let made = shop.tell("/sales", json!({ "slug": slug, "name": "The real one" })).await;
        assert_eq!(made.status, 201, "{slug}: {}", made.text);
        assert_eq!(shop.get(&format!("/api/v1/sales/{slug}")).await.body["id"], made.body["id"]);
    }
    assert_eq!(shop.ask(&sale.path("/orders")).await.body["items"].as_array().unwrap().len(), 1);
    let csv = shop.ask(&sale.path("/orders.csv")).await;
    assert_eq!(csv.text.lines().count(), 2, "{}", csv.text);
    let cookie = shop.log_in_by_key().await;
    let page = shop.page(&cookie, &format!("/admin/sales/{}", sale.id)).await;
    assert!(page.text.contains("This sale was archived"), "{}", page.text);
    assert!(!page.text.contains("/admin/sales/drop-2"), "its links are its own");
}

#[tokio::test]
async fn a_sale_that_was_never_opened_is_archived_and_tells_who_waits() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({ "slug": "never" })).await;
    let ana = sale.join().await;
    let cookie = shop.log_in_by_key().await;
    let refused = post(&shop, "/admin/sales/never/archive", &cookie, &[("slug", "x")]).await;
    assert_eq!(refused.status, 422, "it asks for the slug");
    let done = post(&shop, "/admin/sales/never/archive", &cookie, &[("slug", "never")]).await;
    assert_eq!(done.header("location"), format!("/admin/sales/{}?done=archive", sale.id));
    ana.becomes("closed").await;
    let made = shop.tell("/sales", json!({ "slug": "never", "name": "Again" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
}
