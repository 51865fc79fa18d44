//! Programs that do harm, or try to, are judged by `lab check`: nothing of it leaves the cell. As an ordinary user, and
//! as root. Without SOAK a share of them.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use common::{Run, bin, can_explore, is_root, repo, run};

/// How many kinds tests/c/hostile.c has.
const KINDS: usize = 30;
/// What a program must not see.
const TOKEN: &str = "a-secret-of-the-user-7f3a";

/// What lives outside: a file, a port and a process.
struct Outside {
    folder: tempfile::TempDir,
    port: TcpListener,
    canary: Child,
}

impl Outside {
    fn new() -> Outside {
        let folder = common::scratch();
        fs::write(folder.path().join("secret"), TOKEN).expect("a secret");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        port.set_nonblocking(true).expect("a port");
        let mut canary = Command::new("sleep");
        canary.arg("1000").stdin(Stdio::null());
        if is_root() {
            // Of the same user as the program that wants to end it.
            use std::os::unix::process::CommandExt;
            canary.uid(65534).gid(65534);
        }
        Outside { folder, port, canary: canary.spawn().expect("sleep") }
    }

    /// The n-th program.
    fn program(&self, kind: usize) -> String {
        let text = fs::read_to_string(repo().join("tests/c/hostile.c")).expect("C");
        let secret = self.folder.path().join("secret").display().to_string();
        let port = self.port.local_addr().expect("a port").port();
        let front = format!(
            "#define KIND {kind}\n#define SECRET \"{secret}\"\n#define WORKBOOK \"{}\"\n\
             #define PORT {port}\n#define CANARY {}\n",
            repo().display(),
            self.canary.id()
        );
        let path = self.folder.path().join(format!("hostile-{kind}.c"));
        fs::write(&path, front + &text).expect("a program");
        path.display().to_string()
    }

    fn judge(&self, source: &str, privileged: bool) -> Run {
        let root = repo().display().to_string();
        let words = ["check", "4.8", source, "--workbook", &root, "--patience", "5"];
        let runner = run(&bin("lab")).args(&words).env("SECRET_OF_THE_USER", TOKEN);
        if privileged { runner.privileged().go() } else { runner.go() }
    }

    /// Nothing has left the cell.
    fn is_untouched(&mut self, what: &str, run: &Run) {
        let alive = self.canary.try_wait().expect("the canary").is_none();
        assert!(alive, "{what} has ended a process outside: {run:#?}");
        assert!([1, 3].contains(&run.code), "{what}: {run:#?}");
        assert!(run.left.is_empty(), "{what} has left: {run:#?}");
        let said = format!("{}{}", run.stdout, run.stderr);
        assert!(!said.contains(TOKEN), "{what} has seen the secret: {run:#?}");
        let name = format!("hostile{}", self.port.local_addr().expect("a port").port());
        assert_eq!(named(&name), Vec::<String>::new(), "{what} lives on: {run:#?}");
        assert!(self.port.accept().is_err(), "{what} has reached the network: {run:#?}");
        for word in ["attached", "written", "mounted", "root\n"] {
            assert!(!said.contains(&format!("\"{word}")), "{what}: {word}: {run:#?}");
        }
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        // Our child, which is not reaped yet.
        let _ = self.canary.kill();
        let _ = self.canary.wait();
    }
}

/// Processes that have this name.
fn named(name: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is = |pid: &String| {
        let comm = fs::read_to_string(Path::new("/proc").join(pid).join("comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    };
    pids.filter(is).collect()
}

fn contained(privileged: bool) {
    if !can_explore("that hostile programs stay in the cell of lab check") {
        return;
    }
    let mut outside = Outside::new();
    let soak = std::env::var_os("SOAK").is_some();
    for kind in (0..KINDS).filter(|kind| soak || kind % 5 == usize::from(privileged)) {
        let source = outside.program(kind);
        let run = outside.judge(&source, privileged);
        outside.is_untouched(&format!("hostile program {kind}"), &run);
    }
}

#[test]
fn hostile_programs_are_contained() {
    contained(false);
}

#[test]
fn hostile_programs_are_contained_when_root_judges() {
    if common::as_root("that lab check contains programs when root judges") {
        contained(true);
    }
}

#[test]
fn hostile_sources_are_contained() {
    if !can_explore("that hostile sources stay in the cell of lab check") {
        return;
    }
    let mut outside = Outside::new();
    let secret = outside.folder.path().join("secret").display().to_string();
    let rules = repo().join("labs/4.8/rules.toml").display().to_string();
    for (name, text) in [
        ("include.c", format!("#include \"{secret}\"\nint main(void) {{ return 0; }}\n")),
        ("rules.c", format!("#include \"{rules}\"\nint main(void) {{ return 0; }}\n")),
        ("zero.c", "#include \"/dev/zero\"\nint main(void) { return 0; }\n".to_string()),
        (
            "asm.c",
            format!("__asm__(\".incbin \\\"{secret}\\\"\");\nint main(void) {{ return 0; }}\n"),
        ),
        (
            "bomb.cpp",
            "template<int N, int M> struct B { static const long v = B<N - 1, M>::v + B<N - 1, M + 1>::v; };\n\
             template<int M> struct B<0, M> { static const long v = M; };\n\
             int main() { return B<500, 0>::v; }\n"
                .to_string(),
        ),
    ] {
        let path = outside.folder.path().join(name);
        fs::write(&path, text).expect("a source");
        let run = outside.judge(&path.display().to_string(), false);
        outside.is_untouched(name, &run);
    }
}

#[test]
fn a_hostile_makefile_is_contained() {
    if !can_explore("that hostile Makefiles stay in the cell of lab check") {
        return;
    }
    let mut outside = Outside::new();
    let folder = outside.folder.path().join("project");
    fs::create_dir(&folder).expect("a folder");
    let secret = outside.folder.path().join("secret");
    std::os::unix::fs::symlink(&secret, folder.join("link")).expect("a link");
    let canary = outside.canary.id();
    for recipe in [
        format!("cat {} link >&2; false", secret.display()),
        format!("kill -9 {canary}; kill -9 -1"),
        "rm -rf / 2>/dev/null; false".to_string(),
        "(setsid sleep 1000 &) ; false".to_string(),
        "b() { b | b & b; }; b".to_string(),
        "yes > full; false".to_string(),
    ] {
        let makefile = format!("program:\n\t{}\n", recipe.replace('$', "$$"));
        fs::write(folder.join("Makefile"), makefile).expect("a Makefile");
        let run = outside.judge(&folder.display().to_string(), false);
        outside.is_untouched(&recipe, &run);
    }
    assert!(Path::new("/usr/bin/env").exists());
}
