//! The programs of tests/foreign, which know nothing of us, and what `lab trace` says of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{LazyLock, Mutex};

use serde_json::Value;

use super::{Run, Runner, bin, repo, scratch};

/// A program of tests/foreign, `attach` or `causes/keys`: compiled when it is asked for first.
pub fn foreign(name: &str) -> PathBuf {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| scratch().keep());
    static MADE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let program = DIR.join(name.replace('/', "-"));
    let mut made = MADE.lock().expect("nobody fails with it");
    if made.insert(name.into()) {
        let source = repo().join(format!("tests/foreign/{name}.c"));
        let flags = ["-std=c11", "-g", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"];
        let cc = Command::new("cc").args(flags).arg(&program).arg(source).output().expect("cc");
        assert!(cc.status.success(), "{name}: {}", String::from_utf8_lossy(&cc.stderr));
    }
    program
}

/// Puts `lab trace` before a program.
pub fn traced(runner: Runner, args: &[&str]) -> Runner {
    let lab = bin("lab").display().to_string();
    runner.under(&[&[lab.as_str(), "trace", "-o", "{dir}/trace"], args, &["--"]].concat())
}

/// What it has written.
pub fn trace_of(run: &Run) -> String {
    fs::read_to_string(run.dir.path().join("trace")).expect("a trace")
}

/// The events of a run with `--json`.
pub fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

/// What an exploration with `--json` has found: the first line.
pub fn explored(run: &Run) -> Value {
    let line = run.stdout.lines().next().unwrap_or_else(|| panic!("{run:#?}"));
    serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))
}

/// A field that is a string; empty if there is none.
pub fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

/// `call`, `signal`, …
pub fn kind(event: &Value) -> &str {
    text(event, "event")
}
