//! What was measured, as a table and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::attacks::Sum;
use super::gateway::Reading;
use super::honest::{Doing, Log, Sample};

/// One phase alone and one under attack.
pub struct Round {
    pub alone: Log,
    pub attacked: Log,
    pub before: Reading,
    pub peak: Reading,
    pub after: Reading,
    /// Cores that the gateway used under attack.
    pub cpu: f64,
    pub sum: Sum,
}

/// All rounds of one attack.
pub struct Outcome {
    name: String,
    lanes: usize,
    /// Honest sockets that ended though they should have stayed.
    lost: u64,
    rounds: Vec<Round>,
}

pub const HEADER: &str = "\
attack             honest p50 ms  honest p99 ms  ratio of p99     errors   RSS MiB           KiB per  files  cores      hostile
                    alone  under   alone  under  of all  median  al. und.  before peak after   conn.   peak  gw.  att.  per s  KiB/s";

fn percentile(mut millis: Vec<f64>, part: f64) -> f64 {
    millis.sort_by(f64::total_cmp);
    let index = (millis.len() as f64 * part).ceil() as usize;
    millis.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn millis<'a>(samples: impl Iterator<Item = &'a Sample>) -> Vec<f64> {
    samples.map(|sample| sample.millis).collect()
}

fn total(errors: &BTreeMap<String, u64>) -> u64 {
    errors.values().sum()
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Which of the two phases of a round.
type Side = fn(&Round) -> &Log;
const ALONE: Side = |round| &round.alone;
const UNDER: Side = |round| &round.attacked;

impl Outcome {
    pub fn new(name: String, lanes: usize, lost: u64, rounds: Vec<Round>) -> Self {
        Self { name, lanes, lost, rounds }
    }

    /// A percentile over all rounds, in milliseconds.
    fn over_all(&self, side: Side, part: f64, only: Option<Doing>) -> f64 {
        let samples = self.rounds.iter().flat_map(|round| &side(round).samples);
        percentile(millis(samples.filter(|s| only.is_none_or(|only| s.doing == only))), part)
    }

    fn errors(&self, side: Side) -> BTreeMap<String, u64> {
        let mut all = BTreeMap::new();
        for (cause, count) in self.rounds.iter().flat_map(|round| &side(round).errors) {
            *all.entry(cause.clone()).or_default() += count;
        }
        all
    }

    /// Of each round: its p99 under attack over its p99 alone.
    fn ratios(&self) -> Vec<f64> {
        let p99 = |log: &Log| percentile(millis(log.samples.iter()), 0.99);
        self.rounds.iter().map(|round| p99(&round.attacked) / p99(&round.alone)).collect()
    }

    fn hostile(&self) -> Sum {
        let mut sum = Sum::default();
        self.rounds.iter().for_each(|round| sum.add(&round.sum));
        sum
    }

    fn most(&self, of: impl Fn(&Round) -> u64) -> u64 {
        self.rounds.iter().map(of).max().unwrap_or_default()
    }

    fn first(&self) -> (Reading, Reading) {
        let first = self.rounds.first();
        first.map(|round| (round.before, round.peak)).unwrap_or_default()
    }

    /// Resident memory for each hostile connection, from the first round: later ones use it again.
    fn kib_per_connection(&self) -> f64 {
        let (before, peak) = self.first();
        peak.rss_kib.saturating_sub(before.rss_kib) as f64 / self.lanes as f64
    }

    /// Honest calls that failed under attack, and sockets that ended.
    pub fn harm(&self) -> u64 {
        total(&self.errors(UNDER)) + self.lost
    }

    pub fn line(&self) -> String {
        let at = |side, part| self.over_all(side, part, None);
        let (alone, under) = (at(ALONE, 0.99), at(UNDER, 0.99));
        let sum = self.hostile();
        let (before, _) = self.first();
        let after = self.rounds.last().map_or(0, |round| round.after.rss_kib);
        let cpu: f64 = self.rounds.iter().map(|round| round.cpu).sum();
        format!(
            "{:18} {:6.1} {:6.1}  {:6.1} {:6.1}  {:6.2}  {:6.2}  {:3} {:4}  {:6.0} {:4.0} {:5.0}   {:5.1}  {:5}  {:4.2} {:4.2}  {:6.0} {:6.0}",
            self.name,
            at(ALONE, 0.5),
            at(UNDER, 0.5),
            alone,
            under,
            under / alone,
            percentile(self.ratios(), 0.5),
            total(&self.errors(ALONE)),
            self.harm(),
            mib(before.rss_kib),
            mib(self.most(|round| round.peak.rss_kib)),
            mib(after),
            self.kib_per_connection(),
            self.most(|round| round.peak.open_files),
            cpu / self.rounds.len() as f64,
            sum.cpu_seconds / sum.seconds,
            sum.sent as f64 / sum.seconds,
            sum.bytes_sent as f64 / 1024.0 / sum.seconds,
        )
    }

    fn json(&self) -> Value {
        let figures = |side: Side| {
            let kinds = [Doing::Join, Doing::Socket, Doing::Poll, Doing::Page, Doing::Confirm];
            let of = |only| {
                json!({ "p50_ms": self.over_all(side, 0.5, only), "p99_ms": self.over_all(side, 0.99, only),
                        "max_ms": self.over_all(side, 1.0, only) })
            };
            let by_kind: Vec<_> = kinds
                .iter()
                .map(|kind| json!({ "what": kind, "figures": of(Some(*kind)) }))
                .collect();
            let count: usize = self.rounds.iter().map(|round| side(round).samples.len()).sum();
            json!({ "all": of(None), "by_kind": by_kind, "calls": count, "errors": self.errors(side) })
        };
        let (before, peak) = self.first();
        json!({
            "attack": self.name,
            "connections": self.lanes,
            "alone": figures(ALONE),
            "under_attack": figures(UNDER),
            "p99_ratio": self.over_all(UNDER, 0.99, None) / self.over_all(ALONE, 0.99, None),
            "p99_ratio_by_round": self.ratios(),
            "standing_sockets_lost": self.lost,
            "rss_kib": {
                "before": before.rss_kib,
                "first_peak": peak.rss_kib,
                "peak_by_round": self.rounds.iter().map(|r| r.peak.rss_kib).collect::<Vec<_>>(),
                "after_by_round": self.rounds.iter().map(|r| r.after.rss_kib).collect::<Vec<_>>(),
                "per_connection": self.kib_per_connection(),
            },
            "open_files": {
                "before": before.open_files,
                "peak": self.most(|round| round.peak.open_files),
                "after_by_round": self.rounds.iter().map(|r| r.after.open_files).collect::<Vec<_>>(),
            },
            "gateway_cores_by_round": self.rounds.iter().map(|r| r.cpu).collect::<Vec<_>>(),
            "hostile": self.hostile(),
        })
    }
}

pub fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let figures: Vec<_> = outcomes.iter().map(Outcome::json).collect();
    Ok(fs::write(file, serde_json::to_string_pretty(&figures)?)?)
}

/// What became of hostile connections and of honest calls that failed.
pub fn endings(outcomes: &[Outcome]) -> String {
    let mut text = String::from("what hostile connections got, and after how long on average:\n");
    for outcome in outcomes {
        let _ = write!(text, "  {}:", outcome.name);
        let mut endings: Vec<_> = outcome.hostile().endings.into_iter().collect();
        endings.sort_by_key(|(_, ending)| std::cmp::Reverse(ending.count));
        for (name, ending) in endings {
            let seconds = ending.seconds / ending.count as f64;
            let _ = write!(text, " {} x {name} ({seconds:.1} s);", ending.count);
        }
        text.push('\n');
        for (side, name) in [(ALONE, "alone"), (UNDER, "under attack")] {
            for (cause, count) in outcome.errors(side) {
                let _ = writeln!(text, "    honest, {name}: {count} x {cause}");
            }
        }
    }
    text
}
