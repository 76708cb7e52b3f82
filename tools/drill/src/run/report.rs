//! The report of one run: a table for people, and the same as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde::Serialize;

use super::checks::{Settled, Verdict, Violation};
use super::faults::Fault;
use super::history::{Entry, Op, Outcome};
use super::sampler::{EVERY, Sample};
use super::strike::Window;
use super::variant::Rules;

/// Admission that rests for less than this is no outage: a batch, its interval and a busy machine.
const STALL_MICROS: u64 = 1_000_000;

#[derive(Debug, Serialize)]
pub struct Report {
    pub seed: u64,
    pub seconds: u64,
    pub rules: Rules,
    pub mistake: Option<String>,
    /// As they were drawn.
    pub schedule: Vec<Fault>,
    pub faults: BTreeMap<&'static str, FaultRow>,
    pub operations: BTreeMap<Op, BTreeMap<Outcome, usize>>,
    pub settled: Settled,
    pub checks: Vec<Verdict>,
}

/// One kind of fault.
#[derive(Debug, Default, Serialize)]
pub struct FaultRow {
    pub times: usize,
    /// Times that it could not be done, because something else was broken.
    pub failed: usize,
    /// Seconds without admission while it was there or was the last thing that was, although people waited,
    /// units were free and the sale was open.
    pub still_seconds: f64,
}

impl Report {
    pub fn violations(&self) -> usize {
        self.checks.iter().map(|check| check.violations).sum()
    }
}

/// Operations by kind and outcome.
pub fn operations(history: &[Entry]) -> BTreeMap<Op, BTreeMap<Outcome, usize>> {
    let mut rows: BTreeMap<Op, BTreeMap<Outcome, usize>> = BTreeMap::new();
    for entry in history.iter().filter(|entry| entry.op != Op::Fault) {
        *rows.entry(entry.op).or_default().entry(entry.outcome).or_default() += 1;
    }
    rows
}

/// Faults by kind, with how long admission stood still for each.
pub fn faults(
    windows: &[Window],
    samples: &[Sample],
    most: i64,
) -> BTreeMap<&'static str, FaultRow> {
    let mut rows: BTreeMap<&'static str, FaultRow> = BTreeMap::new();
    for window in windows {
        let row = rows.entry(window.name).or_default();
        row.times += 1;
        row.failed += usize::from(!window.done);
    }
    for at in still(samples, most) {
        let there: Vec<&Window> = windows.iter().filter(|w| w.from <= at && at <= w.to).collect();
        let last = windows.iter().filter(|w| w.from <= at).max_by_key(|w| w.to);
        let blamed = if there.is_empty() { last.into_iter().collect() } else { there };
        if blamed.is_empty() {
            rows.entry("none").or_default().still_seconds += EVERY.as_secs_f64();
        }
        let part = EVERY.as_secs_f64() / blamed.len().max(1) as f64;
        for window in blamed {
            rows.entry(window.name).or_default().still_seconds += part;
        }
    }
    rows
}

