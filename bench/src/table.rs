//! Rounds that take turns, their medians, and tables of them.

use serde_json::{Value, json};

/// One figure beside its baseline.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub ours: f64,
    /// The baseline's name, its median, and the median of the ratios of each round.
    pub beside: Option<(&'static str, f64, f64)>,
}

/// The same measured several times, beside its baseline in each round.
#[derive(Default)]
pub struct Rounds {
    ours: Vec<f64>,
    base: Vec<f64>,
}

impl Rounds {
    pub fn add(&mut self, ours: f64, base: f64) {
        self.ours.push(ours);
        self.base.push(base);
    }

    /// The middle of our own.
    pub fn median(&self) -> f64 {
        median(self.ours.clone())
    }

    pub fn row(self, what: &str, unit: &'static str, baseline: &'static str) -> Row {
        let ratios = self.ours.iter().zip(&self.base).map(|(ours, base)| ours / base).collect();
        let beside = Some((baseline, median(self.base), median(ratios)));
        Row { what: what.to_owned(), unit, ours: median(self.ours), beside }
    }
}

/// A figure that has no baseline: a count, or memory.
pub fn alone(what: &str, unit: &'static str, figures: Vec<f64>) -> Row {
    Row { what: what.to_owned(), unit, ours: median(figures), beside: None }
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => figures[n / 2],
        n => f64::midpoint(figures[n / 2 - 1], figures[n / 2]),
    }
}

/// Prints a table.
pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    println!("| what | median | beside | ratio |\n| --- | --- | --- | --- |");
    for row in rows {
        let (beside, ratio) = match row.beside {
            Some((name, base, ratio)) => {
                (format!("{name}: {}", figure(base)), format!("{ratio:.2}"))
            }
            None => Default::default(),
        };
        println!("| {} | {} {} | {beside} | {ratio} |", row.what, figure(row.ours), row.unit);
    }
}

pub fn json(rows: &[Row]) -> Value {
    let row = |row: &Row| {
        let (name, base, ratio) = row.beside.unwrap_or(("", f64::NAN, f64::NAN));
        json!({ "what": row.what, "unit": row.unit, "median": row.ours, "beside": name,
                "baseline": base, "ratio": ratio })
    };
    rows.iter().map(row).collect()
}

/// Three digits that say something.
fn figure(number: f64) -> String {
    match number.abs() {
        n if n >= 10_000.0 => format!("{:.1} k", number / 1e3),
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}
