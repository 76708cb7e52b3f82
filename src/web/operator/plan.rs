//! What a pace would do, in numbers and in sentences: for the console's forms, and for programs.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::engine::steering::plan;
use crate::engine::steering::plan::Plan;
use crate::model::admission::plan::Limit;
use crate::model::{Fault, Settings};
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::request_reader::Raw;
use crate::web::operator::settings_input;
use crate::web::pages::views::count;

/// Most shoppers and units that a sale can have.
const MOST: u32 = 10_000_000;

/// Settings to try; what is not named is as it is, or as a new sale has it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read by the rules of a sale's settings")]
pub struct TriedQuery {
    #[param(value_type = Option<i32>, minimum = 1, maximum = 100)]
    batch_size: Option<String>,
    #[param(value_type = Option<i32>, minimum = 10, maximum = 60_000)]
    admit_interval_ms: Option<String>,
    /// Empty for no limit
    #[param(value_type = Option<String>, pattern = "^([1-9][0-9]{0,6}|10000000)?$")]
    max_in_checkout: Option<String>,
    #[param(value_type = Option<i32>, minimum = 1, maximum = 86_400)]
    checkout_window_seconds: Option<String>,
    #[param(value_type = Option<i32>, minimum = 0, maximum = 60)]
    expiry_grace_seconds: Option<String>,
}

/// What a sale that is not made yet is expected to see.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read pair by pair")]
pub struct ExpectedQuery {
    /// Shoppers in line when it opens
    #[param(value_type = Option<i32>, minimum = 0, maximum = 10_000_000)]
    expected_shoppers: Option<String>,
    #[param(value_type = Option<i32>, minimum = 0, maximum = 10_000_000)]
    units: Option<String>,
}

/// What will happen; times are seconds from now, or from the opening.
#[derive(Serialize, ToSchema)]
#[schema(as = Plan)]
pub struct PlanShape {
    /// When the last unit is sold; null when some are left over, or not within a day
    pub sold_out_in_seconds: Option<u64>,
    /// When the last of those who wait now is let in; null when units run out before
    pub last_waits_seconds: Option<u64>,
    /// Of those who wait now, how many are let in
    pub let_in: u64,
    pub left_over: u64,
    /// The most shoppers who come to the checkout in one minute
    pub most_per_minute: u64,
    /// For how long at least half as many come
    pub busy_seconds: u64,
    /// The most open holds at a time
    pub most_in_checkout: u64,
    /// What holds the line back: `pace`, `checkout` (`max_in_checkout`) or `stock`
    #[schema(pattern = "^(pace|checkout|stock)$")]
    pub limit: &'static str,
    /// Ended holds that conversion and times were measured from; 0 when they are assumed
    pub measured_holds: i64,
    /// The same in sentences
    pub text: Vec<String>,
}

impl From<&Plan> for PlanShape {
    fn from(plan: &Plan) -> Self {
        let told = &plan.forecast;
        let whole = |number: f64| number.round().max(0.0) as u64;
        Self {
            sold_out_in_seconds: told.sold_out_in.map(whole),
            last_waits_seconds: told.last_waits.map(whole),
            let_in: whole(told.let_in),
            left_over: whole(told.left_over),
            most_per_minute: whole(told.most_per_minute),
            busy_seconds: whole(told.busy_seconds),
            most_in_checkout: whole(told.most_in_checkout),
            limit: match told.limit {
                Limit::Pace => "pace",
                Limit::Checkout => "checkout",
                Limit::Stock => "stock",
            },
            measured_holds: plan.measured,
            text: sentences(plan),
        }
    }
}

/// Counts below this are told to the one; above, two digits are all that a forecast knows.
const EXACT: f64 = 100.0;

fn around(number: f64) -> String {
    let number = number.max(0.0);
    let step = if number < EXACT { 1.0 } else { 10_f64.powf(number.log10().floor() - 1.0) };
    count(((number / step).round() * step) as u64)
}

fn span(seconds: f64) -> String {
    let (value, unit) = match seconds {
        seconds if seconds < 90.0 => (seconds.round().max(1.0), "second"),
        seconds if seconds < 5_400.0 => ((seconds / 60.0).round(), "minute"),
        seconds => ((seconds / 360.0).round() / 10.0, "hour"),
    };
    let plural = if (value - 1.0).abs() < f64::EPSILON { "" } else { "s" };
    format!("{value} {unit}{plural}")
}

