//! Not a test: photographs every page in every state, wide and narrow, light and dark, into the folder
//! that `ROPELINE_PICTURES` names. `scripts/screenshots` runs it.

use futures_util::StreamExt;
use serde_json::json;

use crate::browser::camera::Camera;
use crate::browser::page::room;
use crate::health::setup_status::OwnStores;
use crate::support::{ADMIN_KEY, Gateway, Sale, Shop, Shopper, eventually};

/// Shoppers in front of and behind the one in the pictures of a busy sale.
const IN_FRONT: usize = 1_500;
const BEHIND: usize = 900;
/// Shoppers who are in the checkout at a time.
const THINKING: usize = 40;

async fn crowd(sale: &Sale<'_>, size: usize) -> Vec<Shopper> {
    let joining = (0..size).map(|_| sale.join());
    futures_util::stream::iter(joining).buffered(16).collect().await
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_a_room_without_units_of_a_full_line_and_of_a_browser_without_cookies() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let settings = json!({ "name": "Winter boots, size 42", "max_waiting": 1 });
    let sale = shop.open_sale(4, settings).await;
    let taken = shop.tell(&sale.path("/withdrawals"), json!({ "count": 4 })).await;
    assert_eq!(taken.status, 201, "{}", taken.text);
    let notice = json!({ "text": "We restock at noon. Thank you for your patience." });
    shop.tell(&sale.path("/notices"), notice).await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("No units are on offer", "sale-no-units").await;
    camera.page.browser.cdp("Network.clearBrowserCookies", json!({})).await;
    camera.page.press("Join the line").await;
    camera.take_when("keeps no cookies", "problem-no-cookies").await;
    sale.join().await;
    eventually("the line is full", async || sale.facts().await["joins"] == "line_full").await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("as long as it may get", "sale-line-full").await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_the_room_before_joining() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let sale = shop.sale(json!({ "name": "Winter boots, size 42" })).await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("Join the line", "sale-no-start").await;
    let sale = shop
        .sale(json!({ "name": "Winter boots, size 42", "starts_at": "2099-11-27T12:00:00Z" }))
        .await;
    sale.seed(500).await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("Join the line", "sale-scheduled").await;
    camera.page.press("Join the line").await;
    camera.take_when("Starts on", "ticket-scheduled").await;

    let settings = json!({ "name": "Winter boots, size 42", "max_in_checkout": 2 });
    let sale = shop.open_sale(4, settings).await;
    let shoppers = crowd(&sale, 5).await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("Join the line", "sale-open").await;
    sale.steer("pause").await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("The sale is paused", "sale-paused").await;
    sale.steer("resume").await;
    for shopper in &shoppers[..2] {
        shopper.confirm(&shopper.hold().await).await;
    }
    shoppers[3].hold().await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("All units are being checked out", "sale-all-held").await;
    for shopper in &shoppers[2..4] {
        shopper.confirm(&shopper.hold().await).await;
    }
    sale.becomes("sold_out").await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("Every unit has been sold", "sale-sold-out").await;
    sale.steer("close").await;
    camera.page.go(&room(&sale)).await;
    camera.take_when("This sale has ended", "sale-closed").await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_the_room_in_other_languages_and_with_a_look_of_its_own() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let settings = json!({ "name": "Winterstiefel, Größe 42", "max_in_checkout": 1,
                           "brand_name": "Schuhhaus Lindt", "accent_colour": "#b62e26" });
    let sale = shop.open_sale(40, settings).await;
    crowd(&sale, 60).await;
    camera.page.go(&format!("{}?lang=de", room(&sale))).await;
    camera.take_when("Jetzt anstellen", "sale-open-de").await;
    camera.page.press("Jetzt anstellen").await;
    camera.take_when("Live", "ticket-waiting-de").await;
    camera.page.go(&format!("{}?lang=ar", room(&sale))).await;
    camera.page.shows("60").await;
    camera.take("ticket-waiting-ar").await;
}

