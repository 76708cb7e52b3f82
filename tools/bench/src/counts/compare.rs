//! What is recorded beside what was measured now, and whether something got worse.

use std::collections::BTreeMap;

/// Counts of one operation, by name.
pub type Counts = BTreeMap<String, f64>;
/// Those of each operation.
pub type Figures = BTreeMap<String, Counts>;

pub const ALLOCATIONS: &str = "allocations";
pub const BYTES: &str = "bytes";

/// A count may be above the recorded one by this share of it: more than runs of one build differ by, and less
/// than one more allocation in a join. Bytes differ more: buffers grow with what a read happens to bring.
const ALLOWED: [(&str, f64); 2] = [(ALLOCATIONS, 0.005), (BYTES, 0.02)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Same,
    Better,
    Worse,
    /// Measured now, and there is nothing to compare it with.
    NotRecorded,
    /// Recorded once, and not measured any more.
    NotMeasured,
}

impl Verdict {
    fn of(recorded: f64, now: f64, allowed: f64) -> Self {
        let change = now / recorded - 1.0;
        if change.is_nan() || change > allowed {
            Self::Worse
        } else if change < -allowed {
            Self::Better
        } else {
            Self::Same
        }
    }

    fn is_good(self) -> bool {
        match self {
            Self::Same | Self::Better => true,
            Self::Worse | Self::NotRecorded | Self::NotMeasured => false,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Same => "the same",
            Self::Better => "better: record it",
            Self::Worse => "WORSE",
            Self::NotRecorded => "NOT RECORDED",
            Self::NotMeasured => "NOT MEASURED",
        }
    }
}

/// One count of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    what: String,
    count: &'static str,
    recorded: Option<f64>,
    now: Option<f64>,
    verdict: Verdict,
}

/// Compares everything that is in either.
pub fn compare(recorded: &Figures, now: &Figures) -> Vec<Compared> {
    let mut operations: Vec<&String> = recorded.keys().chain(now.keys()).collect();
    operations.sort();
    operations.dedup();
    let mut compared = Vec::new();
    for what in operations {
        for (count, allowed) in ALLOWED {
            let of = |figures: &Figures| figures.get(what)?.get(count).copied();
            let (recorded, now) = (of(recorded), of(now));
            let verdict = match (recorded, now) {
                (Some(recorded), Some(now)) => Verdict::of(recorded, now, allowed),
                (None, Some(_)) => Verdict::NotRecorded,
                (Some(_) | None, None) => Verdict::NotMeasured,
            };
            compared.push(Compared { what: what.clone(), count, recorded, now, verdict });
        }
    }
    compared
}

/// Whether nothing got worse, and nothing is missing; comparing nothing proves nothing.
pub fn is_good(compared: &[Compared]) -> bool {
    !compared.is_empty() && compared.iter().all(|one| one.verdict.is_good())
}

pub fn print(compared: &[Compared]) {
    println!("| what | count | recorded | now | difference | |");
    println!("| --- | --- | ---: | ---: | ---: | --- |");
    for one in compared {
        println!("{}", row(one));
    }
}

fn row(one: &Compared) -> String {
    let figure = |figure: Option<f64>| figure.map_or("–".to_owned(), |n| format!("{n:.1}"));
    let difference = match (one.recorded, one.now) {
        (Some(recorded), Some(now)) => format!("{:+.2} %", (now / recorded - 1.0) * 100.0),
        (Some(_) | None, Some(_) | None) => String::new(),
    };
    format!(
        "| {} | {} | {} | {} | {difference} | {} |",
        one.what,
        one.count,
        figure(one.recorded),
        figure(one.now),
        one.verdict.words()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(what: &str, counts: &[(&str, f64)]) -> Figures {
        let counts = counts.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect();
        [(what.to_owned(), counts)].into()
    }

    fn verdicts(recorded: &Figures, now: &Figures) -> (Vec<Verdict>, bool) {
        let compared = compare(recorded, now);
        (compared.iter().map(|one| one.verdict).collect(), is_good(&compared))
    }

    #[test]
    fn a_worse_figure_fails_and_what_differs_from_run_to_run_does_not() {
        let recorded = figures("join", &[(ALLOCATIONS, 200.0), (BYTES, 10_000.0)]);
        let now =
            |allocations, bytes| figures("join", &[(ALLOCATIONS, allocations), (BYTES, bytes)]);
        let same = (vec![Verdict::Same, Verdict::Same], true);
        assert_eq!(verdicts(&recorded, &now(200.9, 10_190.0)), same);
        assert_eq!(verdicts(&recorded, &now(199.1, 9_810.0)), same);
        assert_eq!(verdicts(&recorded, &now(201.1, 10_000.0)).0[0], Verdict::Worse);
        assert!(!verdicts(&recorded, &now(201.1, 10_000.0)).1);
        assert!(!verdicts(&recorded, &now(200.0, 10_210.0)).1, "one of them is enough");
        assert!(!verdicts(&recorded, &now(150.0, 10_210.0)).1, "the other one does not make up");
        assert!(!verdicts(&recorded, &now(f64::NAN, 10_000.0)).1);
    }

    #[test]
    fn a_better_figure_passes_and_asks_to_be_recorded() {
        let (was, is) = (
            figures("frame", &[(ALLOCATIONS, 8.0), (BYTES, 900.0)]),
            figures("frame", &[(ALLOCATIONS, 7.0), (BYTES, 900.0)]),
        );
        let compared = compare(&was, &is);
        assert!(is_good(&compared));
        assert_eq!(
            row(&compared[0]),
            "| frame | allocations | 8.0 | 7.0 | -12.50 % | better: record it |"
        );
    }

    #[test]
    fn a_missing_figure_is_said_and_fails() {
        let both = figures("join", &[(ALLOCATIONS, 200.0), (BYTES, 10_000.0)]);
        let one = figures("join", &[(ALLOCATIONS, 200.0)]);
        assert_eq!(verdicts(&one, &both), (vec![Verdict::Same, Verdict::NotRecorded], false));
        assert_eq!(verdicts(&both, &one), (vec![Verdict::Same, Verdict::NotMeasured], false));
        let said = row(&compare(&one, &both)[1]);
        assert_eq!(said, "| join | bytes | – | 10000.0 |  | NOT RECORDED |");
        // A whole operation, on either side.
        let other = figures("confirm", &[(ALLOCATIONS, 1.0), (BYTES, 1.0)]);
        let neither = [Verdict::NotMeasured, Verdict::NotRecorded];
        for (recorded, now) in [(&both, &other), (&other, &both)] {
            let (found, is_good) = verdicts(recorded, now);
            assert!(!is_good && neither.iter().all(|verdict| found.contains(verdict)), "{found:?}");
        }
        assert!(!is_good(&compare(&Figures::new(), &Figures::new())), "nothing to compare");
    }

    #[test]
    fn the_record_in_the_repository_has_every_count_that_a_plain_run_makes() {
        let recorded: Figures = serde_json::from_str(include_str!("../../counts.json")).unwrap();
        for what in ["join", "frame", "confirm"] {
            for count in [ALLOCATIONS, BYTES] {
                assert!(recorded[what][count] > 0.0, "{what} {count}");
            }
        }
        assert_eq!(recorded.len(), 3);
    }
}
