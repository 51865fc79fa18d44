//! A verdict in its formats: for people, as JSON, as JUnit's XML, as GitHub's annotations.

use say::tell;
use screen::words::{comma, semicolon, translated};
use serde_json::json;

use super::Called;
use super::attempts::Changed;
use super::finding::Shown;
use super::judge::{INSTRUMENTS, Verdict};
use super::rules::{Class, Rules};
use crate::view::paragraph;

/// So many findings are shown.
const MOST: usize = 3;

/// How a verdict is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
#[allow(missing_docs)]
pub enum Format {
    Text,
    Json,
    Junit,
    Github,
}

/// What else is printed.
pub struct Options {
    pub all: bool,
    pub points: bool,
    pub colours: bool,
    /// For the commands that are shown.
    pub lab: Called,
}

/// One verdict. `changed`: since the last attempt.
pub fn printed(
    format: Format,
    verdict: &Verdict,
    rules: &Rules,
    changed: &Changed,
    options: &Options,
) -> String {
    let shown = verdict.found.iter().enumerate();
    let shown: Vec<Shown> = shown
        .map(|(n, one)| Shown::of(verdict, one, options.lab.replay(&verdict.section, n + 1)))
        .collect();
    match format {
        Format::Text => text(verdict, &shown, rules, changed, options),
        Format::Json => json(verdict, &shown, rules),
        Format::Junit => junit(verdict, &shown),
        Format::Github => github(verdict, &shown),
    }
}

/// The points of a program, and of all.
pub fn points(verdict: &Verdict, rules: &Rules) -> (u32, u32) {
    let all = rules.rules.iter().filter(|rule| rule.on).map(|rule| rule.points).sum();
    (verdict.points, all)
}

fn text(
    verdict: &Verdict,
    shown: &[Shown],
    rules: &Rules,
    changed: &Changed,
    options: &Options,
) -> String {
    let most = if options.all { shown.len() } else { MOST };
    let mut text = String::new();
    for one in shown.iter().take(most) {
        text += &one.text(verdict, options.colours);
        text += "\n";
    }
    if shown.len() > most {
        text += &(tell!("{} more; --all shows them", shown.len() - most) + "\n\n");
    }
    if !verdict.passed.is_empty() {
        let passed: Vec<&str> = verdict.passed.iter().map(|rule| rule.passed.as_str()).collect();
        text += &paragraph(&tell!("passed: {}", passed.join(semicolon())), 2);
    }
    let name = |name: &str| match name {
        "run" => translated("one order").to_string(),
        "closed" => translated("closed output").to_string(),
        other => translated(other).to_string(),
    };
    let comma = comma();
    let tried: Vec<String> =
        verdict.tried.iter().map(|one| format!("{} {}", name(&one.instrument), one.runs)).collect();
    if !tried.is_empty() {
        text += &paragraph(&tell!("tried: {} (runs; seed {})", tried.join(comma), verdict.seed), 2);
    }
    let left: Vec<&str> = INSTRUMENTS
        .into_iter()
        .filter(|name| !verdict.tried.iter().any(|one| one.instrument == *name))
        .collect();
    if !left.is_empty() && !verdict.tried.is_empty() {
        let left: Vec<String> = left.into_iter().map(name).collect();
        text += &paragraph(&tell!("not yet: {}", left.join(comma)), 2);
    }
    if !changed.mended.is_empty() {
        text +=
            &paragraph(&tell!("mended since the last attempt: {}", changed.mended.join(comma)), 2);
    }
    let is_shown = |id: &String| shown.iter().take(most).any(|one| one.id == *id);
    let (here, behind): (Vec<_>, Vec<_>) = changed.new.iter().partition(|(id, _)| is_shown(id));
    if !changed.new.is_empty() {
        let mut names: Vec<String> = here.into_iter().map(|(_, title)| title.clone()).collect();
        if !behind.is_empty() {
            names.push(tell!("{} that --all shows", behind.len()));
        }
        text += &paragraph(&tell!("new since the last attempt: {}", names.join(comma)), 2);
    }
    if options.points {
        let (has, all) = points(verdict, rules);
        text += &(tell!("points: {has} of {all}") + "\n");
    }
    text + &summary(verdict)
}

