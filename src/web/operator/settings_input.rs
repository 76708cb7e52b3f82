//! What an operator may say of a sale: read field by field, from JSON or from a form, by the same rules.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::steering::operate::{Command, MOST_UNITS};
use crate::model::{Brand, Checkout, Fault, Sale, Settings};
use crate::web::App;
use crate::web::api::request_reader::Fields;

/// Longest notice, in characters.
const LONGEST_NOTICE: usize = 500;

/// By which time the times of a schedule are judged.
#[derive(Debug, Clone, Copy)]
pub struct AsOf {
    pub now: Timestamp,
    /// A person was asked, and wants a sale that opens at once.
    pub opens_at_once: bool,
}

impl AsOf {
    /// The rule of the API: a time that is over is refused.
    pub fn now(app: &App) -> Self {
        Self { now: app.gate.clock.now(), opens_at_once: false }
    }

    fn faults(self, to: &Settings, before: Option<&Settings>) -> Vec<Fault> {
        let mut faults = to.times_over(before, self.now);
        faults.retain(|fault| !(self.opens_at_once && fault.field == "starts_at"));
        faults
    }
}

/// The settings of a new sale; what is wrong with them is in `fields`.
pub fn new_settings(fields: &mut Fields, as_of: AsOf) -> Settings {
    let (has_slug, has_name) = (fields.has("slug"), fields.has("name"));
    fields.demand("slug", has_slug.then_some(()));
    fields.demand("name", has_name.then_some(()));
    let to = settings(fields, Settings::default());
    fields.add(to.faults());
    fields.add(as_of.faults(&to, None));
    to
}

/// The change that `fields` ask for; what is wrong with it is in `fields`.
pub fn change_command(fields: &mut Fields, sale: &Sale, as_of: AsOf) -> Command {
    let mut said = fields.said();
    // The audit keeps what was changed; a picture would bury it.
    if let Some(picture) = said.get_mut("brand_picture").filter(|said| said.is_string()) {
        *picture = json!("a picture");
    }
    let to = settings(fields, sale.settings.clone());
    fields.add(to.faults_since(&sale.settings));
    fields.add(as_of.faults(&to, Some(&sale.settings)));
    Command::Change { from: sale.settings.clone(), to, said }
}

/// Settings to try over `base`, which may have no name yet; what is wrong with them is in `fields`.
pub fn tried_settings(fields: &mut Fields, base: Settings) -> Settings {
    let to = settings(fields, base);
    let faults = to.faults().into_iter().filter(|fault| !["slug", "name"].contains(&&*fault.field));
    fields.add(faults.collect());
    to
}

/// Reads settings over `base`: those of a new sale, or of one that is changed.
fn settings(fields: &mut Fields, base: Settings) -> Settings {
    fields.not_null(&[
        "slug",
        "name",
        "batch_size",
        "admit_interval_ms",
        "checkout_window_seconds",
        "expiry_grace_seconds",
        "checkout",
        "hide_stock",
        "max_waiting",
    ]);
    let nullable_time = |fields: &mut Fields, name: &str, old| {
        if fields.has(name) { fields.time(name) } else { old }
    };
    let starts_at = nullable_time(fields, "starts_at", base.starts_at);
    let ends_at = nullable_time(fields, "ends_at", base.ends_at);
    let max_in_checkout = if fields.has("max_in_checkout") {
        fields.number("max_in_checkout")
    } else {
        base.max_in_checkout
    };
    let checkout_url =
        if fields.has("checkout_url") { fields.text("checkout_url") } else { base.checkout_url };
    let checkout = match fields.text("checkout") {
        None => base.checkout,
        Some(word) => Checkout::parse(&word).unwrap_or_else(|| {
            fields.add(vec![Fault::new("checkout", "must be shop or builtin")]);
            base.checkout
        }),
    };
    let brand = Box::new(brand(fields, *base.brand));
    fields.only("order", &json!("fifo"), &["draw"]);
    fields.only("identity", &json!("open"), &["verified"]);
    fields.only("per_shopper", &json!(1), &[]);
    Settings {
        slug: fields.text("slug").unwrap_or(base.slug),
        name: fields.text("name").unwrap_or(base.name),
        starts_at,
        ends_at,
        batch_size: fields.number("batch_size").unwrap_or(base.batch_size),
        admit_interval_ms: fields.number("admit_interval_ms").unwrap_or(base.admit_interval_ms),
        max_in_checkout,
        checkout_window_seconds: fields
            .number("checkout_window_seconds")
            .unwrap_or(base.checkout_window_seconds),
        expiry_grace_seconds: fields
            .number("expiry_grace_seconds")
            .unwrap_or(base.expiry_grace_seconds),
        checkout,
        checkout_url,
        hide_stock: fields.flag("hide_stock").unwrap_or(base.hide_stock),
        max_waiting: fields.number("max_waiting").unwrap_or(base.max_waiting),
        brand,
    }
}

