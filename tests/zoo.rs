//! `lab explore` against the zoo (tests/zoo): every defect is found, no false alarm is raised, each
//! time the same, and every schedule that was found leads there again; also on a machine that has
//! something else to do. With SOAK, 100 times; else once, and a share of the animals more often.
#![cfg(target_arch = "x86_64")]

mod common;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use common::scene::shell;
use common::{Load, Run, bin, can_explore, lab, repo, run};
use expectrl::{ControlCode, Expect};

fn soak() -> bool {
    std::env::var_os("SOAK").is_some()
}

/// Which of the animals are in a share, without SOAK: each animal is in one of them.
const SEED: usize = 7;

/// Is the n-th animal in the share of one in so many? With SOAK each is.
fn in_share(n: usize, one_in: usize) -> bool {
    soak() || n % one_in == SEED % one_in
}

/// A program of the zoo, compiled.
struct Animal {
    name: String,
    program: PathBuf,
    /// What must be found; `none`.
    expected: String,
    pair: bool,
    /// Its stores wait in a buffer.
    tso: bool,
}

fn zoo() -> &'static [Animal] {
    static ZOO: std::sync::LazyLock<Vec<Animal>> = std::sync::LazyLock::new(|| {
        let built = common::scratch().keep();
        let files = ["bad", "good"].iter().flat_map(|kind| {
            let dir = repo().join("tests/zoo").join(kind);
            fs::read_dir(dir).expect("tests/zoo").map(|entry| entry.expect("a file").path())
        });
        let files: Vec<PathBuf> = files.collect();
        let half = |files: &[PathBuf]| -> Vec<Animal> {
            files.iter().map(|file| compile(file, &built)).collect()
        };
        let (one, other) = files.split_at(files.len() / 2);
        let mut animals = std::thread::scope(|scope| {
            let beside = scope.spawn(|| half(one));
            let mut animals = half(other);
            animals.extend(beside.join().expect("C that compiles"));
            animals
        });
        animals.sort_by(|a, b| a.name.cmp(&b.name));
        animals
    });
    &ZOO
}

fn compile(file: &Path, built: &Path) -> Animal {
    let text = fs::read_to_string(file).expect("C");
    let words: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').collect();
    let ["/*", "zoo:", _section, expected, ..] = words[..] else {
        panic!("{} does not say what must be found", file.display());
    };
    let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
    let program = built.join(&name);
    let flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-pthread", "-o"];
    // Where the student may run it.
    let done = Command::new("cc").args(flags).arg(&program).arg(file).status().expect("cc");
    assert!(done.success(), "{} does not compile", file.display());
    let [pair, tso] = ["pair", "tso"].map(|mark| words.get(4) == Some(&mark));
    Animal { name, program, expected: expected.into(), pair, tso }
}

/// What the explorer says where what one run leaves is found by the next.
const SHARES: &str = "the programs cannot have their own ";

/// Explores; what it prints is JSON.
fn explore(animal: &Animal, options: &[&str]) -> Run {
    let path = animal.program.display().to_string();
    let client = format!("{path} client");
    let (pair, role): (&[&str], &[&str]) =
        if animal.pair { (&["--and", &client], &["server"]) } else { (&[], &[]) };
    let tso: &[&str] = if animal.tso { &["--tso"] } else { &[] };
    let words = [&["explore", "--json"], tso, pair, options, &["--", &path], role].concat();
    explorer().args(&words).go()
}

/// What the first exploration of it said, without options.
fn first_of(animal: &Animal) -> &'static Run {
    static FIRST: Mutex<BTreeMap<String, &'static Run>> = Mutex::new(BTreeMap::new());
    let mut first = FIRST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    first.entry(animal.name.clone()).or_insert_with(|| Box::leak(Box::new(explore(animal, &[]))))
}

fn explorer() -> common::Runner {
    run(&bin("lab"))
}

