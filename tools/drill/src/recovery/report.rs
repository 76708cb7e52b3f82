//! The table: for each size the median of its rounds, and from which to which they went.

use std::collections::BTreeMap;
use std::fmt;

use super::round::Round;

#[derive(Default)]
pub struct Report(BTreeMap<i64, Vec<Round>>);

impl Report {
    pub fn add(&mut self, size: i64, round: Round) {
        self.0.entry(size).or_default().push(round);
    }
}

/// The lines of the table: what it is, and how it is taken from a round.
type Row = (&'static str, fn(&Round) -> f64);

const ROWS: [Row; 13] = [
    ("line served again, s", |round| round.served),
    ("rows per second", |round| round.baseline.rows as f64 / round.served),
    ("scan of the same rows, s", |round| round.baseline.scan),
    ("the same ZADDs, s", |round| round.baseline.zadd),
    ("served / (scan + ZADDs)", |round| round.served / (round.baseline.scan + round.baseline.zadd)),
    ("next admission, s", |round| round.admission),
    ("next join taken, s", |round| round.joins),
    ("new places shown, s", |round| round.mirrored),
    ("polls refused", |round| f64::from(round.polls.refused)),
    ("slowest poll, s", |round| round.polls.slowest),
    ("a fresh gateway's mirror, s", |round| round.mirror),
    ("one audit, s", |round| round.audit),
    ("one reconciliation, s", |round| round.reconciliation),
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n| from Redis's first answer |")?;
        for (size, rounds) in &self.0 {
            write!(f, " {size} in line, {} rounds |", rounds.len())?;
        }
        writeln!(f, "\n| --- |{}", " --- |".repeat(self.0.len()))?;
        for (name, of) in ROWS {
            write!(f, "| {name} |")?;
            for rounds in self.0.values() {
                let mut values: Vec<f64> = rounds.iter().map(of).collect();
                values.sort_by(f64::total_cmp);
                write!(f, " {} |", spread(&values))?;
            }
            writeln!(f)?;
        }
        let all = || self.0.values().flatten();
        let rose: u32 = all().map(|round| round.polls.rose).sum();
        let answered: u32 = all().map(|round| round.polls.answered).sum();
        writeln!(
            f,
            "\nOf {answered} polls during the losses {rose} showed a worse place than before."
        )?;
        let most = all().filter_map(|round| round.audit_mb).fold(0.0, f64::max);
        writeln!(
            f,
            "The largest audit took {most:.0} MB. Redis itself was away before for up to {:.1} s.",
            all().map(|round| round.away).fold(0.0, f64::max)
        )
    }
}

/// Median, smallest and largest of sorted values.
fn spread(values: &[f64]) -> String {
    let [first, .., last] = values else {
        return values.first().map_or("–".into(), |value| number(*value));
    };
    let median = values[values.len() / 2];
    format!("{} ({}–{})", number(median), number(*first), number(*last))
}

fn number(value: f64) -> String {
    match value {
        large if large >= 1_000.0 => format!("{large:.0}"),
        small if small < 0.1 && small > 0.0 => format!("{small:.3}"),
        other => format!("{other:.2}"),
    }
}
