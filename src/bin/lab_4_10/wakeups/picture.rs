//! The latencies as a picture: a bar from p50 to p99 for each way and situation, on a logarithmic
//! scale.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::outcome::{Outcome, SITUATIONS};
use lablib::{Failure, Result};

/// The colours of all pictures, and those that they have on a dark page.
const STYLE: &str = include_str!("../../../../images/style.css");
const LEFT: f64 = 150.0;
const WIDE: f64 = 620.0;
const TOP: f64 = 86.0;
/// Height of a way, and of one of its bars.
const WAY: f64 = 46.0;
const BAR: f64 = 8.0;
/// Powers of ten of a nanosecond: 100 ns to 100 ms.
const SCALE: [i32; 2] = [2, 8];
/// Busy is full, idle is empty; both sides on one processor red, on two blue.
const COLORS: [(&str, &str); 4] = [
    ("#a3341f", "#a3341f"),
    ("#f6d5d0", "#a3341f"),
    ("#2f5d8c", "#2f5d8c"),
    ("#e6f0fa", "#2f5d8c"),
];

/// Draws them.
pub fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let height = TOP + WAY * outcomes.len() as f64 + 40.0;
    let [low, high] = SCALE;
    let x = |nanos: f64| {
        let power = nanos.max(1.0).log10().clamp(low.into(), high.into());
        LEFT + WIDE * (power - f64::from(low)) / f64::from(high - low)
    };
    let title = "From one side's send to the other's receive, p50 to p99";
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {height}" width="800" height="{height}" role="img" aria-labelledby="title" font-family="Helvetica, Arial, sans-serif" font-size="13">
  <title id="title">{title}</title>
{STYLE}  <rect x="1" y="1" width="798" height="{}" rx="10" fill="#fcfbf7" stroke="#8a8a85"/>
  <text x="20" y="30" font-size="16" font-weight="bold" fill="#1c2329">{title}</text>
"##,
        height - 2.0
    );
    for (i, (situation, (fill, stroke))) in SITUATIONS.iter().zip(COLORS).enumerate() {
        let at = LEFT + 155.0 * i as f64;
        let _ = writeln!(
            svg,
            r##"  <rect x="{at}" y="44" width="14" height="8" fill="{fill}" stroke="{stroke}"/><text x="{}" y="53" fill="#1c2329">{}</text>"##,
            at + 20.0,
            situation.name
        );
    }
    let _ = writeln!(
        svg,
        r##"  {}<text x="{}" y="74" fill="#1c2329">p99 is beyond the axis</text>"##,
        beyond(LEFT, 65.0, "#44505c"),
        LEFT + 20.0
    );
    for power in low..=high {
        let (at, bottom) = (x(10_f64.powi(power)), height - 30.0);
        let name = ["100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms"];
        let _ = writeln!(
            svg,
            r##"  <line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="#d5d9dd"/><text x="{at:.1}" y="{}" text-anchor="middle" fill="#1c2329">{}</text>"##,
            bottom + 18.0,
            name[(power - low) as usize]
        );
    }
    for (i, Outcome { way, figures, .. }) in outcomes.iter().enumerate() {
        let top = TOP + WAY * i as f64 + 4.0;
        let middle = top + WAY / 2.0;
        let _ = writeln!(
            svg,
            r##"  <text x="{}" y="{middle}" text-anchor="end" fill="#1c2329">{way}</text>"##,
            LEFT - 10.0
        );
        if figures.iter().all(Option::is_none) {
            let _ = writeln!(
                svg,
                r##"  <text x="{LEFT}" y="{middle}" fill="#5b656e"> never woken</text>"##
            );
        }
        for (n, (figure, (fill, stroke))) in figures.iter().zip(COLORS).enumerate() {
            let Some(figure) = figure else { continue };
            let (from, to) = (x(figure.p50 as f64), x(figure.p99 as f64));
            let y = top + (BAR + 1.5) * n as f64;
            let mark = if figure.p99 as f64 > 10_f64.powi(high) {
                beyond(to, y, stroke)
            } else {
                String::new()
            };
            let _ = writeln!(
                svg,
                r##"  <rect x="{from:.1}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{fill}" stroke="{stroke}"/>{mark}"##,
                (to - from).max(3.0)
            );
        }
    }
    svg += "</svg>\n";
    fs::write(file, svg).map_err(|error| Failure::because(format!("{}: {error}", file.display())))
}

/// An arrow to the right: the bar goes on beyond the axis.
fn beyond(x: f64, y: f64, color: &str) -> String {
    format!(
        r##"<path d="M{:.1} {:.1} l10 {} l-10 {} z" fill="{color}"/>"##,
        x + 2.0,
        y - 1.0,
        BAR / 2.0 + 1.0,
        BAR / 2.0 + 1.0
    )
}
