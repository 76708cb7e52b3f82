//! Owns how a sale's own look and words appear, and the page on which an operator sets them.

use askama::Template;

use crate::model::Brand;
use crate::model::settings::colour::Colour;
use crate::web::i18n::Language;
use crate::web::pages::views::{Form, filters};
use crate::web::people::views::Me;

/// The look and the words of a sale, in the language of one page.
#[derive(Clone, Debug, Default)]
pub struct Look {
    pub name: Option<String>,
    /// A `data:` address.
    pub picture: Option<String>,
    /// The colour of buttons and bars, and of the text on it.
    pub colours: Option<(String, String)>,
    pub headline: Option<String>,
    pub lead: Option<String>,
    pub sold_out: Option<String>,
}

impl Look {
    pub fn new(brand: &Brand, language: &str) -> Self {
        let word = |name| brand.word(name, language).map(str::to_owned);
        let colour = brand.colour.as_deref().and_then(Colour::parse);
        Self {
            name: brand.name.clone(),
            picture: brand.picture.clone(),
            colours: colour.map(|colour| (colour.hex(), colour.text().hex())),
            headline: word("headline"),
            lead: word("lead"),
            sold_out: word("sold_out"),
        }
    }
}

/// `GET /admin/sales/{sale}/brand`: the look and the words of one sale.
#[derive(Template)]
#[template(path = "admin_brand.html")]
pub struct AdminBrandPage {
    pub nonce: String,
    pub me: Me,
    pub name: String,
    pub slug: String,
    pub is_saved: bool,
    pub form: Form,
    pub languages: &'static [Language],
    /// The language whose words are in the form; `*` is every language.
    pub words_for: String,
    /// The states that can be previewed, by their name and what they are called.
    pub states: &'static [(&'static str, &'static str)],
}
