//! How the tests run a program: as an ordinary user, in an IPC namespace of its own, with a limit,
//! and with a look at what it left in the kernel.
#![allow(dead_code)] // each test file uses its part

pub mod browser;
pub mod foreign;
pub mod inject;
pub mod pages;
pub mod picture;
pub mod scene;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{LazyLock, Mutex, MutexGuard};

use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use regex::Regex;

/// The uid that stands for a student when the tests run as root.
const STUDENT: u32 = 65534;
/// Nothing a test starts may take longer, in seconds; a hang becomes a failure with exit code 124. With
/// SOAK, an hour.
fn limit() -> &'static str {
    if std::env::var_os("SOAK").is_some() { "3600" } else { "120" }
}
/// What whoever starts the tests may have set, and no test means. MAKE…: `make test` has.
const UNSET: [&str; 9] = [
    "COLUMNS",
    "LAB_LANG",
    "STEP",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "RUST_BACKTRACE",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
];

/// The workbook that is tested: this one, or the copy that WORKBOOK names.
pub fn repo() -> &'static Path {
    static REPO: LazyLock<PathBuf> = LazyLock::new(|| {
        std::env::var_os("WORKBOOK").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
    });
    &REPO
}

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Is there such a program? One that is not can be installed: with REQUIRE_ALL, which .ci/run sets, that is
/// a failure. Otherwise the last lines of `make test` say what is not tested without it.
pub fn have(program: &str, what: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    let required = std::env::var_os("REQUIRE_ALL").is_some();
    assert!(found || !required, "install {program}; not tested without it: {what}");
    let forbidden = program == "strace" && !ptrace_is_allowed();
    match found {
        false => not_tested(program, what),
        true if forbidden => not_tested("ptrace", what),
        true => true,
    }
}

/// An experiment, as `--list` names it.
pub struct Experiment {
    pub name: String,
    /// Its whole line.
    pub line: String,
}

/// What a section's `--list` names; a section without experiments says so.
pub fn experiments(section: &str) -> Vec<Experiment> {
    let list = run_lab(section).args(&["--list"]).go().clean().stdout;
    let lines = list.lines().filter(|line| !line.starts_with("  none here: "));
    let one = |line: &str| {
        let name = line.split_whitespace().next().expect("a name").to_string();
        Experiment { name, line: line.trim_end().to_string() }
    };
    lines.map(one).collect()
}

/// So many cases of what proptest makes up: the same in each run, from this seed; with SOAK others each time.
pub fn cases(cases: u32, seed: u64) -> ProptestConfig {
    let soak = std::env::var_os("SOAK").is_some();
    let rng_seed = if soak { RngSeed::Random } else { RngSeed::Fixed(seed) };
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Are we root? If not, that is named with what is not tested: what a machine forbids can be no failure.
pub fn as_root(what: &str) -> bool {
    is_root() || not_tested("root", what)
}

/// May we have namespaces of our own? If not, that is named with what is not tested.
pub fn apart(what: &str) -> bool {
    namespaces() || not_tested("user namespaces", what)
}

/// May programs be explored: ptrace, namespaces, a compiler for them?
pub fn can_explore(what: &str) -> bool {
    let traced = ptrace_is_allowed() || not_tested("ptrace", what);
    have("cc", what) && apart(what) && traced
}

/// Every test that returns early has said here why: for the last lines of tests/run. Always false.
pub fn not_tested(without: &str, what: &str) -> bool {
    eprintln!("not tested without {without}: {what}");
    if let Some(list) = std::env::var_os("NOT_TESTED") {
        let list = fs::OpenOptions::new().append(true).open(list);
        list.and_then(|mut list| list.write_all(format!("{without}: {what}\n").as_bytes()))
            .expect("the list of what is not tested");
    }
    false
}

/// Tried directly, so that a tool of ours which is broken does not look like a machine that forbids it.
fn ptrace_is_allowed() -> bool {
    static ALLOWED: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: the child makes two system calls, and nothing else.
        match unsafe { fork() }.expect("fork") {
            // SAFETY: see above.
            ForkResult::Child => unsafe {
                let answer = libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
                libc::_exit((answer != 0).into())
            },
            ForkResult::Parent { child } => {
                waitpid(child, None) == Ok(WaitStatus::Exited(child, 0))
            }
        }
    });
    *ALLOWED
}

