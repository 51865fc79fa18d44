//! `lab stage` on a terminal: what stands on its screen, at several sizes, and that the terminal, the processes and
//! the kernel's tables are as they were, however it ends.
#![cfg(target_arch = "x86_64")]

mod common;

use std::fs;
use std::io::Write;
use std::num::NonZero;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{assert_same, bin, can_explore, have, left, repo, run, scrub};
use expectrl::process::unix::{PtyStream, UnixProcess, WaitStatus};
use expectrl::{Expect, Session};
use tempfile::TempDir;
use vt100::Parser;

/// A terminal in which a stage runs, behind a shell that says how the terminal is afterwards.
struct Stage {
    session: Session<UnixProcess, PtyStream>,
    screen: Parser,
    dir: TempDir,
}

impl Stage {
    /// `what`: a section, or `-- PROGRAM`.
    fn new(what: &str, columns: u16, rows: u16, env: &[(&str, &str)]) -> Stage {
        let workbook = repo().display().to_string();
        let lab = bin("lab").display().to_string();
        let script = "stty -echo; stty -g > \"$XDG_RUNTIME_DIR/modes-before\"; read line; \"$@\"; \
                      echo \"code $?\"; read line; stty -g > \"$XDG_RUNTIME_DIR/modes-after\"; \
                      echo \"the end\"";
        let words = ["-c", script, "sh", &lab, "stage", "--workbook", &workbook];
        let staged: Vec<&str> = what.split(' ').collect();
        let words = [&words[..], &staged].concat();
        let mut runner = run(Path::new("sh")).args(&words).env("TERM", "xterm-256color");
        // What cargo sets there makes the loader look into many folders.
        runner = runner.env("LD_LIBRARY_PATH", "");
        for (name, value) in env {
            runner = runner.env(name, value);
        }
        let (command, dir) = runner.command(true);
        let mut session = Session::spawn(command).expect("a terminal");
        session.get_process_mut().set_window_size(columns, rows).expect("a size");
        common::scene::keep_terminals();
        session.set_expect_timeout(Some(Duration::from_secs(60)));
        session.send_line("").expect("Enter");
        let [rows, columns] = [rows, columns].map(|n| NonZero::new(n).expect("a size"));
        Stage { session, screen: Parser::new(rows, columns, 0), dir }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    /// Reads until this stands on the screen.
    fn until(&mut self, wanted: &str) -> String {
        self.until_it(wanted, |text| text.contains(wanted))
    }

    fn until_it(&mut self, what: &str, is: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        let mut bytes = [0; 4096];
        while !is(&self.text()) {
            assert!(begin.elapsed() < Duration::from_secs(60), "no {what}: {}", self.text());
            match self.session.try_read(&mut bytes) {
                Ok(0) => panic!("it has ended without {what}: {}", self.text()),
                Ok(n) => self.screen.process(&bytes[..n]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::yield_now();
                }
                Err(error) => panic!("{error}, without {what}: {}", self.text()),
            }
        }
        self.text()
    }

    fn keys(&mut self, keys: &str) {
        self.session.write_all(keys.as_bytes()).and_then(|()| self.session.flush()).expect("keys");
    }

    /// Types a key, and waits for the step that it leads to.
    fn step(&mut self, key: &str, step: usize) -> String {
        self.keys(key);
        let wanted = format!("step {step} ");
        let shown = format!("step {step}\n");
        self.until_it(&wanted, |text| text.contains(&wanted) || text.contains(&shown))
    }

    /// The one that was started, and its child, which draws.
    fn pids(&self) -> [i32; 2] {
        let first = self.pid();
        [first, child(first).expect("the one that draws")]
    }

    /// The one that was started.
    fn pid(&self) -> i32 {
        // Between the shell and us may be what the test's environment puts there.
        let mut at = self.session.get_process().pid().as_raw();
        loop {
            let name = fs::read_to_string(format!("/proc/{at}/comm")).unwrap_or_default();
            if name.trim() == "lab" {
                return at;
            }
            at = child(at).expect("lab below the shell");
        }
    }

    /// It is over: the terminal is as it was, and nothing is left. Answers its exit code.
    fn ends(mut self) -> i32 {
        self.until("code ");
        let text = self.over();
        let code = text.lines().rev().find_map(|line| line.strip_prefix("code "));
        code.and_then(|code| code.trim().parse().ok()).expect("a code")
    }

    /// The terminal is as it was, and nothing is left. Answers what stands there.
    fn over(&mut self) -> String {
        self.keys("\n");
        let text = self.until("the end");
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
        let modes = |name: &str| fs::read_to_string(self.dir.path().join(name)).expect("modes");
        assert_same(
            &format!("the terminal: {text}"),
            &modes("modes-before"),
            &modes("modes-after"),
        );
        for name in ["modes-before", "modes-after"] {
            fs::remove_file(self.dir.path().join(name)).expect("removed");
        }
        match self.session.get_process().wait().expect("wait") {
            WaitStatus::Exited(_, 0) => {}
            other => panic!("{other:?}"),
        }
        assert!(left(&self.dir).is_empty(), "{:?}", left(&self.dir));
        text
    }
}

/// What stands there when the wake-up is lost, in 80 columns and 24 rows.
const LOST: &str = include_str!("golden/stage-4.8.txt");

#[test]
fn the_screen_is_what_it_was() {
    if !can_explore("the screen of the stage") {
        return;
    }
    let mut stage = Stage::new("4.8", 80, 24, &[]);
    stage.until("Who moves next?");
    for (key, step) in [("c", 6), ("2", 7), ("A", 8), ("c", 10), ("c", 12)] {
        stage.step(key, step);
    }
    let text = stage.until("It is over.");
    let path = repo().join("tests/golden/stage-4.8.txt");
    if std::env::var_os("GOLDEN").is_some() {
        fs::write(path, format!("{text}\n")).expect("golden");
    } else {
        assert_same("the screen", LOST.trim_end(), text.trim_end());
    }
    let formatted = stage.screen.screen().contents_formatted();
    assert!(formatted.contains("38;5;"), "no colours: {formatted:?}");
    stage.keys("q");
    assert_eq!(stage.ends(), 0);
}

#[test]
fn every_size_shows_what_matters() {
    if !can_explore("sizes of the stage") {
        return;
    }
    for (columns, rows) in [(80, 24), (120, 40), (60, 16)] {
        let mut stage = Stage::new("4.8", columns, rows, &[("NO_COLOR", "1")]);
        stage.until("Who moves next?");
        stage.step("c", 6);
        stage.step("2", 7);
        stage.step("A", 8);
        for wanted in [
            "4.8  A signal comes",
            "a 100: can move",
            "b 101: can move",
            "nattch",
            "q quit",
            "space 1   a  kill(101, SIGUSR1)",
            "2   b  pause()",
            "hello, child",
        ] {
            stage.until(wanted);
        }
        let formatted = stage.screen.screen().contents_formatted();
        assert!(!formatted.contains("38;5;"), "NO_COLOR: {formatted:?}");
        // It is drawn anew for another size.
        stage.session.get_process_mut().set_window_size(100, 30).expect("a size");
        let [rows, columns] = [30, 100].map(|n| NonZero::new(n).expect("a size"));
        stage.screen.screen_mut().set_size(rows, columns);
        stage.until_it("the last row", |text| {
            text.lines()
                .nth(29)
                .is_some_and(|row| row.contains("q quit") && row.contains("p predict"))
        });
        stage.keys("q");
        assert_eq!(stage.ends(), 0);
    }
    let mut stage = Stage::new("4.8", 30, 8, &[]);
    stage.until("too small");
    stage.keys("q");
    assert_eq!(stage.ends(), 0);
}

#[test]
fn every_key_does_what_the_list_says() {
    if !can_explore("keys of the stage") {
        return;
    }
    let mut stage = Stage::new("4.8", 80, 24, &[]);
    stage.until("Who moves next?");
    stage.keys("?");
    stage.until("run on, until other processes can move than now");
    stage.step(" ", 1);
    stage.step("c", 6);
    stage.step("1", 7);
    stage.step("b", 6);
    stage.step("B", 7);
    stage.step("g2\r", 2);
    stage.step("g9x", 2);
    stage.step("g99\x7f\x7f6\r", 6);
    stage.keys("t");
    stage.until("No time can pass here");
    stage.keys("o");
    stage.until("Of 5 orders from here, 3 go wrong: 3 deadlock");
    stage.keys("o");
    stage.keys("p");
    stage.until("How many are for \"nobody\"?");
    stage.keys("1\r2\r3\r4\r5\r");
    stage.until("5. something else  (5)");
    stage.keys("1");
    stage.until("The answer: nobody. 1 of 15 said so.");
    stage.step("r", 0);
    stage.keys("\x03");
    assert_eq!(stage.ends(), 0);
}

/// At so many keys it is killed; with SOAK, at each.
#[test]
fn however_it_ends_nothing_is_left() {
    if !can_explore("a stage that is killed") {
        return;
    }
    let keys = ["", "c", "2", "A", "c", "c", "b", "o", "p", "1\r", "g", "3\r"];
    let soak = std::env::var_os("SOAK").is_some();
    for n in (0..keys.len()).filter(|n| soak || n % 3 == 0) {
        for (one, signal) in [(1, libc::SIGKILL), (0, libc::SIGTERM)] {
            let mut stage = Stage::new("4.8", 80, 24, &[]);
            stage.until("Who moves next?");
            keys[..=n].iter().for_each(|key| stage.keys(key));
            let pid = stage.pids()[one];
            // SAFETY: a process that this test has started, and that has not ended.
            unsafe { libc::kill(pid, signal) };
            assert_eq!(stage.ends(), 128 + signal, "{n}, {signal}");
        }
    }
}

/// The one that waits is killed: the other notices it, and gives the terminal back.
#[test]
fn killed_is_the_one_that_waits() {
    if !can_explore("a stage whose second process is killed") {
        return;
    }
    for (keys, shown) in [("", "Who moves next?"), ("c2A", "step 8"), ("p1\r", "for \"a\"")] {
        let mut stage = Stage::new("4.8", 80, 24, &[]);
        stage.until("Who moves next?");
        stage.keys(keys);
        stage.until(shown);
        let [waits, draws] = stage.pids();
        let draws = pidfd(draws);
        // SAFETY: a process that this test has started, and that has not ended.
        unsafe { libc::kill(waits, libc::SIGKILL) };
        assert!(ends_soon(draws), "{keys:?}: it goes on");
        // The shell has said its code while the other still had the screen.
        stage.over();
    }
}

/// A defect of the stage itself.
#[test]
fn a_panic_leaves_nothing() {
    if !can_explore("a stage that panics") {
        return;
    }
    for keys in ["", "c2A", "op1\r"] {
        let mut stage = Stage::new("4.8", 80, 24, &[("LAB_STAGE_PANICS", "1")]);
        stage.until("Who moves next?");
        stage.keys(keys);
        stage.keys("!");
        assert_eq!(stage.ends(), 101, "{keys:?}");
    }
}

/// Threads have lanes of their own in 80 columns, and a sentence of the note.
#[test]
fn four_lanes_stand_side_by_side() {
    if !can_explore("four lanes") {
        return;
    }
    let mut stage = Stage::new("4.10", 80, 24, &[]);
    stage.until("Who moves next?");
    stage.keys("g11\rBcDc");
    let text = stage.until("prints: received");
    let lanes = text.lines().filter(|line| line.matches('│').count() == 4).count();
    assert!(lanes >= 5, "{text}");
    stage.keys("A");
    stage.until("store the data, then the flag");
    stage.keys("q");
    assert_eq!(stage.ends(), 0);
}

/// The picture of the README: `make images` writes it, of a real run.
#[test]
fn the_picture_is_what_the_screen_shows() {
    if !can_explore("the picture of the stage") {
        return;
    }
    let mut stage = Stage::new("4.8", 80, 24, &[]);
    stage.until("Who moves next?");
    for (key, step) in [("c", 6), ("2", 7), ("A", 8)] {
        stage.step(key, step);
    }
    stage.keys("o");
    stage.until("orders from here, ");
    stage.until_it("all orders", |text| !text.contains("so far"));
    let svg = common::picture::of(
        stage.screen.screen(),
        "lab stage: the message is written, and the child does not sleep yet",
    );
    stage.keys("q");
    assert_eq!(stage.ends(), 0);
    let path = repo().join("images/stage.svg");
    if std::env::var_os("IMAGES").is_some() {
        fs::write(&path, &svg).expect("the picture");
    }
    // Where the kernel attaches a segment differs from machine to machine.
    let there = scrub(&fs::read_to_string(&path).unwrap_or_default());
    assert_same("images/stage.svg; `make images` writes it", &there, &scrub(&svg));
}

/// A Chinese letter is two columns wide: no lane moves.
#[test]
fn chinese_text_keeps_the_lanes() {
    if !can_explore("Chinese text in lanes") {
        return;
    }
    let program = common::compiled("c/chinese.c", &[]).display().to_string();
    let mut stage = Stage::new(&format!("-- {program}"), 80, 24, &[]);
    stage.until("Who moves next?");
    stage.keys("g99\r");
    stage.until("It is over.");
    let screen = stage.screen.screen();
    let text = screen.contents();
    assert!(text.contains("共享内存"), "{text}");
    let column = |row: u16| -> Vec<u16> {
        (0..80)
            .filter(|at| screen.cell(row, *at).is_some_and(|cell| cell.contents() == "│"))
            .collect()
    };
    let rows: Vec<Vec<u16>> = (0..24).map(column).filter(|row| row.len() > 1).collect();
    assert!(rows.len() >= 3 && rows.iter().all(|row| *row == rows[0]), "{rows:?}\n{text}");
    let chinese = (0..24).filter(|row| {
        (0..80).any(|at| screen.cell(*row, at).is_some_and(|cell| cell.contents() == "共"))
    });
    assert!(chinese.clone().any(|row| column(row).len() > 1), "{text}");
    stage.keys("q");
    assert_eq!(stage.ends(), 0);
}

/// A terminal that does not know 256 colours gets none; one over ssh has the TERM of the other end.
#[test]
fn old_terminals_get_no_colours() {
    if !can_explore("terminals") {
        return;
    }
    for (term, colours) in [("vt100", false), ("ansi", false), ("xterm", true), ("screen", true)] {
        let mut stage = Stage::new("4.8", 80, 24, &[("TERM", term), ("SSH_TTY", "/dev/pts/9")]);
        stage.until("Who moves next?");
        stage.step("c", 6);
        let formatted = stage.screen.screen().contents_formatted();
        assert_eq!(formatted.contains("38;5;"), colours, "{term}: {formatted:?}");
        stage.keys("q");
        assert_eq!(stage.ends(), 0);
    }
}

fn child(parent: i32) -> Option<i32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    fs::read_to_string(path).ok()?.split_whitespace().next()?.parse().ok()
}

