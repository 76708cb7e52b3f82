//! Each item of readiness, when it is met and when it is not.

use crate::model::settings::readiness::*;

const PUBLIC: &str = "https://queue.example";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A shop sale with nothing missing, judged one hour before its start.
fn good() -> Settings {
    Settings {
        slug: "drop".into(),
        name: "Drop".into(),
        checkout_url: Some("https://shop.example/pay".into()),
        starts_at: Some(at("2026-11-27T12:00:00Z")),
        ends_at: Some(at("2026-11-27T14:00:00Z")),
        ..Settings::default()
    }
}

fn stock(seeded: i64, sold: i64) -> Stock {
    Stock { seeded, sold, ..Stock::default() }
}

fn judged(settings: &Settings, stock: Stock, public_url: Option<&str>) -> Vec<Item> {
    let now = at("2026-11-27T11:00:00Z");
    items(&SetUp { settings, state: SaleState::Scheduled, stock, public_url, now })
}

#[test]
fn a_whole_set_up_is_ready_and_each_fault_is_named_alone() {
    let names = ["address", "units", "start", "end", "window", "public_url"];
    let whole = judged(&good(), stock(10, 0), Some(PUBLIC));
    assert_eq!(whole.iter().map(|item| item.name).collect::<Vec<_>>(), names);
    assert!(is_ready(&whole), "{whole:?}");

    let (full, public) = (stock(10, 0), Some(PUBLIC));
    let with = |change: fn(&mut Settings)| {
        let mut settings = good();
        change(&mut settings);
        settings
    };
    let url = |text: &str| Settings { checkout_url: Some(text.into()), ..good() };
    let end = |text: &str| Settings { ends_at: Some(at(text)), ..good() };
    let cases = [
        (with(|s| s.checkout_url = None), full, public, "address", "is not set"),
        (url("http://shop.example/pay"), full, public, "address", "is not https"),
        (url("https://127.0.0.1/pay"), full, public, "address", "own machine"),
        (url("https://?"), full, public, "address", "must have a host"),
        (good(), stock(0, 0), public, "units", "No units are seeded"),
        (good(), stock(10, 10), public, "units", "None of the 10"),
        (
            with(|s| s.starts_at = Some(at("2026-11-27T10:00:00Z"))),
            full,
            public,
            "start",
            "is over",
        ),
        (
            end("2026-11-27T12:09:59Z"),
            full,
            public,
            "window",
            "10 minutes does not fit into the 9 minutes 59 seconds",
        ),
        (good(), full, None, "public_url", "ROPELINE_PUBLIC_URL"),
        (good(), full, Some("https://localhost:8080"), "public_url", "on this machine"),
        (good(), full, Some("https://127.0.0.2"), "public_url", "on this machine"),
        (good(), full, Some("https://[::1]:8443"), "public_url", "on this machine"),
        (good(), full, Some("http://queue.example"), "public_url", "is not https"),
    ];
    for (settings, stock, public_url, name, told) in cases {
        let items = judged(&settings, stock, public_url);
        let bad: Vec<_> = items.iter().filter(|item| !item.ok).collect();
        assert_eq!(bad.len(), 1, "{name}: {bad:?}");
        assert_eq!(bad[0].name, name);
        assert!(bad[0].detail.contains(told), "{told}: {}", bad[0].detail);
        assert!(!is_ready(&items));
    }
}

#[test]
fn an_end_that_is_over_or_before_the_start_fails_with_its_window() {
    for (end, told) in [("2026-11-27T10:00:00Z", "is over"), ("2026-11-27T11:30:00Z", "not after")]
    {
        let settings = Settings { ends_at: Some(at(end)), ..good() };
        let items = judged(&settings, stock(1, 0), Some(PUBLIC));
        let bad: Vec<_> = items.iter().filter(|item| !item.ok).collect();
        assert_eq!(bad.iter().map(|item| item.name).collect::<Vec<_>>(), ["end", "window"]);
        assert!(bad[0].detail.contains(told), "{}", bad[0].detail);
    }
}

#[test]
fn what_is_left_to_a_person_is_ready_and_says_so() {
    let by_hand = Settings {
        checkout: Checkout::Builtin,
        checkout_url: None,
        starts_at: None,
        ends_at: None,
        ..good()
    };
    let items = judged(&by_hand, stock(1, 0), Some(PUBLIC));
    assert!(is_ready(&items), "{items:?}");
    let told: Vec<_> = items.iter().map(|item| item.detail.as_str()).collect();
    assert_eq!(told[0], "Shoppers check out on a page of ropeline.");
    assert_eq!(told[2], "No start is set: you open the sale by hand.");
    assert_eq!(told[3], "No end is set: you close the sale by hand.");
    assert_eq!(told[4], "A shopper has 10 minutes to check out.");
    // Without https in front, the shop's address may be http, too: a rehearsal on one machine.
    let rehearsal = Settings { checkout_url: Some("http://127.0.0.1:3000".into()), ..good() };
    let items = judged(&rehearsal, stock(1, 0), None);
    assert!(items[0].ok && !items[5].ok, "{items:?}");
}

#[test]
fn a_start_counts_until_the_sale_is_open_and_a_closed_sale_is_never_ready() {
    let settings = good();
    let now = at("2026-11-27T12:30:00Z");
    let of = |state| {
        let stock = stock(1, 0);
        items(&SetUp { settings: &settings, state, stock, public_url: Some(PUBLIC), now })
    };
    assert!(!of(SaleState::Scheduled)[2].ok);
    assert!(is_ready(&of(SaleState::Open)) && is_ready(&of(SaleState::Paused)));
    assert!(!of(SaleState::Closed)[2].ok);
}
