//! For everyone: by keyboard alone, enlarged, without motion, in forced colours.

use serde_json::json;

use crate::browser::barriers::no_barrier;
use crate::browser::page::{Page, room};
use crate::support::Shop;

/// Most presses of Tab on the way through a page.
const MOST_TABS: usize = 30;

/// Goes to what bears these words by Tab alone; where the focus is can be seen.
async fn tab_to(page: &Page, words: &str) {
    for _ in 0..MOST_TABS {
        page.key("Tab").await;
        let focus = "const at = document.activeElement;
            return [at.innerText.trim(), getComputedStyle(at).outlineStyle]";
        let at = page.run(focus).await;
        if at[0] == words {
            assert_ne!(at[1], "none", "the focus on {words:?} is not seen");
            return;
        }
    }
    panic!("{words:?} is not reached by Tab");
}

#[tokio::test]
async fn by_keyboard_alone_a_shopper_joins_and_leaves() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.shows("Join the line").await;
    tab_to(&page, "Join the line").await;
    page.key("Enter").await;
    page.reads("[data-f=position]", "1").await;
    tab_to(&page, "Leave the line").await;
    page.key("Enter").await;
    page.shows("Your place is then gone for good.").await;
    tab_to(&page, "Yes, give up my place").await;
    page.key("Enter").await;
    page.shows("You left the line").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn by_keyboard_alone_a_shopper_buys() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::at(&shop, &room(&sale)).await;
    tab_to(&page, "Join the line").await;
    page.key("Enter").await;
    page.shows("It is your turn").await;
    tab_to(&page, "Go to checkout").await;
    page.key("Enter").await;
    page.shows("is held for you").await;
    tab_to(&page, "Buy now").await;
    page.key("Enter").await;
    page.shows("Keep this page").await;
    page.leave_quietly().await;
}

#[tokio::test]
async fn at_twice_the_size_nothing_scrolls_sideways_and_all_is_there() {
    let shop = Shop::open().await;
    let sale =
        shop.open_sale(2, json!({ "name": "Winter boots, size 42", "max_in_checkout": 1 })).await;
    let ana = sale.join().await;
    let anas = ana.hold().await;
    let page = Page::of(&shop).await;
    // A page that is enlarged twice has half the room; text alone can be enlarged, too.
    let enlarged = async |what: &str| {
        for (width, text) in [(640, "100%"), (1280, "200%"), (390, "200%")] {
            page.resize(width, 900).await;
            page.run(&format!("document.documentElement.style.fontSize = '{text}'")).await;
            page.fits_the_screen(&format!("{what} at {width} and {text}")).await;
        }
    };
    page.go(&room(&sale)).await;
    enlarged("the room before joining").await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    page.press("Leave the line").await;
    page.press("Continue on another device").await;
    enlarged("the place in line").await;
    ana.confirm(&anas).await;
    page.shows("It is your turn").await;
    enlarged("the turn").await;
    page.press("Go to checkout").await;
    page.shows("is held for you").await;
    enlarged("the checkout").await;
    page.press("Buy now").await;
    page.shows("Keep this page").await;
    enlarged("the receipt").await;
}

#[tokio::test]
async fn who_wants_no_motion_sees_none_and_forced_colours_leave_nothing_unseen() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    sale.join().await.hold().await;
    let page = Page::at(&shop, &room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    let moving = "return [...document.querySelectorAll('*')].filter((node) => {
        const style = getComputedStyle(node);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
    }).length";
    page.prefers(&[("prefers-reduced-motion", "no-preference")]).await;
    assert!(page.run(moving).await.as_u64().unwrap() > 0, "the bar moves for the others");
    page.prefers(&[("prefers-reduced-motion", "reduce")]).await;
    assert_eq!(page.run(moving).await, 0);

    page.prefers(&[("forced-colors", "active")]).await;
    assert_eq!(page.run("return matchMedia('(forced-colors: active)').matches").await, true);
    let bare = "return [...document.querySelectorAll('button, .button, .bar')]
        .filter((node) => node.checkVisibility())
        .filter((node) => parseFloat(getComputedStyle(node).borderTopWidth) === 0)
        .map((node) => node.outerHTML.slice(0, 80))";
    assert_eq!(page.run(bare).await, json!([]), "a background alone is not seen");
    page.prefers(&[("prefers-contrast", "more")]).await;
    no_barrier(&page, "in line, with more contrast").await;
    page.leave_quietly().await;
}
