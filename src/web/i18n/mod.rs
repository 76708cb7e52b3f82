//! Owns what shoppers read: the words of a page in one language, and how that language writes numbers,
//! times and waits. The page's script is given the same forms and fills them by the same rules, so that
//! both show the same text.

pub(crate) mod catalogue;
pub(crate) mod negotiation;
#[cfg(test)]
mod tests;

use icu_calendar::Gregorian;
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::{T, YMDE};
use icu_datetime::input::{Date, DateTime, Time};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_locale_core::Locale;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use unic_langid::LanguageIdentifier;

pub use crate::web::i18n::catalogue::{Book, LANGUAGES, Language};
pub use crate::web::i18n::negotiation::Asked;

use crate::web::pages::views::Plain;

/// Messages that the room's script fills by itself.
const FOR_THE_SCRIPT: [&str; 9] = [
    "under-a-minute",
    "minutes",
    "hours",
    "days",
    "range",
    "percent",
    "chance-over",
    "chance-under",
    "news-old",
];
/// From which chance on each of the words is said, and what is said below the last of them.
const CHANCES: [(f64, &str); 6] = [
    (1.0, "chance-certain"),
    (0.9, "chance-very-likely"),
    (0.65, "chance-likely"),
    (0.4, "chance-even"),
    (0.1, "chance-unlikely"),
    (NO_CHANCE_BELOW, "chance-very-unlikely"),
];
const NO_CHANCE: &str = "chance-none";
/// Below this there is no realistic chance.
pub const NO_CHANCE_BELOW: f64 = 0.01;
/// From here on a chance is "over" this: rounded, it would read as if it were sure.
const NEARLY_SURE: f64 = 0.99;
/// From here on a wait is told in hours: nobody reads "150–190 minutes".
const HOURS_FROM_SECONDS: u64 = 5400;
/// From here on a countdown is told in days.
const DAYS_FROM_SECONDS: u64 = 2 * 86_400;
/// From here on "try again" is told in minutes.
const MINUTES_FROM_SECONDS: u64 = 120;

/// The words of one page.
#[derive(Clone)]
pub struct Words {
    book: &'static Book,
    locale: Locale,
    is_fixed: bool,
}

impl Words {
    fn new(book: &'static Book, own: &LanguageIdentifier, is_fixed: bool) -> Self {
        // The script's Intl takes the same tag: one calendar and one set of digits on both sides.
        let tag = format!("{own}-u-ca-gregory-nu-latn");
        let locale = tag.parse().unwrap_or(Locale::UNKNOWN);
        Self { book, locale, is_fixed }
    }

    /// For pages that nobody asked for in any language.
    pub fn english() -> Self {
        Self::new(Book::english(), &Book::english().id, true)
    }

