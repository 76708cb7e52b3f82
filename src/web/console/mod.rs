//! The operator's console: make sales, steer them, watch the numbers.

pub mod brand;
pub(crate) mod forms;
pub(crate) mod opening;
pub mod payments;
pub(crate) mod payments_view;
pub(crate) mod report_view;
pub(crate) mod status_view;
pub mod ticket;
pub(crate) mod views;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine;
use crate::engine::checkout::idempotency;
use crate::engine::line::leave;
use crate::engine::repair::audit::repairs;
use crate::engine::reports::listings;
use crate::engine::steering::operate::{Command, operate};
use crate::engine::steering::readiness;
use crate::engine::{FlowError, Reply};
use crate::model::{Fault, Sale, SaleId, SaleState, Ticket};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller::{Asks, Caller, Look, Operator, Steer};
use crate::web::api::problem::{Code, Problem};
use crate::web::api::request_reader::Raw;
use crate::web::api::responses::{
    AuditShape, HealthShape, HoldShape, OrderShape, RepairShape, SaleShape, StatsShape,
};
use crate::web::console::forms::{as_of, demand_slug, fields, fields_but, units};
use crate::web::operator::UNDO_SECONDS;
use crate::web::operator::listings::{PageQuery, sale_cursor};
use crate::web::operator::plan;
use crate::web::operator::plan::PlanShape;
use crate::web::operator::readiness::ReadinessShape;
use crate::web::operator::settings_input;
use crate::web::operator::setup_status::OverviewShape;
use crate::web::pages::views::{
    AdminForms, AdminSale, AdminSalePage, AdminSalesPage, Flash, Form, Me, Readiness, SaleRow,
};
use crate::web::pages::{Posted, page, problem_page, see_other};
use crate::web::server::assets;

pub(crate) use crate::web::console::forms::{clash, clash_text, mark};

/// Rows of each table on a sale's page; the API has them all.
const ROWS: i64 = 20;
/// Sales on a page of the list.
const SALES: i64 = 25;

/// A console page's way to say no: the log-in for strangers, a page with ways forward for everyone else.
pub(crate) fn failed(app: &App, headers: &HeaderMap, problem: &Problem) -> Response {
    if problem.code == Code::NotAuthenticated {
        return see_other("/admin/login");
    }
    problem_page(app, headers, problem, &[("/admin", "All sales")])
}

/// The operator of this session, who has the right `R`.
pub(crate) async fn operator_of<R: Asks>(
    app: &App,
    headers: &HeaderMap,
) -> Result<Operator<R>, Problem> {
    let caller = Caller::of_session(app, headers).await?;
    Operator::new(caller.ok_or_else(|| Problem::new(Code::NotAuthenticated, "log in first"))?)
}

/// What the last action did, carried through a redirect by name, and which page of the list.
#[derive(Debug, Deserialize)]
pub struct Shown {
    done: Option<String>,
    cursor: Option<String>,
    archived: Option<String>,
}

impl Shown {
    fn flash(&self) -> Option<Flash> {
        let text = match self.done.as_deref()? {
            "create" => "The sale is made. Add its units, then open it.",
            "seed" => "The units are added.",
            "withdraw" => "The units are taken out.",
            "open" => "The sale is open.",
            "pause" => "Admissions are paused. Everyone keeps the place.",
            "resume" => "Admissions go on.",
            "close" => "The sale is closed. For a minute you can take that back.",
            "reopen" => "The close is taken back. Everyone kept the place.",
            "archive" => "The sale is archived. Its slug is free.",
            "pace" => "The pace is changed, from the next batch on.",
            "settings" => "The settings are changed.",
            "notice" => "Everyone in line sees the notice now.",
            "remove" => "The ticket is out of the line.",
            "resolve-payment" => "The payment is marked as dealt with.",
            _ => return None,
        };
        Some(Flash { text: text.into(), bad: false })
    }
}