/// A field of the first line of JSON that has it.
fn field<'a>(run: &'a Run, name: &str) -> Option<&'a str> {
    let start = run.stdout.find(&format!("\"{name}\":"))? + name.len() + 3;
    let rest = &run.stdout[start..];
    Some(rest[..rest.find([',', '}', '\n'])?].trim_matches('"'))
}

/// The findings of a run, and how often each outcome came.
fn verdict(run: &Run) -> (String, String) {
    let found = run.stdout.lines().find_map(|line| {
        let at = line.find("\"finding\":\"")? + 11;
        Some(line[at..].split('"').next()?.to_string())
    });
    let outcomes = run.stdout.lines().next().unwrap_or_default();
    let from = outcomes.find("\"outcomes\":").unwrap_or(0);
    let to = outcomes.find("\"preemptions\":").unwrap_or(from);
    (found.unwrap_or("none".into()), outcomes[from..to].to_string())
}

/// `times`: of the n-th. The first time is shared by all tests.
fn all_are_judged_right(times: impl Fn(usize) -> usize) {
    for (n, animal) in zoo().iter().enumerate() {
        let mut verdicts = BTreeMap::new();
        for time in 0..times(n) {
            let run = if time == 0 { first_of(animal) } else { &explore(animal, &[]) };
            let (found, outcomes) = verdict(run);
            if run.stderr.contains(SHARES) {
                common::not_tested("a /tmp, /dev/shm or network for each run", &animal.name);
                break;
            }
            assert_eq!(found, animal.expected, "{}: {run:#?}", animal.name);
            let code = i32::from(animal.expected != "none");
            let complete = field(run, "complete") == Some("true");
            assert!(
                run.code == code && complete && run.left.is_empty() && run.stderr.is_empty(),
                "{}: {run:#?}",
                animal.name
            );
            *verdicts.entry(outcomes).or_insert(0) += 1;
        }
        assert!(verdicts.len() <= 1, "{}: not the same each time: {verdicts:#?}", animal.name);
    }
}

/// One at a time: on two CPUs more at once takes longer, and the busy one would make all busy.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
fn every_defect_is_found_and_nothing_else() {
    let _turn = turn();
    if can_explore("lab explore on the zoo") {
        let bad = zoo().iter().filter(|animal| animal.expected != "none").count();
        assert!(bad >= 20 && zoo().len() - bad >= 10, "{bad} of {}", zoo().len());
        let closely = if soak() { 100 } else { 20 };
        all_are_judged_right(|n| if in_share(n, 20) { closely } else { 1 });
    }
}

#[test]
fn also_on_a_busy_machine() {
    let _turn = turn();
    if can_explore("lab explore on the zoo") {
        let _load = Load::new();
        let more = if soak() { 50 } else { 2 };
        all_are_judged_right(|n| if in_share(n, 6) { more } else { 0 });
    }
}

/// What a store buffer does is found with one and not without, each time the same.
#[test]
fn only_a_store_buffer_makes_it_wrong() {
    let _turn = turn();
    if !can_explore("lab explore --tso") {
        return;
    }
    let all: Vec<&Animal> = zoo().iter().filter(|animal| animal.tso).collect();
    let bad = all.iter().filter(|animal| animal.expected != "none").count();
    assert!(bad >= 6 && all.len() - bad >= 10, "{bad} of {}", all.len());
    for (n, animal) in all.into_iter().enumerate() {
        let path = animal.program.display().to_string();
        let without = explorer().args(&["explore", "--json", "--", &path]).go();
        assert_eq!(verdict(&without).0, "none", "{}: {without:#?}", animal.name);
        assert!(without.stdout.contains("\"tso\":false"), "{without:#?}");
        assert_eq!(verdict(first_of(animal)).0, animal.expected, "{}", animal.name);
        // Also with more preemptions than the default.
        if in_share(n, 3) {
            let more = explore(animal, &["--preemptions", "unbounded"]);
            assert_eq!(verdict(&more).0, animal.expected, "{}: {more:#?}", animal.name);
        }
    }
}

