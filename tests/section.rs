//! Adding a section takes what CONTRIBUTING's table names and nothing else: on a copy of the workbook, a
//! section that nobody has heard of is added, and every test that looks at all sections passes for it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::repo;

const LAB: &str = r#"//! 4.11  Made up
//!
//! Note:    notes/4.11-made-up.md
//! Run:     make lab-4.11
//! Compare: strace -f -e trace=shmget,shmat,shmdt,shmctl target/debug/lab_4_11
//!
//! A section that a test makes up.

use std::process::ExitCode;

use lablib::child::child;
use lablib::print::{claim, note, step};
use lablib::shm::NULL;
use lablib::{Experiment, Result, compare, shm};
use libc::IPC_PRIVATE;

const EXPERIMENTS: &[Experiment] = &[Experiment {
    name: "made-up",
    rows: "Z1",
    question: "Does anything but the table have to know of this?",
    run: made_up,
}];

fn main() -> ExitCode {
    lablib::lab("4.11  Made up", story, EXPERIMENTS)
}

fn story() -> Result<()> {
    step(1, "Make a segment")?;
    let id = shm::get(IPC_PRIVATE, 4096, 0o600)?;
    compare::segment(id)?;
    step(2, "A process of a new name reads it")?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr, b"made up")?;
    let gnome = child("gnome", || claim(shm::read(addr, 7)? == b"made up", "it is there"))?;
    note(&format!("gnome {} is a process of ours", gnome.pid));
    gnome.finish()?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn made_up() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    claim(shm::ctl_stat(id)?.shm_segsz == 1, "no")?;
    shm::ctl_rmid(id)
}
"#;

const NOTE: &str = r#"# 4.11 Made up

## 1  Make a segment

## 2  A process of a new name reads it

```c
#include <stdio.h>
#include <sys/shm.h>

int main(void)
{
    int id = shmget(IPC_PRIVATE, 4096, 0600);
    if (id == -1)
        perror("shmget");
    else if (shmctl(id, IPC_RMID, NULL) == -1)
        perror("IPC_RMID");
    else
        return 0;
    return 1;
}
```
"#;

const WORKSHEET: &str = r"# Worksheet 4.11

## Predict

1. What does B read?

## Compare

| type | and find |
|---|---|
| `ipcs -m` | the segment |

## Change

1. No change. *The same.*

## Explain

1. Why? The answers are in [answers.md](answers.md).
";

const ANSWERS: &str = r"# Answers to worksheet 4.11

## Predict

**1.** What A wrote.

```console
$ make lab-4.11 | grep -e ^left
left behind: none
```

## Compare

**1.** A row.

## Change

**1.** The same.

```console
$ make lab-4.11 | grep -e ^left
left behind: none
```

## Explain

**1.** Because it is shared.
";

/// What the table names, where it is for this section, and what is put there or added to it.
const TABLE: [(&str, &str, &str); 7] = [
    ("`src/bin/lab_4_x.rs`", "src/bin/lab_4_11.rs", LAB),
    ("`notes/4.x-….md`", "notes/4.11-made-up.md", NOTE),
    ("`labs/4.x/worksheet.md`", "labs/4.11/worksheet.md", WORKSHEET),
    ("`labs/4.x/answers.md`", "labs/4.11/answers.md", ANSWERS),
    ("`Makefile`", "Makefile", "\n# |   make lab-4.11    made up\n"),
    ("`README.md`", "README.md", "\nAnd 4.11: `make lab-4.11`.\n"),
    (
        "`notes/behaviours.md`",
        "notes/behaviours.md",
        "\n| Z1 | made up | 4.11 `made-up` | ✓ it is there |\n",
    ),
];

/// Where the programs are that were built for this test, and are built for the copy.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lab_4_4")).parent().expect("target/debug")
}

/// Runs a command for a copy of the workbook, and answers what it printed.
fn works(command: &mut Command, copy: &Path) -> String {
    for name in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "STEP", "ARGS"] {
        command.env_remove(name);
    }
    command.env("CARGO_TARGET_DIR", programs().parent().expect("target"));
    let ran = command.env("WORKBOOK", copy).env("SECTION", "4.11").output().expect("make, cargo");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{command:?}\n{out}\n{err}");
    out.into_owned()
}

/// Takes away what the section left in the target folder.
struct Gone;

impl Drop for Gone {
    fn drop(&mut self) {
        for name in ["lab_4_11", "lab_4_11.d"] {
            let _ = fs::remove_file(programs().join(name));
        }
    }
}

#[test]
fn a_new_section_takes_what_the_table_names() {
    let copy = tempfile::Builder::new().prefix("shm-workbook-copy-").tempdir().expect("a folder");
    let copy = copy.path();
    for entry in fs::read_dir(repo()).expect("the workbook").filter_map(Result::ok) {
        if ["target", ".git"].iter().all(|name| entry.file_name() != *name) {
            // With their times: then what is built for the workbook is there for the copy, too.
            works(Command::new("cp").arg("-a").arg(entry.path()).arg(copy), copy);
        }
    }
    let table = fs::read_to_string(repo().join("CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    for (named, path, text) in TABLE {
        assert!(table.contains(named), "{named} is not in the table");
        let path = copy.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(&path, before + text).expect("a file");
    }
    let _gone = Gone;
    let place = format!("BIN={}", programs().display());
    let make = |words: &[&str]| {
        let words = [&["--no-print-directory", &place], words].concat();
        works(Command::new("make").args(words).current_dir(copy), copy)
    };
    assert!(make(&["lab-4.11"]).contains("✓ it is there"));
    assert!(make(&["lab-4.11", "ARGS=--list"]).starts_with("  made-up"));
    assert!(make(&[]).contains("make lab-4.11"));
    // The tests are those that are built, and look at the copy.
    let test = |words: &[&str], golden: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--quiet"]).args(words).current_dir(env!("CARGO_MANIFEST_DIR"));
        if !golden.is_empty() {
            cargo.env("GOLDEN", golden);
        }
        works(&mut cargo, copy)
    };
    test(&["--test", "golden"], "write");
    let golden = fs::read_to_string(copy.join("labs/4.11/expected.txt")).expect("expected.txt");
    assert!(golden.contains("gnome PID is a process of ours"), "{golden}");
    let all = ["agreement", "answers", "faults", "golden", "ipcs", "listings", "walkthrough"];
    let all: Vec<&str> = all.iter().flat_map(|name| ["--test", name]).collect();
    test(&all, "");
    test(&["--test", "terminal", "nothing_is_wider_than_the_terminal"], "");
    test(&["--test", "terminal", "a_terminal_that_is_closed_ends_every_lab"], "");
    test(&["--test", "trace", "labs_run_under_trace"], "");
}
