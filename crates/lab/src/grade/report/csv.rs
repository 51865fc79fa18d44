//! `marks.csv`: a row a submission, for a spreadsheet or a grade book. RFC 4180

use super::page;
use crate::grade::clean::cell;
use crate::grade::marks::{Class, spelled};

/// The columns; notes/grading.md says what they hold.
const COLUMNS: [&str; 12] = [
    "id",
    "verdict",
    "points",
    "of",
    "judged_points",
    "override_why",
    "findings",
    "rule",
    "step",
    "finding",
    "not_judged",
    "page",
];

/// All marks.
pub fn marks(class: &Class) -> Result<String, String> {
    let said = |error: &dyn std::fmt::Display| format!("marks.csv: {error}");
    let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(vec![]);
    table.write_record(COLUMNS).map_err(|error| said(&error))?;
    for mark in &class.marks {
        let first = mark.first();
        let row = [
            mark.id.clone(),
            mark.word.name().into(),
            mark.points().map_or(String::new(), spelled),
            class.of.to_string(),
            mark.judged_points().map_or(String::new(), |points| points.to_string()),
            mark.by_hand.as_ref().map_or(String::new(), |one| one.why.clone()),
            mark.judged.findings.len().to_string(),
            first.map_or(String::new(), |one| one.rule.clone()),
            first.map_or(String::new(), |one| class.step(&one.step)),
            first.map_or(String::new(), |one| one.title.clone()),
            mark.why_not().unwrap_or_default().into(),
            page(mark),
        ];
        table.write_record(row.map(|text| cell(&text))).map_err(|error| said(&error))?;
    }
    let bytes = table.into_inner().map_err(|error| said(&error))?;
    String::from_utf8(bytes).map_err(|error| said(&error))
}
