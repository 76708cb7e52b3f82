//! Rounds that take turns, their medians, and tables of them.

use serde_json::{Value, json};

/// One figure beside its baseline.
pub struct Row {
    pub what: String,
    pub unit: &'static str,
    pub ours: f64,
    /// The baseline's name, its median, and the median of the ratios of each round.
    pub beside: Option<(&'static str, f64, f64)>,
    pub goal: Option<Goal>,
}

/// What a row is to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// The ratio is not above this.
    AtMost(f64),
    /// The ratio is not below this.
    AtLeast(f64),
    /// The figure itself is not above this.
    Figure(f64),
}

impl Row {
    pub fn with_goal(self, goal: Goal) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// The goal, and whether it is met. A ratio that is not a number misses it.
    fn judged(&self) -> String {
        let ratio = self.beside.map_or(f64::NAN, |(_, _, ratio)| ratio);
        let (text, met) = match self.goal {
            None => return String::new(),
            Some(Goal::AtMost(most)) => (format!("≤ {most:.2} times"), ratio <= most),
            Some(Goal::AtLeast(least)) => (format!("≥ {least:.2} times"), ratio >= least),
            Some(Goal::Figure(most)) => {
                (format!("≤ {most:.0} {}", self.unit).trim_end().to_owned(), self.ours <= most)
            }
        };
        format!("{text}: {}", if met { "met" } else { "**missed**" })
    }
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
        Row { what: what.to_owned(), unit, ours: median(self.ours), beside, goal: None }
    }
}

/// A figure that has no baseline: a count, or memory.
pub fn alone(what: &str, unit: &'static str, figures: Vec<f64>) -> Row {
    Row { what: what.to_owned(), unit, ours: median(figures), beside: None, goal: None }
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

/// Prints a table; with a column for goals where a row has one.
pub fn print(title: &str, rows: &[Row]) {
    println!("\n{title}\n");
    let has_goals = rows.iter().any(|row| row.goal.is_some());
    let (head, rule) = if has_goals { (" goal |", " --- |") } else { ("", "") };
    println!("| what | median | beside | ratio |{head}\n| --- | --- | --- | --- |{rule}");
    rows.iter().for_each(|row| println!("{}", line(row, has_goals)));
}

fn line(row: &Row, has_goals: bool) -> String {
    let (beside, ratio) = match row.beside {
        Some((name, base, ratio)) => (format!("{name}: {}", figure(base)), format!("{ratio:.2}")),
        None => Default::default(),
    };
    let goal = if has_goals { format!(" {} |", row.judged()) } else { String::new() };
    let ours = figure(row.ours);
    format!("| {} | {ours} {} | {beside} | {ratio} |{goal}", row.what, row.unit)
}

/// Says what was measured so far, so that it is not lost when a later part fails.
pub fn so_far(rows: &[Row]) {
    rows.iter().for_each(|row| eprintln!("bench: {}", line(row, true)));
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
        n if n.is_infinite() => "never".to_owned(),
        n if n >= 10_000.0 => format!("{:.1} k", number / 1e3),
        n if n >= 100.0 => format!("{number:.0}"),
        n if n >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_it_meets_its_goal() {
        let ratio = |ours, base, goal| {
            let mut rounds = Rounds::default();
            rounds.add(ours, base);
            rounds.row("a", "ms", "b").with_goal(goal).judged()
        };
        assert_eq!(ratio(12.0, 10.0, Goal::AtMost(1.2)), "≤ 1.20 times: met");
        assert_eq!(ratio(13.0, 10.0, Goal::AtMost(1.2)), "≤ 1.20 times: **missed**");
        assert_eq!(ratio(f64::INFINITY, 10.0, Goal::AtMost(1.2)), "≤ 1.20 times: **missed**");
        assert_eq!(ratio(0.0, 0.0, Goal::AtMost(1.2)), "≤ 1.20 times: **missed**");
        assert_eq!(ratio(8.0, 10.0, Goal::AtLeast(0.9)), "≥ 0.90 times: **missed**");
        let seconds = |figure| alone("a", "s", vec![figure]).with_goal(Goal::Figure(10.0)).judged();
        assert_eq!(seconds(9.0), "≤ 10 s: met");
        assert_eq!(seconds(f64::INFINITY), "≤ 10 s: **missed**");
        assert_eq!(alone("a", "s", vec![1.0]).judged(), "");
    }
}
