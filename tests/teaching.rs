//! notes/teaching.md: its commands run, and print what the page says; its keys are played on the stage; its
//! minutes add up.

mod common;

use std::fs;

use common::pages::{checkout, normal, outputs};
use common::{bin, can_explore, not_tested, repo, sections};
use regex::Regex;

/// A section's lesson.
struct Lesson {
    section: String,
    minutes: u32,
    text: String,
}

fn lessons() -> Vec<Lesson> {
    let text = fs::read_to_string(repo().join("notes/teaching.md")).expect("the page");
    let heading = Regex::new(r"(?m)^## (4\.\d+) .*: (\d+) minutes$").expect("a heading");
    let found: Vec<_> = heading.captures_iter(&text).collect();
    let starts = found.iter().map(|one| one.get(0).expect("all").start());
    let ends = starts.clone().skip(1).chain([text.len()]);
    let all = found.iter().zip(starts.zip(ends)).map(|(one, (start, end))| Lesson {
        section: one[1].into(),
        minutes: one[2].parse().expect("minutes"),
        text: text[start..end].into(),
    });
    all.collect()
}

impl Lesson {
    /// The rows of the table whose first cell of the heading is this one.
    fn table(&self, heading: &str) -> Vec<Vec<String>> {
        let start = format!("| {heading} |");
        let lines = self.text.lines().skip_while(|line| *line != start);
        let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
        let cells = |row: &str| {
            row.trim_matches('|').split('|').map(|one| one.trim().to_string()).collect()
        };
        rows.map(cells).collect()
    }

    fn must(&self, heading: &str) -> Vec<Vec<String>> {
        let rows = self.table(heading);
        assert!(!rows.is_empty(), "{}: no table {heading}", self.section);
        rows
    }
}

/// What stands in the first pair of backquotes.
fn code(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("no code in {cell}"))
}

const PLAN: &str = "minutes | what";
const STEPS: &str = "before step | ask | then it prints";
const IDEAS: &str = "a student says | run | it prints";
const STAGE: &str = "minutes | keys | ask before you type | then it shows";

/// What each of these commands prints.
fn printed(commands: &[String], folder: &std::path::Path) -> Vec<String> {
    let block: String = commands
        .iter()
        .map(|command| format!("$ env -u LD_LIBRARY_PATH {command} </dev/null\n"))
        .collect();
    let all = outputs(&block, folder, &bin("")).unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(all.len(), commands.len(), "{commands:?}");
    all.iter().map(|one| normal(one).join("\n")).collect()
}

/// Something that this machine refuses has been named by the lab.
fn refused(output: &str, what: &str) -> bool {
    output.contains("not shown here: needs") && !not_tested("what the lab names", what)
}

#[test]
fn every_section_has_a_lesson_and_its_minutes_add_up() {
    let lessons = lessons();
    let named: Vec<_> = lessons.iter().map(|lesson| lesson.section.clone()).collect();
    assert_eq!(named, sections());
    let sum = |rows: &[Vec<String>]| {
        rows.iter().map(|row| row[0].parse::<u32>().expect("minutes")).sum::<u32>()
    };
    for lesson in &lessons {
        let plan = lesson.must(PLAN);
        assert_eq!(sum(&plan), lesson.minutes, "{}: the plan", lesson.section);
        let staged = lesson.table(STAGE);
        let has = repo().join(format!("labs/{}/stage.toml", lesson.section)).exists();
        assert_eq!(has, !staged.is_empty(), "{}: a stage, and its keys", lesson.section);
        if has {
            let row =
                plan.iter().find(|row| row[1].contains(&format!("make stage-{}", lesson.section)));
            let planned: u32 = row.expect("the stage is planned")[0].parse().expect("minutes");
            let keys = sum(&staged);
            assert!(keys <= planned, "{}: {keys} of {planned} minutes", lesson.section);
        }
    }
}

