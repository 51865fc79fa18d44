//! A picture of a terminal's screen, in the colours of the other pictures.

use std::fmt::Write;
use std::fs;

use vt100::{Color, Screen};

use super::repo;

/// A letter's size, width and height.
const SIZE: f64 = 12.0;
const WIDE: f64 = SIZE * 0.602;
const HIGH: f64 = 16.0;
/// Around the text.
const EDGE: f64 = 12.0;

/// The colours of the stage, each as the pictures have it.
fn colour(color: Color) -> &'static str {
    match color {
        Color::Idx(63) => "#2f5d8c",
        Color::Idx(163) => "#8c2f6f",
        Color::Idx(29) => "#0f6b5c",
        Color::Idx(131) => "#a3341f",
        Color::Idx(243) => "#5b656e",
        _ => "#1c2329",
    }
}

/// What stands on the screen, as SVG.
pub fn of(screen: &Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let style = fs::read_to_string(repo().join("images/style.css")).expect("the style");
    let width = (f64::from(columns) * WIDE + 2.0 * EDGE).ceil();
    let height = f64::from(rows) * HIGH + 2.0 * EDGE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"ui-monospace, Menlo, Consolas, monospace\" \
         font-size=\"{SIZE}\" role=\"img\" aria-labelledby=\"title\">\n  <title id=\"title\">{title}</title>\n{style}"
    );
    let _ =
        writeln!(svg, "  <rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#fcfbf7\"/>");
    for row in 0..rows {
        let mut column = 0;
        while column < columns {
            let (from, first) = (column, screen.cell(row, column).expect("a cell"));
            let look = |at: u16| {
                let cell = screen.cell(row, at).expect("a cell");
                (cell.fgcolor(), cell.bold())
            };
            let mut text = String::new();
            while column < columns && look(column) == (first.fgcolor(), first.bold()) {
                let cell = screen.cell(row, column).expect("a cell");
                text.push_str(if cell.has_contents() { cell.contents() } else { " " });
                column += 1;
            }
            let lead = text.chars().take_while(|one| *one == ' ').count();
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let x = EDGE + (f64::from(from) + lead as f64) * WIDE;
            let y = EDGE + (f64::from(row) + 0.75) * HIGH;
            let bold = if first.bold() { " font-weight=\"bold\"" } else { "" };
            let fill = colour(first.fgcolor());
            let _ = writeln!(
                svg,
                "  <text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{fill}\"{bold} xml:space=\"preserve\">{text}</text>"
            );
        }
    }
    svg + "</svg>\n"
}
