//! What pages never do: run what they were not written with, or scroll sideways on a phone.

use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{ADMIN_KEY, Shop, eventually};

const HOSTILE: &str =
    r#"<script>window.hacked=1</script></title><img src=x onerror="window.hacked=1">&amp;'{{7*7}}"#;

#[tokio::test]
async fn a_hostile_name_notice_or_reference_is_text_everywhere() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "name": HOSTILE, "max_in_checkout": 1 })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    shop.tell(&sale.path("/notices"), json!({ "text": HOSTILE })).await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.reads("h1", HOSTILE).await;
    page.press("Join the line").await;
    page.shows(&format!("From the seller: {HOSTILE}")).await;
    page.reads("h1", HOSTILE).await;
    eventually("the script names the place in the title", async || {
        page.browser.client.title().await.unwrap() == format!("1 – {HOSTILE}")
    })
    .await;
    ana.confirm(&anas).await;
    page.press("Go to checkout").await;
    page.reads(".sale", HOSTILE).await;
    page.fill("payment_reference", HOSTILE).await;
    page.press("Buy now").await;
    page.reads(".facts > div:last-child > dd", HOSTILE).await;
    page.shows(HOSTILE).await;

    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    page.reads("h1", HOSTILE).await;
    page.shows("Latest orders").await;
    assert_eq!(page.value("notice-text").await, HOSTILE);
    assert_eq!(page.run("return window.hacked === undefined").await, true);
    page.leave_quietly().await;
}

#[tokio::test]
async fn every_page_carries_a_policy_that_the_browser_enforces() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    for path in [room(&sale).as_str(), "/admin/login", "/docs", "/s/nowhere", "/"] {
        let request = shop.request(reqwest::Method::GET, path).header("accept", "text/html");
        let answer = crate::support::Answer::of(request).await;
        if answer.status.is_redirection() {
            continue;
        }
        let policy = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'nonce-",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    // And the log that the other tests find empty would tell.
    let page = Page::at(&shop, &room(&sale)).await;
    page.run(
        "const script = document.createElement('script');
        script.textContent = 'window.hacked = 1'; document.body.append(script)",
    )
    .await;
    assert_eq!(page.run("return window.hacked === undefined").await, true);
    let log = page.browser.log().await;
    let told = |entry: &serde_json::Value| {
        entry["level"] == "SEVERE"
            && entry["message"].as_str().unwrap().contains("Content Security")
    };
    assert!(log.iter().any(told), "{log:#?}");
}

#[tokio::test]
async fn nothing_scrolls_sideways_on_a_phone() {
    let shop = Shop::open().await;
    let name = "A sale with a long name and an UnbreakableWordOfQuiteSomeLengthInIt";
    let sale = shop.open_sale(2, json!({ "name": name, "max_in_checkout": 1 })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let notice = format!("See {}", "https://example.com/".repeat(6));
    shop.tell(&sale.path("/notices"), json!({ "text": notice })).await;
    let page = Page::of(&shop).await;
    page.resize(390, 844).await;
    page.go(&room(&sale)).await;
    page.fits_the_screen("the room before joining").await;
    page.press("Join the line").await;
    page.shows("From the seller").await;
    page.press("Leave the line").await;
    page.fits_at_widths("the place in line").await;
    ana.confirm(&anas).await;
    page.shows("It is your turn").await;
    page.fits_at_widths("the turn").await;
    page.press("Go to checkout").await;
    page.press("I do not want it").await;
    page.fits_at_widths("the checkout").await;
    page.fill("payment_reference", &"0123456789".repeat(20)).await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.fits_at_widths("the receipt").await;
    page.go("/s/nowhere").await;
    page.fits_at_widths("a problem").await;

    page.go("/admin/login").await;
    page.fits_at_widths("the login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.press("All settings").await;
    page.fits_at_widths("the sales").await;
    page.press(name).await;
    page.shows("Latest orders").await;
    page.fits_at_widths("a sale in the console").await;
    page.go("/docs").await;
    page.fits_at_widths("the reference").await;
}
