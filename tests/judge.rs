//! `lab check`: right programs pass, each wrong one draws its own finding first, each time the same; the formats; what
//! is not judged. Without SOAK a share of the programs, chosen by a number; with SOAK all of them.
#![cfg(target_arch = "x86_64")]

mod common;
#[path = "judge/operators.rs"]
mod operators;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Run, Runner, bin, can_explore, is_root, repo, run};
use serde_json::Value;

/// A wrong program, and what must be found first.
struct Mutant {
    name: String,
    text: String,
    first: String,
}

fn sections() -> Vec<String> {
    let folders = fs::read_dir(repo().join("tests/judge")).expect("tests/judge");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut all: Vec<String> = folders.map(|entry| name(entry.expect("a folder"))).collect();
    all.retain(|name| name.starts_with("4."));
    all.sort();
    all
}

fn mutants(section: &str) -> Vec<Mutant> {
    let file = repo().join("tests/judge").join(section).join("mutants.toml");
    let table: toml::Table = fs::read_to_string(file).expect("mutants").parse().expect("TOML");
    let solution = repo().join("labs").join(section).join("exercise/solution/main.c");
    let solution = fs::read_to_string(solution).expect("a solution");
    let one = |mutant: &toml::Value| {
        let word = |name: &str| mutant[name].as_str().expect(name).to_string();
        let mut text = solution.clone();
        for change in mutant["change"].as_array().expect("changes") {
            let (from, to) = (change[0].as_str().expect("from"), change[1].as_str().expect("to"));
            assert!(text.contains(from), "{}: there is no {from:?}", word("name"));
            text = text.replace(from, to);
        }
        Mutant { name: word("name"), text, first: word("first") }
    };
    table["mutant"].as_array().expect("mutants").iter().map(one).collect()
}

/// Which share of the programs is judged: the same in each run of the tests, if SEED does not say another.
fn seed() -> usize {
    let Some(seed) = std::env::var_os("SEED") else { return 14 };
    seed.to_str().and_then(|seed| seed.parse().ok()).expect("SEED is a number")
}

/// One of so many, or all of them.
fn share<T>(all: Vec<T>, of: usize) -> Vec<T> {
    let soak = std::env::var_os("SOAK").is_some();
    all.into_iter().enumerate().filter(|(n, _)| soak || n % of == 0).map(|(_, one)| one).collect()
}

fn check(section: &str, source: &str, options: &[&str]) -> Runner {
    let root = repo().display().to_string();
    let words = [&["check", section, source, "--workbook", &root], options].concat();
    // Cargo and its crates are those of who starts the tests.
    let rust = is_root() && source.ends_with(".rs");
    let runner = run(&bin("lab")).args(&words);
    if rust { runner.privileged() } else { runner }
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

/// The rules of what was found, in their order.
fn found(verdict: &Value) -> Vec<String> {
    let all = verdict["findings"].as_array().expect("findings");
    all.iter().map(|one| one["rule"].as_str().expect("a rule").into()).collect()
}

/// A file that the student may read.
fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a source");
    path.display().to_string()
}

/// The right programs of a section, its solution among them: files, and folders with a Makefile.
fn right_programs(section: &str) -> Vec<PathBuf> {
    let folder = repo().join("tests/judge").join(section).join("right");
    let entries = fs::read_dir(folder).expect("right programs");
    let mut all: Vec<PathBuf> = entries.map(|one| one.expect("one").path()).collect();
    all.push(repo().join("labs").join(section).join("exercise/solution/main.c"));
    all.sort();
    all
}

#[test]
fn there_are_enough_right_programs() {
    for section in sections() {
        let wanted = if ["4.8", "4.9", "4.10"].contains(&section.as_str()) { 10 } else { 5 };
        let all = right_programs(&section);
        assert!(all.len() >= wanted, "{section}: {} of {wanted}", all.len());
        for end in ["c", "cpp", "rs"] {
            let is = |path: &PathBuf| path.extension().is_some_and(|one| one == end);
            assert!(all.iter().any(is), "{section}: no .{end}");
        }
    }
}

