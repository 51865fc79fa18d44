//! `gradescope/ID.json`: the `results.json` of a Gradescope autograder, one a submission that has a mark.

use serde_json::{Value, json};

use super::{NOT_NEEDED, summary};
use crate::grade::marks::{Class, Mark};

/// One of them. Texts are shown as text: neither HTML nor Markdown.
pub fn results(class: &Class, mark: &Mark) -> String {
    let found = mark.judged.findings.iter().map(|one| {
        let output = super::github::lines(class, one).join("\n");
        let place = match (&one.file, one.line) {
            (Some(file), Some(line)) => format!("{file}:{line}\n"),
            _ => String::new(),
        };
        json!({"name": format!("{}: {}", one.rule, one.title), "score": 0, "max_score": one.points,
               "status": "failed", "output": place + &output})
    });
    let passed = mark.judged.passed.iter().map(|one| {
        json!({"name": one.says, "score": one.points, "max_score": one.points, "status": "passed"})
    });
    // The rest of the score, so that the tests come to the same.
    let rest = mark.judged.rest().filter(|_| mark.judged_points().is_some());
    let rest = rest.map(|points| {
        json!({"name": NOT_NEEDED, "score": points, "max_score": points, "status": "passed"})
    });
    let tests: Vec<Value> = found.chain(passed).chain(rest).collect();
    let mut output = format!("{} {}: {}", class.settings.section, class.title, summary(mark));
    if let Some(one) = &mark.by_hand {
        output += &format!("\npoints given by hand: {}", one.why);
    }
    let results = json!({
        "score": mark.points(), "output": output, "output_format": "text",
        "test_output_format": "text", "test_name_format": "text", "visibility": "visible",
        "stdout_visibility": "hidden", "tests": tests,
    });
    serde_json::to_string_pretty(&results).unwrap_or_default() + "\n"
}