/// The sections that have a lab here; with SECTION=4.7 that one alone, for who works on it.
pub fn sections() -> Vec<String> {
    let entries = fs::read_dir(repo().join("src/bin")).expect("src/bin");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut sections: Vec<String> = names
        .filter_map(|name| {
            Some(name.strip_prefix("lab_")?.trim_end_matches(".rs").replace('_', "."))
        })
        .collect();
    if let Ok(only) = std::env::var("SECTION") {
        sections.retain(|section| *section == only);
    }
    sections.sort_by_key(|section| section.rsplit('.').next().and_then(|n| n.parse::<u32>().ok()));
    sections
}

pub fn lab(section: &str) -> PathBuf {
    bin(&format!("lab_{}", section.replace('.', "_")))
}

/// The complete listings of the sections: whose they are, and their text.
pub fn listings() -> Vec<(String, String)> {
    let fence = Regex::new(r"(?ms)^```c\n(.*?)^```$").expect("a fence");
    let mut all = Vec::new();
    for page in fs::read_dir(repo().join("notes")).expect("notes").filter_map(Result::ok) {
        let name = page.file_name().to_string_lossy().into_owned();
        if sections().iter().any(|section| name.starts_with(&format!("{section}-"))) {
            let text = fs::read_to_string(page.path()).expect("a note");
            let whole = fence.captures_iter(&text).map(|found| found[1].to_string());
            let whole: Vec<String> = whole.filter(|text| text.contains("int main(")).collect();
            assert!(!whole.is_empty(), "{name} has no complete C listing");
            all.extend(whole.into_iter().map(|listing| (name.clone(), listing)));
        }
    }
    all
}

/// A program of this package, where a student may read it.
pub fn bin(name: &str) -> PathBuf {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| {
        let built = Path::new(env!("CARGO_BIN_EXE_lab_4_4")).parent().expect("a folder");
        if open_to_all(&built.join("lab_4_4")) {
            return built.to_owned();
        }
        let copy = scratch().keep();
        for entry in fs::read_dir(built).expect("target").filter_map(Result::ok) {
            let name = entry.file_name();
            let program = name.to_string_lossy();
            if program.starts_with("lab") || program == "sweep" {
                // What is no program but a folder is left out.
                let _ = fs::copy(entry.path(), copy.join(&name)).and_then(|_| {
                    fs::set_permissions(copy.join(&name), Permissions::from_mode(0o755))
                });
            }
        }
        copy
    });
    DIR.join(name)
}

/// This test program, where a student may read it.
pub fn this_test() -> PathBuf {
    let built = std::env::current_exe().expect("a program");
    if open_to_all(&built) {
        return built;
    }
    let copy = scratch().keep().join("test");
    fs::copy(&built, &copy).expect("a copy");
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).expect("chmod");
    copy
}

fn open_to_all(program: &Path) -> bool {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 1 != 0);
    !is_root() || program.ancestors().all(open)
}

/// A folder that the student owns.
pub fn scratch() -> tempfile::TempDir {
    // What is made here, compiled for example, is for the student, whatever the umask was.
    umask(Mode::from_bits_truncate(0o022));
    let dir = tempfile::Builder::new().prefix("shm-workbook-test-").tempdir().expect("a folder");
    if is_root() {
        chown(dir.path(), Some(STUDENT), Some(STUDENT)).expect("chown");
    }
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("chmod");
    dir
}

