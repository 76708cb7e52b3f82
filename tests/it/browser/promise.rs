//! What the room promises: an end of the wait that stands, a chance in words, and a countdown that is right.
//!
//! Most of it is told by a socket that the test holds itself, so that it can say anything at any time.

use serde_json::{Value, json};

use crate::browser::page::{Page, room};
use crate::support::{PATIENCE, Sale, Shop};

/// In place of the page's socket; `performance.now` can be moved forward.
const FAKE: &str = "
    window.WebSocket = class { constructor() { window.fake = this; this.readyState = 1; } send() {} close() {} };
    window.skipped = 0;
    const real = performance.now.bind(performance);
    performance.now = () => real() + window.skipped;";

/// A waiting room whose news the test tells.
struct Told {
    page: Page,
    state: Value,
    /// The server's time in seconds.
    time: i64,
}

impl Told {
    async fn of(shop: &Shop, sale: &Sale<'_>) -> Self {
        let page = Page::of(shop).await;
        page.before_scripts(FAKE).await;
        page.go(&room(sale)).await;
        page.press("Join the line").await;
        page.shows("Your place in line").await;
        let state =
            page.run("return JSON.parse(document.getElementById('room').dataset.ticket)").await;
        Self { page, state, time: 1_800_000_000 }
    }

    /// So many seconds later, with these fields.
    async fn tell(&mut self, later: i64, more: Value) {
        self.time += later;
        // Far above what the gateway says by itself meanwhile.
        let version = self.state["version"].as_u64().unwrap() + 1_000_000_000;
        let time = jiff::Timestamp::from_second(self.time).unwrap().to_string();
        let fields = self.state.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        fields.insert("version".into(), json!(version));
        fields.insert("server_time".into(), json!(time));
        let script = format!(
            "window.skipped += {}; window.fake.onmessage({{ data: JSON.stringify({}) }})",
            later * 1_000,
            self.state
        );
        self.page.run(&script).await;
    }

    async fn wait(&self) -> String {
        self.page.read("[data-f=eta]").await
    }

    async fn why(&self) -> String {
        self.page.read("[data-reasons]").await
    }
}

fn eta(low: u64, high: u64) -> Value {
    json!({ "eta_seconds": { "low": low, "high": high }, "wait_reason": null,
            "stock": { "seeded": 9, "available": 5, "held": 2, "sold": 2, "withdrawn": 0 } })
}

async fn one_in_line(shop: &Shop) -> Sale<'_> {
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    sale
}

#[tokio::test]
async fn the_end_that_was_promised_stands_and_is_put_off_only_with_a_reason_in_words() {
    let shop = Shop::open().await;
    let sale = one_in_line(&shop).await;
    let mut told = Told::of(&shop, &sale).await;
    told.tell(0, eta(600, 1_200)).await;
    assert_eq!(told.wait().await, "10–20 minutes");
    // A minute later the measured end is a little later: the promise stands.
    told.tell(60, eta(590, 1_170)).await;
    assert_eq!(told.wait().await, "9–19 minutes");
    assert_eq!(told.why().await, "");
    // Sooner is always welcome.
    told.tell(60, eta(300, 600)).await;
    assert_eq!(told.wait().await, "5–10 minutes");
    // Much later: the new end, and why.
    let mut late = eta(1_200, 2_400);
    late["wait_reason"] = json!("paused");
    told.tell(60, late).await;
    assert_eq!(told.wait().await, "20–40 minutes");
    assert_eq!(
        told.why().await,
        "The wait is longer than it was: the sale was paused for a while."
    );

    // A reload keeps the promise and its reason, and an end that is put off without a word has one all the same.
    told.page.reload().await;
    told.page.shows("Your place in line").await;
    told.tell(60, json!({})).await;
    assert_eq!(told.wait().await, "20–39 minutes");
    assert!(told.why().await.contains("paused"), "{}", told.why().await);
    told.tell(60, eta(6_000, 9_000)).await;
    assert_eq!(told.wait().await, "1–3 hours");
    assert!(told.why().await.contains("people in front take longer"), "{}", told.why().await);
    told.tell(60, json!({ "eta_seconds": null, "paused": true })).await;
    assert_eq!((told.wait().await, told.why().await), (String::new(), String::new()));
    told.page.leave_quietly().await;
}

#[tokio::test]
async fn the_chance_is_told_in_words_and_a_number_with_where_it_comes_from() {
    let shop = Shop::open().await;
    let sale = one_in_line(&shop).await;
    let mut told = Told::of(&shop, &sale).await;
    assert_eq!(told.page.read("[data-f=chance]").await, "", "nothing is known yet");
    assert!(!told.page.offers("Where these numbers come from").await);
    for (chance, words) in [
        (1.0, "certain – 100%"),
        (0.999, "very likely – over 99%"),
        (0.97, "very likely – 97%"),
        (0.52, "about even – 52%"),
        (0.004, "no realistic chance – under 1%"),
    ] {
        told.tell(1, json!({ "chance": chance })).await;
        assert_eq!(told.page.read("[data-f=chance]").await, words);
        let is_told = told.page.text().await.contains("spare yourself the wait");
        assert_eq!(is_told, chance < 0.01, "{chance}");
    }
    told.page.press("Where these numbers come from").await;
    told.page.shows("from how many of this sale’s checkouts so far ended in a purchase").await;
    told.page.leave_quietly().await;
}

