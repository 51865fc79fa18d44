//! Rows and unknown calls, held together against the kernel's list for this architecture.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::process::Command;

use super::cells::{CallRow, Shown};
use super::*;

/// What `<asm/unistd.h>` says, as the C compiler that is here finds it; `None`: there is none.
fn kernels_list() -> Option<BTreeMap<i64, String>> {
    let cc = Command::new("cc")
        .args(["-E", "-dM", "-include", "asm/unistd.h", "-x", "c", "/dev/null"])
        .output();
    let cc = match cc {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        cc => cc.expect("cc"),
    };
    assert!(cc.status.success(), "{}", String::from_utf8_lossy(&cc.stderr));
    let text = String::from_utf8_lossy(&cc.stdout).into_owned();
    let number = |line: &str| {
        let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
        Some((number.parse().ok()?, name.to_string()))
    };
    Some(text.lines().filter_map(number).collect())
}

fn without_row() -> impl Iterator<Item = (i64, &'static str)> {
    unknown::NAMES.iter().chain(unknown::HARMLESS).chain(unknown::POINTING).copied()
}

#[test]
fn every_call_of_the_kernel_has_a_row_or_is_unknown_by_name() {
    let ours: BTreeMap<i64, &str> =
        rows().map(|row| (row.number, row.name)).chain(without_row()).collect();
    let count = FAMILIES.iter().map(|rows| rows.len()).sum::<usize>() + without_row().count();
    assert_eq!(ours.len(), count, "a number has two rows, or a row and a place among the unknown");
    let Some(kernels) = kernels_list() else {
        return eprintln!("not tested: the table of calls; it needs a C compiler");
    };
    assert!(kernels.len() > 200, "{kernels:?}");
    // Headers newer than this file, or older, have calls that it has not, or lack some.
    let newest = |list: Option<&i64>| list.copied().unwrap_or_default();
    let (our_newest, their_newest) = (newest(ours.keys().last()), newest(kernels.keys().last()));
    for (number, name) in kernels.range(..=our_newest) {
        assert_eq!(ours.get(number), Some(&name.as_str()), "call {number}");
        assert_eq!(super::name(*number), name.as_str());
    }
    for row in rows().filter(|row| row.number <= their_newest) {
        let known = kernels.get(&row.number).map(String::as_str);
        assert_eq!(known, Some(row.name), "no such call: {}", row.number);
    }
}

#[test]
fn unknown_calls_can_be_looked_up() {
    for list in [unknown::NAMES, unknown::HARMLESS, unknown::POINTING] {
        assert!(list.is_sorted_by_key(|(number, _)| *number));
    }
    assert_eq!(name(100_000), "syscall_0x186a0");
    assert_eq!(name(libc::SYS_shmat), "shmat");
    #[cfg(target_arch = "x86_64")]
    assert_eq!(name(libc::SYS_getpid), "getpid");
}

/// `notes/events.md` names every call that is shown.
#[test]
fn calls_that_are_told_are_documented() {
    let notes = include_str!("../../../../notes/events.md");
    let list = notes
        .split("\nCalls that the trace shows:")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next());
    let words: Vec<&str> = list
        .expect("a list of calls")
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .collect();
    for row in FAMILIES.into_iter().flatten() {
        let told = !matches!(row.shown, Shown::Never | Shown::File | Shown::FileAt);
        assert!(!told || words.contains(&row.name), "{} is not documented", row.name);
    }
}

/// What one cell says must not contradict another.
#[test]
fn the_cells_of_a_row_agree() {
    for row in rows() {
        let CallRow { name, .. } = row;
        assert!(row.limit.is_none() || row.waits(), "{name} has a limit, and does not wait");
        assert!(row.asleep.is_none() || row.waits(), "{name} says that it sleeps, and does not");
        let told = !matches!(row.shown, Shown::Never | Shown::File | Shown::FileAt);
        assert!(told || row.asleep.is_none(), "{name} is explained, and never shown");
        assert!(row.params.len() <= 6, "{name}");
        assert!(!row.sends_signal() || row.params.iter().any(|one| one.name == "sig"), "{name}");
    }
}