/// The moments at which nobody had been admitted for a while, although it could go on. While Postgres does
/// not answer it stands as it stood.
fn still(samples: &[Sample], most: i64) -> Vec<u64> {
    let (mut moments, mut moved_at, mut last) = (Vec::new(), 0, None);
    for sample in samples {
        let stand = sample.stand.or(last);
        let Some(now) = stand else { continue };
        let could = now.waiting > 0 && now.free > 0 && now.is_open && now.active < most;
        let moved = last.is_none_or(|last| last.holds != now.holds);
        if moved || !could {
            moved_at = sample.at;
        } else if sample.at - moved_at > STALL_MICROS {
            moments.push(sample.at);
        }
        last = stand;
    }
    moments
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let variant = format!("{:?}", self.rules.variant);
        writeln!(f, "\nseed {}  {variant}  {} s of faults", self.seed, self.seconds)?;
        if let Some(mistake) = &self.mistake {
            writeln!(f, "with the mistake {mistake}")?;
        }
        writeln!(
            f,
            "\n  {:<40} {:>6} {:>7} {:>14}",
            "fault", "times", "failed", "admission still"
        )?;
        for (name, row) in &self.faults {
            let still = format!("{:.1} s", row.still_seconds);
            writeln!(f, "  {name:<40} {:>6} {:>7} {still:>14}", row.times, row.failed)?;
        }
        writeln!(f, "\n  {:<12} {:>9} {:>9} {:>9}", "operation", "ok", "refused", "unknown")?;
        for (op, row) in &self.operations {
            let count = |outcome| row.get(&outcome).copied().unwrap_or(0);
            let name = format!("{op:?}").to_lowercase();
            let (ok, no) = (count(Outcome::Ok), count(Outcome::Refused));
            writeln!(f, "  {name:<12} {ok:>9} {no:>9} {:>9}", count(Outcome::Unknown))?;
        }
        let rest = match self.settled.seconds {
            Some(seconds) => format!("at rest {seconds:.1} s after the last fault"),
            None => "never at rest".into(),
        };
        writeln!(f, "\n  {rest}: {:?}", self.settled.stand)?;
        writeln!(f, "\n  {:<5} {:<58} {:>9} {:>10}", "check", "", "looked at", "violations")?;
        for check in &self.checks {
            let (id, claim) = (check.id, check.claim);
            writeln!(f, "  {id:<5} {claim:<58} {:>9} {:>10}", check.looked_at, check.violations)?;
            for note in &check.notes {
                writeln!(f, "        {note}")?;
            }
        }
        f.write_str(&self.evidence())
    }
}

impl Report {
    /// What was seen of each violation.
    fn evidence(&self) -> String {
        let bad = self.checks.iter().filter(|check| check.violations > 0);
        bad.flat_map(|check| check.shown.iter().map(|shown| seen(check, shown))).collect()
    }

    /// The first violation of each check that has any, and how many there are.
    pub fn worst(&self) -> String {
        let mut text = String::new();
        for check in self.checks.iter().filter(|check| check.violations > 0) {
            let _ = write!(text, "  {}, {} times", check.id, check.violations);
            text.extend(check.shown.first().map(|shown| seen(check, shown)));
        }
        text
    }
}

fn seen(check: &Verdict, violation: &Violation) -> String {
    /// Longest evidence on the screen; the rest is in the file.
    const MOST: usize = 1_500;
    let evidence: String = violation.evidence.to_string().chars().take(MOST).collect();
    format!("\n  {}: {}\n    {evidence}\n", check.id, violation.what)
}

#[cfg(test)]
mod tests {
    use super::super::faults::Kind;
    use super::super::sampler::Stand;
    use super::*;

    fn sample(at: u64, stand: Option<(i64, i64, i64)>) -> Sample {
        let stand = stand.map(|(waiting, free, holds)| Stand {
            waiting,
            free,
            holds,
            is_open: true,
            ..Stand::default()
        });
        Sample { at: at * 250_000, stand }
    }

    #[test]
    fn admission_is_still_only_while_people_wait_and_units_are_free() {
        let moving = (0..40).map(|n| sample(n, Some((5, 5, n as i64))));
        assert_eq!(still(&moving.collect::<Vec<_>>(), 9), [] as [u64; 0]);
        let nobody = (0..40).map(|n| sample(n, Some((0, 5, 1))));
        assert_eq!(still(&nobody.collect::<Vec<_>>(), 9), [] as [u64; 0]);
        // Postgres does not answer from the tenth look on.
        let away = (0..40).map(|n| sample(n, (n < 10).then_some((5, 5, n as i64))));
        assert_eq!(still(&away.collect::<Vec<_>>(), 9).len(), 40 - 9 - 5);
    }

    #[test]
    fn a_stall_is_blamed_on_what_is_broken_or_was_last() {
        let window =
            |name, from, to| Window { name, kind: Kind::RedisKilled, from, to, done: true };
        let windows = [window("one", 0, 3_000_000), window("two", 2_000_000, 3_000_000)];
        let samples: Vec<Sample> = (0..20).map(|n| sample(n, Some((5, 5, 1)))).collect();
        let rows = faults(&windows, &samples, 9);
        let all: f64 = rows.values().map(|row| row.still_seconds).sum();
        assert!((all - 15.0 * 0.25).abs() < 1e-9, "{rows:?}");
        assert!(rows["one"].still_seconds > 0.0 && rows["two"].still_seconds > 0.0);
    }
}