/// When the last of each window is admitted the first has thought enough: most buy, some do not.
async fn serve<'a>(turns: impl Iterator<Item = (usize, &'a [Shopper])>) {
    for (count, window) in turns {
        window[THINKING - 1].hold().await;
        let hold = window[0].hold().await;
        match count % 5 {
            4 => window[0].release(&hold).await,
            _ => window[0].confirm(&hold).await,
        };
    }
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_a_busy_sale() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    let settings = json!({ "name": "Winter boots, size 42",
                           "max_in_checkout": 80, "batch_size": 5, "admit_interval_ms": 500 });
    let sale = shop.open_sale(1_200, settings).await;
    let front = crowd(&sale, IN_FRONT).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    crowd(&sale, BEHIND).await;
    let mut turns = front.windows(THINKING).enumerate();
    serve(turns.by_ref().take(180)).await;
    page.shows("Estimated wait").await;
    page.press("Where these numbers come from").await;
    camera.take("ticket-waiting-busy").await;
    page.press("Where these numbers come from").await;
    camera.portrait("room", (1280, 800), 2).await;
    camera.portrait("room-phone", (390, 760), 2).await;

    page.resize(1280, 900).await;
    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    // Long enough that its charts have something to show.
    for _ in 0..15 {
        crowd(&sale, 4).await;
        serve(turns.by_ref().take(16)).await;
    }
    camera.take("console-busy").await;
    camera.portrait("console", (1280, 900), 1).await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_a_shopper_from_the_line_to_the_receipt() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    let settings = json!({ "name": "Winter boots, size 42", "max_in_checkout": 20,
                           "batch_size": 2, "admit_interval_ms": 400 });
    let sale = shop.open_sale(200, settings).await;
    let mut before = crowd(&sale, 120).await.into_iter();
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    let behind = crowd(&sale, 60).await;
    // Enough are served that a wait can be estimated.
    for shopper in before.by_ref().take(60) {
        shopper.confirm(&shopper.hold().await).await;
    }
    camera.take_when("Estimated wait", "ticket-waiting").await;
    page.press("Continue on another device").await;
    camera.take("ticket-waiting-move").await;
    page.press("Make a link").await;
    camera.take_when("The link works once", "ticket-waiting-link").await;
    let notice = "Size 41 and 43 go on sale tomorrow at noon.";
    shop.tell(&sale.path("/notices"), json!({ "text": notice })).await;
    sale.steer("pause").await;
    page.press("Leave the line").await;
    camera.take_when("The sale is paused", "ticket-waiting-paused-notice").await;
    shop.tell(&sale.path("/notices"), json!({ "text": null })).await;
    page.set_offline(true).await;
    camera.take_when("while we reconnect", "ticket-waiting-old").await;
    page.set_offline(false).await;
    sale.steer("resume").await;
    for shopper in before {
        shopper.confirm(&shopper.hold().await).await;
    }
    camera.take_when("It is your turn", "ticket-admitted").await;
    page.press("Go to checkout").await;
    page.shows("is held for you").await;
    page.fill("payment_reference", "visa 4711").await;
    camera.take("checkout").await;
    page.press("I do not want it").await;
    camera.take("checkout-give-back").await;
    page.press("Buy now").await;
    camera.take_when("Keep this page", "receipt").await;
    page.go(&room(&sale)).await;
    camera.take_when("It is yours", "ticket-confirmed").await;

    page.go("/admin/login").await;
    camera.take("console-login").await;
    page.fill("api_key", "wrong").await;
    page.press("Log in").await;
    camera.take_when("This is not an operator", "console-login-refused").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    page.shows("Live.").await;
    for shopper in behind.iter().take(25) {
        shopper.confirm(&shopper.hold().await).await;
    }
    camera.take("console").await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_every_other_end() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    let settings = json!({ "name": "Winter boots, size 42", "checkout_window_seconds": 30 });
    let sale = shop.open_sale(1, settings.clone()).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.press("Go to checkout").await;
    camera.page.shows("is held for you").await;
    page.press("I do not want it").await;
    page.press("Give it back").await;
    camera.take_when("You gave your unit back", "ticket-released").await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    page.press("Join again").await;
    camera.take_when("All units are being checked out", "ticket-waiting-all-held").await;
    page.press("Leave the line").await;
    page.press("Yes, give up my place").await;
    camera.take_when("You left the line", "ticket-left").await;
    page.press("Join again").await;
    page.shows("Your place in line").await;
    ana.confirm(&anas).await;
    camera.take_when("the line has ended", "ticket-sold-out").await;

    let settings = json!({ "name": "Winter boots, size 42", "checkout_window_seconds": 5,
                           "expiry_grace_seconds": 15 });
    let sale = shop.open_sale(1, settings).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.press("Go to checkout").await;
    camera.take_when("Your time is up", "checkout-over").await;
    page.go(&room(&sale)).await;
    camera.take_when("Your time to check out has ended", "ticket-expired").await;

    let sale = shop.open_sale(1, json!({ "name": "Winter boots, size 42" })).await;
    sale.join().await.hold().await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Your place in line").await;
    let gone = sale.path(&format!("/tickets/{}", page.ticket().await));
    shop.operator(reqwest::Method::DELETE, &gone).send().await.unwrap();
    camera.take_when("You were taken out", "ticket-removed").await;
    page.browser.client.delete_all_cookies().await.unwrap();
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Your place in line").await;
    sale.steer("close").await;
    camera.take_when("The seller closed this sale", "ticket-closed").await;
    let sale = shop.open_sale(1, json!({ "name": "Winter boots, size 42" })).await;
    let ana = sale.join().await;
    let made = ana.request(reqwest::Method::POST, &ana.path("/move"));
    let made = crate::support::Answer::of(made).await;
    page.go(&format!("{}/move/{}", room(&sale), made.body["code"].as_str().unwrap())).await;
    camera.take_when("Continue on this device?", "move").await;
    page.press("Yes, continue here").await;
    page.press("Continue on another device").await;
    page.press("Make a link").await;
    page.shows("/move/").await;
    let link: reqwest::Url = page.read("[data-link]").await.parse().unwrap();
    let taken =
        shop.request(reqwest::Method::POST, link.path()).header("cookie", "ropeline-keeps=1");
    taken.send().await.unwrap();
    camera.take_when("This place was moved", "ticket-moved").await;
    page.go("/s/nowhere").await;
    camera.take("problem").await;
    page.go("/docs").await;
    page.shows("Create a sale").await; // Swagger UI renders it.
    camera.take("docs").await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_the_console() {
    let shop = Shop::open().await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    camera.take_when("Create a sale", "console-empty").await;
    page.fill("create-name", "Winter boots, size 42").await;
    page.fill("create-slug", "winter boots").await;
    page.without_form_checks().await;
    page.press("Create the sale").await;
    page.changes("#create-slug-error", "").await;
    camera.take("console-create-refused").await;
    page.fill("create-slug", "winter-boots").await;
    page.press("Create the sale").await;
    camera.take_when("The sale is made.", "console-new").await;
    page.fill("seed-count", "500").await;
    page.press("Add units").await;
    page.press("Open now").await;
    page.shows("it was not opened").await;
    page.run("document.getElementById('opens-unready').click()").await;
    page.press("Open now").await;
    page.shows("The sale is open.").await;
    page.press("Pause").await;
    camera.take_when("Admissions are paused.", "console-paused").await;
    page.press("Close the sale").await;
    page.fill("close-slug", "summer").await;
    page.press("Close the sale for good").await;
    camera.take_when("Type winter-boots, the sale's slug", "console-close-refused").await;
    page.fill("close-slug", "winter-boots").await;
    page.press("Close the sale for good").await;
    camera.take_when("The sale is closed.", "console-closed").await;

    let sold = shop.open_sale(1, json!({ "name": "Blue lamp" })).await;
    let ana = sold.join().await;
    ana.confirm(&ana.hold().await).await;
    shop.sale(json!({ "name": "Spring tickets", "starts_at": "2099-03-01T09:00:00Z" })).await;
    let open = shop.open_sale(3, json!({ "name": "Concert, front rows" })).await;
    crowd(&open, 12).await;
    eventually("three are admitted", async || open.stats().await["tokens"]["held"] == 3).await;
    page.go("/admin").await;
    camera.take_when("Concert", "console-sales").await;
}

#[tokio::test]
#[ignore = "takes pictures; see scripts/screenshots"]
async fn of_the_console_in_every_state() {
    let mut own = OwnStores::start("pictures").await;
    let shop = Shop::at(own.place.clone(), false).await;
    let second = Gateway::start(&own.place, false).await;
    let camera = Camera::at(&shop).await;
    let page = &camera.page;
    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    camera.take_when("There is no sale yet.", "console-none").await;
    let settings = json!({ "name": "Winter boots, size 42", "slug": "winter-boots",
                           "max_in_checkout": 20, "batch_size": 2, "admit_interval_ms": 400 });
    let sale = shop.sale(settings).await;
    page.go("/admin/sales/winter-boots").await;
    camera.take_when("Live.", "console-empty").await;
    sale.seed(300).await;
    sale.steer("open").await;
    let shoppers = crowd(&sale, 160).await;
    for (count, window) in shoppers.windows(10).enumerate().take(70) {
        let hold = window[0].hold().await;
        match count % 5 {
            4 => window[0].release(&hold).await,
            _ => window[0].confirm(&hold).await,
        };
    }
    page.go("/admin/sales/winter-boots").await;
    camera.take_when("All is well", "console-running").await;
    page.go(&format!("/admin/sales/winter-boots/tickets/{}", shoppers[0].ticket)).await;
    camera.take_when("What happened", "console-ticket").await;
    page.go(&format!("/admin/sales/winter-boots/tickets/{}", shoppers[159].ticket)).await;
    camera.take_when("Remove from the line", "console-ticket-waiting").await;
    let more = json!({ "name": "Spring jackets", "starts_at": "2099-03-01T10:00:00Z" });
    let other = shop.sale(more).await;
    other.seed(250).await;
    page.go("/admin").await;
    camera.take_when("Spring jackets", "console-sales").await;
    page.fill("create-name", "Summer hats").await;
    page.fill("create-units", "500").await;
    page.fill("create-expected_shoppers", "20000").await;
    camera.take_when("Of the 20,000 in line", "console-preview").await;
    sale.steer("pause").await;
    page.go("/admin/sales/winter-boots").await;
    page.press("Close the sale").await;
    camera.take_when("is paused: nobody is let in.", "console-paused").await;
    sale.steer("resume").await;
    own.stores.kill_redis().await.unwrap();
    second.tell_to_stop();
    camera.take_when("Redis does not answer", "console-trouble").await;
    page.run("scrollTo(0, 0)").await;
    camera.portrait("console-phone", (390, 760), 2).await;
    own.stores.start_redis().await.unwrap();
    page.shows("All is well").await;
    sale.steer("close").await;
    page.go("/admin/sales/winter-boots").await;
    camera.take_when("Nobody joins and nobody is let in.", "console-closed").await;
    shop.gateway.stop().await;
    own.stop().await;
}