fn pidfd(pid: i32) -> libc::pollfd {
    // SAFETY: a number; a process of this test that has not ended.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    libc::pollfd { fd: fd as i32, events: libc::POLLIN, revents: 0 }
}

/// Waits for the end of a process, a minute at most.
fn ends_soon(mut end: libc::pollfd) -> bool {
    // SAFETY: poll writes one pollfd; what is closed is ours.
    let ready = unsafe { libc::poll(&mut end, 1, 60_000) };
    // SAFETY: as above.
    unsafe { libc::close(end.fd) };
    ready == 1 && end.revents & libc::POLLIN != 0
}

/// A window that is closed: a read of such a terminal ends at once with nothing, again and again.
#[test]
fn a_terminal_that_is_gone_ends_it() {
    if !can_explore("a stage whose terminal is gone") {
        return;
    }
    let mut stage = Stage::new("4.8", 80, 24, &[]);
    stage.until("Who moves next?");
    let ends = stage.pids().map(pidfd);
    let Stage { session, dir, .. } = stage;
    drop(session);
    for end in ends {
        assert!(ends_soon(end), "it goes on without a terminal");
    }
    fs::remove_file(dir.path().join("modes-before")).expect("removed");
    assert!(left(&dir).is_empty(), "{:?}", left(&dir));
}

