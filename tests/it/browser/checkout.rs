//! The built-in checkout: the countdown, the purchase, giving back and running out of time.

use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{Sale, Shop};

/// A shopper in front of the checkout of a sale.
async fn checking_out(shop: &Shop, sale: &Sale<'_>) -> Page {
    let page = Page::at(shop, &room(sale)).await;
    page.press("Join the line").await;
    page.press("Go to checkout").await;
    page.shows("is held for you").await;
    page
}

#[tokio::test]
async fn the_checkout_counts_down() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 90 })).await;
    let page = checking_out(&shop, &sale).await;
    let seconds = |shown: &str| {
        let (minutes, seconds) = shown.split_once(':').unwrap();
        minutes.parse::<u32>().unwrap() * 60 + seconds.parse::<u32>().unwrap()
    };
    let first = page.read("[data-left]").await;
    assert!((1..=90).contains(&seconds(&first)), "{first}");
    page.changes("[data-left]", &first).await;
    let second = page.read("[data-left]").await;
    assert!(seconds(&second) < seconds(&first), "{first}, then {second}");
    page.shows("Buy before").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_double_press_buys_once_and_going_back_sells_nothing_twice() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let page = checking_out(&shop, &sale).await;
    page.run(
        "const buy = document.querySelector('.primary'); buy.click(); buy.click();
        buy.form.submit()",
    )
    .await;
    page.shows("Keep this page").await;
    page.browser.client.back().await.unwrap();
    page.shows_one_of(&["It is yours", "Keep this page"]).await;
    assert_eq!(sale.stats().await["tokens"]["sold"], 1);
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_payment_reference_is_told_next_to_it() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = checking_out(&shop, &sale).await;
    let long = "x".repeat(201);
    page.run("document.getElementById('payment_reference').removeAttribute('maxlength')").await;
    page.fill("payment_reference", &long).await;
    page.press("Buy now").await;
    page.changes("#payment_reference-error", "").await;
    assert_eq!(page.value("payment_reference").await, long, "what was typed is kept");

    page.fill("payment_reference", "short").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.shows("short").await;
    // The refused form is a failed request to the browser, and nothing worse.
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_unit_given_back_goes_to_the_next_and_the_giver_may_join_again() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = checking_out(&shop, &sale).await;
    let next = sale.join().await;
    assert_eq!(next.poll().await.body["state"], "waiting");

    page.press("I do not want it").await;
    page.press("Give it back").await;
    page.shows("You gave your unit back").await;
    next.becomes("admitted").await;
    page.press("Join again").await;
    page.reads("[data-f=position]", "1").await;
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn a_shopper_out_of_time_is_told_in_the_room_and_may_join_again() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 2 })).await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.shows("It is your turn").await;
    page.mark().await;
    page.shows("Your time to check out has ended").await;
    assert!(page.is_still_marked().await);
    page.press("Join again").await;
    page.shows("It is your turn").await;
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn a_checkout_out_of_time_says_so_and_then_shows_what_became_of_the_unit() {
    let shop = Shop::open().await;
    let settings = json!({ "checkout_window_seconds": 4, "expiry_grace_seconds": 2 });
    let sale = shop.open_sale(1, settings).await;
    let page = checking_out(&shop, &sale).await;
    page.shows("Your time is up.").await;
    page.reads("[data-left]", "0:00").await;
    page.shows("Your time to check out has ended").await;
    assert_eq!(page.path().await, room(&sale));
    page.leave_quietly().await;
}

#[tokio::test]
async fn within_the_grace_a_late_press_still_buys() {
    let shop = Shop::open().await;
    let settings = json!({ "checkout_window_seconds": 4, "expiry_grace_seconds": 60 });
    let sale = shop.open_sale(1, settings).await;
    let page = checking_out(&shop, &sale).await;
    page.shows("Your time is up.").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_checkout_or_a_receipt_without_a_hold_leads_to_the_room() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::of(&shop).await;
    for path in ["/checkout", "/receipt"] {
        page.go(&format!("{}{path}", room(&sale))).await;
        page.shows("Join the line").await;
        assert_eq!(page.path().await, room(&sale));
    }
    page.leave_quietly().await;
}
