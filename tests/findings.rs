//! A finding of `lab check` can be read at once, names what happened and where, and its commands work as they stand.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, bin, can_explore, repo, run};
use regex::Regex;

const SECTIONS: [&str; 7] = ["4.4", "4.5", "4.6", "4.7", "4.8", "4.9", "4.10"];

/// A workbook of its own, in which nothing was tried yet.
struct Workbook(tempfile::TempDir);

impl Workbook {
    fn new(section: &str) -> Workbook {
        let folder = common::scratch();
        let labs = folder.path().join("labs").join(section);
        fs::create_dir_all(labs.join("exercise/solution")).expect("a folder");
        for file in ["rules.toml", "exercise/solution/main.c"] {
            fs::copy(repo().join("labs").join(section).join(file), labs.join(file))
                .expect("a file");
        }
        let all = [folder.path().join("target"), folder.path().join("target/attempts")];
        for path in all {
            fs::create_dir(&path).expect("a folder");
            let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
            fs::set_permissions(&path, open).expect("chmod");
        }
        Workbook(folder)
    }

    /// The solution with changes, judged as the file that a student works on.
    fn check(&self, section: &str, changes: &[(&str, &str)]) -> Run {
        let source = changed(self.0.path(), section, changes);
        self.lab(&["check", section, &source.display().to_string()])
    }

    fn lab(&self, words: &[&str]) -> Run {
        let root = self.0.path().display().to_string();
        run(&bin("lab")).args(&[words, &["--workbook", &root]].concat()).go()
    }
}

fn changed(folder: &Path, section: &str, changes: &[(&str, &str)]) -> PathBuf {
    let solution = repo().join("labs").join(section).join("exercise/solution/main.c");
    let mut text = fs::read_to_string(solution).expect("a solution");
    for (from, to) in changes {
        assert!(text.contains(from), "there is no {from:?}");
        text = text.replace(from, to);
    }
    let path = folder.join("main.c");
    fs::write(&path, text).expect("a source");
    path
}

const UNCHECKED: [(&str, &str); 2] = [
    ("    if (shm == (void *)-1)\n        failed = fail(\"shmat\");\n    else if", "    if"),
    ("        failed = fail(\"shmdt\");", "        failed = 1;"),
];
const ENDLESS_LENGTH: [(&str, &str); 1] =
    [("if (strlen(argv[i]) >= SIZE)", "if (argv[i] == NULL)")];
const STOPS: (&str, &str) = (
    "    sigprocmask(SIG_BLOCK, &stops, NULL);   /* until the segment is marked for removal */\n",
    "",
);

#[test]
fn steps_stand_in_the_notes_that_rules_name() {
    let number = Regex::new(r"^\d+$").expect("a number");
    let other = Regex::new(r"^(4\.\d+), (?:step (\d+)|(.+))$").expect("another section");
    for section in SECTIONS {
        let file = repo().join("labs").join(section).join("rules.toml");
        let rules: toml::Table = fs::read_to_string(&file).expect("rules").parse().expect("TOML");
        for rule in rules["rule"].as_array().expect("rules") {
            let (id, step) =
                (rule["id"].as_str().expect("an id"), rule["step"].as_str().expect("a step"));
            let (note, heading) = match other.captures(step) {
                Some(found) => {
                    let step = found.get(2).map(|n| format!("{}  ", n.as_str()));
                    (found[1].to_string(), step.unwrap_or_else(|| found[3].to_string()))
                }
                None if number.is_match(step) => (section.into(), format!("{step}  ")),
                None => (section.into(), step.into()),
            };
            let start = format!("{note}-");
            let entries = fs::read_dir(repo().join("notes")).expect("notes");
            let path = entries.map(|one| one.expect("a note").path()).find(|path| {
                path.file_name().expect("a name").to_string_lossy().starts_with(&start)
            });
            let text = fs::read_to_string(path.expect("the note")).expect("the note");
            let stands = text.lines().any(|line| {
                line.starts_with('#') && line.trim_start_matches(['#', ' ']).starts_with(&heading)
            });
            assert!(stands, "{section}, {id}: {note} has no {heading:?}");
        }
    }
}

/// The words of a rule, with the longest that they can be filled with, take one row each.
#[test]
fn the_words_of_a_rule_fit_into_their_rows() {
    let longest = [
        ("{call}", "shmget"),
        ("{errno}", "ENOSPC"),
        ("{signal}", "SIGUSR1"),
        ("{function}", "std::ostream's <<"),
        ("{inside}", "epoll_pwait"),
        ("{who}", "a"),
        ("{exit}", "SIGSEGV"),
        ("{size}", "4096"),
        ("{target}", "-1"),
        ("{input}", "a long message after a short one"),
    ];
    for section in SECTIONS {
        let file = repo().join("labs").join(section).join("rules.toml");
        let rules: toml::Table = fs::read_to_string(&file).expect("rules").parse().expect("TOML");
        for rule in rules["rule"].as_array().expect("rules") {
            let filled = |name: &str| {
                let text = rule[name].as_str().expect(name).to_string();
                longest.iter().fold(text, |text, (from, to)| text.replace(from, to))
            };
            let long = |text: &str, most: usize| text.chars().count() > most;
            let id = filled("id");
            let title = format!("error[{id}]: {}", filled("title"));
            let step = match filled("step") {
                step if step.starts_with("4.") => step,
                step if step.len() < 3 => format!("step {step}"),
                heading => format!("note, {heading}"),
            };
            let why = format!("{} ({step})", filled("why"));
            assert!(!long(&title, 80), "{section}: {title}");
            assert!(!long(&filled("expected"), 64), "{section} {id}: {}", filled("expected"));
            assert!(!long(&why, 70), "{section} {id}: {why}");
        }
    }
}

