//! `lab doctor`: what this machine allows, what that means for the workbook, and how to mend it.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use colored::Colorize;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork, geteuid};
use sysv::tables::Kind;
use sysv::{look, spell, tables};

use crate::asked::{self, Ended, Patience};
use crate::syscalls;
use crate::tracer::How;
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;
use crate::tracer::refused::{Refused, why_no_ptrace};
use crate::tracer::starter::{self, Order, Plan, Starter};
use crate::view::columns_of;
use crate::view::text::wrap;

/// How one check came out.
enum Checked {
    /// It works: what with.
    Good(String),
    /// The workbook works all the same: what does not, and how to mend it.
    Limited(String),
    /// A part of the workbook does not work: which, and how to mend it.
    Bad(String),
}

use Checked::{Bad, Good, Limited};

/// A name, and what is tried.
type Check = (&'static str, fn() -> Checked);

/// Looks at this machine. 1 if a part of the workbook does not work here.
pub fn run() -> ExitCode {
    asked::listen(&[]);
    let checks: [Check; 14] = [
        ("kernel", kernel),
        ("System V IPC", ipc),
        ("limits", limits),
        ("forced removal", forced_removal),
        ("logout", logout),
        ("ptrace", ptrace),
        ("Yama", yama),
        ("seccomp filter", seccomp),
        ("namespaces", namespaces),
        ("cell", cell),
        ("pidfd", pidfd),
        ("ipcs", || program("ipcs", "-V", "the labs show /proc/sysvipc instead", "util-linux")),
        ("strace", || {
            program("strace", "-V", "the tests that need it are not run, and named", "strace")
        }),
        ("CPUs", cpus),
    ];
    let columns = columns_of(libc::STDOUT_FILENO).unwrap_or(PAGE).min(PAGE);
    let mut code = ExitCode::SUCCESS;
    for (name, check) in checks {
        let found = check();
        // What a check concludes from a look that failed is not known.
        let unknown =
            |(call, errno)| Limited(format!("cannot tell: {call} failed: {}", spell::errno(errno)));
        let found = look::missed().map_or(found, unknown);
        let (mark, text) = match found {
            Good(text) => ("ok  ".green(), text),
            Limited(text) => ("part".yellow(), text),
            Bad(text) => {
                code = ExitCode::FAILURE;
                ("no  ".red(), text)
            }
        };
        let rows: Vec<String> =
            text.lines().flat_map(|line| wrap(line, columns.saturating_sub(MARGIN), 2)).collect();
        let text = rows.join(&format!("\n{:MARGIN$}", ""));
        if writeln!(std::io::stdout(), "{mark} {name:<15} {text}").is_err() {
            // The reader has gone.
            return code;
        }
    }
    code
}

/// What a check says begins here, and no row is longer than a page.
const MARGIN: usize = 21;
const PAGE: usize = 80;

/// How long an attempt may take that the kernel answers at once.
const LIMIT: Duration = Duration::from_secs(10);

/// What came of an attempt.
enum Tried {
    /// It worked, or the errno of what failed.
    Answered(Result<(), Errno>),
    /// The kernel does not answer: where the attempt sleeps.
    Stuck(String),
    /// It ended otherwise.
    Odd(String),
}

/// Tries something in a child, which ends afterwards. So its effects on the process end, too, and a
/// call that never returns blocks only the child.
fn attempt(what: impl Fn() -> nix::Result<()>) -> Tried {
    // SAFETY: this process has one thread.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let code = what().map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
        Ok(ForkResult::Parent { child }) => child.as_raw(),
        Err(errno) => return Tried::Odd(format!("fork: {errno:?}")),
    };
    match Patience::of(LIMIT).wait(child) {
        Ok(status) if libc::WIFEXITED(status) => Tried::Answered(match libc::WEXITSTATUS(status) {
            0 => Ok(()),
            code => Err(Errno::from_raw(code)),
        }),
        Ok(status) => Tried::Odd(format!("a child that tried it ended with status {status:#x}")),
        Err(Ended::Late) => {
            let place = starter::whereabouts(child);
            // Our child and not reaped, so the number is its own. It may never end: we do not wait.
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
            Tried::Stuck(place)
        }
        Err(ended) => Tried::Odd(format!("a child that tried it: {ended:?}")),
    }
}

