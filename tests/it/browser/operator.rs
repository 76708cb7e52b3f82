//! What an operator does in the console, told before it is done and guarded where it cannot be undone.

use fantoccini::key::Key;
use serde_json::json;

use crate::browser::console::logged_in;
use crate::browser::page::Page;
use crate::reports::exports::nobody_joins_any_more;
use crate::support::{ADMIN_KEY, Shop};

/// Presses keys, wherever the focus is.
async fn type_keys(page: &Page, keys: &str) {
    for key in keys.chars() {
        let key = match key {
            '\t' => char::from(Key::Tab),
            '\n' => char::from(Key::Enter),
            other => other,
        };
        let focused = page.browser.client.active_element().await.unwrap();
        focused.send_keys(&key.to_string()).await.unwrap();
    }
}

/// Goes through the page by the Tab key, and says what bears the focus on the way.
async fn tab_through(page: &Page) -> Vec<String> {
    const MOST: usize = 150;
    page.run("document.activeElement.blur(); window.getSelection().removeAllRanges()").await;
    let mut reached = Vec::new();
    for _ in 0..MOST {
        type_keys(page, "\t").await;
        let text = page.run("return document.activeElement.innerText || ''").await;
        reached.push(text.as_str().unwrap().trim().to_owned());
    }
    reached
}

