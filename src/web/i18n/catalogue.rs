//! Owns the languages and their messages, read once from `words/*.ftl`.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};
use unic_langid::LanguageIdentifier;

/// A language that shoppers can read.
pub struct Language {
    /// As `lang` attributes and `?lang=` name it.
    pub tag: &'static str,
    /// As its speakers call it.
    pub name: &'static str,
    pub is_rtl: bool,
    source: &'static str,
}

macro_rules! languages {
    ($($tag:literal $name:literal $is_rtl:literal;)*) => {
        /// English is the first: it stands in where nothing fits.
        pub const LANGUAGES: &[Language] = &[$(Language {
            tag: $tag,
            name: $name,
            is_rtl: $is_rtl,
            source: include_str!(concat!("../../../words/", $tag, ".ftl")),
        }),*];
    };
}

languages! {
    "en" "English" false;
    "de" "Deutsch" false;
    "fr" "Français" false;
    "es" "Español" false;
    "pt" "Português" false;
    "it" "Italiano" false;
    "nl" "Nederlands" false;
    "pl" "Polski" false;
    "tr" "Türkçe" false;
    "ja" "日本語" false;
    "ko" "한국어" false;
    "zh-Hans" "简体中文" false;
    "hi" "हिन्दी" false;
    "ar" "العربية" true;
}

/// The names of all plural forms.
const PLURALS: [&str; 6] = ["zero", "one", "two", "few", "many", "other"];

/// A sample for each plural form of every language is among these.
const SAMPLES: [u64; 12] = [0, 1, 2, 3, 5, 6, 11, 20, 21, 100, 102, 1_000_000];

/// One language, ready to be used.
pub struct Book {
    pub language: &'static Language,
    pub id: LanguageIdentifier,
    bundle: FluentBundle<FluentResource>,
    /// Of the plural rules, which may not be shared between threads and are made for each use.
    locale: Locale,
}

static BOOKS: LazyLock<Vec<Book>> = LazyLock::new(|| LANGUAGES.iter().map(Book::open).collect());

impl Book {
    pub fn all() -> &'static [Self] {
        &BOOKS
    }

    pub fn english() -> &'static Self {
        &BOOKS[0]
    }

    pub fn of(tag: &str) -> Option<&'static Self> {
        BOOKS.iter().find(|book| book.language.tag.eq_ignore_ascii_case(tag))
    }

    fn open(language: &'static Language) -> Self {
        let id: LanguageIdentifier = language.tag.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id.clone()]);
        // Nothing is inserted but numbers and times, which only text from right to left turns around.
        bundle.set_use_isolating(language.is_rtl);
        // The count comes as the name of its plural form, which chooses; where it is shown, it is a place
        // to fill like any other.
        bundle.set_formatter(Some(|value, _| match value {
            FluentValue::String(text) if PLURALS.contains(&text.as_ref()) => Some("{n}".to_owned()),
            FluentValue::String(_)
            | FluentValue::Number(_)
            | FluentValue::Custom(_)
            | FluentValue::None
            | FluentValue::Error => None,
        }));
        let resource = FluentResource::try_new(language.source.to_owned());
        // A file with a fault never gets past the tests; what could be read is used.
        let resource = resource.unwrap_or_else(|(readable, faults)| {
            tracing::error!(language = language.tag, ?faults, "messages not readable");
            readable
        });
        bundle.add_resource_overriding(resource);
        let locale = language.tag.parse().unwrap_or(Locale::UNKNOWN);
        Self { language, id, bundle, locale }
    }

    /// A message with `{name}` wherever a value comes in, in the plural form for `n`.
    pub fn message(&self, id: &str, n: u64) -> Option<String> {
        let pattern = self.bundle.get_message(id)?.value()?;
        let mut args = FluentArgs::new();
        args.set("n", self.plural(n));
        for name in ["at", "date", "high", "left", "low", "p", "position", "range", "time", "unit"]
        {
            args.set(name, format!("{{{name}}}"));
        }
        let mut faults = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(&args), &mut faults);
        faults.is_empty().then(|| text.into_owned())
    }

    /// The plural form of a count, by its name in CLDR.
    pub fn plural(&self, n: u64) -> &'static str {
        let rules = PluralRules::try_new_cardinal((&self.locale).into());
        match rules.map_or(PluralCategory::Other, |rules| rules.category_for(n)) {
            PluralCategory::Zero => "zero",
            PluralCategory::One => "one",
            PluralCategory::Two => "two",
            PluralCategory::Few => "few",
            PluralCategory::Many => "many",
            PluralCategory::Other => "other",
        }
    }

    /// A count for each plural form that this language has for whole numbers.
    pub fn samples(&self) -> Vec<(&'static str, u64)> {
        let mut found: Vec<(&'static str, u64)> = Vec::new();
        for n in SAMPLES {
            let plural = self.plural(n);
            if found.iter().all(|(known, _)| *known != plural) {
                found.push((plural, n));
            }
        }
        found
    }
}
