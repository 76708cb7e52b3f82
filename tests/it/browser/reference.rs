//! The API reference: Swagger UI, from our own origin and under our policy, sends real calls.

use fantoccini::Locator;
use serde_json::json;

use crate::browser::page::Page;
use crate::support::{ADMIN_KEY, Shop, eventually};

/// Swagger UI's block for one operation.
const CREATE: &str = "#operations-operator-create";

async fn press(page: &Page, css: &str) {
    eventually(&format!("{css} can be pressed"), async || {
        match page.browser.client.find(Locator::Css(css)).await {
            Ok(found) => found.click().await.is_ok(),
            Err(_) => false,
        }
    })
    .await;
}

async fn write(page: &Page, css: &str, text: &str) {
    let field = page.browser.client.wait().for_element(Locator::Css(css)).await.unwrap();
    // It is React's field: what is typed counts, and clearing alone does not.
    page.run(&format!("document.querySelector({css:?}).select()")).await;
    field.send_keys(text).await.unwrap();
}

#[tokio::test]
async fn an_engineer_reads_schemas_and_examples_and_creates_a_sale_from_the_reference() {
    let shop = Shop::open().await;
    let page = Page::recording(&shop).await;
    page.go("/docs").await;
    page.shows("Create a sale").await;

    press(&page, ".btn.authorize").await;
    write(&page, ".auth-container input[type=text]", ADMIN_KEY).await;
    press(&page, ".auth-container .btn.authorize[type=submit]").await;
    press(&page, ".auth-container .btn-done").await;

    press(&page, &format!("{CREATE} .opblock-summary-control")).await;
    page.shows("slug-taken").await;
    page.shows("Trainers, autumn edition").await;
    page.press("Schema").await;
    page.shows("checkout_window_seconds").await;

    press(&page, &format!("{CREATE} .try-out__btn")).await;
    let body = json!({ "slug": "from-the-reference", "name": "Made by hand" });
    write(&page, &format!("{CREATE} textarea"), &body.to_string()).await;
    press(&page, &format!("{CREATE} .execute")).await;
    page.reads(&format!("{CREATE} .live-responses-table tbody .response-col_status"), "201").await;
    let answer = page.read(&format!("{CREATE} .live-responses-table .microlight")).await;
    assert!(answer.contains("\"slug\": \"from-the-reference\""), "{answer}");
    let made = shop.ask("/sales/from-the-reference").await;
    assert_eq!(made.body["name"], "Made by hand", "{}", made.text);

    let traffic = page.browser.traffic().await;
    for it in traffic.iter().filter(|it| it["method"] == "Network.requestWillBeSent") {
        let url = it["params"]["request"]["url"].as_str().unwrap();
        assert!(url.starts_with(&shop.base) || url.starts_with("data:"), "{url}");
    }
    page.leave_quietly().await;
}

#[tokio::test]
async fn the_reference_is_dark_where_the_visitor_is_and_fits_a_phone() {
    let shop = Shop::open().await;
    let page = Page::at(&shop, "/docs").await;
    page.shows("Create a sale").await;
    let colour = "return getComputedStyle(document.body).backgroundColor";
    page.prefers(&[("prefers-color-scheme", "dark")]).await;
    eventually("it is dark", async || page.run(colour).await == "rgb(28, 32, 34)").await;
    page.prefers(&[("prefers-color-scheme", "light")]).await;
    eventually("it is light", async || page.run(colour).await == "rgb(255, 255, 255)").await;
    press(&page, &format!("{CREATE} .opblock-summary-control")).await;
    page.shows("slug-taken").await;
    page.fits_at_widths("the reference with an open call").await;
    page.leave_quietly().await;
}