fn sentences(plan: &Plan) -> Vec<String> {
    let (from, told) = (&plan.outset, &plan.forecast);
    let mut said = Vec::new();
    said.push(match told.sold_out_in {
        Some(seconds) => format!("Sold out in about {}.", span(seconds)),
        None if from.available + from.held < 1.0 => "There are no units to sell.".to_owned(),
        None if told.left_over >= 1.0 => {
            format!("Not sold out: about {} units are left over.", around(told.left_over))
        }
        None => "Not sold out within a day.".to_owned(),
    });
    if from.waiting >= 1.0 {
        let all = count(from.waiting as u64);
        said.push(match told.last_waits {
            Some(seconds) => {
                format!("The last of the {all} in line waits about {}.", span(seconds))
            }
            None if told.sold_out_in.is_some() => format!(
                "Of the {all} in line about {} are let in; for the others no unit is left.",
                around(told.let_in)
            ),
            None => format!("The last of the {all} in line waits longer than a day."),
        });
    }
    if told.most_per_minute >= 1.0 {
        said.push(format!(
            "The shop sees up to {} checkouts a minute, for about {}, and at most {} at a time.",
            around(told.most_per_minute),
            span(told.busy_seconds),
            around(told.most_in_checkout)
        ));
    }
    said.push(
        match told.limit {
            Limit::Pace => "The pace decides.",
            Limit::Checkout => {
                "The most in checkout at a time decides: a quicker pace changes little."
            }
            Limit::Stock => "Units decide: most of the time none is free, whatever the pace.",
        }
        .to_owned(),
    );
    said.push(basis(plan));
    said
}

fn basis(plan: &Plan) -> String {
    let from = &plan.outset;
    let (percent, buys) = ((from.conversion * 100.0).round(), span(from.buys_after_seconds));
    let returns = span(from.returns_after_seconds);
    let joins = match from.joins_per_second {
        rate if rate < 0.05 => String::new(),
        rate => format!(" {rate:.1} shoppers a second keep joining."),
    };
    let base = if plan.measured > 0 {
        format!(
            "From {} checkouts so far: {percent} % buy, after {buys}; the others take {returns}.",
            count(plan.measured.unsigned_abs())
        )
    } else {
        format!(
            "Assumed, until ten checkouts were seen: {percent} % buy, after {buys}; the others take {returns}."
        )
    };
    base + &joins
}

/// The settings that these fields make of `base`; a name and a slug are not needed for a forecast.
pub fn tried(pairs: &[(String, String)], base: Settings) -> Result<Settings, Problem> {
    const TRIED: [&str; 5] = [
        "batch_size",
        "admit_interval_ms",
        "max_in_checkout",
        "checkout_window_seconds",
        "expiry_grace_seconds",
    ];
    let known: Vec<_> =
        pairs.iter().filter(|(name, _)| TRIED.contains(&name.as_str())).cloned().collect();
    let mut fields = Raw(settings_input::form_fields(&known).to_string().into_bytes()).fields()?;
    let to = settings_input::tried_settings(&mut fields, base);
    fields.finish()?;
    Ok(to)
}

/// What a sale that is made from these fields would do.
pub fn tried_new(pairs: &[(String, String)]) -> Result<Plan, Problem> {
    let settings = tried(pairs, Settings::default())?;
    let mut faults = Vec::new();
    let mut number = |name: &str| {
        let text =
            pairs.iter().find(|(field, _)| field == name).map_or("", |(_, text)| text.trim());
        match text.parse::<u32>() {
            Ok(number) if number <= MOST => number,
            _ if text.is_empty() => 0,
            _ => {
                faults.push(Fault::new(name, format!("must be from 0 to {MOST}")));
                0
            }
        }
    };
    let (shoppers, units) = (number("expected_shoppers"), number("units"));
    if faults.is_empty() {
        Ok(plan::plan_new(&settings, shoppers, units))
    } else {
        Err(Problem::invalid(faults))
    }
}

/// What a change would do
///
/// From where the sale stands now and from the conversion and the times that were measured in it.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/plan", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), TriedQuery),
    responses((status = 200, body = PlanShape), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn plan_sale(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<PlanShape>, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let settings = tried(&pairs, sale.settings.clone())?;
    let plan = plan::plan(&app.gate, &sale, &settings).await?;
    Ok(Json(PlanShape::from(&plan)))
}

/// What a new sale would do
///
/// For so many shoppers and units, before the sale is made.
#[utoipa::path(get, path = "/api/v1/admin/plan", tag = "operator", security(("api_key" = [])),
    params(ExpectedQuery, TriedQuery),
    responses((status = 200, body = PlanShape), (status = 422, body = ProblemShape)))]
pub async fn plan_new(
    _: Operator<Look>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<PlanShape>, Problem> {
    Ok(Json(PlanShape::from(&tried_new(&pairs)?)))
}
