//! `lab grade`: a class gets its marks; what a student writes does no harm; and whatever ends it, the report is the same
//! when it has gone on. Programs that are refused by the compiler are judged quickly: most of the class are such.
#![cfg(target_arch = "x86_64")]

mod common;
#[path = "grade/formats.rs"]
mod formats;
#[path = "grade/options.rs"]
mod options;
#[path = "grade/runs.rs"]
mod runs;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, bin, can_explore, is_root, repo, run, scratch};
use serde_json::Value;

const REFUSED: &str = "int main(void)\n{\n    return nothing;\n}\n";
/// It computes until a limit ends it.
const ENDLESS: &str = "int main(void)\n{\n    volatile int n = 0;\n    for (;;)\n        n++;\n}\n";

fn solution() -> String {
    let path = repo().join("labs/4.8/exercise/solution/main.c");
    fs::read_to_string(path).expect("a solution")
}

/// The wrong programs of tests/judge, and what is found first in each.
fn mutants() -> Vec<(String, String)> {
    let table = fs::read_to_string(repo().join("tests/judge/4.8/mutants.toml")).expect("mutants");
    let table: toml::Table = table.parse().expect("TOML");
    let one = |mutant: &toml::Value| {
        let changes = mutant["change"].as_array().expect("changes").iter();
        let text = changes.fold(solution(), |text, change| {
            let word = |n: usize| change[n].as_str().expect("a word");
            text.replace(word(0), word(1))
        });
        (mutant["first"].as_str().expect("a rule").to_string(), text)
    };
    table["mutant"].as_array().expect("mutants").iter().map(one).collect()
}

fn mutant(first: &str) -> String {
    let all = mutants().into_iter();
    all.into_iter().find(|one| one.0 == first).expect(first).1
}

/// A submission of one file.
fn hands_in(class: &Path, id: &str, text: &str) {
    let folder = class.join(id);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join("main.c"), text).expect("a source");
}

fn words(class: &Path, report: &Path, options: &[&str]) -> Vec<String> {
    let words = ["grade", &class.display().to_string(), "-o", &report.display().to_string()];
    let root = repo().display().to_string();
    let all = [&words[..], &["--workbook", &root], options].concat();
    all.into_iter().map(String::from).collect()
}

fn grade(class: &Path, report: &Path, options: &[&str]) -> Run {
    let words = words(class, report, options);
    run(&bin("lab")).args(&words.iter().map(String::as_str).collect::<Vec<_>>()).go()
}

/// `lab grade` itself, for a signal.
fn started(class: &Path, report: &Path, options: &[&str]) -> Child {
    // What a shell starts in the background ignores SIGINT.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(bin("lab")).args(words(class, report, options));
    command.env("TMPDIR", class.parent().expect("a folder"));
    if is_root() {
        command.uid(65534).gid(65534);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("lab")
}

/// Waits until something is so, or the process has ended.
fn until(child: &mut Child, is: &dyn Fn() -> bool) {
    while !is() && child.try_wait().expect("a child").is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn report(folder: &Path) -> Value {
    let text = fs::read_to_string(folder.join("grade.json")).expect("grade.json");
    serde_json::from_str(&text).expect("JSON")
}

fn of<'a>(report: &'a Value, id: &str) -> &'a Value {
    let all = report["submissions"].as_array().expect("submissions");
    all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id}: {report}"))
}

/// The verdicts that are kept.
fn kept(report: &Path) -> usize {
    let all = fs::read_dir(report.join(".journal")).into_iter().flatten().flatten();
    all.filter(|one| one.file_name().len() == 64 + ".json".len()).count()
}

/// All files but the journal.
fn files(folder: &Path) -> BTreeMap<PathBuf, String> {
    let (mut all, mut folders) = (BTreeMap::new(), vec![folder.to_path_buf()]);
    while let Some(one) = folders.pop() {
        for entry in fs::read_dir(one).expect("a folder") {
            let path = entry.expect("a file").path();
            match path.is_dir() {
                true if path.ends_with(".journal") => {}
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).expect("below").to_path_buf();
                    drop(all.insert(name, fs::read_to_string(path).expect("text")));
                }
            }
        }
    }
    all
}