/// Keys, one of which comes as often as another: each leads somewhere.
const KEYS: [&str; 12] = ["c", "2", "A", "B", " ", "b", "o", "p1\r", "g3\r", "r", "?", "\x0c"];

/// A window that is closed at many moments: with SOAK, at more.
#[test]
fn a_terminal_that_goes_at_any_moment_ends_it() {
    if !can_explore("a stage whose terminal goes at any moment") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    for n in 0..if soak { 200 } else { 6 } {
        let mut stage = Stage::new("4.8", 80, 24, &[]);
        stage.until("Who moves next?");
        let pids = stage.pids();
        let ends = pids.map(pidfd);
        let keys: String = (0..n % 8).map(|i| KEYS[(n * 7 + i * 5) % KEYS.len()]).collect();
        stage.keys(&keys);
        if n % 3 == 0 {
            // The one that waits goes first, without a word.
            // SAFETY: a process that this test has started, and that has not ended.
            unsafe { libc::kill(pids[0], libc::SIGKILL) };
        }
        let Stage { session, dir, .. } = stage;
        drop(session);
        for end in ends {
            assert!(ends_soon(end), "{n}, {keys:?}: it goes on without a terminal");
        }
        fs::remove_file(dir.path().join("modes-before")).expect("removed");
        // The shell writes this if it outlives its terminal.
        let _ = fs::remove_file(dir.path().join("modes-after"));
        assert!(left(&dir).is_empty(), "{n}, {keys:?}: {:?}", left(&dir));
    }
}

