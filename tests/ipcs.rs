//! Compare points: a lab says that the real `ipcs` agrees only when it does.

mod common;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use common::{Run, have, run_lab, scratch, sections};

const AGREES: &str = "✓ all fields are equal, and those of ipcs -m -i";

/// Sections that make a segment.
fn of_segments() -> Vec<String> {
    let with = |section: &String| run_lab(section).go().clean().stdout.contains("shmget(");
    sections().into_iter().filter(with).collect()
}

/// Runs a story with an `ipcs` of our making before the real one.
fn with_ipcs(section: &str, script: &str) -> Run {
    let dir = scratch();
    let ipcs = dir.path().join("ipcs");
    fs::write(&ipcs, script).expect("ipcs");
    fs::set_permissions(&ipcs, Permissions::from_mode(0o755)).expect("chmod");
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").expect("PATH"));
    run_lab(section).env("PATH", &path).go()
}

#[test]
fn every_lab_compares_its_segment() {
    if have("ipcs", "that labs and ipcs agree") {
        for section in of_segments() {
            let run = run_lab(&section).go().clean();
            assert!(run.stdout.contains(AGREES), "{section}: {}", run.stdout);
        }
    }
}

#[test]
fn a_field_that_differs_is_named() {
    if !have("ipcs", "that labs notice where ipcs differs") {
        return;
    }
    let column = |n: usize| format!("-m) $real -m | awk '$2 ~ /^[0-9]+$/ {{ ${n} = 7 }} 1';;");
    let detail = |name: &str| format!("-i) $real \"$@\" | sed 's/{name}=[^\\t]*/{name}=7/';;");
    let columns =
        [(1, "key"), (3, "owner"), (4, "perms"), (5, "bytes"), (6, "nattch"), (7, "status")];
    let details = [
        "mode",
        "uid",
        "gid",
        "cuid",
        "cgid",
        "lpid",
        "cpid",
        "att_time",
        "det_time",
        "change_time",
    ];
    let lies = columns.iter().map(|(n, name)| (column(*n), *name));
    for (lie, name) in lies.chain(details.iter().map(|name| (detail(name), *name))) {
        let script = "#!/bin/sh\nreal=$(PATH=${PATH#*:} command -v ipcs)\n\
                      case ${2:-$1} in LIE\n*) exec $real \"$@\";; esac\n";
        let run = with_ipcs("4.4", &script.replace("LIE", &lie));
        let says = format!("{name} is 7 for ipcs -m");
        assert!(
            run.code == 1 && run.stderr.contains(&says) && run.left.is_empty(),
            "{name}: {run:#?}"
        );
    }
}

#[test]
fn without_ipcs_the_kernel_table_is_read() {
    let run = with_ipcs("4.4", "#!/bin/sh\nexit 127\n").clean();
    assert!(run.stdout.contains("this machine has no ipcs; /proc/sysvipc/shm"), "{}", run.stdout);
}

/// 4.1 compares its queue, by the columns of `ipcs -q` and the details of `ipcs -q -i`.
#[test]
fn a_field_of_a_queue_that_differs_is_named() {
    if !have("ipcs", "that 4.1 notices where ipcs differs") {
        return;
    }
    let column = |n: usize| format!("1) $real -q | awk '$2 ~ /^[0-9]+$/ {{ ${n} = 7 }} 1';;");
    let detail = |name: &str| format!("3) $real \"$@\" | sed 's/{name}=[^\\t]*/{name}=7/';;");
    let columns =
        [(1, "key"), (3, "owner"), (4, "perms"), (5, "used-bytes"), (6, "messages")].into_iter();
    let details = "mode uid gid cuid cgid cbytes qbytes qnum lspid lrpid send_time rcv_time \
                   change_time";
    let lies = columns.map(|(n, name)| (column(n), name));
    for (lie, name) in lies.chain(details.split(' ').map(|name| (detail(name), name))) {
        let script = "#!/bin/sh\nreal=$(PATH=${PATH#*:} command -v ipcs)\n\
                      case $# in LIE\n*) exec $real \"$@\";; esac\n";
        let run = with_ipcs("4.1", &script.replace("LIE", &lie));
        let says = format!("{name} is 7 for ipcs -q");
        assert!(
            run.code == 1 && run.stderr.contains(&says) && run.left.is_empty(),
            "{name}: {run:#?}"
        );
    }
}

#[test]
fn a_queue_that_ipcs_shows_after_its_removal_is_noticed() {
    if !have("ipcs", "that 4.1 notices a row that should not be there") {
        return;
    }
    // Once it has shown a row, it goes on showing it.
    let script = "#!/bin/sh\nreal=$(PATH=${PATH#*:} command -v ipcs)\n[ $# = 1 ] || exec $real \"$@\"\n\
                  cd $XDG_RUNTIME_DIR; $real -q > now; grep -q '^0x' now && cp now last\n\
                  cat last 2> /dev/null || cat now\n";
    let run = with_ipcs("4.1", script);
    let says = "not so: ipcs -q: no row has this key";
    assert!(run.code == 1 && run.stderr.contains(says) && run.left.is_empty(), "{run:#?}");
}

#[test]
fn without_ipcs_the_queues_of_the_kernel_are_read() {
    let run = with_ipcs("4.1", "#!/bin/sh\nexit 127\n").clean();
    assert!(run.stdout.contains("this machine has no ipcs; /proc/sysvipc/msg"), "{}", run.stdout);
}
