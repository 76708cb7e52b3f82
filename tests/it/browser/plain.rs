//! Everything works in a browser that runs no scripts.

use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{PATIENCE, Shop};

/// Whether the page asks to be loaded again by itself.
async fn refreshes(page: &Page) -> bool {
    page.run("return !!document.querySelector('meta[http-equiv=refresh]')").await == true
}

#[tokio::test]
async fn without_script_a_shopper_joins_waits_checks_out_and_buys_by_forms() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;

    let page = Page::without_script(&shop).await;
    page.go(&room(&sale)).await;
    assert_eq!(page.run("return document.querySelector('noscript p') !== null").await, true);
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    page.shows("Times are in UTC").await;
    assert!(refreshes(&page).await);
    page.lacks("Last news").await;
    assert!(!page.offers("Alert me when it is my turn").await, "it would do nothing");

    ana.confirm(&anas).await;
    // The page comes again by itself every ten seconds.
    page.shows_within(PATIENCE * 2, "It is your turn").await;
    page.press("Go to checkout").await;
    page.shows("Unit 2 is held for you").await;
    page.shows("UTC. After that the unit is no longer held for you.").await;
    page.fill("payment_reference", "by form").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.shows("by form").await;
    page.go(&room(&sale)).await;
    page.shows("It is yours").await;
    assert!(!refreshes(&page).await, "nothing changes any more");
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn without_script_units_that_are_held_are_not_called_sold_out_either() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    assert_eq!(sale.facts().await["status"], "open");
    let page = Page::without_script(&shop).await;
    for step in ["before joining", "in line"] {
        page.go(&room(&sale)).await;
        page.shows("All units are being checked out.").await;
        page.shows("Some may come back from").await;
        let title = page.browser.client.title().await.unwrap().to_lowercase();
        assert!(!title.contains("sold out"), "{step}: {title}");
        page.lacks("sold out").await;
        if step == "before joining" {
            page.press("Join the line").await;
        }
    }
    ana.confirm(&anas).await;
    page.wait_by_reloading("Every unit has been sold").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn without_script_a_shopper_gives_back_joins_again_and_leaves_by_forms() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::without_script(&shop).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.wait_by_reloading("It is your turn").await;
    page.press("Go to checkout").await;
    page.press("I do not want it").await;
    page.press("Give it back").await;
    page.shows("You gave your unit back").await;

    sale.join().await.hold().await;
    page.press("Join again").await;
    page.reads("[data-f=position]", "1").await;
    page.press("Leave the line").await;
    page.press("Yes, give up my place").await;
    page.shows("You left the line").await;
    assert!(!refreshes(&page).await);
    page.leave_quietly().await;
    sale.adds_up().await;
}
