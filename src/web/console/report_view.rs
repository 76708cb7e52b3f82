//! Owns the page of a sale's report.

use askama::Template;

use crate::web::api::responses::report::{ActionShape, PercentilesShape, PointShape, ReportShape};
use crate::web::pages::format::count;
use crate::web::pages::views::filters;
use crate::web::people::views::Me;

/// From here on a time is told in days.
const DAYS_FROM_SECONDS: u64 = 2 * 86_400;

/// The width and height of a chart, in its own units.
const WIDE: f64 = 600.0;
const HIGH: f64 = 48.0;

/// `GET /admin/sales/{sale}/report`.
#[derive(Template)]
#[template(path = "admin_report.html")]
pub struct ReportPage {
    pub nonce: String,
    pub me: Me,
    pub report: ReportShape,
}

/// A bar of a chart.
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
}

/// One small chart: a count over time.
struct Chart {
    name: &'static str,
    total: i64,
    most: i64,
    bars: Vec<Bar>,
}

impl ReportPage {
    fn charts(&self) -> Vec<Chart> {
        vec![
            self.chart("Joined", |point| point.joined),
            self.chart("Admitted", |point| point.admitted),
            self.chart("Bought", |point| point.bought),
            self.chart("Returned", |point| point.returned),
        ]
    }

    fn chart(&self, name: &'static str, of: fn(&PointShape) -> i64) -> Chart {
        let points = &self.report.over_time;
        let most = points.iter().map(of).max().unwrap_or(0);
        let first = points.first().map_or(0, |point| point.at.as_second());
        let slot = |point: &PointShape| {
            (point.at.as_second() - first) / i64::from(self.report.over_time_seconds.max(1))
        };
        let slots = points.last().map_or(0, slot) + 1;
        let step = WIDE / slots as f64;
        let bar = |point: &PointShape| {
            let height = (of(point) as f64 / most as f64 * HIGH).max(1.0);
            Bar {
                x: format!("{:.2}", slot(point) as f64 * step),
                y: format!("{:.2}", HIGH - height),
                width: format!("{:.2}", (step * 0.85).max(0.5)),
                height: format!("{height:.2}"),
            }
        };
        let bars = points.iter().filter(|point| of(point) > 0).map(bar).collect();
        Chart { name, total: points.iter().map(of).sum(), most, bars }
    }

    /// `10 s`, `5 min`, `1 h`: the width of a bar.
    fn bar_width(&self) -> String {
        match self.report.over_time_seconds {
            seconds if seconds >= 86_400 => format!("{} d", seconds / 86_400),
            seconds if seconds >= 3_600 => format!("{} h", seconds / 3_600),
            seconds if seconds >= 60 => format!("{} min", seconds / 60),
            seconds => format!("{seconds} s"),
        }
    }

    /// The rows of the table of percentiles.
    fn spans(&self) -> Vec<(&'static str, &PercentilesShape)> {
        let report = &self.report;
        let rows = [
            ("Wait until admitted", &report.waits_seconds),
            ("Wait of those who left", &report.waits_of_left_seconds),
            ("Time to buy", &report.time_to_buy_seconds),
        ];
        rows.into_iter().filter_map(|(name, of)| Some((name, of.as_ref()?))).collect()
    }

    fn is_over(&self) -> bool {
        !self.report.so_far
    }

    /// How many hold a unit for a second time and more.
    fn went_round(&self) -> i64 {
        let again = self.report.rounds.iter().filter(|round| round.times > 1);
        again.map(|round| round.units).sum()
    }

    fn paused(&self) -> String {
        secs(&(self.report.paused_seconds as f64))
    }

    fn of_waits(&self, part: &i64) -> String {
        share(*part, self.report.shown.waits)
    }
}

/// What was said along with an action, in a few words.
fn said(action: &ActionShape) -> String {
    let fields = action.detail.as_object().into_iter().flatten();
    let fields = fields.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}: {text}"),
        None => format!("{name}: {value}"),
    });
    fields.collect::<Vec<_>>().join(", ")
}

fn share(part: i64, of: i64) -> String {
    if of == 0 { "–".into() } else { percent(&(part as f64 / of as f64)) }
}

fn percent(share: &f64) -> String {
    format!("{:.0}%", share * 100.0)
}

fn n(number: &i64) -> String {
    let sign = if *number < 0 { "−" } else { "" };
    format!("{sign}{}", count(number.unsigned_abs()))
}

/// Seconds as people say them: short ones with a tenth, long ones as a clock.
fn secs(seconds: &f64) -> String {
    if *seconds < 60.0 { format!("{seconds:.1} s") } else { span(seconds.round() as u64) }
}
/// Seconds as a clock would count them: `9:32`, `1:00:00`, `3 days`.
fn span(seconds: u64) -> String {
    if seconds >= DAYS_FROM_SECONDS {
        return format!("{} days", count(seconds / 86_400));
    }
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}