/// What a finding has of rows, columns and words, but for its path, its line of the source, and the command that
/// runs it again, which is not wrapped: it must work as it stands.
fn fits(finding: &str) -> bool {
    let said = finding.lines().filter(|line| !line.contains("-->") && !line.contains("= replay:"));
    let wide = said.clone().any(|line| line.chars().count() > 80);
    let words = said.filter(|line| !line.contains(" | ")).flat_map(str::split_whitespace).count();
    let unfilled = Regex::new(r"\{[a-z]+\}").expect("a name").is_match(finding);
    !wide && words <= 60 && finding.lines().count() <= 8 && !unfilled
}

#[test]
fn every_finding_fits_and_says_what_was_seen() {
    if !can_explore("the size of findings") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let folder = common::scratch();
    for section in SECTIONS {
        let file = repo().join("tests/judge").join(section).join("mutants.toml");
        let all: toml::Table = fs::read_to_string(file).expect("mutants").parse().expect("TOML");
        for (n, mutant) in all["mutant"].as_array().expect("mutants").iter().enumerate() {
            if !soak && n % 15 != 2 {
                continue;
            }
            let word = |value: &toml::Value| value.as_str().expect("a text").to_string();
            let changes = mutant["change"].as_array().expect("changes").iter();
            let changes: Vec<_> = changes.map(|one| (word(&one[0]), word(&one[1]))).collect();
            let changes: Vec<_> =
                changes.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
            let source = changed(folder.path(), section, &changes).display().to_string();
            let root = repo().display().to_string();
            let words = ["check", section, &source, "--all", "--workbook", &root];
            let run = run(&bin("lab")).args(&words).go();
            for finding in run.stdout.split("\n\n").filter(|part| part.starts_with("error[")) {
                assert!(fits(finding), "{finding}");
            }
        }
    }
}

#[test]
fn what_is_new_or_mended_is_named_and_hints_are_whole() {
    if !can_explore("what lab check says of the last attempt") {
        return;
    }
    let book = Workbook::new("4.8");
    book.check("4.8", &[]);
    let run = book.check("4.8", &ENDLESS_LENGTH);
    assert!(
        run.stdout.contains("new since the last attempt: it crashes: a message of"),
        "{run:#?}"
    );
    for level in 1..=3 {
        let hint = book.lab(&["hint", "4.8"]);
        let title = "it crashes: a message of 4096 bytes";
        assert!(hint.code == 0 && hint.stdout.matches(title).count() == 1, "{level}: {hint:#?}");
        assert!(!hint.stdout.contains('{'), "{level}: {hint:#?}");
        let command = hint.stdout.lines().last().expect("a line");
        assert!(level < 3 || command.contains(" check 4.8 --replay 1 "), "{hint:#?}");
    }
    let run = book.check("4.8", &UNCHECKED[..1]);
    let text = run.stdout.replace("\n  ", " ");
    assert!(text.contains("mended since the last attempt: it crashes: a message of"), "{run:#?}");
    let shown = run.stdout.matches("error[").count();
    assert!(shown <= 3 && !text.contains("{call}"), "{run:#?}");
}

#[test]
fn findings_of_every_instrument_are_run_again() {
    if !can_explore("replays of findings") {
        return;
    }
    let deaf = (" || sigaction(SIGCHLD, &action, NULL) == -1", "");
    for (changes, rule, told) in [
        (&ENDLESS_LENGTH[..], "input-crash", "SIGSEGV"),
        (&[deaf], "closed-hang", "SIGPIPE"),
        (&UNCHECKED[..1], "failure-crash", "shmat(0, NULL, 0) = -1 ENOMEM"),
        (&[STOPS], "stopped-left", "killed by SIGINT"),
    ] {
        let book = Workbook::new("4.8");
        let run = book.check("4.8", changes);
        assert!(run.stdout.starts_with(&format!("error[{rule}]")), "{run:#?}");
        let line = run.stdout.lines().find(|line| line.contains("= replay: ")).expect("a replay");
        // As it stands.
        let (_, command) = line.split_once("= replay: ").expect("a command");
        let again = common::run(Path::new("/bin/sh")).args(&["-c", command]).go();
        assert!(again.code == 0 && again.stdout.contains(told), "{rule}: {command}: {again:#?}");
    }
}