/// The terminal goes between a poll, which has called it ready, and the read: then the read answers nothing, or EIO,
/// for ever. `strace` answers it like that.
#[test]
fn a_read_of_nothing_is_the_end() {
    if !can_explore("reads of the stage") || !have("strace", "a read of the stage that ends") {
        return;
    }
    for answer in ["retval=0", "error=EIO"] {
        let mut stage = Stage::new("4.8", 80, 24, &[]);
        stage.until("Who moves next?");
        let pid = stage.pids()[1];
        let terminal = fs::read_link(format!("/proc/{pid}/fd/0")).expect("a terminal");
        let mut strace = std::process::Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-e", "trace=read", "-P"]).arg(terminal);
        strace.args(["-e", &format!("inject=read:{answer}"), "-p", &pid.to_string()]);
        let mut strace = strace.spawn().expect("strace");
        until(|| !status(pid).contains("\nTracerPid:\t0\n"));
        stage.keys("2");
        assert_eq!(stage.ends(), 0, "{answer}");
        strace.wait().expect("strace ends with it");
    }
}

fn status(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// Waits until it is so, a minute at most.
fn until(mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not come to that");
        std::thread::yield_now();
    }
}

/// It stands in a write to the terminal.
fn until_it_writes(pid: i32) {
    let path = format!("/proc/{pid}/syscall");
    until(|| fs::read_to_string(&path).is_ok_and(|call| call.starts_with("1 0x1 ")));
}