/// The schedule says that stores wait: no option is needed to run it again.
#[test]
fn a_schedule_with_a_store_buffer_needs_no_option() {
    let _turn = turn();
    if !can_explore("lab explore --replay of a schedule with store buffers") {
        return;
    }
    for name in ["both-miss", "peterson-unfenced", "bell-not-rung"] {
        let animal = zoo().iter().find(|animal| animal.name == name).expect("it");
        let path = animal.program.display().to_string();
        let schedule = field(first_of(animal), "schedule").expect("a schedule").to_string();
        assert!(schedule.contains("@~"), "{schedule}");
        let again = explorer().args(&["explore", "--replay", &schedule, "--", &path]).go();
        assert!(again.code == 1 && again.stdout.contains("out of its store buffer"), "{again:#?}");
        let flat = again.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!("SCHEDULE {schedule}")), "{again:#?}");
    }
    let animal = zoo().iter().find(|animal| animal.name == "peterson-unfenced").expect("it");
    let path = animal.program.display().to_string();
    let told = explorer().args(&["explore", "--tso", "--", &path]).go();
    for part in [
        "▶ a's store still waits in its store buffer",
        "cure: put a fence",
        "the moment at which each store leaves the store buffer",
    ] {
        let flat = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "{part}: {told:#?}");
    }
}

#[test]
fn every_schedule_that_was_found_leads_there_again() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    for animal in zoo().iter().filter(|animal| animal.expected != "none") {
        let schedule = field(first_of(animal), "schedule").expect("a schedule").to_string();
        for _ in 0..if soak() { 50 } else { 1 } {
            let again = explore(animal, &["--replay", &schedule]);
            assert_eq!(verdict(&again).0, animal.expected, "{}: {again:#?}", animal.name);
            assert!(again.code == 1 && again.left.is_empty(), "{again:#?}");
        }
    }
}

#[test]
fn leaving_orders_out_leaves_nothing_out() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    for (_, animal) in zoo().iter().enumerate().filter(|(n, _)| in_share(*n, 4)) {
        // How they end, and what they print; of one whose runs do not all find the same, that means nothing.
        let shares = std::cell::Cell::new(false);
        let outcomes = |options: &[&str]| -> std::collections::BTreeSet<String> {
            let run = explore(animal, &[&["--preemptions", "1"], options].concat());
            shares.set(shares.get() | run.stderr.contains(SHARES));
            let explored = common::foreign::explored(&run);
            let all = explored["outcomes"].as_array().expect("a list").iter();
            all.map(|one| format!("{} {}", one["outcome"], one["printed"])).collect()
        };
        let (reduced, all) = (outcomes(&[]), outcomes(&["--all"]));
        if shares.get() {
            common::not_tested("a /tmp, /dev/shm or network for each run", &animal.name);
            continue;
        }
        assert_eq!(reduced, all, "{}", animal.name);
    }
}

#[test]
fn orders_that_nobody_can_tell_apart_are_tried_once() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let schedules = |name: &str, bound: &str| -> u32 {
        let animal = zoo().iter().find(|animal| animal.name == name).expect("it");
        let run = explore(animal, &["--preemptions", bound]);
        assert_eq!(field(&run, "complete"), Some("true"), "{run:#?}");
        field(&run, "schedules").and_then(|text| text.parse().ok()).expect("a number")
    };
    for bound in ["2", "unbounded"] {
        assert_eq!(schedules("each-its-own", bound), 1);
    }
    for name in ["philosophers", "philosophers-in-order"] {
        assert!(schedules(name, "2") <= 250, "{name}");
    }
}

/// One that sleeps in semop is told apart where the program can: GETNCNT, EIDRM. Then to fall asleep is
/// a move, and the schedule says so.
#[test]
fn sleepers_matter_where_a_program_can_tell() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let find = |name: &str| zoo().iter().find(|animal| animal.name == name).expect("it");
    let run = explore(find("removed-under-a-sleeper"), &[]);
    for part in ["ended: a 0, b 7", "ended: a 0, b 0", "\"first\":\"+"] {
        assert!(run.stdout.contains(part), "{part}: {run:#?}");
    }
    let other = explore(find("lock-order"), &[]);
    assert!(!other.stdout.contains("\"first\":\"+"), "{other:#?}");
}

