//! What a page tells before and after joining is true in every state of the sale, with and without a script.

use reqwest::Method;
use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{Answer, PATIENCE, Sale, Shop};

/// All that can be read in the room.
async fn words(page: &Page) -> String {
    let text = page.run("return document.getElementById('room').innerText").await;
    text.as_str().unwrap().to_owned()
}

async fn change(sale: &Sale<'_>, settings: serde_json::Value) {
    let request = sale.shop.operator(Method::PATCH, &sale.path("")).json(&settings);
    assert_eq!(Answer::of(request).await.status, 200);
}

async fn withdraw(sale: &Sale<'_>, count: u32) {
    let taken = sale.shop.tell(&sale.path("/withdrawals"), json!({ "count": count })).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
}

#[tokio::test]
async fn what_the_script_shows_as_the_sale_changes_is_what_the_server_writes_anew() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let page = Page::of(&shop).await;
    // It looks each half second, and not every ten to twenty.
    page.before_scripts(
        "const later = window.setTimeout;
         window.setTimeout = (work, ms) => later(work, Math.min(ms, 500));",
    )
    .await;
    page.go(&room(&sale)).await;
    page.mark().await;
    let plain = Page::without_script(&shop).await;
    let agree = async |what: &str, told: &str, offers_join: bool| {
        page.shows_within(PATIENCE * 2, told).await;
        plain.go(&room(&sale)).await;
        plain.shows(told).await;
        for page in [&page, &plain] {
            assert_eq!(page.offers("Join the line").await, offers_join, "{what}");
        }
        // Without a script a time is in UTC; each side has a space of its own before AM and PM.
        let (by_script, by_server) = (words(&page).await, words(&plain).await);
        let plain = |text: String| text.replace('\u{202f}', " ").replace(" UTC", "");
        assert_eq!(plain(by_script), plain(by_server), "{what}");
        assert!(page.is_still_marked().await, "{what}: by the script, without a reload");
    };
    agree("units are free", "The sale is open. Join the line", true).await;
    withdraw(&sale, 2).await;
    agree("all are withdrawn", "No units are on offer at the moment.", true).await;
    page.lacks("The sale is open.").await;
    let notice = json!({ "text": "We restock at noon" });
    shop.tell(&sale.path("/notices"), notice).await;
    agree("a notice", "From the seller: We restock at noon", true).await;
    change(&sale, json!({ "max_waiting": 1 })).await;
    let ana = sale.join().await;
    agree("the line is full", "The line is as long as it may get.", false).await;
    ana.leave().await;
    page.hides("The line is as long as it may get.").await;
    agree("there is room again", "No units are on offer at the moment.", true).await;
    sale.seed(1).await;
    agree("units were added", "The sale is open. Join the line", true).await;
    let ben = sale.join().await;
    ben.hold().await;
    agree("all are held", "All units are being checked out.", true).await;
    plain.leave_quietly().await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn in_a_closed_sale_nobody_reads_of_a_next_in_line_and_nobody_is_asked_to_join() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    let buyer = Page::at(&shop, &room(&sale)).await;
    buyer.press("Join the line").await;
    buyer.shows("It is your turn").await;
    let leaver = Page::at(&shop, &room(&sale)).await;
    leaver.press("Join the line").await;
    leaver.reads("[data-f=position]", "1").await;
    leaver.press("Leave the line").await;
    leaver.press("Yes, give up my place").await;
    leaver.shows("You left the line").await;
    assert!(leaver.offers("Join again").await);
    sale.steer("close").await;
    leaver.reload().await;
    leaver.shows("You left the line").await;
    assert!(!leaver.offers("Join again").await, "there is no line to join");
    leaver.leave_quietly().await;

    buyer.reload().await;
    buyer.shows("If you do not buy in time, the unit is no longer held for you.").await;
    buyer.lacks("next in line").await;
    buyer.press("Go to checkout").await;
    buyer.shows("After that the unit is no longer held for you.").await;
    buyer.lacks("next in line").await;
    buyer.press("I do not want it").await;
    buyer.lacks("next in line").await;
    buyer.press("Give it back").await;
    buyer.shows("You gave your unit back").await;
    buyer.lacks("next in line").await;
    assert!(!buyer.offers("Join again").await);
    buyer.leave_quietly().await;
}

#[tokio::test]
async fn a_receipt_tells_the_time_by_the_shoppers_own_clock_and_without_a_script_in_utc() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::of(&shop).await;
    let zone = json!({ "timezoneId": "Asia/Kolkata" });
    page.browser.cdp("Emulation.setTimezoneOverride", zone).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.press("Go to checkout").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.shows("GMT+5:30").await;
    page.lacks("UTC").await;
    let script = "const time = document.querySelector('[data-confirmed]');
        return new Date(time.dateTime).toLocaleTimeString('en-US', { timeZone: 'Asia/Kolkata' })";
    let local = page.run(script).await.as_str().unwrap().replace('\u{202f}', " ");
    let text = page.text().await.replace('\u{202f}', " ");
    assert!(text.contains(&local), "{local}: {text}");
    page.browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    page.reload().await;
    page.shows("UTC").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_browser_without_cookies_is_told_so_before_it_joins() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(3, json!({})).await;
    let page = Page::of(&shop).await;
    page.browser.cdp("Emulation.setDocumentCookieDisabled", json!({ "disabled": true })).await;
    page.go(&room(&sale)).await;
    page.shows("This browser keeps no cookies for this site.").await;
    assert!(!page.offers("Join the line").await);
    page.leave_quietly().await;

    let plain = Page::without_script(&shop).await;
    plain.go(&room(&sale)).await;
    for _ in 0..3 {
        plain.browser.cdp("Network.clearBrowserCookies", json!({})).await;
        plain.press("Join the line").await;
        plain.shows("This browser keeps no cookies for this site").await;
        plain.press("Back to the waiting room").await;
        plain.shows("Join the line").await;
    }
    assert_eq!(sale.stats().await["joined"], 0, "no ticket was made");
    plain.press("Join the line").await;
    plain.wait_by_reloading("It is your turn").await;
    plain.leave_with_failed_requests().await;
}
