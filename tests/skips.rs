//! No test is left out in silence: what this machine lacks is named in the last lines of `make test`,
//! and where everything is required, a missing program is a failure.

mod common;
use std::fs;
use std::process::Command;

use common::{have, repo};
use regex::Regex;

/// What the tests below run again, where nothing can be found.
#[test]
#[ignore = "a part of the tests below"]
fn probe() {
    have("strace", "the probe");
}

/// Runs the probe: did it pass, and what has it named?
fn probed(path: &str, required: bool) -> (bool, String) {
    let dir = common::scratch();
    let list = dir.path().join("list");
    fs::write(&list, "").expect("a list");
    let mut again = Command::new(std::env::current_exe().expect("this test"));
    again.args(["probe", "--exact", "--ignored"]).env("PATH", path).env("NOT_TESTED", &list);
    let again =
        if required { again.env("REQUIRE_ALL", "1") } else { again.env_remove("REQUIRE_ALL") };
    let passed = again.output().expect("this test").status.success();
    (passed, fs::read_to_string(list).expect("the list"))
}

#[test]
fn a_missing_program_is_named_or_a_failure() {
    assert_eq!(probed("/nowhere", false), (true, "strace: the probe\n".into()));
    assert_eq!(probed("/nowhere", true), (false, String::new()));
    let dir = common::scratch();
    fs::write(dir.path().join("strace"), "").expect("a strace");
    let (passed, named) = probed(&dir.path().display().to_string(), true);
    // It is here; whether it may trace is this machine's affair.
    assert!(passed && (named.is_empty() || named == "ptrace: the probe\n"), "{named}");
}

/// A test that returns early has asked one of the four that name what is missing.
#[test]
fn no_test_returns_in_silence() {
    let ask = Regex::new(r"(?m)^    if (.*) \{\n +return;").expect("ask");
    let known = Regex::new(r"^!?(common::)?(have|as_root|apart|can_explore)\(").expect("known");
    let mut seen = 0;
    for file in fs::read_dir(repo().join("tests")).expect("tests") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("source");
        // Where a test begins: a helper may return as it likes.
        for test in text.split("#[test]\n").skip(1) {
            let body = &test[..test.find("\n}\n").unwrap_or(test.len())];
            for found in ask.captures_iter(body) {
                let asked = found[1].split(" || ").all(|one| known.is_match(one));
                assert!(asked, "{}: if {} returns in silence", path.display(), &found[1]);
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "only {seen}");
}
