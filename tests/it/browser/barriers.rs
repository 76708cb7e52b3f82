//! No page in any state has a barrier that axe knows: WCAG 2.2 A and AA, light and dark, wide and narrow.

use reqwest::Method;
use serde_json::{Value, json};

use crate::browser::page::{Page, room, tell};
use crate::support::{ADMIN_KEY, Shop, eventually};

/// The rules, as a program; see `vendor/README.md`.
const AXE: &str = include_str!("vendor/axe.min.js");
/// Its version, so that a renewal is noticed.
const AXE_VERSION: &str = "4.14.1";

/// Runs every rule of the levels that are promised and brings back what is worth telling.
const RUN: &str = "
    const done = arguments[0];
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];
    axe.run(document, { runOnly: { type: 'tag', values: tags } }).then((found) => done({
        version: found.testEngine.version,
        passes: found.passes.length,
        undecided: found.incomplete.map((rule) => rule.id),
        violations: found.violations.map((rule) => ({
            rule: rule.id, help: rule.help, nodes: rule.nodes.map((node) => [node.html, node.failureSummary]),
        })),
    }), (error) => done({ error: String(error) }));";

/// The page as it is now: what axe finds in it in each way of looking at it.
pub async fn no_barrier(page: &Page, name: &str) {
    let (mut rules, mut undecided) = (0, Vec::new());
    for (width, height) in [(1280, 900), (390, 844)] {
        page.resize(width, height).await;
        for scheme in ["light", "dark"] {
            page.prefers(&[("prefers-color-scheme", scheme)]).await;
            page.browser.client.execute(AXE, vec![]).await.unwrap();
            let found = page.browser.client.execute_async(RUN, vec![]).await.unwrap();
            assert_eq!(found["version"], AXE_VERSION, "{found}");
            let violations = &found["violations"];
            let at = format!("{name}, {width} wide, {scheme}");
            assert_eq!(*violations, json!([]), "{at}: {violations:#}");
            rules = found["passes"].as_u64().unwrap();
            assert!(rules > 5, "{at}: hardly a rule had anything to look at: {found}");
            undecided.extend(found["undecided"].as_array().unwrap().iter().map(Value::to_string));
        }
    }
    undecided.sort_unstable();
    undecided.dedup();
    tell(&format!("axe: {name}: {rules} rules passed, 0 violations, undecided: {undecided:?}"));
    page.resize(1280, 900).await;
    page.prefers(&[]).await;
}

async fn no_barrier_when(page: &Page, words: &str, name: &str) {
    page.shows(words).await;
    no_barrier(page, name).await;
}

#[tokio::test]
async fn the_room_before_joining_has_no_barrier() {
    let shop = Shop::open().await;
    let page = Page::of(&shop).await;
    let sale = shop.sale(json!({ "starts_at": "2099-11-27T12:00:00Z" })).await;
    sale.seed(5).await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "Join the line", "a sale that has not started").await;
    page.press("Join the line").await;
    no_barrier_when(&page, "Starts on", "in line before the start").await;

    let sale = shop.open_sale(2, json!({})).await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "Join the line", "an open sale").await;
    sale.steer("pause").await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "The sale is paused", "a paused sale").await;
    sale.steer("resume").await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "being checked out", "a sale whose units are all held").await;
    ana.confirm(&anas).await;
    ben.confirm(&bens).await;
    sale.becomes("sold_out").await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "Every unit has been sold", "a sale that is sold out").await;
    sale.steer("close").await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "This sale has ended", "a closed sale").await;
    page.go("/s/nowhere").await;
    no_barrier_when(&page, "There is nothing here", "a problem").await;
}