/// With SOAK all of them; without, one of each section, chosen by SEED.
#[test]
fn right_programs_pass() {
    if !can_explore("that right programs pass lab check") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let seed = seed();
    let mut refused = vec![];
    let mut judged = 0;
    for section in sections() {
        let mut all = right_programs(&section);
        if !soak {
            all = vec![all.swap_remove(seed % all.len())];
        }
        for program in all {
            let run = check(&section, &program.display().to_string(), &[]).go();
            judged += 1;
            if run.code != 0 || !run.left.is_empty() {
                refused.push(format!("{}: {run:#?}", program.display()));
            }
        }
    }
    let refusals = refused.len();
    assert!(refused.is_empty(), "SEED={seed}: {refusals} of {judged}\n{}", refused.join("\n"));
}

/// A rule about sigsuspend is no merit of a program that does not call it.
#[test]
fn what_a_program_does_not_do_has_not_passed() {
    if !can_explore("what lab check says has passed") {
        return;
    }
    let passed = |source: &str| {
        let source = repo().join(source).display().to_string();
        let verdict = json(&check("4.8", &source, &["--format", "json"]).go());
        let all = verdict["passed"].as_array().expect("rules").clone();
        all.iter().any(|rule| rule == "not-blocked")
    };
    assert!(passed("labs/4.8/exercise/solution/main.c"));
    assert!(!passed("tests/judge/4.8/right/semaphores.c"));
}

