//! The formats of a report, held against their descriptions; and texts that do harm where they are not escaped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{Run, repo};

/// What students may write.
pub const TRIES: &[&str] = &[
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1,1)",
    "  =1+1",
    "\t=1+1",
    "a;=1+1",
    "\"=1+1",
    "＝1+1",
    "=HYPERLINK(\"http://x\",\"y\")",
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg/onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</pre></section><h1>passed</h1>",
    "]]></failure></testcase><testcase name=\"x\"/>",
    "<!--",
    "&lt;script&gt;",
    "&#x3c;script>",
    "javascript:alert(1)",
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{9b}31mred",
    "\u{8}\u{8}\u{8}passed",
    "\u{202e}dessap",
    "\u{2066}hidden\u{2069}",
    "\u{200b}invisible\u{feff}",
    "::set-output name=x::y",
    " ::error::x",
    "x\n::set-output name=x::y",
    "x\r::stop-commands::y",
    "x ##[set-env name=PATH]y",
    "%0A::warning::x",
    "a,line=1::b",
    "../../etc/passwd",
    "\u{2028}line",
    "\u{e0041}tag",
];

/// What of them has got through, and where.
pub fn through(report: &Path, run: &Run) -> Vec<String> {
    let mut all = vec![];
    let mut seen = |place: &str, what: &str| all.push(format!("{place}: {what}"));
    let mut texts = vec![
        ("standard output".to_string(), run.stdout.clone()),
        ("standard error".to_string(), run.stderr.clone()),
    ];
    for (name, text) in crate::files(report) {
        texts.push((name.display().to_string(), text));
    }
    let handler = regex::Regex::new(r#"<\w+("[^"]*"|[^">])*\son\w+\s*="#).expect("a handler");
    let scripts = regex::Regex::new(
        r#"<script type="application/json" id="data">[^<]*</script>|(?s:<script>'use strict';.*?</script>)"#,
    )
    .expect("scripts");
    let unseen = |letter: char| {
        letter.is_control() && !"\n\r".contains(letter)
            || "\u{202e}\u{2066}\u{2069}\u{200b}\u{feff}\u{2028}\u{e0041}".contains(letter)
    };
    for (name, text) in &texts {
        if let Some(letter) = text.chars().find(|letter| unseen(*letter)) {
            seen(name, &format!("{letter:?}"));
        }
        if text.contains("##[") {
            seen(name, "##[");
        }
        if !name.ends_with(".csv") && text.contains('\r') {
            seen(name, "a return");
        }
        if name.starts_with("standard ")
            && let Some(line) = text.lines().find(|line| line.trim_start().starts_with("::"))
        {
            seen(name, line);
        }
        if name.ends_with(".html") {
            // The page of a run has a script of ours, and its data, in which no tag can begin.
            let text = &scripts.replace_all(text, "");
            // In a tag, not in a text: `' onmouseover=…` between tags is a text.
            if handler.is_match(text) {
                seen(name, "a handler in a tag");
            }
            for word in ["<script", "<img", "<svg", "<h1>passed", "<!--"] {
                if text.contains(word) {
                    seen(name, word);
                }
            }
        }
    }
    let row = |row: BTreeMap<String, String>| row.into_values();
    for cell in crate::table(report).into_iter().flat_map(row) {
        for part in cell.split(';') {
            let bare = part.trim_start_matches([' ', '"']);
            if bare.starts_with(['=', '+', '-', '@', '＝']) {
                seen("marks.csv", &cell);
            }
        }
    }
    all
}

/// Each format is as it is described.
pub fn hold(report: &Path, submissions: usize) {
    let read = |name: &str| fs::read_to_string(report.join(name)).expect(name);
    let json: Value = serde_json::from_str(&read("grade.json")).expect("JSON");
    let schema = fs::read_to_string(repo().join("labs/grade.schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let wrong = against(&schema, &schema, &json, "grade.json");
    assert!(wrong.is_empty(), "{wrong:#?}");
    let all = json["submissions"].as_array().expect("submissions");
    assert_eq!(all.len(), submissions);
    junit(&read("junit.xml"), submissions);
    let rows = crate::table(report);
    assert_eq!(rows.len(), submissions);
    for (row, one) in rows.iter().zip(all) {
        assert_eq!(row["verdict"], one["verdict"].as_str().expect("a verdict"));
        assert_eq!(row["points"].parse().ok(), one["points"].as_f64());
        let page = one["page"].as_str().expect("a page");
        assert!(read(page).starts_with("<!DOCTYPE html>"), "{page}");
        let name = page.trim_start_matches("submissions/").trim_end_matches(".html");
        let results = report.join("gradescope").join(format!("{name}.json"));
        assert_eq!(results.exists(), one["points"].is_number(), "{name}");
        if results.exists() {
            let text = fs::read_to_string(results).expect("results");
            gradescope(&serde_json::from_str(&text).expect("JSON"), one);
        }
    }
    let count = |one: &Value| {
        let found = one["findings"].as_array().expect("findings").len();
        found + usize::from(one["verdict"] == "not_judged")
    };
    let lines = read("annotations.txt");
    assert_eq!(lines.lines().count(), all.iter().map(count).sum::<usize>(), "{lines}");
    for line in lines.lines() {
        let (front, text) = line[2..].split_once("::").unwrap_or_else(|| panic!("{line}"));
        let (level, properties) = front.split_once(' ').expect("properties");
        assert!(line.starts_with("::") && ["error", "warning"].contains(&level), "{line}");
        for property in properties.split(',') {
            let (name, _) = property.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(["file", "line", "title"].contains(&name), "{line}");
        }
        assert!(!text.is_empty(), "{line}");
    }
}

/// The output of an autograder: gradescope-autograders.readthedocs.io, "Autograder Specifications".
fn gradescope(results: &Value, one: &Value) {
    let known = |value: &Value, names: &[&str]| {
        for name in value.as_object().expect("an object").keys() {
            assert!(names.contains(&name.as_str()), "{name}: {value}");
        }
    };
    known(
        results,
        &[
            "score",
            "execution_time",
            "output",
            "output_format",
            "test_output_format",
            "test_name_format",
            "visibility",
            "stdout_visibility",
            "extra_data",
            "tests",
            "leaderboard",
        ],
    );
    assert_eq!(results["score"].as_f64(), one["points"].as_f64());
    for name in ["output_format", "test_output_format", "test_name_format"] {
        assert_eq!(results[name], "text", "else a student's text would be HTML or Markdown");
    }
    let visible = ["hidden", "after_due_date", "after_published", "visible"];
    for name in ["visibility", "stdout_visibility"] {
        assert!(visible.contains(&results[name].as_str().expect(name)));
    }
    for test in results["tests"].as_array().expect("tests") {
        known(
            test,
            &[
                "score",
                "max_score",
                "status",
                "name",
                "name_format",
                "number",
                "output",
                "output_format",
                "tags",
                "visibility",
                "extra_data",
            ],
        );
        let (score, most) = (test["score"].as_f64(), test["max_score"].as_f64());
        assert!(score.is_some() && score <= most, "{test}");
        assert!(["passed", "failed"].contains(&test["status"].as_str().expect("a status")));
    }
}

/// An element: its attributes, those that it must have, and its children. As junit-10.xsd of Jenkins' xUnit plugin has it.
type Element =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);
const JUNIT: [Element; 6] = [
    ("testsuites", &["name", "time", "tests", "failures", "errors"], &[], &["testsuite"]),
    (
        "testsuite",
        &[
            "name",
            "tests",
            "failures",
            "errors",
            "group",
            "time",
            "skipped",
            "timestamp",
            "hostname",
            "id",
            "package",
            "file",
            "log",
            "url",
        ],
        &["name", "tests", "failures", "errors"],
        &["testsuite", "properties", "testcase", "system-out", "system-err"],
    ),
    (
        "testcase",
        &["name", "time", "classname", "group"],
        &["name"],
        &["skipped", "error", "failure", "system-out", "system-err"],
    ),
    ("failure", &["type", "message"], &[], &[]),
    ("error", &["type", "message"], &[], &[]),
    ("skipped", &["type", "message"], &[], &[]),
];

fn junit(text: &str, submissions: usize) {
    let tree = roxmltree::Document::parse(text).expect("XML");
    let root = tree.root_element();
    assert_eq!(
        (root.tag_name().name(), root.children().filter(|one| one.is_element()).count()),
        ("testsuites", submissions)
    );
    for one in root.descendants().filter(|one| one.is_element()) {
        let name = one.tag_name().name();
        let row = JUNIT.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("{name}"));
        for attribute in one.attributes() {
            assert!(row.1.contains(&attribute.name()), "{name}: {}", attribute.name());
        }
        assert!(row.2.iter().all(|must| one.has_attribute(*must)), "{name}");
        for child in one.children().filter(|one| one.is_element()) {
            assert!(row.3.contains(&child.tag_name().name()), "{name}: {child:?}");
        }
        if name == "testsuite" {
            let count = |tag: &str| {
                one.descendants().filter(|one| one.tag_name().name() == tag).count().to_string()
            };
            for (attribute, tag) in
                [("tests", "testcase"), ("failures", "failure"), ("errors", "error")]
            {
                assert_eq!(one.attribute(attribute), Some(&*count(tag)), "{attribute}");
            }
        }
    }
}

/// What of a value is not as a JSON Schema has it. A word of it that is not known here is a mistake, too.
fn against(whole: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut wrong = vec![];
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        other => panic!("{other:?} is no type"),
    };
    for (word, says) in schema.as_object().expect("a schema") {
        let holds = match word.as_str() {
            "$schema" | "$defs" | "title" | "description" | "properties" => true,
            "type" => match says.as_array() {
                Some(all) => all.iter().any(is),
                None => is(says),
            },
            "const" => value == says,
            "enum" => says.as_array().expect("an enum").contains(value),
            "minimum" => {
                value.as_f64().is_none_or(|number| number >= says.as_f64().expect("a number"))
            }
            "required" => {
                let mut all = says.as_array().expect("names").iter().filter_map(Value::as_str);
                value.is_null() || all.all(|name| value.get(name).is_some())
            }
            "$ref" => {
                let path = says.as_str().expect("a path").trim_start_matches('#');
                wrong.extend(against(whole, whole.pointer(path).expect(path), value, place));
                true
            }
            "items" => {
                for (n, one) in value.as_array().into_iter().flatten().enumerate() {
                    wrong.extend(against(whole, says, one, &format!("{place}[{n}]")));
                }
                true
            }
            "additionalProperties" => {
                for (name, one) in value.as_object().into_iter().flatten() {
                    let place = format!("{place}.{name}");
                    match (schema["properties"].get(name), says) {
                        (Some(schema), _) => wrong.extend(against(whole, schema, one, &place)),
                        (None, Value::Bool(false)) => wrong.push(format!("{place}: not described")),
                        (None, schema) => wrong.extend(against(whole, schema, one, &place)),
                    }
                }
                true
            }
            other => panic!("{place}: {other} is not known here"),
        };
        if !holds {
            wrong.push(format!("{place}: {word} {says}: {value}"));
        }
    }
    wrong
}
