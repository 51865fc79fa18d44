//! The room in which programs are explored: a pid, a mount, an IPC and a network namespace and a /proc
//! of their own. No process in it can reach a process outside. It ends with us: its first process ends
//! when we do, and then the kernel ends all others in it.
//!
//! It is made once, by the starter, and emptied before each run: what is left in the System V
//! tables and message queues is removed, limits are restored, and ids count from 0 again.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::{mem, ptr};

use libc::{c_int, c_ulong, c_void};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, getegid, geteuid, pipe2};
use sysv::spell;

use super::places::{self, Places};
use super::printed::Streams;
use super::tables::{Tables, empty};
use super::{Trouble, complain};
use crate::tracer::filter::Filter;
use crate::tracer::program::Program;
use crate::tracer::refused::Refused;
use crate::tracer::starter::{self, Order, Plan, Starter};
use crate::tracer::{Entry, Stopped, Tid, Told};

/// The number of the first program that is held to be copied.
pub const HELD: i32 = 40;

/// The number that the first program of a run gets; the others follow. It is the same in every run, for a
/// program may print it. Only where the kernel has not given it up yet is there a second attempt.
pub fn first_pid(attempt: i32) -> i32 {
    if attempt == 0 { 100 } else { 140 + 20 * (attempt % 42) }
}

/// See the module.
pub struct Room {
    pub starter: Starter,
    pub tables: Tables,
    pub places: Places,
    /// The first process of the pid namespace, which ends with the pipe.
    keeper: Option<(File, Pid)>,
    /// What it tells us.
    told: File,
    /// What programs that keep files for a session find empty at each start; and where they find it.
    pub scratch: PathBuf,
    pub found_at: PathBuf,
    /// How many programs were started. The others were copies.
    pub starts: u64,
    /// A run may have made something that the next one would find: objects of System V, or files.
    pub has_objects: bool,
    pub has_files: bool,
    /// What they print.
    pub streams: Streams,
}

/// A folder for what programs keep for a session; emptied before each run, and gone with us.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// An empty one.
    pub fn new() -> Result<Scratch, Trouble> {
        let template = std::env::temp_dir().join("lab-explore-XXXXXX");
        nix::unistd::mkdtemp(&template).map(Scratch).map_err(Trouble::of("mkdtemp"))
    }

    /// Names it in XDG_RUNTIME_DIR.
    pub fn is_named(&self) {
        // SAFETY: we have one thread.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", &self.0) };
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the folder for what may be lost.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes the room, and enters its tables. `beside`: it is a second one, and programs find its scratch folder at
/// this path, where those of the first room find theirs.
pub fn enter(
    programs: &[Program],
    filter: &Filter,
    scratch: PathBuf,
    beside: Option<&Path>,
) -> Result<Room, Trouble> {
    enter_within(&|| Ok(()), programs, filter, scratch, beside)
}

/// The same; `walls` stands around the programs, last of all in the process that they are forked from.
pub fn enter_within(
    walls: &dyn Fn() -> Result<(), String>,
    programs: &[Program],
    filter: &Filter,
    scratch: PathBuf,
    beside: Option<&Path>,
) -> Result<Room, Trouble> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(Trouble::of("pipe2()"));
    let ((told, tell), (alive, end)) = (pipe()?, pipe()?);
    let streams = Streams::new().map_err(Trouble::of("memfd_create"))?;
    let last_pid = File::options().write(true).open("/proc/sys/kernel/ns_last_pid").ok();
    let plan = Plan {
        programs,
        filter: Some(filter),
        outlives_tracer: false,
        prepare: &|| {
            let found_at = beside.unwrap_or(&scratch);
            namespaces(beside.is_none())?;
            prepare([&scratch, found_at], &tell, &alive, &end, &streams, last_pid.as_ref())?;
            walls()
        },
        in_child: &|order| become_another(order, last_pid.as_ref()),
    };
    let starter = Starter::new(&plan).map_err(trouble)?;
    drop((tell, alive));
    let mut answer = [0; size_of::<[c_int; 5]>()];
    let mut told = File::from(told);
    let read = told.read_exact(&mut answer);
    read.map_err(|error| Trouble::because(format!("the room's first process: {error}")))?;
    let word = |at: usize| c_int::from_ne_bytes(answer[at..at + 4].try_into().unwrap_or([0; 4]));
    let (keeper, no_proc, queues) = (Pid::from_raw(word(0)), word(4), word(8));
    if no_proc != 0 {
        complain("the programs cannot have their own /proc: mount is refused");
    }
    // From here on the keeper is ours to end.
    let (tables, places) = (Tables::default(), Places::default());
    let keeper = Some((File::from(end), keeper));
    let found_at = beside.unwrap_or(&scratch).to_path_buf();
    let mut room = Room {
        starter,
        tables,
        places,
        keeper,
        told,
        scratch,
        found_at,
        starts: 0,
        has_objects: true,
        has_files: true,
        streams,
    };
    join(room.starter.pid()).map_err(Trouble::of("setns()"))?;
    room.tables = Tables::found(room.starter.pid(), queues);
    room.places = Places::found(room.starter.pid(), [word(12), word(16)]);
    if !room.tables.counts_ids() {
        complain(
            "this kernel does not let us choose ids (CONFIG_CHECKPOINT_RESTORE): they differ from \
             run to run",
        );
    }
    Ok(room)
}

