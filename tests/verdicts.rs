//! The verdict of `lab check` does not depend on the moment or on the machine's load, and a teacher changes it without
//! Rust. With SOAK, 100 verdicts of a right and of a wrong program, 20 of them while 20 processes take every CPU.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;
use std::path::Path;

use common::{Load, Run, bin, can_explore, repo, run};

const SOLUTION: &str = "labs/4.8/exercise/solution/main.c";
/// The signal is not blocked before the wait: in one order it is lost.
const BLOCKED: &str = "    sigprocmask(SIG_BLOCK, &ours, NULL);\n";

fn check(source: &Path, workbook: &Path, options: &[&str]) -> Run {
    let (source, workbook) = (source.display().to_string(), workbook.display().to_string());
    let words = ["check", "4.8", &source, "--workbook", &workbook, "--format", "json"];
    run(&bin("lab")).args(&[&words[..], options].concat()).go()
}

#[test]
fn a_verdict_is_the_same_each_time() {
    if !can_explore("that verdicts do not change") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let (alone, beside) = if soak { (80, 20) } else { (2, 1) };
    let folder = common::scratch();
    let right = fs::read_to_string(repo().join(SOLUTION)).expect("a solution");
    assert!(right.contains(BLOCKED));
    for (text, code) in [(right.replace(BLOCKED, ""), 1), (right, 0)] {
        let source = folder.path().join("main.c");
        fs::write(&source, text).expect("a source");
        let verdict = || check(&source, repo(), &["--seed", "5"]);
        let first = verdict();
        assert_eq!(first.code, code, "{first:#?}");
        let same = |again: Run| {
            assert_eq!((&first.stdout, &first.stderr), (&again.stdout, &again.stderr));
        };
        (1..alone).for_each(|_| same(verdict()));
        let loads: Vec<Load> = (0..if soak { 10 } else { 1 }).map(|_| Load::new()).collect();
        (0..beside).for_each(|_| same(verdict()));
        drop(loads);
    }
}

#[test]
fn another_seed_makes_other_messages() {
    if !can_explore("the seeds of lab check") {
        return;
    }
    let folder = common::scratch();
    let source = folder.path().join("main.c");
    let text = fs::read_to_string(repo().join(SOLUTION)).expect("a solution");
    fs::write(&source, text.replace("\"child: %s\\n\"", "\"Child: %s\\n\"")).expect("a source");
    let said = |seed: &str| check(&source, repo(), &["--seed", seed]).stdout;
    let one = said("1");
    assert_eq!(one, said("1"));
    let happened = |text: &str| {
        let verdict: serde_json::Value = serde_json::from_str(text).expect("JSON");
        verdict["findings"][0]["happened"].to_string()
    };
    let others: Vec<String> = ["2", "3", "4"].map(|seed| happened(&said(seed))).into();
    assert!(others.iter().all(|other| *other != happened(&one)), "{one} {others:?}");
}

#[test]
fn a_teacher_switches_rules_off_weighs_them_and_changes_words() {
    if !can_explore("rules that a teacher has changed") {
        return;
    }
    let book = common::scratch();
    let labs = book.path().join("labs/4.8");
    fs::create_dir_all(&labs).expect("a folder");
    let rules = fs::read_to_string(repo().join("labs/4.8/rules.toml")).expect("rules");
    let source = book.path().join("main.c");
    let text = fs::read_to_string(repo().join(SOLUTION)).expect("a solution");
    let key = text.replace("shmget(IPC_PRIVATE,", "shmget(0x4808,");
    fs::write(&source, key).expect("a source");
    let verdict = |from: &str, to: &str| -> serde_json::Value {
        assert!(rules.contains(from), "{from}");
        fs::write(labs.join("rules.toml"), rules.replace(from, to)).expect("rules");
        let run = check(&source, book.path(), &["--points"]);
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
    };
    let rule = "id = \"a-key\"\nclass = \"style\"\n";
    let first = |verdict: &serde_json::Value| verdict["findings"][0]["rule"].clone();
    let as_it_is = verdict(rule, rule);
    assert_eq!((first(&as_it_is), &as_it_is["verdict"]), ("a-key".into(), &"passed".into()));
    let off = verdict(rule, &format!("{rule}on = false\n"));
    assert_eq!(off["findings"].as_array().map(Vec::len), Some(0), "{off:#}");
    let stricter = verdict(rule, "id = \"a-key\"\nclass = \"defect\"\n");
    assert_eq!(stricter["verdict"], "findings", "{stricter:#}");
    let weighed = verdict(rule, &format!("{rule}points = 7\n"));
    let of = |verdict: &serde_json::Value| verdict["of"].as_u64().expect("points");
    assert_eq!(of(&weighed), of(&as_it_is) + 6);
    assert_eq!(weighed["points"], as_it_is["points"], "no points for what is not there");
    let worded = verdict("the segment has a key", "no key, please");
    assert_eq!(worded["findings"][0]["title"], "no key, please");
}