/// `GET /admin`
pub async fn sales(
    State(app): State<App>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let listed = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        sales_page(&app, &me, &shown, Form::create()).await
    };
    match listed.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

async fn sales_page(
    app: &App,
    me: &Caller,
    shown: &Shown,
    form: Form,
) -> Result<AdminSalesPage, Problem> {
    let after = PageQuery::after(shown.cursor.as_deref())?;
    let archived = shown.archived.as_deref() == Some("true");
    let sales = listings::sales(&app.gate, archived, after, SALES).await?;
    let overview = OverviewShape::look(app, None);
    let verdict_of = |slug: &str| {
        let running = overview.sales.iter().find(|sale| sale.slug == slug);
        running.map_or("well", |sale| sale.verdict).to_owned()
    };
    let mut rows = Vec::new();
    let standings = listings::rows(&app.gate, &sales).await?;
    for (sale, row) in sales.iter().zip(standings) {
        let units = |n: i64| n.max(0).unsigned_abs();
        rows.push(SaleRow {
            reference: sale.reference(),
            is_archived: sale.archived_at.is_some(),
            slug: sale.settings.slug.clone(),
            name: sale.settings.name.clone(),
            status: parse(json!(row.status.as_str()))?,
            verdict: verdict_of(&sale.settings.slug),
            starts_at: sale.settings.starts_at,
            waiting: row.waiting,
            available: units(row.stock.available()),
            held: units(row.stock.held),
            sold: units(row.stock.sold),
        });
    }
    let is_full = sales.len() as i64 == SALES;
    Ok(AdminSalesPage {
        nonce: random_text(),
        me: Me::from(me),
        flash: shown.flash(),
        sales: rows,
        next_cursor: sales.last().filter(|_| is_full).map(sale_cursor),
        form,
        shows_archived: archived,
        forecast: Vec::new(),
        standing: parse(json!(overview))?,
        health: parse(json!(HealthShape::from(&*app.gate.selfcheck.standing())))?,
    })
}

