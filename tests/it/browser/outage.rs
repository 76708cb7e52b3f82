//! What the page says and does when nothing comes any more.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::browser::page::{Page, room};
use crate::support::process::{Running, settings, shop_of};
use crate::support::{Gateway, Place, Shop, eventually};

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
async fn a_line_on_a_bad_network_goes_from_socket_to_events_to_polling_and_back_by_itself() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let page = Page::recording(&shop).await;
    page.may_break_sockets().await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    let ticket = format!("/tickets/{}", page.ticket().await);
    // As behind a proxy that knows no WebSockets, and then one that holds streams back as well.
    for (broken, missing, notice, way) in [
        (false, &[][..], "By a socket", "/live"),
        (true, &[][..], "By events", "/events"),
        (true, &["/events"][..], "By polling", ""),
    ] {
        page.browser.traffic().await;
        page.break_sockets(broken).await;
        page.block(missing).await;
        page.reload().await;
        page.reads("[data-f=position]", "1").await;
        page.mark().await;
        shop.tell(&sale.path("/notices"), json!({ "text": notice })).await;
        page.shows_within(RECONNECTED, notice).await;
        let least = if way.is_empty() { 8 } else { 1 };
        let answered = answered(&page, &format!("{ticket}{way}"), least).await;
        if way.is_empty() {
            // Asked for once a second, and never in step: a crowd must not come back in one wave.
            let gaps: Vec<f64> = answered.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, most) = gaps
                .iter()
                .fold((f64::MAX, 0.0_f64), |(least, most), gap| (least.min(*gap), most.max(*gap)));
            assert!(least > 0.5 && most - least > 0.01, "{gaps:?}");
        }
        assert!(page.is_still_marked().await);
    }
    // The network is good again: nobody has to reload.
    page.browser.traffic().await;
    page.break_sockets(false).await;
    answered(&page, &format!("{ticket}/live"), 1).await;
    ana.release(&anas).await;
    page.shows_within(RECONNECTED, "It is your turn").await;
    assert!(page.is_still_marked().await);
    page.leave_with_failed_requests().await;
}

/// When requests to addresses that end so were answered, in seconds.
fn times(traffic: &[Value], end: &str) -> Vec<f64> {
    let ids = |method: &str, url: fn(&Value) -> &Value| -> HashSet<String> {
        let told = traffic.iter().filter(|it| it["method"] == method);
        let fit =
            told.filter(|it| url(&it["params"]).as_str().is_some_and(|url| url.ends_with(end)));
        fit.map(|it| it["params"]["requestId"].to_string()).collect()
    };
    let mut wanted = ids("Network.requestWillBeSent", |it| &it["request"]["url"]);
    wanted.extend(ids("Network.webSocketCreated", |it| &it["url"]));
    // A stream is answered with each of its events.
    let answers = [
        "Network.responseReceived",
        "Network.webSocketHandshakeResponseReceived",
        "Network.eventSourceMessageReceived",
    ]
    .map(Value::from);
    let answered = traffic.iter().filter(|it| answers.contains(&it["method"]));
    let answered = answered.filter(|it| wanted.contains(&it["params"]["requestId"].to_string()));
    answered.map(|it| it["params"]["timestamp"].as_f64().unwrap()).collect()
}