#[test]
fn what_a_call_has_answered_is_not_cut_and_time_goes_forward() {
    if !can_explore("what a finding says of a call") {
        return;
    }
    let book = Workbook::new("4.8");
    let early = "    if (shm == (void *)-1 || (child = fork()) == -1) {\n        perror(\"fork or shmat\");\n        \
                 return 1;\n    }\n    if (0) ;";
    let run = book.check(
        "4.8",
        &[
            ("    if (shm == (void *)-1)\n        failed = fail(\"shmat\");\n    else if ((child = fork()) == -1)\n        failed = fail(\"fork\");", early),
        ],
    );
    let first = run.stdout.split("\n\n").next().expect("a finding");
    assert!(first.starts_with("error[failure-left]"), "{run:#?}");
    let row = first.lines().find(|line| line.contains("= happened:")).expect("what happened");
    assert!(row.ends_with("= -1 ENOMEM"), "{first}");
    // Of a long call, the arguments are cut, and not its answer.
    let run = book.check("4.8", &[("        failed = fail(\"fork\");", "        failed = 1;")]);
    let row = run.stdout.lines().find(|line| line.contains("= happened:")).expect("what happened");
    assert!(row.contains("clone(") && row.ends_with("…) = -1 EAGAIN"), "{run:#?}");
}

/// It points at the call that has the wrong argument, or near the one that is missing.
#[test]
fn what_is_missing_is_named_and_where() {
    if !can_explore("what a finding says of a call that is missing") {
        return;
    }
    let book = Workbook::new("4.8");
    let run = book.check("4.8", &[("shmget(IPC_PRIVATE,", "shmget(0x4808,")]);
    assert!(run.stdout.contains("no process calls shmget with IPC_PRIVATE"), "{run:#?}");
    assert!(run.stdout.lines().nth(2).expect("a line").contains("shmget(0x4808"), "{run:#?}");
    let run = book.check("4.8", &[("\"child: %s\\n\"", "\"Child: %s\\n\"")]);
    assert!(run.stdout.contains(", and \"child: "), "{run:#?}");
    assert!(run.stdout.lines().nth(2).expect("a line").contains("fflush(stdout)"), "{run:#?}");
    // What it says itself is shown, and a terminal does not obey it.
    let says = [
        ("longer than %d bytes\\n", "\\033[2Jlonger than %d\\n"),
        (">= SIZE)", ">= SIZE || *argv[i] == 0)"),
    ];
    let run = book.check("4.8", &says);
    assert!(run.stdout.contains("a says: exercise: message 1 is ?[2Jlonger than 127"), "{run:#?}");
}

#[test]
fn two_places_with_the_same_fault_are_both_named() {
    if !can_explore("that all places of a fault are named") {
        return;
    }
    let book = Workbook::new("4.8");
    let silent =
        [("failed = fail(\"shmdt\")", "failed = 1"), ("failed = fail(\"shmctl\")", "failed = 1")];
    let run = book.check("4.8", &silent);
    assert!(run.stdout.starts_with("error[failure-silent]: it says nothing if shmctl"), "{run:#?}");
    assert!(run.stdout.contains(", also at line 120"), "{run:#?}");
}

#[test]
fn a_signal_that_gets_in_through_a_mask_or_before_prctl_is_told() {
    if !can_explore("what lab check says of Ctrl-C") {
        return;
    }
    let book = Workbook::new("4.8");
    // Removed at the end, with the signals blocked everywhere but in sigsuspend.
    let late = [
        (
            "    if (shmctl(id, IPC_RMID, NULL) == -1)   /* both have it: it goes with them */\n        failed = fail(\"shmctl\");\n    sigprocmask(SIG_UNBLOCK, &stops, NULL);\n",
            "",
        ),
        (
            "    return failed || status != 0;",
            "    if (shmctl(id, IPC_RMID, NULL) == -1)\n        failed = fail(\"shmctl\");\n    return failed || status != 0;",
        ),
    ];
    let run = book.check("4.8", &late);
    assert!(
        run.stdout.starts_with("error[stopped-in-wait]: SIGINT gets in by sigsuspend"),
        "{run:#?}"
    );
    let line = run.stdout.lines().nth(2).expect("the line of the source");
    assert!(line.contains("sigsuspend(open);"), "{run:#?}");
    let before = [(
        "    if (getppid() != parent)                /* it died before we asked */\n        return 1;\n",
        "",
    )];
    let run = book.check("4.8", &before);
    assert!(run.stdout.starts_with("error[stopped-too-late]"), "{run:#?}");
    assert!(run.stdout.lines().nth(2).expect("the line").contains("prctl("), "{run:#?}");
}

#[test]
fn a_solution_is_shown_only_to_those_who_have_passed() {
    if !can_explore("lab solution") {
        return;
    }
    let book = Workbook::new("4.8");
    let refused = book.lab(&["solution", "4.8"]);
    assert!(refused.code == 2 && refused.stdout.is_empty(), "{refused:#?}");
    assert_eq!(refused.stderr.lines().count(), 1, "{refused:#?}");
    book.check("4.8", &ENDLESS_LENGTH);
    assert_eq!(book.lab(&["solution", "4.8"]).code, 2);
    book.check("4.8", &[]);
    let shown = book.lab(&["solution", "4.8"]);
    assert!(shown.code == 0 && shown.stdout.contains("one solution"), "{shown:#?}");
}