fn trouble(refused: Refused) -> Trouble {
    match refused {
        Refused::Asked(signal) => Trouble::Signal(signal),
        Refused::Ptrace(_) => Trouble::because(format!("cannot trace what it starts: {refused}")),
        Refused::Call("clone", Errno::EEXIST) => Trouble::Taken,
        Refused::Call(..) | Refused::Killed(_) => {
            Trouble::because(format!("the program could not be started: {refused}"))
        }
        other => Trouble::because(other.to_string()),
    }
}

// ---- in the starter

/// Once: the namespaces, their first process, and what every program inherits. Answers through a
/// pipe: the first process, whether it has no /proc, a descriptor of the message queues, and what
/// [`places::make`] says.
fn prepare(
    [scratch, found_at]: [&Path; 2],
    tell: &OwnedFd,
    alive: &OwnedFd,
    end: &OwnedFd,
    streams: &Streams,
    last_pid: Option<&File>,
) -> Result<(), String> {
    let below = places::whatever_lies_over(scratch);
    let [shared, written] = places::make(found_at);
    // In a /tmp of its own, the folder of the first room is empty for it.
    if scratch != found_at && (written == -1 || !found_at.starts_with("/tmp")) {
        places::bind(scratch, found_at).map_err(|errno| refused("a bind mount", errno))?;
    }
    let (ready, mounted) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| format!("pipe2(): {errno}"))?;
    let keeper = match starter::fork_untraced() {
        // SAFETY: what is kept open would keep the room alive.
        Ok(pid) if pid.as_raw() == 0 => unsafe {
            libc::close(end.as_raw_fd());
            keep(alive, &mounted, &below, tell, last_pid)
        },
        answer => answer.map_err(|errno| refused("a process in it", errno))?,
    };
    drop(mounted);
    let mut no_proc = [1];
    // One that ends without a word has mounted nothing.
    let _ = File::from(ready).read(&mut no_proc);
    let answer = [keeper.as_raw(), c_int::from(no_proc[0]), message_queues(), shared, written];
    let bytes: Vec<u8> = answer.iter().flat_map(|word| word.to_ne_bytes()).collect();
    // SAFETY: descriptors, signals and flags of this process alone; the strings are literals.
    unsafe {
        libc::write(tell.as_raw_fd(), bytes.as_ptr().cast(), bytes.len());
        libc::close(end.as_raw_fd());
        let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        if null == -1 {
            return Err(format!("/dev/null: {}", spell::errno(Errno::last())));
        }
        libc::dup2(null, libc::STDIN_FILENO);
        let done = streams.take_their_places();
        done.map_err(|errno| format!("dup2(): {}", spell::errno(errno)))?;
        for signal in 1..32 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
        // Kept by exec: every run finds its memory at the same addresses.
        libc::personality(libc::ADDR_NO_RANDOMIZE as c_ulong);
    }
    Ok(())
}

