//! What came of a race: all rounds of each way, and what is said of them together.
//!
//! Latencies and rates are medians over the rounds. What must not happen is not averaged away: oversold and
//! unsold units are told from the least to the most of all rounds.

mod page;
mod plot;
mod table;

use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::course::{Outcome, Size};

/// All rounds of one way at one size.
#[derive(Debug, Serialize)]
pub struct Lane {
    pub way: &'static str,
    pub written: &'static str,
    pub why: &'static str,
    pub rounds: Vec<Outcome>,
}

/// All ways at one size.
#[derive(Debug, Serialize)]
pub struct Heat {
    pub size: Size,
    pub lanes: Vec<Lane>,
}

/// A whole race.
#[derive(Debug, Serialize)]
pub struct Report {
    pub in_flight: usize,
    pub cores: usize,
    pub heats: Vec<Heat>,
}

/// How a way stands, in all rounds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// In one round at least.
    Oversold,
    /// Never oversold; in one round at least units were left though everybody was gone.
    LeftSome,
    /// Every unit once, in every round.
    Exact,
}

impl Lane {
    pub fn median(&self, of: impl Fn(&Outcome) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        let middle = all.len() / 2;
        match all.get(middle) {
            Some(upper) if all.len().is_multiple_of(2) => f64::midpoint(all[middle - 1], *upper),
            Some(middle) => *middle,
            None => 0.0,
        }
    }

    /// The most of all rounds.
    pub fn most(&self, of: impl Fn(&Outcome) -> u64) -> u64 {
        self.rounds.iter().map(of).max().unwrap_or_default()
    }

    /// From the least to the most of all rounds.
    pub fn range(&self, of: impl Fn(&Outcome) -> u64) -> String {
        let least = self.rounds.iter().map(&of).min().unwrap_or_default();
        let most = self.most(of);
        if least == most { most.to_string() } else { format!("{least}–{most}") }
    }

    pub fn verdict(&self, stock: u32) -> Verdict {
        if self.most(|one| one.worst(stock)) > 0 {
            Verdict::Oversold
        } else if self.most(|one| one.unsold(stock)) > 0 {
            Verdict::LeftSome
        } else {
            Verdict::Exact
        }
    }
}

impl Size {
    pub fn words(self) -> String {
        let units = if self.stock == 1 { "unit" } else { "units" };
        format!("{} {units} for {} buyers", grouped(self.stock.into()), grouped(self.crowd.into()))
    }
}

impl Report {
    /// How it was measured: what a figure means depends on it.
    pub fn setting(&self) -> String {
        let rounds = self.heats.iter().flat_map(|heat| &heat.lanes).map(|lane| lane.rounds.len());
        let rounds = rounds.max().unwrap_or_default();
        format!(
            "All buyers arrive in one instant, and every latency counts from there. At most {} are served at a \
             time, in every way. {} cores for the buyers and both stores together. Rates and times are medians \
             (rounds: {rounds}), oversold and unsold go from the least to the most of all rounds. An answer is \
             the first that a buyer hears: in ropeline's line that is a place, else it is the last word.",
            self.in_flight, self.cores,
        )
    }

    /// The tables, in Markdown that also reads well in a terminal.
    pub fn markdown(&self) -> String {
        self.heats.iter().map(table::markdown).collect::<Vec<_>>().join("\n")
    }

    /// One line for each way: why.
    pub fn reasons(&self) -> String {
        let Some(heat) = self.heats.first() else { return String::new() };
        heat.lanes.iter().map(|lane| format!("- `{}`: {}\n", lane.way, lane.why)).collect()
    }

    /// Writes `race.html`, `race.svg` and `race.json`.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn write(&self, dir: &Path) -> Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("race.html"), page::html(self))?;
        fs::write(dir.join("race.svg"), plot::side_by_side(&self.heats))?;
        Ok(fs::write(dir.join("race.json"), serde_json::to_string_pretty(self)?)?)
    }
}

/// With commas between the thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits, as far as it has them.
fn short(number: f64) -> String {
    match number {
        small if small >= 99.5 => grouped(small.round() as u64),
        small if small >= 9.95 => format!("{small:.1}"),
        small => format!("{small:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(told: &[u64]) -> Lane {
        let round = |told: &u64| Outcome { told: *told, written: *told, ..Outcome::default() };
        Lane { way: "a", written: "Redis", why: "", rounds: told.iter().map(round).collect() }
    }

    #[test]
    fn one_round_that_oversold_is_not_averaged_away() {
        assert_eq!(lane(&[10, 11, 10]).verdict(10), Verdict::Oversold);
        assert_eq!(lane(&[10, 9, 10]).verdict(10), Verdict::LeftSome);
        assert_eq!(lane(&[11, 9]).verdict(10), Verdict::Oversold);
        assert_eq!(lane(&[10, 10]).verdict(10), Verdict::Exact);
        assert_eq!(lane(&[10, 11, 10]).range(|one| one.oversold(10)), "0–1");
    }

    #[test]
    fn orders_that_nobody_was_told_of_count_as_oversold_too() {
        let mut unseen = lane(&[10]);
        unseen.rounds[0].written = 11;
        assert_eq!(unseen.verdict(10), Verdict::Oversold);
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!([short(12_345.6), short(42.123), short(0.034)], ["12,346", "42.1", "0.03"]);
        assert_eq!(lane(&[1, 4]).median(|one| one.told as f64), 2.5);
    }
}