/// Reads the look and the words of a sale; null takes one of them away.
fn brand(fields: &mut Fields, base: Brand) -> Brand {
    let mut nullable = |name: &str, old: Option<String>| {
        if fields.has(name) { fields.text(name) } else { old }
    };
    let name = nullable("brand_name", base.name);
    let picture = nullable("brand_picture", base.picture);
    let colour = nullable("accent_colour", base.colour);
    let language = nullable("language", base.language);
    let words = if fields.has("words") { fields.words("words") } else { base.words };
    Brand { name, picture, colour, language, words }
}

/// How many units to add; what is wrong with it is in `fields`.
pub fn seed_count(fields: &mut Fields) -> i32 {
    let count = fields.number("count");
    let count = fields.demand("count", count).unwrap_or(1);
    if !(1..=MOST_UNITS).contains(&count) {
        fields.add(vec![Fault::new("count", format!("must be from 1 to {MOST_UNITS}"))]);
    }
    count
}

/// What is wrong with a notice.
pub fn notice_faults(text: Option<&str>) -> Vec<Fault> {
    let is_good = text.is_none_or(|text| {
        (1..=LONGEST_NOTICE).contains(&text.chars().count())
            && !text.trim().is_empty()
            && !text.contains('\0')
    });
    let rule = "must have 1 to 500 printable characters, or be null to take it down";
    if is_good { Vec::new() } else { vec![Fault::new("text", rule)] }
}

/// The value of a form's fields as JSON, so that a form and the API are read by the same rules.
pub fn form_fields(pairs: &[(String, String)]) -> Value {
    let field = |(name, text): &(String, String)| {
        let value = match (name.as_str(), text.as_str()) {
            (_, "") => Value::Null,
            ("hide_stock", text) => json!(text == "true"),
            (name, text) if NUMBERS.contains(&name) => {
                text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number))
            }
            // A browser leaves out seconds that are zero.
            ("starts_at" | "ends_at", text) if !text.ends_with('Z') => {
                let seconds = if text.matches(':').count() < 2 { ":00" } else { "" };
                json!(format!("{text}{seconds}Z"))
            }
            (_, text) => json!(text),
        };
        (name.clone(), value)
    };
    Value::Object(pairs.iter().map(field).collect())
}

/// Fields of forms that are whole numbers.
const NUMBERS: &[&str] = &[
    "count",
    "batch_size",
    "admit_interval_ms",
    "max_in_checkout",
    "checkout_window_seconds",
    "expiry_grace_seconds",
    "max_waiting",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::api::request_reader::Raw;

    #[test]
    fn what_is_not_available_yet_is_refused_by_name() {
        let body = json!({ "slug": "a", "name": "A", "order": "draw", "identity": "verified",
                           "per_shopper": 2, "warehouses": [] });
        let mut fields = Raw(body.to_string().into_bytes()).fields().unwrap();
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        new_settings(&mut fields, AsOf { now, opens_at_once: false });
        let problem = fields.finish().unwrap_err();
        let said: Vec<_> =
            problem.faults.iter().map(|f| (f.field.as_str(), f.detail.as_str())).collect();
        assert_eq!(said.len(), 4);
        assert!(
            said[..3].iter().all(|(_, detail)| detail.contains("not available yet")),
            "{said:?}"
        );
        assert_eq!(said[3].0, "warehouses");
    }
}
