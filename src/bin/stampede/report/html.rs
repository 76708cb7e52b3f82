//! The report as one page that needs nothing else.

use std::fmt::Write;

use anyhow::Result;

use super::plots::{Line, by_percentile, over_time};
use super::{Report, Second, Summary, Timed};

const STYLE: &str = include_str!("page.css");
const HEAD: &str = "<thead><tr><th>ms<th>count<th>p50<th>p90<th>p99<th>p99.9<th>max</thead>";

/// # Errors
/// When a plot cannot be drawn.
pub fn page(report: &Report) -> Result<String> {
    let (counts, bad) = (&report.counts, report.broken_promises);
    let verdict = match bad {
        0 => "<p class=verdict>No promise was seen broken</p>".to_owned(),
        _ => format!("<p class=\"verdict bad\">{bad} promises were seen broken</p>"),
    };
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>stampede: {sale}</title>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style>\
         <h1>{arrived} shoppers</h1><p class=muted>Sale {sale} on {targets}, {seconds:.1} s after \
         {opening:.1} s of opening. stampede {version}, seed {seed}.</p>{verdict}",
        sale = escaped(&report.sale),
        arrived = grouped(counts.arrived),
        targets = escaped(&report.plan.targets.join(", ")),
        seconds = report.seconds,
        opening = report.opening_seconds,
        version = report.version,
        seed = report.plan.crowd.seed,
    );
    for said in &report.generator.says {
        let _ = write!(page, "<p class=bad>{}</p>", escaped(said));
    }
    figures(&mut page, report);
    plots(&mut page, report)?;
    tables(&mut page, report);
    if bad > 0 {
        let _ = write!(page, "<h2 class=bad>Broken promises</h2><div class=scroll><pre>");
        let _ = write!(page, "{}</pre></div>", escaped(&report.broken.join("\n")));
    }
    errors(&mut page, report);
    let plan = serde_json::to_string_pretty(&report.plan)?;
    let _ = write!(page, "<h2>The plan</h2><div class=scroll><pre>{}</pre></div>", escaped(&plan));
    Ok(page)
}

fn figures(page: &mut String, report: &Report) {
    let counts = &report.counts;
    let figures = [
        (counts.joined, "joined"),
        (counts.admitted, "admitted"),
        (counts.bought, "bought"),
        (counts.turned_away + counts.ended, "told that it is over"),
        (report.most_open, "sockets at most"),
        (counts.states, "states arrived"),
        (counts.breaks, "sockets broken on purpose"),
        (counts.errors, "errors"),
    ];
    page.push_str("<div class=figures>");
    for (figure, name) in figures {
        let bad = if name == "errors" && figure > 0 { " class=bad" } else { "" };
        let _ = write!(page, "<div><b{bad}>{}</b><span>{name}</span></div>", grouped(figure));
    }
    page.push_str("</div>");
}