/// `POST /admin/sales`
pub async fn create(State(app): State<App>, headers: HeaderMap, posted: Posted) -> Response {
    let operator = match operator_of::<Steer>(&app, &headers).await {
        Ok(operator) => operator,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let made = async {
        let mut fields = fields_but(&posted, &["units", "expected_shoppers"])?;
        let to = settings_input::new_settings(&mut fields, as_of(&app, &posted));
        let slug = to.slug.clone();
        fields.finish()?;
        let units = units(&posted)?;
        let command = Command::Create { settings: to, units };
        act(&app, &operator, SaleId::new(), command, posted.key()).await?;
        Ok::<_, Problem>(slug)
    };
    let problem = match made.await {
        Ok(slug) => return see_other(&format!("/admin/sales/{slug}?done=create")),
        Err(problem) => problem,
    };
    refused_creation(&app, &operator, &headers, &posted, &problem).await
}

async fn refused_creation(
    app: &App,
    operator: &Caller,
    headers: &HeaderMap,
    posted: &Posted,
    problem: &Problem,
) -> Response {
    let mut form = Form::new("create", posted.0.clone());
    mark(&mut form, problem, "slug");
    let shown = Shown { done: None, cursor: None, archived: None };
    match sales_page(app, operator, &shown, form).await {
        Ok(mut body) => {
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(app, headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(app, headers, &problem),
    }
}

/// `POST /admin/plan`: the form that makes a sale, with what the sale would do.
pub async fn preview(State(app): State<App>, headers: HeaderMap, posted: Posted) -> Response {
    let operator = match operator_of::<Steer>(&app, &headers).await {
        Ok(operator) => operator,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let plan = match plan::tried_new(&posted.0) {
        Ok(plan) => PlanShape::from(&plan),
        Err(problem) => {
            return refused_creation(&app, &operator, &headers, &posted, &problem).await;
        }
    };
    let shown = Shown { done: None, cursor: None, archived: None };
    match sales_page(&app, &operator, &shown, Form::new("create", posted.0.clone())).await {
        Ok(mut body) => {
            body.forecast = plan.text;
            page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body)
        }
        Err(problem) => failed(&app, &headers, &problem),
    }
}

/// `GET /admin/sales/{sale}`
pub async fn sale(
    State(app): State<App>,
    Path(sale): Path<String>,
    Query(shown): Query<Shown>,
    headers: HeaderMap,
) -> Response {
    let found = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        let sale = app.gate.sale(&sale).await?;
        sale_page(&app, &me, &sale, shown.flash()).await
    };
    match found.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

async fn sale_page(
    app: &App,
    me: &Caller,
    sale: &Sale,
    flash: Option<Flash>,
) -> Result<AdminSalePage, Problem> {
    let gate = &app.gate;
    let stats = StatsShape::from(listings::stats(gate, sale.clone()).await?);
    let now = gate.clock.now();
    let orders = listings::orders(gate, sale.id, None, ROWS).await?;
    let holds = listings::holds(gate, sale.id, None, None, ROWS).await?;
    let repairs = repairs(gate, sale.id).await?;
    let audit = listings::audit(gate, sale.id, None, ROWS).await?;
    let shown: AdminSale = parse(json!(SaleShape::from(sale)))?;
    let stopped = sale.fault.as_ref().map(|fault| Flash {
        text: format!(
            "ropeline stopped this sale: {fault}. See docs/operations.md before you resume."
        ),
        bad: true,
    });
    let overview = OverviewShape::look(app, Some(sale.id));
    let plan = engine::steering::plan::plan(gate, sale, &sale.settings).await?;
    Ok(AdminSalePage {
        nonce: random_text(),
        me: Me::from(me),
        charts: assets::UPLOT.path(),
        forecast: PlanShape::from(&plan).text,
        standing: parse(json!(overview))?,
        flash: flash.or(stopped),
        forms: AdminForms::new(&shown, sale.notice.as_deref()),
        readiness: readiness(app, sale).await?,
        asks_to_open: false,
        sale: shown,
        stats: parse(json!(stats))?,
        form_key: random_text(),
        found: Vec::new(),
        payments: payments::part(app, sale.id).await?,
        orders: orders
            .iter()
            .map(|o| parse(json!(OrderShape::with_ticket(o))))
            .collect::<Result<_, _>>()?,
        holds: holds
            .iter()
            .map(|h| parse(json!(HoldShape::new(h, now))))
            .collect::<Result<_, _>>()?,
        repairs: repairs
            .iter()
            .map(|r| parse(json!(RepairShape::new(r))))
            .collect::<Result<_, _>>()?,
        has_findings: !gate.selfcheck.standing().findings.is_empty(),
        audit: audit
            .iter()
            .map(|a| parse(json!(AuditShape::new(sale, a))))
            .collect::<Result<_, _>>()?,
    })
}

/// The items of a sale that is not open yet.
async fn readiness(app: &App, sale: &Sale) -> Result<Option<Readiness>, Problem> {
    if sale.state != SaleState::Scheduled || sale.archived_at.is_some() {
        return Ok(None);
    }
    let items = readiness::readiness(&app.gate, sale.id, app.public_origin.as_deref()).await?;
    parse(json!(ReadinessShape::from(items))).map(Some)
}

/// What the API says, as a page takes it.
fn parse<T: serde::de::DeserializeOwned>(shape: Value) -> Result<T, Problem> {
    serde_json::from_value(shape).map_err(|error| FlowError::Internal(error.into()).into())
}

/// `POST /admin/sales/{sale}/{action}`
pub async fn action(
    State(app): State<App>,
    Path((sale, action)): Path<(String, String)>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let found = async {
        let operator = operator_of::<Steer>(&app, &headers).await?;
        Ok::<_, Problem>((operator, app.gate.sale(&sale).await?))
    };
    let (operator, sale) = match found.await {
        Ok(found) => found,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let done = if action == "plan" {
        Err(None)
    } else {
        steer(&app, &operator, sale.id, &action, &posted).await.map_err(Some)
    };
    let problem = match done {
        Ok(()) => {
            let reference =
                if action == "archive" { sale.id.to_string() } else { sale.reference() };
            return see_other(&format!("/admin/sales/{reference}?done={action}"));
        }
        Err(None) => return forecast(&app, &operator, &headers, &sale, &posted).await,
        Err(Some(problem)) => problem,
    };
    refused_action(&app, &operator, &headers, &sale, &action, &posted, &problem).await
}

/// The sale's page as it is now, with what was typed and what was wrong with it.
async fn refused_action(
    app: &App,
    operator: &Caller,
    headers: &HeaderMap,
    sale: &Sale,
    action: &str,
    posted: &Posted,
    problem: &Problem,
) -> Response {
    let shown = async {
        let sale = app.gate.sale(&sale.id.to_string()).await?;
        sale_page(app, operator, &sale, None).await
    };
    match shown.await {
        Ok(mut body) => {
            let forms = &mut body.forms;
            let (form, field) = match action {
                "seed" => (&mut forms.seed, "count"),
                "withdraw" => (&mut forms.withdraw, "count"),
                "pace" => (&mut forms.pace, "batch_size"),
                "notice" => (&mut forms.notice, "text"),
                "close" => (&mut forms.close, "slug"),
                "archive" => (&mut forms.archive, "slug"),
                "remove" => (&mut forms.remove, "ticket"),
                "settings" => (&mut forms.settings, "max_waiting"),
                _ => {
                    let mut text = problem.detail.clone();
                    if opening::asks(problem) {
                        body.asks_to_open = true;
                        text = "This sale is not ready, and it was not opened.".into();
                    }
                    body.flash = Some(Flash { text, bad: true });
                    return page(app, headers, problem.status(), &body.nonce.clone(), &body);
                }
            };
            *form = form.again(&posted.0);
            mark(form, problem, field);
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(app, headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(app, headers, &problem),
    }
}

/// The sale's page with the pace as it was typed, and with what it would do.
async fn forecast(
    app: &App,
    me: &Caller,
    headers: &HeaderMap,
    sale: &Sale,
    posted: &Posted,
) -> Response {
    let planned = async {
        let settings = plan::tried(&posted.0, sale.settings.clone())?;
        Ok::<_, Problem>(PlanShape::from(
            &engine::steering::plan::plan(&app.gate, sale, &settings).await?,
        ))
    };
    let planned = planned.await;
    match sale_page(app, me, sale, None).await {
        Ok(mut body) => {
            body.forms.pace = body.forms.pace.again(&posted.0);
            let status = match planned {
                Ok(plan) => {
                    body.forecast = plan.text;
                    StatusCode::OK
                }
                Err(problem) => {
                    mark(&mut body.forms.pace, &problem, "batch_size");
                    problem.status()
                }
            };
            page(app, headers, status, &body.nonce.clone(), &body)
        }
        Err(problem) => failed(app, headers, &problem),
    }
}

/// Attempts to change settings that somebody else is changing, too.
const CHANGE_ATTEMPTS: u32 = 5;

async fn steer(
    app: &App,
    operator: &Operator<Steer>,
    sale: SaleId,
    action: &str,
    posted: &Posted,
) -> Result<(), Problem> {
    for attempt in 1.. {
        let sale = app.gate.sale(&sale.to_string()).await?;
        if action == "remove" {
            demand_slug(posted, &sale)?;
            let ticket: Ticket = posted.get("ticket").parse().map_err(|_| {
                Problem::invalid(vec![Fault::new("ticket", "must be a ticket's id")])
            })?;
            return Ok(leave::remove(&app.gate, &operator.actor, sale.id, ticket).await?);
        }
        let command = command(app, &sale, action, posted).await?;
        match act(app, operator, sale.id, command, posted.key()).await {
            // Changed between the look and the change: hold the form against what is there now.
            Err(Problem { code: Code::Stale, .. }) if attempt < CHANGE_ATTEMPTS => continue,
            done => return done,
        }
    }
    Err(Problem::new(Code::Stale, "somebody else keeps changing this sale"))
}

async fn command(
    app: &App,
    sale: &Sale,
    action: &str,
    posted: &Posted,
) -> Result<Command, Problem> {
    Ok(match action {
        "seed" | "withdraw" => {
            if action == "withdraw" {
                demand_slug(posted, sale)?;
            }
            let mut fields = fields(&posted.0, &["count"])?;
            let count = settings_input::seed_count(&mut fields);
            fields.finish()?;
            if action == "seed" { Command::Seed { count } } else { Command::Withdraw { count } }
        }
        "open" => {
            opening::demand_ready(app, sale, posted).await?;
            Command::Open
        }
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "close" => {
            demand_slug(posted, sale)?;
            Command::CloseSoon { undo_seconds: UNDO_SECONDS }
        }
        "reopen" => Command::Reopen,
        "archive" => {
            demand_slug(posted, sale)?;
            Command::Archive
        }
        "pace" | "settings" => {
            let now = AdminForms::new(&parse(json!(SaleShape::from(sale)))?, None);
            let now = if action == "pace" { now.pace } else { now.settings };
            let merged = now.merged(&posted.0);
            clash(app, sale, &merged.clashes).await?;
            let known: Vec<_> = merged.changed.iter().map(|(name, _)| name.as_str()).collect();
            let mut fields = fields(&merged.changed, &known)?;
            let command = settings_input::change_command(&mut fields, sale, as_of(app, posted));
            fields.finish()?;
            command
        }
        "notice" => {
            let now =
                AdminForms::new(&parse(json!(SaleShape::from(sale)))?, sale.notice.as_deref());
            let merged = now.notice.merged(&posted.0);
            clash(app, sale, &merged.clashes).await?;
            let text = merged.changed.first().map(|(_, text)| text.clone());
            // What was not changed stays as it is.
            let text = text.or_else(|| sale.notice.clone()).filter(|text| !text.is_empty());
            let faults = settings_input::notice_faults(text.as_deref());
            if !faults.is_empty() {
                return Err(Problem::invalid(faults));
            }
            Command::Notice { text, instead_of: Some(sale.notice.clone()) }
        }
        _ => return Err(Problem::not_found("action")),
    })
}

async fn act(
    app: &App,
    operator: &Operator<Steer>,
    sale: SaleId,
    command: Command,
    key: Option<String>,
) -> Result<(), Problem> {
    let (route, said) = if let Command::Create { settings, units } = &command {
        // A new sale has a new id each time; the key belongs to the making.
        ("page-create".to_owned(), format!("{settings:?} {units:?}"))
    } else {
        (format!("page-{} {sale}", command.action()), command.detail().to_string())
    };
    let print = Raw(said.into_bytes()).fingerprint();
    let key = key.map(|key| idempotency::key(&operator.scope(), &route, key, print));
    let reply = operate(&app.gate, &operator.actor, sale, command, key, |outcome| match outcome {
        Ok(sale) => Reply { status: 200, body: json!(SaleShape::from(sale)) },
        Err(refusal) => Problem::from(refusal.clone()).reply(),
    })
    .await?;
    match reply.status {
        200 => Ok(()),
        _ => Err(refused(&reply)),
    }
}

/// A stored refusal, as the problem it was.
fn refused(reply: &Reply) -> Problem {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let word = text(&reply.body["code"]);
    let code = Code::ALL.iter().copied().find(|code| code.parts().0 == word);
    let faults = reply.body["errors"].as_array().into_iter().flatten();
    let faults = faults.map(|e| Fault::new(&text(&e["field"]), text(&e["detail"]))).collect();
    let detail = text(&reply.body["detail"]);
    Problem { faults, ..Problem::new(code.unwrap_or(Code::Internal), detail) }
}
