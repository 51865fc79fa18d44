//! A page a submission, and one of the class. No scripts, nothing from elsewhere; what a student has written is text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{NOT_NEEDED, page, run as page_of_run, summary};
use crate::check::apart::Finding;
use crate::grade::marks::{Class, Mark, Word, spelled};
use crate::page::{Judged, of_judged};

const STYLE: &str = include_str!("style.css");

fn whole(title: &str, class: &Class, body: &Markup) -> String {
    let settings = &class.settings;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                footer {
                    "lab " (settings.version) ", program " (&settings.program[..12]) ", rules "
                    (&settings.rules[..12]) ", seed " (settings.seed) ", "
                    @if settings.trust { "without the walls of the cell" } @else { "in cells" }
                }
            }
        }
    };
    page.into_string()
}

fn points(class: &Class, mark: &Mark) -> String {
    mark.points().map_or("—".into(), |points| format!("{} of {}", spelled(points), class.of))
}

/// The page of a submission.
/// `runs`: which of its runs have a page.
pub fn submission(class: &Class, mark: &Mark, runs: &[bool]) -> String {
    let settings = &class.settings;
    let tried: Vec<String> =
        mark.judged.tried.iter().map(|(name, runs)| format!("{name} {runs}")).collect();
    let body = html! {
        p.dim { (settings.section) " " (class.title) }
        h1 { bdi { (mark.id) } }
        p { strong class=(mark.word.name()) { (summary(mark)) } " · points: " (points(class, mark)) }
        @if let Some(one) = &mark.by_hand {
            p {
                "The points are given by hand: " bdi { (one.why) }
                @if let Some(judged) = mark.judged_points() { " (the judge: " (judged) ")" }
                @if mark.is_by_hand_for_another() {
                    strong.not_judged { " The submission has changed since." }
                }
            }
        }
        @if mark.word == Word::NotJudged {
            p { "This is no pass, and no zero: a person has to look at it." }
        }
        @if !mark.judged.findings.is_empty() { h2 { "Findings" } }
        @for one in &mark.judged.findings { (finding(class, mark, one, runs)) }
        @if !mark.judged.passed.is_empty() {
            h2 { "Passed" }
            ul {
                @for one in &mark.judged.passed { li { (one.says) } }
                @if let Some(points) = mark.judged.rest() { li.dim { (NOT_NEEDED) " (points: " (points) ")" } }
            }
        }
        @if mark.word == Word::Findings {
            p.dim {
                "What stands behind the first finding may only seem to be right, and is neither praised nor weighed."
            }
        }
        @if !tried.is_empty() { p.dim { "Tried (runs): " (tried.join(", ")) } }
    };
    whole(&format!("{}: {}", settings.section, mark.id), class, &body)
}

fn finding(class: &Class, mark: &Mark, one: &Finding, runs: &[bool]) -> Markup {
    let is_style = one.class == "style";
    html! {
        section.finding.style[is_style] {
            h3 { (one.title) }
            p.dim { code { (one.rule) } @if one.class != "defect" { " · " (one.class) } }
            @if let (Some(file), Some(line)) = (&one.file, one.line) {
                p { code { bdi { (file) } ":" (line) } }
                pre { @for (n, text) in &one.source { (row(*n, text, *n == line)) } }
            }
            dl {
                dt { "expected" } dd { (one.expected) }
                @if !one.happened.is_empty() {
                    dt { "happened" } dd { @for line in &one.happened { div { code { bdi { (line) } } } } }
                }
                dt { "why" } dd { (one.why) }
                @if !one.step.is_empty() { dt { "look up" } dd { (class.step(&one.step)) } }
            }
            @if let Some(n) = one.run { (run_of(mark, n, runs[n])) }
        }
    }
}

fn row(n: usize, text: &str, is_it: bool) -> Markup {
    html! { span.at[is_it] { i { (format!("{n:>4}  ")) } (text) } "\n" }
}

