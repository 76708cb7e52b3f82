//! The operator's console: make sales, steer them, watch the numbers.

pub mod ticket;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::assets;
use super::body::{Fields, Raw};
use super::caller::{Asks, Caller, Look, Operator, Steer};
use super::operator::lists::{PageQuery, sale_cursor};
use super::operator::plan::{self, PlanShape};
use super::operator::said;
use super::operator::standing::OverviewShape;
use super::pages::{Posted, page, problem_page, see_other};
use super::problem::{Code, Problem};
use super::shapes::{
    AuditShape, HealthShape, HoldShape, OrderShape, RepairShape, SaleShape, StatsShape,
};
use super::views::{
    self, AdminForms, AdminSale, AdminSalePage, AdminSalesPage, Flash, Form, Me, SaleRow,
};
use crate::flow::audit::repairs;
use crate::flow::operate::{Command, operate};
use crate::flow::{self, FlowError, Reply, keyed, leave, lists, verdict};
use crate::random_text;
use crate::sale::{Fault, Sale, SaleId, Ticket};

/// Rows of each table on a sale's page; the API has them all.
const ROWS: i64 = 20;
/// Sales on a page of the list.
const SALES: i64 = 25;

/// A console page's way to say no: the log-in for strangers, a page with ways forward for everyone else.
pub(super) fn failed(app: &App, headers: &HeaderMap, problem: &Problem) -> Response {
    if problem.code == Code::NotAuthenticated {
        return see_other("/admin/login");
    }
    problem_page(app, headers, problem, &[("/admin", "All sales")])
}

