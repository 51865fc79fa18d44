//! make sweep removes what the workbook left, and nothing else.

mod common;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Run, bin, have, lab, run, run_lab, scratch};

/// A segment of somebody else's, then `before`, then sweep with `answer`, then what there is.
fn swept(before: &str, options: &str, answer: &str) -> Run {
    let script = format!(
        "foreign=$(ipcmk -M 10 | tr -dc 0-9)\n{before}\n\
         echo {answer} | {} {options} > {{dir}}/said\n\
         ipcs -m | awk '$2 ~ /^[0-9]+$/' > {{dir}}/left\n\
         ipcrm -m $foreign; {} --yes > {{dir}}/last",
        bin("sweep").display(),
        bin("sweep").display()
    );
    run(Path::new("sh")).args(&["-c", &script]).go()
}

fn file(run: &Run, name: &str) -> String {
    fs::read_to_string(run.dir.path().join(name)).unwrap_or_default()
}

/// A lab that is killed at its first attach, and leaves one segment.
fn killed_lab() -> String {
    let lab = lab("4.7").display().to_string();
    format!("strace -o /dev/null -e trace=shmat -e inject=shmat:signal=SIGKILL {lab} > /dev/null")
}

#[test]
fn a_leftover_goes_and_a_foreign_segment_stays() {
    if !have("strace", "make sweep") || !have("ipcmk", "make sweep") {
        return;
    }
    let run = swept(&killed_lab(), "", "y");
    assert!(file(&run, "said").contains("left behind"), "{run:#?}");
    let left = file(&run, "left");
    assert!(left.lines().count() == 1 && left.contains(" 10 "), "only the foreign one: {left}");
    assert_eq!(file(&run, "shm-workbook/ledger"), "", "the ledger is empty again");
}

#[test]
fn without_a_yes_nothing_goes() {
    if have("strace", "make sweep") && have("ipcmk", "make sweep") {
        for (answer, left) in [("n", 2), ("''", 2), ("maybe", 2)] {
            let run = swept(&killed_lab(), "", answer);
            assert_eq!(file(&run, "left").lines().count(), left, "{run:#?}");
        }
        let run = swept(&killed_lab(), "--yes", "n");
        assert_eq!(file(&run, "left").lines().count(), 1, "{run:#?}");
    }
}

#[test]
fn what_is_attached_or_has_changed_stays() {
    if !have("strace", "make sweep") || !have("ipcmk", "make sweep") {
        return;
    }
    // The ledger's line no longer fits what has the id: another size, another maker.
    let changed =
        format!("{}; ipcrm -m 1; sed -i 's/ 1 / 0 /' {{dir}}/shm-workbook/ledger", killed_lab());
    let run = swept(&changed, "--yes", "y");
    assert!(file(&run, "left").contains(" 10 "), "{run:#?}");
    assert!(file(&run, "said").contains("nothing of the workbook's is left"), "{run:#?}");
    // The lab is gone, and another program has what it left attached.
    let source = "#include <sys/shm.h>\n#include <stdio.h>\n#include <unistd.h>\n\
                  int main(void) { if (shmat(1, 0, 0) == (void *)-1) return 1; puts(\"attached\"); \
                  fflush(stdout); alarm(60); pause(); }\n";
    let dir = scratch();
    fs::write(dir.path().join("holder.c"), source).expect("holder.c");
    let holder = dir.path().join("holder").display().to_string();
    let cc = Command::new("cc").args(["-o", &holder, &format!("{holder}.c")]).status();
    assert!(cc.expect("cc").success());
    let attached = format!(
        "{}\nmkfifo {{dir}}/fifo; {holder} > {{dir}}/fifo 2> /dev/null &\n\
         read line < {{dir}}/fifo; trap \"kill $!\" EXIT",
        killed_lab()
    );
    let run = swept(&attached, "--yes", "y");
    assert!(file(&run, "said").contains("stays: attached 1 times"), "{run:#?}");
    assert_eq!(file(&run, "left").lines().count(), 2, "{run:#?}");
}

/// A lab that was killed while it made a segment has an entry without an id. A pid is used again: a segment
/// that was made long after is another program's, though all the rest agrees.
#[test]
fn an_entry_without_an_id_is_not_for_ever() {
    if !have("ipcmk", "make sweep") {
        return;
    }
    for (age, left) in [(1, 0), (60, 1)] {
        let script = format!(
            "mkdir -m 700 shm-workbook; ipcmk -M 10 > made; ns=$(stat -Lc %i /proc/self/ns/ipc)\n\
             awk -v ns=$ns 'FNR > 1 {{ print \"shm\", -1, $1, $5, $14 - {age}, $4, ns, $5 }}' \
             /proc/sysvipc/shm > shm-workbook/ledger\n\
             {sweep} --yes > said; tail -qn +2 /proc/sysvipc/shm > left; ipcrm --all=shm",
            sweep = bin("sweep").display()
        );
        let run = run(Path::new("sh")).args(&["-c", &script]).go();
        assert_eq!(file(&run, "left").lines().count(), left, "{age}: {run:#?}");
    }
}

/// `kill -9` at a call of the story that has just made something: what was left is in the way of
/// nobody, the next run takes away what has its key.
#[test]
fn a_lab_whose_last_run_was_killed_starts_all_the_same() {
    if !have("strace", "that a lab starts after its last run was killed") {
        return;
    }
    let killed = [
        ("4.1", "msgsnd"),
        ("4.4", "shmctl"),
        ("4.5", "shmat"),
        ("4.6", "shmat"),
        ("4.7", "shmat"),
    ];
    for (section, killed_at) in killed {
        let script = format!(
            "strace -f -o /dev/null -e trace={killed_at} -e inject={killed_at}:signal=SIGKILL \
             \"$@\" > {{dir}}/first; tail -qn +2 /proc/sysvipc/* > {{dir}}/left; \"$@\""
        );
        let run = run_lab(section).under(&["sh", "-c", &script, "sh"]).go();
        let inherited =
            run.stdout.contains(" was left by ") && file(&run, "left").lines().count() == 1;
        assert!(run.code == 0 && inherited && run.left.is_empty(), "{section}: {run:#?}");
    }
}

/// An entry without an id is of a lab that was killed while it made the object. Key, size and pid of a
/// stranger's can agree with it; the time does not, but for a moment.
#[test]
fn an_entry_without_an_id_is_no_claim_on_what_was_made_later() {
    if !have("ipcmk", "make sweep") {
        return;
    }
    for (age, stays) in [(60, true), (5, true), (1, false)] {
        let script = format!(
            "mkdir -m 700 -p {{dir}}/shm-workbook; ipcmk -M 10 > /dev/null\n\
             awk -v ns=$(stat -Lc %i /proc/self/ns/ipc) 'FNR == 2 {{ print \"shm\", -1, $1, $5, $14 - {age}, 10, ns, $5 }}' \
             /proc/sysvipc/shm > {{dir}}/shm-workbook/ledger; cp {{dir}}/shm-workbook/ledger {{dir}}/entry\n\
             {} --yes > {{dir}}/said; ipcs -m | awk '$2 ~ /^[0-9]+$/' > {{dir}}/left; ipcrm -a shm",
            bin("sweep").display()
        );
        let run = run(Path::new("sh")).args(&["-c", &script]).go();
        assert!(file(&run, "entry").starts_with("shm -1 "), "{run:#?}");
        assert_eq!(file(&run, "left").contains(" 10 "), stays, "{age} seconds: {run:#?}");
    }
}
