//! Going on on another device, as both devices show it.

use reqwest::Method;
use serde_json::json;

use crate::browser::barriers::no_barrier;
use crate::browser::page::{Page, room};
use crate::support::staff::cookie_of;
use crate::support::{Answer, Shop};

/// What the other device does with a link: look, and press the button.
async fn press_there(shop: &Shop, path: &str) -> Answer {
    let asked = Answer::of(shop.request(Method::GET, path).header("accept", "text/html")).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(asked.text.contains("Continue on this device?"));
    Answer::of(shop.request(Method::POST, path).header("cookie", cookie_of(&asked))).await
}

/// The path of the link that the page shows.
async fn shown_link(page: &Page) -> String {
    page.press("Continue on another device").await;
    page.press("Make a link").await;
    page.shows("The link works once, until").await;
    let url: reqwest::Url = page.read("[data-link]").await.parse().unwrap();
    url.path().to_owned()
}

#[tokio::test]
async fn the_old_device_shows_a_code_stays_live_and_says_when_the_place_has_moved() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let anas = ana.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "2").await;
    let link = shown_link(&page).await;
    no_barrier(&page, "in line, with a link").await;
    assert_eq!(page.path().await, room(&sale), "a reload makes no second link");
    page.mark().await;
    ben.leave().await;
    page.reads("[data-f=position]", "1").await;

    let pressed = press_there(&shop, &link).await;
    assert_eq!(pressed.status, 303, "{}", pressed.text);
    page.shows("This place was moved to another device").await;
    assert!(page.is_still_marked().await, "it was told, it was not reloaded");
    assert!(!page.offers("Leave the line").await);
    page.lacks("The link works once").await;
    page.reload().await;
    page.shows("This place was moved to another device").await;
    no_barrier(&page, "a place that was moved").await;
    ana.confirm(&anas).await;
    page.go(&format!("{}/checkout", room(&sale))).await;
    page.shows("This place was moved to another device").await;
    page.go(&link).await;
    page.shows("This link has ended").await;
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn the_new_device_asks_first_and_then_has_the_place() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let first = sale.join().await;
    let held = first.hold().await;
    let ana = sale.join().await;
    sale.join().await;
    let made = Answer::of(ana.request(Method::POST, &ana.path("/move"))).await;
    let link = format!("{}/move/{}", room(&sale), made.body["code"].as_str().unwrap());
    let page = Page::at(&shop, &link).await;
    page.shows("Continue on this device?").await;
    no_barrier(&page, "the question on the new device").await;
    assert_eq!(ana.poll().await.status, 200, "looking at the link moves nothing");
    page.press("Yes, continue here").await;
    page.reads("[data-f=position]", "1").await;
    page.reads("[data-f=behind]", "1").await;
    assert_eq!(page.ticket().await, ana.ticket);
    assert_eq!(page.path().await, room(&sale));
    ana.poll().await.is_problem(401, "moved");
    page.shows("Live").await;
    first.release(&held).await;
    page.press("Go to checkout").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn a_place_moves_without_script_and_polling_or_streaming_pages_are_told_too() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::without_script(&shop).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    let link = shown_link(&page).await;
    assert_eq!(press_there(&shop, &link).await.status, 303);
    page.go(&room(&sale)).await;
    page.shows("This place was moved to another device").await;
    assert!(page.offers("Join again").await);
    page.leave_quietly().await;

    let page = Page::of(&shop).await;
    page.may_break_sockets().await;
    page.go(&room(&sale)).await;
    page.break_sockets(true).await;
    page.block(&["/events"]).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "2").await;
    let link = shown_link(&page).await;
    page.mark().await;
    assert_eq!(press_there(&shop, &link).await.status, 303);
    page.shows_within(crate::support::PATIENCE * 3, "This place was moved").await;
    assert!(page.is_still_marked().await);
    page.leave_with_failed_requests().await;
}
