//! images/4.10-limits.svg: the main rows, each beside its limit and the nearest other.

use std::fmt::Write;

use crate::report::{Results, Unit};
use crate::verdicts::{LIMITS, Limit};

/// The same in every picture.
const STYLE: &str = include_str!("../../../images/style.css");

const INK: &str = "#1c2329";
const GRID: &str = "#d5d9dd";
const OURS: &str = "#2f5d8c";
const LIMIT: &str = "#a3341f";
const OTHER: &str = "#8a8a85";

const LEFT: f64 = 280.0;
const RIGHT: f64 = 820.0;
const TOP: f64 = 96.0;
const ROW: f64 = 30.0;
/// The axis: from 1 ns to 100 us.
const DECADES: f64 = 5.0;

/// Where a time stands.
fn x(ns: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * (ns.log10() / DECADES).clamp(0.0, 1.0)
}

pub fn picture(results: &Results) -> String {
    let rows: Vec<(&Limit, f64, f64, f64)> = LIMITS
        .iter()
        .filter_map(|one| {
            let ratio = results.ratio(one.row, one.limit)? / one.part;
            Some((one, results.median(one.row)?, results.median(one.limit)? * one.part, ratio))
        })
        .collect();
    let bottom = TOP + rows.len() as f64 * ROW;
    let height = bottom + 50.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1080 {height}\" width=\"1080\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title\" font-family=\"Helvetica, Arial, \
         sans-serif\" font-size=\"13\">\n  <title id=\"title\">What the channel costs, beside the \
         limit of each row</title>\n{STYLE}  <rect x=\"1\" y=\"1\" width=\"1078\" height=\"{}\" \
         rx=\"10\" fill=\"#fcfbf7\" stroke=\"{OTHER}\"/>\n",
        height - 2.0
    );
    let _ = writeln!(
        svg,
        "  <text x=\"24\" y=\"34\" font-size=\"16\" font-weight=\"bold\" fill=\"{INK}\">What the \
         channel costs, beside the limit</text>\n{}{}{}",
        limit_mark(30.0, 60.0, "the limit"),
        dot(160.0, 60.0, true, "the channel"),
        dot(310.0, 60.0, false, "the nearest of the others"),
    );
    for (n, label) in ["1 ns", "10 ns", "100 ns", "1 us", "10 us", "100 us"].iter().enumerate() {
        let at = LEFT + (RIGHT - LEFT) * n as f64 / DECADES;
        let (from, to, text) = (TOP - 12.0, bottom, bottom + 22.0);
        let _ = writeln!(
            svg,
            "  <line x1=\"{at:.0}\" y1=\"{from}\" x2=\"{at:.0}\" y2=\"{to}\" stroke=\"{GRID}\"/>\
             <text x=\"{at:.0}\" y=\"{text}\" text-anchor=\"middle\" fill=\"{INK}\">{label}</text>"
        );
    }
    for (i, (one, measured, limit, ratio)) in rows.into_iter().enumerate() {
        let y = TOP + ROW * i as f64 + ROW / 2.0;
        let text = y + 4.0;
        let _ = writeln!(
            svg,
            "  <text x=\"{:.0}\" y=\"{text}\" text-anchor=\"end\" fill=\"{INK}\">{}</text>\n  <line \
             x1=\"{:.1}\" y1=\"{y}\" x2=\"{:.1}\" y2=\"{y}\" stroke=\"{OURS}\" stroke-width=\"4\"/>\n{}{}",
            LEFT - 14.0,
            one.name,
            x(limit),
            x(measured),
            limit_mark(x(limit), y, ""),
            dot(x(measured), y, true, ""),
        );
        if let Some(other) = one.other.and_then(|name| results.median(name)) {
            svg += &dot(x(other), y, false, "");
        }
        let _ = writeln!(
            svg,
            "  <text x=\"{:.0}\" y=\"{text}\" fill=\"{INK}\">{}: {ratio:.2} x the limit</text>",
            RIGHT + 14.0,
            Unit::Each.spell(measured)
        );
    }
    svg += "</svg>\n";
    svg
}

/// An upright stroke.
fn limit_mark(x: f64, y: f64, label: &str) -> String {
    let (from, to) = (y - 9.0, y + 9.0);
    format!(
        "  <line x1=\"{x:.1}\" y1=\"{from}\" x2=\"{x:.1}\" y2=\"{to}\" stroke=\"{LIMIT}\" \
         stroke-width=\"3\"/>\n{}",
        beside(x, y, label)
    )
}

/// A full dot, or an empty one.
fn dot(x: f64, y: f64, full: bool, label: &str) -> String {
    let (fill, stroke) = if full { (OURS, OURS) } else { ("#fcfbf7", OTHER) };
    format!(
        "  <circle cx=\"{x:.1}\" cy=\"{y}\" r=\"5\" fill=\"{fill}\" stroke=\"{stroke}\" \
         stroke-width=\"2\"/>\n{}",
        beside(x, y, label)
    )
}

fn beside(x: f64, y: f64, label: &str) -> String {
    match label {
        "" => String::new(),
        _ => {
            let (x, y) = (x + 12.0, y + 4.0);
            format!("  <text x=\"{x}\" y=\"{y}\" fill=\"{INK}\">{label}</text>\n")
        }
    }
}
