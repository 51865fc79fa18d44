//! `annotations.txt`: workflow commands of GitHub Actions, which show findings beside the lines of the source.

use crate::check::apart::Finding;
use crate::grade::clean::{command, property};
use crate::grade::marks::{Class, Mark, Word};

/// A line for each finding, and for each submission that could not be judged.
pub fn annotations(class: &Class) -> String {
    let mut text = String::new();
    for mark in &class.marks {
        for one in &mark.judged.findings {
            let level = if one.class == "style" { "warning" } else { "error" };
            let line = one.line.map_or(String::new(), |line| format!(",line={line}"));
            let body: Vec<String> = lines(class, one).iter().map(|line| command(line)).collect();
            text += &format!(
                "::{level} file={}{line},title={}::{}\n",
                property(&file(mark, one)),
                property(&format!("{}: {}", mark.id, one.title)),
                body.join("%0A")
            );
        }
        if mark.word == Word::NotJudged {
            text += &format!(
                "::warning title={}::{}\n",
                property(&format!("{}: could not judge", mark.id)),
                command(mark.why_not().unwrap_or_default())
            );
        }
    }
    text
}

/// The file of a finding, from where the command was given.
fn file(mark: &Mark, one: &Finding) -> String {
    let file = one.file.as_deref().unwrap_or_default();
    match mark.source.ends_with(&format!("/{file}")) || mark.source == file || file.is_empty() {
        true => mark.source.clone(),
        false => format!("{}/{file}", mark.source),
    }
}

/// A finding in lines, behind its title.
pub fn lines(class: &Class, one: &Finding) -> Vec<String> {
    let mut all = vec![format!("expected: {}", one.expected)];
    all.extend(one.happened.iter().map(|line| format!("happened: {line}")));
    let step = match class.step(&one.step).as_str() {
        "" => String::new(),
        step => format!(" ({step})"),
    };
    all.push(format!("why: {}{step}", one.why));
    all
}
