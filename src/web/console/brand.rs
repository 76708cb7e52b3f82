//! The page on which an operator gives a sale its look and its words, and the preview of the room with
//! values that are not saved yet. A preview shows made-up figures and changes nothing.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::steering::operate::{Command, operate};
use crate::engine::{FlowError, Refusal, Reply};
use crate::model::settings::brand::{EVERY_LANGUAGE, WORDS};
use crate::model::{Brand, Sale};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller::{Caller, Operator, Steer};
use crate::web::api::problem::{Code, Problem};
use crate::web::api::request_reader::Raw;
use crate::web::api::responses::SaleShape;
use crate::web::console::{clash, mark, operator_of};
use crate::web::i18n::{Asked, LANGUAGES};
use crate::web::operator::settings_input;
use crate::web::operator::settings_input::AsOf;
use crate::web::pages::views::{AdminBrandPage, Form, Look, Me, RoomPage, Ticket};
use crate::web::pages::{Posted, page, problem_page, see_other};
use crate::web::room::told::{Joins, Offer};

/// The fields of the form that are settings by themselves.
const FIELDS: [&str; 4] = ["brand_name", "brand_picture", "accent_colour", "language"];

/// What can be previewed: the room before joining, then each state of a ticket.
const STATES: &[(&str, &str)] = &[
    ("join", "Before joining"),
    ("join_scheduled", "Before joining, not started"),
    ("join_all_held", "Before joining, all in checkout"),
    ("join_paused", "Before joining, paused"),
    ("join_sold_out", "Before joining, sold out"),
    ("join_closed", "Before joining, closed"),
    ("scheduled", "In line before the start"),
    ("waiting", "In line"),
    ("admitted", "Your turn"),
    ("confirmed", "Bought"),
    ("expired", "Time ran out"),
    ("released", "Given back"),
    ("sold_out", "Sold out while waiting"),
    ("closed", "Closed while waiting"),
    ("left", "Left the line"),
    ("removed", "Removed"),
];

/// Which words are shown in the form, and whether they were saved just now.
#[derive(Debug, Deserialize)]
pub struct Shown {
    words: Option<String>,
    done: Option<String>,
}

/// What a preview is asked for.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    state: Option<String>,
}

fn failed(app: &App, headers: &HeaderMap, sale: &str, problem: &Problem) -> Response {
    if problem.code == Code::NotAuthenticated {
        return see_other("/admin/login");
    }
    let back = format!("/admin/sales/{sale}/brand");
    problem_page(app, headers, problem, &[(&back, "Back to look and words")])
}

/// The sale, for an operator who is logged in and may change it.
async fn found(
    app: &App,
    headers: &HeaderMap,
    sale: &str,
) -> Result<(Operator<Steer>, Sale), Problem> {
    Ok((operator_of(app, headers).await?, app.gate.sale(sale).await?))
}

/// `GET /admin/sales/{sale}/brand`
pub async fn form(
    State(app): State<App>,
    Path(slug): Path<String>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let (operator, sale) = match found(&app, &headers, &slug).await {
        Ok(found) => found,
        Err(problem) => return failed(&app, &headers, &slug, &problem),
    };
    let is_known = |tag: &String| LANGUAGES.iter().any(|language| language.tag == tag);
    let words_for = shown.words.filter(is_known).unwrap_or_else(|| EVERY_LANGUAGE.to_owned());
    let form = Form::saved("brand", filled(&sale.settings.brand, &words_for));
    let body = form_page(&operator, &sale, form, words_for, shown.done.is_some());
    page(&app, &headers, StatusCode::OK, &body.nonce, &body)
}

fn form_page(
    me: &Caller,
    sale: &Sale,
    form: Form,
    words_for: String,
    is_saved: bool,
) -> AdminBrandPage {
    AdminBrandPage {
        nonce: random_text(),
        me: Me::from(me),
        name: sale.settings.name.clone(),
        slug: sale.settings.slug.clone(),
        is_saved,
        form,
        languages: LANGUAGES,
        words_for,
        states: STATES,
    }
}

