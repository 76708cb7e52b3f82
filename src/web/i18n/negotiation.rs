//! Owns which language a request asks for: by `?lang=`, by the cookie that remembers it, by the
//! browser's own list.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use axum_extra::extract::CookieJar;
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use unic_langid::LanguageIdentifier;

use crate::web::App;
use crate::web::i18n::Words;
use crate::web::i18n::catalogue::Book;

const COOKIE: &str = "ropeline-lang";
/// How long a browser remembers a chosen language: half a year.
const REMEMBERED_SECONDS: u32 = 180 * 86_400;
/// Languages of a browser's list that are looked at; a list may be as long as headers may be.
const MOST_ACCEPTED: usize = 20;

/// What a request says about languages.
#[derive(Default)]
pub struct Asked {
    /// Chosen by hand, now or earlier.
    chosen: Option<&'static Book>,
    /// Chosen with this very request.
    is_new: bool,
    /// The browser's list, the most wanted first.
    accepted: Vec<LanguageIdentifier>,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        Ok(Self::new(&parts.headers, parts.uri.query()))
    }
}

impl Asked {
    pub fn new(headers: &HeaderMap, query: Option<&str>) -> Self {
        let fields: Vec<(String, String)> =
            query.and_then(|text| serde_urlencoded::from_str(text).ok()).unwrap_or_default();
        let named = fields.iter().find(|(name, _)| name == "lang");
        let now = named.and_then(|(_, tag)| Book::of(tag));
        let earlier = || {
            CookieJar::from_headers(headers).get(COOKIE).and_then(|cookie| Book::of(cookie.value()))
        };
        let list = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            chosen: now.or_else(earlier),
            is_new: now.is_some(),
            accepted: list.map(accepted).unwrap_or_default(),
        }
    }

    /// The words for this request; a sale that fixed its language has no other.
    pub fn words(&self, fixed: Option<&str>) -> Words {
        let fixed = fixed.and_then(Book::of);
        let book = fixed.or(self.chosen).unwrap_or_else(|| negotiate(&self.accepted));
        // Numbers and times as the shopper's own country writes them, as far as the language fits.
        let own = self.accepted.iter().find(|id| {
            id.language == book.id.language
                && (book.id.script.is_none() || id.script == book.id.script)
        });
        Words::new(book, own.unwrap_or(&book.id), fixed.is_some())
    }

    /// Says what the page is written in, and remembers a language that was chosen just now.
    pub fn sign(&self, words: &Words, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(words.tag()));
        headers.append(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        if let (true, Some(book)) = (self.is_new, self.chosen) {
            let tag = book.language.tag;
            let cookie = format!(
                "{COOKIE}={tag}; Path=/; HttpOnly; SameSite=Lax; Max-Age={REMEMBERED_SECONDS}"
            );
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
        response
    }
}

/// A browser's list in the order of its weights; what is refused by weight 0 is left out.
fn accepted(list: &str) -> Vec<LanguageIdentifier> {
    let one = |item: &str| {
        let (tag, parameters) = item.split_once(';').unwrap_or((item, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.parse().ok());
        let weight = weight.filter(|weight: &f32| *weight > 0.0)?;
        Some((weight, tag.trim().parse::<LanguageIdentifier>().ok()?))
    };
    let mut wanted: Vec<_> = list.split(',').take(MOST_ACCEPTED).filter_map(one).collect();
    wanted.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    wanted.into_iter().map(|(_, id)| id).collect()
}

fn negotiate(accepted: &[LanguageIdentifier]) -> &'static Book {
    let offered: Vec<&LanguageIdentifier> = Book::all().iter().map(|book| &book.id).collect();
    let found = negotiate_languages(accepted, &offered, None, NegotiationStrategy::Matching);
    let best = found.first().and_then(|id| Book::all().iter().find(|book| book.id == ***id));
    best.unwrap_or_else(Book::english)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(list: &str, cookie: &str, query: &str) -> Words {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_str(list).unwrap());
        headers.insert(header::COOKIE, HeaderValue::from_str(cookie).unwrap());
        Asked::new(&headers, Some(query)).words(None)
    }

    #[test]
    fn the_browsers_list_is_read_by_its_weights() {
        let cases = [
            ("", "en"),
            ("de", "de"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr;q=0.1, it;q=0.9", "it"),
            ("de;q=0, pl;q=0.5", "pl"),
            ("sv, da;q=0.9, nl;q=0.8", "nl"),
            ("sv-SE", "en"),
            ("*", "en"),
            ("pt-BR", "pt"),
            ("pt-PT,pt;q=0.8", "pt"),
            ("es-419", "es"),
            ("zh", "zh-Hans"),
            ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
            ("zh-Hans-SG", "zh-Hans"),
            ("ar-EG", "ar"),
            ("ja-JP;q=abc, ko", "ko"),
            ("!!, ,;q=1, tr", "tr"),
        ];
        for (list, tag) in cases {
            assert_eq!(asked(list, "", "").tag(), tag, "{list}");
        }
    }

    #[test]
    fn the_address_comes_before_the_cookie_and_the_cookie_before_the_list() {
        assert_eq!(asked("de", "ropeline-lang=fr", "lang=ja").tag(), "ja");
        assert_eq!(asked("de", "ropeline-lang=fr", "").tag(), "fr");
        assert_eq!(asked("de", "ropeline-lang=xx", "lang=yy").tag(), "de");
        assert_eq!(asked("de", "", "LANG=ja").tag(), "de");
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("ropeline-lang=fr"));
        assert_eq!(Asked::new(&headers, Some("lang=ja")).words(Some("it")).tag(), "it");
    }

    #[test]
    fn numbers_follow_the_country_where_it_has_the_pages_language() {
        assert_eq!(asked("de-CH,fr", "", "").locale(), "de-CH-u-ca-gregory-nu-latn");
        assert_eq!(asked("fr,de-AT;q=0.5", "", "lang=de").locale(), "de-AT-u-ca-gregory-nu-latn");
        assert_eq!(asked("zh-TW,zh-Hans;q=0.5", "", "").tag(), "zh-Hans");
        assert_eq!(asked("en-GB", "", "lang=ar").locale(), "ar-u-ca-gregory-nu-latn");
    }
}