/// May we have IPC namespaces of our own? Without them the tests take turns on the machine's.
pub fn namespaces() -> bool {
    static ALLOWED: LazyLock<bool> = LazyLock::new(|| {
        let tried = student(&["unshare", "--map-current-user", "--ipc", "true"]).output();
        tried.is_ok_and(|tried| tried.status.success())
            || not_tested("user namespaces", "that tests may run beside each other")
    });
    *ALLOWED
}

fn student(words: &[&str]) -> Command {
    let drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let words = [if is_root() { &drop[..] } else { &[] }, words].concat();
    // Ignored, it would keep us from waiting for what we start.
    // SAFETY: two numbers.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

/// Runs a test of the libraries again: as a student, or as root if it is `privileged`, in an IPC namespace
/// of its own, in a process with one thread.
pub fn isolated(name: &str, privileged: bool, body: fn() -> lablib::Result<()>) {
    const INSIDE: &str = "ISOLATED";
    if std::env::var_os(INSIDE).is_some() {
        return in_one_thread(|| {
            lablib::leftovers::start().expect("a ledger");
            body().expect("what is promised");
        });
    }
    let again = ["--exact", "--test-threads=1", "--nocapture"];
    let again = run(&this_test()).args(&[&[name], &again[..]].concat()).env(INSIDE, "1");
    let again = if privileged { again.privileged() } else { again };
    let run = again.go();
    let ran = run.stdout.contains("1 passed");
    assert!(ran && run.code == 0 && run.left.is_empty(), "{run:#?}");
}

/// A test has two threads, its own and one that waits for it; a child of the test has one.
pub fn in_one_thread(body: impl FnOnce()) {
    // SAFETY: the other thread only waits for this one.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let failed = catch_unwind(AssertUnwindSafe(body)).is_err();
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(failed.into()) }
        }
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        }
    }
}

/// What a run answered.
#[derive(Debug)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    /// As a shell says it: 128 + n when a signal ended it, 124 when the limit did.
    pub code: i32,
    /// The rows of /proc/sysvipc that were there after it, and not before.
    pub left: Vec<String>,
    /// Its folder, with whatever it wrote there.
    pub dir: tempfile::TempDir,
}

/// One run of a program.
pub struct Runner {
    words: Vec<String>,
    env: Vec<(String, String)>,
    input: Option<String>,
    privileged: bool,
}

pub fn run(program: &Path) -> Runner {
    Runner {
        words: vec![program.display().to_string()],
        env: vec![],
        input: None,
        privileged: false,
    }
}

pub fn run_lab(section: &str) -> Runner {
    run(&lab(section))
}

