//! `grade.json`: all that is known, for programs. `labs/grade.schema.json` describes it.

use serde_json::{Map, Value, json};

use super::page;
use crate::check::apart::Finding;
use crate::grade::marks::{Class, Mark, Word};

/// The whole report.
pub fn report(class: &Class) -> String {
    let counts: Map<String, Value> = [Word::Passed, Word::Findings, Word::NotJudged, Word::Waiting]
        .into_iter()
        .map(|word| (word.name().to_string(), json!(class.count(word))))
        .collect();
    let without = class.marks.iter().filter(|one| one.word == Word::NotJudged);
    let common = class.common().into_iter().map(|one| {
        json!({"rule": one.finding.rule, "title": one.finding.title,
               "step": class.step(&one.finding.step), "count": one.count, "first": one.first})
    });
    let steps =
        class.steps().into_iter().map(|(step, count)| json!({"step": step, "count": count}));
    let report = json!({
        "format": "lab-grade", "version": 1, "section": class.settings.section,
        "title": class.title, "settings": class.settings, "of": class.of, "counts": counts,
        "submissions": class.marks.iter().map(submission).collect::<Vec<_>>(),
        "not_judged": without
            .map(|one| json!({"id": one.id, "why": one.why_not()}))
            .collect::<Vec<_>>(),
        "common": common.collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

fn submission(mark: &Mark) -> Value {
    let by_hand = mark.by_hand.as_ref().map(|one| {
        json!({"points": one.points, "why": one.why,
               "for_another_submission": mark.is_by_hand_for_another()})
    });
    let judged = &mark.judged;
    let tried: Map<String, Value> =
        judged.tried.iter().map(|(name, runs)| (name.clone(), json!(runs))).collect();
    json!({
        "id": mark.id, "path": mark.path, "submission": mark.submission, "key": mark.key,
        "verdict": mark.word.name(), "points": mark.points(), "judged_points": mark.judged_points(),
        "override": by_hand, "findings": judged.findings.iter().map(finding).collect::<Vec<_>>(),
        "passed": judged.passed.iter().map(|one| &one.rule).collect::<Vec<_>>(),
        "tried": tried, "not_judged": mark.why_not().filter(|_| mark.word == Word::NotJudged),
        "page": page(mark),
    })
}

fn finding(one: &Finding) -> Value {
    json!({"rule": one.rule, "class": one.class, "step": one.step, "title": one.title,
           "expected": one.expected, "happened": one.happened, "why": one.why,
           "file": one.file, "line": one.line})
}