    pub fn tag(&self) -> &'static str {
        self.book.language.tag
    }

    pub fn is_rtl(&self) -> bool {
        self.book.language.is_rtl
    }

    /// How numbers and times are written, for the script.
    pub fn locale(&self) -> String {
        self.locale.to_string()
    }

    /// The languages to choose from; none where the sale has fixed its own.
    pub fn choices(&self) -> &'static [Language] {
        if self.is_fixed { &[] } else { LANGUAGES }
    }

    fn message(&self, id: &str, n: u64) -> String {
        let found = self.book.message(id, n).or_else(|| Book::english().message(id, n));
        found.unwrap_or_else(|| id.to_owned())
    }

    /// A message; `{name}` stays where a value comes in.
    pub fn t(&self, id: &str) -> String {
        self.message(id, 0)
    }

    /// A message about a count.
    pub fn n(&self, id: &str, n: u64) -> String {
        self.message(id, n).replace("{n}", &self.count(n))
    }

    /// What a message says before the value that comes in, and after it.
    pub fn around(&self, id: &str) -> (String, String) {
        let text = self.t(id);
        let parts = text.split_once('{').and_then(|(before, rest)| {
            let (_, after) = rest.split_once('}')?;
            Some((before.to_owned(), after.to_owned()))
        });
        parts.unwrap_or((text, String::new()))
    }

    /// A count as the language groups its digits; empty when it is not known.
    pub fn count(&self, n: impl Plain<Option<u64>>) -> String {
        let Some(n) = n.plain() else { return String::new() };
        match DecimalFormatter::try_new((&self.locale).into(), Default::default()) {
            Ok(formatter) => formatter.format(&Decimal::from(n)).to_string(),
            Err(_) => n.to_string(),
        }
    }

    /// A wait, rounded outwards: a promise that holds.
    pub fn wait(&self, low: u64, high: u64) -> String {
        let (id, size) = if high < HOURS_FROM_SECONDS { ("minutes", 60) } else { ("hours", 3600) };
        let (low, high) = ((low / size).max(1), high.div_ceil(size));
        if id == "minutes" && high <= 1 {
            return self.t("under-a-minute");
        }
        let shown = if low < high {
            let range = self.t("range").replace("{low}", &self.count(low));
            range.replace("{high}", &self.count(high))
        } else {
            self.count(high)
        };
        self.message(id, high).replace("{range}", &shown)
    }

    /// A share as a whole percentage.
    pub fn percent(&self, share: f64) -> String {
        // Rounded as the script does it.
        self.message("percent", 0).replace("{n}", &format!("{:.0}", (share * 100.0).round()))
    }

    /// A chance in words and a number. Only what is sure is called so: what is rounded to it is not.
    pub fn chance(&self, chance: f64) -> String {
        let found = CHANCES.iter().find(|(least, _)| chance >= *least);
        let word = self.t(found.map_or(NO_CHANCE, |(_, id)| id));
        let some = |id, share| self.t(id).replace("{p}", &self.percent(share));
        let number = if chance < NO_CHANCE_BELOW {
            some("chance-under", NO_CHANCE_BELOW)
        } else if (NEARLY_SURE..1.0).contains(&chance) {
            some("chance-over", NEARLY_SURE)
        } else {
            self.percent(chance)
        };
        format!("{word} – {number}")
    }

    /// Seconds as a countdown: `9:32`, `1:00:00`, `3 days`.
    pub fn span(&self, seconds: impl Plain<u64>) -> String {
        let seconds = seconds.plain();
        if seconds >= DAYS_FROM_SECONDS {
            return self.n("days", seconds / 86_400);
        }
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => format!("{minutes}:{seconds:02}"),
            hours => format!("{hours}:{minutes:02}:{seconds:02}"),
        }
    }

    /// When to come back.
    pub fn retry(&self, seconds: impl Plain<u64>) -> String {
        let seconds = seconds.plain();
        if seconds < MINUTES_FROM_SECONDS {
            self.n("retry-seconds", seconds)
        } else {
            self.n("retry-minutes", seconds.div_ceil(60))
        }
    }

    /// A time of day: `12:41 PM UTC`.
    pub fn clock(&self, at: impl Plain<Timestamp>) -> String {
        self.time(at.plain(), T::hm(), "%H:%M") + " UTC"
    }

    /// A time of day to the second: `12:41:08 PM UTC`.
    pub fn moment(&self, at: impl Plain<Timestamp>) -> String {
        self.time(at.plain(), T::hms(), "%H:%M:%S") + " UTC"
    }

    /// A day and time: `Friday, November 27, 2026 at 12:41 PM UTC`.
    pub fn day(&self, at: impl Plain<Timestamp>) -> String {
        let text = self.t("day-time").replace("{date}", &self.date(at.plain()));
        text.replace("{time}", &self.clock(at))
    }

    fn date(&self, at: Timestamp) -> String {
        let format = FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(
            (&self.locale).into(),
            YMDE::long(),
        );
        match (format, civil(at)) {
            (Ok(format), Some(at)) => format.format(&at.date).to_string(),
            _ => plain(at, "%Y-%m-%d"),
        }
    }

    fn time(&self, at: Timestamp, fields: T, otherwise: &str) -> String {
        let format =
            FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new((&self.locale).into(), fields);
        match (format, civil(at)) {
            (Ok(format), Some(at)) => format.format(&at.time).to_string(),
            _ => plain(at, otherwise),
        }
    }

    /// What the room's script says by itself: texts, or one for each plural form, with `{name}` where a
    /// value comes in.
    pub fn for_the_script(&self) -> String {
        let words = FOR_THE_SCRIPT.iter().map(|id| {
            let forms: Map<String, Value> = self
                .book
                .samples()
                .into_iter()
                .map(|(plural, n)| (plural.to_owned(), self.message(id, n).into()))
                .collect();
            let is_one = forms.values().all(|form| Some(form) == forms.values().next());
            let one = forms.values().next().cloned().unwrap_or_default();
            ((*id).to_owned(), if is_one { one } else { forms.into() })
        });
        let mut words: Map<String, Value> = words.collect();
        let chances = CHANCES.iter().map(|(_, id)| *id).chain([NO_CHANCE]);
        words.insert("chances".to_owned(), chances.map(|id| self.t(id)).collect());
        Value::Object(words).to_string()
    }
}

fn plain(at: Timestamp, format: &str) -> String {
    at.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

/// A time in UTC, as the formatters take it.
fn civil(at: Timestamp) -> Option<DateTime<Gregorian>> {
    let at = at.to_zoned(TimeZone::UTC).datetime();
    let unsigned = |part: i8| part.unsigned_abs();
    let date =
        Date::try_new_gregorian(at.year().into(), unsigned(at.month()), unsigned(at.day())).ok()?;
    let time =
        Time::try_new(unsigned(at.hour()), unsigned(at.minute()), unsigned(at.second()), 0).ok()?;
    Some(DateTime { date, time })
}