impl Runner {
    pub fn args(mut self, args: &[&str]) -> Runner {
        self.words.extend(args.iter().map(|arg| arg.to_string()));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Runner {
        self.env.push((name.into(), value.into()));
        self
    }

    pub fn input(mut self, text: &str) -> Runner {
        self.input = Some(text.into());
        self
    }

    /// Puts words before the program: `strace -f …`.
    pub fn under(mut self, words: &[&str]) -> Runner {
        self.words = words.iter().map(|word| word.to_string()).chain(self.words).collect();
        self
    }

    /// As root, for what only root can show.
    pub fn privileged(mut self) -> Runner {
        self.privileged = true;
        self
    }

    /// The command, in a folder of its own; `{dir}` in a word stands for it. In a terminal, the
    /// program is in the foreground.
    pub fn command(&self, terminal: bool) -> (Command, tempfile::TempDir) {
        assert!(!self.privileged || is_root(), "only root may be privileged");
        let dir = scratch();
        // The shell that starts the program looks at the tables before their namespace ends.
        let script = "trap : INT TERM HUP; t() { awk 'FNR > 1 { print FILENAME, $0 }' /proc/sysvipc/*; }; \
                      t > $0/before; \"$@\"; code=$?; t > $0/after; exit $code";
        let path = dir.path().display().to_string();
        let words: Vec<String> = self.words.iter().map(|w| w.replace("{dir}", &path)).collect();
        let apart: &[&str] = match (self.privileged, namespaces()) {
            (true, _) => &["unshare", "--ipc"],
            (false, true) => &["unshare", "--map-current-user", "--ipc"],
            (false, false) => &[],
        };
        // In a terminal the test itself has the limit; timeout would stand between it and Ctrl-C.
        let limit: &[&str] = if terminal { &[] } else { &["timeout", "-k", "1", limit()] };
        // Whatever who starts the tests has ignored, as nohup does.
        let default = ["env", "--default-signal"];
        let shell = ["sh", "-c", script, &path];
        let all = [&default[..], limit, apart, &shell].concat();
        let all: Vec<&str> = all.into_iter().chain(words.iter().map(String::as_str)).collect();
        let mut command = student(&all);
        if self.privileged {
            command = Command::new(all[0]);
            command.args(&all[1..]);
        }
        command.env("XDG_RUNTIME_DIR", dir.path()).env("TMPDIR", dir.path());
        command.env("LC_ALL", "C").current_dir(dir.path());
        for name in UNSET {
            command.env_remove(name);
        }
        command.envs(self.env.clone());
        (command, dir)
    }

    /// Runs it.
    pub fn go(self) -> Run {
        let (mut command, dir) = self.command(false);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(input) = &self.input {
            let file = dir.path().join("input");
            fs::write(&file, input).expect("input");
            command.stdin(fs::File::open(&file).expect("input"));
        }
        let _one_by_one = (!namespaces() && !self.privileged).then(machine);
        let Output { status, stdout, stderr } = command.output().expect("timeout, unshare, sh");
        Run {
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            code: status.code().unwrap_or(-1),
            left: left(&dir),
            dir,
        }
    }
}

impl Run {
    /// It ended well, said nothing on stderr, and left nothing.
    pub fn clean(self) -> Run {
        assert!(self.code == 0 && self.stderr.is_empty() && self.left.is_empty(), "{self:#?}");
        self
    }
}

/// A C file of the tests, compiled where the student may use it; once, for it may be running.
pub fn compiled(source: &str, flags: &[&str]) -> PathBuf {
    static DIR: LazyLock<PathBuf> = LazyLock::new(|| scratch().keep());
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let source = repo().join("tests").join(source);
    let built = DIR.join(source.file_stem().expect("a name"));
    let mut done = DONE.lock().unwrap_or_else(|failed| failed.into_inner());
    if !done.insert(built.clone()) {
        return built;
    }
    let mut cc = Command::new("cc");
    cc.args(["-Wall", "-Wextra", "-Werror", "-O1", "-pthread"]).args(flags);
    let compiled = cc.arg("-o").arg(&built).arg(source).status().expect("cc");
    assert!(compiled.success(), "{} does not compile", built.display());
    built
}

/// Preloaded into what is run.
pub fn preloaded(source: &str) -> String {
    compiled(source, &["-shared", "-fPIC"]).display().to_string()
}

/// What a run in this folder left in the kernel's tables.
pub fn left(dir: &tempfile::TempDir) -> Vec<String> {
    let table = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    let before = table("before");
    let known = |row: &&str| before.lines().any(|old| id_of(old) == id_of(row));
    table("after").lines().filter(|row| !known(row)).map(String::from).collect()
}

fn id_of(row: &str) -> Vec<&str> {
    row.split_whitespace().take(3).collect()
}

fn machine() -> (MutexGuard<'static, ()>, fs::File) {
    static HERE: Mutex<()> = Mutex::new(());
    let guard = HERE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Every user may open it, and nobody needs to make it.
    let file = fs::File::open("/proc/sysvipc").expect("/proc/sysvipc");
    file.lock().expect("lock");
    (guard, file)
}

/// A lab's output process by process, in the order in which they first speak: how the lines of two
/// processes mix is not fixed.
pub fn per_process(text: &str) -> String {
    let lane = Regex::new(r"^\w[\w ]* \d+ │").expect("lane");
    let mut groups: Vec<(String, String)> = vec![(String::new(), String::new())];
    // The blank line above a heading goes with the heading: it is one write.
    let mut blank = String::new();
    for line in text.lines() {
        if line.is_empty() {
            blank += "\n";
            continue;
        }
        let name = lane.find(line).map_or("", |found| found.as_str());
        let at = groups.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            groups.push((name.into(), String::new()));
            groups.len() - 1
        });
        groups[at].1 += &format!("{}{line}\n", std::mem::take(&mut blank));
    }
    groups[0].1 += &blank;
    groups.into_iter().map(|(_, lines)| lines).collect::<Vec<_>>().join("\n")
}

