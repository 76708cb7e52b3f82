//! Whether all is well, and how a sale went so far: what the console shows, for programs as well.

use axum::Json;
use axum::extract::{Path, Query, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::engine::health::overview;
use crate::engine::health::overview::{GatewayLine, Overview, Trouble};
use crate::engine::line::line_view::View;
use crate::engine::reports::history;
use crate::engine::reports::history::Point;
use crate::model::{Fault, SaleId, Status};
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::responses::StockShape;

/// Which sales an overview is about.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OverviewQuery {
    /// Only this sale, by id or slug, and what all sales stand on
    sale: Option<String>,
}

/// From when on a history is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SinceQuery {
    /// A time, RFC 3339; the whole sale unless given
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Overview)]
pub struct OverviewShape {
    /// `well`, `watch` (somebody should look; shoppers are served) or `bad`
    #[schema(pattern = "^(well|watch|bad)$")]
    pub verdict: &'static str,
    pub server_time: Timestamp,
    /// What is not as it should be, the worst first
    pub troubles: Vec<TroubleShape>,
    pub stores: StoresShape,
    pub gateways: Vec<GatewayShape>,
    /// The running sales
    pub sales: Vec<RunningShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Trouble)]
pub struct TroubleShape {
    /// `watch` or `bad`
    #[schema(pattern = "^(watch|bad)$")]
    pub level: &'static str,
    /// The slug of the sale that it is about; null when it is about all
    pub sale: Option<String>,
    pub text: String,
    /// What to do
    pub advice: String,
}

/// Whether the stores answer the gateway that was asked.
#[derive(Serialize, ToSchema)]
#[schema(as = Stores)]
pub struct StoresShape {
    pub postgres: bool,
    pub redis: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Gateway)]
pub struct GatewayShape {
    pub name: String,
    pub version: String,
    pub started_at: Timestamp,
    pub seen_at: Timestamp,
    /// It has missed several beats
    pub silent: bool,
    /// Seconds since its last beat
    pub silent_seconds: u64,
    pub sockets: i64,
    pub admissions_per_second: f64,
    /// The stores that do not answer it
    pub missing: Vec<String>,
}

/// A running sale, as the gateway that was asked sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = RunningSale)]
pub struct RunningShape {
    pub slug: String,
    pub name: String,
    #[schema(pattern = "^(scheduled|open|paused|sold_out|closed)$")]
    pub status: &'static str,
    pub waiting: u64,
    pub tokens: StockShape,
    pub joins_per_second: f64,
    pub admissions_per_second: f64,
    /// `well`, `watch` or `bad`
    #[schema(pattern = "^(well|watch|bad)$")]
    pub verdict: &'static str,
}

/// One decimal is all that is shown of a rate.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

impl OverviewShape {
    /// Looks at everything, or at one sale.
    pub fn look(app: &App, only: Option<SaleId>) -> Self {
        let public_url = app.public_origin.as_deref();
        Self::of(app, &overview::overview(&app.gate, public_url, only))
    }

    fn of(app: &App, overview: &Overview) -> Self {
        let trouble = |trouble: &Trouble| TroubleShape {
            level: trouble.level.as_str(),
            sale: trouble.sale.clone(),
            text: trouble.text.clone(),
            advice: trouble.advice.clone(),
        };
        let answers = |store| !overview.missing.contains(&store);
        Self {
            verdict: overview.verdict.as_str(),
            server_time: app.gate.clock.now(),
            troubles: overview.troubles.iter().map(trouble).collect(),
            stores: StoresShape { postgres: answers("postgres"), redis: answers("redis") },
            gateways: overview.gateways.iter().map(gateway).collect(),
            sales: overview.sales.iter().map(|view| running(overview, view)).collect(),
        }
    }
}

fn gateway(line: &GatewayLine) -> GatewayShape {
    let known = &line.gateway;
    GatewayShape {
        name: known.name.clone(),
        version: known.version.clone(),
        started_at: known.started_at,
        seen_at: known.seen_at,
        silent: line.is_silent(),
        silent_seconds: line.silent_for.as_secs(),
        sockets: known.sockets,
        admissions_per_second: rounded(known.admissions_per_second),
        missing: known.missing.clone(),
    }
}

fn running(overview: &Overview, view: &View) -> RunningShape {
    let sale = &view.snapshot.sale;
    let own = overview.troubles.iter().filter(|t| t.sale.as_deref() == Some(view.slug()));
    let worst = own.map(|trouble| trouble.level).max().unwrap_or(overview::Level::Well);
    let is_over = sale.status() == Status::Closed;
    RunningShape {
        slug: sale.settings.slug.clone(),
        name: sale.settings.name.clone(),
        status: sale.status().as_str(),
        waiting: if is_over { 0 } else { view.waiting() },
        tokens: view.snapshot.stock.into(),
        joins_per_second: rounded(view.joins_per_second),
        admissions_per_second: rounded(view.admissions_per_second),
        verdict: worst.as_str(),
    }
}

/// Whether all is well
///
/// One look at the stores, every gateway and the running sales, and what to do where something is wrong.
/// Answered from memory, so also while a store is away.
#[utoipa::path(get, path = "/api/v1/admin/overview", tag = "operator", security(("api_key" = [])),
    params(OverviewQuery),
    responses((status = 200, body = OverviewShape), (status = 404, body = ProblemShape)))]
pub async fn overview(
    State(app): State<App>,
    _: Operator<Look>,
    Query(query): Query<OverviewQuery>,
) -> Result<Json<OverviewShape>, Problem> {
    let only = match query.sale.as_deref() {
        None => None,
        Some(sale) => Some(match app.gate.line(sale) {
            Some(line) => line.id,
            None => app.gate.sale(sale).await?.id,
        }),
    };
    Ok(Json(OverviewShape::look(&app, only)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = History)]
pub struct HistoryShape {
    /// The finest step between two points
    pub slot_seconds: i64,
    /// Oldest first. A point is missing where nothing changed since the one before; a long time is thinned.
    pub points: Vec<PointShape>,
}

/// Where a sale stood.
#[derive(Serialize, ToSchema)]
#[schema(as = HistoryPoint)]
pub struct PointShape {
    pub at: Timestamp,
    pub waiting: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    /// Tickets since the sale was made
    pub joined: i64,
    pub admitted: i64,
}

impl From<Point> for PointShape {
    fn from(point: Point) -> Self {
        let Point { at, waiting, available, held, sold, joined, admitted } = point;
        Self { at, waiting, available, held, sold, joined, admitted }
    }
}

/// How a sale went so far
///
/// Kept in Postgres in slots of five seconds, thinned to some 600 points.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/history", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), SinceQuery),
    responses((status = 200, body = HistoryShape), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn history(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<SinceQuery>,
) -> Result<Json<HistoryShape>, Problem> {
    let since = query.since.as_deref().map(str::parse::<Timestamp>).transpose().map_err(|_| {
        let rule = "must be a time as in 2026-11-27T12:00:00Z";
        Problem::invalid(vec![Fault::new("since", rule)])
    })?;
    let sale = app.gate.sale(&sale).await?;
    let points = history::history(&app.gate, sale.id, since).await?;
    let points = points.into_iter().map(PointShape::from).collect();
    Ok(Json(HistoryShape { slot_seconds: history::SLOT_SECONDS, points }))
}