fn plots(page: &mut String, report: &Report) -> Result<()> {
    page.push_str("<h2>Time</h2><div class=plots>");
    for (name, title) in [("join", "Joins"), ("confirm", "Purchases"), ("poll", "Polls")] {
        if let Some(timed) = report.calls.get(name).or_else(|| report.opening.get(name)) {
            let lines = [
                ("from when due", timed.due.curve.clone()),
                ("from when sent", timed.sent.curve.clone()),
            ];
            figure(page, title, &lines, by_percentile)?;
        }
    }
    let mut places = Vec::new();
    for (name, title) in
        [("connect", "connecting"), ("first_place", "first place"), ("place_again", "place again")]
    {
        if let Some(timed) = report.calls.get(name).or_else(|| report.opening.get(name)) {
            places.push((title, timed.due.curve.clone()));
        }
    }
    if !places.is_empty() {
        figure(page, "Sockets and streams", &places, by_percentile)?;
    }
    let mut news = vec![
        ("age of states", report.age.curve.clone()),
        ("told of admission", report.told.curve.clone()),
    ];
    news.extend(report.lag.iter().map(|lag| ("places behind it", lag.curve.clone())));
    figure(page, "News", &news, by_percentile)?;
    page.push_str("</div><h2>Over time</h2><div class=plots>");
    let over = |of: fn(&Second) -> u64| {
        report.series.iter().map(|second| (second.at, of(second) as f64)).collect::<Vec<_>>()
    };
    let waiting = report.series.iter().filter_map(|s| Some((s.at, s.waiting? as f64))).collect();
    for (title, lines) in [
        (
            "Joins in a second",
            vec![("arrived", over(|s| s.arrived)), ("joined", over(|s| s.joined))],
        ),
        ("The line", vec![("waiting", waiting), ("sockets open", over(|s| s.open))]),
        (
            "Admissions in a second",
            vec![("admitted", over(|s| s.admitted)), ("bought", over(|s| s.bought))],
        ),
        (
            "States in a second",
            vec![("states", over(|s| s.states)), ("errors", over(|s| s.errors))],
        ),
    ] {
        figure(page, title, &lines, over_time)?;
    }
    page.push_str("</div>");
    Ok(())
}

fn figure(
    page: &mut String,
    title: &str,
    lines: &[Line<'_>],
    draw: fn(&[Line<'_>]) -> Result<String>,
) -> Result<()> {
    let _ = write!(page, "<figure><h3>{title}</h3><figcaption>");
    for ((name, _), class) in lines.iter().zip(["a", "b", "c"]) {
        let _ = write!(page, "<span><i class={class}></i>{name}</span>");
    }
    let _ = write!(page, "</figcaption>{}</figure>", draw(lines)?);
    Ok(())
}

fn tables(page: &mut String, report: &Report) {
    for (title, calls) in [("While opening", &report.opening), ("Calls", &report.calls)] {
        if !calls.is_empty() {
            let _ = write!(page, "<h2>{title}</h2><div class=scroll><table>{HEAD}<tbody>");
            for (name, Timed { due, sent }) in calls {
                row(page, "", &format!("{}, from when due", name.replace('_', " ")), due);
                row(page, " class=from", "from when sent", sent);
            }
            page.push_str("</table></div>");
        }
    }
    let _ = write!(page, "<h2>States and the generator</h2><div class=scroll><table>{HEAD}<tbody>");
    row(page, "", "age on arrival, by server_time", &report.age);
    row(page, "", "from admission to being told", &report.told);
    if let Some(lag) = &report.lag {
        row(page, "", "from admission to the places behind it", lag);
    }
    row(page, "", "shoppers let go late by", &report.generator.late);
    row(page, "", "generator woke up late by", &report.generator.own_lag);
    let _ = write!(page, "</table></div><p class=muted>The generator: {}.", report.generator.used);
}

fn row(page: &mut String, class: &str, name: &str, summary: &Summary) {
    let _ = write!(page, "<tr><td{class}>{name}<td>{}", grouped(summary.count));
    for ms in [summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.p999_ms, summary.max_ms] {
        let _ = write!(page, "<td>{ms:.digits$}", digits = if ms < 100.0 { 2 } else { 0 });
    }
}

fn errors(page: &mut String, report: &Report) {
    if report.errors.is_empty() {
        return;
    }
    page.push_str("<h2>Errors</h2><div class=scroll><table><tbody>");
    for (kind, count) in &report.errors {
        let _ = write!(page, "<tr><td>{}<td>{}", escaped(kind), grouped(*count));
    }
    page.push_str("</table></div>");
}

/// What a gateway said may be anything.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// 1,234,567
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_strangers_text_is_no_markup() {
        assert_eq!((grouped(7), grouped(1_234_567)), ("7".into(), "1,234,567".into()));
        assert_eq!(escaped("<b>&"), "&lt;b&gt;&amp;");
    }
}