/// A terminal that takes nothing: its output is stopped, or nobody reads it.
#[test]
fn a_terminal_that_takes_nothing_is_left() {
    if !can_explore("a stage whose terminal is stopped") {
        return;
    }
    for (one, signal) in [(0, libc::SIGTERM), (1, libc::SIGHUP), (1, libc::SIGKILL)] {
        let mut stage = Stage::new("4.8", 80, 24, &[]);
        stage.until("Who moves next?");
        let pids = stage.pids();
        let terminal = fs::read_link(format!("/proc/{}/fd/0", pids[1])).expect("a terminal");
        let terminal = fs::File::open(terminal).expect("the terminal");
        // SAFETY: numbers; the file is open.
        unsafe { libc::tcflow(terminal.as_raw_fd(), libc::TCOOFF) };
        stage.keys("c2");
        until_it_writes(pids[1]);
        // SAFETY: a process that this test has started, and that has not ended.
        unsafe { libc::kill(pids[one], signal) };
        assert_eq!(stage.ends(), 128 + signal, "{signal}");
    }
    let mut stage = Stage::new("4.8", 80, 24, &[]);
    stage.until("Who moves next?");
    let pids = stage.pids();
    let ends = pids.map(pidfd);
    // A screen has some thousand bytes; the kernel keeps some of them.
    stage.keys(&"\x0c".repeat(500));
    until_it_writes(pids[1]);
    // SAFETY: a process that this test has started, and that has not ended.
    unsafe { libc::kill(pids[0], libc::SIGTERM) };
    for end in ends {
        assert!(ends_soon(end), "it waits for who does not read");
    }
    let code = format!("code {}", 128 + libc::SIGTERM);
    stage.until(&code);
}

/// Line by line, the terminal keeps its own rules: Ctrl-S stops it.
#[test]
fn line_by_line_a_signal_ends_it() {
    if !can_explore("a stage line by line that is stopped") {
        return;
    }
    for stops in [false, true] {
        let mut stage = Stage::new("4.8 --plain", 80, 24, &[]);
        stage.until("Who moves next?");
        let pid = stage.pid();
        if stops {
            stage.keys("\x13c\n");
            until_it_writes(pid);
        }
        let end = pidfd(pid);
        // SAFETY: a process that this test has started, and that has not ended.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        assert!(ends_soon(end), "stopped {stops}: it waits");
        if stops {
            stage.keys("\x11");
        }
        assert_eq!(stage.ends(), 128 + libc::SIGTERM, "stopped {stops}");
    }
}