fn table(report: &Path) -> Vec<BTreeMap<String, String>> {
    let mut rows = csv::Reader::from_path(report.join("marks.csv")).expect("marks.csv");
    rows.deserialize().map(|row| row.expect("a row")).collect()
}

#[test]
fn a_class_has_its_marks() {
    if !can_explore("that lab grade gives the marks of lab check") {
        return;
    }
    let folder = scratch();
    let (class, out) = (folder.path().join("class"), folder.path().join("report"));
    hands_in(&class, "anna", &solution());
    hands_in(&class, "ben", &mutant("left-behind"));
    hands_in(&class, "carl", REFUSED);
    hands_in(&class, "two", REFUSED);
    fs::write(class.join("two/other.c"), REFUSED).expect("a source");
    fs::create_dir(class.join("nothing")).expect("a folder");
    let first = grade(&class, &out, &[]);
    assert!(first.code == 3 && first.left.is_empty(), "{first:#?}");
    assert!(
        first.stdout.contains("5 submissions, 1 passed, 2 with findings, 2 could not be judged")
    );
    let json = report(&out);
    for (id, verdict) in
        [("anna", "passed"), ("ben", "findings"), ("carl", "findings"), ("two", "not_judged")]
    {
        assert_eq!(of(&json, id)["verdict"], verdict, "{json:#}");
    }
    // The same as lab check says.
    let passed = of(&json, "anna");
    assert_eq!(passed["points"].as_f64(), json["of"].as_f64(), "{passed}");
    for id in ["anna", "ben"] {
        let (source, root) = (class.join(id).join("main.c"), repo().display().to_string());
        let source = source.display().to_string();
        let words = ["check", "4.8", &source, "--workbook", &root, "--format", "json"];
        let alone = run(&bin("lab")).args(&words).go();
        let alone: Value = serde_json::from_str(&alone.stdout).expect("JSON");
        let points = |all: &Value| all["points"].as_f64();
        assert_eq!(points(of(&json, id)), points(&alone), "{id}: {alone}");
        let rules = |all: &Value| -> Vec<Value> {
            all["findings"].as_array().expect("all").iter().map(|one| one["rule"].clone()).collect()
        };
        assert_eq!(rules(of(&json, id)), rules(&alone), "{id}");
    }
    // What could not be judged is no zero, in no format.
    let rows = table(&out);
    let row = rows.iter().find(|row| row["id"] == "nothing").expect("a row");
    assert!(row["points"].is_empty() && row["not_judged"].contains("empty"), "{row:?}");
    assert!(of(&json, "nothing")["points"].is_null());
    assert!(
        !out.join("gradescope/nothing.json").exists() && out.join("gradescope/carl.json").exists()
    );
    assert_eq!(json["not_judged"].as_array().map(Vec::len), Some(2));
    let index = fs::read_to_string(out.join("index.html")).expect("a page");
    assert!(index.contains("Teach again") && index.contains("Could not be judged"));
    formats::hold(&out, 5);

    // Points by hand stay; they need no judging.
    let run = grade(&class, &out, &["--override", "nothing", "7.5", "came by mail"]);
    assert_eq!(run.code, 3, "{run:#?}");
    grade(&class, &out, &["--only", "carl"]);
    let json = report(&out);
    assert_eq!(of(&json, "nothing")["points"], 7.5);
    assert_eq!(of(&json, "nothing")["verdict"], "not_judged");
    assert!(out.join("gradescope/nothing.json").exists());
    // They are for this exercise alone.
    let run = grade(&class, &out, &["--section", "4.9"]);
    assert!(
        run.code == 2 && run.stderr.contains("a report of 4.8; name another folder"),
        "{run:#?}"
    );
    assert_eq!(of(&report(&out), "nothing")["points"], 7.5);
    grade(&class, &out, &["--no-override", "nothing"]);
    assert!(of(&report(&out), "nothing")["points"].is_null());

    // The same again, from what was recorded; and what is another since.
    let run = grade(&class, &out, &["--reproduce", "ben"]);
    assert!(run.code == 0 && run.stdout.starts_with("ben: the same verdict: "), "{run:#?}");
    hands_in(&class, "ben", REFUSED);
    let run = grade(&class, &out, &["--reproduce", "ben"]);
    assert!(run.code == 1 && run.stdout.contains("changed since: the submission"), "{run:#?}");

    // A verdict of before is not that of the submission of today, even if its turn has not come.
    let run = grade(&class, &out, &["--only", "carl"]);
    assert!(run.stdout.contains("1 not judged yet"), "{run:#?}");
    assert_eq!(of(&report(&out), "ben")["verdict"], "waiting");
    let page = fs::read_to_string(out.join("submissions/ben.html")).expect("a page");
    assert!(page.contains("not judged yet") && !page.contains("left-behind"), "{page}");
    formats::hold(&out, 5);
}