/// The line for a kernel that does not answer.
fn stuck(place: &str) -> Checked {
    Bad(format!(
        "does not answer; this kernel is stuck, restart the machine\n\
         {place}"
    ))
}

/// Where `lab check` compiles and runs what students write.
#[cfg(target_arch = "x86_64")]
fn cell() -> Checked {
    match crate::check::walls_here() {
        Ok(walls) => Good(format!("{walls} (lab check)")),
        Err(why) => Limited(format!("lab check judges only with --trust: {why}")),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn cell() -> Checked {
    Limited("lab check works only on x86-64 so far".into())
}

/// The versions that first had what is needed here. man pidfd_open, pidfd_send_signal, ptrace, clone
const PIDFDS: (u32, u32) = (5, 3);
const FIXED_PIDS: (u32, u32) = (5, 5);

fn kernel() -> Checked {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        Some(version) if version < PIDFDS => Bad(format!(
            "Linux {release}: older than 5.3: no pidfd_open, which labs with two processes need, and \
             no PTRACE_GET_SYSCALL_INFO, which lab trace needs (pidfd_send_signal is there since 5.1)\n\
             use a newer kernel, or a virtual machine"
        )),
        Some(version) if version < FIXED_PIDS => Limited(format!(
            "Linux {release}: older than 5.5: lab explore does not run, it chooses the pids (clone3)\n\
             use a newer kernel, or a virtual machine"
        )),
        Some(_) => {
            Good(format!("Linux {release}; the labs and lab trace need 5.3, lab explore 5.5"))
        }
        None => Limited(format!("'{release}' is no version; 5.3 is needed, for lab explore 5.5")),
    }
}

/// `6.18.44-something`: the first two numbers.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Where logind reads its settings, the later over the earlier. man logind.conf
const LOGIND: [&str; 4] =
    ["/usr/lib/systemd", "/usr/local/lib/systemd", "/run/systemd", "/etc/systemd"];

fn logout() -> Checked {
    // It makes this folder when it starts.
    if !std::path::Path::new("/run/systemd/seats").exists() {
        return Good("no systemd-logind here: what is left stays after a logout, too".into());
    }
    let read = |path: std::path::PathBuf| fs::read_to_string(path).ok();
    let main =
        LOGIND.iter().filter_map(|dir| read(format!("{dir}/logind.conf").into())).next_back();
    // Of files of the same name in several folders the last one counts.
    let mut more = std::collections::BTreeMap::new();
    for entry in LOGIND.iter().filter_map(|dir| fs::read_dir(format!("{dir}/logind.conf.d")).ok()) {
        for path in entry.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|end| end == "conf") {
                more.insert(path.file_name().map(OsString::from), path);
            }
        }
    }
    let texts: Vec<String> = main.into_iter().chain(more.into_values().filter_map(read)).collect();
    match (removes_ipc(&texts), geteuid().as_raw()) {
        (false, _) => Good("RemoveIPC=no: what is left stays after a logout, too".into()),
        (true, 0..1000) => Good(
            "systemd-logind removes what an ordinary user leaves (RemoveIPC), not what this one does"
                .into(),
        ),
        (true, _) => Limited(
            "systemd-logind removes your unattached segments, queues and semaphores when your last session ends\n\
             RemoveIPC=no in /etc/systemd/logind.conf, then sudo systemctl restart systemd-logind"
                .into(),
        ),
    }
}

/// What logind's settings say of RemoveIPC; they are yes if nothing is said.
fn removes_ipc(texts: &[String]) -> bool {
    let value = |line: &str| {
        Some(
            line.trim()
                .strip_prefix("RemoveIPC")?
                .trim_start()
                .strip_prefix('=')?
                .trim()
                .to_string(),
        )
    };
    let last = texts.iter().flat_map(|text| text.lines().filter_map(value)).next_back();
    !last.is_some_and(|value| {
        ["no", "n", "false", "f", "off", "0"].contains(&&*value.to_lowercase())
    })
}

