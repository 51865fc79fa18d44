//! notes/behaviours.md says of each behaviour which words of which experiment assert it. Every experiment that
//! it names is run, and must print them. What the page counts is counted here.

mod common;
use std::collections::BTreeMap;
use std::fs;

use common::{is_root, not_tested, repo, run_lab};
use regex::Regex;

/// A row: its name, where it is shown, and what asserts it.
struct Row {
    name: String,
    shown: String,
    asserted: String,
}

fn page() -> String {
    fs::read_to_string(repo().join("notes/behaviours.md")).expect("notes/behaviours.md")
}

fn rows(page: &str) -> Vec<Row> {
    let named = Regex::new(r"^[A-Z]\d*$").expect("a row");
    let cells = |line: &str| line.split(" | ").map(String::from).collect::<Vec<_>>();
    let lines = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = lines.map(cells).filter(|cells| named.is_match(&cells[0]));
    rows.map(|cells| match &cells[..] {
        [name, _, shown, asserted] => {
            Row { name: name.clone(), shown: shown.clone(), asserted: asserted.clone() }
        }
        _ => panic!("not four cells: {cells:?}"),
    })
    .collect()
}

/// A story (no name) or an experiment: its section, and its name.
type Place = (String, Option<String>);

/// `4.4 story, step 1`, or ``4.4 `excl-first`, `other-user`; 4.7 `matrix` ``.
fn places(shown: &str) -> Vec<Place> {
    let word = Regex::new(r"(4\.\d+)|`([\w-]+)`|(story)").expect("a place");
    let (mut section, mut places) = (String::new(), vec![]);
    for found in word.captures_iter(shown) {
        match (found.get(1), found.get(2)) {
            (Some(number), _) => section = number.as_str().into(),
            (_, name) => places.push((section.clone(), name.map(|name| name.as_str().into()))),
        }
    }
    places
}

/// What a place prints, in lines that are not wrapped; as root, if the tests are, because some of it only
/// root can show.
fn printed(place: &Place) -> String {
    let args: Vec<&str> = match &place.1 {
        Some(name) => vec!["--experiment", name],
        None => vec![],
    };
    let run = run_lab(&place.0).args(&args).env("COLUMNS", "1000");
    let run = if is_root() { run.privileged() } else { run };
    run.go().clean().stdout
}

/// `✓ words`, or `` `call` ERRNO ``.
fn stands_in(evidence: &str, printed: &str) -> bool {
    if let Some(words) = evidence.strip_prefix("✓ ") {
        let line = format!("· ✓ {words}");
        return printed.lines().any(|printed| {
            printed.trim_end().ends_with(&line)
                || printed.contains(&format!("{line}, and those of"))
        });
    }
    let call = Regex::new(r"^`(\w+)` (E[A-Z0-9]+)$").expect("a call");
    let found = call.captures(evidence).unwrap_or_else(|| panic!("no evidence: {evidence}"));
    let (call, errno) = (&found[1], &found[2]);
    let line = format!(r"(?m)^(?:[\w ]+ \d+ │)? +(?:… )?{call}\(.* = -1 {errno} ");
    Regex::new(&line).expect("a line").is_match(printed)
}

#[test]
fn what_a_row_says_is_asserted_is_printed() {
    let (page, mut runs) = (page(), BTreeMap::new());
    for Row { name, shown, asserted } in rows(&page) {
        if !asserted.starts_with(['✓', '`']) {
            continue;
        }
        let places = places(&shown);
        assert!(!places.is_empty(), "{name}: {shown}");
        for place in &places {
            runs.entry(place.clone()).or_insert_with(|| printed(place));
        }
        let all: String = places.iter().map(|place| runs[place].as_str()).collect();
        for evidence in asserted.split(" + ") {
            if stands_in(evidence, &all) {
                continue;
            }
            let hidden = all.lines().find(|line| line.contains("not shown here"));
            match hidden.filter(|_| !is_root()) {
                Some(why) => drop(not_tested("root", &format!("row {name}: {}", why.trim()))),
                None => panic!("{name}: {shown} does not print {evidence}\n{all}"),
            }
        }
    }
}

#[test]
fn every_row_is_of_one_kind_and_the_page_counts_them() {
    let page = page();
    let all = rows(&page);
    let (mut asserted, mut notes, mut tests, mut missing) = (vec![], vec![], vec![], vec![]);
    for row in &all {
        match (&*row.asserted, row.shown.starts_with("not shown: ")) {
            ("—", true) => missing.push(&row.name),
            ("by these tests", false) => tests.push(&row.name),
            (text, false) if text.starts_with("a note: ") => notes.push(&row.name),
            (text, false) if text.starts_with(['✓', '`']) => asserted.push(&row.name),
            (text, _) => panic!("{}: {text}", row.name),
        }
    }
    let joined = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for sentence in [
        format!("This page lists {} behaviours", all.len()),
        format!("For {} of them a lab makes the call and asserts the result", asserted.len()),
        format!("{} are shown, and not asserted", notes.len()),
        format!("{} is asserted by tests", tests.len()),
        format!("For the other {}, the table says why they are not shown", missing.len()),
    ] {
        assert!(joined.contains(&sentence), "the page must say: {sentence}");
    }
    // A row has one line.
    let names: std::collections::BTreeSet<_> = all.iter().map(|row| &row.name).collect();
    assert_eq!(names.len(), all.len());
}

/// The cases of a suite, and which of them are asserted: in each row that the case names.
fn cases(page: &str, suite: &str) -> (usize, usize) {
    let rows = rows(page);
    let table = page.split(&format!("| {suite} | rows |\n|---|---|\n")).nth(1).expect("a table");
    let lines = table.lines().take_while(|line| line.starts_with("| `"));
    let cells =
        lines.map(|line| line.trim_matches(['|', ' ']).split_once(" | ").expect("two cells"));
    let (mut count, mut asserted) = (0, 0);
    for (case, named) in cells {
        count += 1;
        if named.starts_with("not here: ") {
            continue;
        }
        for name in named.split(' ') {
            let row = rows.iter().find(|row| row.name == name);
            let row = row.unwrap_or_else(|| panic!("{case}: there is no row {name}"));
            assert!(row.asserted.starts_with(['✓', '`']), "{case}: {name} is not asserted");
        }
        asserted += 1;
    }
    (count, asserted)
}

#[test]
fn the_cases_of_other_suites_are_counted() {
    let page = page();
    let (ltp, ltp_here) = cases(&page, "Linux Test Project");
    let (gvisor, gvisor_here) = cases(&page, "gVisor");
    let joined = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = format!(
        "Of the {ltp} cases of the `shmat`, `shmctl`, `shmdt` and `shmget` programs of the Linux Test \
         Project, {ltp_here} are asserted here, and of gVisor's {gvisor} tests of shared memory all \
         {gvisor_here}."
    );
    assert!(joined.contains(&sentence), "the page must say: {sentence}");
    assert_eq!((ltp, gvisor), (47, 26));
}