/// The last line.
pub fn summary(verdict: &Verdict) -> String {
    let wrong = verdict.found.iter().filter(|one| one.rule.class != Class::Style).count();
    let line = match (wrong, &verdict.not_judged) {
        (0, Some(why)) => tell!("could not judge: {why}"),
        (0, None) => tell!("PASSED {} ({})", verdict.section, verdict.source),
        (1, _) => tell!("1 finding in {}", verdict.source),
        (n, _) => tell!("{n} findings in {}", verdict.source),
    };
    paragraph(&line, 2)
}

fn json(verdict: &Verdict, shown: &[Shown], rules: &Rules) -> String {
    let finding = |one: &Shown| {
        json!({"rule": one.id, "class": one.class, "step": one.step, "title": one.title,
               "expected": one.expected, "happened": one.happened, "why": one.why,
               "file": one.place.as_ref().map(|(file, _)| file),
               "line": one.place.as_ref().map(|(_, line)| line), "replay": one.replay})
    };
    let found: Vec<_> = shown.iter().map(finding).collect();
    let passed: Vec<_> = verdict.passed.iter().map(|rule| &rule.id).collect();
    let tried: serde_json::Map<_, _> =
        verdict.tried.iter().map(|one| (one.instrument.clone(), json!(one.runs))).collect();
    let (has, all) = points(verdict, rules);
    let word = match (verdict.is_wrong(), &verdict.not_judged) {
        (true, _) => "findings",
        (false, None) => "passed",
        (false, Some(_)) => "not_judged",
    };
    let line = json!({
        "format": "lab-check", "version": 1, "section": verdict.section, "source": verdict.source,
        "verdict": word, "findings": found, "passed": passed, "tried": tried,
        "not_judged": verdict.not_judged, "seed": verdict.seed, "points": has, "of": all,
    });
    format!("{line}\n")
}

/// For XML: five characters that mean something there, and controls that may not stand there.
fn escaped(text: &str) -> String {
    let mut all = String::new();
    for letter in text.chars() {
        match letter {
            '&' => all += "&amp;",
            '<' => all += "&lt;",
            '>' => all += "&gt;",
            '"' => all += "&quot;",
            '\'' => all += "&apos;",
            '\n' => all += "&#10;",
            other if other.is_control() => all.push('?'),
            other => all.push(other),
        }
    }
    all
}

fn junit(verdict: &Verdict, shown: &[Shown]) -> String {
    let (failures, errors) = (shown.len(), usize::from(verdict.not_judged.is_some()));
    let tests = verdict.passed.len() + failures + errors;
    let suite = escaped(&format!("lab check {}", verdict.section));
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    text += &format!(
        "<testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n"
    );
    let class = escaped(&verdict.source);
    for one in shown {
        let (id, title) = (escaped(&one.id), escaped(&one.title));
        let body = escaped(&one.text(verdict, false));
        text += &format!("  <testcase name=\"{id}\" classname=\"{class}\">");
        text += &format!(
            "<failure message=\"{title}\" type=\"{}\">{body}</failure></testcase>\n",
            one.class.name()
        );
    }
    for rule in &verdict.passed {
        text += &format!("  <testcase name=\"{}\" classname=\"{class}\"/>\n", escaped(&rule.id));
    }
    if let Some(why) = &verdict.not_judged {
        text += &format!("  <testcase name=\"judge\" classname=\"{class}\">");
        text += &format!("<error message=\"{}\"/></testcase>\n", escaped(why));
    }
    text + "</testsuite>\n"
}

/// Workflow commands: a percent sign and ends of lines are escaped.
fn github(verdict: &Verdict, shown: &[Shown]) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for one in shown {
        let level = if one.class == Class::Style { "warning" } else { "error" };
        let line = one.place.as_ref().map_or(String::new(), |(_, line)| format!(",line={line}"));
        let file = property(&verdict.source);
        let title = property(&one.title);
        let body =
            [vec![one.expected.clone()], one.happened.clone(), vec![one.why.clone()]].concat();
        text += &format!("::{level} file={file}{line},title={title}::{}\n", data(&body.join("\n")));
    }
    if let (false, Some(why)) = (verdict.is_wrong(), &verdict.not_judged) {
        text += &format!("::warning title=could not judge::{}\n", data(why));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_is_escaped() {
        assert_eq!(escaped("a<b & \"c\"\u{1}"), "a&lt;b &amp; &quot;c&quot;?");
    }
}
