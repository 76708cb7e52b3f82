//! The operator's console, from the log-in to the close.

use serde_json::json;

use crate::browser::page::{Page, room};
use crate::support::{ADMIN_KEY, Shop};

pub async fn logged_in(shop: &Shop) -> Page {
    let page = Page::at(shop, "/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Create a sale").await;
    page
}

#[tokio::test]
async fn only_the_key_opens_the_console_and_logging_out_closes_it() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let inside = format!("/admin/sales/{}", sale.slug);
    let page = Page::of(&shop).await;
    for path in ["/admin", inside.as_str()] {
        page.go(path).await;
        page.shows("API key").await;
        assert_eq!(page.path().await, "/admin/login", "{path} is not for strangers");
    }
    page.fill("api_key", "not the operator's key").await;
    page.press("Log in").await;
    page.shows("This is not an operator's API key.").await;
    page.go("/admin").await;
    assert_eq!(page.path().await, "/admin/login");

    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Create a sale").await;
    page.press("A sale").await;
    page.shows("Life of the sale").await;
    page.press("Log out").await;
    page.go(&inside).await;
    page.shows("API key").await;
    assert_eq!(page.path().await, "/admin/login");
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn an_operator_runs_a_whole_sale_from_the_console() {
    let shop = Shop::open().await;
    let page = logged_in(&shop).await;
    page.fill("create-name", "Evening drop").await;
    page.fill("create-slug", "evening").await;
    page.press("Create the sale").await;
    page.shows("The sale is made.").await;
    page.fill("seed-count", "1234").await;
    page.press("Add units").await;
    page.shows("The units are added.").await;
    page.reads("[data-f=available]", "1,234").await;
    page.press("Open now").await;
    page.shows("it was not opened").await;
    page.shows("The gateway does not know its public address.").await;
    page.run("document.getElementById('opens-unready').click()").await;
    page.press("Open now").await;
    page.shows("The sale is open.").await;

    let facts = shop.get("/api/v1/sales/evening").await.body;
    let sale = crate::support::Sale {
        shop: &shop,
        id: facts["id"].as_str().unwrap().into(),
        slug: "evening".into(),
    };
    page.mark().await;
    page.shows("Live.").await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    page.reads("[data-f=held]", "1").await;
    page.reads("[data-f=available]", "1,233").await;
    ana.confirm(&anas).await;
    page.reads("[data-f=sold]", "1").await;
    page.shows("Seeded 1,234 = available 1,233 + held 0 + sold 1 + withdrawn 0").await;
    assert!(page.is_still_marked().await, "the numbers change without a reload");

    page.press("Pause").await;
    page.shows("Admissions are paused.").await;
    let ben = sale.join().await;
    page.reads("[data-f=waiting]", "1").await;
    page.fill("notice-text", "Back in a minute").await;
    page.press("Send").await;
    page.shows("Everyone in line sees the notice now.").await;
    assert_eq!(ben.poll().await.body["notice"], "Back in a minute");
    page.press("Remove by ticket").await;
    page.fill("remove-ticket", &ben.ticket).await;
    page.fill("remove-slug", "evening").await;
    page.press("Remove from the line").await;
    page.shows("The ticket is out of the line.").await;
    ben.becomes("removed").await;
    page.press("Resume").await;
    page.shows("Admissions go on.").await;

    page.press("Close the sale").await;
    page.fill("close-slug", "another").await;
    page.press("Close the sale for good").await;
    page.shows("Type evening, the sale's slug: this cannot be undone.").await;
    assert_eq!(sale.facts().await["status"], "open");
    page.fill("close-slug", "evening").await;
    page.press("Close the sale for good").await;
    page.shows("The sale is closed.").await;
    assert_eq!(sale.facts().await["status"], "closed");
    assert!(!page.offers("Open now").await && !page.offers("Add units").await);
    for done in ["create", "seed", "open", "pause", "notice", "remove", "resume", "close"] {
        page.shows(done).await;
    }
    page.leave_with_failed_requests().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn what_is_wrong_in_a_form_is_told_next_to_its_field_and_nothing_typed_is_lost() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = logged_in(&shop).await;
    // The browser's own checks would speak first.
    page.without_form_checks().await;
    page.press("All settings").await;
    page.fill("create-name", "Evening drop").await;
    page.fill("create-slug", "No Slug").await;
    page.fill("create-batch_size", "101").await;
    page.press("Create the sale").await;
    page.changes("#create-slug-error", "").await;
    page.changes("#create-batch_size-error", "").await;
    assert_eq!(page.value("create-name").await, "Evening drop");
    assert_eq!(page.value("create-batch_size").await, "101");

    page.fill("create-slug", &sale.slug).await;
    page.fill("create-batch_size", "5").await;
    page.press("Create the sale").await;
    page.hides("No Slug").await;
    page.changes("#create-slug-error", "").await;
    page.reads("#create-batch_size-error", "").await;

    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    for (field, wrong, button) in [
        ("seed-count", "0", "Add units"),
        ("pace-admit_interval_ms", "5", "Change the pace"),
        ("remove-ticket", "nobody", "Remove from the line"),
    ] {
        page.without_form_checks().await;
        if field == "remove-ticket" {
            page.press("Remove by ticket").await;
            page.fill("remove-slug", &sale.slug).await;
        }
        page.fill(field, wrong).await;
        page.press(button).await;
        page.changes(&format!("#{field}-error"), "").await;
        assert_eq!(page.value(field).await, wrong);
    }
    page.fill("pace-batch_size", "7").await;
    page.fill("pace-admit_interval_ms", "50").await;
    page.press("Change the pace").await;
    page.shows("The pace is changed").await;
    assert_eq!(page.value("pace-batch_size").await, "7");
    let shown = shop.ask(&sale.path("")).await.body;
    assert_eq!((&shown["batch_size"], &shown["admit_interval_ms"]), (&json!(7), &json!(50)));
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn a_status_that_changed_elsewhere_is_noticed_and_old_numbers_are_marked() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = logged_in(&shop).await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    page.shows("Live.").await;
    page.lacks("The status of this sale has changed.").await;
    sale.steer("pause").await;
    page.shows("The status of this sale has changed.").await;
    page.press("Show the page as it is now").await;
    page.shows("Resume").await;

    page.set_offline(true).await;
    page.shows("s old").await;
    page.lacks("Live.").await;
    page.set_offline(false).await;
    page.shows("Live.").await;
    page.press("Waiting room").await;
    assert_eq!(page.path().await, room(&sale));
    page.leave_with_failed_requests().await;
}