#[tokio::test]
async fn a_pace_is_told_before_it_is_taken_with_and_without_a_script() {
    let shop = Shop::open().await;
    let settings = json!({ "batch_size": 10, "admit_interval_ms": 1000 });
    let sale = shop.sale(settings).await;
    sale.seed(100).await;
    for _ in 0..20 {
        sale.join().await;
    }
    nobody_joins_any_more(&sale).await;
    let path = format!("/admin/sales/{}", sale.slug);
    let forecast = "form[data-plan] [data-forecast]";
    let page = logged_in(&shop).await;
    page.go(&path).await;
    page.mark().await;
    page.shows("The last of the 20 in line waits about 2 seconds.").await;
    page.fill("pace-batch_size", "1").await;
    page.fill("pace-admit_interval_ms", "10000").await;
    page.shows("The last of the 20 in line waits about 3 minutes.").await;
    page.fill("pace-batch_size", "0").await;
    page.shows("Batch size must be from 1 to 100.").await;
    assert!(page.is_still_marked().await, "it is told without a new page");
    page.go("/admin").await;
    page.fill("create-units", "100").await;
    page.fill("create-expected_shoppers", "5000").await;
    page.shows("Of the 5,000 in line about").await;
    page.leave_with_failed_requests().await;

    let page = Page::without_script(&shop).await;
    page.go("/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Create a sale").await;
    page.fill("create-units", "100").await;
    page.fill("create-expected_shoppers", "5000").await;
    page.press("What would that do?").await;
    page.shows("Of the 5,000 in line about").await;
    assert_eq!(page.value("create-expected_shoppers").await, "5000");
    page.go(&path).await;
    page.fill("pace-batch_size", "1").await;
    page.fill("pace-admit_interval_ms", "10000").await;
    page.press("What would that do?").await;
    page.changes(forecast, "").await;
    page.shows("The last of the 20 in line waits about 3 minutes.").await;
    assert_eq!(page.value("pace-batch_size").await, "1", "what was typed is kept");
    assert_eq!(shop.ask(&sale.path("")).await.body["batch_size"], 10, "nothing was changed");
    page.press("Change the pace").await;
    page.shows("The pace is changed").await;
    assert_eq!(shop.ask(&sale.path("")).await.body["batch_size"], 1);
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn what_cannot_be_undone_asks_for_the_name() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({})).await;
    sale.steer("pause").await;
    let ana = sale.join().await;
    let page = logged_in(&shop).await;
    let path = format!("/admin/sales/{}", sale.slug);
    let told = "this cannot be undone";
    page.go(&path).await;
    page.press("Take units out").await;
    page.fill("withdraw-count", "2").await;
    page.fill("withdraw-slug", "another").await;
    page.press("Take out").await;
    page.shows(told).await;
    assert_eq!(sale.stats().await["tokens"]["withdrawn"], 0);
    page.fill("withdraw-slug", &sale.slug).await;
    page.press("Take out").await;
    page.shows("The units are taken out.").await;
    assert_eq!(sale.stats().await["tokens"]["withdrawn"], 2);

    page.go(&format!("{path}/tickets/{}", ana.ticket)).await;
    page.fill("remove-slug", "another").await;
    page.press("Remove from the line").await;
    page.shows(told).await;
    assert_eq!(ana.poll().await.body["state"], "waiting");
    page.fill("remove-slug", &sale.slug).await;
    page.press("Remove from the line").await;
    page.shows("The ticket is out of the line.").await;
    ana.becomes("removed").await;
    assert!(!page.offers("Remove from the line").await);
    page.go(&path).await;
    page.shows("remove").await;
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn the_schedule_and_the_limits_are_changed_from_the_console() {
    let shop = Shop::open().await;
    let more = json!({ "starts_at": "2099-11-27T12:00:07.5Z", "hide_stock": true });
    let sale = shop.sale(more).await;
    let path = format!("/admin/sales/{}", sale.slug);
    let page = logged_in(&shop).await;
    page.go(&path).await;
    page.fill("settings-max_waiting", "5000").await;
    page.fill("settings-checkout_window_seconds", "300").await;
    page.run("document.getElementById('settings-ends_at').value = '2099-11-28T10:30'").await;
    page.run("document.getElementById('settings-hide_stock').click()").await;
    page.press("Save the settings").await;
    page.shows("The settings are changed.").await;
    let now = shop.ask(&sale.path("")).await.body;
    assert_eq!(now["starts_at"], "2099-11-27T12:00:07.5Z", "what was not touched stays exact");
    assert_eq!(now["ends_at"], "2099-11-28T10:30:00Z");
    assert_eq!((&now["max_waiting"], &now["checkout_window_seconds"]), (&json!(5000), &json!(300)));
    assert_eq!(now["hide_stock"], false);
    page.run("document.getElementById('settings-ends_at').value = '2098-01-01T10:30'").await;
    page.press("Save the settings").await;
    page.changes("#settings-ends_at-error", "").await;
    let audit = shop.ask(&sale.path("/audit")).await.body;
    assert_eq!(audit["items"][0]["action"], "change");
    assert_eq!(audit["items"][0]["detail"]["max_waiting"], 5000, "{audit}");
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_sale_is_made_with_its_units_from_a_phone_by_keyboard_alone() {
    let shop = Shop::open().await;
    let page = logged_in(&shop).await;
    page.resize(390, 844).await;
    page.without_form_checks().await;
    // Every field in its order, with nothing but the keyboard.
    page.run("document.getElementById('create-name').focus()").await;
    let keys = "Evening drop\tevening\t";
    type_keys(&page, keys).await;
    page.run("document.getElementById('create-units').focus()").await;
    type_keys(&page, "12\n").await;
    page.shows("The sale is made.").await;
    page.reads("[data-f=available]", "12").await;
    // What can be reached by the Tab key is everything that can be pressed or typed into.
    let reached = tab_through(&page).await;
    for wanted in ["Open now", "Whole sale", "Change the pace", "Find", "Save the settings", "Send"]
    {
        assert!(reached.iter().any(|text| text == wanted), "{wanted}: {reached:?}");
    }
    page.fits_at_widths("a new sale").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn one_shopper_is_found_by_ticket_order_or_reference() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let ana = sale.join().await;
    let order =
        ana.confirm(&ana.hold().await).await.body["order"]["id"].as_str().unwrap().to_owned();
    let ben = sale.join().await;
    ben.confirm(&ben.hold().await).await;
    let page = logged_in(&shop).await;
    page.resize(390, 844).await;
    let path = format!("/admin/sales/{}", sale.slug);
    for known in [&ana.ticket, &order] {
        page.go(&path).await;
        page.fill("find-q", known).await;
        page.press("Find").await;
        page.shows("\"It is yours\", with the receipt.").await;
        page.shows(&format!("Bought it: order {order}, payment reference card-1.")).await;
        page.fits_the_screen("a ticket's story").await;
    }
    page.go(&path).await;
    page.fill("find-q", "nobody").await;
    page.press("Find").await;
    page.changes("#find-q-error", "").await;
    // Both bought with the same reference.
    page.fill("find-q", "card-1").await;
    page.press("Find").await;
    page.press(&ben.ticket).await;
    page.shows("Bought it").await;
    assert_eq!(page.path().await, format!("{path}/tickets/{}", ben.ticket));
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_payment_that_fits_no_order_is_shown_until_somebody_says_what_was_done() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let ana = sale.join().await;
    let path = format!("/api/v1/holds/{}/confirm", ana.hold().await);
    for reference in ["pi_first", "pi_second"] {
        let request = shop.request(reqwest::Method::POST, &path).bearer_auth(ADMIN_KEY);
        let paid =
            crate::support::Answer::of(request.json(&json!({ "payment_reference": reference })));
        assert_eq!(paid.await.status, 200);
    }
    let page = logged_in(&shop).await;
    page.resize(390, 844).await;
    let path = format!("/admin/sales/{}", sale.slug);
    page.go(&path).await;
    page.shows("Payments that need a person").await;
    page.shows("A second payment for this order, which has pi_first.").await;
    page.fits_the_screen("payments that need a person").await;
    page.without_form_checks().await;
    page.press("Mark as dealt with").await;
    page.shows("Must say what was done").await;
    page.fill("note-1", "refunded at the provider").await;
    page.press("Mark as dealt with").await;
    page.shows("The payment is marked as dealt with.").await;
    page.lacks("Payments that need a person").await;
    page.go(&format!("{path}/tickets/{}", ana.ticket)).await;
    page.shows("admin-key dealt with pi_second: refunded at the provider").await;
    page.leave_with_failed_requests().await;
}
