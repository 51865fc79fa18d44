//! The file: everything is in it, and it asks for nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::input::Page;
use super::show::{End, Show};
use super::steps::{Line, Step};

/// One script: what the later files use stands in the earlier ones.
const SCRIPT: &str = concat!(
    include_str!("script/state.js"),
    include_str!("script/diagram.js"),
    include_str!("script/panels.js"),
    include_str!("script/choosing.js"),
    include_str!("script/page.js"),
);
const STYLE: &str = include_str!("page.css");
/// On paper there is room for so many steps on the second page; of a longer run, the last ones decide.
const ROWS: usize = 90;

/// The whole file.
pub fn whole(page: &Page) -> String {
    // The browser runs this script and this style, and nothing that a program may have printed.
    let policy = format!(
        "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    let tree = page.shows.iter().any(|show| show.tree.is_some());
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    @if let Some(back) = &page.back { p.back { a href=(back) { "← all findings of this submission" } } }
                    h1 { (page.title) }
                    p.lead { (lead(page)) }
                    @for shown in &page.shown { p { strong { (shown) } } }
                    @for with in &page.with { p { "In this run: " code { (with) } } }
                }
                noscript { p.lead { "This browser runs no JavaScript here. The table below shows one order, step by step." } }
                main #main { (player(page, tree)) (on_paper(page)) }
                (help(tree))
                footer { p { "Made by lab page from real runs. The file asks for nothing: it can be kept, sent and read without a network." } }
                script type="application/json" id="data" { (PreEscaped(json(&page.shows))) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// JSON that no HTML can end, and that is no line end for JavaScript either.
fn json(shows: &[Show]) -> String {
    // Only a map with a key that is no string cannot be written.
    let text = serde_json::to_string(shows).unwrap_or_default();
    let escaped = text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    escaped.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn lead(page: &Page) -> &'static str {
    match (page.shows[0].tree.is_some(), page.shows.len()) {
        (true, 1) => {
            "You choose which process goes on. Everything that then happens was recorded from the real program."
        }
        (true, _) => {
            "You choose which process goes on. Everything that then happens was recorded from the real programs."
        }
        (false, _) => "One run of a real program, step by step.",
    }
}

/// What the script fills; hidden without it.
fn player(page: &Page, tree: bool) -> Markup {
    html! {
        div #player hidden {
            @if page.shows.len() > 1 {
                div #shows role="group" aria-label="What the page shows" {
                    @for (at, show) in page.shows.iter().enumerate() {
                        button type="button" data-show=(at) aria-pressed=(at == 0) { (show.name) }
                    }
                }
            }
            @if tree {
                section #goal aria-labelledby="goal-h" {
                    h2 #goal-h {}
                    p #score {}
                }
            }
            div #stage {
                section #happened aria-labelledby="happened-h" {
                    h2 #happened-h { "What has happened" }
                    div #diagram tabindex="0" role="region" aria-label="Diagram" {}
                    div #scrubber role="group" aria-label="Steps" {
                        button type="button" #first aria-label="First step" { "|◀" }
                        button type="button" #back aria-label="One step back" { "◀" }
                        input #at type="range" min="0" value="0" aria-label="Step";
                        button type="button" #on aria-label="One step on" { "▶" }
                        button type="button" #last aria-label="Last step" { "▶|" }
                        output #count for="at" {}
                    }
                    div #now { h2 #now-h { "This step" } div #words {} }
                }
                div #side {
                    @if tree {
                        section #choose aria-labelledby="choose-h" {
                            h2 #choose-h { "Who goes on?" }
                            p #odds {}
                            ol #choices {}
                            div #verdict {}
                            div.row {
                                button type="button" #undo { "Take back" }
                                button type="button" #again { "Start again" }
                                label { input #hints type="checkbox"; " Show where each choice leads" }
                            }
                        }
                    } @else {
                        section #verdict-box aria-labelledby="verdict-h" { h2 #verdict-h { "How it stands" } div #verdict {} }
                    }
                    section #kernel aria-labelledby="kernel-h" { h2 #kernel-h { "The kernel's table" } div #rows tabindex="0" role="region" aria-label="Rows" {} }
                    section #memory aria-labelledby="memory-h" { h2 #memory-h { "The bytes" } div #bytes {} }
                    section #printed aria-labelledby="printed-h" { h2 #printed-h { "What was printed" } div #output {} }
                    @if tree {
                        section #tree aria-labelledby="tree-h" {
                            h2 #tree-h { "Where you are" }
                            p #where {}
                            div #map {}
                            p.small #tried {}
                        }
                    }
                }
            }
            p #say.unseen role="status" aria-live="polite" {}
        }
    }
}

