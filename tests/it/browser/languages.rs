//! The shopper's pages in other languages: the words, the direction, the width, and the script that says
//! the same as the server.

use serde_json::{Value, json};

use crate::browser::page::{Page, room};
use crate::support::{Sale, Shop, eventually};

/// Every language, by its tag, with the words of its button to join.
const JOIN: [(&str, &str); 14] = [
    ("en", "Join the line"),
    ("de", "Jetzt anstellen"),
    ("fr", "Rejoindre la file"),
    ("es", "Unirse a la fila"),
    ("pt", "Entrar na fila"),
    ("it", "Mettiti in fila"),
    ("nl", "Aansluiten in de rij"),
    ("pl", "Dołącz do kolejki"),
    ("tr", "Sıraya gir"),
    ("ja", "列に並ぶ"),
    ("ko", "줄 서기"),
    ("zh-Hans", "加入队伍"),
    ("hi", "कतार में लगें"),
    ("ar", "انضم إلى الطابور"),
];

pub fn tags() -> impl Iterator<Item = &'static str> {
    JOIN.iter().map(|(tag, _)| *tag)
}

fn in_language(sale: &Sale<'_>, tag: &str) -> String {
    format!("{}?lang={tag}", room(sale))
}

async fn said(page: &Page, script: &str) -> String {
    page.run(script).await.as_str().unwrap().to_owned()
}

/// All that can be read, with every kind of space as one; without what only one of both sides says. The
/// browser's dates come from another year's CLDR than ours: they differ by commas.
async fn readable(page: &Page) -> String {
    let text = said(
        page,
        "const own = '.link, noscript, [data-if=alerts]';
        document.querySelectorAll(own).forEach((node) => { node.style.display = 'none'; });
        return document.body.innerText",
    )
    .await;
    text.replace(" UTC", "").replace(',', "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_room_is_read_in_arabic_german_and_japanese() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let places = [
        ("ar", "rtl", "مكانك في الطابور"),
        ("de", "ltr", "Ihr Platz in der Warteschlange"),
        ("ja", "ltr", "あなたの順番"),
    ];
    for (tag, direction, place) in places {
        let page = Page::at(&shop, &in_language(&sale, tag)).await;
        let (_, join) = JOIN.iter().find(|(of, _)| *of == tag).unwrap();
        page.shows(join).await;
        assert_eq!(said(&page, "return document.documentElement.lang").await, tag);
        let shown = said(&page, "return getComputedStyle(document.body).direction").await;
        assert_eq!(shown, direction);
        page.fits_at_widths(tag).await;
        page.press(join).await;
        page.shows(place).await;
        page.fits_at_widths(tag).await;
        let position = page.read("[data-f=position]").await;
        assert!(position.chars().all(|c| c.is_ascii_digit()), "{position}: one kind of digits");
        page.leave_quietly().await;
    }
}

#[tokio::test]
async fn a_shopper_chooses_a_language_and_buys_in_it_without_a_script() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::without_script(&shop).await;
    page.go(&room(&sale)).await;
    page.shows("Join the line").await;
    let chosen = page.browser.client.find(fantoccini::Locator::Css("#lang")).await.unwrap();
    chosen.select_by_value("pl").await.unwrap();
    page.press("Change").await;
    page.press("Dołącz do kolejki").await;
    // The cookie remembers: no later address names the language.
    page.wait_by_reloading("Twoja kolej").await;
    page.press("Przejdź do kasy").await;
    page.shows("Sztuka 1 jest zarezerwowana dla Ciebie").await;
    page.fits_at_widths("the checkout").await;
    page.press("Kup teraz").await;
    page.shows("Zachowaj tę stronę").await;
    page.fits_at_widths("the receipt").await;
    page.go("/s/there-is-none").await;
    page.shows("Nic tu nie ma").await;
    page.leave_with_failed_requests().await;
    sale.adds_up().await;
}

#[tokio::test]
async fn the_script_says_what_the_server_says_in_every_language() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2000, json!({ "max_in_checkout": 1 })).await;
    sale.steer("pause").await;
    for _ in 0..4 {
        sale.join().await;
    }
    let soon = shop.sale(json!({ "starts_at": "2099-11-27T13:05:00Z" })).await;
    let scripted = Page::of(&shop).await;
    let plain = Page::without_script(&shop).await;
    // One ticket, seen by both browsers.
    for of in [&sale, &soon] {
        let shopper = of.join().await;
        for page in [&scripted, &plain] {
            let cookie = json!({ "name": format!("ropeline-ticket-{}", of.id), "url": shop.base,
                                 "value": shopper.credential });
            page.browser.cdp("Network.setCookie", cookie).await;
        }
    }
    for (tag, _) in JOIN {
        for of in [&sale, &soon] {
            let address = in_language(of, tag);
            plain.go(&address).await;
            let expected = readable(&plain).await;
            scripted.go(&address).await;
            eventually(&format!("{tag} reads {expected:?}"), async || {
                readable(&scripted).await == expected
            })
            .await;
        }
    }
    scripted.leave_quietly().await;
    plain.leave_quietly().await;
}

#[tokio::test]
async fn the_script_has_every_plural_form_that_its_language_asks_for() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::of(&shop).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    for (tag, join) in JOIN {
        page.go(&in_language(&sale, tag)).await;
        let words = said(&page, "return document.getElementById('room').dataset.words").await;
        let words: Value = serde_json::from_str(&words).unwrap();
        assert!(words["minutes"].is_object() || words["minutes"].is_string(), "{tag} {words}");
        // Each form that the browser's own rules ask for is there.
        let missing = page
            .run(
                "const { dataset } = document.getElementById('room');
                const words = JSON.parse(dataset.words);
                const rules = new Intl.PluralRules(dataset.locale);
                const lacks = (id, n) => typeof words[id] === 'object'
                    && !words[id][rules.select(n)];
                const found = [];
                for (const id of ['minutes', 'hours', 'days', 'news-old'])
                    for (let n = 0; n <= 1200; n += 1) if (lacks(id, n)) found.push([id, n]);
                return found",
            )
            .await;
        assert_eq!(missing, json!([]), "{tag}");
        page.lacks(join).await;
    }
    page.leave_quietly().await;
}

#[tokio::test]
async fn no_language_is_too_wide_for_a_small_phone() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let ana = sale.join().await;
    ana.hold().await;
    let open = shop.sale(json!({ "starts_at": "2099-11-27T13:05:00Z" })).await;
    let page = Page::of(&shop).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("It is your turn").await;
    for (tag, _) in JOIN {
        for path in [room(&sale), format!("{}/checkout", room(&sale)), room(&open)] {
            page.go(&format!("{path}?lang={tag}")).await;
            assert_eq!(said(&page, "return document.documentElement.lang").await, tag);
            page.fits_at_widths(&format!("{path} in {tag}")).await;
        }
    }
    page.leave_quietly().await;
}
