//! One look at the console: the verdict, and the charts.

use serde_json::json;

use crate::browser::console::logged_in;
use crate::browser::page::Page;
use crate::health::setup_status::OwnStores;
use crate::support::process::{Running, settings};
use crate::support::{Shop, eventually};

/// What a chart has drawn: points, and whether there is ink on its canvas.
async fn drawn(page: &Page, chart: &str) -> (u64, bool) {
    let script = format!(
        "const box = document.querySelector('[data-chart={chart}]');
         const canvas = box.querySelector('canvas');
         if (!canvas) return [0, false];
         const {{ width, height }} = canvas;
         const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
         return [Number(box.dataset.points || 0), data.some((value) => value > 0)]"
    );
    let found = page.run(&script).await;
    (found[0].as_u64().unwrap(), found[1] == true)
}

#[tokio::test]
async fn charts_draw_what_happened_and_have_it_again_after_a_reload() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(3, json!({})).await;
    let page = logged_in(&shop).await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    for chart in ["line", "units", "pace"] {
        eventually("it draws live points", async || {
            let (points, ink) = drawn(&page, chart).await;
            points >= 2 && ink
        })
        .await;
    }
    let ana = sale.join().await;
    ana.confirm(&ana.hold().await).await;
    let said = "document.querySelector('[data-chart=units]').getAttribute('aria-label')";
    let says = async |words: &str| {
        eventually(words, async || {
            page.run(&format!("return {said}")).await.as_str().unwrap().contains(words)
        })
        .await;
    };
    says("Sold 1").await;
    let written = async || {
        let answer = shop.ask(&sale.path("/history")).await;
        answer.body["points"]
            .as_array()
            .is_some_and(|points| points.last().is_some_and(|point| point["sold"] == 1))
    };
    eventually("it is in the history", written).await;
    let all = shop.ask(&sale.path("/history")).await.body["points"].as_array().unwrap().len();
    // What was live is gone with the page; what is drawn now without numbers is the history's.
    page.block(&["/stats"]).await;
    page.reload().await;
    for range in ["Last 10 minutes", "Whole sale"] {
        page.press(range).await;
        eventually("it draws the history", async || drawn(&page, "units").await.0 == all as u64)
            .await;
        says("Sold 1").await;
    }
    page.leave_with_failed_requests().await;
}

#[tokio::test]
async fn the_verdict_is_seen_to_turn_bad_and_good_again() {
    let mut own = OwnStores::start("verdict").await;
    let shop = Shop::at(own.place.clone(), false).await;
    let sale = shop.open_sale(1, json!({})).await;
    let other = Running::start(&settings(&own.place)).await;
    other.ready().await;
    let page = logged_in(&shop).await;
    page.resize(390, 844).await;
    for path in ["/admin".to_owned(), format!("/admin/sales/{}", sale.slug)] {
        page.go(&path).await;
        page.reads("[data-words]", "All is well").await;
        page.reads("[data-gateways] tr:nth-child(2) td", "serves").await;
        page.mark().await;
        own.stores.kill_redis().await.unwrap();
        page.reads("[data-words]", "Something is wrong").await;
        page.shows("Bring Redis back").await;
        page.reads("[data-store-words=redis]", "does not answer").await;
        page.fits_the_screen("a bad verdict").await;
        own.stores.start_redis().await.unwrap();
        page.reads("[data-words]", "All is well").await;
        page.reads("[data-store-words=redis]", "answers").await;
        assert!(page.is_still_marked().await, "it is live");
    }
    let address = other.base.trim_start_matches("http://").to_owned();
    other.end("-KILL").await;
    page.reads("[data-words]", "Have a look").await;
    page.shows("has been silent for").await;
    // Started again it is the same gateway, and nobody is missed any more.
    let mut same = settings(&own.place);
    same.retain(|(name, _)| *name != "ROPELINE_LISTEN");
    same.push(("ROPELINE_LISTEN", address));
    let again = Running::start(&same).await;
    page.reads("[data-words]", "All is well").await;
    page.set_offline(true).await;
    page.shows("This gateway does not answer.").await;
    page.set_offline(false).await;
    page.reads("[data-words]", "All is well").await;
    page.leave_with_failed_requests().await;
    again.end("-TERM").await;
    shop.gateway.stop().await;
    own.stop().await;
}
