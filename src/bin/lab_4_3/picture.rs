//! The result as a picture: time against size, both on a logarithmic scale.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use lablib::{Failure, Result};

use crate::figures::{Figure, Row, SIZES, size};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 470.0;
/// Where a chart's area starts, and how large it is.
const TOP: f64 = 60.0;
const TALL: f64 = 340.0;
const WIDE: f64 = 330.0;
/// The colours of all pictures, and those that they have on a dark page.
const STYLE: &str = include_str!("../../../images/style.css");
/// A colour and a pattern for each way: the kernel's in warm colours, shared memory in cold ones.
const STROKES: [(&str, &str); 9] = [
    ("#a3341f", ""),
    ("#a3341f", "8 4"),
    ("#8c2f6f", ""),
    ("#8c2f6f", "8 4"),
    ("#5b656e", "2 4"),
    ("#2f5d8c", "8 4"),
    ("#2f5d8c", ""),
    ("#0f6b5c", "8 4"),
    ("#0f6b5c", ""),
];

/// Draws both tables: a message with its answer, and messages in a row.
pub fn write(file: &Path, rows: &[Row]) -> Result<()> {
    let title = "What a message costs: time against size, by way";
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-labelledby="title" font-family="Helvetica, Arial, sans-serif" font-size="13">
  <title id="title">{title}</title>
{STYLE}  <rect x="1" y="1" width="{}" height="{}" rx="10" fill="#fcfbf7" stroke="#8a8a85"/>
"##,
        WIDTH - 2.0,
        HEIGHT - 2.0
    );
    chart(&mut svg, 60.0, "A message and its answer", rows, |row| &row.answered);
    chart(&mut svg, 470.0, "Many in a row, time for each", rows, |row| &row.in_a_row);
    for (i, row) in rows.iter().enumerate() {
        let y = TOP + 20.0 + 26.0 * i as f64;
        let (color, dashes) = STROKES[i % STROKES.len()];
        let _ = writeln!(
            svg,
            r##"  <line x1="840" y1="{y}" x2="880" y2="{y}" stroke="{color}" stroke-width="2.5" stroke-dasharray="{dashes}"/><text x="890" y="{}" fill="#1c2329">{}</text>"##,
            y + 4.0,
            row.name
        );
    }
    svg += "</svg>\n";
    fs::write(file, svg).map_err(|error| Failure::because(format!("{}: {error}", file.display())))
}

fn chart(svg: &mut String, left: f64, title: &str, rows: &[Row], of: impl Fn(&Row) -> &[Figure]) {
    let all = || rows.iter().flat_map(&of).map(|figure| figure.nanos);
    let low = all().fold(f64::MAX, f64::min).log10().floor();
    let high = all().fold(1.0, f64::max).log10().ceil();
    let x = |i: usize| left + WIDE * i as f64 / (SIZES.len() - 1) as f64;
    let y = |nanos: f64| TOP + TALL * (high - nanos.log10()) / (high - low);
    let _ = writeln!(
        svg,
        r##"  <text x="{left}" y="36" font-size="16" font-weight="bold" fill="#1c2329">{title}</text>"##
    );
    for power in low as i32..=high as i32 {
        let (at, micros) = (y(10_f64.powi(power)), 10_f64.powi(power) / 1e3);
        let right = left + WIDE;
        let _ = writeln!(
            svg,
            r##"  <line x1="{left}" y1="{at:.1}" x2="{right}" y2="{at:.1}" stroke="#d5d9dd"/><text x="{}" y="{:.1}" text-anchor="end" fill="#1c2329">{}</text>"##,
            left - 6.0,
            at + 4.0,
            if micros < 1000.0 { format!("{micros} us") } else { format!("{} ms", micros / 1e3) }
        );
    }
    for (i, &bytes) in SIZES.iter().enumerate() {
        let _ = writeln!(
            svg,
            r##"  <text x="{:.1}" y="{}" text-anchor="middle" fill="#1c2329">{}</text>"##,
            x(i),
            TOP + TALL + 24.0,
            size(bytes)
        );
    }
    for (row, (color, dashes)) in rows.iter().zip(STROKES.iter().cycle()) {
        let points = of(row).iter().enumerate();
        let points: String =
            points.map(|(i, figure)| format!("{:.1},{:.1} ", x(i), y(figure.nanos))).collect();
        let _ = writeln!(
            svg,
            r##"  <polyline fill="none" stroke="{color}" stroke-width="2.5" stroke-dasharray="{dashes}" points="{}"/>"##,
            points.trim_end()
        );
    }
}
