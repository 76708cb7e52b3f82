//! The page: plots, tables and reasons in one file that needs nothing else.

use super::{Heat, Report, Verdict, escaped, plot, table};

const STYLE: &str = "
:root { color-scheme: light dark; --ground: #fff; --text: #1c2430; --soft: #5b6675; --rule: #d5dae1;
  --bad: #c0352b; --poor: #8a5a12; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181e; --text: #e6eaf0; --soft: #9aa5b4;
  --rule: #333c48; --bad: #ff7b6e; --poor: #e5b454; } }
body { margin: 0 auto; padding: 1rem; max-width: 80rem; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
p { max-width: 46rem; } .soft { color: var(--soft); }
.plots { display: grid; gap: 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); }
.plots svg { width: 100%; max-width: 480px; }
.scrolls { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--ground); }
.bad { color: var(--bad); font-weight: 600; } .poor { color: var(--poor); }
dt { font-weight: 600; margin-top: .6rem; } dd { margin: 0; max-width: 46rem; }
";

pub fn html(report: &Report) -> String {
    let plots: String = report.heats.iter().map(plot::panel).collect();
    let tables: String = report.heats.iter().map(table_of).collect();
    let lanes = report.heats.first().map(|heat| heat.lanes.as_slice()).unwrap_or_default();
    let reasons: String = lanes
        .iter()
        .map(|lane| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(lane.way), escaped(lane.why)))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>The race</title>\n<style>{STYLE}{}</style></head><body>\n\
         <h1>The race: the last units, sold in every known way</h1>\n\
         <p class=\"soft\">{}</p>\n<p class=\"soft\">In the plots a dot is the median time to an order, a \
         stroke is p99, and the line ends at p999.</p>\n<div class=\"plots\">\n{plots}</div>\n{tables}\
         <h2>Why</h2>\n<dl>\n{reasons}</dl>\n</body></html>\n",
        plot::STYLE,
        escaped(&report.setting()),
    )
}

fn table_of(heat: &Heat) -> String {
    let headings: String =
        table::HEADINGS.map(|heading| format!("<th scope=\"col\">{heading}</th>")).concat();
    let rows: String = heat
        .lanes
        .iter()
        .map(|lane| {
            let verdict = lane.verdict(heat.size.stock);
            let cells = table::cells(lane, heat.size.stock);
            let cell = |(column, text): (usize, &String)| {
                let class = match (column, verdict) {
                    (1, Verdict::Oversold) => " class=\"bad\"",
                    (2, Verdict::LeftSome) => " class=\"poor\"",
                    (_, Verdict::Oversold | Verdict::LeftSome | Verdict::Exact) => "",
                };
                format!("<td{class}>{}</td>", escaped(text))
            };
            format!("<tr>{}</tr>\n", cells.iter().enumerate().map(cell).collect::<String>())
        })
        .collect();
    format!(
        "<h2>{}</h2>\n<div class=\"scrolls\" tabindex=\"0\"><table>\n<tr>{headings}</tr>\n{rows}</table></div>\n",
        heat.size.words()
    )
}
