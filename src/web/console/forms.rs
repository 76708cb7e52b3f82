//! How the console's forms are read, and what is said of their fields.

use jiff::Timestamp;

use crate::engine::reports::listings;
use crate::model::settings::START_OVER;
use crate::model::{Fault, Sale};
use crate::web::App;
use crate::web::api::problem::{Code, Problem};
use crate::web::api::request_reader::{Fields, Raw};
use crate::web::operator::settings_input;
use crate::web::operator::settings_input::AsOf;
use crate::web::pages::Posted;
use crate::web::pages::views::{Form, stamp_text};

/// Changes of a sale that are looked through for the last one of a field.
const CHANGES: i64 = 200;
/// Longest value that is repeated in a sentence, in characters.
const LONGEST_TOLD: usize = 80;

/// By which time this form's schedule is judged: a start that is over needs a yes.
pub fn as_of(app: &App, posted: &Posted) -> AsOf {
    AsOf { opens_at_once: posted.get("opens_at_once") == "true", ..AsOf::now(app) }
}

/// Shows a problem's faults next to their fields; one without fields next to `otherwise`.
pub fn mark(form: &mut Form, problem: &Problem, otherwise: &str) {
    for fault in &problem.faults {
        if fault.detail == START_OVER {
            form.ask(&fault.field, "This time is over: the sale would open at once");
        } else {
            form.fail(fault.field.clone(), fault.detail.clone());
        }
    }
    if problem.faults.is_empty() {
        form.fail(otherwise, problem.detail.clone());
    }
}

/// Refuses a form in which fields were changed that somebody else changed since its page was made. Each one is
/// told with both values, and with who changed it and when.
pub async fn clash(
    app: &App,
    sale: &Sale,
    clashes: &[(String, String, String)],
) -> Result<(), Problem> {
    if clashes.is_empty() {
        return Ok(());
    }
    let audit = listings::audit(&app.gate, sale.id, None, CHANGES).await?;
    let faults: Vec<_> = clashes
        .iter()
        .map(|(field, typed, saved)| {
            let said = said_as(field);
            let last = audit.iter().find(|item| match item.action.as_str() {
                "change" => item.detail.get(said).is_some(),
                "notice" => field == "text",
                _ => false,
            });
            let who = last.map(|item| (item.actor.as_str(), item.at));
            Fault::new(field, clash_text(typed, saved, who))
        })
        .collect();
    let detail = "somebody else changed this since the page was made; nothing was saved";
    Err(Problem { faults, ..Problem::new(Code::Stale, detail) })
}

/// The field of the API that a field of a form is a part of.
fn said_as(field: &str) -> &str {
    match field {
        "headline" | "lead" | "sold_out" => "words",
        other => other,
    }
}

/// What is said next to a field that two people changed.
pub fn clash_text(typed: &str, saved: &str, who: Option<(&str, Timestamp)>) -> String {
    let told = |value: &str| match value {
        "" => "empty".to_owned(),
        value if value.chars().count() > LONGEST_TOLD => {
            format!("“{}…”", value.chars().take(LONGEST_TOLD).collect::<String>())
        }
        value => format!("“{value}”"),
    };
    let (saved, typed) = (told(saved), told(typed));
    let who = match who {
        Some((actor, at)) => format!("{actor} changed this at {} UTC", stamp_text(at)),
        None => "somebody else changed this".to_owned(),
    };
    format!(
        "{who}: it is {saved} now, and you typed {typed}. Nothing was saved. Save again to set yours"
    )
}

/// These fields of a form, read by the API's own rules.
pub fn fields(pairs: &[(String, String)], only: &[&str]) -> Result<Fields, Problem> {
    fields_where(pairs, |name| only.contains(&name))
}

/// All fields of a form but those that are the form's alone.
pub fn fields_but(posted: &Posted, but: &[&str]) -> Result<Fields, Problem> {
    let own = ["idempotency_key", "opens_at_once"];
    fields_where(&posted.0, |name| !own.contains(&name) && !but.contains(&name))
}

fn fields_where(
    pairs: &[(String, String)],
    wanted: impl Fn(&str) -> bool,
) -> Result<Fields, Problem> {
    let pairs: Vec<_> = pairs.iter().filter(|(name, _)| wanted(name)).cloned().collect();
    Raw(settings_input::form_fields(&pairs).to_string().into_bytes()).fields()
}

/// What cannot be undone asks for the sale's slug.
pub fn demand_slug(posted: &Posted, sale: &Sale) -> Result<(), Problem> {
    if posted.get("slug") == sale.settings.slug {
        return Ok(());
    }
    let rule = format!("type {}, the sale's slug: this cannot be undone", sale.settings.slug);
    Err(Problem::invalid(vec![Fault::new("slug", rule)]))
}

/// The units that a new sale begins with, if any.
pub fn units(posted: &Posted) -> Result<Option<i32>, Problem> {
    if posted.get("units").is_empty() {
        return Ok(None);
    }
    let typed = vec![("count".to_owned(), posted.get("units").to_owned())];
    let mut fields = Raw(settings_input::form_fields(&typed).to_string().into_bytes()).fields()?;
    let count = settings_input::seed_count(&mut fields);
    fields.finish().map_err(|mut problem| {
        problem.faults.iter_mut().for_each(|fault| fault.field = "units".into());
        problem
    })?;
    Ok(Some(count))
}
