//! Whether a sale can be opened as it is set up: a list of items, each with a sentence that says what to do.
//! Pure: the caller gives the settings, the stock, the gateway's public URL and the time.

use jiff::{SignedDuration, Timestamp};

use crate::model::settings::address;
use crate::model::{Checkout, SaleState, Settings, Stock};

/// What the items are judged by.
#[derive(Debug, Clone, Copy)]
pub struct SetUp<'a> {
    pub settings: &'a Settings,
    pub state: SaleState,
    pub stock: Stock,
    /// `ROPELINE_PUBLIC_URL` of the gateway.
    pub public_url: Option<&'a str>,
    pub now: Timestamp,
}

/// One part of the set-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub name: &'static str,
    pub ok: bool,
    pub detail: String,
}

impl Item {
    /// The item as the console and the verdict name it.
    pub fn label(&self) -> &'static str {
        match self.name {
            "address" => "checkout address",
            "public_url" => "public URL",
            "window" => "checkout window",
            name => name,
        }
    }
}

/// Whether every item is ok.
pub fn is_ready(items: &[Item]) -> bool {
    items.iter().all(|item| item.ok)
}

/// The items of a set-up, always all six and in this order.
pub fn items(of: &SetUp<'_>) -> Vec<Item> {
    let item = |name, judged: Result<String, String>| match judged {
        Ok(detail) => Item { name, ok: true, detail },
        Err(detail) => Item { name, ok: false, detail },
    };
    vec![
        item("address", checkout_address(of)),
        item("units", units(of.stock)),
        item("start", start(of)),
        item("end", end(of)),
        item("window", window(of)),
        item("public_url", public_url(of.public_url)),
    ]
}

fn checkout_address(of: &SetUp<'_>) -> Result<String, String> {
    if of.settings.checkout == Checkout::Builtin {
        return Ok("Shoppers check out on a page of ropeline.".into());
    }
    let Some(url) = of.settings.checkout_url.as_deref() else {
        return Err("The shop runs the checkout, and its address is not set: admitted shoppers get no link. Set \
                    \"Checkout address of the shop\" (checkout_url)."
            .into());
    };
    if let Some(fault) = address::link_fault(url) {
        return Err(format!(
            "The checkout address {url} is not usable: it {fault}. Correct checkout_url."
        ));
    }
    let is_public = of.public_url.is_some_and(is_https);
    if is_public && !is_https(url) {
        return Err(format!(
            "The checkout address {url} is not https, but the public URL is. Set an https address (checkout_url)."
        ));
    }
    if is_public && address::is_loopback(url) {
        return Err(format!(
            "The checkout address {url} is on the shopper's own machine. Set the shop's public address (checkout_url)."
        ));
    }
    Ok(format!("Shoppers check out at {url}."))
}

fn units(stock: Stock) -> Result<String, String> {
    let available = stock.available();
    if stock.seeded == 0 {
        return Err("No units are seeded: nobody can be let in. Add units.".into());
    }
    if available <= 0 {
        return Err(format!(
            "None of the {} seeded units is available: all are held, sold or withdrawn. Add units.",
            stock.seeded
        ));
    }
    Ok(format!("{available} of {} seeded units are available.", stock.seeded))
}

fn start(of: &SetUp<'_>) -> Result<String, String> {
    match (of.state, of.settings.starts_at) {
        (SaleState::Closed, _) => {
            Err("The sale is closed and cannot open. Make a new sale.".into())
        }
        (SaleState::Open | SaleState::Paused, _) => Ok("The sale was opened.".into()),
        (SaleState::Scheduled, None) => Ok("No start is set: you open the sale by hand.".into()),
        (SaleState::Scheduled, Some(at)) if at > of.now => {
            Ok(format!("The sale opens by itself at {at}."))
        }
        (SaleState::Scheduled, Some(at)) => Err(format!(
            "The start {at} is over: the sale opens at once. Set a later start, or none (starts_at)."
        )),
    }
}

fn end(of: &SetUp<'_>) -> Result<String, String> {
    let Some(ends) = of.settings.ends_at else {
        return Ok("No end is set: you close the sale by hand.".into());
    };
    if ends <= of.now {
        return Err(format!(
            "The end {ends} is over: the sale closes at once and for good. Set a later end, or none (ends_at)."
        ));
    }
    if of.settings.starts_at.is_some_and(|starts| ends <= starts) {
        return Err(format!("The end {ends} is not after the start. Set a later end (ends_at)."));
    }
    Ok(format!("The sale closes by itself at {ends}."))
}

fn window(of: &SetUp<'_>) -> Result<String, String> {
    let seconds = i64::from(of.settings.checkout_window_seconds);
    let Some(ends) = of.settings.ends_at else {
        return Ok(format!("A shopper has {} to check out.", span(seconds)));
    };
    let opens = of.settings.starts_at.map_or(of.now, |starts| starts.max(of.now));
    let open_for: SignedDuration = ends.duration_since(opens);
    let open_for = open_for.as_secs().max(0);
    if open_for < seconds {
        return Err(format!(
            "The checkout window of {} does not fit into the {} before the end: a unit that comes back reaches nobody. \
             Set a later end (ends_at) or a shorter window (checkout_window_seconds).",
            span(seconds),
            span(open_for)
        ));
    }
    Ok(format!(
        "A shopper has {} to check out; the end is {} after the start.",
        span(seconds),
        span(open_for)
    ))
}

fn public_url(url: Option<&str>) -> Result<String, String> {
    let set = "Set ROPELINE_PUBLIC_URL to the https address that shoppers open, on every gateway.";
    match url {
        None => Err(format!("The gateway does not know its public address. {set}")),
        Some(url) if address::is_loopback(url) => {
            Err(format!("The public URL {url} is on this machine: shoppers do not reach it. {set}"))
        }
        Some(url) if !is_https(url) => {
            Err(format!("The public URL {url} is not https: cookies are sent in the clear. {set}"))
        }
        Some(url) => Ok(format!("Shoppers open {url}.")),
    }
}

fn is_https(url: &str) -> bool {
    url.starts_with("https://")
}

/// A time in minutes, and in seconds where minutes do not say it.
fn span(seconds: i64) -> String {
    let count = |n: i64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    match (seconds / 60, seconds % 60) {
        (0, rest) => count(rest, "second"),
        (minutes, 0) => count(minutes, "minute"),
        (minutes, rest) => format!("{} {}", count(minutes, "minute"), count(rest, "second")),
    }
}

#[cfg(test)]
mod tests;
