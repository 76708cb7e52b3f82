//! A sale's settings: their defaults, their limits, and a change to some of them. Every fault is found
//! at once, each with the name of its field.

pub mod address;
pub mod brand;
pub mod colour;
pub mod readiness;

use jiff::Timestamp;
use uuid::Uuid;

use crate::model::Brand;

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
        let fault = self.checkout_url.as_deref().and_then(address::link_fault);
        faults.extend(fault.map(|fault| Fault::new("checkout_url", fault)));
        faults
    }

    /// The same of a change from `before`: what was not changed is not at fault now.
    pub fn faults_since(&self, before: &Self) -> Vec<Fault> {
        let mut faults = self.faults();
        faults.retain(|fault| self.differs(before, &fault.field));
        faults
    }

    /// Whether a field, by its name in the API, is another one than `before`. One that is not known here
    /// counts as changed.
    fn differs(&self, before: &Self, field: &str) -> bool {
        match field {
            "slug" => self.slug != before.slug,
            "name" => self.name != before.name,
            "starts_at" => self.starts_at != before.starts_at,
            // The two are held against each other.
            "ends_at" => self.ends_at != before.ends_at || self.starts_at != before.starts_at,
            "batch_size" => self.batch_size != before.batch_size,
            "admit_interval_ms" => self.admit_interval_ms != before.admit_interval_ms,
            "max_in_checkout" => self.max_in_checkout != before.max_in_checkout,
            "checkout_window_seconds" => {
                self.checkout_window_seconds != before.checkout_window_seconds
            }
            "expiry_grace_seconds" => self.expiry_grace_seconds != before.expiry_grace_seconds,
            "checkout_url" => self.checkout_url != before.checkout_url,
            "max_waiting" => self.max_waiting != before.max_waiting,
            "brand_name" => self.brand.name != before.brand.name,
            "brand_picture" => self.brand.picture != before.brand.picture,
            "accent_colour" => self.brand.colour != before.brand.colour,
            "language" => self.brand.language != before.brand.language,
            "words" => self.brand.words != before.brand.words,
            _ => true,
        }
    }

    /// Times that are over by `now`, where they are not those of `before`: such an end would close the sale
    /// at once and for good, such a start would open it at once.
    pub fn times_over(&self, before: Option<&Self>, now: Timestamp) -> Vec<Fault> {
        let is_new = |of: fn(&Self) -> Option<Timestamp>| {
            let at = of(self);
            at.is_some_and(|at| at <= now) && before.is_none_or(|before| of(before) != at)
        };
        let mut faults = Vec::new();
        if is_new(|settings| settings.starts_at) {
            faults.push(Fault::new("starts_at", START_OVER));
        }
        if is_new(|settings| settings.ends_at) {
            faults.push(Fault::new("ends_at", END_OVER));
        }
        faults
    }
}

/// What is said of a start that is over; a page may ask back instead.
pub const START_OVER: &str =
    "is over: set a later time, or none and open the sale by hand (POST …/open opens it at once)";
const END_OVER: &str = "is over: set a later time, or none and close the sale by hand (POST …/close closes it at once)";

const SLUG_RULE: &str = "must have 1 to 63 of a-z, 0-9 and -, and neither begin nor end with -";

/// Whether this is how a slug is written.
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
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
    fn only_what_is_changed_is_checked() {
        let at = |s: &str| Some(s.parse().unwrap());
        let old = Settings {
            checkout_url: Some("https://?".into()),
            starts_at: at("2026-11-27T12:00:00Z"),
            ends_at: at("2026-11-27T14:00:00Z"),
            ..good()
        };
        let now = "2026-11-27T13:00:00Z".parse().unwrap();
        let renamed = Settings { name: "Renamed".into(), ..old.clone() };
        assert_eq!(renamed.faults_since(&old), []);
        assert_eq!(renamed.times_over(Some(&old), now), []);
        let bad = Settings { checkout_url: Some("https://#".into()), ..old.clone() };
        assert_eq!(bad.faults_since(&old)[0].field, "checkout_url");
        let late = Settings { starts_at: at("2026-11-27T15:00:00Z"), ..old.clone() };
        assert_eq!(late.faults_since(&old)[0].field, "ends_at");
        let fields = |to: &Settings, before| {
            let faults = to.times_over(before, now);
            faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        let over = Settings {
            starts_at: at("2026-11-27T12:30:00Z"),
            ends_at: at("2026-11-27T13:00:00Z"),
            ..old.clone()
        };
        assert_eq!(fields(&over, Some(&old)), ["starts_at", "ends_at"]);
        assert_eq!(fields(&old, None), ["starts_at"]);
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
