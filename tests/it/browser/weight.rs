//! What a page costs a shopper: bytes and requests, and the time on a slow network.

use std::time::Duration;

use reqwest::Url;
use serde_json::{Value, json};

use crate::browser::languages;
use crate::browser::page::{Page, room, tell};
use crate::support::{Answer, Shop};

/// The promise for the first view of the waiting room.
const MOST_BYTES: u64 = 15_000;
/// The promise for a slow phone: from the first byte until the place is on the screen.
const PLACE_WITHIN: Duration = Duration::from_secs(2);

/// What one opening of a page transferred.
#[derive(Debug)]
struct Weight {
    bytes: u64,
    /// Addresses of the answers; sockets and pictures inside the page are none.
    answers: Vec<Url>,
}

/// Opens a page and weighs all that came over the network for it, headers included.
async fn weigh(page: &Page, path: &str) -> Weight {
    page.browser.client.goto("about:blank").await.unwrap();
    page.browser.traffic().await;
    page.go(path).await;
    let traffic = page.browser.traffic().await;
    let told = |method: &'static str| traffic.iter().filter(move |it| it["method"] == method);
    let answers: Vec<(&Value, Url)> = told("Network.responseReceived")
        .map(|it| (&it["params"]["requestId"], &it["params"]["response"]["url"]))
        .map(|(id, url)| (id, url.as_str().unwrap().parse::<Url>().unwrap()))
        .filter(|(_, url)| url.scheme().starts_with("http"))
        .collect();
    let bytes = told("Network.loadingFinished")
        .filter(|it| answers.iter().any(|(id, _)| **id == it["params"]["requestId"]))
        .map(|it| it["params"]["encodedDataLength"].as_f64().unwrap() as u64)
        .sum();
    Weight { bytes, answers: answers.into_iter().map(|(_, url)| url).collect() }
}

#[tokio::test]
async fn the_first_view_is_one_answer_of_less_than_15_kb_and_no_other_origin() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1, "name": "Winter boots" })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let page = Page::recording(&shop).await;
    page.browser.cdp("Network.enable", json!({})).await;
    let path = room(&sale);
    let light = async |what: &str, path: &str, most: u64| {
        let weight = weigh(&page, path).await;
        tell(&format!(
            "weight: {what}: {} bytes, {} answer(s)",
            weight.bytes,
            weight.answers.len()
        ));
        let asked: Vec<_> = weight.answers.iter().map(Url::path).collect();
        assert_eq!(asked, [path.split('?').next().unwrap()], "{what} is one answer");
        assert!((500..most).contains(&weight.bytes), "{what}: {} bytes", weight.bytes);
    };
    light("the room before joining", &path, MOST_BYTES).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    light("the room with a place", &path, MOST_BYTES).await;
    for tag in languages::tags() {
        let path = format!("{path}?lang={tag}");
        light(&format!("the room with a place, {tag}"), &path, MOST_BYTES).await;
    }
    page.go(&format!("{path}?lang=en")).await;
    ana.confirm(&anas).await;
    page.shows("It is your turn").await;
    light("your turn", &path, MOST_BYTES).await;
    light("the checkout", &format!("{path}/checkout"), MOST_BYTES).await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    light("the receipt", &format!("{path}/receipt"), MOST_BYTES).await;
    light("a problem", "/s/nowhere", MOST_BYTES).await;
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn on_a_slow_phone_the_place_shows_within_two_seconds_of_the_first_byte() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;

    page.browser.cdp("Network.enable", json!({})).await;
    page.browser.cdp("Network.setCacheDisabled", json!({ "cacheDisabled": true })).await;
    // Slow 3G as Chromium has it: 400 ms there and back, 400 kbit/s.
    let slow = json!({ "offline": false, "latency": 400, "downloadThroughput": 50_000,
                       "uploadThroughput": 50_000 });
    page.browser.cdp("Network.emulateNetworkConditions", slow).await;
    page.reload().await;
    page.reads("[data-f=position]", "1").await;
    // The place is written by the server: it is there with the largest of the first paints.
    let script = "const done = arguments[0];
        const nav = performance.getEntriesByType('navigation')[0];
        new PerformanceObserver((list) => {
            const painted = Math.max(...list.getEntries().map((entry) => entry.startTime));
            done([nav.responseStart, painted, nav.responseEnd, nav.transferSize]);
        }).observe({ type: 'largest-contentful-paint', buffered: true });";
    let told = page.browser.client.execute_async(script, vec![]).await.unwrap();
    let [first, painted, last, bytes] = [0, 1, 2, 3].map(|n| told[n].as_f64().unwrap());
    tell(&format!(
        "weight: on slow 3G the place shows {:.0} ms after the first byte; {bytes:.0} bytes came in {:.0} ms",
        painted - first,
        last - first
    ));
    assert!(painted - first < PLACE_WITHIN.as_secs_f64() * 1e3, "{told}");
    assert!(last >= 400.0, "the network is slow: {told}");
    page.leave_quietly().await;
}

#[tokio::test]
async fn what_is_short_and_hot_is_not_compressed_and_what_is_long_is() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let zipped = async |request: reqwest::RequestBuilder| {
        let answer = Answer::of(request.header("accept-encoding", "gzip, br")).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        answer.header("content-encoding") == "gzip"
    };
    let get = |path: &str| shop.request(reqwest::Method::GET, path);
    assert!(zipped(get(&room(&sale)).header("accept", "text/html")).await);
    assert!(zipped(get("/docs")).await);
    assert!(!zipped(get(&format!("/api/v1/sales/{}", sale.slug))).await);
    assert!(!zipped(sale.join_request()).await, "a join");
    let ana = sale.join().await;
    assert!(!zipped(ana.request(reqwest::Method::GET, &ana.path(""))).await, "a poll");
    for list in ["/orders.csv", "/audit"] {
        let ask = shop.operator(reqwest::Method::GET, &sale.path(list));
        assert!(zipped(ask).await, "{list}");
    }
}
