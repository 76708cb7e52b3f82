//! The plot: for each way a bar of orders per second, and the times to an order (a dot at p50, a stroke at p99, a
//! line up to p999), both on logarithmic scales. A word says what the colour says. One narrow panel for each size, so that a phone shows them one below
//! the other.

use std::fmt::Write;

use super::{Heat, Lane, Verdict, escaped, short};
use crate::course::Outcome;

const WIDTH: f64 = 380.0;
const HEAD: f64 = 56.0;
const ROW: f64 = 34.0;
const FOOT: f64 = 20.0;
const GAP: f64 = 30.0;
/// Half of the last mark, which stands beyond the scale.
const EDGE: f64 = 10.0;

/// A logarithmic scale from one place to another.
struct Scale {
    from: (f64, f64),
    to: (f64, f64),
    marks: &'static [(f64, &'static str)],
}

const RATES: Scale = Scale {
    from: (1.0, 0.0),
    to: (100_000.0, 150.0),
    marks: &[(10.0, "10"), (100.0, "100"), (1_000.0, "1k"), (10_000.0, "10k"), (100_000.0, "100k")],
};
const TIMES: Scale = Scale {
    from: (1.0, 215.0),
    to: (100_000.0, 370.0),
    marks: &[
        (1.0, "1 ms"),
        (10.0, "10"),
        (100.0, "100"),
        (1_000.0, "1 s"),
        (10_000.0, "10"),
        (100_000.0, "100"),
    ],
};

impl Scale {
    fn at(&self, value: f64) -> f64 {
        let (low, left) = self.from;
        let (high, right) = self.to;
        let part = (value.clamp(low, high) / low).ln() / (high / low).ln();
        left + part * (right - left)
    }
}

/// Light and dark, by what the reader's screen is set to.
pub const STYLE: &str = "
svg { --ink: #1c2430; --dim: #5b6675; --line: #d5dae1; --bad: #c0352b; --poor: #b7791f; --good: #1f7a8c; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6eaf0; --dim: #9aa5b4; --line: #333c48; --bad: #ff7b6e; --poor: #e5b454; --good: #5cc3d6; }
}
svg text { font: 11px system-ui, sans-serif; fill: var(--ink); }
svg .title { font-size: 14px; font-weight: 600; }
svg .dim { fill: var(--dim); font-size: 10px; }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg .bad { fill: var(--bad); stroke: var(--bad); }
svg .poor { fill: var(--poor); stroke: var(--poor); }
svg .good { fill: var(--good); stroke: var(--good); }
svg text.bad, svg text.poor, svg text.good { stroke: none; }
svg .spread { stroke-width: 2; }
";

fn height(heat: &Heat) -> f64 {
    HEAD + ROW * heat.lanes.len() as f64 + FOOT
}

/// One size as a picture of its own.
pub fn panel(heat: &Heat) -> String {
    let height = height(heat);
    format!(
        "<svg viewBox=\"0 0 {} {height}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
        WIDTH + EDGE,
        heat.size.words(),
        drawn(heat)
    )
}

/// All sizes in one picture, beside each other.
pub fn side_by_side(heats: &[Heat]) -> String {
    let height = heats.iter().map(height).fold(0.0, f64::max) + GAP;
    let width = GAP + (WIDTH + GAP) * heats.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\">\n\
         <style>{STYLE}svg {{ background: #fff; }}\n@media (prefers-color-scheme: dark) {{ svg {{ background: \
         #14181e; }} }}\n</style>\n"
    );
    for (at, heat) in heats.iter().enumerate() {
        let left = GAP + (WIDTH + GAP) * at as f64;
        let _ =
            write!(svg, "<g transform=\"translate({left} {})\">\n{}</g>\n", GAP / 2.0, drawn(heat));
    }
    svg + "</svg>\n"
}

fn drawn(heat: &Heat) -> String {
    let bottom = height(heat) - FOOT;
    let mut svg = format!(
        "<text class=\"title\" y=\"14\">{}</text>\n\
         <text class=\"dim\" y=\"32\">orders per second, logarithmic</text>\n\
         <text class=\"dim\" x=\"{}\" y=\"32\">time to an order, logarithmic</text>\n",
        heat.size.words(),
        TIMES.from.1,
    );
    for scale in [&RATES, &TIMES] {
        for (value, mark) in scale.marks {
            let x = scale.at(*value);
            let top = HEAD - 10.0;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"dim\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>",
                bottom + 14.0
            );
        }
    }
    for (at, lane) in heat.lanes.iter().enumerate() {
        svg += &row(lane, heat.size.stock, HEAD + ROW * at as f64);
    }
    svg
}

fn row(lane: &Lane, stock: u32, top: f64) -> String {
    let (class, word) = match lane.verdict(stock) {
        Verdict::Oversold => ("bad", format!("oversold {}", lane.range(|one| one.worst(stock)))),
        Verdict::LeftSome => ("poor", format!("{} unsold", lane.range(|one| one.unsold(stock)))),
        Verdict::Exact => ("good", "each unit once".to_owned()),
    };
    let rate = lane.median(Outcome::orders_per_second);
    let end = RATES.at(rate);
    let text = top + 8.0;
    let times = if rate > 0.0 { times(lane, class, top + 18.0) } else { String::new() };
    format!(
        "<text y=\"{text}\">{}</text>\
         <text class=\"{class}\" x=\"{WIDTH}\" y=\"{text}\" text-anchor=\"end\">{word}</text>\n\
         <rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"{end:.1}\" height=\"10\" rx=\"2\"/>\
         <text x=\"{:.1}\" y=\"{}\">{}</text>\n{times}",
        escaped(lane.way),
        top + 13.0,
        end + 5.0,
        top + 22.0,
        short(rate),
    )
}

fn times(lane: &Lane, class: &str, y: f64) -> String {
    let at = |part: fn(&Outcome) -> f64| TIMES.at(lane.median(part));
    let p50 = at(|one| one.order.p50);
    let p99 = at(|one| one.order.p99);
    let p999 = at(|one| one.order.p999);
    format!(
        "<line class=\"{class} spread\" x1=\"{p50:.1}\" x2=\"{p999:.1}\" y1=\"{y}\" y2=\"{y}\"/>\
         <circle class=\"{class}\" cx=\"{p50:.1}\" cy=\"{y}\" r=\"3.5\"/>\
         <line class=\"{class} spread\" x1=\"{p99:.1}\" x2=\"{p99:.1}\" y1=\"{}\" y2=\"{}\"/>\n",
        y - 4.0,
        y + 4.0,
    )
}
