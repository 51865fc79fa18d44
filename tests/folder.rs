//! Where the workbook keeps its ledger and its key files when XDG_RUNTIME_DIR is not set: in a folder of
//! /tmp that only this user may write in, whatever other users have made there.

mod common;
use std::fs;
use std::path::Path;

use common::{Run, apart, as_root, bin, lab, run};

/// Runs a script as root, with a /tmp of its own in which are lab 4.4 and sweep. `as UID COMMAND…` is that
/// user, without XDG_RUNTIME_DIR. What the script writes to /tmp is afterwards in `{dir}/tmp`.
fn in_a_fresh_tmp(script: &str) -> Option<Run> {
    if !as_root("folders of several users") {
        return None;
    }
    let (lab, sweep) = (lab("4.4"), bin("sweep"));
    let script = format!(
        "mkdir -m 1777 {{dir}}/tmp; cp {} {{dir}}/tmp/lab; cp {} {{dir}}/tmp/sweep; chmod 755 {{dir}}/tmp/*\n\
         unshare --mount sh -euc 'mount --bind {{dir}}/tmp /tmp; cd /; unset XDG_RUNTIME_DIR TMPDIR LD_PRELOAD\n\
         as() {{ user=$1; shift; setpriv --reuid=$user --regid=$user --clear-groups -- \"$@\"; }}\n\
         {script}'",
        lab.display(),
        sweep.display()
    );
    let run = run(Path::new("sh")).args(&["-c", &script]).privileged().go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    Some(run)
}

fn file(run: &Run, name: &str) -> String {
    fs::read_to_string(run.dir.path().join("tmp").join(name)).unwrap_or_default()
}

/// `root` in a user namespace is some student: the folder has the student's number, and root's is free.
#[test]
fn who_is_root_in_a_namespace_does_not_take_roots_folder() {
    if !apart("root of a user namespace, and its folder") {
        return;
    }
    let script = "for user in 1001 1002; do as $user unshare -Ur /tmp/lab > /tmp/$user; done\n\
                  stat -c \"%n %u %a\" /tmp/shm-workbook-* > /tmp/students\n\
                  as 1001 /tmp/lab > /tmp/same; /tmp/lab > /tmp/root\n\
                  stat -c \"%n %u %a\" /tmp/shm-workbook-* > /tmp/all";
    let Some(run) = in_a_fresh_tmp(script) else { return };
    let students = "/tmp/shm-workbook-1001 1001 700\n/tmp/shm-workbook-1002 1002 700\n";
    assert_eq!(file(&run, "students"), students);
    assert_eq!(file(&run, "all"), format!("/tmp/shm-workbook-0 0 700\n{students}"));
    for name in ["1001", "1002", "same", "root"] {
        assert!(file(&run, name).ends_with("left behind: none\n"), "{name}: {run:#?}");
    }
}

/// What another user has made under our name keeps nobody out, and nothing is written there.
#[test]
fn a_folder_that_is_not_ours_alone_is_not_used() {
    let hostile = [
        ("another user", "as 1001 mkdir -m 755 $F"),
        ("another user, open to all", "as 1001 mkdir -m 1777 $F; chmod 1777 $F"),
        (
            "a link to a folder of ours",
            "as 1002 mkdir -m 700 /tmp/victim; as 1001 ln -s /tmp/victim $F",
        ),
        ("a file", "as 1001 touch $F"),
        ("ours, and others may write in it", "as 1002 mkdir $F; chmod 777 $F"),
    ];
    for (what, make) in hostile {
        let script = format!(
            "F=/tmp/shm-workbook-1002; {make}\n\
             as 1002 /tmp/lab > /tmp/said; stat -c \"%u %a\" $F.1 > /tmp/used\n\
             ls -A $F/ /tmp/victim > /tmp/touched 2> /tmp/errors || true"
        );
        let Some(run) = in_a_fresh_tmp(&script) else { return };
        assert!(file(&run, "said").ends_with("left behind: none\n"), "{what}: {run:#?}");
        assert_eq!(file(&run, "used"), "1002 700\n", "{what}");
        assert!(!file(&run, "touched").contains("lab-4.4.key"), "{what}: {run:#?}");
    }
}

/// The folder that was made beside a hostile one stays ours when that one has gone.
#[test]
fn what_was_left_is_found_when_the_hostile_folder_has_gone() {
    let script = "as 1001 mkdir /tmp/shm-workbook-1002\n\
                  as 1002 strace -o /dev/null -e trace=shmctl -e inject=shmctl:signal=SIGKILL:when=2 \
                  /tmp/lab > /dev/null || true\n\
                  rmdir /tmp/shm-workbook-1002; grep -c shm /tmp/shm-workbook-1002.1/ledger > /tmp/before\n\
                  as 1002 /tmp/sweep --yes > /tmp/swept";
    let Some(run) = in_a_fresh_tmp(script) else { return };
    assert_eq!(file(&run, "before"), "1\n");
    assert!(file(&run, "swept").contains("left behind"), "{run:#?}");
}

#[test]
fn when_every_name_is_taken_one_line_says_so() {
    let script = "for n in \"\" .1 .2 .3 .4 .5 .6 .7 .8 .9; do as 1001 mkdir /tmp/shm-workbook-1002$n; done\n\
                  as 1002 /tmp/lab > /tmp/said 2> /tmp/errors || echo $? > /tmp/code";
    let Some(run) = in_a_fresh_tmp(script) else { return };
    let errors = file(&run, "errors");
    assert!(errors.lines().count() == 1 && errors.contains("set XDG_RUNTIME_DIR"), "{errors}");
    assert_eq!(file(&run, "code"), "1\n");
}
