//! A sale's own look and words: what is taken, what is refused, and what is seen before and after.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::browser::page::{Page, room};
use crate::support::{ADMIN_KEY, Sale, Shop};

fn picture(inside: &str) -> String {
    let svg = format!("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>{inside}</svg>");
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

async fn change(sale: &Sale<'_>, body: Value) -> (u16, Value) {
    let answer = sale.shop.change(sale, body).await;
    (answer.status.as_u16(), answer.body)
}

#[tokio::test]
async fn a_bad_look_is_refused_by_the_name_of_its_field() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let cases = [
        ("accent_colour", json!("#ffff00"), "nearest that passes is #"),
        ("accent_colour", json!("yellow"), "#0b6b57"),
        ("brand_picture", json!(picture("<script>alert(1)</script>")), "<script"),
        ("brand_picture", json!(picture(&"x".repeat(5000))), "4096"),
        ("brand_picture", json!(picture("").replace("svg+xml", "png")), "not what it says"),
        ("brand_name", json!("x".repeat(41)), "1 to 40"),
        ("language", json!("tlh"), "must be one of en, de"),
        ("words", json!({ "footer": { "*": "x" } }), "only headline, lead, sold_out"),
        ("words", json!("Boots"), "must be an object"),
        ("words", json!({ "lead": { "*": "a\u{0}b" } }), "control"),
    ];
    for (field, value, why) in cases {
        let (status, body) = change(&sale, json!({ field: value })).await;
        assert_eq!((status, &body["errors"][0]["field"]), (422, &json!(field)), "{body}");
        let told = body["errors"][0]["detail"].as_str().unwrap();
        assert!(told.contains(why), "{told}");
    }
    let good = json!({ "accent_colour": "#c2410c", "brand_name": "Fjell", "language": "de",
                       "brand_picture": picture("<path d='M8 17l6 6'/>"),
                       "words": { "headline": { "*": "Boots" } } });
    let (status, body) = change(&sale, good.clone()).await;
    assert_eq!(status, 200, "{body}");
    for (field, value) in good.as_object().unwrap() {
        assert_eq!(&body[field], value);
        let (status, body) = change(&sale, json!({ field: null })).await;
        assert_eq!(status, 200, "{body}");
        assert!(body[field].is_null() || body[field] == json!({}), "{body}");
    }
}

#[tokio::test]
async fn an_operator_previews_a_look_and_then_shoppers_see_it() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({})).await;
    let shopper = Page::at(&shop, &room(&sale)).await;
    shopper.shows("Join the line").await;
    shopper.lacks("Fjell").await;

    let page = Page::at(&shop, "/admin/login").await;
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Create a sale").await;
    page.go(&format!("/admin/sales/{}", sale.slug)).await;
    page.press("Look and words").await;
    page.shows("Name of the shop").await;
    page.fill("brand-accent_colour", "#ffff00").await;
    page.fill("brand-brand_name", "Fjell & Sons").await;
    page.fill("brand-headline", "<b>Winter</b> boots").await;
    page.press("Save").await;
    page.shows("Nothing was saved.").await;
    page.changes("#brand-accent_colour-error", "").await;
    assert_eq!(page.value("brand-brand_name").await, "Fjell & Sons", "what was typed is kept");

    page.fill("brand-accent_colour", "#c2410c").await;
    page.run("document.querySelector('[formtarget]').removeAttribute('formtarget')").await;
    page.press("Preview").await;
    page.shows("The figures are made up").await;
    page.shows("Fjell & Sons").await;
    page.shows("<b>Winter</b> boots").await;
    let colour = "return getComputedStyle(document.querySelector('.primary')).backgroundColor";
    assert_eq!(page.run(colour).await, "rgb(194, 65, 12)");
    assert_eq!(page.run("return document.querySelector('script') === null").await, true);
    page.fits_at_widths("a preview").await;
    assert_eq!(shop.ask(&sale.path("")).await.body["brand_name"], json!(null), "nothing is saved");
    shopper.reload().await;
    shopper.lacks("Fjell").await;

    page.go(&format!("/admin/sales/{}/brand", sale.slug)).await;
    page.fill("brand-brand_name", "Fjell & Sons").await;
    page.fill("brand-headline", "<b>Winter</b> boots").await;
    page.fill("brand-accent_colour", "#c2410c").await;
    page.press("Save").await;
    page.shows("Saved.").await;
    page.fits_at_widths("look and words").await;
    shopper.reload().await;
    shopper.shows("Fjell & Sons").await;
    shopper.shows("<b>Winter</b> boots").await;
    assert_eq!(shopper.run(colour).await, "rgb(194, 65, 12)");
    shopper.press("Join the line").await;
    shopper.shows("It is your turn").await;
    shopper.press("Go to checkout").await;
    shopper.shows("Fjell & Sons").await;
    page.leave_with_failed_requests().await;
    shopper.leave_quietly().await;
}

#[tokio::test]
async fn a_preview_shows_every_state_and_strangers_see_none() {
    let shop = Shop::open().await;
    let settings =
        json!({ "language": "de", "words": { "sold_out": { "de": "Im Januar wieder." } } });
    let sale = shop.sale(settings).await;
    let page = Page::of(&shop).await;
    let preview = format!("/admin/sales/{}/preview", sale.slug);
    page.go(&preview).await;
    assert_eq!(page.path().await, "/admin/login", "a preview is not for strangers");
    page.fill("api_key", ADMIN_KEY).await;
    page.press("Log in").await;
    page.shows("Preview.").await;
    assert_eq!(page.path().await, preview, "the log-in leads back to where it was asked for");
    let states = [
        ("join", "Jetzt anstellen"),
        ("join_all_held", "Alle Stücke sind gerade an der Kasse."),
        ("join_sold_out", "Im Januar wieder."),
        ("scheduled", "Sie stehen in der Warteschlange"),
        ("waiting", "4.532"),
        ("admitted", "Sie sind an der Reihe"),
        ("confirmed", "Es gehört Ihnen"),
        ("expired", "Ihre Zeit an der Kasse ist abgelaufen"),
        ("sold_out", "Im Januar wieder."),
        ("removed", "Sie wurden aus der Warteschlange genommen"),
    ];
    for (state, words) in states {
        page.go(&format!("{preview}?state={state}")).await;
        page.shows("Preview.").await;
        page.shows(words).await;
        page.lacks("Join the line").await;
    }
    page.go(&format!("{preview}?state=nonsense")).await;
    page.shows("There is no such state.").await;
    page.leave_with_failed_requests().await;
}
