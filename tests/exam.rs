//! `lab exam`: the same seed makes the same exam, another one another; each question has its answer, and each
//! program that is asked about exists.
#![cfg(target_arch = "x86_64")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::{Run, assert_same, bin, can_explore, experiments, repo, run};

const SHARES: &str = "the programs cannot have their own /tmp";

fn exam(args: &[&str]) -> Run {
    let workbook = repo().display().to_string();
    // What cargo sets there makes the loader look into many folders.
    let lab = run(&bin("lab")).env("LD_LIBRARY_PATH", "");
    lab.args(&[&["exam", "--workbook", &workbook, "-o", "{dir}/exam"], args].concat()).go()
}

/// The exam of a seed, and its answers.
fn made(args: &[&str]) -> (String, String) {
    let run = exam(args);
    // Where TMPDIR lies in /tmp, and belongs to another user, the programs share it, and that is said.
    let said = run.stderr.lines().all(|line| line.contains(SHARES));
    assert!(run.code == 0 && said && run.left.is_empty(), "{run:#?}");
    let read = |name: &str| fs::read_to_string(run.dir.path().join("exam").join(name)).expect(name);
    (read("exam.md"), read("answers.md"))
}

#[test]
fn the_same_seed_makes_the_same_exam() {
    if !can_explore("exams") {
        return;
    }
    let (first, answers) = made(&["--seed", "7", "4.4", "4.8"]);
    let (again, answers_again) = made(&["--seed", "7", "4.4", "4.8"]);
    assert_same("the exam", &first, &again);
    assert_same("its answers", &answers, &answers_again);
    let questions = first.matches("\n## Question ").count();
    assert_eq!((questions, answers.matches("\n**").count()), (4, 4), "{first}\n{answers}");
    assert!(first.contains("labs/4.8/stage.c") && first.contains("static volatile"), "{first}");
    let (other, _) = made(&["--seed", "8", "4.4", "4.8"]);
    assert_ne!(first, other);
}

/// Every section that has questions makes some, and says nothing of the answer.
#[test]
fn every_section_is_asked() {
    if !can_explore("exams of all sections") {
        return;
    }
    let (text, answers) = made(&["--seed", "1", "--questions", "1"]);
    for section in sections_with_questions() {
        assert!(text.contains(&format!("(section {section})")), "{section}: {text}");
        assert!(answers.contains(&format!("(section {section})")), "{section}: {answers}");
    }
    for line in answers.lines().filter(|line| line.contains("` = ") && line.contains("shm")) {
        assert!(!text.contains(line), "the exam says the answer: {line}");
    }
}

fn sections_with_questions() -> BTreeSet<String> {
    let labs = fs::read_dir(repo().join("labs")).expect("labs").filter_map(Result::ok);
    let has = labs.filter(|one| one.path().join("exam.toml").exists());
    has.map(|one| one.file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_run_that_is_asked_about_exists() {
    let all = sections_with_questions();
    assert!(all.len() >= 9, "{all:?}");
    for section in all {
        let path = repo().join(format!("labs/{section}/exam.toml"));
        let file: toml::Table =
            toml::from_str(&fs::read_to_string(&path).expect("exam.toml")).expect("TOML");
        for one in file["run"].as_array().expect("runs") {
            let Some(name) = one.get("experiment").and_then(|name| name.as_str()) else {
                assert!(repo().join(format!("labs/{section}/stage.toml")).exists(), "{section}");
                continue;
            };
            let known = experiments(&section).iter().any(|known| known.name == name);
            assert!(known, "{section}: no experiment {name}");
            let asks = one.get("ask").and_then(|ask| ask.as_array());
            assert!(asks.is_some_and(|ask| !ask.is_empty()), "{section}, {name}: asks nothing");
        }
    }
}

#[test]
fn what_cannot_be_is_said() {
    for (args, said) in [
        (&["--seed", "1", "4.99"][..], "no questions for section 4.99; there are: "),
        (&["4.8"], "--seed"),
        (&["--seed", "x"], "invalid value"),
    ] {
        let run = exam(args);
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{run:#?}");
        assert!(run.stderr.contains(said), "{run:#?}");
    }
}
