//! Draws the results as bar charts of CPU time and latency. Plain SVG 1.1.

use std::fmt::Write as _;

use crate::report::{Outcome, Report};
use crate::sample::Sample;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 340.0;
/// Left edges of the panels, and their width.
const PANELS: [f64; 2] = [20.0, 450.0];
const PANEL: f64 = 390.0;
/// Vertical range of the bars.
const TOP: f64 = 80.0;
const BASE: f64 = 270.0;
/// Colors of the first, second and third server, and a paler one for the second bar of each.
const COLOURS: [(&str, &str); 3] = [("#8a94a0", "#c3c9d0"), ("#0b6e75", "#6db5ba"), ("#b4632a", "#dfa986")];

/// A bar with its label.
struct Bar {
    value: f64,
    label: String,
    colour: &'static str,
}

/// The bars of one server.
struct Group {
    name: String,
    bars: Vec<Bar>,
}

/// Draws the chart.
pub(crate) fn draw(report: &Report) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#1c2329\">\n\
         <title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n",
        escaped(&alternative(report)),
    );
    let processor = groups(report, &[|sample| sample.cpu_s_per_million], 1);
    let latency = groups(report, &[|sample| sample.p50_ms, |sample| sample.p99_ms], 2);
    panel(&mut svg, PANELS[0], "CPU time per forwarded packet", "µs, lower is better", &processor);
    panel(&mut svg, PANELS[1], "Added latency", "ms, p50 and (paler) p99, lower is better", &latency);
    let foot = format!("{}. {}.", report.load, report.machine);
    // At most two lines, broken at a space.
    let middle = foot.char_indices().filter(|(at, c)| *c == ' ' && *at <= 125).map(|(at, _)| at).next_back();
    let (first, second) = foot.split_at(middle.filter(|_| foot.len() > 125).unwrap_or(foot.len()));
    for (line, y) in [(first, HEIGHT - 24.0), (second, HEIGHT - 8.0)] {
        text(&mut svg, PANELS[0], y, "start", "font-size=\"11\" fill=\"#59636e\"", line.trim());
    }
    svg += "</svg>\n";
    svg
}

fn groups(report: &Report, figures: &[fn(&Sample) -> f64], digits: usize) -> Vec<Group> {
    let group = |(outcome, (strong, pale)): (&Outcome, (&'static str, &'static str))| {
        let bars = figures.iter().zip([strong, pale]).map(|(figure, colour)| {
            let value = outcome.median(*figure);
            Bar { value, label: format!("{value:.digits$}"), colour }
        });
        Group { name: outcome.name.clone(), bars: bars.collect() }
    };
    report.results.iter().zip(COLOURS.into_iter().cycle()).map(group).collect()
}

fn panel(svg: &mut String, left: f64, title: &str, unit: &str, groups: &[Group]) {
    text(svg, left, 28.0, "start", "font-size=\"16\" font-weight=\"600\"", title);
    text(svg, left, 48.0, "start", "fill=\"#59636e\"", unit);
    let most = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let room = PANEL / count(groups.len());
    for (at, group) in groups.iter().enumerate() {
        let start = left + room * count(at);
        let (margin, inner) = (room * 0.15, room * 0.7);
        let width = inner / count(group.bars.len());
        for (number, bar) in group.bars.iter().enumerate() {
            let height = ((BASE - TOP) * bar.value / most).max(1.0);
            let (x, y) = (start + margin + width * count(number), BASE - height);
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{}\"/>",
                width - 3.0,
                bar.colour,
            );
            text(svg, x + (width - 3.0) / 2.0, y - 6.0, "middle", "font-weight=\"600\"", &bar.label);
        }
        text(svg, start + room / 2.0, BASE + 20.0, "middle", "", &group.name);
    }
    let _ =
        writeln!(svg, "<line x1=\"{left}\" y1=\"{BASE}\" x2=\"{}\" y2=\"{BASE}\" stroke=\"#59636e\"/>", left + PANEL,);
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {style}>{}</text>", escaped(words));
}

/// Returns the alternative text for screen readers.
fn alternative(report: &Report) -> String {
    let one = |outcome: &Outcome| {
        format!(
            "{}: {:.1} µs per packet, latency {:.2} ms (p50) and {:.2} ms (p99)",
            outcome.name,
            outcome.median(|sample| sample.cpu_s_per_million),
            outcome.median(|sample| sample.p50_ms),
            outcome.median(|sample| sample.p99_ms),
        )
    };
    report.results.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn count(number: usize) -> f64 {
    number as f64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::report;

    #[test]
    fn a_chart_is_well_formed_and_says_every_value() {
        let svg = draw(&report());
        let document = roxmltree::Document::parse(&svg).expect("XML");
        let words: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for expected in ["floor", "Bedside", "Janus 1.1.2", "5.0", "11.0", "55.0", "0.10", "0.40"] {
            assert!(words.contains(&expected), "{expected} is not in {words:?}");
        }
        assert!(words.iter().any(|word| word.contains("A & B")));
    }

    #[test]
    fn bars_stay_in_their_panels_and_the_longest_is_as_high_as_there_is_room() {
        let svg = draw(&report());
        let document = roxmltree::Document::parse(&svg).expect("XML");
        let number = |node: &roxmltree::Node<'_, '_>, name| node.attribute(name).and_then(|v| v.parse::<f64>().ok());
        let bars: Vec<_> = document.descendants().filter(|node| node.has_tag_name("rect")).skip(1).collect();
        assert_eq!(bars.len(), 3 + 6);
        let heights = bars.iter().filter_map(|bar| number(bar, "height"));
        assert!((heights.fold(0.0, f64::max) - (BASE - TOP)).abs() < 0.1);
        for bar in &bars {
            let (x, y) = (number(bar, "x").expect("x"), number(bar, "y").expect("y"));
            let right = x + number(bar, "width").expect("width");
            assert!(PANELS.iter().any(|left| x >= *left && right <= left + PANEL) && y >= TOP, "{bar:?}");
        }
    }
}