fn refused(what: &str, errno: Errno) -> String {
    format!(
        "needs namespaces of its own, and {what} is refused: {}; allow user namespaces (sysctl \
         user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or run it as \
         root, in a container with --privileged",
        spell::errno(errno)
    )
}

/// The starter stays in our pid namespace, where no program sees it; what it forks does not.
/// A second one is made in the user namespace of the first.
fn namespaces(first: bool) -> Result<(), String> {
    let (uid, gid, root) = (geteuid(), getegid(), geteuid().is_root());
    if first && !root {
        unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| refused("a user namespace", errno))?;
        let map = |file: &str, text: String| fs::write(format!("/proc/self/{file}"), text);
        // Without them the programs run as nobody, and find that out themselves.
        let _ = map("setgroups", "deny".into());
        let _ = map("uid_map", format!("{uid} {uid} 1"));
        let _ = map("gid_map", format!("{gid} {gid} 1"));
    }
    let all = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWIPC;
    unshare(all).map_err(|errno| refused("a pid and an IPC namespace", errno))?;
    let no_file = ptr::null::<libc::c_char>();
    // SAFETY: changes how mounts spread; the paths are literals, the rest is not looked at.
    unsafe {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        libc::mount(no_file, c"/".as_ptr(), no_file, private, ptr::null::<c_void>());
    }
    Ok(())
}

/// The first process: mounts /proc, reaps orphans, says which number is given next, and ends when we do,
/// even if we are killed.
fn keep(
    alive: &OwnedFd,
    mounted: &OwnedFd,
    scratch: &Path,
    tell: &OwnedFd,
    last_pid: Option<&File>,
) -> ! {
    // SAFETY: a mount over /proc in a namespace of its own, and signals; the strings are literals.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        // The terminal's signals are for the process that started us; we end when it does.
        libc::setpgid(0, 0);
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let proc = c"proc".as_ptr();
        let done = libc::mount(proc, c"/proc".as_ptr(), proc, flags, ptr::null::<c_void>());
        let answer = u8::from(done != 0);
        libc::write(mounted.as_raw_fd(), (&raw const answer).cast(), 1);
        let mut number: c_int = 0;
        loop {
            match libc::read(alive.as_raw_fd(), (&raw mut number).cast(), size_of::<c_int>()) {
                -1 => {}
                0 => break,
                _ => {
                    let done = u8::from(give_next(last_pid, number));
                    libc::write(tell.as_raw_fd(), (&raw const done).cast(), 1);
                }
            }
        }
    }
    // We have ended, or were killed.
    let _ = fs::remove_dir_all(scratch);
    // SAFETY: ends the process at once.
    unsafe { libc::_exit(0) }
}

/// The IPC namespace's POSIX message queues as a folder that is mounted nowhere: a descriptor; -1
/// where the kernel has none. fsopen(2), fsmount(2): Linux 5.2
fn message_queues() -> c_int {
    /// FSCONFIG_CMD_CREATE, <linux/mount.h>
    const CREATE: c_int = 6;
    let name = c"mqueue".as_ptr();
    // SAFETY: a literal, and numbers; what is opened is closed, or the answer.
    unsafe {
        let system = libc::syscall(libc::SYS_fsopen, name, 1) as c_int;
        libc::syscall(libc::SYS_fsconfig, system, CREATE, 0, 0, 0);
        let folder = libc::syscall(libc::SYS_fsmount, system, 1, 0) as c_int;
        libc::close(system);
        folder
    }
}