#[tokio::test]
async fn the_chance_is_told_in_every_language_as_the_server_tells_it() {
    let table: Value = serde_json::from_str(include_str!("chances.json")).unwrap();
    let shop = Shop::open().await;
    let sale = one_in_line(&shop).await;
    let mut told = Told::of(&shop, &sale).await;
    for (tag, words) in table["words"].as_object().unwrap() {
        told.page.go(&format!("{}?lang={tag}", room(&sale))).await;
        for (at, chance) in table["chances"].as_array().unwrap().iter().enumerate() {
            told.tell(1, json!({ "chance": chance })).await;
            let said = told.page.read("[data-f=chance]").await;
            let said =
                said.replace(['\u{a0}', '\u{202f}'], " ").replace(['\u{2068}', '\u{2069}'], "");
            assert_eq!(words[at], *said, "{tag} {chance}");
        }
    }
    told.page.leave_quietly().await;
}

#[tokio::test]
async fn a_screen_reader_is_told_what_matters_and_places_at_most_every_20_seconds() {
    let shop = Shop::open().await;
    let sale = one_in_line(&shop).await;
    let mut told = Told::of(&shop, &sale).await;
    told.page
        .run(
            "window.said = []; const node = document.querySelector('[data-say]');
            new MutationObserver(() => window.said.push(node.textContent))
                .observe(node, { childList: true, characterData: true, subtree: true })",
        )
        .await;
    let said = async |told: &Told| told.page.run("return window.said").await;
    told.tell(21, json!({ "position": 900 })).await;
    for place in (880..900).rev() {
        told.tell(0, json!({ "position": place })).await;
    }
    assert_eq!(said(&told).await, json!(["You are number 900 in line."]));
    told.tell(15, json!({ "position": 870, "waiting": 1_000 })).await;
    assert_eq!(said(&told).await.as_array().unwrap().len(), 1, "too soon");
    told.tell(6, json!({ "position": 860 })).await;
    assert_eq!(said(&told).await[1], "You are number 860 in line.");
    told.tell(1, json!({ "state": "sold_out" })).await;
    let ended = "Every unit has been sold, so the line has ended. Thank you for waiting.";
    assert_eq!(said(&told).await[2], ended, "this cannot wait");
    // Nothing else on the page speaks by itself.
    let others = "return [...document.querySelectorAll('[aria-live], [role=alert], [role=status]')]
        .filter((node) => !node.matches('[data-say]')).length";
    assert_eq!(told.page.run(others).await, 0);
    told.page.leave_quietly().await;
}

/// The seconds of a countdown such as 9:58.
fn seconds(text: &str) -> i64 {
    text.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap())
}

#[tokio::test]
async fn the_countdown_is_the_servers_whatever_the_device_thinks_the_time_is() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let page = Page::of(&shop).await;
    // Three days and seven minutes ahead.
    let wrong = "const ahead = 259_620_000; const Real = Date;
        window.Date = class extends Real {
            constructor(...of) { of.length ? super(...of) : super(Real.now() + ahead); }
            static now() { return Real.now() + ahead; }
        };";
    page.before_scripts(wrong).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.shows("It is your turn").await;
    let hold = shop.ask(&sale.path("/holds")).await.body["items"][0]["id"].clone();
    let path = format!("/api/v1/holds/{}", hold.as_str().unwrap());
    let exact = async |css: &str| {
        let ask = shop.request(reqwest::Method::GET, &path).bearer_auth(crate::support::ADMIN_KEY);
        let before = crate::support::Answer::of(ask.try_clone().unwrap()).await;
        let shown = seconds(&page.read(css).await);
        let after = crate::support::Answer::of(ask).await;
        let left = |answer: &crate::support::Answer| answer.body["seconds_left"].as_i64().unwrap();
        assert!((left(&after) - 1..=left(&before) + 1).contains(&shown), "{shown}: {}", after.text);
    };
    for _ in 0..3 {
        exact("[data-f=left]").await;
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    page.press("Go to checkout").await;
    page.shows("is held for you").await;
    exact("[data-left]").await;
    page.leave_quietly().await;
}

/// With script and sound: whoever asked is told by all that the browser has.
#[tokio::test]
async fn your_turn_is_in_the_title_the_icon_a_sound_a_vibration_and_a_notification() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let held = ana.hold().await;
    let page = Page::of(&shop).await;
    let watch = "window.told = [];
        window.AudioContext = class {
            currentTime = 0;
            createOscillator() { return { frequency: {}, connect: (to) => to, start() { window.told.push('sound'); }, stop() {} }; }
            createGain() { return { gain: {}, connect: (to) => to }; }
        };
        navigator.vibrate = () => window.told.push('vibration');
        window.Notification = class { static permission = 'granted'; constructor(words) { window.told.push(words); } };
        Object.defineProperty(document, 'hidden', { get: () => !!window.away });";
    page.before_scripts(watch).await;
    page.go(&room(&sale)).await;
    page.press("Join the line").await;
    page.reads("[data-f=position]", "1").await;
    page.press("Alert me when it is my turn").await;
    let icon = page.run("return document.querySelector('link[rel=icon]').href").await;
    page.run("window.away = true").await;
    ana.release(&held).await;
    page.shows_within(PATIENCE * 2, "It is your turn").await;
    let told = page.run("return window.told").await.to_string();
    for way in ["sound", "vibration", "It is your turn. You have"] {
        assert!(told.contains(way), "{way}: {told}");
    }
    assert!(page.browser.client.title().await.unwrap().contains("Your turn"));
    assert_ne!(page.run("return document.querySelector('link[rel=icon]').href").await, icon);
    page.leave_quietly().await;
}