fn yama() -> Checked {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    match scope.trim() {
        "" => Good("not here: any process of yours may be traced (strace -p)".into()),
        "0" => Good("ptrace_scope 0: any process of yours may be traced (strace -p)".into()),
        "1" => {
            Good("ptrace_scope 1: a child may be traced, so lab works; strace -p needs sudo".into())
        }
        "2" if geteuid().is_root() => Good("ptrace_scope 2: root alone may trace".into()),
        "2" => {
            Bad("ptrace_scope 2: root alone may trace\nsudo sysctl kernel.yama.ptrace_scope=1"
                .into())
        }
        scope => Bad(format!(
            "ptrace_scope {scope}: no process may trace; only a reboot with another value helps"
        )),
    }
}

fn ipc() -> Checked {
    let made = attempt(|| {
        // SAFETY: numbers; what is made is removed.
        unsafe {
            let id = Errno::result(libc::shmget(libc::IPC_PRIVATE, 1, 0o600))?;
            Errno::result(libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut())).map(drop)
        }
    });
    match made {
        Tried::Answered(Ok(())) => {}
        Tried::Answered(Err(Errno::ENOSYS)) => {
            return Bad("this kernel or sandbox has no System V IPC: no lab works\n\
                        use a virtual machine, or a container that uses the host's kernel"
                .into());
        }
        Tried::Answered(Err(errno)) => {
            return Bad(format!("no segment can be made: {errno:?}\nipcs -m; ipcs -l"));
        }
        Tried::Stuck(place) => return stuck(&place),
        Tried::Odd(why) => return Bad(why),
    }
    if fs::metadata("/proc/sysvipc/shm").is_err() {
        return Bad("/proc/sysvipc is not here: the labs cannot see the kernel's tables\n\
                    mount -t proc proc /proc"
            .into());
    }
    let count = |kind| tables::table(kind).len();
    let (shm, msg, sem) = (count(Kind::Shm), count(Kind::Msg), count(Kind::Sem));
    Good(format!("{shm} segments, {msg} queues, {sem} sets of semaphores are in use now"))
}

fn limits() -> Checked {
    let (used, most) = (tables::table(Kind::Shm).len() as u64, tables::limit("shmmni"));
    let sizes = format!("shmmax {}, shmall {}", tables::limit("shmmax"), tables::limit("shmall"));
    if used + 16 > most {
        return Bad(format!(
            "{used} of at most {most} segments are in use: shmget may fail with ENOSPC\n\
             ipcs -m shows whose they are; sudo sysctl kernel.shmmni=4096"
        ));
    }
    if tables::limit("shmmax") < 1 << 20 {
        return Limited(format!("{sizes}: small\nsudo sysctl kernel.shmmax=18446744073692774399"));
    }
    Good(format!("{used} of {most} segments; {sizes}"))
}

fn forced_removal() -> Checked {
    if tables::limit("shm_rmid_forced") == 0 {
        return Good("off: a segment stays until it is removed, as section 4.4 says".into());
    }
    Bad("kernel.shm_rmid_forced is 1: the last detach destroys a segment, removed or not,\n\
         and what sections 4.4 and 4.7 say of leftovers is not so; sudo sysctl kernel.shm_rmid_forced=0"
        .into())
}

fn ptrace() -> Checked {
    match attempt(trace_a_child) {
        Tried::Answered(Ok(())) => Good("lab trace and lab explore work".into()),
        Tried::Answered(Err(errno)) => {
            let why = why_no_ptrace(errno);
            Bad(format!("lab trace and lab explore do not work: {errno:?}\n{why}"))
        }
        Tried::Stuck(place) => stuck(&place),
        Tried::Odd(why) => Bad(why),
    }
}

