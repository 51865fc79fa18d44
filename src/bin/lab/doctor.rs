//! `lab doctor`: what this machine allows, what that means for the workbook, and how to mend it.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

use colored::Colorize;
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, geteuid};
use sysv::tables;
use sysv::tables::Kind;

use crate::trace::why_no_ptrace;
use crate::tracer::filter::Filter;
use crate::tracer::spawn::{Program, Refused, Start};
use crate::tracer::{How, Tracer};

/// How one check came out.
enum Finding {
    /// It works: what with.
    Good(String),
    /// The workbook works all the same: what does not, and how to mend it.
    Limited(String),
    /// A part of the workbook does not work: which, and how to mend it.
    Bad(String),
}

use Finding::{Bad, Good, Limited};

/// A name, and what is tried.
type Check = (&'static str, fn() -> Finding);

/// Looks at this machine. 1 if a part of the workbook does not work here.
pub fn run() -> ExitCode {
    let checks: [Check; 9] = [
        ("System V IPC", ipc),
        ("limits", limits),
        ("forced removal", forced_removal),
        ("ptrace", ptrace),
        ("seccomp filter", seccomp),
        ("namespaces", namespaces),
        ("ipcs", || program("ipcs", "-V", "the labs show /proc/sysvipc instead", "util-linux")),
        ("strace", || program("strace", "-V", "the tests have one witness less", "strace")),
        ("CPUs", cpus),
    ];
    let mut code = ExitCode::SUCCESS;
    for (name, check) in checks {
        let (mark, text) = match check() {
            Good(text) => ("ok  ".green(), text),
            Limited(text) => ("part".yellow(), text),
            Bad(text) => {
                code = ExitCode::FAILURE;
                ("no  ".red(), text)
            }
        };
        let text = text.replace('\n', &format!("\n{:21}", ""));
        if writeln!(std::io::stdout(), "{mark} {name:<15} {text}").is_err() {
            // Nobody reads on.
            return code;
        }
    }
    code
}

fn ipc() -> Finding {
    // SAFETY: numbers; a key that nobody has is only looked for.
    let id = unsafe { libc::shmget(0x7fff_fffe, 0, 0) };
    if id < 0 && Errno::last() == Errno::ENOSYS {
        return Bad("this kernel or sandbox has no System V IPC: no lab works\n\
                    a virtual machine, or a container with the host's kernel, has it"
            .into());
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

fn limits() -> Finding {
    let (used, most) = (tables::table(Kind::Shm).len() as u64, tables::limit("shmmni"));
    let sizes = format!("shmmax {}, shmall {}", tables::limit("shmmax"), tables::limit("shmall"));
    if used + 16 > most {
        return Bad(format!(
            "{used} of at most {most} segments are in use: shmget may answer ENOSPC\n\
             ipcs -m shows whose they are; sudo sysctl kernel.shmmni=4096"
        ));
    }
    if tables::limit("shmmax") < 1 << 20 {
        return Limited(format!("{sizes}: small\nsudo sysctl kernel.shmmax=18446744073692774399"));
    }
    Good(format!("{used} of {most} segments; {sizes}"))
}

fn forced_removal() -> Finding {
    if tables::limit("shm_rmid_forced") == 0 {
        return Good("off: a segment stays until it is removed, as the notes say".into());
    }
    Bad("kernel.shm_rmid_forced is 1: a segment goes with its last detach, removed or not,\n\
         and what the notes say of leftovers is not so; sudo sysctl kernel.shm_rmid_forced=0"
        .into())
}

fn ptrace() -> Finding {
    let refused =
        Program::find(&[OsString::from("true")]).map_err(|errno| Refused::Call("true", errno));
    let mut tracer = Tracer::default();
    let tried = refused.and_then(|program| tracer.spawn(&program, &Start::default()));
    match tried {
        Ok(spawned) => {
            // Our child and not reaped, so the number is its own.
            let _ = kill(Pid::from_raw(spawned.pid), Signal::SIGKILL);
            while let Ok(Some((tid, _))) = tracer.wait(true) {
                // It has ended, or stops once more on its way there.
                let _ = tracer.resume(tid, How::Cont, 0);
            }
            Good("lab trace and lab explore work".into())
        }
        Err(Refused::Ptrace(errno)) => {
            let why = why_no_ptrace(errno);
            Bad(format!("lab trace and lab explore do not work: {errno:?}\n{why}"))
        }
        Err(other) => Bad(format!("cannot start a program: {other}")),
    }
}

fn seccomp() -> Finding {
    if Filter::supported() {
        return Good("calls that lab trace does not show cost next to nothing".into());
    }
    Limited(
        "lab trace stops every call, which is slow\na kernel with CONFIG_SECCOMP_FILTER has it"
            .into(),
    )
}

/// Tries it in a child, which ends with it.
fn namespaces() -> Finding {
    let flags = CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWPID;
    let user = if geteuid().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    // SAFETY: this process has one thread; the child makes two system calls.
    let child = match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            let code = unshare(flags | user).map_or_else(|errno| errno as i32, |()| 0);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
        Ok(ForkResult::Parent { child }) => child,
        Err(errno) => return Bad(format!("fork: {errno:?}")),
    };
    match waitpid(child, None) {
        Ok(WaitStatus::Exited(_, 0)) => {
            Good("tests and lab explore run apart from the machine's own tables".into())
        }
        Ok(WaitStatus::Exited(_, code)) => Limited(format!(
            "none of our own ({:?}): tests run in the machine's tables, lab explore does not run\n\
             sudo sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1,\n\
             in a container: docker run --security-opt seccomp=unconfined; or be root",
            Errno::from_raw(code)
        )),
        other => Bad(format!("a child that tried ended with {other:?}")),
    }
}

fn program(name: &str, version: &str, without: &str, package: &str) -> Finding {
    let output = Command::new(name).arg(version).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            Good(text.lines().next().unwrap_or_default().to_string())
        }
        _ => Limited(format!("not here: {without}\nsudo apt-get install {package}")),
    }
}

fn cpus() -> Finding {
    match std::thread::available_parallelism() {
        Ok(n) if n.get() > 1 => Good(format!("{n}: what two processes do at once is at once")),
        _ => Limited(
            "one: two processes take turns, and some races show less often\n\
             lab explore finds them all the same"
                .into(),
        ),
    }
}
