//! Holds back warnings and errors that repeat: the first of a kind is written, the others of the next half minute
//! are counted, and one line tells how many there were.
//!
//! While a store is away every call fails in the same way, and a line for each would fill a disk and hide the one
//! line that says why.

use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::counter;
use tokio::time::{Instant, sleep};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

/// For so long lines like one that was written are counted and not written.
const HELD_FOR: Duration = Duration::from_secs(30);
/// How often is looked for lines whose time is over.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Kinds of one place in the source that are told apart, such as one for each sale. Lines beyond are one kind.
const KINDS_OF_ONE_PLACE: usize = 20;
/// Characters of the fields by which kinds are told apart.
const LONGEST_FIELDS: usize = 300;
/// The target of the lines that tell how many were held back. They are never held back.
const TARGET: &str = "ropeline::repeats";

static REPEATS: LazyLock<Repeats> = LazyLock::new(Repeats::default);

/// Tells how often lines were repeated, for as long as the process runs.
pub async fn tell_repeats() {
    loop {
        sleep(LOOK_EVERY).await;
        REPEATS.take_over(Some(HELD_FOR)).iter().for_each(tell);
    }
}

/// Tells it of all lines, because the process ends.
pub fn tell_all_repeats() {
    REPEATS.take_over(None).iter().for_each(tell);
}

fn tell(held: &Held) {
    let (repeated, seconds) = (held.count, held.since.elapsed().as_secs());
    let text = format!("{repeated} more like it in {seconds} s: {}", held.message);
    if held.level == Level::ERROR {
        tracing::error!(target: TARGET, repeated, last = held.fields, "{text}");
    } else {
        tracing::warn!(target: TARGET, repeated, last = held.fields, "{text}");
    }
}

/// The filter of the log.
pub(crate) struct HoldBack;

impl<S> Filter<S> for HoldBack {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN || metadata.target() == TARGET {
            return true;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let place = (metadata.target(), metadata.line().unwrap_or_default());
        let is_first = REPEATS.note(place, *metadata.level(), text);
        if !is_first {
            counter!(crate::telemetry::LINES_HELD_BACK).increment(1);
        }
        is_first
    }
}

/// A place in the source.
type Place = (&'static str, u32);

/// The lines of the last half minute.
#[derive(Default)]
struct Repeats(Mutex<HashMap<Place, HashMap<String, Held>>>);

/// One kind of lines.
struct Held {
    since: Instant,
    level: Level,
    message: String,
    /// Of the last line.
    fields: String,
    /// Lines that were not written.
    count: u64,
}

impl Repeats {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, HashMap<String, Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a line; whether it is the first of its kind.
    fn note(&self, place: Place, level: Level, text: Text) -> bool {
        let mut all = self.lock();
        let kinds = all.entry(place).or_default();
        let mut kind = text.kind();
        if kinds.len() >= KINDS_OF_ONE_PLACE && !kinds.contains_key(&kind) {
            kind.clear();
        }
        let Text { message, fields } = text;
        if let Some(held) = kinds.get_mut(&kind) {
            held.count += 1;
            (held.message, held.fields) = (message, fields);
            return false;
        }
        kinds.insert(kind, Held { since: Instant::now(), level, message, fields, count: 0 });
        true
    }

    /// Takes out the kinds that are at least this old, and gives those of which lines were held back.
    fn take_over(&self, age: Option<Duration>) -> Vec<Held> {
        let mut over = Vec::new();
        self.lock().retain(|_, kinds| {
            let is_over = |held: &Held| age.is_none_or(|age| held.since.elapsed() >= age);
            over.extend(kinds.extract_if(|_, held| is_over(held)).map(|(_, held)| held));
            !kinds.is_empty()
        });
        over.retain(|held| held.count > 0);
        over
    }
}

/// What a line says.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    /// The same for lines that differ in numbers alone.
    fn kind(&self) -> String {
        let text = format!("{} {}", self.message, self.fields);
        let mut kind = String::with_capacity(text.len());
        for c in text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }) {
            if c != '#' || !kind.ends_with('#') {
                kind.push(c);
            }
        }
        kind
    }

    fn add(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if field.name() == "message" {
            self.message = value.to_string();
        } else if self.fields.len() < LONGEST_FIELDS {
            let joint = if self.fields.is_empty() { "" } else { " " };
            let value = value.to_string();
            let value: String = value.chars().take(LONGEST_FIELDS).collect();
            self.fields.push_str(&format!("{joint}{}={value}", field.name()));
        }
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, fields: &str) -> Text {
        Text { message: message.into(), fields: fields.into() }
    }

    #[test]
    fn the_first_line_of_a_kind_is_written_and_the_others_are_counted() {
        let (repeats, here) = (Repeats::default(), ("flow", 7));
        let note = |fields: &str| repeats.note(here, Level::WARN, line("not placed", fields));
        assert!(note("sale=a error=timed out after 250 ms"));
        for ms in 0..4_311 {
            assert!(!note(&format!("sale=a error=timed out after {ms} ms")));
        }
        assert!(note("sale=b error=timed out after 250 ms"), "another sale");
        assert!(note("sale=a error=connection refused"), "another error");
        let over = repeats.take_over(None);
        assert_eq!(over.len(), 1);
        assert_eq!(
            (over[0].count, over[0].fields.as_str()),
            (4_311, "sale=a error=timed out after 4310 ms")
        );
        assert!(note("sale=a error=connection refused"), "it is told anew afterwards");
    }

    #[test]
    fn lines_that_all_differ_are_bounded_too() {
        let repeats = Repeats::default();
        let word = |n: u32| {
            n.to_string().replace(|c: char| c.is_ascii_digit(), "x") + &"y".repeat(n as usize)
        };
        let written = (0..1_000)
            .filter(|n| repeats.note(("flow", 7), Level::ERROR, line(&word(*n), "")))
            .count();
        assert_eq!(written, KINDS_OF_ONE_PLACE + 1);
        let held: u64 = repeats.take_over(None).iter().map(|held| held.count).sum();
        assert_eq!(held, 1_000 - written as u64, "none is lost");
    }

    #[test]
    fn a_kind_is_held_for_its_time() {
        let repeats = Repeats::default();
        for _ in 0..2 {
            repeats.note(("flow", 7), Level::WARN, line("away", ""));
        }
        assert!(repeats.take_over(Some(HELD_FOR)).is_empty());
        assert_eq!(repeats.take_over(Some(Duration::ZERO)).len(), 1);
        assert!(repeats.lock().is_empty());
    }
}