#[test]
fn each_mutant_draws_its_own_finding_first() {
    if !can_explore("that wrong programs do not pass lab check") {
        return;
    }
    let folder = common::scratch();
    let mut wrong = vec![];
    for section in sections() {
        for (n, mutant) in share(mutants(&section), 6).into_iter().enumerate() {
            let source = written(folder.path(), &format!("{n}.c"), &mutant.text);
            let run = check(&section, &source, &["--format", "json"]).go();
            let verdict = json(&run);
            let first = found(&verdict).first().cloned().unwrap_or("none".into());
            let passes = ["none", "a-key"].contains(&mutant.first.as_str());
            if first != mutant.first || run.code != i32::from(!passes) || !run.left.is_empty() {
                wrong.push(format!("{}: {first}, not {}; {run:#?}", mutant.name, mutant.first));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How many of the programs that the operators make are judged without SOAK.
const SHARE: usize = 12;

#[test]
fn each_operator_draws_its_own_finding_first() {
    let mut all = operators::all(repo(), &sections());
    let wrong = all.iter().filter(|one| !one.first.is_empty()).count();
    assert!(wrong >= 300, "{wrong} wrong programs");
    if !can_explore("that changed programs do not pass lab check") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let seed = seed();
    println!("SEED={seed}: {wrong} wrong programs of {}", all.len());
    if !soak {
        let (from, step) = (seed % all.len(), all.len() / SHARE);
        all.rotate_left(from);
        all = all.into_iter().step_by(step).collect();
    }
    let folder = common::scratch();
    let mut wrong = vec![];
    for one in all {
        let source = written(folder.path(), &format!("changed.{}", one.extension), &one.text);
        let run = check(&one.section, &source, &["--format", "json"]).go();
        let first = found(&json(&run)).first().cloned();
        let right = match &first {
            Some(first) => one.first.contains(first),
            None => one.first.is_empty(),
        };
        if !right || !run.left.is_empty() {
            wrong.push(format!("{}: {first:?}, not {:?}", one.name, one.first));
        }
    }
    assert!(wrong.is_empty(), "SEED={seed}\n{}", wrong.join("\n"));
}

#[test]
fn skeletons_fail_for_the_stated_reason() {
    if !can_explore("that the skeletons of the exercises fail") {
        return;
    }
    for section in sections() {
        for name in ["main.c", "main.cpp", "main.rs"] {
            let source = repo().join("labs").join(&section).join("exercise").join(name);
            let run = check(&section, &source.display().to_string(), &["--format", "json"]).go();
            let verdict = json(&run);
            let first = &verdict["findings"][0];
            assert_eq!(
                (run.code, first["class"].as_str()),
                (1, Some("not-the-exercise")),
                "{run:#?}"
            );
            // It points at the first TODO.
            let line = first["line"].as_u64().expect("a line") as usize;
            let text = fs::read_to_string(&source).expect("a skeleton");
            assert!(text.lines().nth(line - 1).expect("the line").contains("TODO 1"), "{run:#?}");
        }
    }
}

#[test]
fn formats_and_exit_codes() {
    if !can_explore("the formats of lab check") {
        return;
    }
    let folder = common::scratch();
    let skeleton = repo().join("labs/4.8/exercise/main.c").display().to_string();
    let junit = check("4.8", &skeleton, &["--format", "junit"]).go();
    assert!(
        junit.stdout.starts_with("<?xml") && junit.stdout.ends_with("</testsuite>\n"),
        "{junit:#?}"
    );
    assert!(
        junit.stdout.contains("<failure message=\"the program makes no segment\""),
        "{junit:#?}"
    );
    let github = check("4.8", &skeleton, &["--format", "github"]).go();
    assert!(github.stdout.starts_with("::error file="), "{github:#?}");
    assert!(
        github.stdout.contains(",line=") && github.stdout.contains(",title=the program"),
        "{github:#?}"
    );
    let broken = written(folder.path(), "broken.c", "int main(void)\n{\n    return nothing;\n}\n");
    let run = check("4.8", &broken, &["--format", "json"]).go();
    let verdict = json(&run);
    assert_eq!((run.code, found(&verdict)), (1, vec!["compile".into()]), "{run:#?}");
    assert_eq!(verdict["findings"][0]["line"], 3, "{run:#?}");
    for (words, code) in [
        (vec!["4.8", "/no/such/file.c"], 2),
        (vec!["4.44"], 2),
        (vec!["4.8", &broken, "--workbook", "/nowhere"], 2),
        (vec!["4.8", &broken, "--format", "yaml"], 2),
    ] {
        let root = repo().display().to_string();
        let named = words.contains(&"--workbook");
        let workbook: &[&str] = if named { &[] } else { &["--workbook", &root] };
        let run = common::run(&bin("lab")).args(&[&["check"], &words[..], workbook].concat()).go();
        assert_eq!(run.code, code, "{words:?}: {run:#?}");
        assert_eq!(run.stderr.lines().count(), 1, "{words:?}: {run:#?}");
    }
}

#[test]
fn without_a_compiler_nothing_is_judged() {
    if !can_explore("that a missing compiler is told") {
        return;
    }
    let folder = common::scratch();
    let makefile = "program:\n\tno-such-compiler -o program\n\nCC = no-such-compiler\n";
    let project = folder.path().join("project");
    fs::create_dir(&project).expect("a folder");
    fs::write(project.join("Makefile"), makefile).expect("a Makefile");
    let run = check("4.8", &project.display().to_string(), &[]).go();
    // A Makefile that fails is the student's.
    assert_eq!(run.code, 1, "{run:#?}");
    let bomb = "template<int N> struct B { typedef typename B<N - 1>::T A; typedef typename B<N - 2>::T T; };\n\
                #include \"/dev/zero\"\nint main() {}\n";
    let bomb = written(folder.path(), "bomb.cpp", bomb);
    let run = check("4.8", &bomb, &["--patience", "60"]).go();
    assert!(run.code == 3 && run.stderr.lines().count() == 1, "{run:#?}");
}

#[test]
fn a_mistake_in_the_rules_is_one_line_with_its_place() {
    let folder = common::scratch();
    let labs = folder.path().join("labs/4.8");
    fs::create_dir_all(&labs).expect("a folder");
    let rules = fs::read_to_string(repo().join("labs/4.8/rules.toml")).expect("rules");
    let source = written(folder.path(), "a.c", "int main(void) { return 0; }\n");
    for (from, to, line_of) in [
        ("class = \"style\"", "class = \"nice\"", "class = \"nice\""),
        ("id = \"no-child\"", "id = \"no-attach\"", "id = \"no-attach\""),
        ("shmget = \"ENOSPC\"", "shmget = \"ENOSPACE\"", "shmget = \"ENOSPACE\""),
        ("points = 2", "pionts = 2", "pionts = 2"),
    ] {
        let text = rules.replacen(from, to, 1);
        let line = text.lines().position(|line| line.contains(line_of)).expect(line_of) + 1;
        fs::write(labs.join("rules.toml"), text).expect("rules");
        let root = folder.path().display().to_string();
        let run =
            common::run(&bin("lab")).args(&["check", "4.8", &source, "--workbook", &root]).go();
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{run:#?}");
        let place = format!("rules.toml:{line}: ");
        assert!(run.stderr.replace('\n', " ").contains(&place), "{to}: {place} {run:#?}");
    }
}
