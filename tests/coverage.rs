//! labs/coverage.md: which calls a lab makes, by `strace`, which of them it prints, and why it does not
//! print the others. A call is not printed for one of the reasons below; any other belongs to the lesson,
//! and must be printed. `GOLDEN=write` writes the page.

mod common;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::sync::LazyLock;

use common::{Runner, assert_same, have, repo, run_lab, sections};
use regex::Regex;

/// A call, as strace has it.
struct Call {
    pid: String,
    name: String,
    /// The arguments, and the result.
    rest: String,
}

/// Why a call is not printed: in a word, what that means, and which calls these are: as strace spells
/// them, descriptors with what they are. The first reason that fits counts.
const REASONS: [(&str, &str, &[&str]); 8] = [
    (
        "other program",
        "`ipcs`, `sh` and others that a lab runs: their own calls, and those by which a lab starts \
         them and reads what they print",
        &[r"^(clone3|vfork)\(.*CLONE_VFORK", r"^(openat|close)\(.*/dev/null"],
    ),
    (
        "lines",
        "the printed lines themselves, and the lock that each process takes to print one",
        &[
            r"^write\([12]<",
            r"^futex\(0x\w+, FUTEX_(WAIT(_BITSET)?(\|FUTEX_CLOCK_REALTIME)?, \d{3,}|WAKE, 1)",
            r"^ioctl\(\d+<.*, (TIOCGWINSZ|TCGETS)",
        ],
    ),
    (
        "ledger",
        "the workbook's list of what it has made",
        &[
            r"shm-workbook/ledger",
            r#"^(mkdir|statx|openat)\(.*/shm-workbook", "#,
            r#"^(mkdir|statx)\(.*/shm-workbook""#,
            r#"^access\(".*/shm-workbook", W_OK"#,
            r"^(flock|close|fcntl|statx)\(\d+</[^>]*/shm-workbook>",
        ],
    ),
    (
        "guards",
        "signals that stop a lab, children that die with their parent, pidfds that show that a child \
         has ended, the lock of a server, a nap between two looks, a thread that ends what would hang, pipes that show that a thread has ended or which child was forked",
        &[
            r"^rt_sigaction\(SIG(INT|TERM|HUP), ",
            r"^rt_sigprocmask\(SIG_(UN)?BLOCK, \[(HUP INT TERM|USR1 USR2)\]",
            r"^rt_sigprocmask\(SIG_SETMASK, ",
            r"^prctl\(PR_SET_PDEATHSIG",
            r"^getppid\(",
            r"^(close|fcntl|ppoll|poll)\(.*<anon_inode:\[pidfd\]>",
            r"^(close|fcntl)\(.*/lab-4\.\d+\S*\.key>",
            r#"^openat\(.*/lab-4\.\d+\S*\.key", O_RDONLY"#,
            r"^flock\(.*LOCK_UN",
            r"^poll\(\[\], 0, \d+\)",
            r"^clone3\(.*CLONE_THREAD.* @4\.9$",
            r"^unlink\(.* ENOENT .* @4\.2$",
            r"^pipe2\(.*\], 0\) = 0 @4\.10$",
            r"^pipe2\(.*\], O_NONBLOCK\|O_CLOEXEC\) = 0 @4\.8$",
            r"^read\(\d+<pipe:.*, 4\) = -1 EAGAIN .* @4\.8$",
        ],
    ),
    (
        "turns",
        "where a lab lets one process wait for another: a byte or a number through a pipe that was \
         printed, and the wait for it, which a signal may end",
        &[
            r"^(read|write)\(\d+<pipe:\[\d+\]>, .*, (1|4|8|24)\) = (\?|[1-9])",
            r"^read\(\d+<pipe:.*( = 0 @4\.5|<unfinished)",
            r"^ppoll\(",
            r"^close\(\d+<pipe:",
            r"^fcntl\(\d+<pipe:.*, F_GETFD",
        ],
    ),
    (
        "/proc",
        "what /proc says of processes, segments and limits, and the names of users",
        &[
            r"^\w+\([^)]*[<\x22]/(proc|sys)[/>\x22]",
            r"^\w+\([^)]*[<\x22]/(etc|usr|lib|lib64|var|run/nscd)/",
            r"^(socket|connect)\(|^\w+\(\d+<(UNIX|socket):",
            r#"^newfstatat\(.*, "/", |^statx\(.*"/dev/shm", "#,
        ],
    ),
    (
        "runtime",
        "what Rust and the C library do for themselves: memory, threads, the waits of a mutex or a \
         condition variable whose own call was printed, the start and the end of a process",
        &[
            r"^(execve|brk|arch_prctl|access|set_tid_address|set_robust_list|rseq|prlimit64|getrandom)\(",
            r"^(sigaltstack|gettid|getpid|geteuid|getegid|exit|exit_group|sched_getaffinity|sched_yield)\(",
            r"^(restart_syscall|clock_nanosleep|rt_sigreturn|getdents64|uname|sysinfo)\(",
            r"^futex\(0x\w+, FUTEX_\w+_PRIVATE",
            r"^futex\(0x\w+, FUTEX_WAIT_BITSET\|FUTEX_CLOCK_REALTIME, \d+, NULL",
            r"^(mmap|munmap|mprotect|madvise|mremap)\(",
            r"^rt_sigprocmask\(SIG_(UN)?BLOCK, ~\[",
            r"^rt_sigprocmask\(SIG_(UN)?BLOCK, \[(RTMIN RT_1)?\]",
            r"^rt_sigaction\(SIG(PIPE|SEGV|BUS|CHLD|RT_\d+|RTMIN)",
            r"^poll\(\[\{fd=0<",
            r"^fcntl\(\d+<[^>]*>, F_GET(FD|FL)",
        ],
    ),
    ("start", "before the first line: the program starts", &[]),
];