/// The operator of this session, who has the right `R`.
pub(super) async fn operator_of<R: Asks>(
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
            "close" => "The sale is closed.",
            "pace" => "The pace is changed, from the next batch on.",
            "settings" => "The settings are changed.",
            "notice" => "Everyone in line sees the notice now.",
            "remove" => "The ticket is out of the line.",
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
    let sales = lists::sales(&app.gate, after, SALES).await?;
    let overview = OverviewShape::of(app, &verdict::overview(&app.gate, None));
    let verdict_of = |slug: &str| {
        let running = overview.sales.iter().find(|sale| sale.slug == slug);
        running.map_or("well", |sale| sale.verdict).to_owned()
    };
    let mut rows = Vec::new();
    for sale in &sales {
        let facts = lists::facts(&app.gate, &sale.id.to_string()).await?;
        let units = |n: i64| n.max(0).unsigned_abs();
        rows.push(SaleRow {
            slug: sale.settings.slug.clone(),
            name: sale.settings.name.clone(),
            status: parse(json!(facts.sale.status().as_str()))?,
            verdict: verdict_of(&sale.settings.slug),
            starts_at: sale.settings.starts_at,
            waiting: facts.waiting,
            available: units(facts.stock.available()),
            held: units(facts.stock.held),
            sold: units(facts.stock.sold),
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
        let to = said::new_settings(&mut fields);
        let slug = to.slug.clone();
        fields.finish()?;
        let units = units(&posted)?;
        let id = SaleId::new();
        act(&app, &operator, id, Command::Create(to), None).await?;
        if let Some(count) = units {
            act(&app, &operator, id, Command::Seed { count }, None).await?;
        }
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
    let shown = Shown { done: None, cursor: None };
    match sales_page(app, operator, &shown, form).await {
        Ok(mut body) => {
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(app, headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(app, headers, &problem),
    }
}

/// The units that a new sale begins with, if any.
fn units(posted: &Posted) -> Result<Option<i32>, Problem> {
    if posted.get("units").is_empty() {
        return Ok(None);
    }
    let typed = vec![("count".to_owned(), posted.get("units").to_owned())];
    let mut fields = Raw(said::form_fields(&typed).to_string().into_bytes()).fields()?;
    let count = said::seed_count(&mut fields);
    fields.finish().map_err(|mut problem| {
        problem.faults.iter_mut().for_each(|fault| fault.field = "units".into());
        problem
    })?;
    Ok(Some(count))
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
    let shown = Shown { done: None, cursor: None };
    match sales_page(&app, &operator, &shown, Form::new("create", posted.0.clone())).await {
        Ok(mut body) => {
            body.forecast = plan.text;
            page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body)
        }
        Err(problem) => failed(&app, &headers, &problem),
    }
}

/// Shows a problem's faults next to their fields; one without fields next to `otherwise`.
pub(super) fn mark(form: &mut Form, problem: &Problem, otherwise: &str) {
    for fault in &problem.faults {
        form.fail(fault.field.clone(), fault.detail.clone());
    }
    if problem.faults.is_empty() {
        form.fail(otherwise, problem.detail.clone());
    }
}

/// These fields of a form, read by the API's own rules.
fn fields(posted: &Posted, only: &[&str]) -> Result<Fields, Problem> {
    fields_where(posted, |name| only.contains(&name))
}

/// All fields of a form but those that are the form's alone.
fn fields_but(posted: &Posted, but: &[&str]) -> Result<Fields, Problem> {
    fields_where(posted, |name| name != "idempotency_key" && !but.contains(&name))
}

fn fields_where(posted: &Posted, wanted: impl Fn(&str) -> bool) -> Result<Fields, Problem> {
    let pairs: Vec<_> = posted.0.iter().filter(|(name, _)| wanted(name)).cloned().collect();
    Raw(said::form_fields(&pairs).to_string().into_bytes()).fields()
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
    let stats = StatsShape::from(lists::stats(gate, sale.clone()).await?);
    let now = gate.clock.now();
    let orders = lists::orders(gate, sale.id, None, ROWS).await?;
    let holds = lists::holds(gate, sale.id, None, None, ROWS).await?;
    let repairs = repairs(gate, sale.id).await?;
    let audit = lists::audit(gate, sale.id, None, ROWS).await?;
    let shown: AdminSale = parse(json!(SaleShape::from(sale)))?;
    let stopped = sale.fault.as_ref().map(|fault| Flash {
        text: format!(
            "ropeline stopped this sale: {fault}. See docs/operations.md before you resume."
        ),
        bad: true,
    });
    let overview = OverviewShape::of(app, &verdict::overview(gate, Some(sale.id)));
    let plan = flow::plan::plan(gate, sale, &sale.settings).await?;
    Ok(AdminSalePage {
        nonce: random_text(),
        me: Me::from(me),
        charts: assets::uplot_path(),
        forecast: PlanShape::from(&plan).text,
        standing: parse(json!(overview))?,
        flash: flash.or(stopped),
        forms: AdminForms::new(&shown, sale.notice.as_deref()),
        sale: shown,
        stats: parse(json!(stats))?,
        form_key: random_text(),
        found: Vec::new(),
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
        steer(&app, &operator, &sale, &action, &posted).await.map_err(Some)
    };
    let problem = match done {
        Ok(()) => {
            return see_other(&format!("/admin/sales/{}?done={action}", sale.settings.slug));
        }
        Err(None) => return forecast(&app, &operator, &headers, &sale, &posted).await,
        Err(Some(problem)) => problem,
    };
    match sale_page(&app, &operator, &sale, None).await {
        Ok(mut body) => {
            let (form, name, field) = match action.as_str() {
                "seed" => (&mut body.forms.seed, "seed", "count"),
                "withdraw" => (&mut body.forms.withdraw, "withdraw", "count"),
                "pace" => (&mut body.forms.pace, "pace", "batch_size"),
                "notice" => (&mut body.forms.notice, "notice", "text"),
                "close" => (&mut body.forms.close, "close", "slug"),
                "remove" => (&mut body.forms.remove, "remove", "ticket"),
                "settings" => (&mut body.forms.settings, "settings", "max_waiting"),
                _ => {
                    body.flash = Some(Flash { text: problem.detail.clone(), bad: true });
                    return page(&app, &headers, problem.status(), &body.nonce.clone(), &body);
                }
            };
            *form = Form::new(name, posted.0.clone());
            mark(form, &problem, field);
            body.flash = Some(Flash { text: problem.title().into(), bad: true });
            page(&app, &headers, problem.status(), &body.nonce.clone(), &body)
        }
        Err(problem) => failed(&app, &headers, &problem),
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
        Ok::<_, Problem>(PlanShape::from(&flow::plan::plan(&app.gate, sale, &settings).await?))
    };
    let planned = planned.await;
    match sale_page(app, me, sale, None).await {
        Ok(mut body) => {
            body.forms.pace = Form::new("pace", posted.0.clone());
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

/// What cannot be undone asks for the sale's slug.
fn demand_slug(posted: &Posted, sale: &Sale) -> Result<(), Problem> {
    if posted.get("slug") == sale.settings.slug {
        return Ok(());
    }
    let rule = format!("type {}, the sale's slug: this cannot be undone", sale.settings.slug);
    Err(Problem::invalid(vec![Fault::new("slug", rule)]))
}

/// What a settings form may change. Times that were left as they are shown are not sent, for a form knows
/// them to the second only; a box that is not ticked says no.
fn settings_change(posted: &Posted, sale: &Sale) -> Result<Command, Problem> {
    let shown = [
        ("starts_at", views::local_time(sale.settings.starts_at)),
        ("ends_at", views::local_time(sale.settings.ends_at)),
    ];
    let mut pairs: Vec<(String, String)> = posted.0.clone();
    pairs.retain(|(name, text)| {
        !shown.iter().any(|(time, shown)| time == name && text.trim() == shown)
    });
    if !pairs.iter().any(|(name, _)| name == "hide_stock") {
        pairs.push(("hide_stock".to_owned(), "false".to_owned()));
    }
    let known = ["starts_at", "ends_at", "max_waiting", "checkout_window_seconds", "hide_stock"];
    let mut fields = fields(&Posted(pairs), &known)?;
    let command = said::change_command(&mut fields, sale);
    fields.finish()?;
    Ok(command)
}

async fn steer(
    app: &App,
    operator: &Operator<Steer>,
    sale: &Sale,
    action: &str,
    posted: &Posted,
) -> Result<(), Problem> {
    let command = match action {
        "seed" | "withdraw" => {
            if action == "withdraw" {
                demand_slug(posted, sale)?;
            }
            let mut fields = fields(posted, &["count"])?;
            let count = said::seed_count(&mut fields);
            fields.finish()?;
            if action == "seed" { Command::Seed { count } } else { Command::Withdraw { count } }
        }
        "open" => Command::Open,
        "pause" => Command::Pause,
        "resume" => Command::Resume,
        "close" => {
            demand_slug(posted, sale)?;
            Command::Close
        }
        "pace" => {
            let pace = ["batch_size", "admit_interval_ms", "max_in_checkout"];
            let mut fields = fields(posted, &pace)?;
            let command = said::change_command(&mut fields, sale);
            fields.finish()?;
            command
        }
        "settings" => settings_change(posted, sale)?,
        "notice" => {
            let text = posted.get("text");
            let text = (!text.is_empty()).then(|| text.to_owned());
            let faults = said::notice_faults(text.as_deref());
            if !faults.is_empty() {
                return Err(Problem::invalid(faults));
            }
            Command::Notice { text }
        }
        "remove" => {
            demand_slug(posted, sale)?;
            let ticket: Ticket = posted.get("ticket").parse().map_err(|_| {
                Problem::invalid(vec![Fault::new("ticket", "must be a ticket's id")])
            })?;
            return Ok(leave::remove(&app.gate, &operator.actor, sale.id, ticket).await?);
        }
        _ => return Err(Problem::not_found("action")),
    };
    act(app, operator, sale.id, command, posted.key()).await
}

async fn act(
    app: &App,
    operator: &Operator<Steer>,
    sale: SaleId,
    command: Command,
    key: Option<String>,
) -> Result<(), Problem> {
    let print = Raw(command.detail().to_string().into_bytes()).fingerprint();
    let route = format!("page-{} {sale}", command.action());
    let key = key.map(|key| keyed::key(&operator.scope(), &route, key, print));
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