#[test]
fn the_answer_says_what_was_ordered_and_which_moment_decided() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let animal = zoo().iter().find(|animal| animal.name == "check-then-pause").expect("it");
    let path = animal.program.display().to_string();
    let run = explorer().args(&["explore", "--", &path]).go();
    for part in [
        "at most 2 preemptions",
        "deadlock",
        "Found, and every order within the bound was tried.",
        "Not ordered: memory of one process",
        "which were not stopped for",
        "cure: block it before fork, wait in sigsuspend: section 4.8, step 9",
        "before pause: no other signal will come",
        "SCHEDULE ",
        "lab explore --replay ",
    ] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
    assert_eq!(run.code, 1);
}

/// Objects of JSON, one a line, which say this of themselves.
fn lines(run: &Run, event: &str) -> Vec<serde_json::Value> {
    let all = run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    all.filter(|line: &serde_json::Value| line["event"] == event).collect()
}

/// For each defect: the answer names a cure and a section, and a step, that exist; and where a process of the
/// story has done something that it should not, the moment that decided is that one.
#[test]
fn every_finding_names_its_cause_and_its_cure() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let place = regex::Regex::new(r": section (4\.\d+)(?:, step (\d+))?$").expect("a place");
    let decided = [
        ("shmat-unchecked", "shmat(4711, NULL, 0) = -1 EINVAL (Invalid argument)"),
        ("shmat-unchecked-record", "= -1 EINVAL (Invalid argument)"),
        ("client-attaches-nothing", "shmat(-1, NULL, 0) = -1 EINVAL (Invalid argument)"),
        ("used-after-shmdt", "shmdt("),
        ("store-to-read-only", "SHM_RDONLY) = 0x"),
        ("past-the-end", "shmat("),
        ("holder-dies", "+++ exited with 1 +++"),
        ("queue-both-receive", "msgrcv("),
        ("two-kills", "kill("),
        ("pid-zero", "kill(0, SIGUSR2) = ?"),
        ("child-exits-early", "+++ exited with 0 +++"),
        ("client-first", "shmget("),
        ("both-remove", "IPC_RMID, NULL) = 0"),
        ("semaphores-left", "semget("),
    ];
    let mut places = std::collections::BTreeSet::new();
    for animal in zoo().iter().filter(|animal| animal.expected != "none") {
        let run = first_of(animal);
        let findings = lines(run, "finding");
        assert!(!findings.is_empty(), "{}: {run:#?}", animal.name);
        for finding in &findings {
            let cure = finding["cure"].as_str().expect("a cure");
            let found = place.captures(cure).unwrap_or_else(|| panic!("no place: {cure}"));
            assert_eq!(finding["section"], found[1], "{cure}");
            let heading = match found.get(2) {
                Some(step) => format!("\n## {}  ", step.as_str()),
                None => String::new(),
            };
            let note = fs::read_dir(repo().join("notes")).expect("notes").filter_map(Result::ok);
            let note = note.map(|entry| entry.path()).find(|path| {
                path.file_name().is_some_and(|name| {
                    name.to_string_lossy().starts_with(&format!("{}-", &found[1]))
                })
            });
            let text = fs::read_to_string(note.expect("a note")).expect("the note");
            assert!(text.contains(&heading), "{}: {cure}", animal.name);
            places.insert(cure.to_string());
        }
        let all: Vec<serde_json::Value> = run
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .filter(|line: &serde_json::Value| line["decides"].is_string())
            .collect();
        assert_eq!(all.len(), 1, "{}: one moment decided: {run:#?}", animal.name);
        let text = all[0]["text"].as_str().expect("a text");
        if let Some((_, cause)) = decided.iter().find(|(name, _)| *name == animal.name) {
            assert!(text.contains(cause), "{}: it is not {cause}, but {text}", animal.name);
        }
        // Where one was overtaken, and where a signal kills that has no handler, the signal is the cause.
        let symptom = text.starts_with("--- SIGSEGV") || text.starts_with("--- SIGABRT");
        assert!(!symptom, "{}: the last symptom: {text}", animal.name);
        // No argument is left out.
        let calls = lines(run, "call");
        let empty = |text: &str| {
            let bare = ["pause()", "getppid()", "sched_yield()", "vfork()", "fork()", "setsid()"];
            text.contains("()") && !bare.iter().any(|call| text.starts_with(call))
        };
        for call in calls.iter().filter_map(|call| call["text"].as_str()) {
            assert!(!empty(call), "{}: {call}", animal.name);
        }
    }
    assert!(places.len() > 20, "not one cure for all: {places:#?}");
}