/// For who has no JavaScript, and for paper: the shortest order that goes wrong.
fn on_paper(page: &Page) -> Markup {
    let show = &page.shows[0];
    let tree = show.tree.is_some();
    let good = show.shortest_end.as_ref().is_none_or(|end| end.good);
    let heading = match (tree, good) {
        (true, false) => "The shortest order that goes wrong",
        (true, true) => "One order: in none is anything wrong",
        (false, _) => "Step by step",
    };
    let left_out = show.shortest.len().saturating_sub(ROWS);
    html! {
        section #paper aria-labelledby="paper-h" {
            h2 #paper-h { (heading) }
            @if let Some(end) = &show.shortest_end { (verdict(end)) }
            div #paper-diagram {}
            @if left_out > 0 {
                p.small { "The first " (left_out) " of " (show.shortest.len()) " steps are left out here." }
            }
            div.wide tabindex="0" role="region" aria-label="Table of the moves" {
                table {
                    thead { tr { th scope="col" { "Step" } th scope="col" { "Who" } th scope="col" { "What" } th scope="col" { "In words" } } }
                    tbody {
                        @for (n, at) in show.shortest.iter().enumerate().skip(left_out) {
                            (row(show, n + 1, &show.steps[*at]))
                        }
                    }
                }
            }
        }
    }
}

fn row(show: &Show, n: usize, step: &Step) -> Markup {
    let who = step.lines.first().map_or(step.who, |line| line.lane);
    let lane = show.lanes.get(who).map_or("", |lane| &lane.name);
    let rows = step.rows.iter().map(|(kind, id, cells)| match cells {
        None => format!("{kind} {id} is gone"),
        Some(cells) => {
            let cells: Vec<String> =
                cells.iter().map(|(name, value)| format!("{name} {value}")).collect();
            format!("{kind} {id}: {}", cells.join(", "))
        }
    });
    let rows: Vec<String> = rows.collect();
    html! {
        tr {
            th scope="row" { (n) }
            td class=(format!("l{}", who % 6)) { (lane) }
            td { @if step.lines.is_empty() { "goes on" } @for line in &step.lines { div { code { (line.text) } } } }
            td {
                @for line in &step.lines { (says(line)) }
                @if step.lines.is_empty() { div { (show.lanes[step.who].full) " goes on to its next call." } }
                @for row in rows { div.small { (row) } }
                @if let Some(decides) = &step.decides { div.bad { (decides) } }
            }
        }
    }
}

fn says(line: &Line) -> Markup {
    html! { div { (line.says) @if let Some(note) = &line.note { " " em { (note) } } } }
}

fn verdict(end: &End) -> Markup {
    html! {
        @if end.good { p.good { "Nothing is wrong. " (end.outcome) "." } }
        @for finding in &end.findings { p.bad { (finding) } }
        @for cure in &end.cures { p { "The cure: " (cure) } }
    }
}

fn help(tree: bool) -> Markup {
    let keys: &[(&str, &str)] = &[
        ("→", "one step on"),
        ("←", "one step back"),
        ("Home", "to the first step"),
        ("End", "to the last step"),
        ("?", "open or close this list"),
    ];
    let choosing: &[(&str, &str)] = &[
        ("1, 2, …", "that choice"),
        ("a, b, …", "the process of that letter goes on"),
        ("Backspace", "take back the last choice"),
        ("Shift and R", "start again"),
        ("Shift and C", "the program, or the cure"),
    ];
    html! {
        nav aria-label="The keys" {
            details #help {
                summary { "The keys" }
                dl {
                    @for (key, does) in keys.iter().chain(if tree { choosing } else { &[] }) {
                        div { dt { kbd { (key) } } dd { (does) } }
                    }
                }
                label { input #keys type="checkbox" checked; " Keys that are letters, digits or signs work" }
            }
        }
    }
}
