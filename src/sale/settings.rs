//! A sale's settings: their defaults, their limits, and a change to some of them. Every fault is found
//! at once, each with the name of its field.

use jiff::Timestamp;
use uuid::Uuid;

use super::Brand;

/// Who runs the checkout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checkout {
    /// The shop's own pages; its backend confirms with an API key.
    Shop,
    /// ropeline's page; the shopper confirms.
    Builtin,
}

impl Checkout {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop",
            Self::Builtin => "builtin",
        }
    }
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "shop" => Some(Self::Shop),
            "builtin" => Some(Self::Builtin),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub slug: String,
    pub name: String,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub batch_size: i32,
    pub admit_interval_ms: i32,
    /// Most open holds at a time; no limit when none.
    pub max_in_checkout: Option<i32>,
    pub checkout_window_seconds: i32,
    pub expiry_grace_seconds: i32,
    pub checkout: Checkout,
    /// Where an admitted shopper goes in a sale with `checkout: "shop"`.
    pub checkout_url: Option<String>,
    pub hide_stock: bool,
    pub max_waiting: i32,
    /// Apart: settings are carried about far more often than a room is shown.
    pub brand: Box<Brand>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            slug: String::new(),
            name: String::new(),
            starts_at: None,
            ends_at: None,
            batch_size: 100,
            admit_interval_ms: 1_000,
            max_in_checkout: None,
            checkout_window_seconds: 600,
            expiry_grace_seconds: 5,
            checkout: Checkout::Shop,
            checkout_url: None,
            hide_stock: false,
            max_waiting: 1_000_000,
            brand: Box::default(),
        }
    }
}

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub field: String,
    pub detail: String,
}

impl Fault {
    pub fn new(field: &str, detail: impl Into<String>) -> Self {
        Self { field: field.to_owned(), detail: detail.into() }
    }
}

/// Longest link to a shop's checkout.
const URL_LENGTH: usize = 2_000;

impl Settings {
    /// Every rule that one of these settings breaks; empty when all is well. `migrations/` keeps the
    /// same rules as named constraints.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut check = |ok: bool, field: &str, detail: &str| {
            if !ok {
                faults.push(Fault::new(field, detail));
            }
        };
        check(is_slug(&self.slug), "slug", SLUG_RULE);
        check(Uuid::parse_str(&self.slug).is_err(), "slug", "must not look like an id");
        let name = self.name.trim();
        check(
            name == self.name && (1..=200).contains(&name.chars().count()),
            "name",
            "must have 1 to 200 characters and no space at its ends",
        );
        check(!self.name.chars().any(char::is_control), "name", "must have no control characters");
        if let (Some(starts), Some(ends)) = (self.starts_at, self.ends_at) {
            check(ends > starts, "ends_at", "must be after starts_at");
        }
        let mut range = |field: &str, value: i32, least: i32, most: i32| {
            if !(least..=most).contains(&value) {
                faults.push(Fault::new(field, format!("must be from {least} to {most}")));
            }
        };
        range("batch_size", self.batch_size, 1, 100);
        range("admit_interval_ms", self.admit_interval_ms, 10, 60_000);
        if let Some(most) = self.max_in_checkout {
            range("max_in_checkout", most, 1, 10_000_000);
        }
        range("checkout_window_seconds", self.checkout_window_seconds, 1, 86_400);
        range("expiry_grace_seconds", self.expiry_grace_seconds, 0, 60);
        range("max_waiting", self.max_waiting, 1, 10_000_000);
        faults.extend(self.brand.faults());
        if let Some(url) = &self.checkout_url
            && !is_web_address(url)
        {
            faults.push(Fault::new(
                "checkout_url",
                "must be a web address with http or https and no #",
            ));
        }
        faults
    }
}

const SLUG_RULE: &str = "must have 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -";

/// Whether this is how a slug is written.
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_web_address(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    text.len() <= URL_LENGTH
        && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') // the hold is added at the end
        && host.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Settings {
        Settings { slug: "autumn-drop".into(), name: "Autumn drop".into(), ..Settings::default() }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let bad = Settings {
            slug: "No Spaces".into(),
            name: String::new(),
            batch_size: 101,
            admit_interval_ms: 9,
            max_in_checkout: Some(0),
            checkout_window_seconds: 0,
            expiry_grace_seconds: 61,
            max_waiting: 0,
            checkout_url: Some("javascript:alert(1)".into()),
            ..Settings::default()
        };
        let fields: Vec<_> = bad.faults().into_iter().map(|f| f.field).collect();
        let expected = [
            "slug",
            "name",
            "batch_size",
            "admit_interval_ms",
            "max_in_checkout",
            "checkout_window_seconds",
            "expiry_grace_seconds",
            "max_waiting",
            "checkout_url",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn the_defaults_are_allowed_and_so_are_the_edges() {
        assert_eq!(good().faults(), []);
        let edges =
            Settings { batch_size: 1, admit_interval_ms: 10, expiry_grace_seconds: 0, ..good() };
        assert_eq!(edges.faults(), []);
        let edges = Settings {
            batch_size: 100,
            admit_interval_ms: 60_000,
            expiry_grace_seconds: 60,
            ..good()
        };
        assert_eq!(edges.faults(), []);
    }

    #[test]
    fn a_slug_never_looks_like_an_id() {
        for slug in ["-a", "a-", "A", "ä", "", "0198c0de-0000-7000-8000-000000000000"] {
            let faults = Settings { slug: slug.into(), ..good() }.faults();
            assert!(faults.iter().any(|f| f.field == "slug"), "{slug}");
        }
    }

    #[test]
    fn a_sale_ends_after_it_starts() {
        let at = |s: &str| Some(s.parse().unwrap());
        let bad = Settings {
            starts_at: at("2026-11-27T12:00:00Z"),
            ends_at: at("2026-11-27T12:00:00Z"),
            ..good()
        };
        assert_eq!(bad.faults()[0].field, "ends_at");
    }
}