#[tokio::test]
async fn nothing_between_the_line_and_the_receipt_has_a_barrier() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(14, json!({ "name": "Winter boots", "max_in_checkout": 1 })).await;
    let first = sale.join().await;
    let held = first.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    let before: Vec<_> = futures_util::future::join_all((0..12).map(|_| sale.join())).await;
    page.press("Join the line").await;
    page.shows("Leave the line").await; // It joined before the next one.
    sale.join().await;
    first.confirm(&held).await;
    for shopper in &before[..11] {
        shopper.confirm(&shopper.hold().await).await;
    }
    no_barrier_when(&page, "Your chance", "in line").await;
    shop.tell(&sale.path("/notices"), json!({ "text": "Back at <noon>" })).await;
    sale.steer("pause").await;
    page.shows("From the seller").await;
    page.press("Leave the line").await;
    no_barrier_when(&page, "The sale is paused", "in line, paused, with a notice").await;
    page.set_offline(true).await;
    no_barrier_when(&page, "while we reconnect", "in line, without news").await;
    page.set_offline(false).await;
    sale.steer("resume").await;
    before[11].confirm(&before[11].hold().await).await;
    no_barrier_when(&page, "It is your turn", "your turn").await;
    page.press("Go to checkout").await;
    page.shows("is held for you").await;
    page.press("I do not want it").await;
    no_barrier(&page, "the checkout").await;
    let long = "0123456789".repeat(21);
    page.without_form_checks().await;
    page.run("document.getElementById('payment_reference').removeAttribute('maxlength')").await;
    page.fill("payment_reference", &long).await;
    page.press("Buy now").await;
    no_barrier_when(&page, "200 characters", "the checkout, with a field at fault").await;
    page.fill("payment_reference", "card 17").await;
    page.press("Buy now").await;
    no_barrier_when(&page, "Keep this page", "the receipt").await;
    page.go(&room(&sale)).await;
    no_barrier_when(&page, "It is yours", "a confirmed ticket").await;
}

#[tokio::test]
async fn no_end_of_a_ticket_has_a_barrier() {
    let shop = Shop::open().await;
    let page = Page::of(&shop).await;
    let sale = shop.open_sale(1, json!({})).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.press("Go to checkout").await;
    page.press("I do not want it").await;
    page.press("Give it back").await;
    no_barrier_when(&page, "You gave your unit back", "a unit given back").await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    page.press("Join again").await;
    no_barrier_when(&page, "being checked out", "in line while all units are held").await;
    page.press("Leave the line").await;
    page.press("Yes, give up my place").await;
    no_barrier_when(&page, "You left the line", "a ticket that left").await;
    page.press("Join again").await;
    page.shows("Your place in line").await;
    let gone = sale.path(&format!("/tickets/{}", page.ticket().await));
    shop.operator(Method::DELETE, &gone).send().await.unwrap();
    no_barrier_when(&page, "You were taken out", "a ticket that was removed").await;

    page.browser.client.delete_all_cookies().await.unwrap();
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Your place in line").await;
    ana.confirm(&anas).await;
    no_barrier_when(&page, "the line has ended", "a ticket after the sell-out").await;

    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 4 })).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    no_barrier_when(&page, "Your time to check out has ended", "a ticket that expired").await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("Your place in line").await;
    sale.steer("close").await;
    no_barrier_when(&page, "The seller closed this sale", "a ticket after the close").await;
}

#[tokio::test]
async fn the_console_has_no_barrier() {
    let shop = Shop::open().await;
    let page = Page::at(&shop, "/admin/login").await;
    no_barrier(&page, "the login").await;
    page.fill("api_key", "wrong").await;
    page.press("Log in").await;
    no_barrier_when(&page, "This is not an operator", "the login, refused").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    no_barrier_when(&page, "Create a sale", "the sales, none yet").await;
    page.fill("create-name", "Winter boots").await;
    page.fill("create-slug", "winter boots").await;
    page.without_form_checks().await;
    page.press("Create the sale").await;
    page.changes("#create-slug-error", "").await;
    no_barrier(&page, "the sales, with a field at fault").await;

    let sale = shop.open_sale(3, json!({ "max_in_checkout": 2 })).await;
    for _ in 0..4 {
        sale.join().await;
    }
    eventually("two are admitted", async || sale.stats().await["tokens"]["held"] == 2).await;
    page.go("/admin").await;
    no_barrier_when(&page, "A sale", "the sales").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    no_barrier_when(&page, "Live.", "a sale in the console").await;
    page.press("Close the sale").await;
    page.fill("close-slug", "another").await;
    page.press("Close the sale for good").await;
    let rule = format!("Type {}, the sale's slug", sale.slug);
    no_barrier_when(&page, &rule, "a sale in the console, refused").await;
}
