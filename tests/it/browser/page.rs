//! A page in a browser, as somebody in front of it uses it: look, press, type.

use std::time::Duration;

use fantoccini::Locator;
use fantoccini::error::CmdError;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::browser::driver::Session;
use crate::support::{PATIENCE, Sale, Shop, eventually};

/// Where shoppers of a sale go.
pub fn room(sale: &Sale<'_>) -> String {
    format!("/s/{}", sale.slug)
}

/// A browser that somebody sits in front of. Ends with [`Page::leave_quietly`].
pub struct Page {
    pub browser: Session,
    base: String,
}

impl Page {
    pub async fn of(shop: &Shop) -> Self {
        Self { browser: Session::start().await, base: shop.base.clone() }
    }

    /// A browser that writes down what is transferred.
    pub async fn recording(shop: &Shop) -> Self {
        Self { browser: Session::start_recording().await, base: shop.base.clone() }
    }

    /// A browser that runs no scripts.
    pub async fn without_script(shop: &Shop) -> Self {
        let page = Self::of(shop).await;
        page.browser.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        page
    }

    pub async fn at(shop: &Shop, path: &str) -> Self {
        let page = Self::of(shop).await;
        page.go(path).await;
        page
    }

    pub async fn go(&self, path: &str) {
        self.browser.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    pub async fn reload(&self) {
        self.browser.client.refresh().await.unwrap();
    }

    /// The path that the browser is at.
    pub async fn path(&self) -> String {
        self.browser.client.current_url().await.unwrap().path().to_owned()
    }

    /// Runs something of ours in the page.
    pub async fn run(&self, script: &str) -> Value {
        self.try_run(script, &[]).await.unwrap()
    }

    async fn try_run(&self, script: &str, args: &[&str]) -> Result<Value, CmdError> {
        let args = args.iter().map(|arg| json!(arg)).collect();
        self.browser.client.execute(script, args).await
    }

    /// All that can be read on the page; what is hidden is not in it.
    pub async fn text(&self) -> String {
        // Between two pages there is no body.
        let text = self.try_run("return document.body ? document.body.innerText : ''", &[]).await;
        text.map_or(String::new(), |text| text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until this can be read.
    pub async fn shows(&self, words: &str) {
        self.shows_within(PATIENCE, words).await;
    }

    pub async fn shows_within(&self, patience: Duration, words: &str) {
        let deadline = Instant::now() + patience;
        loop {
            let text = self.text().await;
            if text.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "never {words:?}; at the end there was:\n{text}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until this can no longer be read.
    pub async fn hides(&self, words: &str) {
        eventually(&format!("{words:?} is gone"), async || {
            let text = self.text().await;
            !text.is_empty() && !text.contains(words)
        })
        .await;
    }

    /// This cannot be read, in whatever letters.
    pub async fn lacks(&self, words: &str) {
        let text = self.text().await;
        assert!(
            !text.to_lowercase().contains(&words.to_lowercase()),
            "{words:?} is there:\n{text}"
        );
    }

    /// The text of the first visible element that fits; empty when there is none.
    pub async fn read(&self, css: &str) -> String {
        let script = "const found = [...document.querySelectorAll(arguments[0])]
            .find((node) => node.checkVisibility());
            return found ? found.innerText : ''";
        let text = self.try_run(script, &[css]).await;
        text.map_or(String::new(), |text| text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an element reads so.
    pub async fn reads(&self, css: &str, words: &str) {
        eventually(&format!("{css} reads {words:?}"), async || self.read(css).await == words).await;
    }

    /// Waits until an element is there and reads otherwise.
    pub async fn changes(&self, css: &str, words: &str) {
        eventually(&format!("{css} no longer reads {words:?}"), async || {
            let text = self.read(css).await;
            !text.is_empty() && text != words
        })
        .await;
    }

    pub async fn shows_one_of(&self, choices: &[&str]) {
        eventually(&format!("one of {choices:?}"), async || {
            let text = self.text().await;
            choices.iter().any(|words| text.contains(words))
        })
        .await;
    }

    /// Without script a page comes again when it is loaded again.
    pub async fn wait_by_reloading(&self, words: &str) {
        eventually(words, async || {
            self.reload().await;
            self.text().await.contains(words)
        })
        .await;
    }

    /// Presses what bears these words: a button, a link, or the line that opens what is folded.
    pub async fn press(&self, words: &str) {
        let path = format!(
            "//*[self::a or self::button or self::summary][normalize-space(.)={}]",
            quoted(words)
        );
        eventually(&format!("{words:?} can be pressed"), async || {
            let Ok(found) = self.browser.client.find_all(Locator::XPath(&path)).await else {
                return false;
            };
            for element in found {
                // A page that was just replaced takes no press; the next look finds the new one.
                if element.is_displayed().await.unwrap_or(false) && element.click().await.is_ok() {
                    return true;
                }
            }
            false
        })
        .await;
    }

    /// Types into a field, in place of what is there. What it is folded into is opened first.
    pub async fn fill(&self, id: &str, text: &str) {
        let unfold =
            "for (let at = document.getElementById(arguments[0]); at; at = at.parentElement)
            if (at.localName === 'details') at.open = true";
        self.try_run(unfold, &[id]).await.unwrap();
        let field = self.browser.client.find(Locator::Id(id)).await;
        let field = field.unwrap_or_else(|error| panic!("{id}: {error}"));
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// What is in a field.
    pub async fn value(&self, id: &str) -> String {
        let script = "return document.getElementById(arguments[0]).value";
        self.try_run(script, &[id]).await.unwrap().as_str().unwrap().to_owned()
    }

    /// Light or dark, forced colours, reduced motion: what the visitor's system asks of pages.
    pub async fn prefers(&self, features: &[(&str, &str)]) {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let params = json!({ "features": features });
        self.browser.cdp("Emulation.setEmulatedMedia", params).await;
    }

    /// Whether these words can be pressed or opened.
    pub async fn offers(&self, words: &str) -> bool {
        let script = "return [...document.querySelectorAll('a, button, summary')]
            .some((node) => node.checkVisibility() && node.innerText.trim() === arguments[0])";
        self.try_run(script, &[words]).await.unwrap() == true
    }

    /// The ticket that the room shows.
    pub async fn ticket(&self) -> String {
        let script = "return JSON.parse(document.getElementById('room').dataset.ticket).ticket";
        self.run(script).await.as_str().unwrap().to_owned()
    }

    /// Lets forms go out whatever the browser thinks of them.
    pub async fn without_form_checks(&self) {
        self.run(
            "document.querySelectorAll('form').forEach((form) => { form.noValidate = true; })",
        )
        .await;
    }

    pub async fn set_offline(&self, offline: bool) {
        self.browser.cdp("Network.enable", json!({})).await;
        let params = json!({ "offline": offline, "latency": 0, "downloadThroughput": -1,
                             "uploadThroughput": -1 });
        self.browser.cdp("Network.emulateNetworkConditions", params).await;
    }

    /// From the next page on sockets lead nowhere while the page says so: a browser blocks none by address.
    pub async fn may_break_sockets(&self) {
        let script = "const Real = window.WebSocket;
            window.WebSocket = function (url, of) {
                return new Real(localStorage.broken ? `${url}-nowhere` : url, of);
            };";
        self.before_scripts(script).await;
    }

    pub async fn break_sockets(&self, broken: bool) {
        self.run(&format!("localStorage.broken = '{}'", if broken { "yes" } else { "" })).await;
    }

    /// Lets no request through whose address ends in one of these; what was blocked before is let through.
    pub async fn block(&self, ends: &[&str]) {
        let urls: Vec<_> = ends.iter().map(|end| format!("*{end}")).collect();
        self.browser.cdp("Network.enable", json!({})).await;
        self.browser.cdp("Network.setBlockedURLs", json!({ "urls": urls })).await;
    }

    /// Presses a key, by the name that the browser has for it.
    pub async fn key(&self, name: &str) {
        let (code, text) = match name {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            _ => panic!("{name} is not known here"),
        };
        let key = |kind: &str| {
            json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code,
                    "text": if kind == "keyDown" { text } else { "" } })
        };
        self.browser.cdp("Input.dispatchKeyEvent", key("keyDown")).await;
        self.browser.cdp("Input.dispatchKeyEvent", key("keyUp")).await;
    }

    /// Runs this in every document that comes, before the page's own script.
    pub async fn before_scripts(&self, script: &str) {
        let params = json!({ "source": script });
        self.browser.cdp("Page.addScriptToEvaluateOnNewDocument", params).await;
    }

    /// Marks the document, so that a reload would be noticed.
    pub async fn mark(&self) {
        self.run("window.marked = true").await;
    }

    pub async fn is_still_marked(&self) -> bool {
        self.run("return window.marked === true").await == true
    }

    /// The width and height of the screen, as a phone's if narrow.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1,
                              "mobile": width < 600 });
        self.browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Nothing is wider than the screen.
    pub async fn fits_the_screen(&self, what: &str) {
        let script = "const root = document.scrollingElement;
            const wide = [...document.querySelectorAll('body *')]
                .filter((node) => !node.closest('.scroll')
                    && node.getBoundingClientRect().right > root.clientWidth + 0.5)
                .map((node) => node.outerHTML.slice(0, 80));
            return root.scrollWidth > root.clientWidth ? [root.scrollWidth, ...wide] : []";
        assert_eq!(self.run(script).await, json!([]), "{what} scrolls sideways");
    }

    pub async fn fits_at_widths(&self, what: &str) {
        for width in [320, 390] {
            self.resize(width, 844).await;
            self.fits_the_screen(&format!("{what} at {width}")).await;
        }
    }

    /// The end of a test: nothing on any page that was shown broke a policy or a script.
    pub async fn leave_quietly(self) {
        self.leave(&[]).await;
    }

    /// The same for a test in which requests were refused or lost on purpose.
    pub async fn leave_with_failed_requests(self) {
        self.leave(&["network", "javascript"]).await;
    }

    async fn leave(self, but: &[&str]) {
        let log = self.browser.log().await;
        let is_bad = |entry: &&Value| {
            entry["level"] == "SEVERE" && !but.contains(&entry["source"].as_str().unwrap())
        };
        let bad: Vec<_> = log.iter().filter(is_bad).collect();
        assert!(bad.is_empty(), "the browser complains: {bad:#?}");
    }
}

/// For who runs the tests, also of those that pass; what `println!` writes is kept from them.
pub fn tell(line: &str) {
    use std::io::Write;
    writeln!(std::io::stderr(), "{line}").ok();
}

/// A string as XPath takes it.
fn quoted(text: &str) -> String {
    assert!(!text.contains('"'));
    format!("\"{text}\"")
}
