//! In a real terminal, 80 columns wide: nothing is wider, colours only where they are wanted, STEP
//! waits at the terminal, and Ctrl-C ends a wait.

mod common;
use std::io::Read;
use std::time::Duration;

use common::{left, run_lab, sections};
use expectrl::process::unix::{PtyStream, UnixProcess, WaitStatus};
use expectrl::{ControlCode, Expect, Session};
use regex::Regex;
use tempfile::TempDir;

type Terminal = Session<UnixProcess, PtyStream>;

/// Starts a section's lab in a terminal; `shell` is what is done with it there.
fn start(section: &str, shell: &str, env: &[(&str, &str)]) -> (Terminal, TempDir) {
    let shell = format!("trap : INT; {shell}");
    let mut runner =
        run_lab(section).under(&["env", "--default-signal=INT,QUIT", "sh", "-c", &shell, "sh"]);
    for (name, value) in env {
        runner = runner.env(name, value);
    }
    let (command, dir) = runner.command(true);
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.get_process_mut().set_window_size(80, 24).expect("80 columns");
    common::scene::keep_terminals();
    terminal.set_expect_timeout(Some(Duration::from_secs(60)));
    (terminal, dir)
}

/// Everything until the program has ended, and its exit code.
fn rest(mut terminal: Terminal) -> (String, i32) {
    let mut bytes = Vec::new();
    // A terminal that is closed by its program reads as an error, EIO.
    let _ = terminal.read_to_end(&mut bytes);
    let code = match terminal.get_process().wait().expect("wait") {
        WaitStatus::Exited(_, code) => code,
        other => panic!("{other:?}"),
    };
    (String::from_utf8_lossy(&bytes).into_owned(), code)
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let escape = Regex::new(r"\x1b\[[0-9;]*[mK]").expect("escape");
    // The terminal gets its size after the program was started, hence the wait for a line.
    let shell = r#"read line; "$@"; "$@" --experiments"#;
    for section in sections() {
        let (mut terminal, dir) = start(&section, shell, &[]);
        terminal.send_line("").expect("Enter");
        let (text, code) = rest(terminal);
        assert!(code == 0 && left(&dir).is_empty(), "{text}");
        assert!(escape.is_match(&text), "{section} has colours in a terminal");
        // A progress bar goes back to the start of its line.
        for line in escape.replace_all(&text, "").split(['\n', '\r']) {
            let path = line.contains("(\"/");
            assert!(line.chars().count() <= 80 || path, "{section}: {line}");
        }
    }
}

