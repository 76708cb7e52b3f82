//! The plots of the page, as SVG. Colours are stand-ins: the page's style gives each its light or dark one.

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{
    ChartBuilder, DrawingArea, IntoDrawingArea, IntoLogRange, LineSeries, RGBColor, SVGBackend,
};
use plotters::style::{Color, IntoFont, TextStyle};

/// The size of a plot in its own units; the page scales it.
const SIZE: (u32, u32) = (600, 250);
const TEXT: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// The series in their order, as `page.css` knows them.
const SERIES: [RGBColor; 3] =
    [RGBColor(0x10, 0x00, 0x01), RGBColor(0x10, 0x00, 0x02), RGBColor(0x10, 0x00, 0x03)];
/// The least time on a scale that is logarithmic.
const LEAST_MS: f64 = 0.05;

/// A line of a plot: its name, and its points.
pub type Line<'a> = (&'a str, Vec<(f64, f64)>);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Something over time.
pub fn over_time(lines: &[Line<'_>]) -> Result<String> {
    let (end, top) = (most(lines, |at| at.0), most(lines, |at| at.1));
    // A short run has several labels in a second.
    let digits = usize::from(end < 10.0);
    drawn(|area| {
        let mut chart =
            builder(area).build_cartesian_2d(0.0..end.max(1.0), 0.0..top.max(1.0) * 1.05)?;
        chart
            .configure_mesh()
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(GRID.mix(0.0))
            .label_style(label())
            .y_labels(5)
            .x_label_formatter(&|x| format!("{x:.digits$} s"))
            .y_label_formatter(&|y| short(*y))
            .draw()?;
        for ((_, points), colour) in lines.iter().zip(SERIES) {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// Times by percentile, with as much room for the last percent as for the first ninety.
pub fn by_percentile(lines: &[Line<'_>]) -> Result<String> {
    let lines: Vec<Line<'_>> =
        lines.iter().map(|(name, curve)| (*name, stretched(curve))).collect();
    let (end, top) = (most(&lines, |at| at.0), most(&lines, |at| at.1));
    let least = lines.iter().flat_map(|(_, points)| points).map(|at| at.1).fold(top, f64::min);
    drawn(|area| {
        let (least, top) = (least.max(LEAST_MS) / 1.5, top.max(1.0) * 1.5);
        let mut chart =
            builder(area).build_cartesian_2d(0.0..end.max(1.0), (least..top).log_scale())?;
        chart
            .configure_mesh()
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(GRID.mix(0.0))
            .label_style(label())
            .x_labels(end.ceil() as usize + 1)
            .y_labels(5)
            .x_label_formatter(&|x| percent(*x))
            .y_label_formatter(&|y| format!("{} ms", short(*y)))
            .draw()?;
        for ((_, points), colour) in lines.iter().zip(SERIES) {
            chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        }
        Ok(())
    })
}

/// 0 for the beginning, 1 for 90 %, 2 for 99 %, and so on; as far as the curve goes.
fn stretched(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let inner = curve.iter().filter(|(percent, _)| *percent < 100.0);
    inner.map(|(percent, ms)| (2.0 - (100.0 - percent).log10(), ms.max(LEAST_MS))).collect()
}

fn percent(nines: f64) -> String {
    let percent = 100.0 - 10_f64.powf(2.0 - nines);
    let digits = (nines.ceil() as usize).saturating_sub(2);
    format!("{percent:.digits$} %")
}

/// A number as it is said.
fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e4 => format!("{:.0} k", n / 1e3),
        n if n >= 10.0 || n == n.trunc() => format!("{n:.0}"),
        n if n >= 1.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

fn most(lines: &[Line<'_>], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    lines.iter().flat_map(|(_, points)| points).map(of).fold(0.0, f64::max)
}

fn label() -> TextStyle<'static> {
    ("sans-serif", 16).into_font().color(&TEXT)
}

fn builder<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(8).margin_right(24).x_label_area_size(30).y_label_area_size(72);
    builder
}

fn drawn(draw: impl FnOnce(&Area<'_>) -> Result<(), Box<dyn std::error::Error>>) -> Result<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    let done = draw(&area).and_then(|()| Ok(area.present()?));
    done.map_err(|error| anyhow!("--html: {error}"))?;
    drop(area);
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_percent_has_as_much_room_as_the_first_ninety() {
        let at = stretched(&[(0.0, 1.0), (90.0, 2.0), (99.0, 3.0), (99.9, 4.0), (100.0, 5.0)]);
        let rounded: Vec<f64> = at.iter().map(|(x, _)| (x * 100.0).round() / 100.0).collect();
        assert_eq!(rounded, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(2.0), "99 %");
        assert_eq!(percent(3.0), "99.9 %");
    }

    #[test]
    fn plots_of_nothing_of_one_and_of_much_are_drawn() {
        for points in [vec![], vec![(1.0, 0.0)], vec![(0.0, 1e7), (1.0, 0.0), (2.0, f64::from(9))]]
        {
            assert!(over_time(&[("a", points.clone())]).unwrap().starts_with("<svg"));
            assert!(by_percentile(&[("a", points)]).unwrap().contains("</svg>"));
        }
    }
}