#[test]
fn nothing_that_a_student_writes_gets_through() {
    if !can_explore("that lab grade escapes what a student writes") {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("class");
    let tries = formats::TRIES;
    let mut rows = csv::Writer::from_path(folder.path().join("roster.csv")).expect("a roster");
    rows.write_record(["id", "path"]).expect("a row");
    for (n, text) in tries.iter().enumerate() {
        // In the name, in the source, and in what the compiler says.
        let path = format!("class/{n}");
        let line = text.replace(['\n', '\r'], " ");
        hands_in(&class, &n.to_string(), &format!("int main(void)\n{{\n#error {line}\n}}\n"));
        rows.write_record([&format!("{text}{n}"), &path]).expect("a row");
    }
    drop(rows);
    let out = folder.path().join("report");
    let roster = folder.path().join("roster.csv").display().to_string();
    let (root, report) = (repo().display().to_string(), out.display().to_string());
    let words = ["grade", "--roster", &roster, "-o", &report, "--workbook", &root];
    let run = run(&bin("lab")).args(&words).go();
    assert_eq!(run.code, 0, "{run:#?}");
    assert!(tries.len() >= 30);
    let through = formats::through(&out, &run);
    assert!(through.is_empty(), "{} got through: {through:#?}", through.len());
    formats::hold(&out, tries.len());
}

#[test]
fn killed_and_resumed_the_report_is_the_same() {
    if !can_explore("that lab grade goes on after kill -9") {
        return;
    }
    let soak = std::env::var_os("SOAK").is_some();
    let folder = scratch();
    let class = folder.path().join("class");
    for n in 0..4 {
        hands_in(&class, &format!("s{n}"), &REFUSED.replace("nothing", &format!("nothing{n}")));
    }
    hands_in(&class, "anna", &solution());
    hands_in(&class, "ben", &mutant("lost-wake-up"));
    let whole = folder.path().join("whole");
    let run = grade(&class, &whole, &["--jobs", "2"]);
    assert_eq!(run.code, 0, "{run:#?}");
    for n in 0..if soak { 50 } else { 4 } {
        let out = folder.path().join(format!("killed-{n}"));
        // More than once, and further each time.
        for again in 0..2 {
            let mut lab = started(&class, &out, &["--jobs", "2"]);
            // With SOAK at any time, else when so many verdicts are kept.
            let (began, point) = (Instant::now(), Duration::from_millis((n * 7919 % 5000) as u64));
            until(&mut lab, &|| match soak {
                true => began.elapsed() > point,
                false => out.join(".journal/lock").exists() && kept(&out) > n % 5 + again,
            });
            lab.kill().expect("kill");
            lab.wait().expect("wait");
        }
        let run = grade(&class, &out, &["--jobs", "2"]);
        assert_eq!(run.code, 0, "{run:#?}");
        assert_eq!(files(&out), files(&whole), "killed after {n}");
        // By now those that the killed ones judged have ended, too.
        grade(&class, &out, &["--only", "s0"]);
        assert_eq!(files(&out), files(&whole), "killed after {n}");
        let rooms = fs::read_dir(folder.path()).expect("a folder").flatten();
        let rooms: Vec<_> = rooms.map(|one| one.file_name()).collect();
        assert!(!rooms.iter().any(|one| one.to_string_lossy().starts_with("lab-")), "{rooms:?}");
    }
}

/// On a busy machine a line says now and then how far it is.
fn without_progress(said: &str) -> Vec<&str> {
    said.lines().filter(|line| !line.contains(" judged, ")).collect()
}

/// One that never ends is judged last.
fn with_an_endless_one(folder: &Path) -> PathBuf {
    let class = folder.join("class");
    hands_in(&class, "anna", REFUSED);
    hands_in(&class, "zoe", ENDLESS);
    class
}

#[test]
fn ctrl_c_keeps_what_is_done() {
    if !can_explore("that lab grade ends with Ctrl-C") {
        return;
    }
    let folder = scratch();
    let (class, out) = (with_an_endless_one(folder.path()), folder.path().join("report"));
    let mut lab = started(&class, &out, &["--jobs", "1"]);
    until(&mut lab, &|| kept(&out) > 0);
    // SAFETY: our child, and not reaped.
    unsafe { libc::kill(lab.id() as i32, libc::SIGINT) };
    let ended = lab.wait_with_output().expect("lab");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(130), "{said}");
    let last = without_progress(&said);
    assert_eq!(last, ["lab grade: stopped: 1 of 2 are judged; the same command goes on"]);
    let json = report(&out);
    assert_eq!(of(&json, "anna")["verdict"], "findings");
    assert_eq!(of(&json, "zoe")["verdict"], "waiting");
    formats::hold(&out, 2);
}