#[test]
fn no_color_means_none() {
    let (terminal, _dir) = start("4.4", r#""$@""#, &[("NO_COLOR", "1")]);
    let (text, code) = rest(terminal);
    assert!(code == 0 && !text.contains('\x1b'), "{text}");
}

#[test]
fn step_waits_at_each_step_at_the_terminal() {
    for shell in [r#""$@""#, r#"echo no | "$@""#, r#""$@" < /dev/null"#] {
        let (mut terminal, dir) = start("4.4", shell, &[("STEP", "1")]);
        // The heading first, then the wait, then the calls; and a wait where a page is full.
        let (mut step, mut rows, mut all) = (0, vec![], String::new());
        while step < 7 {
            let before = terminal.expect("Enter: ").expect("a prompt");
            let before = String::from_utf8_lossy(before.before()).into_owned();
            rows.push(before.lines().count());
            all += &before;
            step += usize::from(before.contains(&format!("── {} ", step + 1)));
            assert!(before.contains(&format!("── {step} ")) || before.contains(") "), "{before}");
            terminal.send_line("").expect("Enter");
        }
        assert!(rows.iter().all(|rows| *rows <= 24), "rows between two pauses: {rows:?}: {all}");
        let (text, code) = rest(terminal);
        assert!(code == 0 && text.contains("left behind: none") && left(&dir).is_empty(), "{text}");
    }
}

#[test]
fn step_call_waits_before_each_call() {
    let (mut terminal, _dir) = start("4.4", r#""$@""#, &[("STEP", "call")]);
    terminal.expect("Enter: ").expect("the first step");
    terminal.send_line("").expect("Enter");
    terminal.expect("[next: ftok(").expect("the call is told before it is made");
    terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
    assert_eq!(rest(terminal).1, 130);
}

/// Also of a process with a lane, whose name the prompt has.
#[test]
fn each_prompt_is_in_the_language_of_the_lab() {
    let env = [("STEP", "1"), ("LAB_LANG", "zh")];
    let (mut terminal, _dir) = start("4.8", r#""$@" --part a"#, &env);
    let mut lanes = 0;
    while let Ok(found) = terminal.expect(expectrl::Regex("Enter: |回车：")) {
        let before = String::from_utf8_lossy(found.before()).into_owned();
        assert!(found.get(0) == Some("回车：".as_bytes()), "{before}");
        lanes += usize::from(before.lines().last().is_some_and(|prompt| prompt.contains('│')));
        terminal.send_line("").expect("Enter");
    }
    assert!(rest(terminal).1 == 0 && lanes >= 6, "{lanes} prompts with a lane");
}

#[test]
fn ctrl_c_at_any_step_leaves_nothing() {
    for stop in 1..=7 {
        let (mut terminal, dir) = start("4.7", r#""$@""#, &[("STEP", "1")]);
        for _ in 1..stop {
            terminal.expect("Enter: ").expect("a prompt");
            terminal.send_line("").expect("Enter");
        }
        terminal.expect("Enter: ").expect("a prompt");
        terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
        let (text, code) = rest(terminal);
        assert!(code == 130 && text.contains("stopped by SIGINT"), "{code} {text}");
        assert!(left(&dir).is_empty(), "{text}");
    }
}

#[test]
fn ctrl_c_reaches_a_lab_and_its_children() {
    for (section, shell, waits) in [
        ("4.8", r#""$@" --part c --rounds 100000000"#, "C: many rounds"),
        ("4.9", r#"mkfifo lines; "$@" demo --messages lines"#, "Client: wait for a message"),
    ] {
        let (mut terminal, dir) = start(section, shell, &[]);
        terminal.expect(waits).expect("both are there");
        terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
        let (text, code) = rest(terminal);
        assert!(code == 130 && left(&dir).is_empty(), "{code} {text}");
        assert_eq!(text.matches("stopped by").count(), 1, "{text}");
    }
}

#[test]
fn a_terminal_that_is_closed_ends_every_lab() {
    // The session's programs go with the terminal; this shell stays, and looks what they left.
    let shell = "trap : HUP; \"$@\" > out 2> err; echo $? > code; \
                 cat /proc/sysvipc/* > table; mv table ended";
    for section in sections() {
        let (mut terminal, dir) = start(&section, shell, &[("STEP", "1")]);
        terminal.expect("Enter: ").expect("a prompt");
        terminal.send_line("").expect("Enter");
        terminal.expect("Enter: ").expect("the next prompt");
        drop(terminal);
        let file = |name| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
        let until = std::time::Instant::now() + Duration::from_secs(60);
        while file("ended").is_empty() {
            assert!(std::time::Instant::now() < until, "{section} never ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        // Three headings, and not a row under them.
        let (table, err) = (file("ended"), file("err"));
        assert!(
            table.lines().count() == 3 && file("code").trim() == "129",
            "{section}: {err}{table}"
        );
        assert_eq!(err, format!("lab_{}: stopped by SIGHUP\n", section.replace('.', "_")));
    }
}

/// Between two pauses there is no more than a projector shows, in every lab.
#[test]
fn a_page_fits_the_screen() {
    for section in sections() {
        let (mut terminal, dir) = start(&section, r#"read line; "$@""#, &[("STEP", "1")]);
        terminal.send_line("").expect("Enter");
        let mut most = 0;
        while let Ok(before) = terminal.expect("Enter: ") {
            let text = String::from_utf8_lossy(before.before()).into_owned();
            most = most.max(text.lines().count());
            assert!(text.lines().count() <= 22, "{section}: {text}");
            terminal.send_line("").expect("Enter");
        }
        let (text, code) = rest(terminal);
        assert!(code == 0, "{section}: stepped through, it ends with {code}: {text}");
        assert!(most > 5 && left(&dir).is_empty(), "{section}: {most}");
    }
}

/// The other steps are made, and not shown.
#[test]
fn a_step_alone_and_the_steps_from_one_on() {
    let heading = Regex::new(r"(?m)^(?:[\w ]+ \d+ │)?── (\d+)  ").expect("heading");
    for section in sections() {
        let steps = |args: &[&str]| -> Vec<String> {
            let out = run_lab(&section).args(args).go().clean().stdout;
            heading.captures_iter(&out).map(|found| found[1].to_string()).collect()
        };
        let only = steps(&["--only", "2"]);
        assert!(!only.is_empty() && only.iter().all(|step| step == "2"), "{section}: {only:?}");
        let from = steps(&["--from", "3"]);
        assert!(from.contains(&"3".into()) && from.len() < steps(&[]).len(), "{section}: {from:?}");
        let none = run_lab(&section).args(&["--only", "99"]).go();
        let says = none.stderr.contains("no step 99");
        assert!(none.code == 2 && says && none.left.is_empty(), "{section}: {none:#?}");
    }
}

/// A lab that does not begin with step 1 says why.
#[test]
fn a_part_says_where_the_other_steps_are() {
    let first = |section: &str, args: &[&str]| run_lab(section).args(args).go();
    for (section, args, why) in [
        ("4.8", &["--part", "a"][..], "the source notes number this last"),
        ("4.8", &["--part", "b"], "steps 1 to 6 are those of part A"),
        ("4.8", &["--part", "c", "--rounds", "1"], "steps 1 to 8 are those of parts A and B"),
        ("4.9", &["--part", "a"], "the source notes number this last"),
        ("4.9", &["--part", "b"], "steps 1 to 9 are those of parts A and C"),
        ("4.9", &["--part", "c"], "the source notes number this last"),
        ("4.9", &["client", "--patience", "0.01"], "the source notes number this last"),
        ("4.10", &["client", "--patience", "0.01"], "steps 4 and 5 are the server's"),
    ] {
        if sections().contains(&section.into()) {
            let run = first(section, args);
            assert!(run.stdout.contains(why), "{section} {args:?}: {run:#?}");
        }
    }
    for section in sections() {
        let list = first(&section, &["--list"]).clean().stdout;
        assert!(!list.trim().is_empty(), "{section} lists nothing, and does not say why");
    }
}

/// `make` is not silent: it prints what cargo compiles, and that it waits; not that there was nothing to do.
#[test]
fn make_says_what_it_builds_and_that_it_waits() {
    let dir = common::scratch();
    let cargo = dir.path().join("cargo");
    let text = "#!/bin/sh\necho '    Blocking waiting for file lock on build directory' >&2\n\
        echo '   Compiling lablib v0.1.0' >&2\n\
        echo '    Finished `dev` profile [optimized] target(s) in 0.05s' >&2\nexit $CODE\n";
    std::fs::write(&cargo, text).expect("a program");
    let run_it = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&cargo, run_it).expect("chmod");
    let repo = common::repo().display().to_string();
    let programs = format!("BIN={}", common::bin("").display().to_string().trim_end_matches('/'));
    let cargo = format!("CARGO={}", cargo.display());
    for goal in ["lab-4.4", "sweep", "doctor", "trace-4.4"] {
        let make = |code: &str| {
            let words = ["-C", &repo, "--no-print-directory", &programs, &cargo, goal];
            common::run(std::path::Path::new("make")).args(&words).env("CODE", code).go()
        };
        let built = make("0");
        assert!(built.code == 0 && built.stderr.contains("Compiling lablib"), "{goal}: {built:#?}");
        assert!(built.stderr.contains("Blocking waiting for file lock"), "{goal}: {built:#?}");
        assert!(!built.stderr.contains("Finished"), "{goal}: {built:#?}");
        // What does not compile is not run.
        let broken = make("101");
        assert!(broken.code == 2 && !broken.stdout.contains("── 1  "), "{goal}: {broken:#?}");
    }
}