/// Starts a program as `lab trace` does, and follows it to its end.
fn trace_a_child() -> nix::Result<()> {
    let programs = [Program::find(&[OsString::from("true")])?];
    let plan = Plan {
        programs: &programs,
        filter: None,
        outlives_tracer: false,
        prepare: &|| Ok(()),
        in_child: &|_| Ok(()),
    };
    let errno = |refused| match refused {
        Refused::Call(_, errno) | Refused::Ptrace(errno) => errno,
        _ => Errno::EINTR,
    };
    let mut starter = Starter::new(&plan).map_err(errno)?;
    let (child, _) = starter.start(Order { program: 0, number: 0 }).map_err(errno)?;
    let child = child.resume(How::Cont, 0)?;
    starter::reap(child.tid()).then_some(()).ok_or(Errno::ETIME)
}

fn seccomp() -> Checked {
    let filter = match Filter::stopping_at(&syscalls::shown()) {
        Ok(filter) => filter,
        Err(error) => return Bad(format!("the filter of calls: {error}")),
    };
    match attempt(|| filter.install()) {
        Tried::Answered(Ok(())) => Good("lab trace stops only the calls that it shows".into()),
        Tried::Answered(Err(errno)) => Limited(format!(
            "lab trace stops every call, which is slow; lab explore does not run: {errno:?}\n\
             needs a kernel with CONFIG_SECCOMP_FILTER"
        )),
        Tried::Stuck(place) => stuck(&place),
        Tried::Odd(why) => Bad(why),
    }
}

fn namespaces() -> Checked {
    let flags = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS;
    let user = if geteuid().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    match attempt(|| unshare(flags | user)) {
        Tried::Answered(Ok(())) => Good("tests and lab explore use IPC tables of their own".into()),
        Tried::Answered(Err(errno)) => Limited(format!(
            "cannot be made ({errno:?}): tests use the machine's IPC tables, lab explore does not run\n\
             sudo sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1,\n\
             in a container: docker run --security-opt seccomp=unconfined; or be root"
        )),
        Tried::Stuck(place) => stuck(&place),
        Tried::Odd(why) => Bad(why),
    }
}

fn pidfd() -> Checked {
    let opened = attempt(|| {
        // SAFETY: numbers. What is opened goes with the child.
        let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
        let pidfd = Errno::result(pidfd)?;
        // SAFETY: a descriptor of ours, signal 0, and no record.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, 0, 0_usize, 0) };
        Errno::result(sent).map(drop)
    });
    match opened {
        Tried::Answered(Ok(())) => Good("lab 4.9 signals only the peer that it has checked".into()),
        Tried::Answered(Err(errno)) => Bad(format!(
            "pidfd_open, pidfd_send_signal: {errno:?}: labs with two processes do not work\n\
             they need Linux 5.3 and 5.1; a sandbox may forbid them"
        )),
        Tried::Stuck(place) => stuck(&place),
        Tried::Odd(why) => Bad(why),
    }
}

fn program(name: &str, version: &str, without: &str, package: &str) -> Checked {
    let output = Command::new(name).arg(version).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Good(text.lines().next().unwrap_or_default().to_string())
        }
        _ => Limited(format!("not here: {without}\nsudo apt-get install {package}")),
    }
}

fn cpus() -> Checked {
    match std::thread::available_parallelism() {
        Ok(n) if n.get() > 1 => Good(format!("{n}: two processes can run at the same time")),
        _ => Limited(
            "one: two processes take turns, so some races appear less often\n\
             lab explore finds them all the same"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logind_is_told_last_counts() {
        let says = |texts: &[&str]| {
            removes_ipc(&texts.iter().map(|text| text.to_string()).collect::<Vec<_>>())
        };
        assert!(says(&[]) && says(&["[Login]\n#RemoveIPC=no\n"]) && says(&["RemoveIPC=yes"]));
        assert!(
            !says(&["[Login]\nRemoveIPC = no\n"]) && !says(&["RemoveIPC=yes", "RemoveIPC=off"])
        );
        assert!(says(&["RemoveIPC=no", "RemoveIPC=true"]));
    }

    #[test]
    fn a_release_begins_with_two_numbers() {
        assert_eq!(version("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(version("5.3-rc1"), Some((5, 3)));
        assert_eq!(version("strange"), None);
        assert!(version("5.2.9").is_some_and(|old| old < PIDFDS));
    }
}
