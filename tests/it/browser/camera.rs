//! Takes pictures of pages, wide and narrow, light and dark.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::browser::page::Page;
use crate::support::Shop;

/// A browser whose pages are photographed.
pub struct Camera {
    pub page: Page,
    dir: PathBuf,
}

impl Camera {
    pub async fn at(shop: &Shop) -> Self {
        let dir = std::env::var("ROPELINE_PICTURES").expect("ROPELINE_PICTURES names a folder");
        let page = Page::of(shop).await;
        page.browser.cdp("Emulation.setScrollbarsHidden", json!({ "hidden": true })).await;
        Self { page, dir: dir.into() }
    }

    /// The page as it is, in all four ways.
    pub async fn take(&self, name: &str) {
        for (width, height, shape) in [(1280, 900, "wide"), (390, 844, "phone")] {
            self.page.resize(width, height).await;
            for scheme in ["light", "dark"] {
                let params =
                    json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
                self.page.browser.cdp("Emulation.setEmulatedMedia", params).await;
                let size = self.page.browser.cdp("Page.getLayoutMetrics", json!({})).await;
                let whole = size["cssContentSize"]["height"].as_f64().unwrap();
                let clip = json!({ "x": 0, "y": 0, "width": width, "scale": 1,
                                   "height": whole.max(height.into()) });
                let params = json!({ "captureBeyondViewport": true, "clip": clip });
                let taken = self.page.browser.cdp("Page.captureScreenshot", params).await;
                let png = taken["data"].as_str().unwrap();
                self.keep(&format!("{name}-{shape}-{scheme}"), png);
            }
        }
        self.page.resize(1280, 900).await;
    }

    /// What a screen shows, for the README; `scale` 2 is twice as sharp.
    pub async fn portrait(&self, name: &str, (width, height): (u32, u32), scale: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": scale,
                              "mobile": width < 600 });
        self.page.browser.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
        let light = json!({ "features": [{ "name": "prefers-color-scheme", "value": "light" }] });
        self.page.browser.cdp("Emulation.setEmulatedMedia", light).await;
        let taken = self.page.browser.cdp("Page.captureScreenshot", json!({})).await;
        self.keep(name, taken["data"].as_str().unwrap());
    }

    /// The page as a printer gets it, on paper as wide as A4.
    pub async fn take_print(&self, name: &str) {
        self.page.resize(794, 1123).await;
        self.page.browser.cdp("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
        let params = json!({ "captureBeyondViewport": true });
        let taken = self.page.browser.cdp("Page.captureScreenshot", params).await;
        self.keep(name, taken["data"].as_str().unwrap());
        self.page.browser.cdp("Emulation.setEmulatedMedia", json!({ "media": "" })).await;
        self.page.resize(1280, 900).await;
    }

    pub async fn take_when(&self, words: &str, name: &str) {
        self.page.shows(words).await;
        self.take(name).await;
    }

    fn keep(&self, name: &str, base64_png: &str) {
        self.keep_as(&format!("{name}.png"), base64_png);
    }

    pub fn keep_as(&self, file: &str, base64: &str) {
        std::fs::write(self.dir.join(file), STANDARD.decode(base64).unwrap()).unwrap();
    }
}
