//! labs/4.x/answers.md answers each question of the worksheet beside it, number by number; and what its
//! blocks show is run and compared. The blocks under "Change" are tests/changes.rs's.

mod common;

use std::fs;

use common::pages::{Item, blocks, check, checkout, items, renewed};
use common::{bin, repo, sections};

fn page(section: &str, name: &str) -> String {
    let path = repo().join(format!("labs/{section}/{name}.md"));
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn numbers(items: &[Item]) -> Vec<usize> {
    items.iter().map(|item| item.number).collect()
}

/// Under "Compare" a question is a row of the table, or a paragraph after it.
fn compared(worksheet: &str) -> usize {
    let text = worksheet.split("\n## Compare\n").nth(1).expect("Compare");
    let text = text.split("\n## ").next().expect("its text");
    let rows = text.lines().filter(|line| line.starts_with('|')).count() - 2;
    let after = text.rsplit_once("|\n").map_or("", |(_, after)| after);
    rows + after.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()).count()
}

#[test]
fn every_question_has_its_answer() {
    for section in sections() {
        let (worksheet, answers) = (page(&section, "worksheet"), page(&section, "answers"));
        for heading in ["Predict", "Run", "Change", "Explain"] {
            let asked = numbers(&items(&worksheet, heading));
            let answered = numbers(&items(&answers, heading));
            assert_eq!(asked, answered, "{section}: {heading}");
            assert!(heading == "Run" || !asked.is_empty(), "{section}: {heading}");
            assert!(asked.iter().copied().eq(1..=asked.len()), "{section}: {heading}: {asked:?}");
        }
        let rows: Vec<usize> = (1..=compared(&worksheet)).collect();
        assert_eq!(rows, numbers(&items(&answers, "Compare")), "{section}: Compare");
        assert!(worksheet.contains("](answers.md)"), "{section}: the worksheet names its answers");
    }
}

/// A prediction can be held against a run.
#[test]
fn every_prediction_is_answered_by_a_run() {
    let write = std::env::var("GOLDEN").is_ok_and(|mode| mode == "write");
    let (checkout, mut wrong) = (checkout(), Vec::new());
    for section in sections() {
        let path = repo().join(format!("labs/{section}/answers.md"));
        let answers = page(&section, "answers");
        for heading in ["Predict", "Run", "Compare", "Explain"] {
            for Item { number, text } in items(&answers, heading) {
                let runs = blocks(&text, "console");
                let shown = heading != "Predict" || !runs.is_empty();
                assert!(shown, "{section}: no run answers question {number}");
                for block in runs {
                    let shows = block.lines().any(|line| !line.starts_with("$ "));
                    assert!(shows || write, "{section} {heading} {number}: the run shows nothing");
                    match check(&path, &block, checkout.path(), &bin("")) {
                        Err(_) if write => renewed(&path, &block, checkout.path(), &bin("")),
                        found => wrong.extend(found.err()),
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
