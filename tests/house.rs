//! The house is what CONTRIBUTING says: who imports whom, and how much there is to read.

mod common;
use std::fs;

use common::{repo, sources};
use regex::Regex;

/// A room: its folder, and the packages that it may import.
const ROOMS: [(&str, &[&str]); 8] = [
    ("src/bin", &["lablib", "touch", "sysv", "duplex"]),
    ("crates/lab", &["screen", "sysv"]),
    ("src/lablib", &["screen", "sysv"]),
    ("crates/say", &["lablib", "screen"]),
    ("crates/touch", &["lablib", "sysv"]),
    ("crates/duplex", &["lablib", "sysv"]),
    ("crates/screen", &[]),
    ("crates/sysv", &[]),
];

#[test]
fn everybody_imports_what_lies_below() {
    let import = Regex::new(r"\b(lablib|touch|duplex|screen|sysv)::").expect("import");
    for (room, allowed) in ROOMS {
        for file in sources(room) {
            let text = fs::read_to_string(&file).expect("source");
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            for found in code.flat_map(|line| import.captures_iter(line)) {
                assert!(allowed.contains(&&found[1]), "{} imports {}", file.display(), &found[1]);
            }
        }
    }
    for file in sources("src/lablib/backstage") {
        let text = fs::read_to_string(&file).expect("source");
        assert!(!text.contains("crate::"), "{} knows a file in front", file.display());
    }
}

/// A folder or file of the tool, and what it may import of the others.
const TOOL: [(&str, &[&str]); 15] = [
    ("asked.rs", &[]),
    ("event.rs", &[]),
    ("tracer", &["asked", "tracer"]),
    ("syscalls", &["event", "tracer", "syscalls"]),
    ("memory", &["memory", "tracer"]),
    ("view", &["event", "view"]),
    ("trace", &["asked", "event", "memory", "tracer", "syscalls", "view", "trace"]),
    ("tree", &["view", "tree"]),
    ("explore", &["asked", "event", "memory", "tracer", "syscalls", "view", "tree", "explore"]),
    ("check", &["asked", "event", "explore", "tracer", "syscalls", "view", "check"]),
    ("grade", &["asked", "check", "grade", "page", "view"]),
    ("stage", &["asked", "event", "explore", "memory", "syscalls", "tracer", "view", "stage"]),
    ("page", &["event", "explore", "stage", "syscalls", "tree", "view", "page"]),
    ("exam", &["event", "explore", "stage", "syscalls", "tracer", "view", "exam"]),
    ("doctor.rs", &["asked", "check", "syscalls", "tracer", "view"]),
];

#[test]
fn the_tools_arrows_point_down() {
    let import = Regex::new(r"\bcrate::([a-z_]+)").expect("import");
    for (room, allowed) in TOOL {
        let path = format!("crates/lab/src/{room}");
        let file = repo().join(&path);
        let files = if file.is_file() { vec![file] } else { sources(&path) };
        assert!(!files.is_empty(), "{path}");
        for file in files {
            let text = fs::read_to_string(&file).expect("source");
            for found in import.captures_iter(&text) {
                assert!(allowed.contains(&&found[1]), "{} imports {}", file.display(), &found[1]);
            }
        }
    }
}

/// Tables and tests aside.
#[test]
fn no_file_is_too_long_to_be_read() {
    for room in ["src", "crates"] {
        for file in sources(room) {
            let text = fs::read_to_string(&file).expect("source");
            let code = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            assert!(code <= 500, "{} has {code} lines", file.display());
        }
    }
}

/// Lines, comments and all, of the files in a folder and not below it.
fn lines(folder: &str) -> usize {
    let here = repo().join(folder);
    let files = sources(folder).into_iter().filter(|file| file.parent() == Some(&here));
    files.map(|file| fs::read_to_string(file).expect("source").lines().count()).sum()
}

#[test]
fn a_student_reads_it_in_an_evening() {
    for (folder, most) in
        [("src/lablib", 1300), ("src/lablib/backstage", 600), ("crates/duplex/src", 1600)]
    {
        let there = lines(folder);
        assert!((1..=most).contains(&there), "{folder} has {there} lines; at most {most}");
    }
}
