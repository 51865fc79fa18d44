//! 80 columns, everywhere: what programs say of themselves, lists, answers and errors fit the terminal, whether
//! its width is that of the terminal, that of COLUMNS, or not known.

mod common;
use std::io::Read;
use std::path::Path;

use common::{bin, can_explore, lab, repo, run, sections};
use expectrl::{Expect, Session};
use unicode_width::UnicodeWidthStr;

/// What is run, by its name for a failure, as a shell has it.
fn commands() -> Vec<String> {
    let (tool, sweep) = (bin("lab").display().to_string(), bin("sweep").display().to_string());
    let mut commands: Vec<String> = [
        "",
        "--help",
        "help",
        "trace --help",
        "explore --help",
        "doctor",
        "doctor --help",
        "bogus",
        "explore --frist ./program",
        "explore --max 0 ./program",
        "explore --replay 3 ./program",
        "explore",
        "trace",
        "trace -o /no/such/folder/trace true",
        "trace ./no-such-program-here",
        "explore ./no-such-program-here",
        "explore --and 'a \"quote' true",
    ]
    .iter()
    .map(|words| format!("{tool} {words}"))
    .collect();
    commands.extend(["", "--help", "--bogus"].map(|words| format!("{sweep} {words}")));
    for section in sections() {
        let lab = lab(&section).display().to_string();
        for words in
            ["--help", "--list", "--bogus", "--experiment nothing-of-this-name", "--from 0"]
        {
            commands.push(format!("{lab} {words}"));
        }
        if ["4.9", "4.10"].contains(&&*section) {
            for words in
                ["server --help", "client --help", "client --patience 0.01", "--patience never"]
            {
                commands.push(format!("{lab} {words}"));
            }
        }
    }
    if sections().contains(&"4.10".into()) {
        commands.push(format!("{} wakeups --help", lab("4.10").display()));
        commands.push(format!("{} --part d", lab("4.9").display()));
    }
    commands
}

/// All of them, each behind a line with its number.
fn script(commands: &[String]) -> String {
    let one = |(i, command): (usize, &String)| format!("echo '@@{i}'; {command} < /dev/null\n");
    commands.iter().enumerate().map(one).collect()
}

/// Lines that are wider than that, each with its command. A word that takes more than half of a row, such as a
/// path, is not broken, and may need more room with what stands before it; nor is clap's line of usage.
fn too_wide(commands: &[String], text: &str, width: usize) -> Vec<String> {
    let (mut wide, mut at) = (vec![], 0);
    for line in text.lines().map(|line| line.trim_end_matches('\r')) {
        if let Some(number) = line.strip_prefix("@@") {
            at = number.parse().expect("a number");
            continue;
        }
        let line = without_colours(line);
        let words = line.trim_start().split(' ').map(|word| word.width()).max().unwrap_or(0);
        let usage = line.contains("Usage: ") || line.contains('═');
        if line.width() > width && words < width / 2 && !usage {
            wide.push(format!("{} of {width}: {}: {line}", line.width(), commands[at]));
        }
    }
    wide
}

fn without_colours(text: &str) -> String {
    regex::Regex::new(r"\x1b\[[0-9;?]*[a-zA-Z]").expect("escape").replace_all(text, "").into_owned()
}