/// A timer on a clock that the explorer does not turn: nobody can say that the sleeper sleeps for ever.
#[test]
fn a_sleeper_with_a_timer_of_the_kernel_is_not_judged() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let dir = common::scratch();
    let (source, program) = (dir.path().join("timer.c"), dir.path().join("timer"));
    for (call, judged) in [("ITIMER_VIRTUAL, &time", false), ("ITIMER_REAL, &never", true)] {
        let text = format!(
            "#include \"zoo.h\"\nint main(void)\n{{\n    struct itimerval time = {{ {{ 0, 0 }}, {{ 1, 0 }} }}, \
             never = {{ 0 }};\n    handle(SIGVTALRM, woken);\n    (void)time, (void)never;\n    \
             setitimer({call}, NULL);\n    pause();\n    return 0;\n}}\n"
        );
        fs::write(&source, text).expect("a source");
        let include = format!("-I{}", repo().join("tests/zoo").display());
        let built = Command::new("cc").arg(include).arg("-o").arg(&program).arg(&source).status();
        assert!(built.expect("cc").success());
        let run = explorer().args(&["explore", &program.display().to_string()]).go();
        let flat = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        for why in [
            "not judged: a process sleeps with a timer that the explorer does not control",
            "1 orders were not judged.",
        ] {
            let expected = if judged { (1, false) } else { (3, true) };
            assert_eq!((run.code, flat.contains(why)), expected, "{run:#?}");
        }
    }
}

/// What is in /tmp is the student's: programs find it, and what they do to it does not reach it.
#[test]
fn a_file_in_tmp_is_found_and_stays_as_it_was() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let lab = bin("lab").display().to_string();
    let script = format!(
        "echo hello > letter
         {lab} explore -- sh -c 'read it < letter; [ \"$it\" = hello ] && echo more >> letter && rm -f gone && mkdir new'
         echo code $?; cat letter; ls"
    );
    let run = run(Path::new("bash")).args(&["-c", &format!("> gone; {script}")]).go();
    if run.stderr.contains("the programs cannot have their own ") {
        common::not_tested("a /tmp for each run", "a file in /tmp stays as it was");
        return;
    }
    assert!(run.stdout.ends_with("code 0\nhello\nbefore\ngone\nletter\n"), "{run:#?}");
    assert!(run.stdout.contains("ended: a 0"), "{run:#?}");
    let said = "a file of /tmp that was there before is changed or removed";
    assert_eq!(run.stderr.matches(said).count(), 1, "{run:#?}");
}

/// A student must find the line that decided among 10,000.
#[test]
fn a_long_story_is_folded() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let dir = common::scratch();
    let (source, program) = (dir.path().join("long.c"), dir.path().join("long"));
    let text = "#include \"zoo.h\"\nint main(void)\n{\n    int id = semaphores(1);\n\
        for (int i = 0; i < 4992; i++)\n        post(id, 0);\n    return 0;\n}\n";
    fs::write(&source, text).expect("a source");
    let include = format!("-I{}", repo().join("tests/zoo").display());
    let built = Command::new("cc").arg(include).arg("-o").arg(&program).arg(&source).status();
    assert!(built.expect("cc").success());
    // What cargo sets there makes the loader look into many folders.
    let explorer = explorer().env("LD_LIBRARY_PATH", "");
    let run = explorer.args(&["explore", &program.display().to_string()]).go();
    assert!(run.stdout.contains("… the same 4,991 times more"), "{run:#?}");
    assert!(run.code == 1 && run.stdout.lines().count() < 40, "{run:#?}");
}