/// The fields of the form for what is saved.
fn filled(brand: &Brand, language: &str) -> Vec<(String, String)> {
    let field =
        |name: &str, value: &Option<String>| (name.to_owned(), value.clone().unwrap_or_default());
    let mut fields = vec![
        field("brand_name", &brand.name),
        field("brand_picture", &brand.picture),
        field("accent_colour", &brand.colour),
        field("language", &brand.language),
    ];
    for (name, _) in WORDS {
        let text = brand.words.get(name).and_then(|texts| texts.get(language));
        fields.push(field(name, &text.cloned()));
    }
    fields
}

/// The change that these fields of the form ask for, read by the rules of the API. Words of other languages
/// stay.
fn change(
    app: &App,
    pairs: &[(String, String)],
    language: &str,
    sale: &Sale,
) -> Result<Command, Problem> {
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut words = sale.settings.brand.words.clone();
    let mut said = serde_json::Map::new();
    for (name, typed) in pairs {
        let typed = typed.trim();
        if FIELDS.contains(&name.as_str()) {
            said.insert(name.clone(), text(typed));
        } else if WORDS.iter().any(|(word, _)| word == name) {
            let texts = words.entry(name.clone()).or_default();
            match typed {
                "" => texts.remove(language),
                text => texts.insert(language.to_owned(), text.to_owned()),
            };
            words.retain(|_, texts| !texts.is_empty());
            said.insert("words".to_owned(), json!(words));
        }
    }
    let mut fields = Raw(Value::Object(said).to_string().into_bytes()).fields()?;
    let command = settings_input::change_command(&mut fields, sale, AsOf::now(app));
    fields.finish()?;
    Ok(command)
}

/// `POST /admin/sales/{sale}/brand`
pub async fn save(
    State(app): State<App>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let (operator, sale) = match found(&app, &headers, &slug).await {
        Ok(found) => found,
        Err(problem) => return failed(&app, &headers, &slug, &problem),
    };
    let words_for = posted.get("words_for").to_owned();
    let saved = async {
        let now = Form::saved("brand", filled(&sale.settings.brand, &words_for));
        let merged = now.merged(&posted.0);
        clash(&app, &sale, &merged.clashes).await?;
        let command = change(&app, &merged.changed, &words_for, &sale)?;
        let render = |outcome: &Result<Sale, Refusal>| match outcome {
            Ok(sale) => Reply { status: 200, body: json!(SaleShape::from(sale)) },
            Err(refusal) => Problem::from(refusal.clone()).reply(),
        };
        let reply = operate(&app.gate, &operator.actor, sale.id, command, None, render).await?;
        match reply.status {
            200 => Ok(()),
            _ => Err(Problem::new(Code::Stale, "somebody else changed this sale just now")),
        }
    };
    let problem = match saved.await {
        Ok(()) => {
            let slug = &sale.settings.slug;
            return see_other(&format!("/admin/sales/{slug}/brand?done=1&words={words_for}"));
        }
        Err(problem) => problem,
    };
    if problem.faults.is_empty() {
        return failed(&app, &headers, &slug, &problem);
    }
    let now = Form::saved("brand", filled(&sale.settings.brand, &words_for));
    let mut form = now.again(&posted.0);
    mark(&mut form, &problem, "brand_name");
    let body = form_page(&operator, &sale, form, words_for, false);
    page(&app, &headers, problem.status(), &body.nonce, &body)
}

/// `GET /admin/sales/{sale}/preview`: the room as it is saved.
pub async fn preview(
    State(app): State<App>,
    Path(slug): Path<String>,
    Query(wanted): Query<Wanted>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let (_, sale) = found(&app, &headers, &slug).await?;
        let brand = sale.settings.brand.clone();
        room(&sale, &brand, wanted.state.as_deref().unwrap_or("join"), &asked)
    };
    match shown.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce, &body),
        Err(problem) => failed(&app, &headers, &slug, &problem),
    }
}

