//! What makes a waiting room a shop's own: its name, a small picture, a colour, a language and a few texts;
//! and which of them can be read by everyone and harm nobody.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::settings::colour::Colour;

/// Languages that a room speaks; `http::words` has a file for each.
pub const LANGUAGES: [&str; 14] =
    ["en", "de", "fr", "es", "pt", "it", "nl", "pl", "tr", "ja", "ko", "zh-Hans", "hi", "ar"];
/// Instead of a language: the text of all that have none of their own.
pub const EVERY_LANGUAGE: &str = "*";
/// The texts that a sale may say in its own words, each with its greatest length in characters.
pub const WORDS: [(&str, usize); 3] = [("headline", 80), ("lead", 300), ("sold_out", 300)];

/// Longest name of a shop: one line of a phone.
const LONGEST_NAME: usize = 40;
/// Largest picture. It is part of the page, which weighs less than 15 kB in all.
const MOST_PICTURE_BYTES: usize = 4 * 1024;
/// Kinds of pictures, by what their bytes begin with. A picture is shown as an image only, in which no
/// browser runs anything.
const KINDS: [(&str, &[u8]); 3] =
    [("image/png", b"\x89PNG\r\n\x1a\n"), ("image/webp", b"RIFF"), ("image/svg+xml", b"<")];
/// What a drawing has no use for: it would run, or ask another site.
const NOT_IN_A_DRAWING: [&str; 9] = [
    "<script",
    "<foreignobject",
    "<!doctype",
    "<!entity",
    "<?xml-stylesheet",
    "javascript:",
    "@import",
    "href=\"http",
    "href='http",
];

/// Each text by its name, then by its language.
pub type OwnWords = BTreeMap<String, BTreeMap<String, String>>;

/// The look and the words of one sale; nothing is set by default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Brand {
    pub name: Option<String>,
    /// A `data:` address with the picture in it.
    pub picture: Option<String>,
    /// `#rrggbb`
    pub colour: Option<String>,
    /// The only language of the room; none when the shopper's own is taken.
    pub language: Option<String>,
    pub words: OwnWords,
}

impl Brand {
    /// A text of the sale's own in this language.
    pub fn word(&self, name: &str, language: &str) -> Option<&str> {
        let texts = self.words.get(name)?;
        texts.get(language).or_else(|| texts.get(EVERY_LANGUAGE)).map(String::as_str)
    }

    /// Every rule that is broken, by the names of the API's fields.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fail = |field: &str, detail: Option<String>| {
            faults.extend(detail.map(|detail| Fault::new(field, detail)));
        };
        fail("brand_name", self.name.as_deref().and_then(|text| text_fault(text, LONGEST_NAME)));
        fail("brand_picture", self.picture.as_deref().and_then(picture_fault));
        fail("accent_colour", self.colour.as_deref().and_then(colour_fault));
        let is_unknown = |language: &&String| !LANGUAGES.contains(&language.as_str());
        let unknown = self.language.as_ref().filter(is_unknown);
        fail("language", unknown.map(|_| format!("must be one of {}", LANGUAGES.join(", "))));
        fail("words", self.words.iter().find_map(|(name, texts)| words_fault(name, texts)));
        faults
    }
}

fn text_fault(text: &str, most: usize) -> Option<String> {
    let is_good = (1..=most).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    let rule = "characters, no control characters and no space at its ends";
    (!is_good).then(|| format!("must have 1 to {most} {rule}"))
}

fn words_fault(name: &str, texts: &BTreeMap<String, String>) -> Option<String> {
    let Some((_, most)) = WORDS.iter().find(|(known, _)| *known == name) else {
        let known = WORDS.map(|(known, _)| known).join(", ");
        return Some(format!("has no text of this name: only {known} can be said"));
    };
    texts.iter().find_map(|(language, text)| {
        if language != EVERY_LANGUAGE && !LANGUAGES.contains(&language.as_str()) {
            let known = LANGUAGES.join(", ");
            return Some(format!("{name}: a language must be * or one of {known}"));
        }
        text_fault(text, *most).map(|fault| format!("{name} {fault}"))
    })
}

fn colour_fault(text: &str) -> Option<String> {
    match Colour::parse(text) {
        None => Some("must be a colour such as #0b6b57".to_owned()),
        Some(colour) => colour.fault(),
    }
}

fn picture_fault(address: &str) -> Option<String> {
    let rule = "must be a PNG, WebP or SVG picture as data:image/…;base64,…";
    let Some((kind, base64)) =
        address.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"))
    else {
        return Some(rule.to_owned());
    };
    let Some((_, start)) = KINDS.iter().find(|(known, _)| *known == kind) else {
        return Some(rule.to_owned());
    };
    // Four characters make three bytes: too long a text need not be read.
    if base64.len() > MOST_PICTURE_BYTES.div_ceil(3) * 4 {
        return Some(format!("must have at most {MOST_PICTURE_BYTES} bytes"));
    }
    let Ok(bytes) = STANDARD.decode(base64) else {
        return Some("is not good base64".to_owned());
    };
    if bytes.len() > MOST_PICTURE_BYTES {
        return Some(format!("must have at most {MOST_PICTURE_BYTES} bytes"));
    }
    let is_webp = kind != "image/webp" || bytes.get(8..12) == Some(b"WEBP");
    if !bytes.starts_with(start) || !is_webp {
        return Some(format!("is not what it says: its bytes are no {kind}"));
    }
    if kind == "image/svg+xml" { drawing_fault(&bytes) } else { None }
}