/// Words on which the C library waits, wherever they lie: without a limit. The channel's waits have one.
const LOCKS: &str = r"^futex\(0x\w+, FUTEX_WAIT(_BITSET\|FUTEX_CLOCK_REALTIME)?, \d+, NULL";

/// What the C library answers, with or without a call of its own.
const LIBRARY: [&str; 11] = [
    "ftok",
    "pthread_cond_init",
    "pthread_cond_signal",
    "pthread_cond_wait",
    "pthread_mutex_consistent",
    "pthread_mutex_init",
    "pthread_mutex_lock",
    "pthread_mutex_trylock",
    "pthread_mutex_unlock",
    "sem_init",
    "sem_trywait",
];

/// Calls that could be the C library's, and are the lab's.
const LESSON: [&str; 1] = [r"^mmap\(NULL, \d+, PROT_NONE, MAP_PRIVATE\|MAP_ANONYMOUS, -1, 0\)"];

/// What a call is called where a lab prints it.
const SPELLED: [(&str, &str); 14] = [
    ("tgkill", "raise"),
    ("clone", "fork"),
    ("clone3", "pthread_create"),
    ("wait4", "waitpid"),
    ("newfstatat", "stat"),
    ("eventfd2", "eventfd"),
    ("openat", "open"),
    ("rt_sigaction", "sigaction"),
    ("rt_sigprocmask", "sigprocmask"),
    ("rt_sigsuspend", "sigsuspend"),
    ("rt_sigtimedwait", "sigtimedwait"),
    ("semtimedop", "semop"),
    ("mq_timedsend", "mq_send"),
    ("mq_timedreceive", "mq_receive"),
];

fn spelled<'a>(name: &'a str, rest: &str) -> &'a str {
    match name {
        "openat" if rest.contains("\"/dev/shm/") => return "shm_open",
        "unlink" if rest.contains("\"/dev/shm/") => return "shm_unlink",
        _ => {}
    }
    SPELLED.iter().find(|pair| pair.0 == name).map_or(name, |pair| pair.1)
}