/// The children of a process.
fn children(pid: u32) -> Vec<i32> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

#[test]
fn a_judge_that_dies_harms_nobody_else() {
    if !can_explore("that lab grade goes on when a judge dies") {
        return;
    }
    let folder = scratch();
    let (class, out) = (with_an_endless_one(folder.path()), folder.path().join("report"));
    hands_in(&class, "zz", REFUSED);
    let mut lab = started(&class, &out, &["--jobs", "1"]);
    until(&mut lab, &|| kept(&out) > 0);
    let pid = lab.id();
    let judges_zoe = || {
        children(pid).into_iter().find(|child| {
            let words = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
            words.contains("zoe")
        })
    };
    until(&mut lab, &|| judges_zoe().is_some());
    // SAFETY: a child of our child, which waits for it.
    unsafe { libc::kill(judges_zoe().expect("a judge"), libc::SIGKILL) };
    let ended = lab.wait_with_output().expect("lab");
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let json = report(&out);
    assert_eq!(of(&json, "zoe")["not_judged"], "the judge was ended by signal 9");
    assert!(of(&json, "zoe")["points"].is_null());
    assert_eq!(of(&json, "zz")["verdict"], "findings");
}

#[test]
fn what_is_asked_wrongly_is_one_line() {
    let folder = scratch();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let class = folder.path().join("class");
    hands_in(&class, "anna", REFUSED);
    let full = folder.path().join("full");
    hands_in(&full, "other", REFUSED);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    let shown = |path: &Path| path.display().to_string();
    let (class, full, empty) = (shown(&class), shown(&full), shown(&empty));
    let out = folder.path().join("out").display().to_string();
    let no_path = put("no-path.csv", "id,file\nanna,class/anna\n");
    let none = put("none.csv", "id,path\n");
    let twice = put("twice.csv", "id,path\nanna,a\nanna,b\n");
    let hole = put("hole.csv", "id,path\nanna,\n");
    let root = repo().display().to_string();
    for (words, says) in [
        (vec!["/no/such/folder", "-o", &out], "No such file"),
        (vec![&empty, "-o", &out], "no submissions"),
        (vec!["--roster", &no_path, "-o", &out], "no column path; there are: id, file"),
        (vec!["--roster", &none, "-o", &out], "no submissions"),
        (vec!["--roster", &twice, "-o", &out], "two submissions have the id anna"),
        (vec!["--roster", &hole, "-o", &out], "hole.csv:2: "),
        (vec!["--roster", "/no/such.csv", "-o", &out], "No such file"),
        (vec![&class, "-o", &full], "not empty, and no report"),
        (vec![&class, "-o", &no_path], "no folder"),
        (vec![&class, "-o", &out, "--only", "ben"], "no submission ben"),
        (vec![&class, "-o", &out, "--override", "anna", "many", "x"], "no number of points"),
        (vec![&class, "-o", &out, "--override", "anna", "3", " "], "say why"),
        (vec![&class, "-o", &out, "--override", "ben", "3", "x"], "no submission ben"),
        (vec![&class, "-o", &out, "--reproduce", "anna"], "No such file"),
        (vec![&class, "-o", &out, "--section", "4.44"], "no exercise 4.44"),
        (vec![&class, "-o", &out, "--jobs", "0"], "--jobs"),
        (vec![], "required"),
    ] {
        let words = [&["grade", "--workbook", &root], &words[..]].concat();
        let run = run(&bin("lab")).args(&words).go();
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{words:?}: {run:#?}");
        assert!(run.stderr.contains(says) && run.stdout.is_empty(), "{words:?}: {run:#?}");
    }
}

#[test]
fn a_full_disk_is_one_line_and_what_was_done_stays() {
    if !common::as_root("what lab grade does when the disk is full")
        || !can_explore("what lab grade does when the disk is full")
    {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("class");
    hands_in(&class, "anna", REFUSED);
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).expect("a folder");
    let out = disk.join("report");
    let mut words = vec![bin("lab").display().to_string()];
    words.extend(words_of(&class, &out));
    // In a namespace of its own: the disk ends with it.
    let script = "d=$1; r=$2; shift 2; mount -t tmpfs -o size=1m tmpfs $d || exit 99; \"$@\" >&2; echo first $?; \
                  cat $r/grade.json > $d/../before; ls $r/.journal | wc -l; \
                  cat /dev/zero > $d/fill 2>/dev/null; \"$@\" --only anna; echo second $?; \
                  cmp $r/grade.json $d/../before && echo same; ls $r/.journal | wc -l";
    let (disk, out) = (disk.display().to_string(), out.display().to_string());
    let before = ["unshare", "--mount", "sh", "-c", script, "sh", &disk, &out];
    let program = words.remove(0);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let run = run(Path::new(&program)).args(&words).under(&before).privileged().go();
    let said: Vec<&str> = run.stdout.split_whitespace().collect();
    let [_, first, there, _, second, same, still] = said[..] else { panic!("{run:#?}") };
    assert_eq!((first, second, same), ("0", "1", "same"), "{run:#?}");
    assert_eq!(there, still, "{run:#?}");
    let lines = without_progress(&run.stderr);
    let lines: Vec<_> = lines.iter().filter(|line| line.starts_with("lab grade: ")).collect();
    assert!(lines.len() == 1 && lines[0].contains("No space left"), "{run:#?}");
}

fn words_of(class: &Path, out: &Path) -> Vec<String> {
    words(class, out, &[])
}

/// A class of 4.8, made of the mutants: with SOAK a hundred of them, for the figures in notes/grading.md.
#[test]
fn a_class_of_4_8() {
    if !can_explore("a class of 4.8") {
        return;
    }
    let class_size = if std::env::var_os("SOAK").is_some() { 100 } else { 4 };
    let folder = scratch();
    let class = folder.path().join("class");
    let mutants = mutants();
    for n in 0..class_size {
        // Eight of a hundred are right, and some are wrong in the same way.
        let text = mutants.get(n % (mutants.len() + 8)).map_or_else(solution, |one| one.1.clone());
        hands_in(&class, &format!("student-{n:03}"), &text);
    }
    let began = Instant::now();
    let out = folder.path().join("report");
    let run = grade(&class, &out, &[]);
    println!("{class_size} submissions: {:?}: {}", began.elapsed(), run.stdout);
    assert!([0, 3].contains(&run.code), "{run:#?}");
    formats::hold(&out, class_size);
}
