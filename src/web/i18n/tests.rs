//! Every language says everything, in every plural form that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fluent_syntax::ast::{
    Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey,
};
use fluent_syntax::parser;

use crate::web::i18n::*;

/// What one message takes in, and the plural forms that it has.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    values: BTreeSet<String>,
    plurals: Vec<BTreeSet<String>>,
}

impl Shape {
    fn read(&mut self, pattern: &Pattern<&str>) {
        for element in &pattern.elements {
            let PatternElement::Placeable { expression } = element else { continue };
            match expression {
                Expression::Inline(InlineExpression::VariableReference { id }) => {
                    self.values.insert(id.name.to_owned());
                }
                Expression::Inline(other) => panic!("nothing but values comes in: {other:?}"),
                Expression::Select { selector, variants } => {
                    let InlineExpression::VariableReference { id } = selector else {
                        panic!("a message is chosen by a value: {selector:?}")
                    };
                    self.values.insert(id.name.to_owned());
                    let forms = variants.iter().map(|variant| {
                        self.read(&variant.value);
                        let VariantKey::Identifier { name } = &variant.key else {
                            panic!("a form has a name: {:?}", variant.key)
                        };
                        (*name).to_owned()
                    });
                    let forms = forms.collect();
                    self.plurals.push(forms);
                }
            }
        }
    }
}

fn messages(language: &Language) -> BTreeMap<String, Shape> {
    let path = format!("{}/words/{}.ftl", env!("CARGO_MANIFEST_DIR"), language.tag);
    let source = fs::read_to_string(path).unwrap();
    let read = parser::parse(source.as_str()).expect("a message file is well formed");
    let mut found = BTreeMap::new();
    for entry in &read.body {
        match entry {
            Entry::Message(message) => {
                let mut shape = Shape::default();
                shape.read(message.value.as_ref().expect("a message says something"));
                let again = found.insert(message.id.name.to_owned(), shape);
                assert!(again.is_none(), "{}: {} is there twice", language.tag, message.id.name);
            }
            Entry::Comment(_) => {}
            Entry::Term(_)
            | Entry::GroupComment(_)
            | Entry::ResourceComment(_)
            | Entry::Junk { .. } => panic!("{}: not a message: {entry:?}", language.tag),
        }
    }
    found
}

#[test]
fn every_language_has_every_message_with_the_same_values() {
    let english = messages(&LANGUAGES[0]);
    assert!(english.len() > 100, "{}", english.len());
    assert_eq!(LANGUAGES.len(), 14);
    let tags: Vec<_> = LANGUAGES.iter().map(|language| language.tag).collect();
    assert_eq!(tags, crate::model::settings::brand::LANGUAGES, "a sale may be fixed to each");
    for language in &LANGUAGES[1..] {
        let own = messages(language);
        let names = |of: &BTreeMap<String, Shape>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&own), names(&english), "{}", language.tag);
        for (id, shape) in &own {
            assert_eq!(shape.values, english[id].values, "{} {id}", language.tag);
            let count = |shape: &Shape| shape.plurals.len();
            assert_eq!(count(shape), count(&english[id]), "{} {id}", language.tag);
        }
    }
}

#[test]
fn every_plural_form_of_a_language_is_written() {
    let mut seen = BTreeSet::new();
    for book in Book::all() {
        let tag = book.language.tag;
        let locale: Locale = tag.parse().unwrap();
        let rules = icu_plurals::PluralRules::try_new_cardinal(locale.into()).unwrap();
        let has = rules.categories().map(|form| format!("{form:?}").to_lowercase());
        let has: BTreeSet<String> = has.collect();
        let sampled: BTreeSet<_> = book.samples().into_iter().map(|(plural, _)| plural).collect();
        let counts = (0..=2000).chain([100_000, 1_000_000]);
        assert_eq!(sampled, counts.map(|n| book.plural(n)).collect(), "{tag}: the script gets all");
        let messages = messages(book.language);
        let forms = messages
            .iter()
            .flat_map(|(id, shape)| shape.plurals.iter().map(move |forms| (id, forms)));
        for (id, forms) in forms {
            assert_eq!(*forms, has, "{tag} {id}");
            seen.extend(forms.clone());
        }
    }
    assert_eq!(seen.len(), 6, "the languages have all six forms between them: {seen:?}");
}

#[test]
fn no_language_is_left_in_english() {
    for book in &Book::all()[1..] {
        let english = |id: &str| Book::english().message(id, 5);
        let ids: Vec<_> = messages(book.language).into_keys().collect();
        let same: Vec<_> = ids.iter().filter(|id| book.message(id, 5) == english(id)).collect();
        assert!(same.len() < 8, "{}: {same:?}", book.language.tag);
    }
}