/// Every Rust file of the workbook below a folder.
pub fn sources(folder: &str) -> Vec<PathBuf> {
    let (mut files, mut folders) = (vec![], vec![repo().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a file").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "rs" => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// What the labs call their processes.
fn names() -> BTreeSet<String> {
    let name = Regex::new(r#"\b(?:child|name)\(\s*"(\w+)""#).expect("name");
    let mut names = BTreeSet::new();
    for path in sources("src/bin") {
        let text = fs::read_to_string(path).expect("source");
        names.extend(name.captures_iter(&text).map(|found| found[1].to_string()));
    }
    names
}

/// A text without what differs from run to run: addresses, ids, keys, pids, users, times, folders.
pub fn scrub(text: &str) -> String {
    static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let names = names().into_iter().collect::<Vec<_>>().join("|");
        let named = format!(r"\b({names}) \d+");
        let rules = [
            (&*named, "$1 PID"),
            (r"\) += ", ") = "),
            // Whether a wait looks up by itself before somebody wakes it is not fixed.
            (r"(?m)^.*futex\(.*(tv_nsec=100000000|FUTEX_WAKE).*\n", ""),
            (r"(?m)^.*  futex (wait|wake) x .*\n", ""),
            (r"\bpipe2\(\[\d+, \d+\]", "pipe2([FD, FD]"),
            (r"\bst_dev=0x\w+, st_ino=\d+", "st_dev=DEVICE, st_ino=INODE"),
            (r"/[^ ,\x22]*shm-workbook[^/ ,\x22]*/", "DIR/"),
            (r"(?m)^(\w[\w ]*) \d+ +│", "$1 PID │"),
            // A rule ends at the page's edge; how far that is depends on the pid before it.
            (r"(?m)^([\w ]+ PID │── .*?) ─+$", "$1 ─"),
            (r"(\b(?:fork|getpid|getppid)\(\) = )\d+", "${1}PID"),
            (r"\b((?:wait|kill|pid)\w*)\(\d+", "$1(PID"),
            (r"pidfd_send_signal\(\d+", "pidfd_send_signal(FD"),
            (r"(pidfd_open\(.*\) = )\d+", "${1}FD"),
            (r"/proc/\d+/(status|maps)\b", "/proc/PID/$1"),
            (r"= uid \d+, alive", "= uid USER, alive"),
            (r"(?m)segment \d+ is (not there|there)$", "segment ID is $1"),
            (
                r"the pid in it, \d+, has not attached segment \d+",
                "the pid in it, PID, has not attached segment ID",
            ),
            // A peer may have ended by the time that its last signal is let in.
            (r"(ppoll\(.*\) = )(?:1|-1 EINTR.*)", "${1}1 or -1 EINTR"),
            (r"(\b(?:(?:shm_)?open\(\x22|memfd_create\(|eventfd\().*\) = )\d+", "${1}FD"),
            (r"\b(read|write|lseek|close|fchmod|ftruncate|fcntl)\(\d+", "$1(FD"),
            (r"(\{fd=|/proc/self/fd/|MAP_SHARED, )\d+", "${1}FD"),
            (r"(memory: pid (?:<-|->)) \d+(?:, where \d+ was)?", "$1 PID"),
            (r"has run: sent by \d+", "has run: sent by PID"),
            (r"from \d+; the pid in the segment is \d+", "from PID; the pid in the segment is PID"),
            (r"\band \d+ is gone", "and PID is gone"),
            (r"\b(the child|the parent), \d+,", "$1, PID,"),
            (r"\b(\w*pid)=[1-9]\d*", "$1=PID"),
            (r"(lab-4\.\d+)-\d+", "$1-PID"),
            // Columns are as wide as what stands in them.
            (r"(?m)^(  shm_[cl]pid +)\d+ +", "${1}PID "),
            (r"(?m)^(  shm_\wtime +)[1-9]\d* +", "${1}TIME "),
            (r"(?m)^(  shm_perm\.__key +)0x\w+ +", "${1}KEY "),
            (r"(?m)^(  shm_perm\.c?uid, c?gid +)\d+:\d+ +", "${1}USER "),
            (
                r"(?m)^((?:[\w ]+ PID │)? +)key +(shm|msq)id +owner +perms",
                "${1}key ${2}id owner perms",
            ),
            (r"\b(c?[ug]id)=\d+", "$1=USER"),
            (r"\b(\w*time)=[1-9]\d*", "$1=TIME"),
            (r"0x[0-9a-f]{9,16}\b", "ADDRESS"),
            (
                r"\b[0-9a-f]{9,16}-[0-9a-f]{9,16} (\S+) (\d+) \S+ \d+ /SYSV[0-9a-f]{8}",
                "ADDRESS-ADDRESS $1 $2 DEVICE ID /SYSVKEY",
            ),
            (r"(ftok\(.*\) = )0x[0-9a-f]+", "${1}KEY"),
            (r"(\w+get\()0x[0-9a-f]+\b", "${1}KEY"),
            (r"\bkey=0x[0-9a-f]{2,8}\b", "key=KEY"),
            (r"((?:shm|msg|sem)get\(.*\) = )\d+", "${1}ID"),
            (r"\b((?:shm(?:at|ctl)|msg(?:ctl|snd|rcv)|sem(?:ctl|op))\()\d+", "${1}ID"),
            (r"((?:SHM|MSG|SEM)_STAT(?:_ANY)?, .*\) = )\d+", "${1}ID"),
            (
                r"(?m)^((?:[\w ]+ PID │)?  (?:IPC_STAT|ipcs -\w|/proc) +0x)([0-9a-f]{8}) \d+ +\S+ +",
                "${1}KEY ID USER ",
            ),
            (r"\bat key 0x[0-9a-f]+", "at key KEY"),
            (r"-i \d+", "-i ID"),
            // How often a processor's store buffer shows.
            (r"\b\d+ of (\d+) slots", "N of $1 slots"),
            (r"\b\d+ of (600000) times", "N of $1 times"),
            (r"\b\d+ of \d+ looks", "N of N looks"),
            (r"sched_setaffinity\(0, \{\d+\}", "sched_setaffinity(0, {CPU}"),
        ];
        rules.map(|(rule, by)| (Regex::new(rule).expect(rule), by)).into_iter().collect()
    });
    let mut text = text.to_string();
    for (rule, by) in RULES.iter() {
        text = rule.replace_all(&text, *by).into_owned();
    }
    text
}

/// Fails with a diff if two texts differ.
pub fn assert_same(what: &str, expected: &str, got: &str) {
    if expected != got {
        let diff = similar::TextDiff::from_lines(expected, got);
        panic!("{what}\n{}", diff.unified_diff().header("expected", "got"));
    }
}

/// Processes that take every CPU, for as long as it lives.
pub struct Load(Vec<Child>);

impl Load {
    /// Two of them.
    pub fn new() -> Load {
        let spin =
            || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        Load((0..2).map(|_| spin().expect("sh")).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for busy in &mut self.0 {
            // Our child and not reaped, so the number is its own.
            let _ = busy.kill();
            let _ = busy.wait();
        }
    }
}
