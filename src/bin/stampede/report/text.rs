//! The report for a terminal.

use std::fmt::Write;

use super::{Report, Summary};

/// The whole report. Writing to memory does not fail, hence the dropped results.
pub fn text(report: &Report) -> String {
    let (mut out, counts, crowd) = (String::new(), &report.counts, &report.plan.crowd);
    let _ = writeln!(
        out,
        "\nSale {} on {}: {:.1} s, after {:.1} s of opening",
        report.sale,
        report.plan.targets.join(", "),
        report.seconds,
        report.opening_seconds
    );
    let _ = writeln!(
        out,
        "{} arrived ({} standing, {} at once, {}/s for {:?}), {} joined, {} turned away",
        counts.arrived,
        crowd.sockets,
        crowd.burst,
        crowd.rate,
        crowd.length,
        counts.joined,
        counts.turned_away
    );
    let _ = writeln!(
        out,
        "{} admitted, {} bought, {} released, {} did not pay, {} too late, {} left, {} gave up",
        counts.admitted,
        counts.bought,
        counts.released,
        counts.unpaid,
        counts.too_late,
        counts.left,
        counts.gave_up
    );
    let _ = writeln!(
        out,
        "{} sockets and streams at most, {} broken on purpose, {} lost, {} states",
        report.most_open, counts.breaks, counts.lost, counts.states
    );
    calls(&mut out, report);
    states(&mut out, report);
    let own = &report.generator;
    let _ = writeln!(out, "\n{:<34} {HEADER}", "the generator itself, in ms");
    let _ = writeln!(out, "{:<34} {}", "shoppers let go late by", row(&own.late));
    let _ = writeln!(out, "{:<34} {}", "woke up late by", row(&own.own_lag));
    let _ = writeln!(out, "{}", own.used);
    for said in &own.says {
        let _ = writeln!(out, "NOTE: {said}");
    }
    if report.errors.is_empty() {
        let _ = writeln!(out, "\nNo errors.");
    } else {
        let _ = writeln!(out, "\nErrors:");
        for (kind, count) in &report.errors {
            let _ = writeln!(out, "{count:>10}  {kind}");
        }
    }
    if report.broken_promises == 0 {
        let _ = writeln!(out, "No promise was seen broken.");
    } else {
        let _ = writeln!(out, "\nBROKEN PROMISES: {}", report.broken_promises);
        for what in &report.broken {
            let _ = writeln!(out, "  {what}");
        }
    }
    out
}

const HEADER: &str = "    count      p50      p90      p99    p99.9      max";

fn states(out: &mut String, report: &Report) {
    let _ = writeln!(out, "\n{:<34} {HEADER}", "states, in ms");
    for (name, summary) in [
        ("age on arrival (server_time)", Some(&report.age)),
        ("from admission to being told", Some(&report.told)),
        ("from admission to places behind it", report.lag.as_ref()),
    ] {
        match summary {
            Some(summary) => _ = writeln!(out, "{name:<34} {}", row(summary)),
            None => _ = writeln!(out, "{name:<34} not known: see docs/stampede.md"),
        }
    }
}

fn calls(out: &mut String, report: &Report) {
    for (name, calls) in
        [("while opening, in ms", &report.opening), ("calls, in ms", &report.calls)]
    {
        if calls.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{name:<34} {HEADER}");
        for (name, timed) in calls {
            let _ = writeln!(out, "{:<34} {}", format!("{name}, from when due"), row(&timed.due));
            let _ = writeln!(out, "{:<34} {}", "    from when sent", row(&timed.sent));
        }
    }
}

fn row(summary: &Summary) -> String {
    let mut row = format!("{:>9}", summary.count);
    for ms in [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.p999_ms, summary.max_ms] {
        let digits = if ms < 100.0 { 2 } else { 0 };
        let _ = write!(row, "{ms:>9.digits$}");
    }
    row
}