/// The run that shows a finding: its page, and its lines.
fn run_of(mark: &Mark, n: usize, has_page: bool) -> Markup {
    let Some(ran) = mark.judged.runs.get(n) else { return html! {} };
    html! {
        @if has_page {
            p { a href={ "../" (page_of_run(mark, n)) } { "go through this run step by step" } }
        } @else {
            p.dim { "This run is too long for a page of its own." }
        }
        details {
            summary { "the run, line by line" }
            pre { @for line in &ran.story { (line) "\n" } }
        }
    }
}

/// A run that shows findings, step by step.
pub fn run(class: &Class, mark: &Mark, n: usize) -> Option<String> {
    let ran = mark.judged.runs.get(n)?;
    let shown = || mark.judged.findings.iter().filter(|one| one.run == Some(n));
    let says = |one: &Finding| {
        format!(
            "{}. Expected: {}. {}",
            capital(&one.title),
            one.expected.trim_end_matches('.'),
            one.why
        )
    };
    let about = Judged {
        title: format!("{}: {}", class.settings.section, mark.id),
        with: &ran.with,
        titles: shown().map(|one| capital(&one.title)).collect(),
        findings: shown().map(says).collect(),
        back: format!("../{}", page(mark)),
    };
    of_judged(&ran.events, about)
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// The page of the class.
pub fn class(class: &Class) -> String {
    let settings = &class.settings;
    let words = [Word::Passed, Word::Findings, Word::NotJudged, Word::Waiting];
    let with = |word: Word| class.marks.iter().filter(move |one| one.word == word);
    let title = format!("{} {}", settings.section, class.title);
    let (common, steps) = (class.common(), class.steps());
    let body = html! {
        h1 { (title) }
        ul.counts {
            li { b { (class.marks.len()) } "submissions" }
            @for word in words {
                @if class.count(word) > 0 {
                    li class=(word.name()) { b { (class.count(word)) } (word.says_of_several()) }
                }
            }
        }
        @if class.count(Word::Waiting) > 0 {
            p.waiting { "The run was stopped, or goes on: this is not the whole class." }
        }
        @if class.count(Word::NotJudged) > 0 {
            h2 { "Could not be judged" }
            p { "No pass, and no zero: a person has to look at these." }
            div.wide { table {
                tr { th { "submission" } th { "why" } }
                @for mark in with(Word::NotJudged) {
                    tr { td { (link(mark)) } td { (mark.why_not().unwrap_or_default()) } }
                }
            } }
        }
        @if let Some((_, most)) = steps.first() {
            h2 { "Teach again" }
            @for (step, count) in steps.iter().filter(|(_, count)| count == most) {
                p {
                    strong { (step) } ": " (count) " of " (class.marks.len())
                    @if *count == 1 { " submissions goes wrong there first." }
                    @else { " submissions go wrong there first." }
                }
            }
            p.dim { "A step without a section is one of " code { (class.note) } "." }
            div.wide { table {
                tr { th { "step" } th.n { "submissions" } }
                @for (step, count) in &steps { tr { td { (step) } td.n { (count) } } }
            } }
        }
        @if !common.is_empty() {
            h2 { "The commonest findings" }
            div.wide { table {
                tr { th { "finding" } th { "step" } th.n { "submissions" } th.n { "of these first" } }
                @for one in &common {
                    tr {
                        td { (one.finding.title) br; code.dim { (one.finding.rule) } }
                        td { (class.step(&one.finding.step)) }
                        td.n { (one.count) }
                        td.n { (one.first) }
                    }
                }
            } }
        }
        h2 { "All submissions" }
        div.wide { table {
            tr { th { "submission" } th { "verdict" } th.n { "points" } th { "first finding" } }
            @for mark in &class.marks {
                tr {
                    td { (link(mark)) }
                    td class=(mark.word.name()) { (mark.word.says()) }
                    td.n { (points(class, mark)) @if mark.by_hand.is_some() { " (by hand)" } }
                    td { @if let Some(first) = mark.first() { (first.title) } }
                }
            }
        } }
        p.dim { "The same as tables and for programs: marks.csv, grade.json, junit.xml, gradescope/." }
    };
    whole(&title, class, &body)
}

fn link(mark: &Mark) -> Markup {
    html! { a href=(page(mark)) { bdi { (mark.id) } } }
}
