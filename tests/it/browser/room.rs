//! The waiting room: from the button to the end of the line.

use reqwest::Method;
use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{Answer, Shop};

#[tokio::test]
async fn a_shopper_joins_sees_the_place_fall_buys_and_keeps_a_receipt() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(4, json!({ "name": "Blue lamp", "max_in_checkout": 1 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let anas = ana.hold().await;

    let page = Page::at(&shop, &room(&sale)).await;
    page.shows("The sale is open").await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "2").await;
    page.reads("[data-f=in_front]", "1").await;
    page.shows("Live").await;
    page.mark().await;

    ana.confirm(&anas).await;
    page.reads("[data-f=position]", "1").await;
    ben.confirm(&ben.hold().await).await;
    page.shows("It is your turn").await;
    assert!(page.is_still_marked().await, "all of this came without a reload");
    assert_eq!(page.run("return document.activeElement.innerText").await, "It is your turn");
    assert!(page.browser.client.title().await.unwrap().contains("Your turn"));
    let said = page.run("return document.querySelector('[role=status]').textContent").await;
    assert!(said.as_str().unwrap().starts_with("It is your turn."), "{said}");

    page.press("Go to checkout").await;
    page.shows("Unit 3 is held for you").await;
    page.fill("payment_reference", "card 17").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    assert_eq!(page.path().await, format!("{}/receipt", room(&sale)));
    let orders = shop.ask(&sale.path("/orders")).await.body;
    let order = orders["items"][0]["id"].as_str().unwrap();
    assert_eq!(orders["items"][0]["payment_reference"], "card 17");
    for words in [order, "Blue lamp", "card 17"] {
        page.shows(words).await;
    }

    page.go(&room(&sale)).await;
    page.shows("It is yours").await;
    assert!(page.offers("Open the receipt").await);
    assert!(!page.offers("Join the line").await);
    page.leave_quietly().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn a_reload_and_a_second_tab_keep_the_same_place() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    ana.hold().await;

    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    let ticket = page.ticket().await;
    sale.join().await;

    page.reload().await;
    page.reads("[data-f=position]", "1").await;
    assert_eq!(page.ticket().await, ticket);

    let tab = page.browser.client.new_window(true).await.unwrap().handle;
    page.browser.client.switch_to_window(tab).await.unwrap();
    page.go(&room(&sale)).await;
    page.reads("[data-f=position]", "1").await;
    page.reads("[data-f=behind]", "1").await;
    assert_eq!(page.ticket().await, ticket);
    assert_eq!(sale.stats().await["joined"], 3, "the browser joined once");
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_shopper_who_leaves_loses_the_place_and_may_join_again_at_the_end() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;

    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    let ben = sale.join().await;
    page.press("Leave the line").await;
    page.press("Yes, give up my place").await;
    page.shows("You left the line").await;
    assert_eq!(ben.poll().await.body["position"], 1);

    page.press("Join again").await;
    page.reads("[data-f=position]", "2").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_sale_that_has_not_started_takes_joins_and_lets_them_in_when_it_opens() {
    let shop = Shop::open().await;
    let far = shop.sale(json!({ "starts_at": "2099-01-01T00:00:00Z" })).await;
    let page = Page::at(&shop, &room(&far)).await;
    page.shows("Starts on Thursday, January 1, 2099").await;
    page.press("Join the line").await;
    page.shows("You are in line").await;
    assert!(page.read("[data-f=left]").await.ends_with(" days"));

    let now: jiff::Timestamp = far.facts().await["server_time"].as_str().unwrap().parse().unwrap();
    let soon = now + jiff::SignedDuration::from_mins(90);
    let sale = shop.sale(json!({ "starts_at": soon.to_string() })).await;
    sale.seed(1).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("You are in line").await;
    let left = page.read("[data-f=left]").await;
    assert!(left.starts_with("1:"), "{left}");
    page.changes("[data-f=left]", &left).await;
    page.mark().await;

    sale.steer("open").await;
    page.shows("It is your turn").await;
    assert!(page.is_still_marked().await);
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_pause_is_told_at_once_and_its_end_too() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.steer("pause").await;

    let page = Page::at(&shop, &room(&sale)).await;
    page.shows("The sale is paused. Nobody is let in").await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    page.shows("The sale is paused.").await;
    page.mark().await;

    sale.steer("resume").await;
    page.shows("It is your turn").await;
    page.lacks("The sale is paused.").await;
    assert!(page.is_still_marked().await);
    page.leave_quietly().await;
}

#[tokio::test]
async fn a_notice_appears_at_once_and_is_taken_down_again() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Your place in line").await;
    page.lacks("From the seller").await;
    page.mark().await;

    let text = "We restock at <b>noon</b> & thank you";
    shop.tell(&sale.path("/notices"), json!({ "text": text })).await;
    page.shows(&format!("From the seller: {text}")).await;
    shop.tell(&sale.path("/notices"), json!({ "text": null })).await;
    page.hides("From the seller").await;
    assert!(page.is_still_marked().await);
    page.leave_quietly().await;
}

#[tokio::test]
async fn while_the_last_units_are_held_nobody_reads_that_it_is_sold_out() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ana.confirm(&ana.hold().await).await;
    let bens = ben.hold().await;

    let newcomer = Page::at(&shop, &room(&sale)).await;
    newcomer.shows("All units are being checked out.").await;
    newcomer.shows("Some may come back from").await;
    newcomer.lacks("sold out").await;
    newcomer.press("Join the line").await;
    newcomer.shows("Your place in line").await;
    newcomer.shows("All units are being checked out.").await;
    newcomer.shows("Some may come back from").await;
    newcomer.lacks("sold out").await;

    ben.confirm(&bens).await;
    newcomer.shows("Every unit has been sold, so the line has ended.").await;
    newcomer.lacks("being checked out").await;
    assert!(!newcomer.offers("Leave the line").await);
    newcomer.leave_quietly().await;

    let late = Page::at(&shop, &room(&sale)).await;
    late.shows("Every unit has been sold. This sale takes no more people.").await;
    assert!(!late.offers("Join the line").await);
    late.leave_quietly().await;
}

