//! The report of a sale as it goes out: the same numbers for the page, for JSON and for CSV.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::engine::reports::report;
use crate::engine::reports::report::Report;
use crate::web::api::responses::StockShape;

#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportShape {
    pub sale: String,
    pub slug: String,
    pub name: String,
    #[schema(pattern = "^(scheduled|open|paused|sold_out|closed)$")]
    pub status: &'static str,
    /// The sale still runs, or a hold is still open: the numbers may change
    pub so_far: bool,
    pub counted_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub sold_out_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub paused_seconds: i64,
    pub units: UnitsShape,
    pub shoppers: ShoppersShape,
    /// From the join, or from the start for who joined before it, to the admission; null when nobody was
    pub waits_seconds: Option<PercentilesShape>,
    /// How long those had waited who left by themselves
    pub waits_of_left_seconds: Option<PercentilesShape>,
    /// From the admission to the purchase
    pub time_to_buy_seconds: Option<PercentilesShape>,
    pub checkout: CheckoutShape,
    /// How many units were held so many times
    pub rounds: Vec<RoundShape>,
    /// Seconds from one item of `over_time` to the next; one in which nothing happened is left out
    pub over_time_seconds: i32,
    pub over_time: Vec<PointShape>,
    /// What was done to the sale, oldest first, up to 500
    pub actions: Vec<ActionShape>,
    pub shown: ShownShape,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportUnits)]
pub struct UnitsShape {
    #[serde(flatten)]
    pub stock: StockShape,
    /// Neither sold nor withdrawn
    pub left: i64,
    /// Holds that gave their unit back
    pub returned: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportShoppers)]
pub struct ShoppersShape {
    pub joined: i64,
    pub admitted: i64,
    pub bought: i64,
    /// Admitted, and let the unit go
    pub not_bought: i64,
    /// Left the line by themselves
    pub left: i64,
    /// Taken out of the line by an operator
    pub removed: i64,
    /// In line now, or when the sale ended
    pub waiting: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportPercentiles)]
pub struct PercentilesShape {
    pub count: i64,
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl From<report::Percentiles> for PercentilesShape {
    fn from(of: report::Percentiles) -> Self {
        let round = |seconds: f64| (seconds * 10.0).round() / 10.0;
        let [p10, p50, p90, p99, max] = [of.p10, of.p50, of.p90, of.p99, of.max].map(round);
        Self { count: of.count, p10, p50, p90, p99, max }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportCheckout)]
pub struct CheckoutShape {
    pub holds: i64,
    pub active: i64,
    pub confirmed: i64,
    pub released: i64,
    pub expired: i64,
    /// Confirmed of all holds that ended, 0 to 1; null before one did
    pub conversion: Option<f64>,
    /// Open holds at a time, from the first hold to the last
    pub open_on_average: f64,
    pub open_at_most: i64,
    /// The limit as it is now
    pub max_in_checkout: Option<i32>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportRound)]
pub struct RoundShape {
    pub times: i64,
    pub units: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportPoint)]
pub struct PointShape {
    pub at: Timestamp,
    pub joined: i64,
    pub admitted: i64,
    pub bought: i64,
    pub returned: i64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportAction)]
pub struct ActionShape {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    #[schema(value_type = Object)]
    pub detail: Value,
}

/// How well the waits and chances that were shown came true: every ten seconds what the front, the middle, the
/// back and one by chance were shown is written down.
#[derive(Serialize, ToSchema)]
#[schema(as = ReportShown)]
pub struct ShownShape {
    pub samples: i64,
    /// Left or were removed later: nobody knows
    pub gone: i64,
    /// Still in line
    pub undecided: i64,
    /// Waits that were shown to who was admitted later
    pub waits: i64,
    pub waits_within: i64,
    pub waits_sooner: i64,
    pub waits_later: i64,
    pub chances: Vec<ChanceShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ReportChance)]
pub struct ChanceShape {
    /// The chance that was shown, from here
    pub from: f64,
    /// to here
    pub to: f64,
    pub shown: i64,
    /// The mean of what was shown
    pub said: f64,
    /// How many were offered a unit, of all
    pub came_true: f64,
}

impl From<&Report> for ReportShape {
    fn from(report: &Report) -> Self {
        let (counted, sale) = (&report.counted, &report.snapshot.sale);
        let (tickets, holds, stock) = (counted.tickets, counted.holds, report.snapshot.stock);
        Self {
            sale: sale.id.to_string(),
            slug: sale.settings.slug.clone(),
            name: sale.settings.name.clone(),
            status: sale.status().as_str(),
            so_far: report.so_far,
            counted_at: counted.at,
            opened_at: sale.opened_at,
            sold_out_at: sale.sold_out_at,
            closed_at: sale.closed_at,
            paused_seconds: report.paused_seconds,
            units: UnitsShape {
                stock: stock.into(),
                left: stock.available() + stock.held,
                returned: holds.released + holds.expired,
            },
            shoppers: ShoppersShape {
                joined: tickets.joined,
                admitted: tickets.admitted,
                bought: holds.confirmed,
                not_bought: holds.released + holds.expired,
                left: tickets.left,
                removed: tickets.removed,
                waiting: tickets.waiting,
            },
            waits_seconds: counted.waits.map(Into::into),
            waits_of_left_seconds: counted.waits_of_left.map(Into::into),
            time_to_buy_seconds: counted.buying.map(Into::into),
            checkout: CheckoutShape {
                holds: holds.active + holds.confirmed + holds.released + holds.expired,
                active: holds.active,
                confirmed: holds.confirmed,
                released: holds.released,
                expired: holds.expired,
                conversion: report.conversion().map(thousandth),
                open_on_average: (holds.average * 10.0).round() / 10.0,
                open_at_most: holds.peak,
                max_in_checkout: sale.settings.max_in_checkout,
            },
            rounds: counted
                .rounds
                .iter()
                .map(|(times, units)| RoundShape { times: *times, units: *units })
                .collect(),
            over_time_seconds: counted.width_seconds,
            over_time: counted.points.iter().map(PointShape::from).collect(),
            actions: counted.actions.iter().map(ActionShape::from).collect(),
            shown: ShownShape::from(&counted.came_true),
        }
    }
}

fn thousandth(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}

impl From<&report::Point> for PointShape {
    fn from(point: &report::Point) -> Self {
        let report::Point { at, joined, admitted, bought, returned } = *point;
        Self { at, joined, admitted, bought, returned }
    }
}

impl From<&report::Action> for ActionShape {
    fn from(action: &report::Action) -> Self {
        Self {
            at: action.at,
            actor: action.actor.clone(),
            action: action.action.clone(),
            detail: action.detail.clone(),
        }
    }
}

impl From<&report::CameTrue> for ShownShape {
    fn from(all: &report::CameTrue) -> Self {
        let chance = |one: &report::Chances| ChanceShape {
            from: f64::from(one.tenth) / 10.0,
            to: f64::from(one.tenth + 1) / 10.0,
            shown: one.shown,
            said: thousandth(one.said),
            came_true: thousandth(one.offered as f64 / one.shown as f64),
        };
        Self {
            samples: all.samples,
            gone: all.gone,
            undecided: all.undecided,
            waits: all.ranges.shown,
            waits_within: all.ranges.within,
            waits_sooner: all.ranges.sooner,
            waits_later: all.ranges.later,
            chances: all.chances.iter().map(chance).collect(),
        }
    }
}