/// Not at a terminal: the first finding at once, on standard error; then what is known, whoever asks.
#[test]
fn what_is_known_is_told_in_a_pipe_too() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let animal = zoo().iter().find(|animal| animal.name == "no-predicate").expect("it");
    let (lab, path) = (bin("lab").display().to_string(), animal.program.display().to_string());
    let all = "--all --preemptions unbounded --max 1000000";
    for (signal, name) in [("INT", "SIGINT"), ("TERM", "SIGTERM")] {
        let script = format!(
            "env --default-signal=INT {lab} explore {all} {path} > out 2> err & it=$!; mkfifo pipe; turns=0
             until grep -q 'found in schedule 1: deadlock' err; do turns=$((turns + 1))
             [ $turns -gt 5000 ] && exit 99; read -t 0.01 nothing <> pipe; done
             [ -s out ] && exit 98; kill -{signal} $it; wait $it; code=$?; cat out; exit $code"
        );
        let run = run(Path::new("bash")).args(&["-c", &script]).go();
        assert!(run.code == 1 && run.left.is_empty(), "{run:#?}");
        for part in [&*format!("Stopped by {name}."), "deadlock: ", "cure: ", "SCHEDULE "] {
            assert!(run.stdout.contains(part), "{part}: {run:#?}");
        }
    }
    let max = explorer().args(&["explore", "--max", "3", "--all", &path]).go();
    let told = max.stderr.starts_with("lab explore: found in schedule 1: deadlock (");
    assert!(max.code == 1 && told && max.stderr.lines().count() == 1, "{max:#?}");
    for part in ["--max 3 was reached", "deadlock: ", "cure: "] {
        assert!(max.stdout.contains(part), "{part}: {max:#?}");
    }
}

/// What follows the program is the program's; `--` may stand before it.
#[test]
fn a_program_needs_no_dashes_before_it() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let lab = bin("lab").display().to_string();
    for words in ["echo --max -n", "-- echo --max -n"] {
        let traced =
            run(Path::new(&lab)).args(&["trace"]).args(&words.split(' ').collect::<Vec<_>>()).go();
        assert!(traced.code == 0 && traced.stdout == "--max -n\n", "{traced:#?}");
        let explored = run(Path::new(&lab))
            .args(&["explore"])
            .args(&words.split(' ').collect::<Vec<_>>())
            .go();
        assert!(explored.code == 0, "{explored:#?}");
    }
    let wrong = run(Path::new(&lab)).args(&["explore", "--frist", "true"]).go();
    assert!(wrong.code == 2 && wrong.stderr.contains("'--frist'"), "{wrong:#?}");
}

#[test]
fn exit_codes() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let animal = |name: &str| zoo().iter().find(|animal| animal.name == name).expect("it");
    assert_eq!(explore(animal("sigsuspend"), &[]).code, 0);
    assert_eq!(explore(animal("sigsuspend"), &["--max", "2"]).code, 3);
    assert_eq!(explore(animal("bare-pause"), &[]).code, 1);
    for wrong in
        [&["--preemptions", "few"][..], &["--max", "0"], &["--replay", "3"], &["--replay", "z9"]]
    {
        let run = explore(animal("bare-pause"), wrong);
        assert!(run.code == 2 && run.stdout.is_empty() && !run.stderr.is_empty(), "{run:#?}");
    }
    let nobody = explorer().args(&["explore", "--", "/no/such/program"]).go();
    assert!(nobody.code == 2 && nobody.stderr.lines().count() == 1, "{nobody:#?}");
}