#[test]
fn a_step_is_followed_by_what_the_page_says() {
    let folder = checkout();
    for lesson in lessons() {
        let story = printed(&[format!("make lab-{}", lesson.section)], folder.path()).remove(0);
        for row in lesson.must(STEPS) {
            let heading =
                Regex::new(&format!(r"── {}  ", row[0]).replace("  ", " +")).expect("step");
            let from = heading.find(&story);
            let from =
                from.unwrap_or_else(|| panic!("{}: no step {}\n{story}", lesson.section, row[0]));
            let said = code(&row[2]);
            let holds = story[from.start()..].contains(said);
            assert!(holds, "{}, step {}: {said}\n{story}", lesson.section, row[0]);
        }
    }
}

#[test]
fn wrong_ideas_are_answered_by_a_run() {
    if !can_explore("the commands of teaching.md") {
        return;
    }
    let folder = checkout();
    for lesson in lessons() {
        let rows = lesson.must(IDEAS);
        let commands: Vec<String> = rows.iter().map(|row| code(&row[1]).to_string()).collect();
        for (row, output) in rows.iter().zip(printed(&commands, folder.path())) {
            let said = code(&row[2]);
            let holds = output.contains(said) || refused(&output, &row[1]);
            assert!(holds, "{}: {}: {said}\n{output}", lesson.section, row[1]);
        }
    }
}

/// All keys are played in one go, and each row shows its text behind that of the row before.
#[test]
fn the_keys_of_a_stage_show_what_the_page_says() {
    if !can_explore("the stages of teaching.md") {
        return;
    }
    let folder = checkout();
    for lesson in lessons() {
        let rows = lesson.table(STAGE);
        if rows.is_empty() {
            continue;
        }
        let keys: String = rows.iter().map(|row| code(&row[1])).collect();
        let command = format!("make stage-{} KEYS='{keys}'", lesson.section);
        assert!(lesson.text.contains(&format!("`{command}`")), "{}: {command}", lesson.section);
        let block = format!("$ env -u LD_LIBRARY_PATH {command}\n");
        let whole = outputs(&block, folder.path(), &bin("")).unwrap_or_else(|why| panic!("{why}"));
        let mut rest = &*whole[0];
        for row in &rows {
            let said = code(&row[3]);
            let at = rest.find(said);
            let at = at.unwrap_or_else(|| panic!("{}, {}: {said}\n{rest}", lesson.section, row[1]));
            rest = &rest[at + said.len()..];
        }
    }
}

/// What is not in the tables above runs, too; what waits for somebody, or changes the machine, is at least a
/// target of make.
#[test]
fn other_commands_exist() {
    let text = fs::read_to_string(repo().join("notes/teaching.md")).expect("the page");
    let command = Regex::new(r"`(make [^`]+)`").expect("a command");
    let mut all: Vec<String> = command.captures_iter(&text).map(|one| one[1].to_string()).collect();
    all.sort();
    all.dedup();
    let folder = checkout();
    let waits = Regex::new(r"4\.x|measure|exam|check|doctor|sweep|explore|stage|server|client")
        .expect("words");
    let (named, run): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| waits.is_match(one));
    assert!(run.iter().any(|one| one.contains("--part")) && !named.is_empty(), "{run:?}");
    for command in named.iter().filter(|one| !one.contains("4.x")) {
        let dry = format!("{command} -n >/dev/null && echo there");
        let output = printed(&[dry], folder.path()).remove(0);
        assert!(output.ends_with("there"), "{command}: {output}");
    }
    let plain: Vec<String> = run
        .iter()
        .filter(|one| !one.contains("--experiment"))
        .map(|one| format!("{} && echo well", one.replace("STEP=1 ", "").replace(" STEP=1", "")))
        .collect();
    for (command, output) in plain.iter().zip(printed(&plain, folder.path())) {
        assert!(output.ends_with("well"), "{command}: {output}");
    }
}
