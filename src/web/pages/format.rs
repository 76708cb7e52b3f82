//! Owns how numbers, times and spans read on a page. Templates use these as filters.

use askama::{Values, filter_fn};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A value as templates hand it over: itself, or behind any number of references.
pub trait Plain<T> {
    fn plain(&self) -> T;
}

impl Plain<u64> for u64 {
    fn plain(&self) -> u64 {
        *self
    }
}

impl Plain<Option<u64>> for u64 {
    fn plain(&self) -> Option<u64> {
        Some(*self)
    }
}

impl Plain<Option<u64>> for Option<u64> {
    fn plain(&self) -> Option<u64> {
        *self
    }
}

impl Plain<f64> for f64 {
    fn plain(&self) -> f64 {
        *self
    }
}

impl Plain<Timestamp> for Timestamp {
    fn plain(&self) -> Timestamp {
        *self
    }
}

impl<T, P: Plain<T>> Plain<T> for &P {
    fn plain(&self) -> T {
        (*self).plain()
    }
}

/// What `num` can show: a count, or one that is not known.
pub trait Count {
    fn text(&self) -> String;
}

impl Count for u64 {
    fn text(&self) -> String {
        count(*self)
    }
}

impl Count for Option<u64> {
    fn text(&self) -> String {
        self.map(count).unwrap_or_default()
    }
}

impl<C: Count> Count for &C {
    fn text(&self) -> String {
        (*self).text()
    }
}

/// `1234567` as `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn utc(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// A count with thousands separators.
#[filter_fn]
pub fn num(value: impl Count, _: &dyn Values) -> askama::Result<String> {
    Ok(value.text())
}

/// A rate per second with one decimal.
#[filter_fn]
pub fn rate(value: impl Plain<f64>, _: &dyn Values) -> askama::Result<String> {
    Ok(format!("{:.1}", value.plain()))
}

/// Seconds in words: `10 minutes`, `90 seconds`.
#[filter_fn]
pub fn words(value: impl Plain<u64>, _: &dyn Values) -> askama::Result<String> {
    let (count, unit) = match value.plain() {
        seconds if seconds >= 3600 && seconds.is_multiple_of(3600) => (seconds / 3600, "hour"),
        seconds if seconds >= 60 && seconds.is_multiple_of(60) => (seconds / 60, "minute"),
        seconds => (seconds, "second"),
    };
    Ok(format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
}

/// What the API says of a fault, as a line of its own: `There is no such sale.`
#[filter_fn]
pub fn sentence(text: impl std::fmt::Display, _: &dyn Values) -> askama::Result<String> {
    Ok(sentence_text(&text.to_string()))
}

pub fn sentence_text(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// A day and time for tables, which say that they are in UTC: `2026-11-27 12:41:08`.
#[filter_fn]
pub fn stamp(at: impl Plain<Timestamp>, _: &dyn Values) -> askama::Result<String> {
    Ok(stamp_text(at.plain()))
}

/// The same outside of a template.
pub fn stamp_text(at: Timestamp) -> String {
    utc(at, "%Y-%m-%d %H:%M:%S")
}

/// A time as the field of a form has it, in UTC; empty for none.
pub fn local_time(at: Option<Timestamp>) -> String {
    let Some(at) = at else { return String::new() };
    let format = if at.as_second() % 60 == 0 { "%Y-%m-%dT%H:%M" } else { "%Y-%m-%dT%H:%M:%S" };
    utc(at, format)
}
