//! The latencies as a picture: a bar from p50 to p99 for each way and situation, on a logarithmic
//! scale.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::outcome::{Outcome, SITUATIONS};
use lablib::{Failure, Result};

const LEFT: f64 = 150.0;
const WIDE: f64 = 620.0;
const TOP: f64 = 70.0;
/// Height of a way, and of one of its bars.
const WAY: f64 = 46.0;
const BAR: f64 = 8.0;
/// Powers of ten of a nanosecond: 100 ns to 100 ms.
const SCALE: [i32; 2] = [2, 8];
const COLORS: [&str; 4] = ["#d1495b", "#e5a3ac", "#2a6fdb", "#9bbdf0"];

/// Draws them.
pub fn write(file: &Path, outcomes: &[Outcome]) -> Result<()> {
    let height = TOP + WAY * outcomes.len() as f64 + 40.0;
    let [low, high] = SCALE;
    let x = |nanos: f64| {
        let power = nanos.max(1.0).log10().clamp(low.into(), high.into());
        LEFT + WIDE * (power - f64::from(low)) / f64::from(high - low)
    };
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 800 {height}' \
         font-family='sans-serif' font-size='13' fill='#222'>\n\
         <rect width='800' height='{height}' fill='#fff'/>\n\
         <text x='20' y='28' font-size='16'>From one side's send to the other's receive, p50 to p99</text>\n"
    );
    for (i, (situation, color)) in SITUATIONS.iter().zip(COLORS).enumerate() {
        let at = LEFT + 155.0 * i as f64;
        let _ = writeln!(
            svg,
            "<rect x='{at}' y='42' width='14' height='8' fill='{color}'/>\
             <text x='{}' y='51'>{}</text>",
            at + 20.0,
            situation.name
        );
    }
    for power in low..=high {
        let (at, bottom) = (x(10_f64.powi(power)), height - 30.0);
        let name = ["100 ns", "1 us", "10 us", "100 us", "1 ms", "10 ms", "100 ms"];
        let _ = writeln!(
            svg,
            "<line x1='{at:.1}' y1='{TOP}' x2='{at:.1}' y2='{bottom}' stroke='#ddd'/>\
             <text x='{at:.1}' y='{}' text-anchor='middle'>{}</text>",
            bottom + 18.0,
            name[(power - low) as usize]
        );
    }
    for (i, Outcome { way, figures, .. }) in outcomes.iter().enumerate() {
        let top = TOP + WAY * i as f64 + 4.0;
        let middle = top + WAY / 2.0;
        let _ =
            writeln!(svg, "<text x='{}' y='{middle}' text-anchor='end'>{way}</text>", LEFT - 10.0);
        if figures.iter().all(Option::is_none) {
            let _ = writeln!(svg, "<text x='{LEFT}' y='{middle}' fill='#888'> never woken</text>");
        }
        for (n, (figure, color)) in figures.iter().zip(COLORS).enumerate() {
            let Some(figure) = figure else { continue };
            let (from, to) = (x(figure.p50 as f64), x(figure.p99 as f64));
            let _ = writeln!(
                svg,
                "<rect x='{from:.1}' y='{:.1}' width='{:.1}' height='{BAR}' fill='{color}'/>",
                top + (BAR + 1.5) * n as f64,
                (to - from).max(3.0)
            );
        }
    }
    svg += "</svg>\n";
    fs::write(file, svg).map_err(|error| Failure::because(format!("{}: {error}", file.display())))
}