/// `POST /admin/sales/{sale}/preview`: the room as the form would make it.
pub async fn preview_draft(
    State(app): State<App>,
    Path(slug): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let shown = async {
        let (_, sale) = found(&app, &headers, &slug).await?;
        let Command::Change { to, .. } = change(&app, &posted.0, posted.get("words_for"), &sale)?
        else {
            return Err(Problem::new(Code::Internal, "a form of this page is a change"));
        };
        let asked = Asked::new(&headers, Some(&format!("lang={}", posted.get("lang"))));
        room(&sale, &to.brand, posted.get("state"), &asked)
    };
    match shown.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce, &body),
        Err(problem) => failed(&app, &headers, &slug, &problem),
    }
}

/// The room of this sale in one state, with sample figures.
fn room(sale: &Sale, brand: &Brand, state: &str, asked: &Asked) -> Result<RoomPage, Problem> {
    if !STATES.iter().any(|(name, _)| *name == state) {
        return Err(Problem::not_found("state"));
    }
    let (facts, ticket) = sample(sale, state);
    let read = |error: serde_json::Error| FlowError::Internal(error.into());
    let ticket = ticket.map(|ticket| Ticket::try_from(&ticket)).transpose().map_err(read)?;
    let w = asked.words(brand.language.as_deref());
    Ok(RoomPage {
        nonce: random_text(),
        look: Look::new(brand, w.tag()),
        w,
        sale: serde_json::from_value(facts).map_err(read)?,
        ticket,
        form_key: String::new(),
        link: None,
        is_preview: true,
    })
}

/// Made-up facts of a sale and of a ticket, in the shapes of the API.
fn sample(sale: &Sale, state: &str) -> (Value, Option<Value>) {
    const NOW: &str = "2026-11-27T12:31:00Z";
    const LATER: &str = "2026-11-27T12:41:00Z";
    let before = state.strip_prefix("join_").or_else(|| (state == "join").then_some("open"));
    let (status, available) = match before {
        Some("all_held") => ("open", 0),
        Some(status) => (status, 212),
        None => ("open", 212),
    };
    let sold = if status == "sold_out" { 1000 } else { 620 };
    let available = if status == "sold_out" { 0 } else { available };
    let stock = json!({ "seeded": 1000, "available": available, "sold": sold,
                        "held": 1000 - available - sold });
    let next_return_at = (available == 0 && sold < 1000).then_some(LATER);
    let (offer, joins) = match (status, next_return_at) {
        ("sold_out" | "closed", _) => (Offer::Nothing, Joins::Over),
        (_, Some(_)) => (Offer::AllHeld, Joins::Taken),
        (_, None) => (Offer::Units, Joins::Taken),
    };
    let facts = json!({
        "id": sale.id.to_string(), "slug": sale.settings.slug, "name": sale.settings.name,
        "status": status, "starts_at": LATER, "waiting": 9999, "stock": stock,
        "next_return_at": next_return_at, "offer": offer.as_str(), "joins": joins.as_str(),
    });
    let hold = json!({
        "unit": 621, "expires_at": LATER, "seconds_left": 572, "order": { "id": "sample" },
    });
    let ticket = json!({
        "ticket": "sample", "sale": sale.id.to_string(), "state": state, "version": 1,
        "server_time": NOW, "notice": null, "number": 4711, "position": 4532, "waiting": 9999,
        "stock": stock, "eta_seconds": { "low": 170, "high": 260 }, "chance": 0.88,
        "paused": false, "starts_at": LATER, "hold": hold, "rejoin": true,
        "checkout_url": format!("/s/{}/checkout", sale.settings.slug),
    });
    (facts, before.is_none().then_some(ticket))
}
