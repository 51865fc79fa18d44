//! Prose is wrapped: a line of a page in English fits 120 columns; Chinese has no spaces to wrap at. Rows of tables, and what stands in fences, are
//! as long as they have to be.

use std::fs;
use std::path::{Path, PathBuf};

const COLUMNS: usize = 120;

fn chinese(page: &Path) -> bool {
    page.to_string_lossy().ends_with(".zh.md")
        || page.parent().is_some_and(|folder| folder.ends_with("notes/zh"))
}

/// Every Markdown page of the workbook in English.
fn pages() -> Vec<PathBuf> {
    fn below(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    below(&path, pages);
                }
            } else if name.ends_with(".md") && !chinese(&path) {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    below(Path::new(env!("CARGO_MANIFEST_DIR")), &mut pages);
    pages
}

/// The lines that are too long, with their numbers. One that is a single word, a link say, cannot be
/// wrapped.
fn too_long(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let prose = !fenced && !line.starts_with('|');
        if prose && line.chars().count() > COLUMNS && line.trim().contains(' ') {
            found.push((number, line));
        }
    }
    found
}

#[test]
fn prose_is_wrapped() {
    let pages = pages();
    assert!(pages.len() > 25, "{pages:?}");
    let mut long = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        for (number, line) in too_long(&text) {
            long.push(format!("{}:{number}: {line}", page.display()));
        }
    }
    assert!(long.is_empty(), "more than {COLUMNS} columns:\n{}", long.join("\n"));
}

#[test]
fn the_test_sees_a_long_line() {
    let long = "word ".repeat(25);
    let table = format!("| {long} |");
    let page = format!("{table}\n```\n{long}\n```\n{long}\nshort\n");
    assert_eq!(too_long(&page), [(5, long.as_str())]);
}
