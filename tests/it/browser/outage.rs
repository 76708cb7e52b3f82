//! What the page says and does when nothing comes any more.

use std::time::Duration;

use serde_json::json;

use super::page::{Page, room};
use crate::support::{Gateway, Shop};

/// A page that lost its gateway tries again ever more seldom, up to every 30 s.
const RECONNECTED: Duration = Duration::from_secs(75);

#[tokio::test]
async fn a_page_says_that_its_news_are_old_and_comes_back_when_a_gateway_does() {
    let mut shop = Shop::open().await;
    let place = shop.place.clone();
    let address = shop.gateway.address;
    let (page, path) = {
        let sale = shop.open_sale(1, json!({})).await;
        sale.join().await.hold().await;
        let page = Page::at(&shop, &room(&sale)).await;
        page.press("Join the line").await;
        page.shows("Live").await;
        (page, sale.path("/notices"))
    };
    page.mark().await;

    shop.gateway.stop().await;
    page.shows("Your place is kept while we reconnect.").await;
    page.reads("[data-f=position]", "1").await;
    page.lacks("Live").await;

    shop.gateway = Gateway::start_at(&place, false, address).await;
    page.shows_within(RECONNECTED, "Live").await;
    page.lacks("reconnect").await;
    let told = shop.tell(&path, json!({ "text": "We are back" })).await;
    assert_eq!(told.status, 200, "{}", told.text);
    page.shows_within(RECONNECTED, "We are back").await;
    assert!(page.is_still_marked().await, "it reconnected, it was not reloaded");
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_device_without_network_says_so_and_is_live_again_afterwards() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Live").await;
    page.mark().await;

    page.set_offline(true).await;
    page.shows("Your place is kept while we reconnect.").await;
    page.set_offline(false).await;
    page.shows("Live").await;
    shop.tell(&sale.path("/notices"), json!({ "text": "Still here" })).await;
    page.shows("Still here").await;
    assert!(page.is_still_marked().await);
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_page_without_sockets_falls_back_and_stays_live() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let page = Page::of(&shop).await;
    // As behind a proxy that knows no WebSockets, and then one that holds streams back as well.
    for (missing, notice) in [("/live", "By events"), ("/events", "By polling")] {
        page.block(missing).await;
        page.go(&room(&sale)).await;
        if page.offers("Join the line").await {
            page.press("Join the line").await;
        }
        page.reads("[data-f=position]", "1").await;
        page.mark().await;
        shop.tell(&sale.path("/notices"), json!({ "text": notice })).await;
        page.shows_within(RECONNECTED, notice).await;
        assert!(page.is_still_marked().await);
    }
    ana.release(&anas).await;
    page.shows_within(RECONNECTED, "It is your turn").await;
    assert!(page.is_still_marked().await);
    page.leave_with_failed_requests().await;
}