/// The calls in the order in which they began, and the first process.
fn calls(log: &str) -> Vec<Call> {
    let line = Regex::new(r"^(\d+) +(\w+)\((.*)$").expect("line");
    let end = Regex::new(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$").expect("end");
    let mut begun: BTreeMap<String, usize> = BTreeMap::new();
    let mut calls: Vec<Call> = vec![];
    for text in log.lines() {
        if let Some(found) = end.captures(text) {
            if let Some(at) = begun.remove(&found[1]) {
                calls[at].rest += &found[2];
            }
        } else if let Some(found) = line.captures(text) {
            let (pid, name) = (found[1].to_string(), found[2].to_string());
            let rest = found[3].trim_end_matches("<unfinished ...>").to_string();
            if rest.len() < found[3].len() {
                begun.insert(pid.clone(), calls.len());
            }
            calls.push(Call { pid, name, rest });
        }
    }
    let end = Regex::new(r" *\) += ").expect("end");
    for call in &mut calls {
        call.rest = end.replace(&call.rest, ") = ").into_owned();
    }
    calls
}

/// How often each reason, and each call that belongs to the lesson, came.
#[derive(Default)]
struct Seen {
    made: usize,
    /// By reason and call.
    reasons: BTreeMap<(&'static str, String), usize>,
    lesson: BTreeMap<String, Vec<String>>,
}

fn traced(section: &str, log: &str) -> Seen {
    static RULES: LazyLock<Vec<(&str, Vec<Regex>)>> = LazyLock::new(|| {
        let rule = |rule: &&str| Regex::new(rule).expect("rule");
        REASONS.iter().map(|(name, _, rules)| (*name, rules.iter().map(rule).collect())).collect()
    });
    let calls = calls(log);
    let made = Regex::new(r" = (\d+)$").expect("result");
    let first = |text: &str| text.split([',', ')']).next().unwrap_or_default().to_string();
    // Other programs, and their children.
    let main = calls.first().map_or("", |call| &*call.pid);
    let runs = |call: &&Call| call.name == "execve" && call.rest.ends_with("= 0");
    let mut others: BTreeSet<String> =
        calls.iter().filter(runs).map(|call| call.pid.clone()).filter(|pid| pid != main).collect();
    // Who made whom, by fork or by posix_spawn.
    let mut forked: BTreeSet<(String, String)> = BTreeSet::new();
    let mut spawned: BTreeSet<String> = BTreeSet::new();
    for call in &calls {
        if ["clone", "clone3", "vfork"].contains(&&*call.name)
            && let Some(child) = made.captures(&call.rest)
        {
            let child = child[1].to_string();
            if others.contains(&call.pid) {
                others.insert(child.clone());
            }
            if call.rest.contains("CLONE_VFORK") {
                spawned.insert(child);
            } else {
                forked.insert((call.pid.clone(), child));
            }
        }
    }
    // The pipes through which other programs print: nothing but these stands before their start.
    let inode = Regex::new(r"pipe:\[\d+\]").expect("pipe");
    let mut theirs: BTreeSet<String> = BTreeSet::new();
    for (i, call) in calls.iter().enumerate().filter(|(_, call)| call.name == "pipe2") {
        let mut later = calls[i..].iter().filter(|later| later.pid == call.pid);
        let next =
            later.find(|later| ["write", "clone", "clone3", "vfork"].contains(&&*later.name));
        if next.is_some_and(|next| next.rest.contains("CLONE_VFORK")) {
            theirs.extend(inode.find_iter(&call.rest).map(|found| found.as_str().to_string()));
        }
    }
    let locks = Regex::new(LOCKS).expect("rule");
    let waited = |call: &&Call| locks.is_match(&format!("{}({}", call.name, call.rest));
    let locks: BTreeSet<String> =
        calls.iter().filter(waited).map(|call| first(&call.rest)).collect();
    let mut segments: BTreeMap<String, usize> = BTreeMap::new();
    // What each process has attached; a thread has what its process has.
    let mut attached: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    let mut process: BTreeMap<String, String> = BTreeMap::new();
    let mut began = false;
    let mut seen = Seen::default();
    for call in &calls {
        let Call { pid, name, rest } = call;
        let text = format!("{name}({rest} @{section}");
        seen.made += 1;
        let leader = process.get(pid).unwrap_or(pid).clone();
        let address = first(rest);
        let address =
            address.strip_prefix("0x").and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let here = attached.entry(leader.clone()).or_default();
        let ours = address.is_some_and(|at| here.iter().any(|range| range.contains(&at)));
        let result = made.captures(rest).map(|found| found[1].to_string());
        match (&**name, result) {
            ("shmget", Some(id)) => {
                let size = rest.split(", ").nth(1).and_then(|size| size.parse().ok());
                let known = segments.entry(id).or_default();
                // A new one, whose id may have been another's.
                let before = if rest.starts_with("IPC_PRIVATE") { 0 } else { *known };
                *known = size.unwrap_or(0).max(before);
            }
            ("shmat", _) => {
                if let Some((_, at)) = rest.rsplit_once(" = 0x") {
                    let at = usize::from_str_radix(at, 16).expect("an address");
                    let size = segments.get(&first(rest)).copied().unwrap_or(1);
                    here.push(at..at + size.next_multiple_of(4096));
                }
            }
            ("shmdt", Some(_)) => here.retain(|range| Some(range.start) != address),
            ("clone" | "clone3", Some(child)) if rest.contains("CLONE_THREAD") => {
                process.insert(child, leader);
            }
            ("clone", Some(child)) => {
                let copy = here.clone();
                attached.insert(child, copy);
            }
            _ => {}
        }
        let to_others = inode.find_iter(rest).any(|found| theirs.contains(found.as_str()));
        let waits = ["wait4", "waitid"].contains(&&**name) && spawned.contains(&first(rest));
        let child = name == "pidfd_open" && forked.contains(&(pid.clone(), first(rest)));
        began |= name == "write" && rest.starts_with("1<");
        let library = name == "futex" && locks.contains(&first(rest));
        let lesson = LESSON.iter().any(|rule| Regex::new(rule).expect("rule").is_match(&text));
        let reason = if others.contains(pid) || to_others || waits {
            Some("other program")
        } else if child {
            Some("guards")
        } else if !began && name != "shmget" {
            Some("start")
        } else if ours && library {
            Some("runtime")
        } else if ours || lesson {
            None
        } else {
            let fits =
                |rules: &&(&str, Vec<Regex>)| rules.1.iter().any(|rule| rule.is_match(&text));
            RULES.iter().find(fits).map(|rules| rules.0)
        };
        match reason {
            Some(reason) => {
                *seen.reasons.entry((reason, spelled(name, rest).into())).or_default() += 1;
            }
            None => {
                let calls = seen.lesson.entry(spelled(name, rest).into()).or_default();
                calls.push(format!("{pid} {text}"));
            }
        }
    }
    seen
}

/// How often the lab printed each call: its line, the line that it begins where it never ends, and what
/// was counted.
fn printed(stdout: &str) -> BTreeMap<String, usize> {
    let line = Regex::new(r"^((?:[\w ]+ \d+ │)?)  (… )?(\w+)\(.*(?: = .*|…)$").expect("line");
    let bulk = Regex::new(r"^(?:[\w ]+ \d+ │)?  (\w+)(?: wait| wake)? x (\d+): ").expect("bulk");
    let (mut seen, mut begun) = (BTreeMap::new(), BTreeSet::new());
    for text in stdout.lines() {
        if let Some(found) = line.captures(text) {
            let (lane, name) = (found[1].to_string(), found[3].to_string());
            if text.ends_with('…') {
                begun.insert((lane, name));
                continue;
            }
            if found.get(2).is_some() {
                begun.remove(&(lane, name.clone()));
            }
            *seen.entry(name).or_default() += 1;
        } else if let Some(found) = bulk.captures(text) {
            *seen.entry(found[1].to_string()).or_default() += found[2].parse::<usize>().expect("n");
        }
    }
    for (_, name) in begun {
        *seen.entry(name).or_default() += 1;
    }
    seen.retain(|name, _| !LIBRARY.contains(&&**name));
    seen
}

/// What belongs to the lesson and is not printed yet: a section and a call.
const MISSING: [(&str, &str); 0] = [];

/// A run of a lab: how many calls were made, and of each how many were printed, belong to the lesson and
/// were not printed, and have a reason.
struct Row {
    made: usize,
    printed: BTreeMap<String, usize>,
    missing: BTreeMap<String, usize>,
    reasons: BTreeMap<&'static str, usize>,
}

/// A lab that makes its own calls alone: without the counter of `make test`, which makes some.
fn lab(section: &str) -> Runner {
    run_lab(section).env("COUNT", "")
}

fn covered(section: &str, args: &[&str]) -> Row {
    let words = ["strace", "-f", "-y", "-qq", "-o", "{dir}/strace"];
    let run = lab(section).args(args).under(&words).go().clean();
    let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
    let (mut seen, printed) = (traced(section, &log), printed(&run.stdout));
    let mut missing = BTreeMap::new();
    let names: BTreeSet<String> = seen.lesson.keys().chain(printed.keys()).cloned().collect();
    for name in names {
        let calls = seen.lesson.get(&name).map_or(&[][..], |calls| calls);
        let lines = printed.get(&name).copied().unwrap_or(0);
        // A call may be printed that looks like one that need not be.
        let mut more = lines.saturating_sub(calls.len());
        for ((_, known), n) in &mut seen.reasons {
            let taken = if *known == name { more.min(*n) } else { 0 };
            (*n, more) = (*n - taken, more - taken);
        }
        let what = format!("lab {section} {args:?}, {name}: printed {lines} times, {calls:#?}");
        assert_eq!(more, 0, "{what}");
        if calls.len() > lines {
            assert!(MISSING.contains(&(section, &*name)), "{what}");
            missing.insert(name, calls.len() - lines);
        }
    }
    let mut reasons = BTreeMap::new();
    for ((reason, _), n) in seen.reasons.into_iter().filter(|(_, n)| *n > 0) {
        *reasons.entry(reason).or_default() += n;
    }
    Row { made: seen.made, printed, missing, reasons }
}

/// `shmget` 4, `shmat` 2.
fn list(calls: &BTreeMap<String, usize>) -> String {
    let list: Vec<String> = calls.iter().map(|(name, n)| format!("`{name}` {n}")).collect();
    if list.is_empty() { "none".into() } else { list.join(", ") }
}

const HEAD: &str = "\
# Coverage: what the labs call, and what they print

`make golden` makes this page from `strace -f`, with the story of each lab, and `make test` checks that it is so. A call
that belongs to the lesson is printed; a lab in which one is not fails the test. The numbers are those of one run: how
often a process has to look until something is so differs from run to run.

`strace` has other names for some calls: what is `fork` here is `clone` there, `pthread_create` is `clone3`, `waitpid`
`wait4`, `stat` `newfstatat`, `open` and `shm_open` are `openat`, `sigaction` is `rt_sigaction`, and so on.
";

fn page(rows: &[(String, Row)]) -> String {
    let names: Vec<&str> = REASONS.iter().map(|reason| reason.0).collect();
    let columns = names.join(" | ");
    let mut text =
        format!("{HEAD}\n| lab | made | printed | relevant, not printed | {columns} |\n");
    text += &format!("|---|---|---|---|{}\n", "---|".repeat(names.len()));
    for (section, Row { made, printed, missing, reasons }) in rows {
        let sum: usize = printed.values().sum();
        let cell = |name| reasons.get(name).copied().unwrap_or(0).to_string();
        let cells: Vec<String> = names.iter().map(cell).collect();
        let cells = cells.join(" | ");
        text += &format!("| {section} | {made} | {sum} | {} | {cells} |\n", list(missing));
    }
    text += "\n| why a call is not printed | |\n|---|---|\n";
    text.extend(REASONS.iter().map(|(name, what, _)| format!("| {name} | {what} |\n")));
    text += "\n| lab | what it prints |\n|---|---|\n";
    text.extend(
        rows.iter().map(|(section, row)| format!("| {section} | {} |\n", list(&row.printed))),
    );
    text
}

/// The page without its numbers, and without calls that a run may do without.
fn shape(page: &str) -> String {
    let by_chance = Regex::new(r"`(futex|pause|sigsuspend|ppoll)` \d+(, )?").expect("calls");
    let number = Regex::new(r" \d+\b").expect("number");
    number.replace_all(&by_chance.replace_all(page, ""), " N").replace(",  |", " |")
}

#[test]
fn what_a_lab_does_not_print_has_a_reason() {
    if !have("strace", "which calls the labs do not print") {
        return;
    }
    let row = |section: String| (section.clone(), covered(&section, &[]));
    let rows: Vec<(String, Row)> = sections().into_iter().map(row).collect();
    let file = repo().join("labs/coverage.md");
    if std::env::var_os("SECTION").is_none() {
        let got = page(&rows);
        if std::env::var_os("GOLDEN").is_some() {
            fs::write(&file, &got).expect("labs/coverage.md");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_same("make golden writes labs/coverage.md", &shape(&expected), &shape(&got));
    }
    // Under strace they take minutes: those of a share, unless all are asked for, or one.
    let asked = ["SOAK", "SECTION"].iter().any(|name| std::env::var_os(name).is_some());
    let share = if asked { 1 } else { 3 };
    for section in sections().iter().skip(share / 2).step_by(share) {
        covered(section, &["--experiments"]);
    }
}

/// Not what the strace command of a lab is for: what it prints dim. Nor are turns at a gate.
const DIM: [&str; 4] = ["open", "stat", "pipe2", "pidfd_open"];

/// The command in a lab's header shows the calls that the lab prints.
#[test]
fn the_strace_command_of_a_lab_shows_what_it_prints() {
    if !have("strace", "the strace commands of the labs") {
        return;
    }
    let command =
        Regex::new(r"(?m)^//! Compare: strace (.*) target/debug/lab_4_\d+$").expect("rule");
    let call = Regex::new(r"(?m)^(?:\d+ +)?(\w+)\(").expect("call");
    for section in sections() {
        let name = format!("src/bin/lab_{}", section.replace('.', "_"));
        let places = [format!("{name}.rs"), format!("{name}/main.rs")];
        let source = places.iter().find_map(|place| fs::read_to_string(repo().join(place)).ok());
        let source = source.expect("the lab's source");
        let found = command.captures(&source).unwrap_or_else(|| panic!("{section} has no command"));
        let words = ["strace", "-o", "{dir}/strace"].into_iter().chain(found[1].split(' '));
        let run = lab(&section).under(&words.collect::<Vec<_>>()).go().clean();
        let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
        let shown = |name: &str| {
            let calls = call.captures_iter(&log).filter(|call| spelled(&call[1], "") == name);
            calls.count()
        };
        let asked = |name: &str| {
            let at_a_gate = ["read", "write"].contains(&name) && !found[1].contains(name);
            !DIM.contains(&name) && !at_a_gate
        };
        for (name, times) in printed(&run.stdout).iter().filter(|(name, _)| asked(name)) {
            let seen = shown(name);
            assert!(seen >= *times, "{section}: {name} printed {times} times, shown {seen} times");
        }
    }
}

/// "No call, no copy": in 4.3 no process begins a call between the line of A's store, which is printed
/// before it, and the line of B's load, which is printed after it.
#[test]
fn between_store_and_load_there_is_no_call() {
    if !have("strace", "that a store and a load of 4.3 make no call") {
        return;
    }
    let words = ["strace", "-f", "-s", "300", "-o", "{dir}/strace"];
    let run = lab("4.3").under(&words).go().clean();
    let log = fs::read_to_string(run.dir.path().join("strace")).expect("strace's log");
    let calls = calls(&log);
    let line =
        |what: &str| calls.iter().position(|call| call.name == "write" && call.rest.contains(what));
    let stored = line(r#"<- \"written by A"#).expect("A's line");
    let loaded = line(r#"-> \"written by A"#).expect("B's line");
    let between =
        calls[stored + 1..loaded].iter().map(|call| format!("{}({}", call.name, call.rest));
    assert_eq!(between.collect::<Vec<_>>(), Vec::<String>::new());
}