#[tokio::test]
async fn a_join_that_comes_after_the_sell_out_is_told_in_the_rooms_own_words() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.shows("Join the line").await;
    let ana = sale.join().await;
    ana.confirm(&ana.hold().await).await;
    sale.becomes("sold_out").await;

    page.press("Join the line").await;
    page.shows("Every unit has been sold.").await;
    assert_eq!(page.path().await, room(&sale));
    page.leave_quietly().await;
}

#[tokio::test]
async fn who_is_removed_and_who_is_in_line_at_the_close_are_told_so() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;

    let ticket = page.ticket().await;
    let remove = shop.operator(Method::DELETE, &sale.path(&format!("/tickets/{ticket}")));
    assert_eq!(Answer::of(remove).await.status, 204);
    page.shows("You were taken out of the line").await;
    assert!(!page.offers("Join again").await);
    page.leave_quietly().await;

    let other = Page::at(&shop, &room(&sale)).await;
    other.press("Join the line").await;
    other.shows("Your place in line").await;
    sale.steer("close").await;
    other.shows("The seller closed this sale before it was your turn.").await;
    other.leave_quietly().await;
    let late = Page::at(&shop, &room(&sale)).await;
    late.shows("This sale has ended. It takes no more people.").await;
    assert!(!late.offers("Join the line").await);
    late.leave_quietly().await;
}

/// Sends the form of this button, and stops the load before anything comes back.
async fn press_and_stop(page: &Page, words: &str) {
    let script = format!(
        "const button = [...document.querySelectorAll('button')]
            .find((node) => node.checkVisibility() && node.innerText.trim() === '{words}');
        window.marked = true;
        button.form.requestSubmit(button);
        window.stop();"
    );
    page.run(&script).await;
    assert!(page.is_still_marked().await, "the load was stopped");
}

#[tokio::test]
async fn a_button_works_again_after_a_load_that_was_stopped() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    press_and_stop(&page, "Join the line").await;
    let busy = "return [...document.querySelectorAll('[aria-busy]')].length";
    assert_eq!(page.run(busy).await, 1, "a second press at once is one too many");
    let key = "return document.querySelector('[name=idempotency_key]').value";
    let before = page.run(key).await;
    crate::support::eventually("it is free again", async || page.run(busy).await == 0).await;
    assert_eq!(page.run(key).await, before, "the same key goes out again");
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    assert_eq!(sale.stats().await["joined"], 2, "it joined once");

    let console = crate::browser::console::logged_in(&shop).await;
    console.go(&format!("/admin/sales/{}", sale.slug)).await;
    press_and_stop(&console, "Pause").await;
    assert_eq!(console.run(busy).await, 1);
    crate::support::eventually("it is free again", async || console.run(busy).await == 0).await;
    console.press("Pause").await;
    console.shows("Admissions are paused.").await;
    console.leave_quietly().await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn seven_tabs_of_one_place_all_stay_true_and_none_reloads() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let ben = sale.join().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "2").await;
    page.mark().await;
    let mut tabs = vec![page.browser.client.window().await.unwrap()];
    for _ in 0..6 {
        let tab = page.browser.client.new_window(true).await.unwrap().handle;
        page.browser.client.switch_to_window(tab.clone()).await.unwrap();
        page.go(&room(&sale)).await;
        page.reads("[data-f=position]", "2").await;
        page.shows("Live").await;
        page.mark().await;
        tabs.push(tab);
    }
    // The first ones have given way by now; what happens next is seen in all.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    ben.leave().await;
    for tab in &tabs {
        page.browser.client.switch_to_window(tab.clone()).await.unwrap();
        page.reads("[data-f=position]", "1").await;
        assert!(page.is_still_marked().await, "no tab was reloaded");
    }
    page.leave_quietly().await;
}