#[test]
fn our_own_parent_and_child() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let (explorer, lab) = (explorer, lab("4.8").display().to_string());
    let words = |options: &[&'static str], part: &'static str| -> Vec<String> {
        let bound = if part == "a" { "1" } else { "2" };
        let all =
            [&["explore", "--json", "--preemptions", bound], options, &["--", &lab, "--part"]];
        let rest = [part, "--rounds", "1", "--unwatched"];
        all.concat().into_iter().chain(rest).map(String::from).collect()
    };
    for options in [&["--calls-only"][..], &[]] {
        let go = |part| {
            let words = words(options, part);
            explorer().args(&words.iter().map(String::as_str).collect::<Vec<_>>()).go()
        };
        let naive = go("a");
        assert_eq!((verdict(&naive).0.as_str(), naive.code), ("deadlock", 1), "{naive:#?}");
        let cure = go("c");
        assert!(cure.code == 0 && field(&cure, "complete") == Some("true"), "{cure:#?}");
    }
}

#[test]
fn an_exploration_that_is_killed_leaves_nothing() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let path = lab("4.8").display().to_string();
    for (signal, workers) in [("-TERM", 1), ("-KILL", 1), ("-TERM", 2), ("-KILL", 2)] {
        let script = format!(
            "export TMPDIR=$PWD; \"$0\" explore --workers {workers} --all --preemptions unbounded --max 1000000 -- {path} --part c --unwatched \
             > out & it=$!; mkfifo pipe; turns=0; \
             until [ $(ls -d lab-explore-* | wc -l) = {workers} ]; do turns=$((turns + 1)); \
             [ $turns -gt 2000 ] && kill -9 $it && exit 98; read -t 0.01 nothing <> pipe; done; \
             read -t 0.5 nothing <> pipe; kill {signal} $it; wait $it; code=$?; \
             turns=0; while pgrep -f ^{path} || ls -d lab-explore-*; do turns=$((turns + 1)); \
             [ $turns -gt 500 ] && exit 99; read -t 0.01 nothing <> pipe; done; exit $code"
        );
        let lab = bin("lab").display().to_string();
        let run = run(Path::new("bash")).args(&["-c", &script, &lab]).go();
        let expected = if signal == "-TERM" { 143 } else { 137 };
        assert!(run.code == expected && run.left.is_empty(), "{run:#?}");
    }
}

#[test]
fn the_first_finding_is_told_at_once_and_what_is_known_when_it_is_stopped() {
    let _turn = turn();
    if !can_explore("lab explore on the zoo") {
        return;
    }
    let animal = zoo().iter().find(|animal| animal.name == "no-predicate").expect("it");
    let first = explore(animal, &["--first"]);
    assert_eq!((field(&first, "schedules"), first.code), (Some("1"), 1), "{first:#?}");
    assert_eq!(field(&first, "complete"), Some("false"));
    let (lab, path) = (bin("lab").display().to_string(), animal.program.display().to_string());
    let (mut terminal, _dir) = shell();
    let all = "explore --all --preemptions unbounded --max 1000000";
    for (program, told) in
        [(path, "found in schedule 1: deadlock"), (endless(), "none found so far")]
    {
        terminal.send_line(format!("{lab} {all} -- {program}")).expect("a command");
        terminal.expect(told).expect("at once");
        terminal.send(ControlCode::EndOfText).expect("Ctrl-C");
        terminal.expect("Stopped by SIGINT.").expect("what is known");
        terminal.expect("ready> ").expect("a prompt");
        terminal.send_line("echo code=$?").expect("a command");
        let code = if told.starts_with("found") { "code=1\r\n" } else { "code=130\r\n" };
        terminal.expect(code).expect(code);
    }
    terminal.send_line("exit").expect("a command");
}

/// A program without a defect whose orders are not all tried in a minute.
fn endless() -> String {
    let animal = zoo().iter().find(|animal| animal.name == "signal-thread").expect("it");
    animal.program.display().to_string()
}