#[test]
fn nothing_is_wider_than_columns() {
    let commands = commands();
    let mut wide = vec![];
    for columns in ["80", "40", "200"] {
        let ran = run(Path::new("bash"))
            .args(&["-c", &format!("{{ {}}} 2>&1", script(&commands))])
            .env("COLUMNS", columns)
            .go();
        let text = without_calls(&ran.stdout, columns);
        assert!(text.lines().count() > 500, "{ran:#?}");
        wide.extend(too_wide(&commands, &text, columns.parse().expect("a number")));
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// A table and what a lab prints of its calls need their room; a terminal of 40 columns breaks them itself.
fn without_calls(text: &str, columns: &str) -> String {
    let kept =
        |line: &&str| columns != "40" || !(line.contains('│') || line.starts_with("  nothing"));
    text.lines().filter(kept).map(|line| format!("{line}\n")).collect()
}

/// COLUMNS is not set: the terminal's own width counts, also for errors.
#[test]
fn nothing_is_wider_than_the_terminal_itself() {
    let commands = commands();
    let runner = run(Path::new("bash")).args(&["-c", &format!("read go; {}", script(&commands))]);
    let (command, _dir) = runner.command(true);
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.get_process_mut().set_window_size(80, 24).expect("80 columns");
    terminal.send_line("").expect("Enter");
    let mut bytes = vec![];
    // A terminal that is closed by its program reads as an error, EIO.
    let _ = terminal.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.lines().count() > 500, "{text}");
    let wide = too_wide(&commands, &text, 80);
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// In a pipe a line is what it is about, for grep; what programs say of themselves keeps to a page.
#[test]
fn help_is_a_page_wide_where_nothing_says_how_wide() {
    let all = commands().into_iter();
    let help: Vec<String> =
        all.filter(|one| one.ends_with("help") || one.ends_with("doctor")).collect();
    let ran = run(Path::new("bash")).args(&["-c", &script(&help)]).go();
    assert!(ran.stdout.lines().count() > 300, "{ran:#?}");
    let wide = too_wide(&help, &ran.stdout, 80);
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

#[test]
fn make_lists_its_commands_in_80_columns() {
    let ran = run(Path::new("make")).args(&["-C", &repo().display().to_string()]).go();
    assert!(ran.stdout.lines().count() > 30, "{ran:#?}");
    let wide: Vec<&str> = ran.stdout.lines().filter(|line| line.width() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
    for command in
        ["lab-4.1 ", "lab-4.10 ", "STEP=1", "STEP=call", "ARGS=--list", "doctor", "sweep"]
    {
        assert!(ran.stdout.contains(command), "{command}: {}", ran.stdout);
    }
}

/// The prompt of STEP, with a long call in it.
#[test]
fn the_prompt_fits_the_terminal() {
    assert!(sections().contains(&"4.8".into()));
    let lab = lab("4.8").display().to_string();
    let script = format!("read go; STEP=call {lab} --part c --rounds 1");
    let (command, _dir) = run(Path::new("bash")).args(&["-c", &script]).command(true);
    let mut terminal = Session::spawn(command).expect("a terminal");
    terminal.get_process_mut().set_window_size(80, 24).expect("80 columns");
    terminal.set_expect_timeout(Some(std::time::Duration::from_secs(60)));
    terminal.send_line("").expect("Enter");
    let mut prompts = 0;
    while let Ok(before) = terminal.expect("] \u{1b}[0m") {
        let text = without_colours(&String::from_utf8_lossy(before.as_bytes()));
        let last = text.rfind("  [").map_or("", |at| &text[at..]);
        for row in last.lines() {
            assert!(row.width() <= 80, "{}: {row}", row.width());
        }
        prompts += usize::from(last.contains("next: "));
        if terminal.send_line("").is_err() || prompts > 30 {
            break;
        }
    }
    assert!(prompts > 5, "{prompts}");
}

/// The blocks of README and of the pages that a student reads beside a terminal.
#[test]
fn quoted_output_is_80_columns_wide() {
    let mut wide = vec![];
    for page in ["README.md", "notes/every-order.md"] {
        let text = std::fs::read_to_string(repo().join(page)).expect("a page");
        let mut in_block = false;
        for line in text.lines() {
            if line.starts_with("```") {
                in_block = !in_block;
            } else if in_block && line.width() > 80 {
                wide.push(format!("{page}: {line}"));
            }
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// `lab explore`: its answer, with long calls, a long command and many processes.
#[test]
#[cfg(target_arch = "x86_64")]
fn an_answer_fits_the_terminal() {
    if !can_explore("lab explore") {
        return;
    }
    let dir = common::scratch();
    let mut script = String::new();
    for name in ["no-predicate", "more-than-letters", "close-unlocks", "shmat-unchecked-record"] {
        let program = dir.path().join(name);
        let source = repo().join(format!("tests/zoo/bad/{name}.c"));
        let flags = ["-O1", "-pthread", "-o"];
        let mut cc = std::process::Command::new("cc");
        let built = cc.args(flags).arg(&program).arg(source).status().expect("cc");
        assert!(built.success(), "{name}");
        script += &format!(
            "cd {}; {} explore ./{name} and some more words for it\n",
            dir.path().display(),
            bin("lab").display()
        );
    }
    for columns in ["80", "40", "200"] {
        let ran = run(Path::new("bash")).args(&["-c", &script]).env("COLUMNS", columns).go();
        assert!(ran.stdout.matches("cure: ").count() == 4, "{ran:#?}");
        let wide = too_wide(&[script.clone()], &ran.stdout, columns.parse().expect("a number"));
        assert!(wide.is_empty(), "{}", wide.join("\n"));
    }
}