/// The same of a page, once there are as many.
async fn answered(page: &Page, end: &str, least: usize) -> Vec<f64> {
    let (deadline, mut traffic) = (Instant::now() + RECONNECTED, Vec::new());
    loop {
        traffic.extend(page.browser.traffic().await);
        let times = times(&traffic, end);
        if times.len() >= least {
            return times;
        }
        assert!(Instant::now() < deadline, "{end} is answered only at {times:?}: {traffic:#?}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_phone_that_slept_shows_the_place_of_now_when_it_wakes() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let anas = ana.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "2").await;
    page.mark().await;
    let sleeps = |state: &str| json!({ "state": state });
    page.browser.cdp("Page.setWebLifecycleState", sleeps("frozen")).await;
    ben.leave().await;
    ana.confirm(&anas).await;
    eventually("the sleeper is admitted", async || {
        sale.stats().await["tokens"]["held"] == 1 && sale.stats().await["waiting"] == 0
    })
    .await;
    page.browser.cdp("Page.setWebLifecycleState", sleeps("active")).await;
    page.shows("It is your turn").await;
    assert!(page.is_still_marked().await, "the same page, not a new one");
    page.leave_with_failed_requests().await; // Its socket ended in its sleep.
}

/// As after a sleep in which the network went away: the socket looks open, and nobody is at its other end.
#[tokio::test]
async fn a_socket_that_does_not_answer_after_a_sleep_is_given_up() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::of(&shop).await;
    let dead = "window.opened = 0; const Real = window.WebSocket;
        window.WebSocket = function (...of) {
            window.opened += 1;
            if (window.opened > 1) return new Real(...of);
            return { readyState: 1, send() {}, close() {} };
        };";
    page.before_scripts(dead).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    page.mark().await;
    page.run("document.dispatchEvent(new Event('visibilitychange'))").await;
    shop.tell(&sale.path("/notices"), json!({ "text": "Good morning" })).await;
    page.shows("Good morning").await;
    assert!(page.run("return window.opened").await.as_u64().unwrap() > 1);
    assert!(page.is_still_marked().await);
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_gateway_that_is_killed_while_somebody_watches_costs_no_place() {
    let place = Place::fresh().await;
    let mut settings = settings(&place);
    let gateway = Running::start(&settings).await;
    gateway.ready().await;
    let address = gateway.base.strip_prefix("http://").unwrap().to_owned();
    let shop = shop_of(&gateway, place.clone()).await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Live").await;
    sale.join().await;
    page.reads("[data-f=behind]", "1").await;
    let ticket = page.ticket().await;
    page.mark().await;

    gateway.end("-KILL").await;
    page.shows("Your place is kept while we reconnect.").await;
    page.reads("[data-f=position]", "1").await;
    settings.retain(|(name, _)| *name != "ROPELINE_LISTEN");
    settings.push(("ROPELINE_LISTEN", address));
    let again = Running::start(&settings).await;
    again.ready().await;
    page.shows_within(RECONNECTED, "Live").await;
    page.reads("[data-f=position]", "1").await;
    assert_eq!(page.ticket().await, ticket);
    ana.release(&anas).await;
    page.shows_within(RECONNECTED, "It is your turn").await;
    assert!(page.is_still_marked().await, "it reconnected, it was not reloaded");
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn the_first_retry_waits_as_long_as_the_server_said_and_later_ones_by_chance() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::of(&shop).await;
    let fake = "
        window.WebSocket = class {
            constructor() { window.fake = this; this.readyState = 1; }
            send() {} close() {}
        };
        window.waits = [];
        const real = window.setTimeout.bind(window);
        window.setTimeout = (what, ms) => { window.waits.push(ms); return real(what, ms); };";
    page.before_scripts(fake).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    let tell = "const state = JSON.parse(document.getElementById('room').dataset.ticket);
        state.reconnect_after_ms = 23;
        window.first = window.fake;
        window.fake.onmessage({ data: JSON.stringify(state) });";
    let lose = "window.waits = [];
        window.fake.onclose({ code: 1006, reason: '' });
        return window.waits";
    page.run(tell).await;
    assert_eq!(page.run(lose).await, json!([23]), "the server's spread");
    eventually("it connects again", async || {
        page.run("return window.fake !== window.first").await == true
    })
    .await;
    // Nothing came over the second one: this is no loss of what was open.
    let waits = page.run(lose).await;
    assert!(waits[0] != 23 && waits[0].as_f64().unwrap() < 1_000.0, "{waits}");
    page.leave_quietly().await;
}