fn drawing_fault(bytes: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Some("is no SVG: it is not UTF-8".to_owned());
    };
    let text = text.to_ascii_lowercase();
    if !text.contains("<svg") || !text.contains("http://www.w3.org/2000/svg") {
        return Some("is no SVG: there is no svg element with its namespace".to_owned());
    }
    if let Some(bad) = NOT_IN_A_DRAWING.iter().find(|bad| text.contains(*bad)) {
        return Some(format!("must not have {bad} in it"));
    }
    let names = text.split(|c: char| c.is_whitespace() || "\"'/".contains(c));
    let handler = names.filter_map(|word| word.split_once('=')).find(|(name, _)| {
        name.len() > 2 && name.starts_with("on") && name.bytes().all(|b| b.is_ascii_alphabetic())
    });
    handler.map(|(name, _)| format!("must not have {name}= in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn svg(inside: &str) -> String {
        let text = format!("<svg xmlns=\"http://www.w3.org/2000/svg\">{inside}</svg>");
        format!("data:image/svg+xml;base64,{}", STANDARD.encode(text))
    }

    fn png(bytes: usize) -> String {
        let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
        picture.resize(bytes, 7);
        format!("data:image/png;base64,{}", STANDARD.encode(picture))
    }

    fn told(brand: &Brand) -> Vec<(String, String)> {
        brand.faults().into_iter().map(|fault| (fault.field, fault.detail)).collect()
    }

    #[test]
    fn pictures_that_are_small_and_harmless_are_taken() {
        for good in [png(100), png(4096), svg("<path d='M8 17l6 6'/>")] {
            let brand = Brand { picture: Some(good), ..Brand::default() };
            assert_eq!(told(&brand), []);
        }
    }

    #[test]
    fn a_hostile_or_large_picture_is_refused_by_name() {
        let cases = [
            (png(4097), "at most 4096"),
            (png(60_000), "at most 4096"),
            (png(100).replace("image/png", "image/webp"), "is not what it says"),
            (png(100).replace("image/png", "image/gif"), "must be a PNG"),
            (png(100).replace("image/png", "text/html"), "must be a PNG"),
            ("https://shop.example/logo.png".to_owned(), "must be a PNG"),
            ("data:image/png;base64,%%%".to_owned(), "base64"),
            (svg("<script>alert(1)</script>"), "<script"),
            (svg("<SCRIPT>alert(1)</SCRIPT>"), "<script"),
            (svg("<g onload='alert(1)'/>"), "onload"),
            (svg("<a href=\"javascript:alert(1)\"/>"), "javascript:"),
            (svg("<image href=\"https://shop.example/a.png\"/>"), "href=\"http"),
            (svg("<foreignObject/>"), "foreignobject"),
            (svg("").replace("data:image/svg+xml", "data:image/png"), "is not what it says"),
        ];
        for (picture, why) in cases {
            let brand = Brand { picture: Some(picture.clone()), ..Brand::default() };
            let faults = told(&brand);
            assert_eq!(faults.len(), 1, "{picture}");
            assert_eq!(faults[0].0, "brand_picture");
            assert!(faults[0].1.contains(why), "{} says {}", picture, faults[0].1);
        }
    }

    #[test]
    fn words_are_plain_short_and_in_a_known_language() {
        let brand = |name: &str, language: &str, text: &str| Brand {
            words: BTreeMap::from([(
                name.to_owned(),
                BTreeMap::from([(language.to_owned(), text.to_owned())]),
            )]),
            ..Brand::default()
        };
        assert_eq!(told(&brand("headline", "*", "Boots, once a year")), []);
        assert_eq!(told(&brand("sold_out", "de", "Im Januar gibt es neue.")), []);
        let long = "x".repeat(81);
        for bad in [
            brand("footer", "*", "x"),
            brand("lead", "xx", "x"),
            brand("headline", "*", &long),
            brand("lead", "*", " "),
            brand("lead", "*", "a\nb"),
        ] {
            let faults = told(&bad);
            assert!(faults.len() == 1 && faults[0].0 == "words", "{faults:?}");
        }
    }

    #[test]
    fn a_language_has_its_own_words_before_those_of_all() {
        let texts = [("*", "Boots"), ("de", "Stiefel")];
        let texts = texts.map(|(language, text)| (language.to_owned(), text.to_owned()));
        let words = BTreeMap::from([("headline".to_owned(), BTreeMap::from(texts))]);
        let brand = Brand { words, ..Brand::default() };
        assert_eq!(brand.word("headline", "de"), Some("Stiefel"));
        assert_eq!(brand.word("headline", "fr"), Some("Boots"));
        assert_eq!(brand.word("lead", "de"), None);
    }

    #[test]
    fn every_fault_is_told_with_its_field() {
        let brand = Brand {
            name: Some("x".repeat(41)),
            picture: Some("x".to_owned()),
            colour: Some("#ffffff".to_owned()),
            language: Some("xx".to_owned()),
            words: BTreeMap::from([("x".to_owned(), BTreeMap::new())]),
        };
        let fields: Vec<_> = told(&brand).into_iter().map(|(field, _)| field).collect();
        let all = ["brand_name", "brand_picture", "accent_colour", "language", "words"];
        assert_eq!(fields, all);
    }
}
