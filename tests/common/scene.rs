//! Several programs at once, in one namespace: a shell script that starts them, waits for what they
//! print and not for a time, and notes how each of them ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use expectrl::process::unix::{PtyStream, UnixProcess};
use expectrl::{Expect, Session};

use super::{Run, Runner, bin, repo, run, scratch};

/// What every script may use.
const TOOLS: &str = r#"
# start NAME COMMAND...: in the background; its pid is in $NAME. With FROM set, that is its input.
# What a shell starts in the background ignores SIGINT and SIGQUIT; these do not.
start() {
    name=$1; shift
    : > $name.out
    env --default-signal=INT,QUIT "$@" 8>&- 9>&- < ${FROM:-/dev/null} > $name.out 2> $name.err &
    eval $name=$!
    FROM=
}
# ended NAME: waits for it; its exit code is then in NAME.code.
ended() { eval pid=\$$1; wait $pid; echo $? > $1.code; }
# stop NAME: SIGTERM for the lab itself, also where strace stands before it, until it has ended.
stop() {
    eval pid=\$$1
    while grep -q '^State:.[RSDTt]' /proc/$pid/status; do
        who=$(sed -n 's/^\(server\|client\) \([0-9]*\).*/\2/p' $1.out | head -1)
        [ -z "$who" ] || kill $who
        read -t 0.01 nothing <> pipe
    done 2> /dev/null
}
# prints NAME TEXT: waits until it has printed that. Without it, all is over.
prints() {
    turns=0
    until grep -q -e "$2" $1.out; do
        turns=$((turns + 1))
        [ $turns -gt 5000 ] && { echo "$1 never printed: $2" >&2; exit 99; }
        read -t 0.01 nothing <> pipe
    done
}
# is STATE PID: waits until the process is in that state.
is() {
    turns=0
    until grep -q "^State:.$1" /proc/$2/status; do
        turns=$((turns + 1))
        [ $turns -gt 5000 ] && { echo "$2 never was $1" >&2; exit 99; }
        read -t 0.01 nothing <> pipe
    done
}
# rows: how many more segments there are than at the start.
rows() { echo $(($(wc -l < /proc/sysvipc/shm) - first)); }
first=$(wc -l < /proc/sysvipc/shm)
# planted, made: the id of what plant, or a server of ours, has made; only that is ever removed.
planted() { sed -n 's/^planted in \([0-9]*\),.*/\1/p' plant.out; }
made() { sed -n 's/.* shmget(.*IPC_CREAT.* = \([0-9]*\)$/\1/p' server.out; }
unplant() { ipcrm -m $(planted); }
mkfifo pipe typed; touch key; key=$PWD/key
"#;

/// The scripts need bash's `read -t`.
pub fn scene(script: &str) -> Runner {
    let text = format!("{TOOLS}\n{script}")
        .replace("{lab_4_8}", &bin("lab_4_8").display().to_string())
        .replace("{lab_4_10}", &bin("lab_4_10").display().to_string())
        .replace("{lab_4_9}", &bin("lab_4_9").display().to_string())
        .replace("{lab}", &bin("lab_4_9").display().to_string())
        .replace("{sweep}", &bin("sweep").display().to_string())
        .replace("{c}", &c_programs().display().to_string());
    run(Path::new("bash")).args(&["-c", &text])
}

/// What one program of a scene did.
pub struct Did {
    pub code: i32,
    pub out: String,
    pub err: String,
}

pub fn did(run: &Run, name: &str) -> Did {
    let file = |end: &str| fs::read_to_string(run.dir.path().join(format!("{name}.{end}")));
    let code = file("code").unwrap_or_default();
    Did {
        code: code.trim().parse().unwrap_or_else(|_| panic!("{name} has not ended: {run:#?}")),
        out: file("out").unwrap_or_default(),
        err: file("err").unwrap_or_default(),
    }
}

/// The C programs of tests/c, compiled once.
pub fn c_programs() -> &'static Path {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let dir = scratch().keep();
        for name in ["server", "client", "plant", "naive", "forge"] {
            let source = repo().join(format!("tests/c/{name}.c"));
            let flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
            let cc = Command::new("cc").args(flags).arg(dir.join(name)).arg(source).output();
            let cc = cc.expect("cc");
            assert!(cc.status.success(), "{name}: {}", String::from_utf8_lossy(&cc.stderr));
        }
        dir
    });
    &DIR
}

/// What other tests start at the same time does not get our ends of terminals: such a terminal would not be
/// gone when we close it.
pub fn keep_terminals() {
    for fd in fs::read_dir("/proc/self/fd").expect("/proc").filter_map(Result::ok) {
        if fs::read_link(fd.path()).is_ok_and(|end| end.ends_with("ptmx")) {
            let number = fd.file_name().to_string_lossy().parse().expect("a number");
            // SAFETY: a flag of a descriptor, which may be closed by now: then nothing happens.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}

/// A shell with job control in a terminal of 80 columns, which does not echo what is typed.
pub fn shell() -> (Session<UnixProcess, PtyStream>, tempfile::TempDir) {
    let runner = run(Path::new("bash")).args(&["--norc", "-i"]).env("PS1", "ready> ");
    let (command, dir) = runner.command(true);
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.get_process_mut().set_window_size(80, 24).expect("80 columns");
    keep_terminals();
    terminal.set_expect_timeout(Some(Duration::from_secs(60)));
    terminal.expect("ready> ").expect("a prompt");
    (terminal, dir)
}