fn sources(dir: &Path, end: &str, found: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, end, found);
        } else if path.to_str().unwrap().ends_with(end) && !path.ends_with("words/tests.rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn pages_use_every_message_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut pages, mut code) = (String::new(), String::new());
    sources(&root.join("templates"), ".html", &mut pages);
    sources(&root.join("src/web"), ".rs", &mut code);
    let known = messages(&LANGUAGES[0]);
    for id in known.keys() {
        let quoted = format!("\"{id}\"");
        assert!(pages.contains(&quoted) || code.contains(&quoted), "nothing says {id}");
    }
    let mut used = 0;
    for call in ["w.t(\"", "w.around(\"", "parts::day(\"", "parts::clock(\""] {
        for rest in pages.split(call).skip(1) {
            let id = &rest[..rest.find('"').unwrap()];
            assert!(known.contains_key(id), "{id} is no message");
            used += 1;
        }
    }
    assert!(used > 80, "{used}");
}

fn in_language(tag: &str) -> Words {
    let book = Book::of(tag).unwrap();
    Words::new(book, &book.id, false)
}

#[test]
fn numbers_and_waits_read_as_each_language_writes_them() {
    let cases = [
        ("en", "1,204", "2–5 minutes", "1–2 hours", "3 days", "88%"),
        ("de", "1.204", "2–5 Minuten", "1–2 Stunden", "3 Tage", "88\u{a0}%"),
        ("fr", "1\u{202f}204", "2–5 minutes", "1–2 heures", "3 jours", "88\u{202f}%"),
        ("es", "1204", "2–5 minutos", "1–2 horas", "3 días", "88\u{a0}%"),
        ("pl", "1204", "2–5 minut", "1–2 godziny", "3 dni", "88%"),
        ("tr", "1.204", "2–5 dakika", "1–2 saat", "3 gün", "%88"),
        ("ja", "1,204", "2～5 分", "1～2 時間", "3 日", "88%"),
        ("hi", "1,204", "2–5 मिनट", "1–2 घंटे", "3 दिन", "88%"),
    ];
    for (tag, count, minutes, hours, days, percent) in cases {
        let w = in_language(tag);
        let shown = [w.count(1204), w.wait(170, 260), w.wait(3600, 5400), w.span(259_200)];
        assert_eq!(shown, [count, minutes, hours, days], "{tag}");
        assert_eq!(w.percent(0.88), percent, "{tag}");
    }
    assert!(in_language("ar").n("days", 26_669).ends_with("يومًا"), "69 is many in Arabic");
    let isolated = "\u{2068}\u{2068}2\u{2069}–\u{2068}5\u{2069}\u{2069} دقائق";
    assert_eq!(in_language("ar").wait(170, 260), isolated, "digits are the same everywhere");
}

#[test]
fn a_chance_reads_as_the_table_has_it_which_the_script_is_held_to_as_well() {
    let table: Value =
        serde_json::from_str(include_str!("../../../tests/it/browser/chances.json")).unwrap();
    for language in LANGUAGES {
        for (at, chance) in table["chances"].as_array().unwrap().iter().enumerate() {
            let said = in_language(language.tag).chance(chance.as_f64().unwrap());
            // One kind of space, and no marks around what reads from left to right.
            let said =
                said.replace(['\u{a0}', '\u{202f}'], " ").replace(['\u{2068}', '\u{2069}'], "");
            assert_eq!(table["words"][language.tag][at], *said, "{} {chance}", language.tag);
        }
    }
}

#[test]
fn a_wait_is_told_in_round_words() {
    let words = |low, high| Words::english().wait(low, high);
    assert_eq!(words(5, 60), "less than a minute");
    assert_eq!(words(5, 61), "1–2 minutes");
    assert_eq!(words(120, 120), "2 minutes");
    assert_eq!(words(3000, 5399), "50–90 minutes");
    assert_eq!(words(3600, 5400), "1–2 hours");
    let spans = [0_u64, 59, 3600, 172_799, 172_800].map(|left| Words::english().span(left));
    assert_eq!(spans, ["0:00", "0:59", "1:00:00", "47:59:59", "2 days"]);
    let retries = [1_u64, 119, 120, 121].map(|left| Words::english().retry(left));
    let told = ["1 second", "119 seconds", "2 minutes", "3 minutes"];
    assert_eq!(retries, told.map(|time| format!("Please try again in {time}.")));
}

#[test]
fn times_read_as_each_language_writes_them() {
    let at: Timestamp = "2026-11-27T12:41:08Z".parse().unwrap();
    let w = Words::english();
    assert_eq!(w.clock(at).replace('\u{202f}', " "), "12:41 PM UTC");
    assert_eq!(w.moment(at).replace('\u{202f}', " "), "12:41:08 PM UTC");
    assert_eq!(w.day(at).replace('\u{202f}', " "), "Friday, November 27, 2026 at 12:41 PM UTC");
    assert_eq!(in_language("de").day(at), "Freitag, 27. November 2026 um 12:41 UTC");
    for language in LANGUAGES {
        let shown = in_language(language.tag).day(at);
        assert!(shown.contains("27") && shown.contains("41"), "{}: {shown}", language.tag);
    }
}