/// In a child, before its exec: only system calls.
fn become_another(order: Order, last_pid: Option<&File>) -> nix::Result<()> {
    // SAFETY: a number.
    unsafe { libc::setpgid(0, 0) };
    // Where that is refused, pids differ from run to run.
    give_next(last_pid, order.number + 1);
    Ok(())
}

/// The next pid that is given in our namespace is this one, or the first after it that is free. False: that is
/// refused. Only system calls. pid_namespaces(7)
fn give_next(last_pid: Option<&File>, number: c_int) -> bool {
    // A zero in front would make it octal.
    let digit = |of: c_int| match (number - 1) / of {
        0 => b' ',
        n => b'0' + (n % 10) as u8,
    };
    let digits = [digit(100), digit(10), digit(1)];
    // SAFETY: three bytes of ours, at the file's beginning: elsewhere they would not count.
    let write = |file: &File| unsafe {
        libc::pwrite(file.as_raw_fd(), digits.as_ptr().cast(), digits.len(), 0)
    };
    last_pid.map(write) == Some(digits.len() as isize)
}

// ---- in the tracer

/// Enters the namespaces in which the starter's tables are: ours to look at, and to empty.
fn join(starter: Tid) -> nix::Result<()> {
    for (kind, flag) in [("user", CloneFlags::CLONE_NEWUSER), ("ipc", CloneFlags::CLONE_NEWIPC)] {
        let [ours, its] = ["thread-self".into(), starter.to_string()].map(|who: String| {
            let path = format!("/proc/{who}/ns/{kind}");
            (fs::read_link(&path).ok(), path)
        });
        match (ours.0 == its.0, kind) {
            (false, _) => setns(File::open(its.1).map_err(|_| Errno::EACCES)?, flag)?,
            // What we are going to empty must not be the machine's.
            (true, "ipc") => return Err(Errno::EEXIST),
            (true, _) => {}
        }
    }
    Ok(())
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((pipe, keeper)) = self.keeper.take() {
            drop(pipe);
            // It ends by itself, and is killed only where it does not.
            if !starter::reap(keeper.as_raw()) {
                starter::end(keeper.as_raw());
            }
        }
    }
}

impl Room {
    /// A new run: empty tables, and ids from 0; nothing is printed yet.
    pub fn renew(&mut self) -> Result<(), Trouble> {
        if mem::take(&mut self.has_objects) {
            self.tables.empty();
        }
        if mem::take(&mut self.has_files) {
            self.tables.put_right();
            self.places.empty();
            empty(&self.scratch);
        }
        let done = self.streams.renew();
        done.map_err(|error| Trouble::because(format!("the files of what is printed: {error}")))
    }

    /// Is what lies there emptied before each run, and seen by nobody else?
    pub fn is_own(&self, path: &Path) -> bool {
        path.starts_with(&self.found_at) || self.places.is_own(path)
    }

    /// The next process in the room gets this number, if it is free. False: that is refused.
    pub fn next_number(&mut self, number: c_int) -> Result<bool, Trouble> {
        let Some((pipe, _)) = &mut self.keeper else { return Ok(false) };
        let mut done = [0];
        let asked = pipe.write_all(&number.to_ne_bytes());
        let told = asked.and_then(|()| self.told.read_exact(&mut done));
        told.map_err(|error| Trouble::because(format!("the room's first process: {error}")))?;
        Ok(done == [1])
    }

    /// Starts the n-th program; it stands at the entry of its exec.
    pub fn start(&mut self, n: usize, number: i32) -> Result<(Stopped, Entry), Trouble> {
        self.starts += 1;
        let order = Order { program: n as c_int, number };
        self.starter.start(order).map_err(trouble)
    }

    /// The next report of a process that was resumed into its exec.
    pub fn next_of(&self, tid: Tid) -> Result<Told, Trouble> {
        self.starter.next_of(tid).map_err(trouble)
    }

    /// Why the one that was started last did not become a program.
    pub fn refusal(&mut self) -> Trouble {
        trouble(self.starter.refusal())
    }
}
